//! One method call: asks the planner, makes its calls, keeps its facts.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{Epoch, ProviderName};
use landlord_state_machines::ledger::{Ledger, Waiting};
use landlord_state_machines::planner::{Act, CallError, Goal, Holdings, Kind, Next, Planner};
use landlord_state_machines::status::ComputeState;
use tracing::Instrument;

use super::waits::Waits;
use super::{Api, Until};
use crate::provider::{CheckpointError, Context, UndoBy};

/// A call, and whether it had its turn.
type Turned<'t, C> = (&'t Act<C>, Result<(), CallError>);

/// How often a planner may be asked for one method call; one that asks for more goes round in circles.
const MAX_ROUNDS: u32 = 100_000;

/// How often the writes of a round are noted at most, where the store takes long each time.
const NOTED: u32 = 3;

type Facts<A> = <<A as Api>::Planner as Planner>::Facts;
type Call<A> = <<A as Api>::Planner as Planner>::Call;
type Reply<A> = <<A as Api>::Planner as Planner>::Reply;

/// Why a drive ended before its goal.
pub(super) enum Halt {
    /// The planner or the platform says that it cannot be reached.
    Failed(ProviderError),
    /// Somebody wants it to stop.
    Cancelled,
    /// The deadline has passed.
    Late,
    /// The ledger can no longer be stored: no further call, no undo.
    NotStored(CheckpointError),
    /// The engine's lease ended: no further call, no undo. What went wrong meanwhile says nothing, and is as after a crash.
    Lapsed,
}

impl Halt {
    pub(super) fn into_error(self, kind: ErrorKind) -> ProviderError {
        match self {
            Self::Failed(error) => error,
            Self::Cancelled => ProviderError::new(
                kind,
                Remedy::Retry,
                ErrorCode::UnknownError,
                "cancelled before it was done",
            ),
            Self::Late => ProviderError::new(
                kind,
                Remedy::Retry,
                ErrorCode::ProviderTimeout,
                "its deadline passed before it was done",
            ),
            Self::NotStored(error) => {
                ProviderError::new(kind, Remedy::Retry, ErrorCode::UnknownError, error.to_string())
                    .with_source(error)
            }
            Self::Lapsed => ProviderError::new(
                kind,
                Remedy::Retry,
                ErrorCode::ProviderUnavailable,
                "this engine could not renew its lease in the store, so that another one may have the tenant; nothing more is asked",
            ),
        }
    }
}

/// The facts of one method call, and what it has done so far.
pub(super) struct Drive<'a, A: Api> {
    api: &'a A,
    provider: &'a ProviderName,
    cx: &'a Context,
    pub(super) facts: Facts<A>,
    stored: Facts<A>,
    waits: Waits,
    /// The steps that wrote, each once.
    pub(super) written: Vec<&'static str>,
    /// Whether something ran before the first write.
    pub(super) found_running: bool,
}

impl<'a, A: Api> Drive<'a, A> {
    /// Starts from the ledger.
    pub(super) fn load(
        api: &'a A,
        provider: &'a ProviderName,
        cx: &'a Context,
    ) -> Result<Self, ProviderError> {
        let ledger = cx.ledger();
        let stored = match &ledger {
            None => Facts::<A>::default(),
            Some(ledger) => read::<A::Planner>(ledger)?,
        };
        let mut facts = stored.clone();
        if let (Some(ledger), Some(engine)) = (ledger, cx.engine())
            && ledger.engine != Some(engine)
        {
            A::Planner::taken_over(&mut facts, cx.now());
        }
        let (waits, written) = (Waits::default(), Vec::new());
        Ok(Self { api, provider, cx, facts, stored, waits, written, found_running: false })
    }

    /// Asks and acts until the goal is reached.
    pub(super) async fn run(&mut self, goal: Goal<'_>, until: Until) -> Result<(), Halt> {
        A::Planner::stale(&mut self.facts);
        let result = self.rounds(goal, until).await;
        match (&result, goal) {
            // What reads found is kept too. A status stores nothing; after a failed checkpoint nothing can be stored.
            (
                Ok(()) | Err(Halt::Failed(_) | Halt::Cancelled | Halt::Late),
                Goal::Present { .. } | Goal::Absent,
            ) => {
                self.store("settle").await?;
            }
            (Err(Halt::NotStored(_) | Halt::Lapsed), Goal::Present { .. } | Goal::Absent)
            | (Ok(()) | Err(_), Goal::Known) => {}
        }
        result
    }

    async fn rounds(&mut self, goal: Goal<'_>, until: Until) -> Result<(), Halt> {
        for _ in 0..MAX_ROUNDS {
            self.may_go_on(until)?;
            match A::Planner::next(&self.cx.subject, goal, &self.facts, self.cx.now()) {
                Next::Done => return Ok(()),
                Next::Fail(error) => return Err(Halt::Failed(error)),
                Next::Wait { until: due, why, so_far } => {
                    tracing::debug!(tenant_id = %self.cx.subject.tenant, %due, so_far, "waits until {why}");
                    self.tell(why, so_far, due).await?;
                    self.sleep(due, until).await;
                    A::Planner::stale(&mut self.facts);
                }
                Next::Do(acts) => self.act(&acts).await?,
            }
        }
        Err(Halt::Failed(no_end()))
    }

