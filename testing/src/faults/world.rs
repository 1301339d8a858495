//! What survives a crash of the engine, and what goes wrong: the platform behind an API that fails as a case says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::OperationId;
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::planner::{CallError, Kind, Planner, Subject};
use tokio::sync::{Notify, mpsc, oneshot};

use super::echo::{Echo, Heard};
use super::{Case, Fault, Model};
use landlord_compute::provider::converge::Api;
use landlord_compute::provider::{Context, Work};

/// For how long an answer may be heard again. No transport keeps one while a planner waits out what became of a write.
const ECHOES: SignedDuration = SignedDuration::from_secs(2);
/// How long a platform that has too much to do asks to be left alone.
const LEFT_ALONE: SignedDuration = SignedDuration::from_secs(7);

/// What happened, a line each. Kept only when a case is repeated: formatting takes longer than the case itself.
pub(super) enum Story {
    Untold,
    Told(Vec<String>),
}

impl Story {
    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        match self {
            Self::Untold => {}
            Self::Told(lines) => lines.push(line()),
        }
    }
}

pub(super) type CallOf<M> = <<M as Model>::Planner as Planner>::Call;
pub(super) type ReplyOf<M> = <<M as Model>::Planner as Planner>::Reply;
/// A call with its answer.
type AnsweredBy<M> = (CallOf<M>, ReplyOf<M>);
type FactsOf<M> = <<M as Model>::Planner as Planner>::Facts;
type HeardBy<M> = Heard<CallOf<M>, ReplyOf<M>>;

/// The platform, what is durable, and what goes wrong.
pub(super) struct World<M: Model> {
    pub(super) platform: M,
    /// The ledger that is durable.
    ledger: Option<Arc<Ledger>>,
    /// Which calls were made since the case began.
    pub(super) calls: Vec<Kind>,
    faults: Vec<(usize, Fault)>,
    /// The call that is interrupted.
    interrupted_at: Option<usize>,
    /// Calls without an answer that still happen.
    late: Vec<(Timestamp, CallOf<M>)>,
    /// An answer that is heard again with the next one, by the method that heard it first.
    echo: Option<(Timestamp, AnsweredBy<M>)>,
    /// The method call that listens, where the engine makes it.
    listens: Option<Work>,
    /// The platform as it was, which is what looks see until then.
    behind: Option<(M, Timestamp)>,
    /// When the platform asked to be left alone, and until when.
    left_alone: Option<(Timestamp, Timestamp)>,
    /// Calls that went out while it had.
    pub(super) hasty: Vec<String>,
    /// The operations that began.
    pub(super) opened: Vec<OperationId>,
    /// Whoever would make a call now is dead.
    pub(super) crashed: bool,
    pub(super) story: Story,
    pub(super) breach: Option<String>,
}

pub(super) type Shared<M> = Arc<Mutex<World<M>>>;

