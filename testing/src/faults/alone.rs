//! A provider's method without an engine: called once, with nobody who would retry or undo.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{Incarnation, ProviderName, Rollout, TenantId};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::planner::{Kind, Subject};
use landlord_state_machines::spec::Spec;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::judge::judge;
use super::world::{Faulty, Shared, lock};
use super::{Ask, Case, Model, Scenario, TENANT};
use landlord_compute::clock::{Clock, TokioClock};
use landlord_compute::provider::converge::Converge;
use landlord_compute::provider::{CheckpointError, Context, Journal, UndoBy};

/// How often a destroy that failed is called again before it counts as stuck, and how long after.
const AGAIN: (usize, Duration) = (8, Duration::from_secs(1));
/// What runs before a restart, and after it.
const FIRST: Rollout = Rollout(0);
const RESTARTED: Rollout = Rollout(7);
/// Simulated time after which a method counts as stuck.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Keeps the ledger as a caller without an engine would.
struct Kept<M: Model>(Shared<M>);

#[async_trait]
impl<M: Model> Journal for Kept<M> {
    async fn write(&self, ledger: Arc<Ledger>, _step: &str) -> Result<(), CheckpointError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        lock(&self.0).store(Some(ledger));
        Ok(())
    }
}

struct Alone<M: Model> {
    world: Shared<M>,
    clock: Arc<dyn Clock>,
    subject: Subject,
    provider: Converge<Faulty<M>>,
}

/// Prepares, runs and judges; the calls that it made.
pub(super) async fn run<M: Model>(
    world: &Shared<M>,
    scenario: &Scenario,
    case: &Case,
) -> Result<Vec<Kind>, String> {
    let (interrupt, mut interruptions) = mpsc::channel(1);
    let api = Faulty { world: Arc::clone(world), crash: Arc::new(Notify::new()), interrupt };
    let tenant = TenantId::new(TENANT).map_err(|error| error.to_string())?;
    let name = ProviderName::new(M::NAME).map_err(|error| error.to_string())?;
    let alone = Alone {
        world: Arc::clone(world),
        clock: Arc::new(TokioClock::starting_at(Timestamp::UNIX_EPOCH)),
        subject: Subject {
            engine: "engine".into(),
            provider: name.clone(),
            tenant,
            incarnation: Incarnation(1),
        },
        provider: Converge::new(name, api, |_, _| Vec::new()),
    };
    let cancel = CancellationToken::new();
    let cancels = cancel.clone();
    let interrupting = tokio::spawn(async move {
        while let Some(done) = interruptions.recv().await {
            cancels.cancel();
            // It waits for nothing else.
            let _ = done.send(());
        }
    });
    let done = tokio::time::timeout(PATIENCE, alone.whole(scenario, case, cancel)).await;
    interrupting.abort();
    done.unwrap_or_else(|_| Err("stuck".to_owned()))
}

impl<M: Model> Alone<M> {
    async fn whole(
        &self,
        scenario: &Scenario,
        case: &Case,
        cancel: CancellationToken,
    ) -> Result<Vec<Kind>, String> {
        let before = scenario.operation.applied.as_ref();
        if let Some(spec) = before {
            let provision = Ask::Provision(spec.clone());
            let prepared = self.method(&provision, None, CancellationToken::new()).await;
            prepared.map_err(|error| format!("the preparation failed: {error}"))?;
        }
        lock(&self.world).begin(case);
        let (applied, rollout) =
            match (self.method(&scenario.operation.ask, before, cancel).await, &scenario.operation.ask) {
                (Ok(()), Ask::Provision(spec) | Ask::Update(spec)) => (Some(spec.clone()), FIRST),
                (Ok(()), Ask::Restart) => (before.cloned(), RESTARTED),
                (Ok(()), Ask::Destroy) => (None, FIRST),
                // A destroy that failed may be called again, and has to be.
                (Err(_), Ask::Destroy) => self.insist().await.map(|()| (None, FIRST))?,
                // All else was undone before it returned.
                (Ok(()), Ask::Repair)
                | (Err(_), Ask::Provision(_) | Ask::Update(_) | Ask::Restart | Ask::Repair) => {
                    (before.cloned(), FIRST)
                }
            };
        let calls = lock(&self.world).calls.clone();
        // Late effects must have happened before the platform is judged.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let ledger = lock(&self.world).ledger();
        let runs = (applied.as_ref(), rollout);
        judge(&self.world, &self.provider, &self.subject, &self.clock, runs, ledger).await?;
        Ok(calls)
    }

    async fn insist(&self) -> Result<(), String> {
        for _ in 0..AGAIN.0 {
            match self.method(&Ask::Destroy, None, CancellationToken::new()).await {
                Ok(()) => return Ok(()),
                Err(_) => tokio::time::sleep(AGAIN.1).await,
            }
        }
        Err("stuck: a destroy does not end".to_owned())
    }

    /// Calls one method with the ledger that is kept.
    async fn method(
        &self,
        ask: &Ask,
        applied: Option<&Spec>,
        cancel: CancellationToken,
    ) -> Result<(), ProviderError> {
        let journal = Arc::new(Kept(Arc::clone(&self.world)));
        let ledger = lock(&self.world).ledger();
        let mut cx = Context::journaled(self.subject.clone(), Arc::clone(&self.clock), ledger, journal);
        cx.undo = UndoBy::Provider;
        cx.cancel = cancel;
        cx.applied = applied.cloned();
        lock(&self.world).listen(None);
        let result = match (ask, applied) {
            (Ask::Provision(spec), _) | (Ask::Repair, Some(spec)) => {
                self.provider.provision(&cx, spec).await.map(drop)
            }
            (Ask::Update(spec), _) => self.provider.update(&cx, spec).await.map(drop),
            (Ask::Restart, Some(spec)) => {
                cx.rollout = RESTARTED;
                self.provider.update(&cx, spec).await.map(drop)
            }
            (Ask::Destroy, _) | (Ask::Restart | Ask::Repair, None) => self.provider.destroy(&cx).await,
        };
        lock(&self.world).story.tell(|| format!("{ask:?} ended: {result:?}"));
        result
    }
}
