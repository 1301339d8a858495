//! A provider for tests: what each call answers, when, and whether it works first, is set per tenant and method.
//!
//! Its platform is a table in memory. A call without a script works at once, as the contract wants.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{CallId, Incarnation, OperationId, ProviderName, TenantId};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::observation::{Observation, Seen};
use landlord_state_machines::result::{
    ComputeState, ComputeStatus, ContainerStatus, Endpoint, EndpointType, Health, ProvisionResult,
    ProvisionStatus, UpdateResult, UpdateStatus,
};
use landlord_state_machines::spec::{Spec, changes};
use landlord_state_machines::tenant::Method;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc};

use crate::clock::Clock;

use super::{Capabilities, Context, OwnedTenant, Provider};

/// One thing that a scripted call does. A call does its acts in order and then returns.
#[derive(Clone, Debug)]
pub enum Act {
    /// Takes its time.
    Sleep(Duration),
    /// Takes for ever, whatever the engine asks; only being dropped ends it.
    Hang,
    /// Takes until the engine asks it to stop, and fails then.
    HangUntilStopped,
    /// Waits until [`Scripted::open`] is called for the gate of this name.
    Gate(&'static str),
    /// Makes a ledger durable, with this step.
    Checkpoint(&'static str),
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
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<Platform>,
    gates: Notify,
}

#[derive(Default)]
struct Platform {
    scripts: HashMap<(TenantId, Method), VecDeque<Vec<Act>>>,
    running: BTreeMap<TenantId, Running>,
    busy: HashMap<TenantId, usize>,
    overlaps: usize,
    most_at_once: usize,
    calls: Vec<SeenCall>,
    open_gates: Vec<&'static str>,
    panicking: Vec<TenantId>,
    observers: Vec<mpsc::UnboundedSender<Observation>>,
}

#[derive(Clone)]
struct Running {
    spec: Spec,
    incarnation: Incarnation,
    health: Health,
    crashed: bool,
}

impl Scripted {
    /// A provider with an empty platform.
    pub fn new(name: ProviderName, capabilities: Capabilities) -> Self {
        let shared = Shared { state: Mutex::default(), gates: Notify::new() };
        Self { name, capabilities, shared: Arc::new(shared) }
    }

    fn platform(&self) -> MutexGuard<'_, Platform> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next call of `method` for `tenant` that has no script yet does. Scripts queue up.
    pub fn script(&self, tenant: &TenantId, method: Method, acts: impl IntoIterator<Item = Act>) {
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
        self.platform().running.get(tenant).map(|running| running.spec.clone())
    }

    /// Everybody who has something on the platform.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.platform().running.keys().cloned().collect()
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
        if let Some(running) = platform.running.get_mut(tenant) {
            running.crashed = true;
        }
        let seen = Seen::Broken("it crashed".to_owned());
        platform.observers.retain(|observer| {
            observer.send(Observation { tenant: tenant.clone(), begun, seen: seen.clone() }).is_ok()
        });
    }

    /// What runs for the tenant becomes healthy or not, without anybody being told.
    pub fn set_health(&self, tenant: &TenantId, health: Health) {
        if let Some(running) = self.platform().running.get_mut(tenant) {
            running.health = health;
        }
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
            scripts.and_then(VecDeque::pop_front).unwrap_or_else(|| vec![Act::Work])
        };
        let _busy = Busy::begin(self, tenant);
        for act in acts {
            match act {
                Act::Sleep(pause) => tokio::time::sleep(pause).await,
                Act::Hang => std::future::pending().await,
                Act::HangUntilStopped => {
                    cx.cancel.cancelled().await;
                    return Err(refusal(method, Remedy::Retry, "stopped"));
                }
                Act::Gate(gate) => self.pass(gate).await,
                Act::Checkpoint(step) => self.checkpoint(cx, step).await?,
                Act::Work => self.work(cx, method, spec)?,
                Act::Fail(error) => return Err(error),
                Act::Panic => scripted_panic(),
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

    async fn checkpoint(&self, cx: &Context, step: &str) -> Result<(), ProviderError> {
        let ledger = Ledger {
            version: 1,
            resources: BTreeMap::from([(step.to_owned(), cx.subject.tenant.to_string())]),
            endpoints: Vec::new(),
            facts: RawValue::NULL.to_owned(),
        };
        cx.checkpoint(ledger, step)
            .await
            .map_err(|error| refusal(Method::Provision, Remedy::Retry, "not kept").with_source(error))
    }

    fn work(&self, cx: &Context, method: Method, spec: Option<&Spec>) -> Result<(), ProviderError> {
        let tenant = &cx.subject.tenant;
        let mut platform = self.platform();
        let there = platform.running.get(tenant).filter(|running| !running.crashed).cloned();
        match (method, spec, there) {
            (Method::Destroy, _, _) | (Method::Provision | Method::Update, None, _) => {
                platform.running.remove(tenant);
            }
            (Method::Provision, Some(spec), Some(there)) if there.spec != *spec => {
                return Err(ProviderError::new(
                    ErrorKind::ProvisionFailed,
                    Remedy::Permanent,
                    ErrorCode::Conflict,
                    "another spec runs; use update",
                ));
            }
            (Method::Update, Some(_), None) => return Err(ProviderError::tenant_not_found(tenant)),
            (Method::Provision | Method::Update, Some(spec), _) => {
                let running = Running {
                    spec: spec.clone(),
                    incarnation: cx.subject.incarnation,
                    health: Health::Healthy,
                    crashed: false,
                };
                platform.running.insert(tenant.clone(), running);
            }
        }
        Ok(())
    }
}

#[expect(clippy::panic, reason = "a test asked for it")]
fn scripted_panic() {
    panic!("scripted");
}

fn refusal(method: Method, remedy: Remedy, message: &str) -> ProviderError {
    let kind = match method {
        Method::Provision => ErrorKind::ProvisionFailed,
        Method::Update => ErrorKind::UpdateFailed,
        Method::Destroy => ErrorKind::DestroyFailed,
    };
    ProviderError::new(kind, remedy, ErrorCode::UnknownError, message)
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
        self.call(cx, Method::Provision, Some(spec)).await?;
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
        self.call(cx, Method::Update, Some(spec)).await?;
        let changes = before.map(|before| changes(&before, spec)).unwrap_or_default();
        Ok(UpdateResult {
            tenant_id: tenant_id.clone(),
            provider_type: self.name.clone(),
            status: if changes.is_empty() { UpdateStatus::NoChanges } else { UpdateStatus::Success },
            changes,
            message: None,
            updated_at: cx.now(),
        })
    }

    async fn destroy(&self, cx: &Context, _tenant_id: &TenantId) -> Result<(), ProviderError> {
        self.call(cx, Method::Destroy, None).await
    }

    async fn get_status(&self, cx: &Context, tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        let (running, panics) = {
            let platform = self.platform();
            (platform.running.get(tenant_id).cloned(), platform.panicking.contains(tenant_id))
        };
        if panics {
            scripted_panic();
        }
        let Some(running) = running else { return Err(ProviderError::tenant_not_found(tenant_id)) };
        let state = if running.crashed { ComputeState::Failed } else { ComputeState::Running };
        let ready = !running.crashed && running.health == Health::Healthy;
        Ok(ComputeStatus {
            tenant_id: tenant_id.clone(),
            provider_type: self.name.clone(),
            state,
            containers: running
                .spec
                .containers
                .iter()
                .map(|container| ContainerStatus {
                    name: container.name.clone(),
                    state,
                    ready,
                    restart_count: 0,
                    message: None,
                })
                .collect(),
            health: running.health,
            last_updated: cx.now(),
            metadata: BTreeMap::new(),
        })
    }

    async fn validate(&self, _cx: &Context, _spec: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn list_tenants(&self, _engine: &str) -> Result<Vec<OwnedTenant>, ProviderError> {
        let platform = self.platform();
        Ok(platform
            .running
            .iter()
            .map(|(tenant, running)| OwnedTenant {
                tenant: tenant.clone(),
                incarnation: running.incarnation,
                resources: BTreeMap::from([("row".to_owned(), tenant.to_string())]),
            })
            .collect())
    }

    fn observe(&self, _engine: &str, _clock: Arc<dyn Clock>) -> Option<BoxStream<'static, Observation>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.platform().observers.push(sender);
        Some(
            stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) })
                .boxed(),
        )
    }
}
