//! What the checks share: tenants of a clause's own, calls that end, looks at the platform.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::ready;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use landlord_state_machines::error::{ProviderError, Remedy};
use landlord_state_machines::id::{CallId, Incarnation, OperationId, Rollout, TenantId};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::planner::Subject;
use landlord_state_machines::spec::{Spec, TenantComputeSpec};
use landlord_state_machines::status::{ComputeState, ComputeStatus, Health, ProvisionResult, UpdateResult};
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, info_span};

use super::log::{CALLER, Line, Log};
use super::steps::counted;
use super::{Checked, Harm, Patience, Platform, Resource, Stop, Unable, Variant, broken, expect};
use landlord_compute::clock::TokioClock;
use landlord_compute::provider::{
    CheckpointError, Context, Destroyed, Journal, LogLine, LogQuery, OwnedTenant, Plan, Provider, Released,
    UndoBy, Work,
};

/// One clause's place to work.
pub(super) struct Bench<'p> {
    pub(super) platform: &'p dyn Platform,
    pub(super) limits: Patience,
    pub(super) clock: TokioClock,
    log: Log,
    /// What no other run and no other clause has in its names.
    own: String,
    tenants: Mutex<Vec<Subject>>,
}

/// A tenant, the provider that looks after it, and what survives a crash of that.
pub(super) struct Tenant<'b> {
    pub(super) bench: &'b Bench<'b>,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) subject: Subject,
    pub(super) kept: Arc<Kept>,
    /// What runs, for the contexts.
    pub(super) applied: Option<Spec>,
    /// For which rollout it does.
    pub(super) rollout: Rollout,
}

/// A journal in memory.
#[derive(Debug, Default)]
pub(super) struct Kept {
    ledgers: Mutex<Vec<Arc<Ledger>>>,
    /// How many it takes until somebody else owns the store.
    takes: Option<usize>,
    refused: AtomicBool,
}

impl Kept {
    /// A journal that takes so many ledgers and no more.
    pub(super) fn taking(ledgers: usize) -> Self {
        Self { takes: Some(ledgers), ..Self::default() }
    }

    /// Whether a ledger came that it did not take.
    pub(super) fn has_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Every ledger that was ever written.
    pub(super) fn all(&self) -> Vec<Arc<Ledger>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The ledger as a crash leaves it.
    pub(super) fn last(&self) -> Option<Arc<Ledger>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }
}

#[async_trait]
impl Journal for Kept {
    async fn write(&self, ledger: Arc<Ledger>, _step: &str) -> Result<(), CheckpointError> {
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        if self.takes.is_some_and(|takes| ledgers.len() >= takes) {
            self.refused.store(true, Ordering::Relaxed);
            return Err(CheckpointError::Fenced);
        }
        ledgers.push(ledger);
        Ok(())
    }
}

/// What a call of the provider came back with.
pub(super) type Answer<T> = Result<T, ProviderError>;

impl<'p> Bench<'p> {
    pub(super) fn new(platform: &'p dyn Platform, clause: &str, log: Log) -> Self {
        let letters: String =
            clause.chars().filter(char::is_ascii_alphanumeric).take(16).chain(['-']).collect();
        Self {
            platform,
            limits: platform.limits(),
            clock: TokioClock::starting_at(Timestamp::now()),
            log,
            own: format!("{letters}{:08x}", fastrand::u32(..)),
            tenants: Mutex::default(),
        }
    }

    /// The engine that the clause's tenants belong to.
    pub(super) fn engine(&self) -> String {
        format!("kit-{}", self.own)
    }

