//! A provider for tests: what each call answers, when, and whether it works first, is set per tenant and method.
//!
//! Its platform is a table in memory. A call without a script does as the contract wants: it works at once, unless
//! the platform's [`Mood`] or the spec's [`Fate`] is another.

mod table;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{CallId, OperationId, ProviderName, Rollout, TenantId};
use landlord_state_machines::ledger::{Ledger, Waiting};
use landlord_state_machines::members::Site;
use landlord_state_machines::observation::{Observation, Seen};
use landlord_state_machines::spec::{Field, Spec, Support, changes};
use landlord_state_machines::status::{
    ComputeState, ComputeStatus, ContainerStatus, Endpoint, EndpointType, Health, ProvisionResult,
    ProvisionStatus, UpdateResult, UpdateStatus,
};
use landlord_state_machines::tenant::Method;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc};

use landlord_compute::clock::Clock;

use landlord_compute::provider::{
    Capabilities, Context, Destroyed, OwnedTenant, Plan, PlannedChange, PlannedEffect, Provider, Released,
    STATUS_WITHIN, UndoBy, Work,
};
use table::{Table, unavailable};

pub use table::{Fate, Mood};

/// One thing that a scripted call does. A call does its acts in order and then returns.
#[derive(Clone, Debug)]
pub enum Step {
    /// Takes its time.
    Sleep(Duration),
    /// Takes for ever, whatever the engine asks; only being dropped ends it.
    Hang,
    /// Takes until the engine asks it to stop, and fails then.
    HangUntilStopped,
    /// Takes until something of the tenant is seen to have changed.
    HangUntilChanged,
    /// Waits until [`Scripted::open`] is called for the gate of this name.
    Gate(&'static str),
    /// Makes a ledger durable, with this step.
    Checkpoint(&'static str),
    /// Makes a ledger durable that says that this is waited for, since now.
    Waits(&'static str),
    /// Has its effect on the platform.
    Work,
    /// Fails, without further effect.
    Fail(ProviderError),
    /// Panics.
    Panic,
}

/// What a call of the scripted provider was, in the order in which they began.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenCall {
    /// For whom.
    pub tenant: TenantId,
    /// What was called.
    pub method: Method,
    /// Which operation it was for.
    pub operation: Option<OperationId>,
    /// Which call it was.
    pub call: Option<CallId>,
    /// Which try.
    pub attempt: Option<u32>,
    /// The trace that came with it.
    pub traceparent: Option<String>,
    /// Whether it came with a ledger.
    pub resumed: bool,
}

/// A provider whose every call can be scripted. Clones share one platform and one script.
#[derive(Clone)]
pub struct Scripted {
    name: ProviderName,
    capabilities: Capabilities,
    site: Option<Site>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<Platform>,
    gates: Notify,
}

#[derive(Default)]
struct Platform {
    scripts: HashMap<(TenantId, Method), VecDeque<Vec<Step>>>,
    table: Table,
    busy: HashMap<TenantId, usize>,
    overlaps: usize,
    most_at_once: usize,
    calls: Vec<SeenCall>,
    open_gates: Vec<&'static str>,
    panicking: Vec<TenantId>,
    observers: Vec<Observer>,
}

/// Somebody who is told what happens to an engine's tenants.
struct Observer {
    engine: String,
    told: mpsc::UnboundedSender<Observation>,
}

impl Scripted {
    /// A provider with an empty platform.
    pub fn new(name: ProviderName, capabilities: Capabilities) -> Self {
        let shared = Shared { state: Mutex::default(), gates: Notify::new() };
        Self { name, capabilities, site: None, shared: Arc::new(shared) }
    }

    /// The same platform, whose tenants are at this site.
    #[must_use]
    pub fn at(&self, site: Site) -> Self {
        Self { site: Some(site), ..self.clone() }
    }

    fn platform(&self) -> MutexGuard<'_, Platform> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next call of `method` for `tenant` that has no script yet does. Scripts queue up.
    pub fn script(&self, tenant: &TenantId, method: Method, acts: impl IntoIterator<Item = Step>) {
        self.platform()
            .scripts
            .entry((tenant.clone(), method))
            .or_default()
            .push_back(acts.into_iter().collect());
    }

    /// Opens a gate for all who wait for it, now and later.
    pub fn open(&self, gate: &'static str) {
        self.platform().open_gates.push(gate);
        self.shared.gates.notify_waiters();
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<SeenCall> {
        self.platform().calls.clone()
    }

    /// The calls so far for one tenant.
    pub fn calls_for(&self, tenant: &TenantId) -> Vec<SeenCall> {
        self.platform().calls.iter().filter(|call| call.tenant == *tenant).cloned().collect()
    }

    /// The spec that runs for a tenant.
    pub fn running(&self, tenant: &TenantId) -> Option<Spec> {
        self.platform().table.rows.get(tenant).map(|row| row.spec.clone())
    }

    /// For which rollout of that spec it runs.
    pub fn rollout(&self, tenant: &TenantId) -> Option<Rollout> {
        self.platform().table.rows.get(tenant).map(|row| row.rollout)
    }

    /// What the tenant has retained there.
    pub fn retained(&self, tenant: &TenantId) -> BTreeMap<String, String> {
        let platform = self.platform();
        platform.table.retained.get(tenant).map(|kept| kept.named(tenant)).unwrap_or_default()
    }

    /// Everybody who has something on the platform.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.platform().table.rows.keys().cloned().collect()
    }

    /// How often two calls for one tenant ran at the same time. The engine must never let that happen.
    pub fn overlaps(&self) -> usize {
        self.platform().overlaps
    }

    /// How many calls ran at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        self.platform().most_at_once
    }

    /// What runs for the tenant crashes, and the platform reports it to whoever observes.
    pub fn crash(&self, tenant: &TenantId, begun: jiff::Timestamp) {
        let mut platform = self.platform();
        let Platform { table, observers, .. } = &mut *platform;
        let Some(row) = table.rows.get_mut(tenant) else { return };
        row.crashed = true;
        let seen = Seen::Broken("it crashed".to_owned());
        report(observers, &row.engine, &Observation { tenant: tenant.clone(), begun, seen });
    }

    /// The platform reports this to whoever observes the tenant's engine.
    pub fn report(&self, observation: &Observation) {
        let mut platform = self.platform();
        let Platform { table, observers, .. } = &mut *platform;
        let Some(row) = table.rows.get(&observation.tenant) else { return };
        report(observers, &row.engine, observation);
    }

    /// What runs for the tenant becomes healthy or not, without anybody being told.
    pub fn set_health(&self, tenant: &TenantId, health: Health) {
        if let Some(row) = self.platform().table.rows.get_mut(tenant) {
            row.health = health;
        }
    }

    /// What happens from now on to specs that have a container with this image.
    pub fn set_fate(&self, image: impl Into<String>, fate: Fate) {
        self.platform().table.fates.insert(image.into(), fate);
    }

    /// How the platform answers from now on what is asked about the tenant. Calls that are not answered yet stay
    /// so.
    pub fn set_mood(&self, tenant: &TenantId, mood: Mood) {
        self.platform().table.moods.insert(tenant.clone(), mood);
    }

    /// How long from now on a call without a script takes before it has its effect, and again afterwards. At first
    /// it takes no time.
    pub fn set_latency(&self, latency: Duration) {
        self.platform().table.latency = latency;
    }

    /// What the tenant has is gone, without anybody being told.
    pub fn lose(&self, tenant: &TenantId) {
        self.platform().table.rows.remove(tenant);
    }

    /// Somebody else takes the name of the tenant's row.
    pub fn occupy(&self, tenant: &TenantId) {
        self.platform().table.occupied.insert(tenant.clone());
    }

    /// Whether somebody else has the name of the tenant's row.
    pub fn is_occupied(&self, tenant: &TenantId) -> bool {
        self.platform().table.occupied.contains(tenant)
    }

    /// From now on, asking for the tenant's status panics.
    pub fn panic_over_status(&self, tenant: &TenantId) {
        self.platform().panicking.push(tenant.clone());
    }

    async fn call(&self, cx: &Context, method: Method, spec: Option<&Spec>) -> Result<(), ProviderError> {
        let tenant = &cx.subject.tenant;
        let acts = {
            let mut platform = self.platform();
            platform.calls.push(SeenCall {
                tenant: tenant.clone(),
                method,
                operation: cx.work.map(|work| work.operation),
                call: cx.work.map(|work| work.call),
                attempt: cx.work.map(|work| work.attempt),
                traceparent: cx.trace.as_ref().map(|trace| trace.traceparent.clone()),
                resumed: cx.ledger().is_some(),
            });
            let scripts = platform.scripts.get_mut(&(tenant.clone(), method));
            scripts.and_then(VecDeque::pop_front)
        };
        let _busy = Busy::begin(self, tenant);
        let Some(acts) = acts else { return self.keep_contract(cx, method, spec).await };
        for act in acts {
            match act {
                Step::Sleep(pause) => tokio::time::sleep(pause).await,
                Step::Hang => std::future::pending().await,
                Step::HangUntilStopped => {
                    cx.cancel.cancelled().await;
                    return Err(refusal(method, Remedy::Retry, "stopped"));
                }
                Step::HangUntilChanged => cx.changed().await,
                Step::Gate(gate) => self.pass(gate).await,
                Step::Checkpoint(step) => self.checkpoint(cx, step, None).await?,
                Step::Waits(what) => {
                    let waiting =
                        |work: Work| Waiting { call: work.call, what: what.to_owned(), since: cx.now() };
                    self.checkpoint(cx, what, cx.work.map(waiting)).await?;
                }
                Step::Work => self.work(cx, method, spec)?,
                Step::Fail(error) => return Err(error),
                Step::Panic => scripted_panic(),
            }
        }
        Ok(())
    }

    async fn pass(&self, gate: &'static str) {
        loop {
            let opened = self.shared.gates.notified();
            if self.platform().open_gates.contains(&gate) {
                return;
            }
            opened.await;
        }
    }

    async fn checkpoint(
        &self,
        cx: &Context,
        step: &str,
        waits: Option<Waiting>,
    ) -> Result<(), ProviderError> {
        let ledger = Ledger {
            version: 1,
            resources: BTreeMap::from([(step.to_owned(), cx.subject.tenant.to_string())]),
            endpoints: Vec::new(),
            waits,
            engine: None,
            facts: RawValue::NULL.to_owned(),
        };
        cx.checkpoint(ledger, step)
            .await
            .map_err(|error| refusal(Method::Provision, Remedy::Retry, "not kept").with_source(error))
    }

    fn work(&self, cx: &Context, method: Method, spec: Option<&Spec>) -> Result<(), ProviderError> {
        let table = &mut self.platform().table;
        match (method, spec) {
            (Method::Release, _) => {
                table.release(&cx.subject);
            }
            (Method::Destroy, _) | (Method::Provision | Method::Update, None) => table.remove(&cx.subject),
            (Method::Provision | Method::Update, Some(spec)) => {
                table.admit(&cx.subject, method, spec)?;
                table.put(&cx.subject, spec, cx.rollout);
            }
        }
        Ok(())
    }

    /// What a call without a script does.
    async fn keep_contract(
        &self,
        cx: &Context,
        method: Method,
        spec: Option<&Spec>,
    ) -> Result<(), ProviderError> {
        match self.mood(&cx.subject.tenant) {
            Mood::Answers => {}
            Mood::Refuses => return Err(unavailable(kind_of(method))),
            Mood::Silent => pending().await,
        }
        let latency = self.platform().table.latency;
        take(latency).await;
        self.take_effect(cx, method, spec).await?;
        take(latency).await;
        Ok(())
    }

    async fn take_effect(
        &self,
        cx: &Context,
        method: Method,
        spec: Option<&Spec>,
    ) -> Result<(), ProviderError> {
        let (Method::Provision | Method::Update, Some(spec)) = (method, spec) else {
            return self.work(cx, method, spec);
        };
        self.platform().table.check(spec)?;
        if let Some(stop) = stop(cx, method) {
            return Err(stop);
        }
        let fate = self.platform().table.fate(spec);
        match fate {
            None | Some(Fate::Refused) => self.work(cx, method, Some(spec)),
            Some(Fate::Crashes) => {
                let error =
                    refusal(method, Remedy::Retry, "it crashed before it was healthy; look at its log");
                self.fail_at(cx, method, spec, async { error.with_platform("exit code 1") }).await
            }
            Some(Fate::NeverHealthy) => self.fail_at(cx, method, spec, stopped(cx, method)).await,
        }
    }

    /// Begins to run the spec, and fails with what `end` ends with. What ran before an update runs on.
    async fn fail_at(
        &self,
        cx: &Context,
        method: Method,
        spec: &Spec,
        end: impl Future<Output = ProviderError>,
    ) -> Result<(), ProviderError> {
        let before = {
            let table = &mut self.platform().table;
            table.admit(&cx.subject, method, spec)?;
            let before = table.own(&cx.subject).cloned();
            if method == Method::Provision {
                table.put(&cx.subject, spec, cx.rollout);
                table.rows.entry(cx.subject.tenant.clone()).and_modify(|row| row.health = Health::Unhealthy);
            }
            before
        };
        let error = end.await;
        let table = &mut self.platform().table;
        match cx.undo {
            UndoBy::Provider => table.restore(&cx.subject, before),
            UndoBy::Engine if method == Method::Provision => {
                table.rows.entry(cx.subject.tenant.clone()).and_modify(|row| row.crashed = true);
            }
            UndoBy::Engine => {}
        }
        Err(error)
    }

    fn mood(&self, tenant: &TenantId) -> Mood {
        self.platform().table.mood(tenant)
    }

    /// One call, and its end in the log.
    async fn logged(&self, cx: &Context, method: Method, spec: Option<&Spec>) -> Result<(), ProviderError> {
        let result = self.call(cx, method, spec).await;
        let (tenant_id, provider) = (&cx.subject.tenant, &self.name);
        match &result {
            Ok(()) => tracing::info!(%tenant_id, %provider, ?method, "done"),
            Err(error) => match error.remedy {
                Remedy::Retry => {
                    tracing::warn!(%tenant_id, %provider, ?method, %error, "failed, may be tried again")
                }
                Remedy::Permanent | Remedy::NeedsPerson => {
                    tracing::error!(%tenant_id, %provider, ?method, %error, "failed");
                }
            },
        }
        result
    }
}

/// Sleeps for that long; for zero it does not even yield.
async fn take(time: Duration) {
    if time > Duration::ZERO {
        tokio::time::sleep(time).await;
    }
}

/// Why a call has to stop now: it was cancelled, or it is late and no engine enforces the deadline.
fn stop(cx: &Context, method: Method) -> Option<ProviderError> {
    let late = own_deadline(cx).is_some_and(|deadline| cx.now() >= deadline);
    match (cx.cancel.is_cancelled(), late) {
        (true, true | false) => Some(refusal(method, Remedy::Retry, "stopped")),
        (false, true) => {
            let message = "its deadline passed before it was done";
            let error = refusal(method, Remedy::Retry, message);
            Some(ProviderError { code: ErrorCode::ProviderTimeout, ..error })
        }
        (false, false) => None,
    }
}

fn own_deadline(cx: &Context) -> Option<jiff::Timestamp> {
    match cx.undo {
        UndoBy::Provider => cx.deadline,
        UndoBy::Engine => None,
    }
}

/// Waits until the call has to stop.
async fn stopped(cx: &Context, method: Method) -> ProviderError {
    loop {
        if let Some(stop) = stop(cx, method) {
            return stop;
        }
        match own_deadline(cx) {
            None => cx.cancel.cancelled().await,
            Some(deadline) => {
                let left = Duration::try_from(deadline.duration_since(cx.now())).unwrap_or(Duration::ZERO);
                tokio::select! {
                    () = cx.cancel.cancelled() => {}
                    () = tokio::time::sleep(left) => {}
                }
            }
        }
    }
}

#[expect(clippy::panic, reason = "a test asked for it")]
fn scripted_panic() {
    panic!("scripted");
}

/// What the method's failure is called.
fn kind_of(method: Method) -> ErrorKind {
    match method {
        Method::Provision => ErrorKind::ProvisionFailed,
        Method::Update => ErrorKind::UpdateFailed,
        Method::Destroy | Method::Release => ErrorKind::DestroyFailed,
    }
}

fn refusal(method: Method, remedy: Remedy, message: &str) -> ProviderError {
    ProviderError::new(kind_of(method), remedy, ErrorCode::UnknownError, message)
}

/// Counts calls that run, also when they are dropped.
struct Busy<'a> {
    provider: &'a Scripted,
    tenant: TenantId,
}

