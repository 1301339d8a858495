//! What a provider's method is given besides its arguments (CONTRACT.md, "Context").

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_state_machines::id::{CallId, Epoch, OperationId, Rollout};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::planner::Subject;
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::Rolled;
use landlord_state_machines::trace::TraceContext;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::lease::{Lease, Term};
use crate::clock::Clock;

/// Why a ledger was not stored. The provider must make no further call and return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The engine no longer owns the store: stop, and undo nothing.
    #[error("this engine no longer owns the store; make no further call")]
    Fenced,
    /// Another call has taken this one's place.
    #[error("this call is no longer the current one; make no further call")]
    Replaced,
}

/// Where a call's ledger is kept.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Returns once `ledger` is durable. A store that is down is waited for.
    ///
    /// # Errors
    /// [`CheckpointError`] when the call must stop instead.
    async fn write(&self, ledger: Arc<Ledger>, step: &str) -> Result<(), CheckpointError>;
}

/// Which piece of an operation a method call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// The operation.
    pub operation: OperationId,
    /// This use of the provider for it.
    pub call: CallId,
    /// Which try this is, counted from 1.
    pub attempt: u32,
}

/// Who undoes what a failed or stopped call leaves behind (CONTRACT.md, "Undo").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoBy {
    /// The engine, with further calls: the method returns and leaves the ledger as it is.
    Engine,
    /// The method itself, before it returns.
    Provider,
}

/// Who waits for a call. A provider that has to choose serves people first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// Somebody: an operation that was asked for, its retries and its undo, or a question.
    Person,
    /// The engine by itself: it looks after tenants, and repairs what broke.
    Engine,
}

/// What a provider's method is given: who it is for, how long it may take, and where its ledger is kept.
#[derive(Clone)]
pub struct Context {
    /// Whose resources this is about.
    pub subject: Subject,
    /// The operation it is part of; none for `get_status`, `validate` and the like.
    pub work: Option<Work>,
    /// When the whole operation has to be done.
    pub deadline: Option<Timestamp>,
    /// Cancelled when the call should stop between two calls of the platform's API. It never stops a destroy or
    /// an undo.
    pub cancel: CancellationToken,
    /// The trace that the caller of the operation was part of.
    pub trace: Option<TraceContext>,
    /// The spec that runs now, where the engine knows it; for the list of changes.
    pub applied: Option<Spec>,
    /// For which rollout of its spec a provision or an update is. What runs for another rollout is replaced, although its
    /// spec is the same: that is a restart.
    pub rollout: Rollout,
    /// For which rollout the spec that runs now does so.
    pub applied_rollout: Rollout,
    /// Who undoes.
    pub undo: UndoBy,
    /// Who waits for it.
    pub initiator: Initiator,
    kept: Arc<Kept<dyn Home>>,
}

/// What the clones of a context share.
pub(crate) struct Kept<H: ?Sized> {
    ledger: Mutex<Option<Arc<Ledger>>>,
    /// Whether a ledger was refused: the call is to make no further call, whatever else becomes of it.
    refused: AtomicBool,
    /// Rings when something of the tenant changed. One ring is kept for whoever listens next.
    changed: Notify,
    pub(crate) home: H,
}

/// Where a call comes from: it tells the time and keeps the ledger.
pub(crate) trait Home: Send + Sync {
    fn now(&self) -> Timestamp;

    /// None: only the context keeps the ledger.
    fn journal(&self) -> Option<&dyn Journal>;

    /// What says whether the engine may still ask a platform for something. None: it is alone, and always may.
    fn lease(&self) -> Option<&Lease>;

    /// Which engine it is; none: it is used alone.
    fn engine(&self) -> Option<Epoch>;
}

struct Given {
    clock: Arc<dyn Clock>,
    journal: Option<Arc<dyn Journal>>,
}

impl Home for Given {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn journal(&self) -> Option<&dyn Journal> {
        self.journal.as_deref()
    }

    fn lease(&self) -> Option<&Lease> {
        None
    }

    fn engine(&self) -> Option<Epoch> {
        None
    }
}

impl<H: ?Sized> Kept<H> {
    pub(crate) fn ring(&self) {
        self.changed.notify_one();
    }
}

impl<H> Kept<H> {
    pub(crate) fn new(ledger: Option<Arc<Ledger>>, home: H) -> Self {
        Self { ledger: Mutex::new(ledger), refused: AtomicBool::new(false), changed: Notify::new(), home }
    }
}

