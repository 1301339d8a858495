//! One engine owns a store at a time: a lock of the kernel on a file beside it.
//!
//! The lock is the truth, and ends with the process however that ends. What the file says is for people: a file
//! left behind by a crash is harmless. A child that the owner was just starting when it was killed shares the lock
//! until it becomes its program, so a lock is waited for a moment before it counts as another engine's.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::error;
use landlord_compute::store::StoreError;

/// How long a lock may outlive its owner: some milliseconds were seen, more on a busy machine.
const LINGERS: Duration = Duration::from_millis(500);
/// How often it is tried meanwhile.
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// The right to write a store, until it is dropped.
#[derive(Debug)]
pub(super) struct Ownership {
    /// Locked while it is open.
    _file: File,
}

impl Ownership {
    /// Takes the store, or says who has it. May sleep, so it belongs on a thread of its own.
    pub(super) fn take(store: &Path) -> Result<Self, StoreError> {
        let path = beside(store, ".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|cause| error::io(&path, "open the lock file", cause))?;
        match lock(&file) {
            Ok(()) => {
                sign(&mut file).map_err(|cause| error::io(&path, "write the lock file", cause))?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::InUse { store: store.display().to_string(), owner: owner(&mut file) })
            }
            Err(TryLockError::Error(cause)) => Err(error::io(&path, "lock", cause)),
        }
    }
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

/// Writes down who has it.
fn sign(file: &mut File) -> io::Result<()> {
    let program = std::env::current_exe().ok();
    let program =
        program.as_deref().and_then(Path::file_name).map_or("?".into(), |name| name.to_string_lossy());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "?".to_owned());
    let line = format!(
        "process {} ({program}) on host {} since {}\n",
        std::process::id(),
        host.trim(),
        Timestamp::now().round(jiff::Unit::Second).unwrap_or_else(|_| Timestamp::now()),
    );
    file.set_len(0)?;
    file.write_all(line.as_bytes())
}

/// What the owner wrote.
fn owner(file: &mut File) -> String {
    let mut line = String::new();
    // The content is for people only, so what cannot be read is left out.
    let _ = file.take(1024).read_to_string(&mut line);
    match line.trim() {
        "" => "another process, which has only just opened it".to_owned(),
        line => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_outlives_its_owner_by_a_moment_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store.db");
        let owner = Ownership::take(&store).unwrap();
        // As a child has it between fork and exec.
        let inherited = owner._file.try_clone().unwrap();
        drop(owner);
        let child = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(inherited);
        });
        let next = Ownership::take(&store).unwrap();
        child.join().unwrap();
        assert!(matches!(Ownership::take(&store), Err(StoreError::InUse { .. })), "it has an owner");
        drop(next);
    }
}
