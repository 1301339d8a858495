//! The files of a launch under the state directory: what it prints, and the record that finds it again.
//!
//! `<state>/<tenant>/<container>.<launch>.out`, `.err` and `.record`. Only the engine's user may read them. The
//! record goes with the launch; the logs of the last launches of each container stay, for whoever asks why.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::process::LaunchId;

use super::procfs::{Identity, parse_stat_line};
use super::tags::{Tags, Variables};

/// How many launches of one container keep their logs.
const LOGS_KEPT: usize = 5;

/// How much of the end of a log is searched for its last line.
const LAST_LINE_WINDOW: u64 = 16 * 1024;

/// The line of a record that names the boot of the machine: pids and start times of another boot mean nothing.
const BOOT: &str = "LANDLORD_BOOT";

/// The line of a record that the launching shell adds: its own line of `/proc/<pid>/stat`.
const STAT: &str = "LANDLORD_STAT";

/// Where a provider keeps its files.
#[derive(Clone, Debug)]
pub(super) struct StateDir(PathBuf);

/// The files of one launch.
#[derive(Clone, Debug)]
pub(super) struct LaunchFiles {
    dir: PathBuf,
    stem: String,
}

/// A launch as its record tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// What was launched.
    pub(super) tags: Tags,
    /// Its first process.
    pub(super) first: First,
}

/// What a record says of a launch's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The launching shell ended before it wrote its line.
    NotWritten,
    /// It ran before the machine was booted again.
    EarlierBoot,
    /// It is, or was, this one.
    Process(Identity),
}

impl StateDir {
    /// Files under `dir`, which is made when it is first needed.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    /// The files of a launch.
    pub(super) fn launch(&self, tenant: &TenantId, container: &str, launch: LaunchId) -> LaunchFiles {
        LaunchFiles { dir: self.tenant(tenant), stem: format!("{container}.{launch}") }
    }

    /// The files of a launch.
    pub(super) fn launch_of(&self, tags: &Tags) -> LaunchFiles {
        self.launch(&tags.key.tenant, &tags.manifest.container, tags.key.launch)
    }

    /// Every record of one tenant.
    pub(super) fn records_of(&self, tenant: &TenantId, boot: &str) -> io::Result<Vec<Record>> {
        records_in(&self.tenant(tenant), boot)
    }

    /// Every record of every tenant.
    pub(super) fn records(&self, boot: &str) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for tenant in entries(&self.0)?.into_iter().filter(|path| path.is_dir()) {
            records.extend(records_in(&tenant, boot)?);
        }
        Ok(records)
    }

    fn tenant(&self, tenant: &TenantId) -> PathBuf {
        self.0.join(tenant.as_str())
    }
}

impl LaunchFiles {
    /// What the launch prints.
    pub(super) fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// What it prints as errors.
    pub(super) fn err(&self) -> PathBuf {
        self.path("err")
    }

    /// What finds it again.
    pub(super) fn record(&self) -> PathBuf {
        self.path("record")
    }

    /// Writes the record of a new launch, to which the launching shell will add its line. A record that is there
    /// already is another engine's, which uses the same directory.
    pub(super) fn create_record(&self, tags: &Tags, boot: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let lines = tags.variables()?.into_iter().chain([(BOOT, boot.to_owned())]);
        let record: String = lines.map(|(name, value)| format!("{name}={value}\n")).collect();
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(self.record())?;
        file.write_all(record.as_bytes()).inspect_err(|_| {
            // A record that is written in part is read as none.
            let _unread = std::fs::remove_file(self.record());
        })
    }

