//! The engine's side of a keeper.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::protocol::{Answer, Asked, Refusal, Request, SOCKET};

/// Why a keeper did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// There is no keeper.
    #[error("the tenant's keeper does not run")]
    Absent,
    /// It ended before it answered: whether it did it is not known.
    #[error("the tenant's keeper ended before it answered")]
    Unanswered,
    /// It was not done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The system refused the connection.
    #[error("the tenant's keeper cannot be reached: {0}")]
    System(#[from] io::Error),
}

/// A request that was sent.
pub(crate) struct Sent(BufReader<UnixStream>);

impl Sent {
    /// What the keeper answers.
    pub(crate) async fn answer(&mut self) -> Result<Answer, AskError> {
        read(&mut self.0).await
    }
}

/// Asks the keeper of the tenant whose directory this is. When the future is dropped, the keeper may or may not do it.
pub(crate) async fn ask(dir: &Path, request: Request) -> Result<Answer, AskError> {
    send(dir, request).await?.answer().await
}

/// The same up to the answer.
pub(crate) async fn send(dir: &Path, request: Request) -> Result<Sent, AskError> {
    let mut stream = connect(dir).await?;
    let line = line(request)?;
    stream.write_all(&line).await.map_err(|_| AskError::Unanswered)?;
    Ok(Sent(BufReader::with_capacity(1024, stream)))
}

/// Has the keeper do this and end, and returns when it is about to be gone: it has closed its connections.
pub(crate) async fn end(dir: &Path, request: Request) -> Result<(), AskError> {
    let mut sent = send(dir, request).await?;
    sent.answer().await?;
    match sent.answer().await {
        Ok(_) | Err(AskError::Absent | AskError::Unanswered) => Ok(()),
        Err(error @ (AskError::Refused(_) | AskError::System(_))) => Err(error),
    }
}

/// Changes of a tenant, as its keeper tells them.
pub(crate) struct Changes(BufReader<UnixStream>);

impl Changes {
    /// Begins to listen.
    pub(crate) async fn of(dir: &Path) -> Result<Self, AskError> {
        let mut stream = connect(dir).await?;
        stream.write_all(&line(Request::Watch)?).await.map_err(|_| AskError::Unanswered)?;
        let mut stream = BufReader::with_capacity(256, stream);
        read(&mut stream).await?;
        Ok(Self(stream))
    }

    /// Returns when something changed; an error when the keeper has ended.
    pub(crate) async fn next(&mut self) -> Result<(), AskError> {
        read(&mut self.0).await.map(drop)
    }
}

async fn connect(dir: &Path) -> Result<UnixStream, AskError> {
    // A socket's address has room for about a hundred letters; a path through a descriptor is short.
    let dir: OwnedFd = match open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(dir) => dir,
        Err(rustix::io::Errno::NOENT) => return Err(AskError::Absent),
        Err(error) => return Err(AskError::System(error.into())),
    };
    let path = format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd());
    UnixStream::connect(path).await.map_err(|error| {
        // A keeper that ends resets the connections that it has not accepted: of those it has read nothing.
        let absent =
            [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset];
        if absent.contains(&error.kind()) { AskError::Absent } else { AskError::System(error) }
    })
}

fn line(request: Request) -> Result<Vec<u8>, AskError> {
    let mut line =
        serde_json::to_vec(&Asked { version: request.version(), request }).map_err(io::Error::from)?;
    line.push(b'\n');
    Ok(line)
}

async fn read(from: &mut BufReader<UnixStream>) -> Result<Answer, AskError> {
    let mut line = String::new();
    match from.read_line(&mut line).await {
        Ok(0) | Err(_) => Err(AskError::Unanswered),
        Ok(_) => match serde_json::from_str(&line) {
            Ok(Answer::Refused(refusal)) => Err(refusal.into()),
            Ok(answer) => Ok(answer),
            Err(error) => Err(AskError::System(error.into())),
        },
    }
}

/// The keepers that this process started, by their directories. Each is read when it ends, so that none stays as a
/// zombie.
static STARTED: Mutex<BTreeMap<PathBuf, Vec<Child>>> = Mutex::new(BTreeMap::new());

/// One directory has one name.
fn name(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}

fn started() -> MutexGuard<'static, BTreeMap<PathBuf, Vec<Child>>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes care of the keeper of the tenant whose directory this is.
pub(super) fn adopt(dir: &Path, child: Child) {
    reap(dir);
    started().entry(name(dir)).or_default().push(child);
}

/// Reads the keepers of a tenant that ended.
pub(crate) fn reap(dir: &Path) {
    let (dir, mut started) = (name(dir), started());
    if let Some(children) = started.get_mut(&dir) {
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        if children.is_empty() {
            started.remove(&dir);
        }
    }
}

/// Reads all keepers that ended.
pub(crate) fn reap_all() {
    started().retain(|_, children| {
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        !children.is_empty()
    });
}

/// Waits until the keepers of a tenant have ended that this process started. They must be about to. Blocks.
pub(super) fn await_ended(dir: &Path) -> io::Result<()> {
    let children = started().remove(&name(dir)).unwrap_or_default();
    children.into_iter().try_for_each(|mut child| child.wait().map(drop))
}
