//! Writes what launches print. A disk that is full loses lines, and never stops a launch.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use landlord_compute::provider::Source;
use landlord_state_machines::planner::process::LaunchId;

use super::line::{self, SOURCES};
use super::{LogLimits, aside, file};

/// A line that is longer is written in parts.
const PART: usize = 16 * 1024;

/// Writes the logs of one tenant.
#[derive(Debug)]
pub(crate) struct Writer {
    dir: PathBuf,
    limits: LogLimits,
    files: HashMap<String, Open>,
    /// The beginnings of lines whose ends have not come.
    begun: HashMap<(LaunchId, Source), Vec<u8>>,
}

/// The file of a container.
#[derive(Debug, Default)]
struct Open {
    file: Option<Current>,
    /// How many lines could not be written since one could.
    lost: u64,
}

#[derive(Debug)]
struct Current {
    file: File,
    bytes: u64,
    since: Timestamp,
}

impl Writer {
    /// Writes under `dir`, which is made when it is first needed.
    pub(crate) fn new(dir: PathBuf, limits: LogLimits) -> Self {
        Self { dir, limits, files: HashMap::new(), begun: HashMap::new() }
    }

    /// Takes what a launch has printed.
    pub(crate) fn print(
        &mut self,
        container: &str,
        launch: LaunchId,
        source: Source,
        bytes: &[u8],
        now: Timestamp,
    ) {
        let mut begun = self.begun.remove(&(launch, source)).unwrap_or_default();
        begun.extend_from_slice(bytes);
        let (mut lines, mut count) = (Vec::with_capacity(begun.len() + 64), 0);
        let mut rest = begun.as_slice();
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n');
            match end {
                Some(end) if end <= PART => {
                    line::put(&mut lines, &now, launch, source, true, &rest[..end]);
                    rest = &rest[end + 1..];
                }
                Some(_) | None if rest.len() > PART => {
                    line::put(&mut lines, &now, launch, source, false, &rest[..PART]);
                    rest = &rest[PART..];
                }
                Some(_) | None => break,
            }
            count += 1;
        }
        let rest = rest.to_vec();
        if !rest.is_empty() {
            self.begun.insert((launch, source), rest);
        }
        self.write(container, &lines, count, now);
    }

    /// A launch prints no more: what has no end is written as it is.
    pub(crate) fn close(&mut self, container: &str, launch: LaunchId, now: Timestamp) {
        for source in SOURCES {
            if let Some(rest) = self.begun.remove(&(launch, source)) {
                let mut lines = Vec::new();
                line::put(&mut lines, &now, launch, source, true, &rest);
                self.write(container, &lines, 1, now);
            }
        }
    }

    fn write(&mut self, container: &str, lines: &[u8], count: u64, now: Timestamp) {
        if lines.is_empty() {
            return;
        }
        let open = self.files.entry(container.to_owned()).or_default();
        if write(&self.dir, &self.limits, container, open, lines, now).is_err() {
            // The disk is full, or somebody has removed the folder. The next line tries again.
            *open = Open { file: None, lost: open.lost.saturating_add(count) };
        }
    }
}

fn write(
    dir: &Path,
    limits: &LogLimits,
    container: &str,
    open: &mut Open,
    lines: &[u8],
    now: Timestamp,
) -> io::Result<()> {
    let lost = match open.lost {
        0 => String::new(),
        lost => format!("{now} 0-0 stderr F [{lost} lines were lost here: they could not be written]\n"),
    };
    let length = (lost.len() + lines.len()) as u64;
    if let Some(current) = &open.file {
        let day = SignedDuration::from_hours(24)
            .saturating_mul(i32::try_from(limits.file_days).unwrap_or(i32::MAX));
        let full = current.bytes > 0 && current.bytes + length > limits.file_bytes;
        if full || now.duration_since(current.since) >= day {
            open.file = None;
            put_aside(dir, limits, container)?;
        }
    }
    let current = match &mut open.file {
        Some(current) => current,
        none @ None => none.insert(begin(dir, container, now)?),
    };
    let written = current.file.write_all(lost.as_bytes()).and_then(|()| current.file.write_all(lines));
    match written {
        Ok(()) => {
            open.lost = 0;
            current.bytes += length;
        }
        // Nothing stays of what is counted as lost, not half a line either. Where that fails too, the file is no worse.
        Err(_) => drop(current.file.set_len(current.bytes)),
    }
    written
}

fn begin(dir: &Path, container: &str, now: Timestamp) -> io::Result<Current> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(file(dir, container))?;
    let metadata = file.metadata()?;
    // A file that is there was begun by an earlier keeper; when, its name on the disk does not say exactly.
    let since = metadata.created().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(now);
    Ok(Current { file, bytes: metadata.len(), since })
}

