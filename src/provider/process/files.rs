//! The files of a launch under the state directory: what it printed, and the record that finds it again.
//!
//! `<state>/<tenant>/<container>.<life>-<launch>.out`, `.err` and `.record`. Only the engine's user may read
//! them. Records go when their process does; logs stay, for the last launches of each container.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use landlord_state_machines::id::TenantId;

use super::procfs::{Identity, parse_stat_line};
use super::tags::{Tags, Variables};

/// How many launches of one container keep their logs.
const LOGS_KEPT: usize = 5;

/// The line of a record that the launching shell adds: its own line of `/proc/<pid>/stat`.
pub(super) const STAT: &str = "LANDLORD_STAT";
/// The line of a record that names the boot of the machine.
const BOOT: &str = "LANDLORD_BOOT";

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
    /// The process, once the launching shell ran. `None` when it was another boot's, or never came to be.
    pub(super) identity: Option<Identity>,
}

impl StateDir {
    /// Files under `dir`, which is made when it is first needed.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    /// The files of a launch.
    pub(super) fn launch(&self, tags: &Tags) -> LaunchFiles {
        LaunchFiles {
            dir: self.tenant(&tags.tenant),
            stem: format!("{}.{}-{}", tags.container, tags.incarnation, tags.launch),
        }
    }

    /// Every record of one tenant.
    pub(super) fn records_of(&self, tenant: &TenantId, boot: &str) -> io::Result<Vec<Record>> {
        records_in(&self.tenant(tenant), boot)
    }

    /// Every record of every tenant.
    pub(super) fn records(&self, boot: &str) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for tenant in entries(&self.0)? {
            if tenant.is_dir() {
                records.extend(records_in(&tenant, boot)?);
            }
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

    /// Makes the files of a new launch: empty logs, and a record that waits for the launching shell's line.
    pub(super) fn create(&self, tags: &Tags, boot: &str) -> io::Result<(File, File)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let lines = tags.variables().into_iter().chain([(BOOT, boot.to_owned())]);
        let record: String = lines.map(|(name, value)| format!("{name}={value}\n")).collect();
        writing().truncate(true).open(self.record())?.write_all(record.as_bytes())?;
        Ok((writing().append(true).open(self.out())?, writing().append(true).open(self.err())?))
    }

    /// Removes the record: the launch is over. The logs stay.
    pub(super) fn forget(&self) -> io::Result<()> {
        match std::fs::remove_file(self.record()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the logs of all but the newest launches of a container.
    pub(super) fn prune(&self, container: &str) -> io::Result<()> {
        let prefix = format!("{container}.");
        for extension in ["out", "err"] {
            let mut logs = Vec::new();
            for path in entries(&self.dir)? {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if name.starts_with(&prefix) && path.extension().is_some_and(|found| found == extension) {
                    logs.push((path.metadata()?.modified()?, path));
                }
            }
            logs.sort();
            for (_, path) in logs.iter().rev().skip(LOGS_KEPT) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The last words of the error log, at most `limit` bytes.
    pub(super) fn last_words(&self, limit: u64) -> io::Result<String> {
        let mut file = File::open(self.err())?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(limit)))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", self.stem))
    }
}

fn writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
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
    for path in entries(dir)? {
        if path.extension().is_some_and(|extension| extension == "record") {
            match std::fs::read(&path) {
                Ok(bytes) => records.extend(read_record(&bytes, boot)),
                // Forgotten since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(records)
}

/// Reads a record; `None` when a crash cut it off before it was whole, so before anything was launched.
fn read_record(bytes: &[u8], boot: &str) -> Option<Record> {
    let lines = Variables::of_lines(bytes);
    let tags = Tags::read(&lines)?;
    let same_boot = lines.get(BOOT)? == boot;
    let identity = lines.get(STAT).and_then(parse_stat_line).filter(|_| same_boot);
    Some(Record { tags, identity })
}
