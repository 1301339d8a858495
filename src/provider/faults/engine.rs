//! The least that behaves like the engine: one operation, tried again, restarted after a crash, undone.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{Incarnation, ProviderName, TenantId};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::planner::{CallError, Planner, Subject};
use landlord_state_machines::spec::Spec;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Ask, Breach, By, Fault, Interrupt, Model, Scenario};
use crate::clock::{Clock, TokioClock};
use crate::provider::converge::{Api, Converge};
use crate::provider::{CheckpointError, Context, Journal, UndoBy};

/// How often a method is tried before the operation is undone, and an undo or destroy before it counts as stuck.
const ATTEMPTS: (usize, usize) = (4, 8);
/// From a failed try to the next.
const BACKOFF: Duration = Duration::from_secs(1);
/// How much later a call without an answer happens: within the time that a planner has to allow for.
const LATE: SignedDuration = SignedDuration::from_millis(600);
/// Simulated time after which an operation counts as stuck.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Which of a scenario's cases: where it is interrupted, and what goes wrong at which call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// The call at which the interruption arrives.
    pub interrupted_at: Option<usize>,
    /// The calls that go wrong, counted from 0 after the preparation.
    pub faults: Vec<(usize, Fault)>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(call) = self.interrupted_at {
            write!(f, "interrupted at call {call}, ")?;
        }
        match self.faults.is_empty() {
            true => f.write_str("without faults"),
            false => write!(f, "with {:?}", self.faults),
        }
    }
}

/// A case that kept all promises.
pub(super) struct Run {
    /// The API calls it made.
    pub(super) calls: usize,
}

/// Runs one case on a runtime and a clock of its own. A case that breaks a promise is run again for its story.
pub(super) fn run<M: Model>(
    platform: &impl Fn() -> M,
    scenario: &Scenario,
    case: Case,
) -> Result<Run, Box<Breach>> {
    run_once(platform(), scenario, &case, Story::Untold)
        .or_else(|_| run_once(platform(), scenario, &case, Story::Told(Vec::new())))
        .map_err(|(what, story)| Box::new(Breach { scenario: scenario.name, case, what, story }))
}

fn run_once<M: Model>(
    platform: M,
    scenario: &Scenario,
    case: &Case,
    story: Story,
) -> Result<Run, (String, Vec<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| (error.to_string(), Vec::new()))?;
    runtime.block_on(async {
        let engine = Engine::new(platform, scenario, story).map_err(|what| (what, Vec::new()))?;
        let done = tokio::time::timeout(PATIENCE, engine.whole(scenario, case)).await;
        let done = done.unwrap_or_else(|_| Err("stuck".to_owned()));
        let world = engine.world();
        match (done, &world.story) {
            (Ok(()), Story::Untold | Story::Told(_)) => Ok(Run { calls: world.calls }),
            (Err(what), Story::Untold) => Err((what, Vec::new())),
            (Err(what), Story::Told(lines)) => Err((what, lines.clone())),
        }
    })
}

/// What happened, a line each; telling it takes longer than the rest.
enum Story {
    Untold,
    Told(Vec<String>),
}

impl Story {
    fn tell(&mut self, line: impl FnOnce() -> String) {
        match self {
            Self::Untold => {}
            Self::Told(lines) => lines.push(line()),
        }
    }
}

/// What survives a crash of the engine, and what goes wrong.
struct World<M: Model> {
    platform: M,
    durable: Option<Arc<Ledger>>,
    /// What `durable` says.
    known: <M::Planner as Planner>::Facts,
    calls: usize,
    case: Case,
    /// Calls without an answer that still happen.
    late: Vec<(Timestamp, <M::Planner as Planner>::Call)>,
    cancel: CancellationToken,
    crashed: bool,
    story: Story,
    breach: Option<String>,
}

type Shared<M> = Arc<Mutex<World<M>>>;