    /// Asks and reads until something would be written or waited for, and says what. Stores nothing.
    pub(super) async fn first_steps(&mut self, goal: Goal<'_>) -> Result<BTreeSet<String>, Halt> {
        A::Planner::stale(&mut self.facts);
        for _ in 0..MAX_ROUNDS {
            self.may_go_on(Until::Stopped)?;
            match A::Planner::next(&self.cx.subject, goal, &self.facts, self.cx.now()) {
                Next::Done => return Ok(BTreeSet::new()),
                Next::Wait { why, .. } => return Ok(BTreeSet::from([format!("wait until {why}")])),
                Next::Fail(error) => return Err(Halt::Failed(error)),
                Next::Do(acts) => {
                    let writes =
                        acts.iter().filter(|act| act.kind == Kind::Write).map(|act| act.step.to_owned());
                    let writes: BTreeSet<String> = writes.collect();
                    if !writes.is_empty() {
                        return Ok(writes);
                    }
                    self.act(&acts).await?;
                }
            }
        }
        Err(Halt::Failed(no_end()))
    }

    /// Makes calls that do not depend on each other.
    async fn act(&mut self, acts: &[Act<Call<A>>]) -> Result<(), Halt> {
        let before = self.facts.clone();
        let turns = join_all(acts.iter().map(|act| self.turn(act))).await;
        let acts: Vec<Turned<'_, Call<A>>> = acts.iter().zip(turns).collect();
        let writes = || acts.iter().filter(|(act, turn)| act.kind == Kind::Write && turn.is_ok());
        let step = writes().next().map(|(act, _)| act.step);
        if let Some(step) = step {
            if self.written.is_empty() {
                self.found_running = runs::<A::Planner>(&self.facts);
            }
            for (act, _) in writes() {
                if !self.written.contains(&act.step) {
                    self.written.push(act.step);
                }
            }
            self.waits.end();
            // What took long to become durable is noted anew.
            for _ in 0..NOTED {
                let now = self.cx.now();
                writes().for_each(|(act, _)| A::Planner::intend(&mut self.facts, &act.call, now));
                if self.facts == self.stored {
                    break;
                }
                self.store(step).await?;
            }
        }
        let replies = join_all(acts.iter().map(async |(act, turn)| match turn {
            Ok(()) => self.call(act).await,
            Err(error) => Ok(Err(error.clone())),
        }))
        .await;
        let now = self.cx.now();
        let replies = replies.into_iter().collect::<Result<Vec<_>, Halt>>()?;
        for ((act, _), reply) in acts.iter().zip(replies) {
            A::Planner::learn(&mut self.facts, &act.call, reply, now);
        }
        if let Some(step) = step {
            self.store(step).await?;
        }
        if self.facts == before {
            let steps: Vec<&str> = acts.iter().map(|(act, _)| act.step).collect();
            return Err(Halt::Failed(defect(format!(
                "the plan acts without getting further: {}",
                steps.join(", ")
            ))));
        }
        Ok(())
    }

    /// A read waits within its call.
    async fn turn(&self, act: &Act<Call<A>>) -> Result<(), CallError> {
        match act.kind {
            Kind::Read => Ok(()),
            Kind::Write => self.api.turn(self.cx, &act.call).await,
        }
    }

    /// Makes a call while the engine's lease holds. An error after its end is no answer of the platform.
    async fn call(&self, act: &Act<Call<A>>) -> Result<Result<Reply<A>, CallError>, Halt> {
        let span = tracing::info_span!("step", step = act.step);
        let tenant_id = &self.cx.subject.tenant;
        let provider = self.provider;
        async {
            let Some(term) = self.cx.term() else { return Err(Halt::Lapsed) };
            let reply = self.api.call(self.cx, &act.call).await;
            if reply.is_err() && self.cx.term() != Some(term) {
                return Err(Halt::Lapsed);
            }
            match (&reply, act.kind) {
                (Ok(_), Kind::Write) => tracing::info!(%tenant_id, %provider, step = act.step, "done"),
                (Ok(_), Kind::Read) => tracing::debug!(%tenant_id, %provider, step = act.step, "done"),
                (Err(CallError::Refused(error)), Kind::Read | Kind::Write) => match error.remedy {
                    Remedy::Retry => {
                        tracing::warn!(%tenant_id, %provider, step = act.step, %error, "refused");
                    }
                    Remedy::Permanent | Remedy::NeedsPerson => {
                        tracing::error!(%tenant_id, %provider, step = act.step, %error, "refused");
                    }
                },
                (Err(CallError::Unknown(error)), Kind::Read | Kind::Write) => {
                    tracing::warn!(%tenant_id, %provider, step = act.step, %error, "no answer; it may have happened");
                }
            }
            Ok(reply)
        }
        .instrument(span)
        .await
    }