/// The file that is written becomes number 1, and so on; those beyond the limits go.
fn put_aside(dir: &Path, limits: &LogLimits, container: &str) -> io::Result<()> {
    let kept = limits.files.saturating_sub(1);
    let keep = std::time::Duration::from_secs(u64::from(limits.keep_days) * 24 * 3600);
    for number in (1..=kept).rev() {
        let from = aside(dir, container, number);
        let Ok(metadata) = from.metadata() else { continue };
        let old = metadata.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > keep));
        if number == kept || old {
            std::fs::remove_file(&from)?;
        } else {
            std::fs::rename(&from, aside(dir, container, number + 1))?;
        }
    }
    let written = file(dir, container);
    match kept {
        0 => std::fs::remove_file(written),
        _ => std::fs::rename(written, aside(dir, container, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn launch() -> LaunchId {
        "1-1".parse().unwrap()
    }

    fn text(dir: &tempfile::TempDir, name: &str) -> String {
        std::fs::read_to_string(dir.path().join(name)).unwrap()
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path().into(), LogLimits::default());
        let mut print = |source, text: &str| writer.print("web", launch(), source, text.as_bytes(), NOW);
        print(Source::Stdout, "one\ntw");
        print(Source::Stderr, "err\n");
        print(Source::Stdout, "o\n\nthree");
        writer.close("web", launch(), NOW);
        let lines: Vec<String> =
            text(&dir, "web.log").lines().map(|line| line.split_once("1-1 ").unwrap().1.to_owned()).collect();
        assert_eq!(lines, ["stdout F one", "stderr F err", "stdout F two", "stdout F ", "stdout F three"]);
    }

    #[test]
    fn a_line_without_an_end_is_written_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path().into(), LogLimits::default());
        for _ in 0..5 {
            writer.print("web", launch(), Source::Stdout, &[b'x'; 10_000], NOW);
        }
        assert!(writer.begun[&(launch(), Source::Stdout)].len() <= PART);
        writer.print("web", launch(), Source::Stdout, b"\n", NOW);
        let text = text(&dir, "web.log");
        let marks: Vec<&str> = text.lines().map(|line| line.split(' ').nth(3).unwrap()).collect();
        assert_eq!(marks, ["P", "P", "P", "F"]);
        assert_eq!(text.matches('x').count(), 50_000);
    }

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits::default().file_bytes(1000).files(3);
        let mut writer = Writer::new(dir.path().into(), limits);
        for number in 0..200 {
            writer.print("web", launch(), Source::Stdout, format!("line {number}\n").as_bytes(), NOW);
        }
        let mut names: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["web.log", "web.log.1", "web.log.2"]);
        assert!(names.iter().all(|name| dir.path().join(name).metadata().unwrap().len() <= 1000));
        assert!(text(&dir, "web.log").ends_with("line 199\n"));
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &dir.path().join("web.log").metadata().unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_is_put_aside_when_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path().into(), LogLimits::default().days(1, 1));
        let now = Timestamp::now();
        writer.print("web", launch(), Source::Stdout, b"old\n", now);
        writer.print("web", launch(), Source::Stdout, b"new\n", now + SignedDuration::from_hours(25));
        assert!(text(&dir, "web.log.1").ends_with("old\n") && text(&dir, "web.log").ends_with("new\n"));

        // The disk says how long it has been aside: more than a day now.
        let aside = File::options().write(true).open(dir.path().join("web.log.1")).unwrap();
        aside.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 3600)).unwrap();
        writer.print("web", launch(), Source::Stdout, b"newest\n", now + SignedDuration::from_hours(50));
        assert!(text(&dir, "web.log.1").ends_with("new\n") && text(&dir, "web.log").ends_with("newest\n"));
        assert!(!dir.path().join("web.log.2").exists());
    }

    /// Set in the child that writes, under a limit for the size of its files.
    const DIR: &str = "LOGS_WRITE_DIR";

    #[test]
    fn a_disk_that_fills_up_cuts_no_line_in_two() {
        if let Some(dir) = std::env::var_os(DIR) {
            return fill_and_go_on(dir.into());
        }
        let dir = tempfile::tempdir().unwrap();
        // A write that meets the limit is cut off there, as on a disk that has that much room.
        let limited = "trap '' XFSZ; ulimit -S -f 8; exec \"$0\" --exact \"$1\" --nocapture";
        let mut child = std::process::Command::new("/bin/sh");
        child.args(["-c", limited]).arg(std::env::current_exe().unwrap()).env(DIR, dir.path());
        child.arg(
            concat!(module_path!(), "::a_disk_that_fills_up_cuts_no_line_in_two").split_once("::").unwrap().1,
        );
        assert!(child.stdout(std::process::Stdio::null()).status().unwrap().success());
        let text = text(&dir, "web.log");
        let kept = text.lines().filter(|line| line.ends_with("xx")).count();
        assert!((1..20).contains(&kept), "{text}");
        let lost = format!("{NOW} 0-0 stderr F [{} lines were lost here", 20 - kept);
        assert!(text.lines().any(|line| line.starts_with(&lost)), "{text}");
        assert!(text.ends_with("after\n"), "{text}");
    }

    fn fill_and_go_on(dir: PathBuf) {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let mut writer = Writer::new(dir, LogLimits::default());
        for _ in 0..20 {
            writer.print("web", launch(), Source::Stdout, &[&[b'x'; 700][..], b"\n"].concat(), NOW);
        }
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum }).unwrap();
        writer.print("web", launch(), Source::Stdout, b"after\n", NOW);
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        std::fs::write(&logs, "in the way").unwrap();
        let mut writer = Writer::new(logs.clone(), LogLimits::default());
        writer.print("web", launch(), Source::Stdout, b"one\ntwo\n", NOW);
        std::fs::remove_file(&logs).unwrap();
        writer.print("web", launch(), Source::Stdout, b"three\n", NOW);
        let text = std::fs::read_to_string(logs.join("web.log")).unwrap();
        assert!(text.contains("[2 lines were lost here") && text.ends_with("three\n"), "{text}");
    }
}
