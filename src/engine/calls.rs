//! The calls of providers. They belong to the engine, one slot a tenant: an actor that panics loses none, and two
//! calls for one tenant never overlap.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use crossbeam_utils::CachePadded;
use foldhash::fast::RandomState;
use futures_util::FutureExt;
use jiff::Timestamp;
use landlord_state_machines::id::{CallId, Epoch, TenantId};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::planner::Subject;
use landlord_state_machines::tenant::{Outcome, StartCall};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument, Span};

use super::actor::Message;
use super::call::outcome;
use super::config::SHARDS;
use super::core::TenantCore;
use super::count::{Count, Counted};
use super::telemetry::{self, Traced};
use crate::provider::{self, CheckpointError, Context, Home, Initiator, Journal, Kept, Lease};

/// The first and the longest pause before a checkpoint is sent again to an actor that was lost.
const RESEND: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// A tenant's call, from its start until its outcome is committed.
struct Slot {
    call: CallId,
    cancel: CancellationToken,
    task: AbortHandle,
    /// Cancelled when the call's future is gone, and those of the calls that it waited for.
    gone: Dropped,
    outcome: Option<Outcome>,
    /// What its context keeps, to tell it that something of the tenant changed.
    kept: Arc<Kept<CallHome>>,
    _in_flight: InFlight,
}

/// A call that was over before anything had to wait for it.
pub(crate) struct Over {
    pub(crate) call: CallId,
    pub(crate) outcome: Outcome,
    /// Dropped once the outcome is committed.
    pub(crate) in_flight: InFlight,
}

/// Counts a call for as long as it is held.
type InFlight = Counted<CallCount>;

/// The engine's count of calls, reached through the tenant: a shared reference count would be contended by all cores.
pub(crate) struct CallCount(Arc<TenantCore>);

impl Deref for CallCount {
    type Target = Count;

    fn deref(&self) -> &Count {
        &self.0.calls.count
    }
}

/// One slot for each tenant with a call.
pub(crate) struct Calls {
    shards: Box<[Mutex<HashMap<TenantId, Slot, RandomState>>]>,
    hasher: RandomState,
    /// Calls that are queued, run, or wait for their outcome to be committed.
    count: CachePadded<Count>,
}

/// Calls that were dropped, and whose futures may not be gone yet.
#[derive(Clone, Default)]
pub(crate) struct Dropped(Vec<CancellationToken>);

impl Dropped {
    /// Returns when they are gone.
    pub(crate) async fn gone(&self) {
        for gone in &self.0 {
            gone.cancelled().await;
        }
    }

    /// Whether they are gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.iter().all(CancellationToken::is_cancelled)
    }

    /// These and `more`, as far as they are not gone.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self.0.retain(|gone| !gone.is_cancelled());
        self
    }
}

