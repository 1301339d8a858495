//! How many requests a cluster is asked, and whose turn it is.
//!
//! An API server shares its seats among all its clients, and this one asks for thousands of tenants. So the requests to a cluster
//! take tokens out of one bucket, and those that wait stand in one line: each at the time when it came, plus the patience of what
//! it is for. Who is urgent passes who is patient, and nobody waits for ever.

mod bucket;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landlord_compute::provider::{self, Context, Initiator};
use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::planner::kubernetes::KubernetesCall;
use tokio::sync::Notify;
use tokio::time::Instant;

use bucket::Bucket;

/// How many requests may wait; one more is refused.
const WAITING: usize = 50_000;
/// A wait that is longer than this is worth a line in the log.
const LONG: Duration = Duration::from_secs(5);

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rank {
    /// Somebody waits for it, or something is to be gone.
    First,
    /// The engine changes something by itself.
    Write,
    /// The engine works on a tenant by itself, or searches for what it has.
    Read,
    /// The engine looks after a tenant that runs, as far as it knows.
    Look,
}

impl Rank {
    /// What the requests of a call are for.
    pub(super) fn of_call(cx: &Context, call: &KubernetesCall) -> Self {
        match call {
            KubernetesCall::Delete(_) | KubernetesCall::DeletePod { .. } => Self::First,
            KubernetesCall::Create(_)
            | KubernetesCall::Own { .. }
            | KubernetesCall::Apply { .. }
            | KubernetesCall::CopySecret { .. }
            | KubernetesCall::Scale { .. } => match cx.initiator {
                Initiator::Person => Self::First,
                Initiator::Engine => Self::Write,
            },
            KubernetesCall::Survey
            | KubernetesCall::Locate
            | KubernetesCall::Look(_)
            | KubernetesCall::Watch { .. }
            | KubernetesCall::Explain { .. } => Self::of(cx),
        }
    }

    /// What the reads of a method are for.
    pub(super) fn of(cx: &Context) -> Self {
        match (cx.initiator, cx.work) {
            (Initiator::Person, _) => Self::First,
            (Initiator::Engine, Some(_)) => Self::Read,
            (Initiator::Engine, None) => Self::Look,
        }
    }

    /// How much longer than the most urgent one it may wait.
    fn patience(self) -> Duration {
        match self {
            Self::First => Duration::ZERO,
            Self::Write => Duration::from_secs(1),
            Self::Read => Duration::from_secs(2),
            Self::Look => Duration::from_secs(4),
        }
    }
}

/// What may be asked of one cluster.
pub(super) struct Budget(Mutex<Desk>);

/// The bucket, and the line before it.
struct Desk {
    bucket: Bucket,
    line: BTreeMap<Place, Arc<Notify>>,
    arrivals: u64,
    /// How often the cluster wanted fewer requests.
    throttled: u64,
}

/// A place in the line; the smallest is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    until: Instant,
    arrival: u64,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").finish_non_exhaustive()
    }
}

impl Budget {
    /// So many requests a second, and so many at once.
    pub(super) fn new(per_second: u32) -> Self {
        let bucket = Bucket::new(per_second, Instant::now());
        Self(Mutex::new(Desk { bucket, line: BTreeMap::new(), arrivals: 0, throttled: 0 }))
    }

    /// Returns when a request may go out. A future that is dropped gives its place up and uses no token.
    ///
    /// # Errors
    /// When too many wait already; it can be tried again.
    pub(super) async fn turn(&self, rank: Rank) -> Result<(), ProviderError> {
        let begun = Instant::now();
        let mut waiter = Waiter::join(self, rank)?;
        loop {
            match waiter.try_leave() {
                Turn::Now => break,
                Turn::Behind => waiter.called.notified().await,
                Turn::First(pause) => {
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = waiter.called.notified() => {}
                    }
                }
            }
        }
        let waited = begun.elapsed();
        if waited > LONG {
            tracing::debug!(?rank, ?waited, "waited for a request's turn");
        }
        Ok(())
    }

    /// The cluster wants fewer requests, and none for this long.
    pub(super) fn throttled(&self, pause: Duration) {
        let slower = {
            let mut desk = self.desk();
            desk.throttled += 1;
            desk.bucket.throttled(Instant::now(), pause)
        };
        if let Some(per_second) = slower {
            tracing::debug!(per_second, ?pause, "the API server throttles; asking more slowly");
        }
    }

    /// What may be asked now, for whoever watches.
    pub(super) fn told(&self) -> provider::Budget {
        let mut desk = self.desk();
        let mut told = provider::Budget::new("requests", 0.0);
        (told.per_second, told.per_second_at_best) = desk.bucket.rates(Instant::now());
        (told.waiting, told.throttled) = (desk.line.len() as u64, desk.throttled);
        told
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Wakes the first one, which may not have been told yet.
    fn call_first(&self) {
        if let Some((_, called)) = self.line.first_key_value() {
            called.notify_one();
        }
    }
}

/// Somebody in the line. Dropped, the place is given up.
struct Waiter<'a> {
    budget: &'a Budget,
    place: Option<Place>,
    /// Rings when the place may have become the first.
    called: Arc<Notify>,
}

/// Whether a waiter has to go on waiting.
enum Turn {
    Now,
    /// It is the first, and there may be a token after this time.
    First(Duration),
    /// Others are before it; it is called.
    Behind,
}

impl<'a> Waiter<'a> {
    fn join(budget: &'a Budget, rank: Rank) -> Result<Self, ProviderError> {
        let called = Arc::new(Notify::new());
        let mut desk = budget.desk();
        if desk.line.len() >= WAITING {
            let pause = desk.bucket.time_for(WAITING);
            let message =
                format!("{WAITING} requests wait for their turn at the cluster already; it is tried again");
            return Err(ProviderError::throttled(ErrorKind::ProvisionFailed, pause, message));
        }
        desk.arrivals += 1;
        let place = Place { until: Instant::now() + rank.patience(), arrival: desk.arrivals };
        desk.line.insert(place, Arc::clone(&called));
        drop(desk);
        Ok(Self { budget, place: Some(place), called })
    }

    /// Takes a token if it is this one's turn and there is one.
    fn try_leave(&mut self) -> Turn {
        let mut desk = self.budget.desk();
        if desk.line.first_key_value().map(|(place, _)| place) != self.place.as_ref() {
            return Turn::Behind;
        }
        match desk.bucket.take(Instant::now()) {
            Err(pause) => Turn::First(pause),
            Ok(()) => {
                desk.line.pop_first();
                desk.call_first();
                drop(desk);
                self.place = None;
                Turn::Now
            }
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            let mut desk = self.budget.desk();
            desk.line.remove(place);
            desk.call_first();
        }
    }
}
