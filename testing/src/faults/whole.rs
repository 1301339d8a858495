//! An operation through the whole engine: asked for by a handle, interrupted, crashed and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, Rollout, TenantId};
use landlord_state_machines::observation::{Observation, Seen};
use landlord_state_machines::planner::{Kind, Subject};
use landlord_state_machines::spec::{Field, Spec, Support, changes};
use landlord_state_machines::status::{ComputeStatus, ProvisionResult, UpdateResult};
use landlord_state_machines::tenant::{Record, Settled, State};
use tokio::sync::{Notify, mpsc, oneshot};

use super::explore::ends_as_planned;
use super::judge::judge;
use super::watched::Watched;
use super::world::{Faulty, Shared, lock};
use super::{Ask, Case, Commits, Ends, Interrupt, Model, Scenario, TENANT};
use landlord_compute::ObservePolicy;
use landlord_compute::clock::{Clock, TokioClock};
use landlord_compute::provider::converge::Converge;
use landlord_compute::provider::{Context, Destroyed, Provider};
use landlord_compute::store::{Events, MemoryStore, Position, Reads, Scope, Store};
use landlord_compute::{Engine, Limits};
use landlord_compute::{OperationHandle, Options, WaitError};

/// Simulated time after which an operation counts as stuck.
const PATIENCE: Duration = Duration::from_secs(3600);
/// From the end of what was asked for to the look that notices what a mishap has left broken.
const NOTICES_AFTER: Duration = Duration::from_secs(10);
/// How long a caller that waits may take to hear of an operation that has settled.
const HEARS_WITHIN: Duration = Duration::from_secs(1);

/// The planner as the engine's provider.
struct Modelled<M: Model> {
    name: ProviderName,
    methods: Arc<Converge<Faulty<M>>>,
    /// Told when the platform should report that something broke.
    broke: Arc<Notify>,
}

#[async_trait]
impl<M: Model> Provider for Modelled<M> {
    fn name(&self) -> ProviderName {
        self.name.clone()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.methods.provision(cx, spec).await
    }

    async fn update(&self, cx: &Context, _: &TenantId, spec: &Spec) -> Result<UpdateResult, ProviderError> {
        self.methods.update(cx, spec).await
    }

    async fn destroy(&self, cx: &Context, _: &TenantId) -> Result<Destroyed, ProviderError> {
        self.methods.destroy(cx).await?;
        Ok(Destroyed::default())
    }

    async fn get_status(&self, cx: &Context, _: &TenantId) -> Result<ComputeStatus, ProviderError> {
        self.methods.get_status(cx).await
    }

    async fn validate(&self, _: &Context, _: &Spec) -> Result<(), ProviderError> {
        Ok(())
    }

    /// What the planner makes of a spec is what is tried.
    fn support(&self, _: Field) -> Support {
        Support::Mapped
    }

    fn observe(&self, _: &str, clock: Arc<dyn Clock>) -> Option<BoxStream<'static, Observation>> {
        let (broke, tenant) = (Arc::clone(&self.broke), TenantId::new(TENANT).ok()?);
        Some(
            stream::unfold((), move |()| {
                let (broke, clock, tenant) = (Arc::clone(&broke), Arc::clone(&clock), tenant.clone());
                async move {
                    broke.notified().await;
                    let seen = Seen::Broken("it broke".to_owned());
                    Some((Observation { tenant, begun: clock.now(), seen }, ()))
                }
            })
            .boxed(),
        )
    }
}

/// What outlives an engine.
struct Bench<'a, M: Model> {
    world: &'a Shared<M>,
    scenario: &'a Scenario,
    commits: Commits,
    /// Whether something happens to the platform by itself, so that somebody has to notice.
    breaks: bool,
    store: MemoryStore,
    engine: Arc<str>,
    clock: TokioClock,
    tenant: TenantId,
    name: ProviderName,
    methods: Arc<Converge<Faulty<M>>>,
    broke: Arc<Notify>,
    crash: Arc<Notify>,
}

/// One life of an engine.
struct Life {
    engine: Engine,
    dead: Arc<AtomicBool>,
}