fn lock<M: Model>(world: &Shared<M>) -> MutexGuard<'_, World<M>> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: Model> World<M> {
    /// Lets happen what was late.
    fn catch_up(&mut self, subject: &Subject, now: Timestamp) {
        let (due, late) = std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= now);
        self.late = late;
        for (_, call) in due {
            self.story.tell(|| format!("late: {call:?}"));
            // Nobody hears the answer.
            let _ = self.platform.answer(subject, &call, now);
        }
    }

    /// I1: the durable ledger already says what a write is about to do, so noting it again changes nothing.
    fn check_intent(&mut self, call: &<M::Planner as Planner>::Call, now: Timestamp) {
        let mut noted = self.known.clone();
        M::Planner::intend(&mut noted, call, now);
        if noted != self.known {
            self.breach = Some(format!("I1: {call:?} went out before its intent was durable"));
        }
    }
}

/// The platform's API, going wrong as the case says.
struct Faulty<M: Model> {
    world: Shared<M>,
    crash: Arc<Notify>,
}

impl<M: Model> Api for Faulty<M> {
    type Planner = M::Planner;

    async fn call(
        &self,
        cx: &Context,
        call: &<M::Planner as Planner>::Call,
    ) -> Result<<M::Planner as Planner>::Reply, CallError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let answer = self.answer(cx, call);
        match answer {
            Some(answer) => answer,
            None => {
                self.crash.notify_one();
                std::future::pending().await
            }
        }
    }
}

impl<M: Model> Faulty<M> {
    /// `None`: the engine has crashed, nobody is there to hear it.
    fn answer(
        &self,
        cx: &Context,
        call: &<M::Planner as Planner>::Call,
    ) -> Option<Result<<M::Planner as Planner>::Reply, CallError>> {
        let now = cx.now();
        let mut world = lock(&self.world);
        if world.crashed {
            return None;
        }
        let subject = &cx.subject;
        world.catch_up(subject, now);
        world.check_intent(call, now);
        let index = world.calls;
        world.calls += 1;
        if world.case.interrupted_at == Some(index) {
            world.story.tell(|| "interrupted".to_owned());
            world.cancel.cancel();
        }
        let fault = world.case.faults.iter().find(|(at, _)| *at == index).map(|(_, fault)| *fault);
        let refused = |remedy| Err(CallError::Refused(simulated(remedy, "refused")));
        let lost = || Err(CallError::Unknown(simulated(Remedy::Retry, "no answer")));
        let mut really = || world.platform.answer(subject, call, now).map_err(CallError::Refused);
        let answer = match fault {
            None => Some(really()),
            Some(Fault::Refused) => Some(refused(Remedy::Retry)),
            Some(Fault::RefusedForGood) => Some(refused(Remedy::Permanent)),
            Some(Fault::RefusedAfter) => Some(really().and(refused(Remedy::Retry))),
            Some(Fault::Lost) => Some(lost()),
            Some(Fault::LostAfter) => Some(really().and(lost())),
            Some(Fault::LostThenLate) => {
                let at = now.saturating_add(LATE).unwrap_or(Timestamp::MAX);
                world.late.push((at, call.clone()));
                Some(lost())
            }
            Some(Fault::Crash) => None,
            Some(Fault::CrashAfter) => {
                // Nobody hears the answer.
                let _ = really();
                None
            }
        };
        world.crashed = answer.is_none();
        world.story.tell(|| format!("{index} {fault:?}: {call:?} -> {answer:?}"));
        answer
    }
}

fn simulated(remedy: Remedy, message: &str) -> ProviderError {
    ProviderError::new(ErrorKind::ProvisionFailed, remedy, ErrorCode::ProviderUnavailable, message)
}

struct Store<M: Model>(Shared<M>);

#[async_trait]
impl<M: Model> Journal for Store<M> {
    async fn write(&self, ledger: Arc<Ledger>, step: &str) -> Result<(), CheckpointError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut world = lock(&self.0);
        world.story.tell(|| format!("stored ({step}): {}", ledger.facts.get()));
        match serde_json::from_str(ledger.facts.get()) {
            Ok(facts) => world.known = facts,
            Err(error) => world.breach = Some(format!("a ledger does not read back: {error}")),
        }
        world.durable = Some(ledger);
        Ok(())
    }
}

/// How a method ended.
enum End {
    Ok,
    Failed(ProviderError),
    Crashed,
}

struct Engine<M: Model> {
    world: Shared<M>,
    crash: Arc<Notify>,
    clock: Arc<dyn Clock>,
    subject: Subject,
    provider: Converge<Faulty<M>>,
    undo: UndoBy,
}

