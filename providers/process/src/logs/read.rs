//! Reads what launches have printed, oldest line first, and goes on with what they print next.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use landlord_compute::provider::{LogLine, LogQuery};
use landlord_state_machines::error::ProviderError;
use tokio::time::sleep;

use super::line::{self, Line};
use super::{aside, file};
use crate::blocking;
use crate::machine::failed;

/// How many lines are read at a time.
const BATCH: usize = 256;

/// How often files are looked at for more.
const EVERY: Duration = Duration::from_millis(200);

const WHAT: &str = "reading the logs of a tenant";

/// The lines of a tenant's logs that are wanted.
pub(crate) fn read(dir: PathBuf, query: LogQuery) -> BoxStream<'static, Result<LogLine, ProviderError>> {
    let reader = Reader { dir, query, containers: Vec::new() };
    let batches = stream::try_unfold(reader, |mut reader| async move {
        loop {
            let (next, lines) = blocking::read(WHAT, move || {
                let lines = reader.batch();
                (reader, lines)
            })
            .await?;
            reader = next;
            let lines = lines.map_err(|error| failed(WHAT, error))?;
            match (lines.is_empty(), reader.query.follow) {
                (false, _) => return Ok(Some((stream::iter(lines.into_iter().map(Ok)), reader))),
                (true, false) => return Ok(None),
                (true, true) => sleep(EVERY).await,
            }
        }
    });
    batches
        .flat_map(|batch: Result<_, ProviderError>| match batch {
            Ok(lines) => lines.boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        })
        .boxed()
}

struct Reader {
    dir: PathBuf,
    query: LogQuery,
    containers: Vec<Container>,
}

/// The log of one container.
struct Container {
    name: String,
    /// Files that were put aside, oldest first.
    older: VecDeque<BufReader<File>>,
    current: Option<Current>,
    /// The next line, read already to see when it was written.
    next: Option<(Timestamp, LogLine)>,
    /// The beginning of a line that came in parts.
    begun: Vec<u8>,
}

struct Current {
    file: BufReader<File>,
    inode: u64,
    /// A line whose end is not there yet.
    partial: Vec<u8>,
}

impl Reader {
    fn batch(&mut self) -> io::Result<Vec<LogLine>> {
        self.find_containers()?;
        let mut lines = Vec::new();
        while lines.len() < BATCH {
            for container in &mut self.containers {
                container.fill(&self.dir, self.query.since)?;
            }
            let first = self.containers.iter_mut().filter(|container| container.next.is_some());
            let first = first.min_by_key(|container| container.next.as_ref().map(|(at, _)| *at));
            match first.and_then(|container| container.next.take()) {
                Some((_, line)) => lines.push(line),
                None => break,
            }
        }
        Ok(lines)
    }

    fn find_containers(&mut self) -> io::Result<()> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            let Some(container) = name.to_str().and_then(|name| name.strip_suffix(".log")) else { continue };
            let wanted = self.query.container.as_deref().is_none_or(|wanted| wanted == container);
            if wanted && !self.containers.iter().any(|known| known.name == container) {
                self.containers.push(Container::open(&self.dir, container)?);
            }
        }
        Ok(())
    }
}

impl Container {
    fn open(dir: &Path, name: &str) -> io::Result<Self> {
        let mut older = VecDeque::new();
        for number in 1.. {
            match File::open(aside(dir, name, number)) {
                Ok(file) => older.push_front(BufReader::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Self { name: name.to_owned(), older, current: None, next: None, begun: Vec::new() })
    }

    /// Reads the next line, if there is one.
    fn fill(&mut self, dir: &Path, since: Option<Timestamp>) -> io::Result<()> {
        while self.next.is_none() {
            let Some(bytes) = self.line(dir)? else { return Ok(()) };
            let Some(Line { at, source, whole, text, launch: _ }) = line::read(&bytes) else { continue };
            self.begun.extend_from_slice(&text);
            if whole {
                let text = String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned();
                if since.is_none_or(|since| at >= since) {
                    let container = self.name.clone();
                    self.next = Some((at, LogLine { at: Some(at), container, source, text }));
                }
            }
        }
        Ok(())
    }

    /// The next line of the files, without its end.
    fn line(&mut self, dir: &Path) -> io::Result<Option<Vec<u8>>> {
        while let Some(oldest) = self.older.front_mut() {
            let mut bytes = Vec::new();
            match oldest.read_until(b'\n', &mut bytes)? {
                0 => drop(self.older.pop_front()),
                _ => return Ok(Some(without_end(bytes))),
            }
        }
        loop {
            let current = match &mut self.current {
                Some(current) => current,
                none @ None => match File::open(file(dir, &self.name)) {
                    Ok(file) => none.insert(Current {
                        inode: file.metadata()?.ino(),
                        file: BufReader::new(file),
                        partial: Vec::new(),
                    }),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(error),
                },
            };
            current.file.read_until(b'\n', &mut current.partial)?;
            if current.partial.ends_with(b"\n") {
                return Ok(Some(without_end(std::mem::take(&mut current.partial))));
            }
            // The end of the file; another one may have taken its place.
            match std::fs::metadata(file(dir, &self.name)) {
                Ok(metadata) if metadata.ino() != current.inode => self.current = None,
                Ok(_) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

fn without_end(mut line: Vec<u8>) -> Vec<u8> {
    line.pop();
    line
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use landlord_compute::provider::Source;
    use landlord_state_machines::planner::process::LaunchId;

    use super::*;
    use crate::logs::{LogLimits, Writer};

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn print(writer: &mut Writer, container: &str, text: &str, second: i64) {
        let launch: LaunchId = "1-1".parse().unwrap();
        writer.print(container, launch, Source::Stdout, format!("{text}\n").as_bytes(), at(second));
    }

    async fn all(dir: &Path, query: LogQuery) -> Vec<String> {
        let lines = read(dir.to_owned(), query).map(|line| {
            let line = line.ok().unwrap();
            format!("{} {}", line.container, line.text)
        });
        lines.collect().await
    }

    #[tokio::test]
    async fn lines_come_in_the_order_of_time_from_all_containers_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path().into(), LogLimits::default().file_bytes(100).files(4));
        for second in 0..6 {
            print(&mut writer, if second % 2 == 0 { "web" } else { "db" }, &format!("line {second}"), second);
        }
        assert!(dir.path().join("web.log.1").exists());
        let expected: Vec<String> =
            (0..6).map(|n| format!("{} line {n}", if n % 2 == 0 { "web" } else { "db" })).collect();
        assert_eq!(all(dir.path(), LogQuery::default()).await, expected);
        let db = LogQuery::default().container("db").since(at(3));
        assert_eq!(all(dir.path(), db).await, ["db line 3", "db line 5"]);
        assert!(all(&dir.path().join("nobody"), LogQuery::default()).await.is_empty());
    }

    #[tokio::test]
    async fn following_goes_on_through_files_that_are_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path().into(), LogLimits::default().file_bytes(200).files(3));
        print(&mut writer, "web", "line 0", 0);
        let mut lines = read(dir.path().into(), LogQuery::default().follow());
        for second in 0..20 {
            let line = lines.next().await.unwrap().ok().unwrap();
            assert_eq!(line.text, format!("line {second}"));
            print(&mut writer, "web", &format!("line {}", second + 1), second + 1);
        }
    }

    #[tokio::test]
    async fn a_line_in_parts_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path().into(), LogLimits::default());
        let long = "x".repeat(40_000);
        print(&mut writer, "web", &long, 0);
        assert_eq!(all(dir.path(), LogQuery::default()).await, [format!("web {long}")]);
    }
}
