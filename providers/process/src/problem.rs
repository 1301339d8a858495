//! What the system's errors mean for a tenant.

use std::io;

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use rustix::io::Errno;

/// An error of this machine while doing `what`. The words are the system's; the class comes from its code.
pub(super) fn system(kind: ErrorKind, what: impl std::fmt::Display, error: io::Error) -> ProviderError {
    let (remedy, code, next) = class(&error);
    let words = error.to_string();
    ProviderError::new(kind, remedy, code, format!("{what}: {next}")).with_platform(words).with_source(error)
}

/// What can be done about an error of the system.
fn class(error: &io::Error) -> (Remedy, ErrorCode, &'static str) {
    use io::ErrorKind as Io;
    let too_many_files = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    let kind = error.kind();
    let is = |kinds: &[Io]| kinds.contains(&kind);
    if is(&[Io::NotFound, Io::NotADirectory]) {
        (Remedy::Permanent, ErrorCode::ResourceNotFound, "it is not there; correct the path")
    } else if is(&[Io::PermissionDenied, Io::ReadOnlyFilesystem]) {
        (Remedy::NeedsPerson, ErrorCode::PermissionDenied, "the engine's user may not; grant it, then retry")
    } else if is(&[Io::OutOfMemory, Io::WouldBlock, Io::StorageFull, Io::QuotaExceeded, Io::ResourceBusy])
        || too_many_files.contains(&error.raw_os_error())
    {
        (Remedy::Retry, ErrorCode::ResourceExhausted, "the machine has too little left; free some of it")
    } else if is(&[Io::ArgumentListTooLong, Io::InvalidInput, Io::InvalidFilename]) {
        (Remedy::Permanent, ErrorCode::InvalidConfiguration, "the system cannot take it; make it shorter")
    } else if is(&[Io::AlreadyExists]) {
        (Remedy::Permanent, ErrorCode::Conflict, "it exists already; give each engine a directory of its own")
    } else {
        (Remedy::Retry, ErrorCode::UnknownError, "the system reports an error")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_classed_by_their_code() {
        let of = |errno: Errno| {
            let error = system(ErrorKind::ProvisionFailed, "starting web", errno.into());
            (error.remedy, error.code)
        };
        assert_eq!(of(Errno::NOENT), (Remedy::Permanent, ErrorCode::ResourceNotFound));
        assert_eq!(of(Errno::ACCESS), (Remedy::NeedsPerson, ErrorCode::PermissionDenied));
        assert_eq!(of(Errno::AGAIN), (Remedy::Retry, ErrorCode::ResourceExhausted));
        assert_eq!(of(Errno::MFILE), (Remedy::Retry, ErrorCode::ResourceExhausted));
        assert_eq!(of(Errno::TOOBIG), (Remedy::Permanent, ErrorCode::InvalidConfiguration));
        assert_eq!(of(Errno::IO), (Remedy::Retry, ErrorCode::UnknownError));
    }
}
