//! What is counted as it happens. Each count is an atomic at a place that is known beforehand: nothing is looked up by a name,
//! nothing is allocated, and no lock is taken.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent, Method, OperationKind, StateName};
use landlord_compute::store::Sort;
use landlord_compute::telemetry::{CallEnd, Ended, LookEnd, Moved, Place, Stand};
use landlord_compute::{Health, ProviderName, Settled};

use crate::histogram::{BATCH, COMMIT, Histogram, Sum, WORK};

/// As which tenants and transitions of providers are counted that the engine does not have.
pub(crate) const OTHER: &str = "other";

/// Into how many parts the counts are divided, so that cores seldom meet at one.
const STRIPES: usize = 8;

pub(crate) const EVENTS: usize = EventKind::NAMES.len();
pub(crate) const KINDS: [OperationKind; 6] = [
    OperationKind::Provision,
    OperationKind::Update,
    OperationKind::Restart,
    OperationKind::Repair,
    OperationKind::Destroy,
    OperationKind::Release,
];
/// What operations are counted as, by kind, and one more where it is not known.
pub(crate) const KIND_NAMES: [&str; KINDS.len() + 1] =
    ["provision", "update", "restart", "repair", "destroy", "release", "unknown"];
pub(crate) const RESULTS: [&str; 6] = ["done", "failed", "undone", "cancelled", "superseded", "abandoned"];
pub(crate) const METHODS: [Method; 4] = [Method::Provision, Method::Update, Method::Destroy, Method::Release];
pub(crate) const STATES: [StateName; 5] = [
    StateName::Pending,
    StateName::Provisioning,
    StateName::Running,
    StateName::Updating,
    StateName::Destroying,
];
pub(crate) const HEALTHS: [&str; 3] = ["healthy", "unhealthy", "unknown"];

/// All counts of an engine.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// One for each provider in its place, and a last one for all others. Known once the engine starts.
    blocks: OnceLock<Box<[Block]>>,
    commits: [CachePadded<Commits>; STRIPES],
}

/// The counts of a provider.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) provider: Box<str>,
    stripes: Box<[CachePadded<Stripe>]>,
}

#[derive(Debug, Default)]
struct Stripe {
    events: [AtomicU64; EVENTS],
    repairs: AtomicU64,
    operations: [[AtomicU64; RESULTS.len()]; KIND_NAMES.len()],
    operation_durations: [[Histogram; RESULTS.len()]; KIND_NAMES.len()],
    calls: [[Histogram; CallEnd::ALL.len()]; METHODS.len()],
    looks: [AtomicU64; LookEnd::ALL.len()],
    /// More or fewer than there were: a tenant may come in one part and go in another.
    tenants: [[AtomicI64; HEALTHS.len()]; STATES.len()],
}

#[derive(Debug, Default)]
struct Commits {
    sizes: Histogram,
    durations: Histogram,
    failures: AtomicU64,
}

/// Which part this thread counts in.
fn stripe() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        mine.get()
    })
}

/// Where in the list of states, and in that of healths, a tenant is counted.
fn cell(stand: Stand) -> (usize, usize) {
    let state = match stand.state {
        StateName::Pending => 0,
        StateName::Provisioning => 1,
        StateName::Running => 2,
        StateName::Updating => 3,
        StateName::Destroying => 4,
    };
    let health = match stand.health {
        Health::Healthy => 0,
        Health::Unhealthy => 1,
        Health::Unknown => 2,
    };
    (state, health)
}

impl Stripe {
    fn count(&self, stand: Stand, more: i64) {
        let (state, health) = cell(stand);
        self.tenants[state][health].fetch_add(more, Ordering::Relaxed);
    }

    fn shift(&self, Moved { from, to }: Moved) {
        if let Some(from) = from {
            self.count(from, -1);
        }
        if let Some(to) = to {
            self.count(to, 1);
        }
    }
}

impl Block {
    fn new(provider: &str) -> Self {
        Self { provider: provider.into(), stripes: (0..STRIPES).map(|_| CachePadded::default()).collect() }
    }

    fn sum(&self, of: impl Fn(&Stripe) -> &AtomicU64) -> u64 {
        self.stripes.iter().map(|stripe| of(stripe).load(Ordering::Relaxed)).sum()
    }