/// Prepares, runs and judges; the calls that it made.
pub(super) async fn run<M: Model>(
    world: &Shared<M>,
    scenario: &Scenario,
    case: &Case,
) -> Result<Vec<Kind>, String> {
    let (interrupt, interruptions) = mpsc::channel(1);
    let crash = Arc::new(Notify::new());
    let api = Faulty { world: Arc::clone(world), crash: Arc::clone(&crash), interrupt };
    let name = ProviderName::new(M::NAME).map_err(|error| error.to_string())?;
    let store = MemoryStore::default();
    let bench = Bench {
        world,
        scenario,
        commits: case.commits,
        breaks: case.faults.iter().any(|(_, fault)| fault.is_mishap()),
        engine: store.open().await.map_err(|error| error.to_string())?.engine,
        store,
        clock: TokioClock::starting_at(Timestamp::UNIX_EPOCH),
        tenant: TenantId::new(TENANT).map_err(|error| error.to_string())?,
        name: name.clone(),
        methods: Arc::new(Converge::new(name, api, changes)),
        broke: Arc::new(Notify::new()),
        crash,
    };
    let done = tokio::time::timeout(PATIENCE, bench.whole(case, interruptions)).await;
    done.unwrap_or_else(|_| Err("stuck".to_owned()))
}

