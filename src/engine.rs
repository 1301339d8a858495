//! The engine: what an embedder starts, asks and shuts down.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use futures_util::Stream;
use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, ProviderName, TenantId};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::tenant::{Policy, Tenant};

use crate::actor::{Directory, Message, restart};
use crate::calls::{Calls, Dropped};
use crate::clock::{Clock, SystemClock};
use crate::closing::{Closed, Closing};
use crate::count::Count;
use crate::events::{self, Delivery, EventLog};
use crate::handle::{CommandError, OperationHandle, Options, TenantHandle, WaitError};
use crate::observers::{self, ObservePolicy};
use crate::provider::registry::{Registry, RegistryError};
use crate::provider::{Asker, Context, Provider};
use crate::store::committer::Committer;
use crate::store::{Opened, Page, Position, Scope, Store, StoreError, TenantFilter};
use crate::sweep::{Orphan, Sweep, SweepError, sweep};
use crate::timers::{self, Timers};
use crate::waiters::Waiters;

/// How much an engine takes on at a time. What is too much is answered `Overloaded` at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Commands that were not answered yet.
    pub commands: usize,
    /// Messages that wait for one tenant.
    pub per_tenant: u32,
    /// Provider calls that wait for their turn or run. A destroy is taken up to twice this number.
    pub calls: usize,
    /// Tenants with an actor, which is some 11 KB each; beyond this, idle ones are passivated at once, and the next
    /// command reads the store.
    pub live_tenants: usize,
    /// How long a tenant is idle before its actor is passivated.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            commands: 16_384,
            per_tenant: 64,
            calls: 200_000,
            live_tenants: 10_000,
            idle: Duration::from_secs(10),
        }
    }
}

/// Why an engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The providers do not go together.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The actors could not be started.
    #[error("the supervisors could not be started: {0}")]
    Supervisors(String),
}

/// Puts an engine together.
pub struct EngineBuilder {
    store: Arc<dyn Store>,
    providers: Vec<Arc<dyn Provider>>,
    policy: Policy,
    limits: Limits,
    observe: ObservePolicy,
    clock: Arc<dyn Clock>,
}

impl EngineBuilder {
    /// Registers a provider under its name.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// Registers a provider that is shared.
    #[must_use]
    pub fn shared_provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.providers.push(provider);
        self
    }

    /// How patient the machine is.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How much the engine takes on at a time.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How running tenants are looked after.
    #[must_use]
    pub fn observe(mut self, observe: ObservePolicy) -> Self {
        self.observe = observe;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the store and starts the engine. It takes commands at once; operations that an earlier engine left
    /// are taken up meanwhile. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing was started then.
    pub async fn start(self) -> Result<Engine, StartError> {
        let mut registry = Registry::default();
        for provider in self.providers {
            registry.register(provider)?;
        }
        let opened = self.store.open().await?;
        let (directory, exits) =
            Directory::start().await.map_err(|error| StartError::Supervisors(error.to_string()))?;
        let closing = Arc::new(Closing::default());
        let log = Arc::new(EventLog::new(opened.head));
        let waiters = Arc::new(Waiters::new());
        let timers = Arc::new(Timers::new());
        let committer = Arc::new(Committer::new(
            Arc::clone(&self.store),
            opened.epoch,
            Arc::clone(&log),
            Arc::clone(&waiters),
            Arc::clone(&timers),
            Arc::clone(&closing),
        ));
        let core = Arc::new(Core {
            store: self.store,
            opened,
            registry,
            policy: self.policy,
            limits: self.limits,
            clock: self.clock,
            committer,
            log,
            waiters,
            directory,
            calls: Calls::new(),
            closing,
            unanswered: CachePadded::default(),
            draining: AtomicBool::new(false),
            minted: CachePadded::default(),
        });
        core.start(timers, exits, self.observe);
        Ok(Engine { core })
    }
}

/// Everything that the parts of one engine share.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) opened: Opened,
    pub(crate) registry: Registry,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) directory: Directory,
    pub(crate) calls: Calls,
    pub(crate) closing: Arc<Closing>,
    /// Commands that were taken on and not answered yet.
    pub(crate) unanswered: CachePadded<Count>,
    draining: AtomicBool,
    minted: CachePadded<AtomicU64>,
}