impl<M: Model> Engine<M> {
    fn new(platform: M, scenario: &Scenario, story: Story) -> Result<Self, String> {
        let world = Arc::new(Mutex::new(World {
            platform,
            durable: None,
            known: Default::default(),
            calls: 0,
            case: Case { interrupted_at: None, faults: Vec::new() },
            late: Vec::new(),
            cancel: CancellationToken::new(),
            crashed: false,
            story,
            breach: None,
        }));
        let crash = Arc::new(Notify::new());
        let api = Faulty { world: Arc::clone(&world), crash: Arc::clone(&crash) };
        let tenant = TenantId::new("acme").map_err(|error| error.to_string())?;
        let name = ProviderName::new("model").map_err(|error| error.to_string())?;
        Ok(Self {
            world,
            crash,
            clock: Arc::new(TokioClock::starting_at(Timestamp::UNIX_EPOCH)),
            subject: Subject { engine: "engine".into(), tenant, incarnation: Incarnation(1) },
            provider: Converge::new(name, api, |_, _| Vec::new()),
            undo: match scenario.by {
                By::Engine => UndoBy::Engine,
                By::Alone => UndoBy::Provider,
            },
        })
    }

    fn world(&self) -> MutexGuard<'_, World<M>> {
        lock(&self.world)
    }

    /// Prepares, runs and judges.
    async fn whole(&self, scenario: &Scenario, case: &Case) -> Result<(), String> {
        if let Some(spec) = &scenario.applied {
            match self.method(&Ask::Provision(spec.clone()), None, CancellationToken::new()).await {
                End::Ok => {}
                End::Failed(error) => return Err(format!("the preparation failed: {error}")),
                End::Crashed => return Err("the preparation crashed".to_owned()),
            }
        }
        {
            let mut world = self.world();
            world.calls = 0;
            world.case = case.clone();
        }
        let applied = match scenario.by {
            By::Engine => self.operation(scenario).await?,
            By::Alone => {
                let cancel = self.world().cancel.clone();
                match self.method(&scenario.ask, scenario.applied.as_ref(), cancel).await {
                    End::Ok => wants(&scenario.ask),
                    End::Failed(_) | End::Crashed => self.after_alone(scenario).await?,
                }
            }
        };
        let calls = self.world().calls;
        // What could still turn up has to have been waited for.
        tokio::time::sleep(Duration::from_secs(60)).await;
        self.judge(applied.as_ref()).await?;
        self.world().calls = calls;
        Ok(())
    }

    /// A destroy that failed may be called again, and has to be; all else was undone before it returned.
    async fn after_alone(&self, scenario: &Scenario) -> Result<Option<Spec>, String> {
        match scenario.ask {
            Ask::Destroy => self.insist(&Ask::Destroy, None).await.map(|()| None),
            Ask::Provision(_) | Ask::Update(_) => Ok(scenario.applied.clone()),
        }
    }

    /// Runs the operation until it settles; what is applied then.
    async fn operation(&self, scenario: &Scenario) -> Result<Option<Spec>, String> {
        let before = scenario.applied.as_ref();
        let done = match scenario.ask {
            Ask::Provision(_) | Ask::Update(_) => self.attempts(&scenario.ask, before).await,
            Ask::Destroy => self.insist(&Ask::Destroy, None).await.map(|()| true)?,
        };
        let applied = match (self.interrupted(scenario), done) {
            (Some(Interrupt::Destroy), true | false) => before.cloned(),
            (Some(Interrupt::Cancel), true | false) | (None, false) => self.undo(before).await?,
            (None, true) => wants(&scenario.ask),
        };
        // Asked again: a destroy can also arrive during the undo. A cancel joins it.
        match self.interrupted(scenario) {
            Some(Interrupt::Destroy) => self.insist(&Ask::Destroy, None).await.map(|()| None),
            Some(Interrupt::Cancel) | None => Ok(applied),
        }
    }

    fn interrupted(&self, scenario: &Scenario) -> Option<Interrupt> {
        scenario.interrupt.filter(|_| self.world().cancel.is_cancelled())
    }

    /// Tries a method as often as the engine does; whether it worked.
    async fn attempts(&self, ask: &Ask, before: Option<&Spec>) -> bool {
        for _ in 0..ATTEMPTS.0 {
            if self.world().cancel.is_cancelled() {
                return false;
            }
            let cancel = self.world().cancel.clone();
            match self.method(ask, before, cancel).await {
                End::Ok => return true,
                End::Crashed => {}
                End::Failed(error) => match error.remedy {
                    Remedy::Retry => tokio::time::sleep(BACKOFF).await,
                    Remedy::Permanent | Remedy::NeedsPerson => return false,
                },
            }
        }
        false
    }

    /// Back to what ran before.
    async fn undo(&self, before: Option<&Spec>) -> Result<Option<Spec>, String> {
        match before {
            Some(spec) => self.insist(&Ask::Update(spec.clone()), Some(spec)).await?,
            None => self.insist(&Ask::Destroy, None).await?,
        }
        Ok(before.cloned())
    }

    /// Tries until it works.
    async fn insist(&self, ask: &Ask, before: Option<&Spec>) -> Result<(), String> {
        for _ in 0..ATTEMPTS.1 {
            match self.method(ask, before, CancellationToken::new()).await {
                End::Ok => return Ok(()),
                End::Crashed => {}
                End::Failed(_) => tokio::time::sleep(BACKOFF).await,
            }
        }
        Err("stuck: an undo or a destroy does not end".to_owned())
    }

    /// Calls one method from what is durable. A crash drops it, as it drops everything in memory.
    async fn method(&self, ask: &Ask, applied: Option<&Spec>, cancel: CancellationToken) -> End {
        let mut cx = self.context();
        cx.cancel = cancel;
        cx.applied = applied.cloned();
        let method = async {
            match ask {
                Ask::Provision(spec) => self.provider.provision(&cx, spec).await.map(drop),
                Ask::Update(spec) => self.provider.update(&cx, spec).await.map(drop),
                Ask::Destroy => self.provider.destroy(&cx).await,
            }
        };
        self.world().story.tell(|| format!("{} begins", name(ask)));
        let end = tokio::select! {
            result = method => match result {
                Ok(()) => End::Ok,
                Err(error) => End::Failed(error),
            },
            () = self.crash.notified() => End::Crashed,
        };
        let mut world = self.world();
        world.crashed = false;
        world.story.tell(|| match &end {
            End::Ok => format!("{} done", name(ask)),
            End::Failed(error) => format!("{} failed: {error}", name(ask)),
            End::Crashed => "the engine crashed".to_owned(),
        });
        end
    }

    fn context(&self) -> Context {
        let world = self.world();
        let journal: Arc<dyn Journal> = Arc::new(Store(Arc::clone(&self.world)));
        let mut cx =
            Context::journaled(self.subject.clone(), Arc::clone(&self.clock), world.durable.clone(), journal);
        cx.undo = self.undo;
        cx
    }

    /// I1, I3, and that the ledger and the platform say the same.
    async fn judge(&self, applied: Option<&Spec>) -> Result<(), String> {
        let now = self.clock.now();
        {
            let mut world = self.world();
            world.case.faults.clear();
            world.catch_up(&self.subject, now);
            if let Some(breach) = &world.breach {
                return Err(breach.clone());
            }
            world
                .platform
                .holds_exactly(&self.subject, applied, now)
                .map_err(|what| format!("I3: {what}"))?;
        }
        let known = M::Planner::holdings(&self.world().known).resources;
        let bare = Context::alone(self.subject.clone(), Arc::clone(&self.clock));
        let seen = self.provider.holdings(&bare).await.map_err(|error| error.to_string())?;
        match known == seen.resources {
            true => Ok(()),
            false => Err(format!("the ledger says {known:?}, the platform {:?}", seen.resources)),
        }
    }
}

/// What runs once this has worked.
fn wants(ask: &Ask) -> Option<Spec> {
    match ask {
        Ask::Provision(spec) | Ask::Update(spec) => Some(spec.clone()),
        Ask::Destroy => None,
    }
}

fn name(ask: &Ask) -> &'static str {
    match ask {
        Ask::Provision(_) => "provision",
        Ask::Update(_) => "update",
        Ask::Destroy => "destroy",
    }
}