    fn balance(&self, of: impl Fn(&Stripe) -> &AtomicI64) -> u64 {
        let balance: i64 = self.stripes.iter().map(|stripe| of(stripe).load(Ordering::Relaxed)).sum();
        // Some parts may have been read before others changed.
        u64::try_from(balance).unwrap_or_default()
    }

    fn sizes(&self, of: impl Fn(&Stripe) -> &Histogram) -> Sum {
        let mut sum = Sum::default();
        self.stripes.iter().for_each(|stripe| sum.add(of(stripe)));
        sum
    }

    pub(crate) fn events(&self, kind: usize) -> u64 {
        self.sum(|stripe| &stripe.events[kind])
    }

    pub(crate) fn repairs(&self) -> u64 {
        self.sum(|stripe| &stripe.repairs)
    }

    pub(crate) fn operations(&self, kind: usize, result: usize) -> u64 {
        self.sum(|stripe| &stripe.operations[kind][result])
    }

    pub(crate) fn operation_durations(&self, kind: usize, result: usize) -> Sum {
        self.sizes(|stripe| &stripe.operation_durations[kind][result])
    }

    pub(crate) fn calls(&self, method: usize, end: usize) -> Sum {
        self.sizes(|stripe| &stripe.calls[method][end])
    }

    pub(crate) fn looks(&self, end: usize) -> u64 {
        self.sum(|stripe| &stripe.looks[end])
    }

    pub(crate) fn tenants(&self, state: usize, health: usize) -> u64 {
        self.balance(|stripe| &stripe.tenants[state][health])
    }
}

impl Meter {
    /// The providers' counts; none before an engine has started.
    pub(crate) fn blocks(&self) -> &[Block] {
        self.blocks.get().map_or(&[], |blocks| blocks)
    }

    pub(crate) fn commit_sizes(&self) -> Sum {
        let mut sum = Sum::default();
        self.commits.iter().for_each(|commits| sum.add(&commits.sizes));
        sum
    }

    pub(crate) fn commit_durations(&self) -> Sum {
        let mut sum = Sum::default();
        self.commits.iter().for_each(|commits| sum.add(&commits.durations));
        sum
    }

    pub(crate) fn commit_failures(&self) -> u64 {
        self.commits.iter().map(|commits| commits.failures.load(Ordering::Relaxed)).sum()
    }

    /// Where to count what is of this provider.
    fn of(&self, provider: Option<Place>) -> Option<&Stripe> {
        let blocks = self.blocks.get()?;
        let other = blocks.len() - 1;
        let at = provider.map_or(other, |place| place.0.min(other));
        blocks[at].stripes.get(stripe()).map(|stripe| &**stripe)
    }

    pub(crate) fn starts(&self, providers: &[ProviderName], tenants: &BTreeMap<Sort, u64>) {
        let names = providers.iter().map(ProviderName::as_str).chain([OTHER]);
        let blocks = names.map(Block::new).collect();
        // Another engine has been watched before: its counts go on, and its tenants are those of the store still.
        if self.blocks.set(blocks).is_err() {
            return;
        }
        for (sort, count) in tenants {
            let more = i64::try_from(*count).unwrap_or(i64::MAX);
            let place = providers.iter().position(|provider| *provider == sort.provider).map(Place);
            if let Some(counts) = self.of(place) {
                counts.count(Stand { state: sort.state, health: sort.health }, more);
            }
        }
    }