/// A tenant and the engine it is in, which its handles share, and its actor and calls: the uses of one core that all
/// tenants share would be counted by all of a machine's cores at once.
pub(crate) struct TenantCore {
    pub(crate) tenant: TenantId,
    core: Arc<Core>,
}

impl TenantCore {
    pub(crate) fn of(core: &Arc<Core>, tenant: TenantId) -> Arc<Self> {
        Arc::new(Self { tenant, core: Arc::clone(core) })
    }

    /// Gives the tenant's actor a message that nobody is turned away for: there is one of its kind at a time.
    pub(crate) fn tell(self: &Arc<Self>, message: Message) {
        // Without a limit nothing is handed back.
        let _ = self.directory.send(self, message, u32::MAX);
    }
}

impl Deref for TenantCore {
    type Target = Arc<Core>;

    fn deref(&self) -> &Arc<Core> {
        &self.core
    }
}

impl Core {
    fn start(
        self: &Arc<Self>,
        timers: Arc<Timers>,
        exits: crate::actor::ExitReports,
        observe: ObservePolicy,
    ) {
        let core = || Arc::downgrade(self);
        tokio::spawn(restart(core(), exits));
        tokio::spawn(timers::run(core(), timers));
        tokio::spawn(passivate(core()));
        tokio::spawn(recover(core()));
        tokio::spawn(end_when_closed(core(), Arc::clone(&self.closing)));
        match observe {
            ObservePolicy::Off => {}
            ObservePolicy::On { every, per_second } => {
                tokio::spawn(observers::patrol(core(), every, per_second));
                for registered in self.registry.iter() {
                    tokio::spawn(observers::listen(core(), Arc::clone(registered)));
                }
            }
        }
    }