impl<'a> Busy<'a> {
    fn begin(provider: &'a Scripted, tenant: &TenantId) -> Self {
        let mut platform = provider.platform();
        let busy = platform.busy.entry(tenant.clone()).or_default();
        *busy += 1;
        if *busy > 1 {
            platform.overlaps += 1;
        }
        platform.most_at_once = platform.most_at_once.max(platform.busy.values().sum());
        Self { provider, tenant: tenant.clone() }
    }
}

fn report(observers: &mut Vec<Observer>, engine: &str, observation: &Observation) {
    observers.retain(|observer| observer.engine != engine || observer.told.send(observation.clone()).is_ok());
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut platform = self.provider.platform();
        if let Some(busy) = platform.busy.get_mut(&self.tenant) {
            *busy -= 1;
            if *busy == 0 {
                platform.busy.remove(&self.tenant);
            }
        }
    }
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> ProviderName {
        self.name.clone()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.logged(cx, Method::Provision, Some(spec)).await?;
        Ok(ProvisionResult {
            tenant_id: cx.subject.tenant.clone(),
            provider_type: self.name.clone(),
            status: ProvisionStatus::Success,
            resource_ids: BTreeMap::from([("row".to_owned(), cx.subject.tenant.to_string())]),
            endpoints: vec![Endpoint {
                kind: EndpointType::Tcp,
                address: "127.0.0.1".to_owned(),
                port: 1,
                url: None,
                container: None,
                container_port: None,
            }],
            message: None,
            provisioned_at: cx.now(),
        })
    }

    async fn update(
        &self,
        cx: &Context,
        tenant_id: &TenantId,
        spec: &Spec,
    ) -> Result<UpdateResult, ProviderError> {
        let before = self.running(tenant_id);
        let restarts = self.rollout(tenant_id).is_some_and(|rollout| rollout != cx.rollout);
        self.logged(cx, Method::Update, Some(spec)).await?;
        let mut changes = before.map(|before| changes(&before, spec)).unwrap_or_default();
        changes.extend(restarts.then(|| "started anew".to_owned()));
        Ok(UpdateResult {
            tenant_id: tenant_id.clone(),
            provider_type: self.name.clone(),
            status: if changes.is_empty() { UpdateStatus::NoChanges } else { UpdateStatus::Success },
            changes,
            message: None,
            updated_at: cx.now(),
        })
    }

    async fn destroy(&self, cx: &Context, _tenant_id: &TenantId) -> Result<Destroyed, ProviderError> {
        self.logged(cx, Method::Destroy, None).await?;
        Ok(Destroyed::default().retained(self.platform().table.kept(&cx.subject)))
    }

    async fn release(&self, cx: &Context, _tenant_id: &TenantId) -> Result<Released, ProviderError> {
        let kept = self.platform().table.kept(&cx.subject);
        self.logged(cx, Method::Release, None).await?;
        Ok(Released::default().removed(kept))
    }

    async fn get_status(&self, cx: &Context, tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        let (row, mood, panics) = {
            let platform = self.platform();
            let row = platform.table.own(&cx.subject).cloned();
            (row, platform.table.mood(tenant_id), platform.panicking.contains(tenant_id))
        };
        if panics {
            scripted_panic();
        }
        match mood {
            Mood::Answers => {}
            Mood::Refuses => return Err(unavailable(ErrorKind::StatusFailed)),
            Mood::Silent => {
                tokio::time::sleep(STATUS_WITHIN).await;
                return Err(ProviderError::status_timeout(tenant_id));
            }
        }
        let Some(row) = row else { return Err(ProviderError::tenant_not_found(tenant_id)) };
        let state = if row.crashed { ComputeState::Failed } else { ComputeState::Running };
        let ready = !row.crashed && row.health == Health::Healthy;
        let containers = row.spec.containers.iter().map(|container| ContainerStatus {
            name: container.name.clone(),
            state,
            ready,
            restart_count: 0,
            message: None,
        });
        Ok(ComputeStatus {
            tenant_id: tenant_id.clone(),
            provider_type: self.name.clone(),
            state,
            containers: containers.collect(),
            health: row.health,
            last_updated: cx.now(),
            metadata: BTreeMap::new(),
        })
    }

    async fn validate(&self, _cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        Ok(self.platform().table.check(spec)?)
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn site(&self) -> Result<Option<Site>, ProviderError> {
        Ok(self.site.clone())
    }

    fn support(&self, field: Field) -> Support {
        let volumes = [Field::VolumeName, Field::VolumePersistent, Field::VolumeRetain];
        if volumes.contains(&field) { Support::Mapped } else { field.of_a_provider_that_does_not_say() }
    }

    async fn plan(&self, cx: &Context, _tenant_id: &TenantId, spec: &Spec) -> Result<Plan, ProviderError> {
        let platform = self.platform();
        let row = platform.table.own(&cx.subject);
        let changes = row.map(|row| PlannedChange::all(&row.spec, spec, PlannedEffect::InPlace));
        Ok(Plan::of(changes.unwrap_or_default()))
    }

    async fn list_tenants(&self, engine: &str) -> Result<Vec<OwnedTenant>, ProviderError> {
        let platform = self.platform();
        let rows = platform.table.rows.iter().filter(|(_, row)| *row.engine == *engine);
        let rows = rows.map(|(tenant, row)| {
            let resources = BTreeMap::from([("row".to_owned(), tenant.to_string())]);
            OwnedTenant::new(tenant.clone(), row.incarnation, resources)
        });
        let kept = platform.table.retained.iter().filter(|(_, kept)| *kept.engine == *engine);
        let kept = kept.map(|(tenant, kept)| {
            let nothing = BTreeMap::new();
            OwnedTenant::new(tenant.clone(), kept.incarnation, nothing).retained(kept.named(tenant))
        });
        Ok(rows.chain(kept).collect())
    }

    fn observe(&self, engine: &str, _clock: Arc<dyn Clock>) -> Option<BoxStream<'static, Observation>> {
        let (told, receiver) = mpsc::unbounded_channel();
        self.platform().observers.push(Observer { engine: engine.to_owned(), told });
        Some(
            stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) })
                .boxed(),
        )
    }
}
