//! How many requests AWS takes of an account in a region, and whose turn it is.
//!
//! AWS counts each kind of request in a token bucket. The same buckets are kept here, so that a request waits before it
//! goes out instead of being refused. When AWS throttles all the same, because others ask of the same account too, a
//! bucket fills more slowly for a while.

mod bucket;
mod line;
mod ration;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::id::TenantId;
use tokio::sync::Notify;
use tokio::time::Instant;

use bucket::{Bucket, Seed};
use landlord_compute::provider::{self, Context, Initiator, Ration};
use line::{Line, Ticket};
pub(super) use ration::Rations;

/// How many requests of one kind may wait; one more is refused.
const WAITING: usize = 10_000;
/// The part of a bucket that looks leave to others, so that these do not wait when they come.
const RESERVE: f64 = 0.5;
/// The shortest pause until engines that share a quota draw again: what comes meanwhile is drawn at once.
const DRAWS: Duration = Duration::from_millis(100);
/// A wait that is longer than this is worth a line in the log.
const LONG: Duration = Duration::from_secs(5);

/// Requests that share a quota of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quota {
    /// `DescribeClusters`.
    ClusterRead,
    /// `CreateService`, `UpdateService`, `DeleteService`, `StopServiceDeployment`.
    ServiceModify,
    /// `DescribeServices`, `ListServices`.
    ServiceRead,
    /// `RegisterTaskDefinition`, `DeregisterTaskDefinition`.
    DefinitionModify,
    /// `DeleteTaskDefinitions`.
    DefinitionDelete,
    /// `DescribeTaskDefinition`, `ListTaskDefinitions`, `ListTaskDefinitionFamilies`.
    DefinitionRead,
    /// `DescribeTasks`, `ListTasks`.
    TaskRead,
    /// `TagResource`, `UntagResource`.
    Tag,
    /// CloudWatch's `FilterLogEvents`.
    LogRead,
}

impl Quota {
    /// All of them, as they are declared.
    const ALL: [Self; 9] = [
        Self::ClusterRead,
        Self::ServiceModify,
        Self::ServiceRead,
        Self::DefinitionModify,
        Self::DefinitionDelete,
        Self::DefinitionRead,
        Self::TaskRead,
        Self::Tag,
        Self::LogRead,
    ];

    /// What it is called where people read of it.
    fn name(self) -> &'static str {
        match self {
            Self::ClusterRead => "cluster_read",
            Self::ServiceModify => "service_modify",
            Self::ServiceRead => "service_read",
            Self::DefinitionModify => "definition_modify",
            Self::DefinitionDelete => "definition_delete",
            Self::DefinitionRead => "definition_read",
            Self::TaskRead => "task_read",
            Self::Tag => "tag",
            Self::LogRead => "log_read",
        }
    }

    /// What AWS documents for an account in a region ("Request throttling for the Amazon ECS API"): the size of the
    /// bucket, and how much flows into it in a second.
    fn seed(self) -> Seed {
        let (burst, per_second) = match self {
            Self::ClusterRead => (50, 20),
            Self::ServiceModify => (50, 5),
            Self::ServiceRead => (100, 20),
            Self::DefinitionModify => (20, 1),
            Self::DefinitionDelete => (5, 1),
            Self::DefinitionRead => (50, 20),
            Self::TaskRead => (100, 20),
            Self::Tag => (20, 10),
            // CloudWatch documents 5 a second in some regions, 10 in others, and no burst.
            Self::LogRead => (5, 5),
        };
        Seed { burst, per_second }
    }
}

/// For whom a request is made.
#[derive(Clone, Debug)]
pub(super) struct Who {
    /// The tenant; none for what is about all of them.
    pub(super) tenant: Option<TenantId>,
    /// What it is for.
    pub(super) rank: Rank,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rank {
    /// Somebody waits for it.
    Person,
    /// The engine repairs a tenant by itself, or searches for what it has.
    Engine,
    /// The engine looks after a tenant that runs, as far as it knows: what the others leave is enough.
    Look,
}

impl Rank {
    /// What the requests of a method call are for.
    pub(super) fn of(cx: &Context) -> Self {
        match (cx.initiator, cx.work) {
            (Initiator::Person, _) => Self::Person,
            (Initiator::Engine, Some(_)) => Self::Engine,
            (Initiator::Engine, None) => Self::Look,
        }
    }
}

/// What may be asked of one account in one region.
#[derive(Debug)]
pub(super) struct Budget {
    lanes: [Mutex<Lane>; Quota::ALL.len()],
    throttles: Arc<Throttles>,
    /// Where the engines that share a store draw from; none: this one is alone.
    rations: Option<Rations>,
}

/// How often AWS asked for fewer requests, of all accounts in all regions.
#[derive(Debug, Default)]
pub(super) struct Throttles([AtomicU64; Quota::ALL.len()]);

/// One quota.
#[derive(Debug)]
struct Lane {
    bucket: Bucket,
    line: Line,
    /// What was drawn and is not used yet, where engines share the quota.
    ration: Ration,
}

impl Budget {
    /// Full buckets, `factor` times as large as AWS's default ones. With `rations`, each request takes a token out of these too.
    pub(super) fn new(factor: u32, throttles: Arc<Throttles>, rations: Option<Rations>) -> Self {
        let now = Instant::now();
        let lane = |quota: Quota| {
            let bucket = Bucket::new(quota.seed().times(factor), now);
            Mutex::new(Lane { bucket, line: Line::default(), ration: Ration::default() })
        };
        Self { lanes: Quota::ALL.map(lane), throttles, rations }
    }