    /// Now, in the whole microseconds that stores keep.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// An operation id that was never used.
    pub(crate) fn mint(&self) -> OperationId {
        OperationId { epoch: self.opened.epoch.0, number: self.minted.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// The same for whoever has only the tenant's id.
    pub(crate) fn tell(self: &Arc<Self>, tenant: &TenantId, message: Message) {
        TenantCore::of(self, tenant.clone()).tell(message);
    }

    /// A context that belongs to no operation, for a look at a tenant.
    pub(crate) fn look_context(&self, tenant: &Tenant, asker: Asker) -> Context {
        let cx = Context::alone(self.subject_of(tenant), Arc::clone(&self.clock));
        let mut cx = cx.with_ledger(tenant.ledger.clone());
        cx.asker = asker;
        cx
    }

    fn subject_of(&self, tenant: &Tenant) -> Subject {
        Subject {
            engine: Arc::clone(&self.opened.engine),
            tenant: tenant.id.clone(),
            incarnation: tenant.incarnation,
        }
    }

    /// The engine ends, for the first reason given. Says whose calls may not be gone yet.
    fn end(&self, why: Closed) -> Dropped {
        self.closing.close(why);
        let dropped = self.calls.abandon();
        self.directory.stop();
        self.waiters.clear();
        dropped
    }
}

/// Ends an engine that lost its store as thoroughly as one that is shut down.
async fn end_when_closed(core: std::sync::Weak<Core>, closing: Arc<Closing>) {
    let why = closing.closed().await;
    if let Some(core) = core.upgrade() {
        core.end(why).gone().await;
    }
}

/// Passivates idle actors until the engine ends.
async fn passivate(core: std::sync::Weak<Core>) {
    /// How often the actors are looked at while one of them is idle for long enough.
    const ROUNDS: u32 = 4;
    loop {
        let Some(strong) = core.upgrade() else { return };
        let (closing, idle) = (Arc::clone(&strong.closing), strong.limits.idle);
        strong.directory.passivate(ROUNDS);
        drop(strong);
        tokio::select! {
            _ = closing.closed() => return,
            () = tokio::time::sleep((idle / ROUNDS).max(Duration::from_millis(10))) => {}
        }
    }
}

/// Activates every tenant whose call an earlier engine left behind.
async fn recover(core: std::sync::Weak<Core>) {
    const PAGE: usize = 512;
    let mut after: Option<TenantId> = None;
    loop {
        let Some(strong) = core.upgrade() else { return };
        if strong.closing.is_closed() {
            return;
        }
        match strong.store.in_flight(after.clone(), PAGE).await {
            Ok(page) => {
                for tenant in &page {
                    strong.tell(tenant, Message::Activate);
                }
                match page.into_iter().next_back() {
                    Some(last) => after = Some(last),
                    None => return,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read which operations an earlier engine left; trying again");
                drop(strong);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// A running engine. Dropping it ends it at once: what is on its way is taken up by the next one. Handles and streams
/// that are still held keep the store open then; [`Engine::shutdown`] gives it up.
pub struct Engine {
    core: Arc<Core>,
}

impl Engine {
    /// Begins to put an engine together that keeps everything in `store`.
    pub fn builder(store: impl Store) -> EngineBuilder {
        EngineBuilder {
            store: Arc::new(store),
            providers: Vec::new(),
            policy: Policy::default(),
            limits: Limits::default(),
            observe: ObservePolicy::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// A handle for a tenant, whether it exists or not. Cheap.
    pub fn tenant(&self, id: TenantId) -> TenantHandle {
        TenantHandle::new(&self.core, id)
    }

    /// A handle for an operation that was begun before, also before a restart.
    ///
    /// # Errors
    /// [`WaitError::Unknown`] when the store has no such operation; [`WaitError::Store`].
    pub async fn operation(&self, id: OperationId) -> Result<OperationHandle, WaitError> {
        OperationHandle::find(&self.core, id).await
    }

    /// The living tenants, ordered by id, `limit` of them after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn tenants(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        self.core.store.list(filter, after, limit).await
    }

    /// Every event of `scope` after `since`, in order, and then whatever follows, until the engine ends.
    /// [`Position`] 0 is before the first event; [`Engine::head`] is after the last one. Nothing is lost: a slow
    /// subscriber reads from the store, and learns of a [`Delivery::Gap`] where the store no longer has events.
    pub fn subscribe(
        &self,
        since: Position,
        scope: Scope,
    ) -> impl Stream<Item = Result<Delivery, StoreError>> + Send + use<> {
        events::subscribe(
            Arc::clone(&self.core.log),
            Arc::clone(&self.core.store),
            Arc::clone(&self.core.closing),
            since,
            scope,
        )
    }

    /// Compares what a provider holds, by its tags, with the records. Changes nothing.
    ///
    /// # Errors
    /// [`SweepError`]; a provider that cannot list is one.
    pub async fn sweep(&self, provider: &ProviderName) -> Result<Sweep, SweepError> {
        let registered = self.core.registry.get(provider.as_str())?;
        sweep(self.core.store.as_ref(), registered.provider.as_ref(), &self.core.opened.engine).await
    }

    /// Removes what a sweep found to belong to nobody. It is an operation of the tenant whose tags it carries, so a
    /// tenant that was provisioned meanwhile refuses it, and one that is asked for later waits for it: what no tenant
    /// owns is destroyed; what is left of another life of a tenant that runs goes with an update to what runs.
    ///
    /// # Errors
    /// [`CommandError`]: the tenant's record is no longer what the sweep saw, or it lives at another provider.
    pub async fn reclaim(&self, orphan: &Orphan, options: Options) -> Result<OperationHandle, CommandError> {
        self.tenant(orphan.tenant_id.clone()).reclaim(orphan, options).await
    }

    /// Where the last published event stands.
    pub fn head(&self) -> Position {
        self.core.log.head()
    }

    /// Returns when the engine has ended, and why. An embedder that did not ask for the end stops its own work:
    /// somebody else has the store.
    pub async fn closed(&self) -> Closed {
        self.core.closing.closed().await
    }

    /// Takes no more commands, lets the calls in flight end and their outcomes be committed, and gives the store
    /// up. Calls that are not over after `within` are dropped; the next engine on this store takes them up.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not be given up in order. What was acknowledged is durable all the same.
    pub async fn shutdown(self, within: Duration) -> Result<(), StoreError> {
        self.core.draining.store(true, Ordering::SeqCst);
        let drained = async {
            // Every command that was taken on is answered.
            self.core.unanswered.none().await;
            self.core.calls.idle().await;
        };
        if tokio::time::timeout(within, drained).await.is_err() {
            let calls = self.core.calls.in_flight();
            tracing::warn!(calls, "shut down with calls in flight; the next engine takes them up");
        }
        let dropped = self.core.end(Closed::ShutDown);
        // A call that blocks its thread cannot be dropped; the store is not kept for it.
        let _ = tokio::time::timeout(Duration::from_secs(5), dropped.gone()).await;
        self.core.store.close().await
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.core.end(Closed::ShutDown);
    }
}