impl<M: Model> Bench<'_, M> {
    async fn start(&self) -> Result<Life, String> {
        let dead = Arc::new(AtomicBool::new(false));
        let store = Watched {
            store: self.store.clone(),
            world: Arc::clone(self.world),
            commits: self.commits,
            dead: Arc::clone(&dead),
        };
        let provider = Modelled {
            name: self.name.clone(),
            methods: Arc::clone(&self.methods),
            broke: Arc::clone(&self.broke),
        };
        // Nobody is asked for during a case: that would be further calls.
        let observe = match (&self.scenario.operation.ask, self.breaks) {
            (Ask::Repair, _) | (_, true) => ObservePolicy::On { every: 2 * PATIENCE, per_second: 1 },
            (Ask::Provision(_) | Ask::Update(_) | Ask::Restart | Ask::Destroy, false) => ObservePolicy::Off,
        };
        // No actor is passivated: thousands of cases would pay for looking after it.
        let limits = Limits::default().idle(PATIENCE);
        let builder = Engine::builder(store).provider(provider).limits(limits);
        let builder = builder.observe(observe).clock(self.clock);
        Ok(Life { engine: builder.start().await.map_err(|error| error.to_string())?, dead })
    }

    async fn whole(
        &self,
        case: &Case,
        mut interruptions: mpsc::Receiver<oneshot::Sender<()>>,
    ) -> Result<Vec<Kind>, String> {
        let operation = &self.scenario.operation;
        let mut life = self.start().await?;
        if let Some(spec) = &operation.applied {
            let mut prepared =
                self.ask(&life, &Ask::Provision(spec.clone())).await?.ok_or("nothing began")?;
            match prepared.settled().await.map_err(|error| error.to_string())? {
                Settled::Done => {}
                other @ (Settled::Failed { .. }
                | Settled::Cancelled { .. }
                | Settled::Superseded { .. }
                | Settled::Abandoned { .. }) => return Err(format!("the preparation: {other}")),
            }
        }
        let before = {
            let mut world = lock(self.world);
            world.begin(case);
            std::mem::take(&mut world.opened)
        };
        // Whoever asked and waits. The engine that was asked may end before it.
        let mut waiting: Vec<OperationHandle> = self.ask(&life, &operation.ask).await?.into_iter().collect();
        let mut deserted: Vec<OperationHandle> = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.crash.notified() => {
                    life.dead.store(true, Ordering::Relaxed);
                    drop(life);
                    lock(self.world).story.tell(|| "the engine crashed, and starts again".to_owned());
                    life = self.start().await?;
                    lock(self.world).crashed = false;
                    deserted.append(&mut waiting);
                }
                Some(done) = interruptions.recv() => {
                    waiting.push(self.interrupt(&life).await?);
                    // The call that is interrupted waits for this, unless its engine is gone.
                    let _ = done.send(());
                }
                rested = self.rests(&life) => {
                    rested?;
                    let follows = self.breaks && self.notices().await;
                    // A repair that is put off follows later.
                    if !follows && is_at_rest(&self.record(&life).await?) {
                        break;
                    }
                }
            }
        }
        let calls = lock(self.world).calls.clone();
        self.holds(&life).await?;
        self.everybody_heard(waiting, deserted).await?;
        // Late effects must have happened before the platform is judged.
        tokio::time::sleep(Duration::from_secs(60)).await;
        self.judge_all(&life, case, &before).await?;
        Ok(calls)
    }

    /// Asks for something; there is nothing to wait for where nobody asks.
    async fn ask(&self, life: &Life, ask: &Ask) -> Result<Option<OperationHandle>, String> {
        let tenant = life.engine.tenant(self.tenant.clone());
        let options = Options::default();
        let asked = match ask {
            Ask::Provision(spec) => tenant.provision((**spec).clone(), options).await,
            Ask::Update(spec) => tenant.update((**spec).clone(), options).await,
            Ask::Restart => tenant.restart(options).await,
            Ask::Destroy => tenant.destroy(options).await,
            Ask::Repair => {
                // What was seen before something settled says nothing.
                tokio::time::sleep(Duration::from_secs(1)).await;
                lock(self.world).platform.breaks(self.clock.now());
                self.broke.notify_one();
                while lock(self.world).opened.is_empty() {
                    tokio::time::sleep(Duration::from_micros(1)).await;
                }
                return Ok(None);
            }
        };
        asked.map(Some).map_err(|error| format!("{ask:?} was refused: {error}"))
    }

    async fn interrupt(&self, life: &Life) -> Result<OperationHandle, String> {
        let tenant = life.engine.tenant(self.tenant.clone());
        let asked = match self.scenario.interrupt {
            Some(Interrupt::Cancel) | None => tenant.cancel(Options::default()).await,
            Some(Interrupt::Destroy) => tenant.destroy(Options::default()).await,
        };
        asked.map_err(|error| format!("{:?} was refused: {error}", self.scenario.interrupt))
    }

    /// Returns when every operation has settled and nothing follows.
    async fn rests(&self, life: &Life) -> Result<(), String> {
        loop {
            let opened = lock(self.world).opened.clone();
            for operation in &opened {
                let handle = life.engine.operation(*operation).await.map_err(|error| error.to_string())?;
                handle.await.map_err(|error| error.to_string())?;
            }
            if lock(self.world).opened.len() == opened.len() && is_at_rest(&self.record(life).await?) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a mishap has left broken is noticed once everything has settled; whether an operation follows.
    async fn notices(&self) -> bool {
        // What was seen before something settled says nothing. Strangers are gone by then, too.
        tokio::time::sleep(NOTICES_AFTER).await;
        let opened = {
            let mut world = lock(self.world);
            if !world.platform.observes(self.clock.now()) {
                return false;
            }
            world.story.tell(|| "it is observed to be broken".to_owned());
            world.opened.len()
        };
        self.broke.notify_one();
        let follows = async {
            while lock(self.world).opened.len() == opened {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(NOTICES_AFTER, follows).await.is_ok()
    }

    /// I3, at the moment at which everything has settled.
    async fn holds(&self, life: &Life) -> Result<(), String> {
        let record = self.record(life).await?;
        let ((applied, _), now) = (applied(&record)?, self.clock.now());
        let held = lock(self.world).platform.holds_exactly(&self.subject(&record), applied, now);
        held.map_err(|what| format!("I3, as soon as it has settled: {what}"))
    }

    fn subject(&self, record: &Record) -> Subject {
        let incarnation = match record {
            Record::Live(tenant) => tenant.incarnation,
            Record::Gone(tombstone) => tombstone.incarnation,
            Record::Absent(_) => Incarnation(1),
        };
        Subject {
            engine: Arc::clone(&self.engine),
            provider: self.name.clone(),
            tenant: self.tenant.clone(),
            incarnation,
        }
    }

    async fn record(&self, life: &Life) -> Result<Record, String> {
        life.engine.tenant(self.tenant.clone()).snapshot().await.map_err(|error| error.to_string())
    }

    /// Checks that nobody waits any longer: callers of this engine were told how their operation ended, callers of an
    /// earlier one that the engine ended.
    async fn everybody_heard(
        &self,
        waiting: Vec<OperationHandle>,
        deserted: Vec<OperationHandle>,
    ) -> Result<(), String> {
        for handle in waiting {
            let id = handle.id().map_or_else(|| "of none".to_owned(), |id| id.to_string());
            let heard = tokio::time::timeout(HEARS_WITHIN, handle).await;
            match heard {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(format!("whoever waited for operation {id} heard: {error}")),
                Err(_) => return Err(format!("operation {id} is over, and whoever asked was not told")),
            }
        }
        for handle in deserted {
            let id = handle.id().map_or_else(|| "of none".to_owned(), |id| id.to_string());
            let heard = tokio::time::timeout(HEARS_WITHIN, handle).await;
            match heard {
                Ok(Ok(_) | Err(WaitError::Closed { .. })) => {}
                Ok(Err(error)) => return Err(format!("whoever waited for operation {id} heard: {error}")),
                Err(_) => return Err(format!("the engine is gone, and who waited for {id} was not told")),
            }
        }
        Ok(())
    }

    async fn judge_all(&self, life: &Life, case: &Case, before: &[OperationId]) -> Result<(), String> {
        let operation = &self.scenario.operation;
        let opened = std::mem::take(&mut lock(self.world).opened);
        let settled = self.settlements(before, &opened).await?;
        let record = self.record(life).await?;
        let (applied, rollout) = applied(&record)?;
        let interrupt = self.scenario.interrupt.filter(|_| lock(self.world).was_interrupted(case));
        let expected = match (interrupt, settled.first()) {
            (Some(Interrupt::Destroy), _) => None,
            (_, None) => return Err("nothing began".to_owned()),
            (_, Some(Settled::Done)) => match &operation.ask {
                Ask::Provision(spec) | Ask::Update(spec) => Some(spec),
                Ask::Restart | Ask::Repair => operation.applied.as_ref(),
                Ask::Destroy => None,
            },
            (_, Some(Settled::Failed { .. } | Settled::Cancelled { .. })) => operation.applied.as_ref(),
            (_, Some(other @ (Settled::Superseded { .. } | Settled::Abandoned { .. }))) => {
                return Err(format!("it was {other}, and nobody asked for that"));
            }
        };
        if applied != expected {
            return Err(format!("it ended as {settled:?}, and the record says that {applied:?} runs"));
        }
        let restarted = matches!((&operation.ask, settled.first()), (Ask::Restart, Some(Settled::Done)));
        if applied.is_some() && restarted == rollout.is_first() {
            return Err(format!("it ended as {settled:?}, and the record has rollout {rollout}"));
        }
        if let Some(ends) = ends_as_planned(operation, case) {
            let as_planned = match (ends, settled.first()) {
                (Ends::Done, Some(Settled::Done))
                | (Ends::Undone, Some(Settled::Failed { undone: true, .. })) => true,
                (Ends::Done | Ends::Undone, _) => false,
            };
            if !as_planned {
                return Err(format!("it should have ended as {ends:?}, and ended as {settled:?}"));
            }
            if let (Ends::Done, Some(call)) = (ends, lock(self.world).hasty.first()) {
                return Err(format!("{call} went out while the platform had asked to be left alone"));
            }
        }
        let subject = self.subject(&record);
        let ledger = match &record {
            Record::Live(tenant) => tenant.ledger.clone(),
            Record::Absent(_) | Record::Gone(_) => None,
        };
        let clock: Arc<dyn Clock> = Arc::new(self.clock);
        judge(self.world, &self.methods, &subject, &clock, (applied, rollout), ledger).await
    }

    /// How each operation of the case ended, in the order in which they began: each exactly once, and the tenant's
    /// events without a gap.
    async fn settlements(
        &self,
        before: &[OperationId],
        opened: &[OperationId],
    ) -> Result<Vec<Settled>, String> {
        let events = self.store.events(Position(0), &Scope::All, usize::MAX).await;
        let Ok(Events::Page(events)) = events else { return Err("the events cannot be read".to_owned()) };
        let mut revision = Revision(0);
        let mut settlements = Vec::new();
        for (_, event) in &events {
            if event.revision != revision.next() {
                return Err(format!("I6: after revision {revision} comes {}", event.revision));
            }
            revision = event.revision;
            settlements.extend(event.settled.iter());
        }
        if let Some(stranger) =
            settlements.iter().find(|it| ![before, opened].concat().contains(&it.operation))
        {
            return Err(format!("operation {} settled and never began", stranger.operation));
        }
        opened
            .iter()
            .map(|operation| {
                let mut ends = settlements.iter().filter(|settlement| settlement.operation == *operation);
                match (ends.next(), ends.next()) {
                    (Some(only), None) => Ok(only.settled.clone()),
                    (None, _) => Err(format!("operation {operation} never settled")),
                    (Some(_), Some(_)) => Err(format!("operation {operation} settled twice")),
                }
            })
            .collect()
    }
}

/// Whether nothing goes on and nothing is to follow.
fn is_at_rest(record: &Record) -> bool {
    match record {
        Record::Absent(_) | Record::Gone(_) => true,
        Record::Live(tenant) => {
            tenant.operation().is_none() && tenant.next.is_none() && tenant.repair.due.is_none()
        }
    }
}

/// What runs, and for which rollout, as the record of a tenant at rest has it.
fn applied(record: &Record) -> Result<(Option<&Spec>, Rollout), String> {
    let Record::Live(tenant) = record else { return Ok((None, Rollout::default())) };
    match &tenant.state {
        State::Running { applied } => Ok((Some(&applied.spec), applied.rollout)),
        State::Pending => Ok((None, Rollout::default())),
        State::Provisioning(_) | State::Updating { .. } | State::Destroying(_) => {
            Err(format!("it does not rest: {:?}", tenant.state.name()))
        }
    }
}
