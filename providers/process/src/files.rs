//! The files of a launch under the state directory: the record that finds it again, and the pipes that it prints into.
//!
//! `<state>/<tenant>/<container>.<launch>.record`, `.out.pipe` and `.err.pipe`; and `.own`, a directory with the launch's
//! volumes that are not persistent. Only the engine's user may read them. They go with the launch. Builds without keepers had launches print into files, `.out` and `.err`.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use landlord_compute::provider::Source;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::process::{ExitCause, LaunchId};

use super::logs::SOURCES;
use super::procfs::{Identity, parse_stat_line};
use super::tags::{Tags, Variables};

/// The line of a record that names the boot of the machine: pids and start times of another boot mean nothing.
const BOOT: &str = "LANDLORD_BOOT";

/// The line of a record that the launcher adds: its own line of `/proc/<pid>/stat`.
pub(crate) const STAT: &str = "LANDLORD_STAT";

/// The line of a record that its keeper adds: how the first process ended, as JSON.
const EXIT: &str = "LANDLORD_EXIT";

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
    /// How that ended, where its keeper saw it.
    pub(super) exit: Option<ExitCause>,
}

/// What a record says of a launch's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The launcher ended before it wrote its line.
    NotWritten,
    /// It ran before the machine was booted again.
    EarlierBoot,
    /// It is, or was, this one.
    Process(Identity),
}

impl StateDir {
    /// Files under `dir`, which is made when it is first needed. A keeper finds them from another directory too.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self(std::path::absolute(&dir).unwrap_or(dir))
    }

    /// Where that is.
    pub(super) fn path(&self) -> &Path {
        &self.0
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

    /// Every tenant that has a directory.
    pub(super) fn tenants(&self) -> io::Result<Vec<TenantId>> {
        let names = entries(&self.0)?.into_iter().filter(|path| path.is_dir());
        Ok(names.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect())
    }

    /// The directory of a tenant.
    pub(super) fn tenant(&self, tenant: &TenantId) -> PathBuf {
        self.0.join(tenant.as_str())
    }
}

impl LaunchFiles {
    /// The files of a launch in its tenant's directory.
    pub(super) fn of(dir: PathBuf, container: &str, launch: LaunchId) -> Self {
        Self { dir, stem: format!("{container}.{launch}") }
    }

    /// What the launch prints into.
    pub(super) fn pipe(&self, source: Source) -> PathBuf {
        self.path(match source {
            Source::Stdout => "out.pipe",
            Source::Stderr => "err.pipe",
        })
    }

    /// What a launch of a build without keepers prints into.
    pub(super) fn old_logs(&self) -> [PathBuf; 2] {
        [self.path("out"), self.path("err")]
    }

    /// What finds it again.
    pub(super) fn record(&self) -> PathBuf {
        self.path("record")
    }

    /// Writes the record of a new launch, to which the launcher will add its line. A record that is there
    /// already is another engine's, which uses the same directory.
    pub(super) fn create_record(&self, tags: &Tags, boot: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let lines = tags.variables()?.into_iter().chain([(BOOT, boot.to_owned())]);
        let record: String = lines.map(|(name, value)| format!("{name}={value}\n")).collect();
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(self.record())?;
        file.write_all(record.as_bytes()).inspect_err(|_| {
            // A record that is written in part is read as none.
            let _unread = remove(&self.record());
        })
    }

    /// Where the launch mounts what is only in memory.
    pub(super) fn stage(&self) -> PathBuf {
        self.own().join("stage")
    }

    /// One of the launch's volumes that are not persistent.
    pub(super) fn own_volume(&self, name: &str) -> PathBuf {
        self.own().join("volumes").join(name)
    }

    /// Makes the directories of a launch that has a view of its own, with these volumes, empty.
    pub(super) fn make_own<'a>(&self, volumes: impl Iterator<Item = &'a String>) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.stage())?;
        for name in volumes {
            let dir = self.own_volume(name);
            DirBuilder::new().recursive(true).mode(0o700).create(dir.parent().unwrap_or(&dir))?;
            DirBuilder::new().mode(0o755).create(dir)?;
        }
        Ok(())
    }

    fn own(&self) -> PathBuf {
        self.path("own")
    }

    /// Adds to the record how the first process ended.
    pub(super) fn write_exit(&self, cause: ExitCause) -> io::Result<()> {
        let line = format!("{EXIT}={}\n", serde_json::to_string(&cause)?);
        OpenOptions::new().append(true).open(self.record())?.write_all(line.as_bytes())
    }

    /// Removes all of them; the record last, as it is what finds the others.
    pub(super) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.own())?;
        let pipes = SOURCES.map(|source| self.pipe(source));
        pipes.iter().chain([&self.record()]).try_for_each(|path| remove(path))
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", self.stem))
    }
}

/// Removes what launches of a build without keepers have printed.
pub(super) fn remove_old_logs(dir: &Path) -> io::Result<()> {
    let is_log = |path: &PathBuf| path.extension().is_some_and(|end| end == "out" || end == "err");
    entries(dir)?.iter().filter(|path| is_log(path)).try_for_each(|path| remove(path))
}

/// Removes a directory, unless somebody has something there.
pub(super) fn remove_if_empty(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir(dir) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(error)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes a file; one that is gone is a success.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes a directory with all that is in it, also what a tenant has closed; one that is gone is a success.
pub(super) fn remove_tree(dir: &Path) -> io::Result<()> {
    let removed = match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(dir)?;
            std::fs::remove_dir_all(dir)
        }
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives the owner of directories all rights to them.
fn open_up(dir: &Path) -> io::Result<()> {
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// The paths in a directory; none when there is no such directory.
pub(super) fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Every record in a tenant's directory.
pub(super) fn records_in(dir: &Path, boot: &str) -> io::Result<Vec<Record>> {
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
    let exit = lines.get(EXIT).and_then(|exit| serde_json::from_str(exit).ok());
    Some(Record { tags, first, exit })
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
        assert_eq!(read("boot-1"), Record { tags: tags.clone(), first: First::NotWritten, exit: None });

        let line = "LANDLORD_STAT=77 (sh) S 1 77 77 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n";
        OpenOptions::new().append(true).open(files.record()).unwrap().write_all(line.as_bytes()).unwrap();
        let first = First::Process(Identity::new(77, 4711).unwrap());
        assert_eq!(read("boot-1"), Record { tags: tags.clone(), first, exit: None });
        files.write_exit(ExitCause::Code(7)).unwrap();
        assert_eq!(read("boot-1").exit, Some(ExitCause::Code(7)));
        assert_eq!(read("boot-2").first, First::EarlierBoot);
        assert_eq!(state.records("boot-1").unwrap().len(), 1);

        assert_eq!(files.create_record(&tags, "boot-1").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        files.remove().unwrap();
        files.remove().unwrap();
        assert_eq!(state.records("boot-1").unwrap(), []);
    }

    #[test]
    fn a_record_that_was_cut_off_is_no_launch() {
        let tags = tags("acme", "web", "1-2");
        let whole: String =
            tags.variables().unwrap().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        assert_eq!(read_record(&whole.as_bytes()[..whole.len() - 4], "boot"), None);
    }
}