/// What a call needs besides what the machine said.
pub(crate) struct Particulars {
    pub(crate) subject: Subject,
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) traced: Traced,
    pub(crate) initiator: Initiator,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            count: CachePadded::default(),
        }
    }

    fn slots(&self, tenant: &TenantId) -> MutexGuard<'_, HashMap<TenantId, Slot, RandomState>> {
        let shard = &self.shards[self.hasher.hash_one(tenant) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls are queued, running, or wait for their outcome to be committed.
    pub(crate) fn in_flight(&self) -> usize {
        self.count.now()
    }

    /// Returns when no call is in flight.
    pub(crate) async fn idle(&self) {
        self.count.none().await;
    }

    /// Whether this engine has the call.
    pub(crate) fn knows(&self, tenant: &TenantId, call: CallId) -> bool {
        self.slots(tenant).get(tenant).is_some_and(|slot| slot.call == call)
    }

    /// The outcome of the call, if it is over.
    pub(crate) fn outcome(&self, tenant: &TenantId, call: CallId) -> Option<Outcome> {
        self.slots(tenant).get(tenant).filter(|slot| slot.call == call)?.outcome.clone()
    }

    /// Makes a call once the future of the previous one is gone: `previous`, or the call that an actor which was lost
    /// left in the slot. A call that has to wait for something goes on in a task; any other is over when this returns.
    pub(crate) fn make(
        &self,
        core: &Arc<TenantCore>,
        start: StartCall,
        particulars: Particulars,
        previous: Dropped,
    ) -> Option<Over> {
        if core.closing.is_closed() {
            return None;
        }
        let alone = previous.is_gone() && !self.slots(&core.tenant).contains_key(&core.tenant);
        let mut begun = self.begin(core, start, particulars);
        if alone && let Some(outcome) = begun.work.as_mut().now_or_never() {
            return Some(Over { call: begun.call, outcome, in_flight: begun.in_flight });
        }
        self.spawn(core, begun, previous);
        None
    }

    /// Makes a call in a task, whether it has to wait for something or not.
    pub(crate) fn hand_over(
        &self,
        core: &Arc<TenantCore>,
        start: StartCall,
        particulars: Particulars,
        previous: Dropped,
    ) {
        let begun = self.begin(core, start, particulars);
        self.spawn(core, begun, previous);
    }

    fn begin(&self, core: &Arc<TenantCore>, mut start: StartCall, particulars: Particulars) -> Begun {
        let Particulars { subject, ledger, traced: Traced { trace, has_spans }, initiator } = particulars;
        let home = CallHome { core: Arc::clone(core), call: start.call };
        let kept = Arc::new(Kept::new(ledger, home));
        let mut cx = Context::of(subject, Arc::clone(&kept) as Arc<Kept<dyn Home>>);
        let (operation, call, attempt) = (start.operation, start.call, start.attempt);
        cx.work = Some(provider::Work { operation, call, attempt });
        cx.deadline = start.deadline;
        cx.trace = trace;
        cx.initiator = initiator;
        cx.applied = start.applied.take();
        cx.rollout = start.rollout;
        cx.applied_rollout = start.applied_rollout;
        let (call, cancel) = (start.call, cx.cancel.clone());
        let span = match has_spans {
            true => telemetry::call_span(&core.tenant, &start, cx.trace.as_ref()),
            false => Span::none(),
        };
        let ends = span.clone();
        let in_flight = Counted::at(CallCount(Arc::clone(core)));
        // In a box: it is large, and moves into the task when it is not over at once. An `async fn` that took its
        // arguments by value would reserve the room twice.
        let home = Arc::clone(&kept);
        let work = async move {
            let outcome = outcome(&home.home.core, &start, &cx).await;
            telemetry::call_ended(&ends, &outcome);
            outcome
        };
        let work = Box::pin(work.instrument(span));
        Begun { call, cancel, work, kept, in_flight }
    }

    fn spawn(&self, core: &Arc<TenantCore>, begun: Begun, previous: Dropped) {
        let Begun { call, cancel, work, kept, in_flight } = begun;
        let tenant = &core.tenant;
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        let mut slots = self.slots(tenant);
        // The engine closes before it takes this lock to drop all calls, so a call that comes later starts nothing.
        if core.closing.is_closed() {
            return;
        }
        let previous = match slots.get(tenant) {
            Some(stale) => {
                stale.task.abort();
                previous.and(stale.gone.clone())
            }
            None => previous,
        };
        let all_gone = Dropped(vec![gone]).and(previous.clone());
        let task = tokio::spawn(run(Arc::clone(core), call, work, guard, previous));
        let task = task.abort_handle();
        slots.insert(
            tenant.clone(),
            Slot { call, cancel, task, gone: all_gone, outcome: None, kept, _in_flight: in_flight },
        );
    }

    /// Asks the call to stop between two calls of the platform's API.
    pub(crate) fn stop(&self, tenant: &TenantId, call: CallId) {
        if let Some(slot) = self.slots(tenant).get(tenant).filter(|slot| slot.call == call) {
            slot.cancel.cancel();
        }
    }

    /// Something of the tenant changed on its platform: a call that waits for that looks again.
    pub(crate) fn ring(&self, tenant: &TenantId) {
        if let Some(slot) = self.slots(tenant).get(tenant) {
            slot.kept.ring();
        }
    }

    /// Drops the call where it stands.
    pub(crate) fn drop_call(&self, tenant: &TenantId, call: CallId) -> Dropped {
        let mut slots = self.slots(tenant);
        if slots.get(tenant).is_none_or(|slot| slot.call != call) {
            return Dropped::default();
        }
        let slot = slots.remove(tenant);
        drop(slots);
        slot.map_or_else(Dropped::default, |slot| {
            slot.task.abort();
            slot.gone
        })
    }

    /// Asks whatever call the tenant has to stop, and says whether it has one.
    pub(crate) fn stop_any(&self, tenant: &TenantId) -> bool {
        let slots = self.slots(tenant);
        let slot = slots.get(tenant);
        if let Some(slot) = slot {
            slot.cancel.cancel();
        }
        slot.is_some()
    }

    /// Drops any call of the tenant but `current` where it stands.
    pub(crate) fn drop_all_but(&self, tenant: &TenantId, current: Option<CallId>) -> Dropped {
        let other =
            self.slots(tenant).get(tenant).map(|slot| slot.call).filter(|call| Some(*call) != current);
        other.map_or_else(Dropped::default, |call| self.drop_call(tenant, call))
    }

    /// The tenants that have a call, of those that are `wanted`.
    pub(crate) fn tenants(&self, wanted: impl Fn(&TenantId) -> bool) -> Vec<TenantId> {
        let mut tenants = Vec::new();
        for shard in &self.shards {
            let slots = shard.lock().unwrap_or_else(PoisonError::into_inner);
            tenants.extend(slots.keys().filter(|tenant| wanted(tenant)).cloned());
        }
        tenants
    }

    /// The tenant's record names `current` and no other call: any other one that is over is forgotten.
    pub(crate) fn release_all_but(&self, tenant: &TenantId, current: Option<CallId>) {
        let mut slots = self.slots(tenant);
        if slots.get(tenant).is_some_and(|slot| slot.outcome.is_some() && Some(slot.call) != current) {
            slots.remove(tenant);
        }
    }

    /// The outcome of the call is committed: its slot is free.
    pub(crate) fn release(&self, tenant: &TenantId, call: CallId) {
        let mut slots = self.slots(tenant);
        if slots.get(tenant).is_some_and(|slot| slot.call == call) {
            slots.remove(tenant);
        }
    }

    /// The engine ends: calls are dropped where they stand, and taken up at the next start.
    pub(crate) fn abandon(&self) -> Dropped {
        let mut dropped = Dropped::default();
        for shard in &self.shards {
            for (_, slot) in shard.lock().unwrap_or_else(PoisonError::into_inner).drain() {
                slot.task.abort();
                dropped.0.extend(slot.gone.0);
            }
        }
        dropped
    }

    fn ended(&self, tenant: &TenantId, call: CallId, outcome: &Outcome) -> bool {
        match self.slots(tenant).get_mut(tenant).filter(|slot| slot.call == call) {
            Some(slot) => {
                slot.outcome = Some(outcome.clone());
                true
            }
            None => false,
        }
    }
}

