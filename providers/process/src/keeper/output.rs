//! What a launch prints, on its way to the log.
//!
//! Its output and errors are named pipes in the tenant's directory. The launch has them open for reading too, so that
//! it goes on when its keeper is killed: what it prints waits in the pipe for the next keeper.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use landlord_compute::provider::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chownat, mknodat};
use rustix::io::Errno;

use crate::files::LaunchFiles;
use crate::user::Identity;

/// How much is read of one pipe before others get a turn.
const TURN: usize = 256 * 1024;

/// A pipe that the keeper reads.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) source: Source,
    file: File,
}

/// Makes a launch's pipe. It is there already when the launch was tried before.
pub(super) fn make(path: &Path, user: Option<&Identity>) -> io::Result<()> {
    match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    // A program may open its own output by name, such as /dev/stdout.
    if let Some(Identity { uid, gid, .. }) = user {
        let (uid, gid) = (Some(Uid::from_raw(*uid)), Some(Gid::from_raw(*gid)));
        chownat(CWD, path, uid, gid, AtFlags::empty())?;
    }
    Ok(())
}

/// The launch's end of its pipe.
pub(super) fn for_launch(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

impl Output {
    /// Opens a launch's pipe to read it.
    pub(super) fn open(
        files: &LaunchFiles,
        source: Source,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(files.pipe(source))?;
        registry.register(&mut SourceFd(&file.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { source, file })
    }

    /// Hands what has been printed to `take`; whether more may wait.
    pub(super) fn read(&mut self, mut take: impl FnMut(&[u8])) -> bool {
        let mut piece = [0; 16 * 1024];
        let mut left = TURN;
        while left > 0 {
            match self.file.read(&mut piece) {
                Ok(0) => return false,
                Ok(read) => {
                    take(&piece[..read]);
                    left = left.saturating_sub(read);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing waits; or the pipe cannot be read, which no later try changes.
                Err(_) => return false,
            }
        }
        true
    }
}
