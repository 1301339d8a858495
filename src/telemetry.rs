//! What an engine tells of itself while it works, for whoever counts and traces it. `landlord-telemetry` does both.
//!
//! A [`Watcher`] is told at once and from within the engine's own work, with borrowed data: it takes no lock, allocates
//! nothing, and comes back in less time than a transition would notice. What can be counted when somebody asks is not told
//! but asked for: [`Engine::vitals`](crate::Engine::vitals).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use landlord_state_machines::id::{OperationId, ProviderName};
use landlord_state_machines::status::Health;
use landlord_state_machines::tenant::{LifecycleEvent, Method, OperationKind, Settled, StateName};
use landlord_state_machines::trace::TraceContext;
use tracing::Span;

use crate::provider::Budget;
use crate::store::{Position, Sort};

/// A registered provider's place in the list that [`Watcher::starts`] was told. What is told often says this, so that nobody
/// has to look for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub usize);

/// Is told what an engine does. One that panics harms the engine. Where the place of a provider is told as none, it is not
/// known, or the engine does not have that provider.
///
/// What became durable although its commit had failed is told late, and of that only the event is known. Such an event
/// may be told twice. A tenant whose actor panicked over its commit may be counted where it was until the next start.
pub trait Watcher: Send + Sync + 'static {
    /// The engine starts with these providers, over a store that holds so many tenants of each sort.
    fn starts(&self, _providers: &[ProviderName], _tenants: &BTreeMap<Sort, u64>) {}

    /// So many tenants of each sort are this engine's to tell of: what was told of that before no longer counts. Told now and then
    /// by an engine that shares its store, which never says where a single tenant is counted. One engine at a time tells of all
    /// tenants, and the others of none.
    fn counted(&self, _tenants: &BTreeMap<Sort, u64>) {}

    /// A batch is durable: so many transitions, which the store took so long for. None: it had not to be waited for.
    fn committed(&self, _transitions: usize, _took: Option<Duration>) {}

    /// The store did not make a commit, or it is not known whether it did. Whoever needs it tries again.
    fn commit_failed(&self) {}

    /// A transition is durable, and where the tenant is counted elsewhere from now on, it says so.
    fn transition(&self, _provider: Option<Place>, _event: &LifecycleEvent, _moved: Option<Moved>) {}

    /// A tenant is counted elsewhere now, because of what became durable without being told.
    fn moved(&self, _provider: Option<Place>, _moved: Moved) {}

    /// An operation has settled.
    fn settled(&self, _operation: &Ended<'_>) {}

    /// A call of a provider that had got its turn is over, which took so long. None: it had not to be waited for.
    fn call_ended(&self, _provider: Place, _method: Method, _end: CallEnd, _took: Option<Duration>) {}

    /// A running tenant was looked at.
    fn looked(&self, _provider: Place, _end: LookEnd) {}

    /// Whether an operation has spans. `trace` is what is kept of its caller's. Asked more than once, also after a restart: the
    /// same operation has to be answered the same. Default: every operation has.
    fn traces(&self, _operation: OperationId, _trace: Option<&TraceContext>) -> bool {
        true
    }
}

/// As what a living tenant is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Where it is in its life.
    pub state: StateName,
    /// What its health checks say.
    pub health: Health,
}

/// A tenant is counted elsewhere than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it was counted; none: it did not live.
    pub from: Option<Stand>,
    /// Where it is counted now; none: it does not live.
    pub to: Option<Stand>,
}

/// An operation that has settled.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// Who did it.
    pub provider: Option<Place>,
    /// What it did, where that is known.
    pub kind: Option<OperationKind>,
    /// How it ended.
    pub settled: &'a Settled,
    /// How long that took since it was accepted, where that is known.
    pub took: Option<Duration>,
}

/// How a call of a provider ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// It did what it was asked.
    Succeeded,
    /// It failed.
    Failed,
    /// It did not answer in time.
    TimedOut,
    /// It panicked.
    Panicked,
    /// It was dropped.
    Dropped,
}

impl CallEnd {
    /// All of them, as they are declared.
    pub const ALL: [Self; 5] = [Self::Succeeded, Self::Failed, Self::TimedOut, Self::Panicked, Self::Dropped];

    /// What it is called wherever people or programs name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Dropped => "dropped",
        }
    }
}

/// How a look at a running tenant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookEnd {
    /// Its platform said how it is, or that nothing of it is there.
    Answered,
    /// Its platform did not say.
    Failed,
}

impl LookEnd {
    /// All of them, as they are declared.
    pub const ALL: [Self; 2] = [Self::Answered, Self::Failed];

    /// What it is called wherever people or programs name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
        }
    }
}

/// What an engine holds at a moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Vitals {
    /// Tenants with an actor.
    pub actors: usize,
    /// Commands that were not answered yet.
    pub commands: usize,
    /// Calls of providers that wait for their turn, run, or wait for their outcome to be committed.
    pub calls: usize,
    /// Transitions that wait for the commit before theirs.
    pub transitions: usize,
    /// The position of the last published event.
    pub head: Position,
    /// Subscribers to the events of all tenants.
    pub subscribers: usize,
    /// How many events the slowest of them has still to get.
    pub subscriber_lag: u64,
    /// What it has of a store that it shares. None where it has its store alone.
    pub sharing: Option<SharingVitals>,
    /// The providers, by name.
    pub providers: Vec<ProviderVitals>,
}

/// What one of several engines has at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharingVitals {
    /// Of how many of the 1,024 shards it makes the tenants' calls.
    pub shards: usize,
    /// Whether its lease holds. Otherwise it asks platforms for nothing.
    pub holds: bool,
    /// How many of the events that were there a second ago it has still to read.
    pub behind: u64,
}

/// What a provider holds at a moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProviderVitals {
    /// Its name.
    pub provider: ProviderName,
    /// Calls that run.
    pub calls: usize,
    /// What may be asked of its platform.
    pub budgets: Vec<Budget>,
}

/// The target of the spans that an engine makes of what is traced: they may be wanted without the lines of its log.
pub const TRACE_TARGET: &str = "landlord_compute::trace";

/// The span of one request to a platform's API, as a part of the call that it is made for; none where that is not traced.
/// `method` and `resource` say what is asked, and hold no value of a spec.
pub fn request_span(method: &str, resource: &dyn fmt::Display) -> Span {
    if Span::current().is_disabled() {
        return Span::none();
    }
    tracing::info_span!(
        target: TRACE_TARGET,
        "request",
        method,
        %resource,
        status = tracing::field::Empty,
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
    )
}

/// A request was answered: `status` is what the platform calls that.
pub fn request_answered(request: &Span, status: &str) {
    request.record("status", status);
}

/// A request failed, whether it was answered or not.
pub fn request_failed(request: &Span) {
    request.record("otel.status_code", "ERROR");
}