    /// A tenant that has nothing yet, with a provider of its own.
    pub(super) fn tenant(&self) -> Tenant<'_> {
        self.tenant_named(|own, number| format!("{own}-{number}"))
    }

    /// The same, with a name that is made of what is the clause's own and a number.
    pub(super) fn tenant_named(&self, name: impl FnOnce(&str, usize) -> String) -> Tenant<'_> {
        let number = self.tenants.lock().unwrap_or_else(PoisonError::into_inner).len();
        // Letters, digits and '-' of less than 63 characters.
        #[expect(clippy::expect_used)]
        let tenant = TenantId::new(&name(&self.own, number)).expect("a valid name");
        let subject = Subject {
            engine: self.engine().into(),
            provider: self.platform.provider().name(),
            tenant,
            incarnation: Incarnation(1),
        };
        self.know(&subject);
        Tenant {
            bench: self,
            provider: self.platform.provider(),
            subject,
            kept: Arc::default(),
            applied: None,
            rollout: Rollout::default(),
        }
    }

    /// What has to be destroyed at the end.
    fn know(&self, subject: &Subject) {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).push(subject.clone());
    }

    /// A spec of the platform's, checked.
    pub(super) fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<Spec, Stop> {
        let spec = match (self.platform.spec(tenant, variant), variant) {
            (Ok(spec), _) => spec,
            (Err(why), Variant::First | Variant::Changed) => {
                return broken(format!("without {variant} nothing can be judged: {why}"));
            }
            (Err(why), _) => return Err(why.into()),
        };
        spec.check().or_else(|invalid| {
            broken(format!("{variant} of the platform breaks the rules of all providers: {invalid}"))
        })
    }

    /// Waits until the platform shows it, and says what it showed last where it does not in time.
    pub(super) async fn until<T>(&self, mut look: impl AsyncFnMut() -> Result<T, String>) -> Result<T, Stop> {
        let deadline = Instant::now() + self.limits.settle;
        loop {
            match look().await {
                Ok(seen) => return Ok(seen),
                Err(otherwise) if Instant::now() >= deadline => return broken(otherwise),
                Err(_) => sleep(self.limits.pause).await,
            }
        }
    }

    /// Checks each of these steps with a tenant of its own, some at a time.
    pub(super) async fn each<C: Future<Output = Checked>>(
        &self,
        steps: Vec<usize>,
        check: impl Fn(usize) -> C,
    ) -> Checked {
        let checks = stream::iter(steps).map(check).buffer_unordered(self.limits.parallel.max(1));
        checks.try_for_each(|()| ready(Ok(()))).await
    }

    /// Nothing is said of a provider that leaves the undo of a call that failed to whoever made it.
    pub(super) fn undoes_alone(&self) -> Checked {
        match self.platform.provider().capabilities().undoes_alone {
            true => Ok(()),
            false => Err(Unable::new("alone it leaves the undo to its caller, and says so").into()),
        }
    }

    /// What was logged so far.
    pub(super) fn lines(&self) -> Vec<Line> {
        self.log.lines()
    }

    /// Removes what the clause has made, whatever became of it.
    pub(super) async fn clear(&self) {
        let subjects = self.tenants.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The last life of each: two calls for a tenant at a time there never are.
        let tenants: BTreeMap<TenantId, Subject> =
            subjects.into_iter().map(|subject| (subject.tenant.clone(), subject)).collect();
        let clear = |subject: Subject| async move {
            self.platform.heal(&subject.tenant).await;
            let cx = Context::alone(subject.clone(), Arc::new(self.clock));
            let provider = self.platform.provider();
            // Its own clause says when it does not work; a panic is not looked at again either.
            let destroyed = AssertUnwindSafe(provider.destroy(&cx, &subject.tenant)).catch_unwind();
            let _ = timeout(self.limits.call, destroyed).await;
            let released = AssertUnwindSafe(provider.release(&cx, &subject.tenant)).catch_unwind();
            let _ = timeout(self.limits.call, released).await;
        };
        stream::iter(tenants.into_values()).for_each_concurrent(self.limits.parallel.max(1), clear).await;
    }
}

impl<'b> Tenant<'b> {
    pub(super) fn id(&self) -> &TenantId {
        &self.subject.tenant
    }

    pub(super) fn spec(&self, variant: Variant) -> Result<Spec, Stop> {
        self.bench.spec(self.id(), variant)
    }

    /// The same spec with something changed.
    pub(super) fn spec_with(
        &self,
        variant: Variant,
        change: impl FnOnce(&mut TenantComputeSpec),
    ) -> Result<Spec, Stop> {
        let spec = self.spec(variant)?;
        let mut body = TenantComputeSpec::clone(&spec);
        change(&mut body);
        body.check().or_else(|invalid| broken(format!("{variant}, changed, is not valid: {invalid}")))
    }

    /// A context of the engine's, or of somebody who calls without one, with the ledger as it was kept.
    pub(super) fn cx(&self, undo: UndoBy) -> Context {
        let journal = Arc::clone(&self.kept) as Arc<dyn Journal>;
        let clock = Arc::new(self.bench.clock);
        let mut cx = Context::journaled(self.subject.clone(), clock, self.kept.last(), journal);
        cx.undo = undo;
        cx.applied = self.applied.clone();
        (cx.rollout, cx.applied_rollout) = (self.rollout, self.rollout);
        let number = 1 + self.kept.all().len() as u64;
        cx.work = match undo {
            UndoBy::Engine => {
                Some(Work { operation: OperationId { epoch: 1, number }, call: CallId(number), attempt: 1 })
            }
            UndoBy::Provider => None,
        };
        cx
    }

