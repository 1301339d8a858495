//! What launches print: how it is written, and how it is read.
//!
//! `<logs>/<tenant>/<container>.log`, and older parts `<container>.log.1` and so on. Each line is
//! `<time> <launch> <stdout|stderr> <F|P> <text>`; `P` means that the next line of the same launch and stream goes on
//! where this one ends. Only the engine's user may read them: they may hold the tenant's secrets.

mod line;
mod read;
mod write;

use std::path::{Path, PathBuf};

use landlord_state_machines::id::TenantId;
use serde::{Deserialize, Serialize};

pub(crate) use line::SOURCES;
pub(crate) use read::read;
pub(crate) use write::Writer;

/// How much of what a container prints is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogLimits {
    /// The size of one file, in bytes. The file is put aside when the next line does not fit. Default: 10 MiB.
    pub file_bytes: u64,
    /// How many files there are, the one that is written included; at least one. Default: 5.
    pub files: u32,
    /// How many days a file is written, at most, before it is put aside. Default: 1.
    pub file_days: u32,
    /// How many days a file that was put aside stays. Default: 30.
    pub keep_days: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { file_bytes: 10 << 20, files: 5, file_days: 1, keep_days: 30 }
    }
}

impl LogLimits {
    /// With files of at most so many bytes.
    #[must_use]
    pub fn file_bytes(mut self, bytes: u64) -> Self {
        self.file_bytes = bytes;
        self
    }

    /// With so many files, at least one.
    #[must_use]
    pub fn files(mut self, files: u32) -> Self {
        self.files = files;
        self
    }

    /// With files that are put aside after so many days, and removed after so many more.
    #[must_use]
    pub fn days(mut self, file: u32, keep: u32) -> Self {
        (self.file_days, self.keep_days) = (file, keep);
        self
    }
}

/// Where the logs of one tenant are.
pub(crate) fn of_tenant(logs: &Path, tenant: &TenantId) -> PathBuf {
    logs.join(tenant.as_str())
}

/// The file that is written for a container.
fn file(dir: &Path, container: &str) -> PathBuf {
    dir.join(format!("{container}.log"))
}

/// The files that were put aside; 1 is the youngest.
fn aside(dir: &Path, container: &str, number: u32) -> PathBuf {
    dir.join(format!("{container}.log.{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_by_default_is_bounded() {
        let LogLimits { file_bytes, files, file_days, keep_days } = LogLimits::default();
        assert_eq!((file_bytes * u64::from(files), file_days, keep_days), (50 << 20, 1, 30));
    }
}