/// Everybody who has to do with a case looks at this.
pub(super) fn lock<M: Model>(world: &Shared<M>) -> MutexGuard<'_, World<M>> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: Model> World<M> {
    pub(super) fn new(story: Story) -> Self {
        Self {
            platform: M::default(),
            ledger: None,
            calls: Vec::new(),
            faults: Vec::new(),
            interrupted_at: None,
            late: Vec::new(),
            echo: None,
            listens: None,
            behind: None,
            left_alone: None,
            hasty: Vec::new(),
            opened: Vec::new(),
            crashed: false,
            story,
            breach: None,
        }
    }

    /// From now on it goes as `case` says.
    pub(super) fn begin(&mut self, case: &Case) {
        self.calls.clear();
        self.faults.clone_from(&case.faults);
        self.interrupted_at = case.interrupted_at;
    }

    /// Whether the interruption of this case came; the operation may have ended before.
    pub(super) fn was_interrupted(&self, case: &Case) -> bool {
        case.interrupted_at.is_some() && self.interrupted_at.is_none()
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn calm(&mut self, subject: &Subject, now: Timestamp) {
        self.faults.clear();
        self.interrupted_at = None;
        self.echo = None;
        self.behind = None;
        self.left_alone = None;
        self.catch_up(subject, now);
    }

    /// What is durable now.
    pub(super) fn store(&mut self, ledger: Option<Arc<Ledger>>) {
        if self.ledger != ledger {
            self.story.tell(|| match &ledger {
                Some(ledger) => format!("stored: {}", ledger.facts.get()),
                None => "stored: nothing".to_owned(),
            });
            self.ledger = ledger;
        }
    }

    /// The ledger that is durable.
    pub(super) fn ledger(&self) -> Option<Arc<Ledger>> {
        self.ledger.clone()
    }

    /// What the durable ledger says.
    pub(super) fn known(&self) -> Result<FactsOf<M>, String> {
        match &self.ledger {
            None => Ok(Default::default()),
            Some(ledger) => serde_json::from_str(ledger.facts.get())
                .map_err(|error| format!("a ledger does not read back: {error}")),
        }
    }

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
    fn check_intent(&mut self, call: &CallOf<M>, now: Timestamp) {
        let checked = self.known().and_then(|known| {
            let mut noted = known.clone();
            M::Planner::intend(&mut noted, call, now);
            match noted == known {
                true => Ok(()),
                false => Err(format!("I1: {call:?} went out before its intent was durable")),
            }
        });
        self.breach = self.breach.take().or(checked.err());
    }

    /// Notes a call to a platform that has asked to be left alone.
    fn check_left_alone(&mut self, call: &CallOf<M>, now: Timestamp) {
        if let Some((since, until)) = self.left_alone
            && since < now
            && now < until
        {
            self.hasty.push(format!("{call:?}"));
        }
    }

    /// A method begins, and hears nothing that was said to another.
    pub(super) fn listen(&mut self, work: Option<Work>) {
        self.listens = work;
        self.echo = None;
    }

    /// Whether this is the call that is interrupted; said once.
    fn is_interrupted(&mut self) -> bool {
        let now = self.calls.len();
        let interrupted = !self.crashed && self.interrupted_at.take_if(|at| *at == now).is_some();
        if interrupted {
            self.story.tell(|| "interrupted".to_owned());
        }
        interrupted
    }

    /// `None`: the engine has crashed, nobody is there to hear it.
    fn answer(
        &mut self,
        subject: &Subject,
        call: &CallOf<M>,
        now: Timestamp,
    ) -> Option<Result<HeardBy<M>, CallError>> {
        self.catch_up(subject, now);
        self.check_left_alone(call, now);
        let index = self.calls.len();
        let kind = M::kind(call);
        self.calls.push(kind);
        match kind {
            Kind::Read => {}
            Kind::Write => self.check_intent(call, now),
        }
        let fault = self.faults.iter().find(|(at, _)| *at == index).map(|(_, fault)| *fault);
        let refused = |remedy| Err(CallError::Refused(simulated(remedy, "refused")));
        let throttled = || Err(CallError::Refused(slow_down()));
        let lost = || Err(CallError::Unknown(simulated(Remedy::Retry, "no answer")));
        let answer = match fault {
            None => Some(self.really(subject, call, now)),
            Some(Fault::Refused) => Some(refused(Remedy::Retry)),
            Some(Fault::RefusedForGood) => Some(refused(Remedy::Permanent)),
            Some(Fault::RefusedAfter) => Some(self.unseen(subject, call, now).and(refused(Remedy::Retry))),
            Some(Fault::Throttled) => {
                self.left_alone = Some((now, later(now, LEFT_ALONE)));
                Some(throttled())
            }
            Some(Fault::ThrottledAfter) => {
                self.left_alone = Some((now, later(now, LEFT_ALONE)));
                Some(self.unseen(subject, call, now).and(throttled()))
            }
            Some(Fault::Lost) => Some(lost()),
            Some(Fault::LostAfter) => Some(self.unseen(subject, call, now).and(lost())),
            Some(Fault::LostThenLate) => {
                self.late.push((later(now, M::late()), call.clone()));
                Some(lost())
            }
            Some(Fault::Twice) => {
                // The first answer is the one that is lost.
                let _ = self.platform.answer(subject, call, now);
                Some(self.platform.answer_again(subject, call, now).map_err(CallError::Refused))
            }
            Some(Fault::HeardAgain) => {
                let answer = self.really(subject, call, now);
                self.echo = answer.as_ref().ok().map(|reply| (now, (call.clone(), reply.clone())));
                // This answer is heard alone; the next one brings it again.
                let heard = answer.map(|reply| Heard { reply, again: None });
                self.story.tell(|| format!("{index} {fault:?}: {call:?} -> {heard:?}"));
                return Some(heard);
            }
            Some(Fault::Unseen) => Some(self.unseen(subject, call, now)),
            Some(Fault::Crash) => None,
            Some(Fault::CrashAfter) => {
                // Nobody hears the answer.
                let _ = self.unseen(subject, call, now);
                None
            }
            Some(Fault::Befalls(mishap)) => {
                self.platform.befalls(mishap, now);
                Some(self.really(subject, call, now))
            }
            Some(Fault::DiesWithin) => Some(self.platform.dies_within(subject, call, now)),
        };
        self.crashed = answer.is_none();
        let echo = self.echo.take().filter(|(heard, _)| now < later(*heard, ECHOES));
        let again = echo.map(|(_, echo)| echo);
        let heard = answer.map(|answer| answer.map(|reply| Heard { reply, again }));
        self.story.tell(|| format!("{index} {fault:?}: {call:?} -> {heard:?}"));
        heard
    }

    /// Makes the call. While the platform may be behind, a look answers from its earlier state.
    fn really(
        &mut self,
        subject: &Subject,
        call: &CallOf<M>,
        now: Timestamp,
    ) -> Result<ReplyOf<M>, CallError> {
        let behind = match M::kind(call) {
            Kind::Write => None,
            Kind::Read => self.behind.as_mut().filter(|(_, until)| now < *until),
        };
        let answer = match behind {
            Some((platform, _)) => platform.answer(subject, call, now),
            None => self.platform.answer(subject, call, now),
        };
        answer.map_err(CallError::Refused)
    }

    /// Makes the call, and from now on looks see the platform as it was before, for as long as it may be behind.
    fn unseen(
        &mut self,
        subject: &Subject,
        call: &CallOf<M>,
        now: Timestamp,
    ) -> Result<ReplyOf<M>, CallError> {
        if M::kind(call) == Kind::Write && M::unseen() > SignedDuration::ZERO {
            self.behind = Some((self.platform.clone(), later(now, M::unseen())));
        }
        self.really(subject, call, now)
    }
}