    /// A context without the ledger, as after the loss of the store.
    pub(super) fn bare_cx(&self) -> Context {
        Context::alone(self.subject.clone(), Arc::new(self.bench.clock))
    }

    /// The provider as a program that was just started makes it.
    pub(super) fn restart(&mut self) {
        self.provider = self.bench.platform.provider();
    }

    /// Another life, of which nothing is known yet.
    pub(super) fn reborn(&mut self) {
        self.subject.incarnation = Incarnation(self.subject.incarnation.0 + 1);
        self.kept = Arc::default();
        self.applied = None;
        self.rollout = Rollout::default();
        self.bench.know(&self.subject);
    }

    async fn bounded<T>(
        &self,
        what: &str,
        within: Duration,
        call: impl Future<Output = Answer<T>>,
    ) -> Result<Answer<T>, Stop> {
        let call = call.instrument(info_span!(target: "landlord_compute::conformance", CALLER));
        match timeout(within, call).await {
            Ok(answer) => Ok(answer),
            Err(_) => broken(format!("{what} did not come back within {within:?}")),
        }
    }

    pub(super) async fn provision(&self, cx: &Context, spec: &Spec) -> Result<Answer<ProvisionResult>, Stop> {
        self.bounded("provision", self.bench.limits.call, self.provider.provision(cx, spec)).await
    }

    pub(super) async fn update(&self, cx: &Context, spec: &Spec) -> Result<Answer<UpdateResult>, Stop> {
        self.bounded("update", self.bench.limits.call, self.provider.update(cx, self.id(), spec)).await
    }

    pub(super) async fn destroy(&self, cx: &Context) -> Result<Answer<Destroyed>, Stop> {
        self.bounded("destroy", self.bench.limits.call, self.provider.destroy(cx, self.id())).await
    }

    pub(super) async fn release(&self, cx: &Context) -> Result<Answer<Released>, Stop> {
        self.bounded("release", self.bench.limits.call, self.provider.release(cx, self.id())).await
    }

    pub(super) async fn status(&self) -> Result<Answer<ComputeStatus>, Stop> {
        self.status_in(&self.cx(UndoBy::Provider)).await
    }

    pub(super) async fn status_in(&self, cx: &Context) -> Result<Answer<ComputeStatus>, Stop> {
        self.bounded("get_status", self.bench.limits.call, self.provider.get_status(cx, self.id())).await
    }

    pub(super) async fn validate(&self, spec: &Spec) -> Result<Answer<()>, Stop> {
        let cx = self.cx(UndoBy::Engine);
        self.bounded("validate", self.bench.limits.call, self.provider.validate(&cx, spec)).await
    }

    pub(super) async fn plan(&self, cx: &Context, spec: &Spec) -> Result<Answer<Plan>, Stop> {
        self.bounded("plan", self.bench.limits.call, self.provider.plan(cx, self.id(), spec)).await
    }

    /// The lines that are in its log now.
    pub(super) async fn log(&self) -> Result<Vec<String>, Stop> {
        let (cx, query) = (self.cx(UndoBy::Engine), LogQuery::default());
        let lines = async {
            match self.provider.logs(&cx, self.id(), &query).await? {
                Some(lines) => lines.map_ok(|LogLine { text, .. }| text).try_collect().await.map(Some),
                None => Ok(None),
            }
        };
        let lines = self.bounded("logs", self.bench.limits.call, lines).await?;
        succeeded("logs", lines)?.ok_or_else(|| Unable::new("it shows no logs").into())
    }

    /// Who has something, as the tenant's provider sees it for the tenant's engine.
    pub(super) async fn owned(&self) -> Result<Answer<Vec<OwnedTenant>>, Stop> {
        let list = self.provider.list_tenants(&self.subject.engine);
        self.bounded("list_tenants", self.bench.limits.call, list).await
    }

    /// Provisions this spec, which must succeed, and says how much it made.
    pub(super) async fn start(&mut self, variant: Variant) -> Result<usize, Stop> {
        Ok(self.start_counting(variant).await?.0)
    }

