//! The calls of providers. They belong to the engine, one slot a tenant: an actor that panics loses none, and two
//! calls for one tenant never overlap.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use foldhash::fast::RandomState;
use futures_util::FutureExt;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{CallId, TenantId};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::planner::Subject;
use landlord_state_machines::result::{ProvisionStatus, UpdateStatus};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::{Method, Outcome, StartCall};
use landlord_state_machines::trace::TraceContext;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use crate::actor::Message;
use crate::engine::Core;
use crate::provider::registry::Registered;
use crate::provider::{CheckpointError, Context, Journal, Work};
use crate::telemetry;

const SHARDS: usize = 64;

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
}

/// One slot for each tenant with a call.
pub(crate) struct Calls {
    shards: Box<[Mutex<HashMap<TenantId, Slot, RandomState>>]>,
    hasher: RandomState,
    count: AtomicUsize,
    /// Told when the last slot becomes free.
    none_left: Notify,
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
    pub(crate) trace: Option<TraceContext>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            count: AtomicUsize::new(0),
            none_left: Notify::new(),
        }
    }

    fn slots(&self, tenant: &TenantId) -> MutexGuard<'_, HashMap<TenantId, Slot, RandomState>> {
        let shard = &self.shards[self.hasher.hash_one(tenant) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls are queued, running, or wait for their outcome to be committed.
    pub(crate) fn in_flight(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns when no call is in flight.
    pub(crate) async fn idle(&self) {
        loop {
            let none_left = self.none_left.notified();
            if self.in_flight() == 0 {
                return;
            }
            none_left.await;
        }
    }

    /// Whether this engine has the call.
    pub(crate) fn knows(&self, tenant: &TenantId, call: CallId) -> bool {
        self.slots(tenant).get(tenant).is_some_and(|slot| slot.call == call)
    }

    /// The outcome of the call, if it is over.
    pub(crate) fn outcome(&self, tenant: &TenantId, call: CallId) -> Option<Outcome> {
        self.slots(tenant).get(tenant).filter(|slot| slot.call == call)?.outcome.clone()
    }

    /// Starts a call, once the `previous` one is gone, or one that is still in the slot because an actor was lost
    /// before it could drop it.
    pub(crate) fn start(
        &self,
        core: &Arc<Core>,
        start: StartCall,
        particulars: Particulars,
        previous: Dropped,
    ) {
        let tenant = particulars.subject.tenant.clone();
        let call = start.call;
        let cancel = CancellationToken::new();
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        let mut slots = self.slots(&tenant);
        // The engine's end takes this lock after it has said so: what comes later starts nothing.
        if core.closing.why().is_some() {
            return;
        }
        let previous = match slots.get(&tenant) {
            Some(stale) => {
                stale.task.abort();
                previous.and(stale.gone.clone())
            }
            None => previous,
        };
        let all_gone = Dropped(vec![gone]).and(previous.clone());
        // In a box: spawning moves the future more than once, and it is large.
        let call_future = run(Arc::clone(core), start, particulars, cancel.clone(), guard, previous);
        let task = tokio::spawn(Box::pin(call_future));
        let slot = Slot { call, cancel, task: task.abort_handle(), gone: all_gone, outcome: None };
        if slots.insert(tenant, slot).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks the call to stop between two calls of the platform's API.
    pub(crate) fn stop(&self, tenant: &TenantId, call: CallId) {
        if let Some(slot) = self.slots(tenant).get(tenant).filter(|slot| slot.call == call) {
            slot.cancel.cancel();
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
        self.free();
        slot.map_or_else(Dropped::default, |slot| {
            slot.task.abort();
            slot.gone
        })
    }

    /// The tenant's record knows of `current` and of no other call: one that is over is forgotten.
    pub(crate) fn release_all_but(&self, tenant: &TenantId, current: Option<CallId>) {
        let mut slots = self.slots(tenant);
        if slots.get(tenant).is_some_and(|slot| slot.outcome.is_some() && Some(slot.call) != current) {
            slots.remove(tenant);
            drop(slots);
            self.free();
        }
    }

    /// The outcome of the call is committed: its slot is free.
    pub(crate) fn release(&self, tenant: &TenantId, call: CallId) {
        let mut slots = self.slots(tenant);
        if slots.get(tenant).is_some_and(|slot| slot.call == call) {
            slots.remove(tenant);
            drop(slots);
            self.free();
        }
    }

    /// The engine ends: calls are dropped where they stand, and taken up at the next start.
    pub(crate) fn abandon(&self) -> Dropped {
        let mut dropped = Dropped::default();
        for shard in &self.shards {
            for (_, slot) in shard.lock().unwrap_or_else(PoisonError::into_inner).drain() {
                slot.task.abort();
                dropped.0.extend(slot.gone.0);
                self.free();
            }
        }
        dropped
    }

    /// A slot is free.
    fn free(&self) {
        if self.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.none_left.notify_waiters();
        }
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

/// One call, from waiting for its turn to handing its outcome in.
async fn run(
    core: Arc<Core>,
    start: StartCall,
    particulars: Particulars,
    cancel: CancellationToken,
    gone: DropGuard,
    previous: Dropped,
) {
    previous.gone().await;
    let tenant = particulars.subject.tenant.clone();
    let call = start.call;
    let span = telemetry::call_span(&tenant, &start, particulars.trace.as_ref());
    let method = start.method;
    let outcome =
        AssertUnwindSafe(turn(&core, start, particulars, cancel)).catch_unwind().instrument(span).await;
    let outcome = outcome.unwrap_or_else(|_panic| {
        let message = "the call panicked while it was dropped; what it did is looked up";
        Outcome::Lost(Arc::new(failure(method, Remedy::Retry, ErrorCode::UnknownError, message)))
    });
    if core.calls.ended(&tenant, call, &outcome) {
        core.tell(&tenant, Message::CallEnded { call, outcome });
    }
    drop(gone);
}

/// Waits for the provider's turn, makes the call, and says what came of it.
async fn turn(
    core: &Arc<Core>,
    start: StartCall,
    particulars: Particulars,
    cancel: CancellationToken,
) -> Outcome {
    let registered = match core.registry.get(start.provider.as_str()) {
        Ok(registered) => registered,
        Err(error) => {
            return Outcome::Held(Arc::new(
                failure(
                    start.method,
                    Remedy::NeedsPerson,
                    ErrorCode::ProviderUnavailable,
                    "its provider is not registered",
                )
                .with_source(error),
            ));
        }
    };
    let permit = match registered.permits.try_acquire() {
        Ok(permit) => Some(permit),
        Err(_none_free) => tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            permit = registered.permits.acquire() => permit.ok(),
        },
    };
    let Some(_permit) = permit else {
        return Outcome::Lost(Arc::new(failure(
            start.method,
            Remedy::Retry,
            ErrorCode::UnknownError,
            "stopped before it began",
        )));
    };
    let cx = context(core, &start, particulars, cancel);
    let method = start.method;
    let answer = AssertUnwindSafe(make(registered, &cx, start)).catch_unwind();
    match tokio::time::timeout(registered.call_timeout, answer).await {
        Ok(Ok(Ok(changes))) => Outcome::Succeeded { changes },
        Ok(Ok(Err(error))) => Outcome::Failed(Arc::new(error)),
        Ok(Err(_panic)) => {
            tracing::error!("the provider panicked");
            Outcome::Failed(Arc::new(failure(
                method,
                Remedy::Permanent,
                ErrorCode::UnknownError,
                "the provider panicked; this is a defect of the provider",
            )))
        }
        Err(_elapsed) => {
            tracing::warn!(timeout = ?registered.call_timeout, "the provider did not answer; its call was dropped");
            Outcome::TimedOut(Arc::new(failure(
                method,
                Remedy::Retry,
                ErrorCode::ProviderTimeout,
                "the provider did not answer in the time that its calls have",
            )))
        }
    }
}

fn context(
    core: &Arc<Core>,
    start: &StartCall,
    particulars: Particulars,
    cancel: CancellationToken,
) -> Context {
    let journal =
        CallJournal { core: Arc::clone(core), tenant: particulars.subject.tenant.clone(), call: start.call };
    let mut cx = Context::journaled(
        particulars.subject,
        Arc::clone(&core.clock),
        particulars.ledger,
        Arc::new(journal),
    );
    cx.work = Some(Work { operation: start.operation, call: start.call, attempt: start.attempt });
    cx.deadline = start.deadline;
    cx.cancel = cancel;
    cx.trace = particulars.trace;
    cx.applied = start.applied.clone();
    cx
}

/// The call itself: the changes it made, or why it failed.
async fn make(registered: &Registered, cx: &Context, start: StartCall) -> Result<Vec<String>, ProviderError> {
    let provider = &registered.provider;
    let tenant = &cx.subject.tenant;
    match (start.method, start.spec) {
        (Method::Provision, Some(spec)) => {
            validate(registered, cx, &spec).await?;
            let result = provider.provision(cx, &spec).await?;
            match result.status {
                ProvisionStatus::Success => Ok(Vec::new()),
                ProvisionStatus::InProgress => {
                    Err(unfinished(Method::Provision, Remedy::Retry, result.message))
                }
                ProvisionStatus::Failed => {
                    Err(unfinished(Method::Provision, Remedy::Permanent, result.message))
                }
            }
        }
        (Method::Update, Some(spec)) => {
            validate(registered, cx, &spec).await?;
            let result = provider.update(cx, tenant, &spec).await?;
            match result.status {
                UpdateStatus::Success | UpdateStatus::NoChanges => Ok(result.changes),
                UpdateStatus::InProgress => Err(unfinished(Method::Update, Remedy::Retry, result.message)),
                UpdateStatus::Failed => Err(unfinished(Method::Update, Remedy::Permanent, result.message)),
            }
        }
        (Method::Destroy, _) => provider.destroy(cx, tenant).await.map(|()| Vec::new()),
        (method @ (Method::Provision | Method::Update), None) => Err(failure(
            method,
            Remedy::Permanent,
            ErrorCode::UnknownError,
            "the call has no spec; this is a defect of the engine",
        )),
    }
}

/// An operation's first call asks the provider whether it can run the spec; what runs already needs no asking.
async fn validate(registered: &Registered, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
    let first = cx.work.is_some_and(|work| work.attempt == 1);
    if first && cx.applied.as_ref() != Some(spec) {
        registered.provider.validate(cx, spec).await?;
    }
    Ok(())
}

fn unfinished(method: Method, remedy: Remedy, message: Option<String>) -> ProviderError {
    let message = message.unwrap_or_else(|| "the provider did not say why".to_owned());
    failure(method, remedy, ErrorCode::UnknownError, message)
}

fn failure(method: Method, remedy: Remedy, code: ErrorCode, message: impl Into<String>) -> ProviderError {
    let kind = match method {
        Method::Provision => ErrorKind::ProvisionFailed,
        Method::Update => ErrorKind::UpdateFailed,
        Method::Destroy => ErrorKind::DestroyFailed,
    };
    ProviderError::new(kind, remedy, code, message)
}

/// Keeps a call's ledger, through the tenant's actor: a tenant has one writer.
struct CallJournal {
    core: Arc<Core>,
    tenant: TenantId,
    call: CallId,
}

#[async_trait]
impl Journal for CallJournal {
    async fn write(&self, ledger: Arc<Ledger>, step: &str) -> Result<(), CheckpointError> {
        let mut pause = RESEND.0;
        loop {
            let (reply, answer) = oneshot::channel();
            self.core.tell(
                &self.tenant,
                Message::Progressed {
                    call: self.call,
                    ledger: Arc::clone(&ledger),
                    step: step.to_owned(),
                    reply,
                },
            );
            match answer.await {
                Ok(result) => return result,
                Err(_) if self.core.closing.why().is_some() => return Err(CheckpointError::Fenced),
                // The actor was lost; the next one takes it.
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RESEND.1);
                }
            }
        }
    }
}