impl Context {
    /// A context for use without the engine: the ledger is kept in memory and the provider undoes by itself.
    pub fn alone(subject: Subject, clock: Arc<dyn Clock>) -> Self {
        let kept = Arc::new(Kept::new(None, Given { clock, journal: None }));
        Self { undo: UndoBy::Provider, ..Self::of(subject, kept) }
    }

    /// A context whose ledger starts as `ledger` and is made durable by `journal`; undo is the engine's.
    pub fn journaled(
        subject: Subject,
        clock: Arc<dyn Clock>,
        ledger: Option<Arc<Ledger>>,
        journal: Arc<dyn Journal>,
    ) -> Self {
        Self::of(subject, Arc::new(Kept::new(ledger, Given { clock, journal: Some(journal) })))
    }

    /// A context of a call that comes from the engine, which undoes.
    pub(crate) fn of(subject: Subject, kept: Arc<Kept<dyn Home>>) -> Self {
        Self {
            subject,
            work: None,
            deadline: None,
            cancel: CancellationToken::new(),
            trace: None,
            applied: None,
            rollout: Rollout::default(),
            applied_rollout: Rollout::default(),
            undo: UndoBy::Engine,
            initiator: Initiator::Person,
            kept,
        }
    }

    /// The same context, of a tenant that runs this.
    #[must_use]
    pub fn running(mut self, applied: Option<&Rolled>) -> Self {
        self.applied = applied.map(|applied| applied.spec.clone());
        self.rollout = applied.map(|applied| applied.rollout).unwrap_or_default();
        self.applied_rollout = self.rollout;
        self
    }

    /// The same context with what the ledger was last; it spares a provider the search for what a tenant has.
    #[must_use]
    pub fn with_ledger(self, ledger: Option<Arc<Ledger>>) -> Self {
        *self.kept.ledger.lock().unwrap_or_else(PoisonError::into_inner) = ledger;
        self
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.kept.home.now()
    }

    /// Whether the engine may still ask the platform for something. One that shares its store and could not renew its
    /// [`Lease`] may not: another one goes on. [`Converge`](super::converge::Converge) looks before each call of the platform's API.
    pub fn holds(&self) -> bool {
        self.kept.home.lease().is_none_or(Lease::holds)
    }

    /// In which of its terms the engine's lease is. None: it does not hold.
    pub(crate) fn term(&self) -> Option<Term> {
        match self.kept.home.lease() {
            None => Some(Term::ALONE),
            Some(lease) => lease.term(),
        }
    }

    /// Whether a [`checkpoint`](Self::checkpoint) was refused.
    pub(crate) fn is_over(&self) -> bool {
        self.kept.refused.load(Ordering::Relaxed)
    }

    /// Returns when the engine may ask the platform for something.
    pub(crate) async fn held(&self) {
        if let Some(lease) = self.kept.home.lease() {
            lease.held().await;
        }
    }

    /// Which of the engines that opened the store makes this call; none where a provider is used alone, and for a look. It is written
    /// into the ledger, so that the next one knows what was intended by another.
    pub(crate) fn engine(&self) -> Option<Epoch> {
        self.kept.home.engine()
    }

    /// Returns when something of the tenant changed on its platform, as far as [`Provider::observe`] saw it: it is time
    /// to look again. What was seen since the last time this returned counts too. Where nobody observes, this never
    /// returns. Cancelling it loses nothing.
    ///
    /// [`Provider::observe`]: super::Provider::observe
    pub async fn changed(&self) {
        self.kept.changed.notified().await;
    }

    /// Says that something of the tenant changed, for uses without the engine, which does this itself.
    pub fn ring(&self) {
        self.kept.ring();
    }

    /// The ledger as it was last stored.
    pub fn ledger(&self) -> Option<Arc<Ledger>> {
        self.kept.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stores `ledger` and names the step it belongs to. When it returns `Ok`, the ledger survives a crash.
    ///
    /// # Errors
    /// [`CheckpointError`]: make no further call, return.
    pub async fn checkpoint(&self, ledger: Ledger, step: &str) -> Result<(), CheckpointError> {
        let ledger = Arc::new(ledger);
        if let Some(journal) = self.kept.home.journal() {
            let written = journal.write(Arc::clone(&ledger), step).await;
            written.inspect_err(|_| self.kept.refused.store(true, Ordering::Relaxed))?;
        }
        *self.kept.ledger.lock().unwrap_or_else(PoisonError::into_inner) = Some(ledger);
        Ok(())
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("subject", &self.subject)
            .field("work", &self.work)
            .field("deadline", &self.deadline)
            .field("undo", &self.undo)
            .finish_non_exhaustive()
    }
}
