//! For how long an engine may act upon what is its own.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use landlord_state_machines::id::Epoch;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// How long a lease holds after the renewal was sent. Others wait longer until they take over.
const HOLDS: Duration = Duration::from_secs(4);

/// Whether an engine may still ask platforms for something. Clones are of the same lease.
///
/// An engine that shares its store renews its lease there each second. Where it cannot, because the store is away or the machine
/// was stopped, the lease ends before any other engine takes over. So whoever is about to send something looks here at the
/// last moment, beneath TLS, and sends nothing once it has ended. Time is counted while the machine sleeps, too.
#[derive(Clone)]
pub struct Lease {
    engine: Epoch,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Until when it holds, in nanoseconds since the machine was started.
    until: AtomicU64,
    /// How often it was renewed after it had ended, or for the first time.
    terms: AtomicU64,
    /// Rings with each renewal.
    renewed: Notify,
}

/// A time in which a lease held without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term(u64);

impl Term {
    /// That of an engine that is alone, which has no end.
    pub(crate) const ALONE: Self = Self(0);
}

impl Lease {
    /// Of the engine with this epoch, which has not renewed it yet.
    pub(crate) fn new(engine: Epoch) -> Self {
        Self { engine, kept: Arc::default() }
    }

    /// One that holds until [`end`](Self::end), for a test of what a provider sends. A provider of an engine is
    /// [told of its own](super::Provider::leased).
    pub fn until_ended(engine: Epoch) -> Self {
        let lease = Self::new(engine);
        lease.kept.until.store(u64::MAX, Ordering::Release);
        lease
    }

    /// Whose it is.
    pub fn engine(&self) -> Epoch {
        self.engine
    }

    /// Whether it holds now.
    pub fn holds(&self) -> bool {
        now() < self.kept.until.load(Ordering::Acquire)
    }

    /// As an error of a connection, that it does not hold.
    pub(super) fn look(&self) -> io::Result<()> {
        match self.holds() {
            true => Ok(()),
            false => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "this engine's lease has ended; another engine goes on",
            )),
        }
    }

    /// Ends it, until the engine renews it.
    pub fn end(&self) {
        self.kept.until.store(0, Ordering::Release);
    }

    /// In which of its terms it is. None: it does not hold.
    pub(crate) fn term(&self) -> Option<Term> {
        // Read first: a term that ends meanwhile is not taken for the next one.
        let term = Term(self.kept.terms.load(Ordering::Acquire));
        self.holds().then_some(term)
    }

    /// Returns when it holds.
    pub(crate) async fn held(&self) {
        loop {
            let renewed = self.kept.renewed.notified();
            if self.holds() {
                return;
            }
            renewed.await;
        }
    }

    /// It was renewed with what was sent at `sent`.
    pub(crate) fn renewed(&self, sent: u64) {
        if !self.holds() {
            self.kept.terms.fetch_add(1, Ordering::AcqRel);
        }
        let holds = u64::try_from(HOLDS.as_nanos()).unwrap_or(u64::MAX);
        self.kept.until.fetch_max(sent.saturating_add(holds), Ordering::AcqRel);
        self.kept.renewed.notify_waiters();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.holds() { "holds" } else { "has ended" })
    }
}

/// A connection that hands on nothing once the lease has ended. TLS goes over it, so that what was encrypted before a pause is not
/// sent after it.
///
/// What stays possible is what the kernel already has, and a pause between the look at the lease and the call of the kernel.
#[derive(Debug)]
pub struct Guarded<T> {
    connection: T,
    lease: Lease,
}

impl<T> Guarded<T> {
    /// The connection itself.
    #[cfg(feature = "hyper")]
    pub(super) fn connection(&self) -> &T {
        &self.connection
    }

    /// A connection that is used while the lease holds.
    pub fn new(connection: T, lease: Lease) -> Self {
        Self { connection, lease }
    }

    fn look(&self) -> io::Result<()> {
        self.lease.look()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(task, into)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.look()?;
        Pin::new(&mut self.connection).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.look()?;
        Pin::new(&mut self.connection).poll_write_vectored(task, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look()?;
        Pin::new(&mut self.connection).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(task)
    }
}

/// Nanoseconds since the machine was started, also those in which it slept.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(nanoseconds.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_connection_sends_nothing_once_the_lease_has_ended() {
        let lease = Lease::new(Epoch(1));
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut guarded = Guarded::new(ours, lease.clone());
        assert!(guarded.write_all(b"early").await.is_err(), "nobody has renewed it yet");
        lease.renewed(now());
        guarded.write_all(b"held").await.unwrap();
        lease.end();
        let refused = guarded.write_all(b"late").await.unwrap_err();
        assert!(refused.to_string().contains("lease has ended"), "{refused}");
        // What comes is still read.
        theirs.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        guarded.read_exact(&mut answer).await.unwrap();
        drop(guarded);
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).await.unwrap();
        assert_eq!((&answer, &*sent), (b"answer", &b"held"[..]));
    }

    #[test]
    fn a_lease_holds_for_as_long_as_it_was_renewed() {
        let lease = Lease::new(Epoch(1));
        assert!(!lease.holds(), "nobody has renewed it yet");
        lease.renewed(now());
        assert!(lease.holds() && lease.clone().holds());
        lease.renewed(now() - 5_000_000_000);
        assert!(lease.holds(), "an older renewal takes nothing away");
        lease.end();
        assert!(!lease.holds());
        let late = Lease::new(Epoch(1));
        late.renewed(now() - 5_000_000_000);
        assert!(!late.holds(), "the answer took too long");
    }

    #[tokio::test]
    async fn a_lease_that_ended_and_is_renewed_is_in_another_term() {
        let lease = Lease::new(Epoch(1));
        assert_eq!(lease.term(), None);
        lease.renewed(now());
        let first = lease.term().unwrap();
        lease.renewed(now());
        assert_eq!(lease.term(), Some(first), "it went on to hold");
        lease.held().await;
        lease.end();
        assert_eq!(lease.term(), None);
        let (waits, waiting) = (
            lease.clone(),
            tokio::spawn({
                let lease = lease.clone();
                async move { lease.held().await }
            }),
        );
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        waits.renewed(now());
        waiting.await.unwrap();
        assert!(lease.term().is_some_and(|next| next != first));
    }
}
