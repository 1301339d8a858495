//! One engine owns a store at a time: a lock of the kernel on a file beside it.
//!
//! The lock is the truth, and ends with the process however that ends. What the file says is for people: a file
//! left behind by a crash is harmless. A child that the owner was just starting when it was killed shares the lock
//! until it becomes its program, so a lock is waited for a moment before it counts as another engine's.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::error;
use super::file::MODE;
use landlord_compute::store::StoreError;

/// How long a lock may outlive its owner: some milliseconds were seen, more on a busy machine.
const LINGERS: Duration = Duration::from_millis(500);
/// How often it is tried meanwhile.
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// What the second line of the file begins with: when its owner last looked after the tenants.
const LOOKED: &str = "looked at ";
/// What it begins with where its owner has not yet, but an earlier one has.
const LOOKED_BEFORE: &str = "somebody looked at ";

/// Whether an engine has a store, and when one looked after its tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attendance {
    /// Who has the store now.
    pub owner: Owner,
    /// When an engine that looks after running tenants had asked for each of them last, as far as that was noted.
    pub looked_at: Option<Timestamp>,
}

/// Who has a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// No engine.
    Nobody,
    /// An engine.
    Engine {
        /// Its process, program, host, and since when.
        who: String,
        /// Whether it has asked for all running tenants since then, as one does that looks after them.
        looks: bool,
    },
    /// The file that says it cannot be read.
    Unknown,
}

/// The right to write a store, until it is dropped.
#[derive(Debug)]
pub(super) struct Ownership {
    /// Locked while it is open.
    file: File,
    /// The line that says whose it is.
    owner: String,
}

impl Ownership {
    /// Takes the store, or says who has it. May sleep, so it belongs on a thread of its own.
    pub(super) fn take(store: &Path, who: Option<&str>) -> Result<Self, StoreError> {
        let path = beside(store, ".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(&path)
            .map_err(|cause| error::io(&path, "open the lock file", cause))?;
        match lock(&file) {
            Ok(()) => {
                let looked_at = Signed::read(&mut file).looked_at;
                let ownership = Self { file, owner: line(who) };
                ownership
                    .sign(LOOKED_BEFORE, looked_at)
                    .map_err(|cause| error::io(&path, "write the lock file", cause))?;
                Ok(ownership)
            }
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                store: store.display().to_string(),
                owner: Signed::read(&mut file).owner_in_words(),
            }),
            Err(TryLockError::Error(cause)) => Err(error::io(&path, "lock", cause)),
        }
    }

    /// Writes down when the tenants were looked after. For people only, so that it does not work is no error.
    pub(super) fn looked(&self, at: Timestamp) {
        let _ = self.sign(LOOKED, Some(at));
    }

    /// Writes down who has it, and when the tenants were looked after last.
    fn sign(&self, looked: &str, looked_at: Option<Timestamp>) -> io::Result<()> {
        let mut text = format!("{}\n", self.owner);
        if let Some(at) = looked_at {
            text += &format!("{looked}{at}\n");
        }
        // What was there before is overwritten first and cut then: whoever reads meanwhile finds the first line whole.
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }
}

/// Who has a store, without taking it. The lock is tried for no longer than this takes, and an engine that is just
/// starting waits for longer.
pub(super) fn attendance(store: &Path) -> Attendance {
    let unknown = Attendance { owner: Owner::Unknown, looked_at: None };
    let mut file = match File::open(beside(store, ".lock")) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Attendance { owner: Owner::Nobody, looked_at: None };
        }
        Err(_) => return unknown,
    };
    let signed = Signed::read(&mut file);
    let (looked_at, looks) = (signed.looked_at, signed.looks);
    let owner = match file.try_lock_shared() {
        Ok(()) => Owner::Nobody,
        Err(TryLockError::WouldBlock) => Owner::Engine { who: signed.owner_in_words(), looks },
        Err(TryLockError::Error(_)) => Owner::Unknown,
    };
    Attendance { owner, looked_at }
}

/// Locks the file, also where the lock of an owner that has ended lingers.
fn lock(file: &File) -> Result<(), TryLockError> {
    let deadline = Instant::now() + LINGERS;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(TRY_AGAIN),
            locked => return locked,
        }
    }
}

/// The path with something after it.
pub(super) fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// What the file says of this process.
fn line(who: Option<&str>) -> String {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_name);
    let who = match who {
        Some(who) => who.into(),
        None => program.map_or("?".into(), |name| name.to_string_lossy()),
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "?".to_owned());
    format!(
        "process {} ({who}) on host {} since {}",
        std::process::id(),
        host.trim(),
        Timestamp::now().round(jiff::Unit::Second).unwrap_or_else(|_| Timestamp::now()),
    )
}

/// What the file says.
struct Signed {
    owner: String,
    /// Whether its owner has looked.
    looks: bool,
    looked_at: Option<Timestamp>,
}

impl Signed {
    fn read(file: &mut File) -> Self {
        let mut bytes = Vec::new();
        // The content is for people only, so what cannot be read is left out.
        let _ = file.take(1024).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let owner = lines.next().unwrap_or_default().trim().to_owned();
        let looked = lines.next().unwrap_or_default();
        let (looks, at) = match (looked.strip_prefix(LOOKED), looked.strip_prefix(LOOKED_BEFORE)) {
            (Some(at), _) => (true, at),
            (None, Some(at)) => (false, at),
            (None, None) => (false, ""),
        };
        Self { owner, looks, looked_at: at.trim().parse().ok() }
    }

    fn owner_in_words(self) -> String {
        match self.owner.as_str() {
            "" => "another process, which has only just opened it".to_owned(),
            _ => self.owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_outlives_its_owner_by_a_moment_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store.db");
        let owner = Ownership::take(&store, None).unwrap();
        // As a child has it between fork and exec.
        let inherited = owner.file.try_clone().unwrap();
        drop(owner);
        let child = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(inherited);
        });
        let next = Ownership::take(&store, None).unwrap();
        child.join().unwrap();
        assert!(matches!(Ownership::take(&store, None), Err(StoreError::InUse { .. })), "it has an owner");
        drop(next);
    }
    #[test]
    fn the_last_look_outlives_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store.db");
        assert_eq!(attendance(&store), Attendance { owner: Owner::Nobody, looked_at: None });
        let owner = Ownership::take(&store, Some("landlord run, with a name that is rather long")).unwrap();
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        owner.looked(at);
        let seen = attendance(&store);
        assert!(
            matches!(&seen.owner, Owner::Engine { who, looks: true } if who.contains("(landlord run,")),
            "{seen:?}"
        );
        assert_eq!(seen.looked_at, Some(at));
        drop(owner);
        assert_eq!(attendance(&store), Attendance { owner: Owner::Nobody, looked_at: Some(at) });
        // The next owner, whose line is shorter, does not look.
        let next = Ownership::take(&store, Some("x")).unwrap();
        let seen = attendance(&store);
        assert!(
            matches!(&seen.owner, Owner::Engine { who, looks: false } if who.contains("(x)")),
            "{seen:?}"
        );
        assert_eq!(seen.looked_at, Some(at));
        drop(next);
    }
}
