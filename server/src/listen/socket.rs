//! A unix socket, for its owner and root.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::hosts::{Hosts, for_these};
use super::{Bounds, Listens, Opening, Stream, answer_all};
use crate::origin::from_no_other_page;

/// The longest path that the system takes for a socket.
const LONGEST: usize = 107;

/// A unix socket for this user and root alone.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    ours: u32,
}

impl Socket {
    /// Listens at this path, in the place of what an earlier server left there. Whoever calls this knows that no
    /// other server runs: it has the store. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The path cannot be written.
    pub fn bind(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        // Nobody finds it before it is closed to others.
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        remove(&new)?;
        let listener = bind(&new)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&new, &path)?;
        Ok(Self { listener, path, ours: rustix::process::geteuid().as_raw() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers requests by `router` until `stop`, and then as long as `bounds` says what is on its way. The socket is
    /// gone then, and when it is dropped.
    ///
    /// As a browser may come to it, through `landlord-compute page` or a port that ssh forwards, it answers for the names of the
    /// loopback alone, and not to pages of other sites.
    pub async fn serve(self, router: Router, bounds: Bounds, stop: CancellationToken) {
        let router = router.layer(from_fn(from_no_other_page));
        let router = router.layer(from_fn_with_state(Hosts::loopback(), for_these));
        answer_all(self, router, bounds, stop).await;
    }
}

impl Listens for Socket {
    async fn take(&self) -> io::Result<Opening> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if is_ours(&stream, self.ours) {
                return Ok(Box::pin(async { Ok(Box::new(stream) as Box<dyn Stream>) }));
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = remove(&self.path);
    }
}

/// Listens at a path of any length. The system takes some 100 bytes, and reaches a folder also by its open descriptor.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if path.as_os_str().len() > LONGEST => {
            let folder = std::fs::File::open(parent)?;
            let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
            UnixListener::bind(short.join(name))
        }
        (_, _) => UnixListener::bind(path),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether the other side is this user, or root.
fn is_ours(stream: &UnixStream, ours: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == ours || peer.uid() == 0)
}
