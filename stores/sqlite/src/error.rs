//! What SQLite and the file system say, as [`StoreError`]s: by their codes, never by their words.

use std::io;
use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use landlord_compute::store::StoreError;

/// What to do about the file system's refusals.
const HINTS: [(io::ErrorKind, &str); 6] = [
    (io::ErrorKind::NotFound, "; create its directory first, or use another path"),
    (io::ErrorKind::NotADirectory, "; a part of the path is a file: use another path"),
    (io::ErrorKind::PermissionDenied, "; give this process the right to read and write it"),
    (io::ErrorKind::ReadOnlyFilesystem, "; the file system is read-only: use another path"),
    (io::ErrorKind::StorageFull, "; the disk is full: free some space"),
    (io::ErrorKind::QuotaExceeded, "; its quota is used up: free some space"),
];

/// The file system refused something about a store's file.
pub(super) fn io(path: &Path, doing: &str, cause: io::Error) -> StoreError {
    let hint = HINTS.iter().find(|(kind, _)| *kind == cause.kind()).map_or("", |(_, hint)| hint);
    StoreError::Unavailable {
        message: format!("cannot {doing} {}{hint}", path.display()),
        source: Some(Box::new(cause)),
    }
}

/// SQLite refused something.
pub(super) fn sqlite(path: &Path, doing: &str, cause: Error) -> StoreError {
    let path = path.display();
    let message = match code(&cause) {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "cannot {doing} {path}: another program has locked it, such as a sqlite3 shell with an open \
             transaction; end that"
        ),
        Some(ErrorCode::DiskFull) => format!("cannot {doing} {path}: the disk is full; free some space"),
        Some(ErrorCode::ReadOnly) => format!(
            "cannot {doing} {path}: the file, its directory or its file system is read-only; give this \
             process the right to write them"
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
            "cannot {doing} {path}: it, or a file beside it, cannot be opened; give this process the right to \
             read and write them"
        ),
        Some(ErrorCode::SystemIoFailure) if is_refused_write(&cause) => format!(
            "cannot {doing} {path}: the disk refused a write ({}); look for a quota or a limit of file sizes, and \
             then at the system's log",
            extended(&cause)
        ),
        Some(ErrorCode::SystemIoFailure) => {
            format!("cannot {doing} {path}: the disk failed ({}); look at the system's log", extended(&cause))
        }
        Some(ErrorCode::NotADatabase) => {
            return StoreError::Corrupt {
                message: format!("{path} is not a SQLite database; use another path"),
                source: Some(Box::new(cause)),
            };
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            return StoreError::Corrupt {
                message: format!(
                    "{path} is damaged; copy it with the files beside it, then restore a backup or try \
                     `sqlite3 {path} .recover`"
                ),
                source: Some(Box::new(cause)),
            };
        }
        Some(_) | None => format!("cannot {doing} {path} ({})", extended(&cause)),
    };
    StoreError::Unavailable { message, source: Some(Box::new(cause)) }
}

/// A row says something that this version cannot understand.
pub(super) fn row(
    path: &Path,
    what: &str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt {
        message: format!(
            "{what} in {} cannot be understood; it was changed by hand or by another version",
            path.display()
        ),
        source: Some(cause.into()),
    }
}

/// Whether one write is at fault, not the store: what it says cannot be stored.
pub(super) fn is_the_writes_fault(cause: &Error) -> bool {
    matches!(code(cause), Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig))
        || matches!(cause, Error::ToSqlConversionFailure(_) | Error::IntegralValueOutOfRange(..))
}

/// Somebody reads a log that has to be emptied before it is written again.
pub(super) fn read_after_failure(path: &Path) -> StoreError {
    StoreError::Unavailable {
        message: format!(
            "cannot write {0}: the disk failed, and another program reads {0} in a transaction, such as a sqlite3 \
             shell; end that",
            path.display()
        ),
        source: None,
    }
}

/// An engine began to write while a file was read that was thought not to change: what was read may be of two moments.
pub(super) fn written_meanwhile(path: &Path) -> StoreError {
    StoreError::Unavailable {
        message: format!("an engine began to write {} while it was read; read it again", path.display()),
        source: None,
    }
}

/// Whether SQLite may not open a file, or make one beside it.
pub(super) fn is_refused(error: &StoreError) -> bool {
    let StoreError::Unavailable { source: Some(cause), .. } = error else { return false };
    let refusals = [ErrorCode::CannotOpen, ErrorCode::ReadOnly, ErrorCode::PermissionDenied];
    cause.downcast_ref::<Error>().and_then(code).is_some_and(|code| refusals.contains(&code))
}

/// Whether the disk failed: what was written may not be on it.
pub(super) fn is_the_disks_fault(cause: &Error) -> bool {
    code(cause) == Some(ErrorCode::SystemIoFailure)
}

/// A write that was refused for another reason than a full disk: a quota, a limit, or a disk that fails.
fn is_refused_write(cause: &Error) -> bool {
    cause.sqlite_error().is_some_and(|error| {
        [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE].contains(&error.extended_code)
    })
}

fn code(cause: &Error) -> Option<ErrorCode> {
    cause.sqlite_error_code()
}

/// The extended result code, for people who look it up.
fn extended(cause: &Error) -> String {
    match cause.sqlite_error() {
        Some(error) => {
            format!("SQLite's code {}: {}", error.extended_code, ffi::code_to_str(error.extended_code))
        }
        None => "unexpected".to_owned(),
    }
}
