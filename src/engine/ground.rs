//! What all parts of one engine stand on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, TenantId};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::tenant::{Policy, Tenant};

use super::closing::Closing;
use super::commit::{Committer, Told};
use super::config::Limits;
use super::count::Count;
use super::events::EventLog;
use super::ownership::Ownership;
use super::waiters::Waiters;
use super::wakeups::Wakeups;
use super::watched::Watched;
use crate::clock::Clock;
use crate::provider::registry::Registry;
use crate::provider::{Context, Initiator};
use crate::store::{Opened, Store, StoreError};

/// What all parts of one engine share. It depends on none of them.
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) opened: Opened,
    pub(crate) registry: Registry,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) closing: Arc<Closing>,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) watched: Watched,
    /// Commands that were taken on and not answered yet.
    pub(crate) unanswered: CachePadded<Count>,
    draining: AtomicBool,
    minted: CachePadded<AtomicU64>,
}

/// The parts of an engine that the builder gives.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Registry,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) watched: Watched,
}

impl Ground {
    /// On a store that was opened for this engine.
    pub(crate) fn new(parts: Parts, opened: Opened) -> Self {
        let Parts { store, registry, policy, limits, clock, watched } = parts;
        let closing = Arc::new(Closing::default());
        let log = Arc::new(EventLog::new(opened.head));
        let waiters = Arc::new(Waiters::new());
        let wakeups = Arc::new(Wakeups::new());
        let ownership = Arc::new(Ownership::of(opened.epoch, opened.members.clone()));
        let told = Told {
            log: Arc::clone(&log),
            waiters: Arc::clone(&waiters),
            wakeups: Arc::clone(&wakeups),
            watched: watched.clone(),
        };
        let committer = Arc::new(Committer::new(
            Arc::clone(&store),
            opened.epoch,
            Arc::clone(&closing),
            Arc::clone(&ownership),
            told,
        ));
        Self {
            store,
            opened,
            registry,
            policy,
            limits,
            clock,
            committer,
            log,
            waiters,
            wakeups,
            closing,
            ownership,
            watched,
            unanswered: CachePadded::default(),
            draining: AtomicBool::new(false),
            minted: CachePadded::default(),
        }
    }

    /// Now, in the whole microseconds that stores keep.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Those of this engine's tenants that are due, as [`Reads::due`](crate::store::Reads::due) has it.
    pub(crate) async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        match self.ownership.shared() {
            None => self.store.due(before, after, limit).await,
            Some(shared) => shared.members.due(&shared.shards(), before, after, limit).await,
        }
    }

    /// An operation id that was never used.
    pub(crate) fn mint(&self) -> OperationId {
        OperationId { epoch: self.opened.epoch.0, number: self.minted.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// No more commands are taken on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// A context that belongs to no operation, for a look at a tenant.
    pub(crate) fn look_context(&self, tenant: &Tenant, initiator: Initiator) -> Context {
        let cx = Context::alone(self.subject_of(tenant), Arc::clone(&self.clock));
        let mut cx = cx.with_ledger(tenant.ledger.clone());
        cx.initiator = initiator;
        cx
    }

    fn subject_of(&self, tenant: &Tenant) -> Subject {
        Subject {
            engine: Arc::clone(&self.opened.engine),
            provider: tenant.provider.clone(),
            tenant: tenant.id.clone(),
            incarnation: tenant.incarnation,
        }
    }
}