    /// Makes the facts durable, unless they are.
    async fn store(&mut self, step: &str) -> Result<(), Halt> {
        if self.facts == self.stored {
            return Ok(());
        }
        self.keep(None, step).await
    }

    /// Makes durable what is waited for, where that is worth it, so that whoever looks at the tenant sees it.
    async fn tell(&mut self, why: &'static str, so_far: Option<String>, due: Timestamp) -> Result<(), Halt> {
        // Nobody looks at a use of the provider that is not part of an operation.
        let Some(work) = self.cx.work else { return Ok(()) };
        match self.waits.tell(work.call, why, so_far, self.cx.now(), due) {
            Some(waiting) => self.keep(Some(waiting), why).await,
            None => Ok(()),
        }
    }

    async fn keep(&mut self, waits: Option<Waiting>, step: &str) -> Result<(), Halt> {
        let ledger = write::<A::Planner>(&self.facts, waits, self.cx.engine()).map_err(Halt::Failed)?;
        self.cx.checkpoint(ledger, step).await.map_err(Halt::NotStored)?;
        self.stored = self.facts.clone();
        Ok(())
    }

    fn may_go_on(&self, until: Until) -> Result<(), Halt> {
        match until {
            Until::Reached => Ok(()),
            Until::Stopped if self.cx.cancel.is_cancelled() => Err(Halt::Cancelled),
            Until::Stopped if self.own_deadline().is_some_and(|deadline| self.cx.now() >= deadline) => {
                Err(Halt::Late)
            }
            Until::Stopped => Ok(()),
        }
    }

    /// The deadline, unless the engine sees to it.
    fn own_deadline(&self) -> Option<Timestamp> {
        match self.cx.undo {
            UndoBy::Provider => self.cx.deadline,
            UndoBy::Engine => None,
        }
    }

    /// Waits until then, or until the tenant is seen to have changed.
    async fn sleep(&self, due: Timestamp, until: Until) {
        let due = match until {
            Until::Reached => due,
            Until::Stopped => self.own_deadline().map_or(due, |deadline| due.min(deadline)),
        };
        let stopped = async {
            match until {
                Until::Reached => pending().await,
                Until::Stopped => self.cx.cancel.cancelled().await,
            }
        };
        tokio::select! {
            () = stopped => {}
            () = self.cx.changed() => {}
            () = tokio::time::sleep(self.pause(due)) => {}
        }
    }

    /// How long until then, and at least a millisecond, so that a planner that waits for a time in the past cannot
    /// spin.
    fn pause(&self, due: Timestamp) -> Duration {
        let pause = Duration::try_from(due.duration_since(self.cx.now())).unwrap_or(Duration::ZERO);
        pause.max(Duration::from_millis(1))
    }
}

/// Whether anything of the tenant runs, as far as the facts say.
fn runs<P: Planner>(facts: &P::Facts) -> bool {
    P::report(facts).is_some_and(|report| {
        report.containers.iter().any(|container| match container.state {
            ComputeState::Running | ComputeState::Starting | ComputeState::Unknown => true,
            ComputeState::Stopped | ComputeState::Stopping | ComputeState::Failed => false,
        })
    })
}

fn read<P: Planner>(ledger: &Ledger) -> Result<P::Facts, ProviderError> {
    if ledger.version > P::LEDGER_VERSION {
        return Err(unreadable(format!(
            "the tenant's ledger has version {}, this provider reads up to {}; use the newer landlord that wrote it",
            ledger.version,
            P::LEDGER_VERSION
        )));
    }
    serde_json::from_str(ledger.facts.get()).map_err(|error| {
        unreadable(format!("the tenant's ledger cannot be read: {error}")).with_source(error)
    })
}

fn write<P: Planner>(
    facts: &P::Facts,
    waits: Option<Waiting>,
    engine: Option<Epoch>,
) -> Result<Ledger, ProviderError> {
    let Holdings { resources, endpoints } = P::holdings(facts);
    let facts = serde_json::value::to_raw_value(facts)
        .map_err(|error| defect(format!("the ledger cannot be written: {error}")).with_source(error))?;
    Ok(Ledger { version: P::LEDGER_VERSION, resources, endpoints, waits, engine, facts })
}

fn unreadable(message: String) -> ProviderError {
    ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::NeedsPerson,
        ErrorCode::InvalidConfiguration,
        message,
    )
}

fn no_end() -> ProviderError {
    defect(format!("the plan did not end within {MAX_ROUNDS} rounds"))
}

/// A planner that is wrong.
fn defect(message: String) -> ProviderError {
    ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::NeedsPerson,
        ErrorCode::UnknownError,
        format!("{message}; this is a defect of the provider"),
    )
}