    /// The same, and how often the call paused.
    pub(super) async fn start_counting(&mut self, variant: Variant) -> Result<(usize, usize), Stop> {
        let spec = self.spec(variant)?;
        let cx = self.cx(UndoBy::Engine);
        let (answer, pauses) = counted(self.provision(&cx, &spec)).await;
        succeeded(&format!("a provision of {variant}"), answer?)?;
        self.applied = Some(spec);
        Ok((self.settled().await?.len(), pauses))
    }

    /// What the platform holds, once two looks at it show the same.
    pub(super) async fn settled(&self) -> Result<Vec<Resource>, Stop> {
        let mut before = self.held().await;
        let look = async || {
            sleep(self.bench.limits.pause).await;
            let now = self.held().await;
            match now == before && !now.is_empty() {
                true => Ok(now),
                false => {
                    before = now;
                    Err(format!("the platform does not show what was made; it shows {}", listed(&before)))
                }
            }
        };
        self.bench.until(look).await
    }

    /// The platform holds what it held before.
    pub(super) async fn still_holds(&self, before: &[Resource], after: &str) -> Checked {
        let look = async || match self.held().await {
            now if now == before => Ok(()),
            now => Err(format!("{after} the platform holds {}, before {}", listed(&now), listed(before))),
        };
        self.bench.until(look).await
    }

    /// What the platform holds.
    pub(super) async fn held(&self) -> Vec<Resource> {
        self.bench.platform.resources(self.id()).await
    }

    pub(super) async fn harm(&self, harm: Harm) -> Checked {
        Ok(self.bench.platform.harm(self.id(), harm).await?)
    }

    /// A program of it leaves a child, which is there beside the `count` resources that it had.
    pub(super) async fn escape(&self, count: usize) -> Checked {
        self.harm(Harm::Escape).await?;
        let look = async || match self.held().await {
            held if held.len() > count => Ok(()),
            held => Err(format!("the platform does not show the child that was left: {}", listed(&held))),
        };
        self.bench.until(look).await
    }

    /// The platform holds nothing of it.
    pub(super) async fn holds_nothing(&self, after: &str) -> Checked {
        let look = async || match self.held().await {
            held if held.is_empty() => Ok(()),
            held => Err(format!("after {after} the platform still holds {}", listed(&held))),
        };
        self.bench.until(look).await
    }

    /// The platform holds so many resources, all made from this spec.
    pub(super) async fn holds(&self, count: usize, variant: Variant, after: &str) -> Checked {
        let is = |resource: &Resource| resource.made_from.is_none_or(|of| of == variant);
        let look = async || match self.held().await {
            held if held.len() == count && held.iter().all(is) => Ok(()),
            held => Err(format!(
                "after {after} the platform should hold {count} of {variant}, and holds {}",
                listed(&held)
            )),
        };
        self.bench.until(look).await
    }

    /// What its status is. One that says to ask again is asked again: how fast it is is another clause.
    pub(super) async fn status_in_the_end(&self) -> Result<Answer<ComputeStatus>, Stop> {
        let deadline = Instant::now() + self.bench.limits.call;
        loop {
            match self.status().await? {
                Err(error) if error.remedy == Remedy::Retry && Instant::now() < deadline => {
                    sleep(self.bench.limits.pause).await;
                }
                answer => return Ok(answer),
            }
        }
    }

    /// It runs, passes its checks, and says so.
    pub(super) async fn is_well(&self, after: &str) -> Checked {
        let status = succeeded(&format!("get_status after {after}"), self.status_in_the_end().await?)?;
        expect(is_well(&status), || format!("after {after} its status is {}", shown(&status)))
    }
}

/// What a call that must succeed came back with.
pub(super) fn succeeded<T>(what: &str, answer: Answer<T>) -> Result<T, Stop> {
    answer.or_else(|error| broken(format!("{what} failed: {error}")))
}

/// The error of a call that must fail.
pub(super) fn failed<T>(what: &str, answer: Answer<T>) -> Result<ProviderError, Stop> {
    match answer {
        Ok(_) => broken(format!("{what} succeeded")),
        Err(error) => Ok(error),
    }
}

pub(super) fn is_well(status: &ComputeStatus) -> bool {
    (status.state, status.health) == (ComputeState::Running, Health::Healthy)
        && status.containers.iter().all(|container| container.ready)
}

pub(super) fn shown(status: &ComputeStatus) -> String {
    format!("{:?} and {:?}, its containers {:?}", status.state, status.health, status.containers)
}

pub(super) fn listed(held: &[Resource]) -> String {
    match held {
        [] => "nothing".to_owned(),
        held => held.iter().map(Resource::to_string).collect::<Vec<_>>().join(", "),
    }
}