    /// Returns when a request may go out. Until then poll the future or drop it: a future that is kept without being
    /// polled holds up those behind it. Dropping it gives its place up and uses no token.
    ///
    /// # Errors
    /// When too many wait already; it can be tried again.
    pub(super) async fn turn(&self, quota: Quota, who: &Who) -> Result<(), ProviderError> {
        let lane = self.lane(quota);
        let begun = Instant::now();
        let mut place = Place::take(lane, quota, who)?;
        loop {
            let pause = match place.try_leave(self.rations.as_ref()) {
                More::No => break,
                More::Behind => {
                    place.called.notified().await;
                    continue;
                }
                More::First(pause) => pause,
                More::Draws { from, seed, leave, wanted } => {
                    let asked = Instant::now();
                    let drawn = from.draw(quota.name(), seed, leave, wanted).await;
                    lock(lane).ration.add(drawn.tokens, asked);
                    if drawn.tokens > 0 {
                        continue;
                    }
                    drawn.next.max(DRAWS)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = place.called.notified() => {}
            }
        }
        let waited = begun.elapsed();
        if waited > LONG {
            let tenant_id = who.tenant.as_ref().map(tracing::field::display);
            tracing::debug!(tenant_id, ?quota, ?waited, "waited for AWS's quota");
        }
        Ok(())
    }

    /// AWS asked for fewer requests.
    pub(super) fn throttled(&self, quota: Quota) {
        self.throttles.0[quota as usize].fetch_add(1, Ordering::Relaxed);
        let slower = lock(self.lane(quota)).bucket.throttled(Instant::now());
        if let Some(per_second) = slower {
            tracing::debug!(?quota, per_second, "AWS throttles; asking more slowly");
        }
    }

    /// What may be asked of all these together, a quota each: accounts are too many to tell one by one.
    pub(super) fn told(budgets: &[Arc<Self>], throttles: &Throttles) -> Vec<provider::Budget> {
        let now = Instant::now();
        let told = |quota: Quota| {
            let per_second = f64::from(quota.seed().per_second);
            let mut told = provider::Budget::new(quota.name(), f64::INFINITY);
            for budget in budgets {
                let mut lane = lock(budget.lane(quota));
                told.per_second = told.per_second.min(lane.bucket.rate(now));
                told.per_second_at_best = told.per_second_at_best.min(lane.bucket.full_rate());
                told.waiting += lane.line.len() as u64;
            }
            if budgets.is_empty() {
                (told.per_second, told.per_second_at_best) = (per_second, per_second);
            }
            told.throttled = throttles.0[quota as usize].load(Ordering::Relaxed);
            told
        };
        Quota::ALL.map(told).into()
    }

    fn lane(&self, quota: Quota) -> &Mutex<Lane> {
        &self.lanes[quota as usize]
    }
}

/// A waiter's place in a line. Dropped, it is given up.
struct Place<'a> {
    lane: &'a Mutex<Lane>,
    ticket: Option<Ticket>,
    /// Whether the place may have become the first.
    called: Arc<Notify>,
}

/// Whether a waiter has to go on waiting.
enum More<'r> {
    No,
    /// It is the first, and there may be a token after this time.
    First(Duration),
    /// It is the first, and lacks only a token of those that all engines share.
    Draws {
        from: &'r Rations,
        seed: Seed,
        leave: u32,
        wanted: u32,
    },
    /// Others are before it; it is called.
    Behind,
}

impl<'a> Place<'a> {
    fn take(lane: &'a Mutex<Lane>, quota: Quota, who: &Who) -> Result<Self, ProviderError> {
        let called = Arc::new(Notify::new());
        let mut locked = lock(lane);
        if locked.line.len() >= WAITING {
            let pause = locked.bucket.time_for(WAITING);
            let message =
                format!("{WAITING} requests wait for AWS's quota ({quota:?}) already; it is tried again");
            return Err(ProviderError::throttled(ErrorKind::ProvisionFailed, pause, message));
        }
        let ticket = locked.line.join(who, Arc::clone(&called));
        drop(locked);
        Ok(Self { lane, ticket: Some(ticket), called })
    }

    /// Takes a token if it is this place's turn and there is one.
    fn try_leave<'r>(&mut self, rations: Option<&'r Rations>) -> More<'r> {
        let Some(ticket) = &self.ticket else { return More::No };
        let mut lane = lock(self.lane);
        if !lane.line.is_first(ticket) {
            return More::Behind;
        }
        // A look leaves half of the burst to others, unless it has waited for long.
        let reserve = if lane.line.leaves_a_reserve(ticket) { RESERVE } else { 0.0 };
        let now = Instant::now();
        if let Err(pause) = lane.bucket.has(now, reserve) {
            return More::First(pause);
        }
        if let Some(from) = rations
            && !lane.ration.take(now)
        {
            let seed = lane.bucket.seed();
            let wanted = u32::try_from(lane.line.len()).unwrap_or(u32::MAX).clamp(1, seed.per_second);
            return More::Draws { from, seed, leave: seed.reserve(reserve), wanted };
        }
        lane.bucket.take();
        lane.line.serve(ticket);
        lane.line.call_first();
        drop(lane);
        self.ticket = None;
        More::No
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = &self.ticket {
            let mut lane = lock(self.lane);
            lane.line.leave(ticket);
            lane.line.call_first();
        }
    }
}

fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}