fn simulated(remedy: Remedy, message: &str) -> ProviderError {
    ProviderError::new(ErrorKind::ProvisionFailed, remedy, ErrorCode::ProviderUnavailable, message)
}

fn slow_down() -> ProviderError {
    ProviderError::throttled(ErrorKind::ProvisionFailed, LEFT_ALONE.unsigned_abs(), "slow down")
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The platform's API, going wrong as the case says.
pub(super) struct Faulty<M: Model> {
    pub(super) world: Shared<M>,
    /// Told when the engine crashes.
    pub(super) crash: Arc<Notify>,
    /// Gets a word when the call comes that is interrupted, and answers when that is done.
    pub(super) interrupt: mpsc::Sender<oneshot::Sender<()>>,
}

impl<M: Model> Api for Faulty<M> {
    type Planner = Echo<M::Planner>;

    async fn call(&self, cx: &Context, call: &CallOf<M>) -> Result<HeardBy<M>, CallError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if lock(&self.world).is_interrupted() {
            let (done, is_done) = oneshot::channel();
            // Whoever interrupts is there as long as the case runs.
            let _ = self.interrupt.send(done).await;
            let _ = is_done.await;
        }
        let answer = {
            let mut world = lock(&self.world);
            if world.listens != cx.work {
                world.listen(cx.work);
            }
            if world.crashed { None } else { world.answer(&cx.subject, call, cx.now()) }
        };
        match answer {
            Some(answer) => answer,
            None => {
                self.crash.notify_one();
                std::future::pending().await
            }
        }
    }
}