    /// Opens the logs: standard output, standard error.
    pub(super) fn open_logs(&self) -> io::Result<(File, File)> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        Ok((options.open(self.out())?, options.open(self.err())?))
    }

    /// Removes the record: nothing is left of the launch but its logs.
    pub(super) fn remove_record(&self) -> io::Result<()> {
        match std::fs::remove_file(self.record()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes the logs of all but the last launches of a container.
    pub(super) fn prune_logs(&self, container: &str) -> io::Result<()> {
        for kind in ["out", "err"] {
            let mut logs = Vec::new();
            for path in entries(&self.dir)? {
                if let Some(launch) = log_of(&path, container, kind) {
                    logs.push((launch, path));
                }
            }
            logs.sort();
            for (_, path) in logs.iter().rev().skip(LOGS_KEPT) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The last line of the error log that says something. A line that is too long to be seen whole is left out:
    /// a secret could be cut in two.
    pub(super) fn last_line(&self) -> io::Result<Option<String>> {
        let mut file = match File::open(self.err()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let from = file.metadata()?.len().saturating_sub(LAST_LINE_WINDOW);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LAST_LINE_WINDOW).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let whole = if from == 0 { &*text } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
        Ok(whole.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned))
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", self.stem))
    }
}

/// Which launch of `container` a log belongs to.
fn log_of(path: &Path, container: &str, kind: &str) -> Option<LaunchId> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix(container)?.strip_prefix('.')?.strip_suffix(kind)?.strip_suffix('.')?.parse().ok()
}

/// The paths in a directory; none when there is no such directory.
fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn records_in(dir: &Path, boot: &str) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for path in entries(dir)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "record")) {
        match std::fs::read(&path) {
            Ok(bytes) => records.extend(read_record(&bytes, boot)),
            // Removed since the directory was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(records)
}

/// Reads a record; `None` when a crash cut it off before it was whole, so before anything was launched.
fn read_record(bytes: &[u8], boot: &str) -> Option<Record> {
    let lines = Variables::of_lines(bytes);
    let tags = Tags::read(&lines)?;
    let first = if lines.get(BOOT)? != boot {
        First::EarlierBoot
    } else {
        lines.get(STAT).and_then(parse_stat_line).map_or(First::NotWritten, First::Process)
    };
    Some(Record { tags, first })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tags;

    #[test]
    fn a_record_reads_back_for_its_boot_only() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"));
        let tags = tags("acme", "web", "1-2");
        let files = state.launch_of(&tags);
        files.create_record(&tags, "boot-1").unwrap();
        let read = |boot| state.records_of(&tags.key.tenant, boot).unwrap().pop().unwrap();
        assert_eq!(read("boot-1"), Record { tags: tags.clone(), first: First::NotWritten });

        let line = "LANDLORD_STAT=77 (sh) S 1 77 77 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n";
        OpenOptions::new().append(true).open(files.record()).unwrap().write_all(line.as_bytes()).unwrap();
        let first = First::Process(Identity::new(77, 4711).unwrap());
        assert_eq!(read("boot-1"), Record { tags: tags.clone(), first });
        assert_eq!(read("boot-2").first, First::EarlierBoot);
        assert_eq!(state.records("boot-1").unwrap().len(), 1);

        assert_eq!(files.create_record(&tags, "boot-1").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        files.remove_record().unwrap();
        files.remove_record().unwrap();
        assert_eq!(state.records("boot-1").unwrap(), []);
    }

    #[test]
    fn a_record_that_was_cut_off_is_no_launch() {
        let tags = tags("acme", "web", "1-2");
        let whole: String =
            tags.variables().unwrap().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        assert_eq!(read_record(&whole.as_bytes()[..whole.len() - 4], "boot"), None);
    }

    #[test]
    fn the_last_line_is_whole_or_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let files = StateDir::new(dir.path().into()).launch_of(&tags("acme", "web", "1-2"));
        assert_eq!(files.last_line().unwrap(), None);
        std::fs::create_dir(dir.path().join("acme")).unwrap();
        std::fs::write(files.err(), "one\ntwo\n\n").unwrap();
        assert_eq!(files.last_line().unwrap().as_deref(), Some("two"));
        std::fs::write(files.err(), "x".repeat(17 * 1024)).unwrap();
        assert_eq!(files.last_line().unwrap(), None);
    }

    #[test]
    fn logs_of_the_last_launches_stay() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().into());
        std::fs::create_dir(dir.path().join("acme")).unwrap();
        let launch = |generation| state.launch_of(&tags("acme", "web", &format!("1-{generation}")));
        let other = state.launch_of(&tags("acme", "web2", "1-1"));
        for files in (1..=12).map(launch).chain([other.clone()]) {
            drop(files.open_logs().unwrap());
        }
        launch(12).prune_logs("web").unwrap();
        let left: Vec<u32> = (1..=12).filter(|generation| launch(*generation).out().exists()).collect();
        assert_eq!(left, [8, 9, 10, 11, 12]);
        assert!(!launch(7).err().exists() && other.out().exists());
    }
}