/// A call that has not begun to run.
struct Begun {
    call: CallId,
    cancel: CancellationToken,
    work: Work,
    kept: Arc<Kept<CallHome>>,
    in_flight: InFlight,
}

type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One call that had to wait for something, until its outcome is handed in.
async fn run(core: Arc<TenantCore>, call: CallId, work: Work, gone: DropGuard, previous: Dropped) {
    previous.gone().await;
    let outcome = work.await;
    if core.calls.ended(&core.tenant, call, &outcome) {
        core.tell(Message::CallEnded { call, outcome });
    }
    drop(gone);
}

/// Keeps a call's ledger, through the tenant's actor: a tenant has one writer.
struct CallHome {
    core: Arc<TenantCore>,
    call: CallId,
}

impl Home for CallHome {
    fn now(&self) -> Timestamp {
        self.core.clock.now()
    }

    fn journal(&self) -> Option<&dyn Journal> {
        Some(self)
    }

    fn lease(&self) -> Option<&Lease> {
        self.core.ownership.shared().map(|shared| &shared.lease)
    }

    fn engine(&self) -> Option<Epoch> {
        Some(self.core.opened.epoch)
    }
}

#[async_trait]
impl Journal for CallHome {
    async fn write(&self, ledger: Arc<Ledger>, step: &str) -> Result<(), CheckpointError> {
        let mut pause = RESEND.0;
        loop {
            let (reply, answer) = oneshot::channel();
            self.core.tell(Message::Progressed {
                call: self.call,
                ledger: Arc::clone(&ledger),
                step: step.to_owned(),
                reply,
            });
            match answer.await {
                Ok(result) => return result,
                Err(_) if self.core.closing.is_closed() => return Err(CheckpointError::Fenced),
                // The actor was lost; the next one takes it.
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RESEND.1);
                }
            }
        }
    }
}