    /// So many tenants there are; what was told of that before no longer counts. Whoever is told this is never told where a single
    /// tenant is counted, so that one stripe has them all.
    pub(crate) fn counted(&self, tenants: &BTreeMap<Sort, u64>) {
        let Some(blocks) = self.blocks.get() else { return };
        let other = blocks.len() - 1;
        let place = |sort: &Sort| {
            blocks[..other]
                .iter()
                .position(|block| *block.provider == *sort.provider.as_str())
                .unwrap_or(other)
        };
        for (at, block) in blocks.iter().enumerate() {
            let mut counts = [[0_i64; HEALTHS.len()]; STATES.len()];
            for (sort, count) in tenants.iter().filter(|(sort, _)| place(sort) == at) {
                let (state, health) = cell(Stand { state: sort.state, health: sort.health });
                counts[state][health] += i64::try_from(*count).unwrap_or(i64::MAX);
            }
            let held = block.stripes.iter().take(1).flat_map(|stripe| stripe.tenants.iter().flatten());
            for (held, count) in held.zip(counts.into_iter().flatten()) {
                held.store(count, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn committed(&self, transitions: usize, took: Option<Duration>) {
        let commits = &self.commits[stripe()];
        commits.sizes.observe(&BATCH, transitions as u64);
        if let Some(took) = took {
            commits.durations.observe(&COMMIT, nanoseconds(took));
        }
    }

    pub(crate) fn commit_failed(&self) {
        self.commits[stripe()].failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn transition(&self, provider: Option<Place>, event: &LifecycleEvent, moved: Option<Moved>) {
        let Some(counts) = self.of(provider) else { return };
        counts.events[index_of(&event.what)].fetch_add(1, Ordering::Relaxed);
        if let EventKind::Began { operation_kind: OperationKind::Repair, .. } = &event.what {
            counts.repairs.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(moved) = moved {
            counts.shift(moved);
        }
    }

    pub(crate) fn moved(&self, provider: Option<Place>, moved: Moved) {
        if let Some(counts) = self.of(provider) {
            counts.shift(moved);
        }
    }

    pub(crate) fn settled(&self, operation: &Ended<'_>) {
        let Some(counts) = self.of(operation.provider) else { return };
        let kind = operation.kind.map_or(KINDS.len(), |kind| match kind {
            OperationKind::Provision => 0,
            OperationKind::Update => 1,
            OperationKind::Restart => 2,
            OperationKind::Repair => 3,
            OperationKind::Destroy => 4,
            OperationKind::Release => 5,
        });
        let result = match operation.settled {
            Settled::Done => 0,
            Settled::Failed { undone: false, .. } => 1,
            Settled::Failed { undone: true, .. } => 2,
            Settled::Cancelled { .. } => 3,
            Settled::Superseded { .. } => 4,
            Settled::Abandoned { .. } => 5,
        };
        counts.operations[kind][result].fetch_add(1, Ordering::Relaxed);
        if let Some(took) = operation.took {
            counts.operation_durations[kind][result].observe(&WORK, nanoseconds(took));
        }
    }

    /// One that had not to be waited for took no time.
    pub(crate) fn call_ended(&self, provider: Place, method: Method, end: CallEnd, took: Option<Duration>) {
        let Some(counts) = self.of(Some(provider)) else { return };
        let method = match method {
            Method::Provision => 0,
            Method::Update => 1,
            Method::Destroy => 2,
            Method::Release => 3,
        };
        counts.calls[method][end as usize].observe(&WORK, took.map_or(0, nanoseconds));
    }

    pub(crate) fn looked(&self, provider: Place, end: LookEnd) {
        if let Some(counts) = self.of(Some(provider)) {
            counts.looks[end as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn nanoseconds(took: Duration) -> u64 {
    took.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(took.subsec_nanos()))
}

/// Where the count of a kind of event is: as in [`EventKind::NAMES`].
pub(crate) fn index_of(kind: &EventKind) -> usize {
    match kind {
        EventKind::Began { .. } => 0,
        EventKind::AlreadyRunning => 1,
        EventKind::Queued { .. } => 2,
        EventKind::Progressed { .. } => 3,
        EventKind::Waits { .. } => WAITS,
        EventKind::Succeeded { .. } => 5,
        EventKind::FoundNothing => 6,
        EventKind::WillRetry { .. } => WILL_RETRY,
        EventKind::Retried => 8,
        EventKind::Stopping { .. } => 9,
        EventKind::Undoing { .. } => UNDOING,
        EventKind::Undone => 11,
        EventKind::RepairFailed { .. } => 12,
        EventKind::NotUndone { .. } => 13,
        EventKind::HealthChanged { .. } => 14,
        EventKind::Recovered => 15,
        EventKind::HandedOver => 16,
        EventKind::Paused => 17,
        EventKind::Resumed => 18,
        EventKind::QueueCancelled => 19,
        EventKind::Abandoned { .. } => 20,
    }
}

pub(crate) const WAITS: usize = 4;
pub(crate) const WILL_RETRY: usize = 7;
pub(crate) const UNDOING: usize = 10;
