//! Room on the disks: where the store is, and what providers keep beside it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use landlord_api::Finding;
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::size;
use crate::kept::Kept;

const MB: u64 = 1 << 20;
/// With less, commits soon fail: a log of SQLite takes some of it.
const TOO_LITTLE: u64 = 128 * MB;
/// With less, somebody should see to it.
const LITTLE: u64 = 1024 * MB;
/// The same of files, of which every tenant has some.
const TOO_FEW_FILES: u64 = 1_000;
const FEW_FILES: u64 = 20_000;

/// A file system, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// What is kept there.
    pub(super) directory: PathBuf,
    pub(super) room: Result<Room, String>,
}

/// How much room there is on a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// For who is not the superuser.
    pub(super) free: u64,
    pub(super) total: u64,
    pub(super) files_free: u64,
    /// 0 where files are not counted.
    pub(super) files: u64,
    pub(super) read_only: bool,
}

impl Disk {
    /// The file systems that a store and what is beside it are on.
    pub(super) fn of(kept: &Kept) -> Vec<Self> {
        let (parent, beside) = (kept.directory(), kept.state_dir());
        let device = |path: &Path| std::fs::metadata(path).ok().map(|found| found.dev());
        let elsewhere = device(&beside).is_some_and(|device_of| Some(device_of) != device(parent));
        // A directory that is not there is the store's to tell.
        let directories = [parent.is_dir().then_some(parent), elsewhere.then_some(beside.as_path())];
        directories.into_iter().flatten().map(Self::look).collect()
    }

    fn look(directory: &Path) -> Self {
        let room = statvfs(directory).map_err(|error| error.to_string()).map(|found| Room {
            free: found.f_bavail.saturating_mul(found.f_frsize),
            total: found.f_blocks.saturating_mul(found.f_frsize),
            files_free: found.f_favail,
            files: found.f_files,
            read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
        });
        Self { directory: directory.to_owned(), room }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        const CHECK: &str = "disk";
        let directory = self.directory.display();
        let Room { free, total, files_free, files, read_only } = match &self.room {
            Ok(room) => room,
            Err(why) => {
                let found = format!("how much room there is in {directory} cannot be seen: {why}");
                return vec![Finding::warning(
                    CHECK,
                    found,
                    "give this user the right to look at the directory",
                )];
            }
        };
        if *read_only {
            let found = format!("the file system of {directory} is read-only");
            return vec![Finding::failed(CHECK, found, "mount it writable, or keep the store elsewhere")];
        }
        let room = format!("{} of {} are free in {directory}", size(*free), size(*total));
        let free_some = "free some room, or move what is kept there: without room nothing is recorded, and so nothing is done";
        let of_bytes = match *free {
            ..TOO_LITTLE => Finding::failed(CHECK, room, free_some),
            TOO_LITTLE..LITTLE => Finding::warning(CHECK, room, free_some),
            LITTLE.. => Finding::ok(CHECK, room),
        };
        if *files == 0 {
            return vec![of_bytes];
        }
        let room = format!("{files_free} of {files} files can still be made in {directory}");
        let remove = "remove files that nobody needs: each tenant of this machine has some";
        let of_files = match *files_free {
            ..TOO_FEW_FILES => Finding::failed(CHECK, room, remove),
            TOO_FEW_FILES..FEW_FILES => Finding::warning(CHECK, room, remove),
            FEW_FILES.. => Finding::ok(CHECK, room),
        };
        vec![of_bytes, of_files]
    }
}

#[cfg(test)]
mod tests {
    use landlord_api::Grade;

    use super::*;

    fn grades(room: Room) -> Vec<Grade> {
        let disk = Disk { directory: "/var/lib/landlord".into(), room: Ok(room) };
        disk.findings().iter().map(|finding| finding.grade).collect()
    }

    #[test]
    fn a_disk_is_judged_by_its_figures() {
        let well = Room {
            free: 5 << 30,
            total: 100 << 30,
            files_free: 1_000_000,
            files: 2_000_000,
            read_only: false,
        };
        assert_eq!(grades(well.clone()), [Grade::Ok, Grade::Ok]);
        assert_eq!(grades(Room { free: 0, ..well.clone() }), [Grade::Failed, Grade::Ok]);
        assert_eq!(grades(Room { free: 500 << 20, ..well.clone() }), [Grade::Warning, Grade::Ok]);
        assert_eq!(grades(Room { files_free: 0, ..well.clone() }), [Grade::Ok, Grade::Failed]);
        assert_eq!(grades(Room { files_free: 5_000, ..well.clone() }), [Grade::Ok, Grade::Warning]);
        assert_eq!(grades(Room { read_only: true, ..well.clone() }), [Grade::Failed]);
        // Not every file system counts its files.
        assert_eq!(grades(Room { files_free: 0, files: 0, ..well }), [Grade::Ok]);
    }

    #[test]
    fn what_is_beside_the_store_on_the_same_disk_is_looked_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Kept::file(&folder.path().join("landlord.db"));
        std::fs::create_dir(store.state_dir()).unwrap();
        let disks = Disk::of(&store);
        assert_eq!(disks.len(), 1);
        assert!(disks[0].room.is_ok(), "{disks:?}");
        assert!(Disk::of(&Kept::file(&folder.path().join("nowhere/landlord.db"))).is_empty());
    }
}
