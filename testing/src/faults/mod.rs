//! Every call of a planner, made to fail in every way, against a model of its platform.
//!
//! A planner and the model of its platform are one [`Model`]; [`run`] is the one function that tries it. An operation
//! is run once without faults to count its calls, and then once for each of its calls and each [`Fault`] there.
//! [`By::Engine`] runs it through the whole engine: the real actors and machine, a memory store, the real driver, all
//! on simulated time; a crash is an engine that is dropped with whatever it had not committed. [`By::Alone`] calls a
//! method of the driver once, which has to undo by itself. After each of these:
//!
//! - no write went out before its intent was durable (I1);
//! - every operation settled once, and everybody who waited was told (nothing is stuck);
//! - the platform holds exactly the resources of the applied spec, or none (I3);
//! - the ledger says what a look at the platform without a ledger says;
//! - one fault that may pass does not change how an operation ends, and a platform that asked to be left alone was.
//!
//! A platform may have a life of its own: a model says which [`Mishap`]s it knows. Each of them happens before each call,
//! and what serves the provider dies while each call is made. What they leave broken is told to the engine once the
//! operation has settled, as the provider's `observe` would tell it; then all of the above has to be so.
//!
//! What is tested is the planner *and* the order in which the engine stores and the driver calls. A provider's crate
//! has the model of its platform, and runs the harness in its tests.

mod alone;
mod echo;
mod explore;
mod judge;
#[cfg(test)]
mod tests;
pub mod trial;
mod watched;
mod whole;
mod world;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::Rollout;
use landlord_state_machines::planner::{CallError, Kind, Planner, Subject};
use landlord_state_machines::spec::Spec;

pub use explore::{explore, explore_at_random, run, run_within};

/// The tenant that every [`Operation`]'s spec is of.
pub const TENANT: &str = "acme";

/// A deterministic platform in memory, and what is tried on it. Time only moves by the `now` it is given.
///
/// Its specs are those of the tenant [`TENANT`] and name [`Model::NAME`] as their provider.
pub trait Model: Default + Clone + Send + 'static {
    /// Whose calls it answers.
    type Planner: Planner;

    /// The planner's name: that of its module in `landlord_state_machines::planner`.
    const NAME: &'static str;

    /// Makes one call: changes the platform and answers as it would.
    ///
    /// # Errors
    /// When the platform would refuse.
    fn answer(
        &mut self,
        subject: &Subject,
        call: &<Self::Planner as Planner>::Call,
        now: Timestamp,
    ) -> Result<<Self::Planner as Planner>::Reply, ProviderError>;

    /// Makes a call again that was just made, as a transport does that tries again by itself: with the same tokens.
    /// Default: like any other call.
    ///
    /// # Errors
    /// When the platform would refuse.
    fn answer_again(
        &mut self,
        subject: &Subject,
        call: &<Self::Planner as Planner>::Call,
        now: Timestamp,
    ) -> Result<<Self::Planner as Planner>::Reply, ProviderError> {
        self.answer(subject, call, now)
    }

    /// Whether a call changes anything.
    fn kind(call: &<Self::Planner as Planner>::Call) -> Kind;

    /// How late a call without an answer may still happen.
    fn late() -> SignedDuration {
        SignedDuration::from_millis(600)
    }

    /// How far behind looks may be: for this long they may not show what a call did whose answer was lost, or was
    /// [`Fault::Unseen`]. Default: zero, so looks show it at once.
    fn unseen() -> SignedDuration {
        SignedDuration::ZERO
    }

    /// Something that runs breaks by itself, so that a repair is due.
    fn breaks(&mut self, now: Timestamp);

    /// What may happen to this platform while an operation goes on. Default: nothing.
    fn mishaps() -> &'static [Mishap] {
        &[]
    }

    /// One of the [`Model::mishaps`] happens. Default: nothing comes of it.
    fn befalls(&mut self, _mishap: Mishap, _now: Timestamp) {}

    /// What serves the provider does what a call asks for, and dies before it answers ([`Mishap::HelperDies`]). Default:
    /// there is no answer.
    ///
    /// # Errors
    /// What the provider makes of it.
    fn dies_within(
        &mut self,
        subject: &Subject,
        call: &<Self::Planner as Planner>::Call,
        now: Timestamp,
    ) -> Result<<Self::Planner as Planner>::Reply, CallError> {
        // Nobody hears the answer.
        let _ = self.answer(subject, call, now);
        self.befalls(Mishap::HelperDies, now);
        let message = "no answer";
        let (kind, code) = (ErrorKind::ProvisionFailed, ErrorCode::ProviderUnavailable);
        Err(CallError::Unknown(ProviderError::new(kind, Remedy::Retry, code, message)))
    }

    /// What the provider's `observe` does by itself about a mishap while no operation goes on; whether it reports that the
    /// tenant is broken. Default: neither.
    fn observes(&mut self, _now: Timestamp) -> bool {
        false
    }

    /// Whether the platform holds exactly what `spec` asks for, or nothing at all without one.
    ///
    /// # Errors
    /// What is left over, what is missing, or what a call did that no call may do.
    fn holds_exactly(&mut self, subject: &Subject, spec: Option<&Spec>, now: Timestamp)
    -> Result<(), String>;

    /// Whether all that runs does so for this rollout of its spec; asked where something runs. Default: it does.
    ///
    /// # Errors
    /// What runs for another one, or was started anew more than once.
    fn runs_for(&mut self, _rollout: Rollout) -> Result<(), String> {
        Ok(())
    }

    /// What is tried: every way in which the planner can be asked for something.
    fn operations() -> Vec<Operation>;
}

/// A kind of provider whose planner is tested here.
pub trait Faulted {
    /// Its platform.
    type Model: Model;
}

/// What happens to a platform by itself, whoever calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// What serves the provider on the platform dies: a keeper, an agent.
    HelperDies,
    /// A program leaves a child in the background that shows nothing of whose it is.
    ChildEscapes,
    /// Strangers take the addresses of the tenant, as many as they can get, and give them up after a while.
    AddressesTaken,
    /// Strangers take the ports that were found for what is about to start, and keep them.
    PortsTaken,
    /// What was started last fails its checks from now on, and lives.
    Hangs,
}

impl Mishap {
    /// Whether an operation that meets it ends as it would without it.
    fn passes(self) -> bool {
        match self {
            Self::HelperDies | Self::ChildEscapes | Self::PortsTaken => true,
            // What hangs, or cannot have its address, is not what was asked for.
            Self::AddressesTaken | Self::Hangs => false,
        }
    }
}

/// How one call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused, and may be tried again.
    Refused,
    /// Refused for good.
    RefusedForGood,
    /// Refused, although it worked.
    RefusedAfter,
    /// Refused, because the platform has too much to do; it asks to be left alone for a while.
    Throttled,
    /// The same answer, although it worked.
    ThrottledAfter,
    /// No answer, and it did not happen.
    Lost,
    /// No answer, and it worked.
    LostAfter,
    /// No answer, and it works a while later.
    LostThenLate,
    /// The transport tries it again by itself: it happens twice, and the second answer is heard.
    Twice,
    /// Its answer is heard, and heard again after the next one, where that comes soon.
    HeardAgain,
    /// It works and is answered, but looks do not show it for as long as the platform may be behind.
    Unseen,
    /// The engine crashes before the call.
    Crash,
    /// The call works and the engine crashes before it stores the answer.
    CrashAfter,
    /// This happens to the platform just before the call.
    Befalls(Mishap),
    /// The call works, and what serves the provider dies before it is answered.
    DiesWithin,
}

impl Fault {
    /// All that an API can do to one call.
    const OF_CALLS: [Self; 11] = [
        Self::Refused,
        Self::RefusedForGood,
        Self::RefusedAfter,
        Self::Throttled,
        Self::ThrottledAfter,
        Self::Lost,
        Self::LostAfter,
        Self::LostThenLate,
        Self::Twice,
        Self::HeardAgain,
        Self::Unseen,
    ];

    /// All faults of a planner that is run so. Who calls a method alone does not crash, and nobody observes for it what
    /// became of the platform.
    fn all<M: Model>(by: By) -> Vec<Self> {
        let mut faults = Self::OF_CALLS.to_vec();
        match by {
            By::Alone => {}
            By::Engine => {
                faults.extend([Self::Crash, Self::CrashAfter]);
                faults.extend(M::mishaps().iter().map(|mishap| Self::Befalls(*mishap)));
                faults.extend(M::mishaps().contains(&Mishap::HelperDies).then_some(Self::DiesWithin));
            }
        }
        faults
    }

    /// Whether it makes a difference to a call of this kind on this platform.
    fn strikes<M: Model>(self, kind: Kind) -> bool {
        match self {
            Self::Refused
            | Self::RefusedForGood
            | Self::RefusedAfter
            | Self::Throttled
            | Self::ThrottledAfter
            | Self::Lost
            | Self::LostAfter
            | Self::LostThenLate
            | Self::HeardAgain
            | Self::Crash
            | Self::CrashAfter
            | Self::Befalls(_)
            | Self::DiesWithin => true,
            Self::Twice => kind == Kind::Write,
            Self::Unseen => kind == Kind::Write && M::unseen() > SignedDuration::ZERO,
        }
    }

    /// Whether whoever tries again gets what was asked for.
    fn passes(self) -> bool {
        match self {
            Self::RefusedForGood => false,
            Self::Befalls(mishap) => mishap.passes(),
            Self::Refused
            | Self::RefusedAfter
            | Self::Throttled
            | Self::ThrottledAfter
            | Self::Lost
            | Self::LostAfter
            | Self::LostThenLate
            | Self::Twice
            | Self::HeardAgain
            | Self::Unseen
            | Self::Crash
            | Self::CrashAfter
            | Self::DiesWithin => true,
        }
    }

    /// Whether something happens to the platform by itself.
    fn is_mishap(self) -> bool {
        match self {
            Self::Befalls(_) | Self::DiesWithin => true,
            Self::Refused
            | Self::RefusedForGood
            | Self::RefusedAfter
            | Self::Throttled
            | Self::ThrottledAfter
            | Self::Lost
            | Self::LostAfter
            | Self::LostThenLate
            | Self::Twice
            | Self::HeardAgain
            | Self::Unseen
            | Self::Crash
            | Self::CrashAfter => false,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A provision.
    Provision(Spec),
    /// An update.
    Update(Spec),
    /// A restart of what runs.
    Restart,
    /// What runs is made whole again, after it broke by itself.
    Repair,
    /// A destroy.
    Destroy,
}

/// How an operation ends when nothing else goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// What was asked for is so.
    Done,
    /// It fails, and everything is as it was before.
    Undone,
}

/// Something to ask for, and what comes of it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// A name for people.
    pub name: &'static str,
    /// What runs before, provisioned without faults.
    pub applied: Option<Spec>,
    /// What is asked for.
    pub ask: Ask,
    /// How that ends.
    pub ends: Ends,
    /// How many calls it takes.
    pub length: Length,
}

/// How many calls an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Few: interrupting it at each of them and faulting each then is done every day.
    Short,
    /// Many: the same takes long.
    Long,
}

/// What is asked for while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// A cancel.
    Cancel,
    /// A destroy.
    Destroy,
}

/// Who runs the methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The engine: it keeps the ledger, tries again and undoes.
    Engine,
    /// Nobody: each method is called once and undoes by itself. Crashes are left out.
    Alone,
}

/// One operation to run in all ways.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What is asked for.
    pub operation: Operation,
    /// Who runs it.
    pub by: By,
    /// What interrupts it, at each of its calls in turn.
    pub interrupt: Option<Interrupt>,
}

/// How the engine's store makes a write durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commits {
    /// Before [`Store::commit_now`](landlord_compute::store::Store::commit_now) returns, as a store in memory does.
    #[default]
    AtOnce,
    /// Later, as a store on a disk does.
    Awaited,
}

/// Which of a scenario's cases: where it is interrupted, and what goes wrong at which call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// The call at which the interruption arrives.
    pub interrupted_at: Option<usize>,
    /// The calls that go wrong, counted from 0 after the preparation.
    pub faults: Vec<(usize, Fault)>,
    /// How writes become durable.
    pub commits: Commits,
    /// Chooses how long the engine waits between tries.
    pub seed: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(call) = self.interrupted_at {
            write!(f, "interrupted at call {call}, ")?;
        }
        match self.commits {
            Commits::AtOnce => {}
            Commits::Awaited => f.write_str("commits awaited, ")?,
        }
        match self.faults.is_empty() {
            true => f.write_str("without faults"),
            false => write!(f, "with {:?}, seed {}", self.faults, self.seed),
        }
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// The cases run: an operation, and the calls of it that went wrong.
    pub cases: usize,
    /// The API calls made in them.
    pub calls: usize,
}

impl std::ops::AddAssign for Explored {
    fn add_assign(&mut self, more: Self) {
        self.cases += more.cases;
        self.calls += more.calls;
    }
}

/// How many of the cases of a [`Part`] are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// One of so many; 1 is all of them.
    pub one_in: usize,
    /// Which one.
    pub offset: usize,
}

impl Share {
    /// Every case.
    pub const ALL: Self = Self { one_in: 1, offset: 0 };

    fn includes(self, case: usize) -> bool {
        let one_in = self.one_in.max(1);
        case % one_in == self.offset % one_in
    }
}

/// A case that broke a promise.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Breach {
    /// The planner.
    pub planner: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// Who ran it.
    pub by: By,
    /// What interrupted it.
    pub interrupt: Option<Interrupt>,
    /// Which case of it.
    pub case: Case,
    /// What was broken.
    pub what: String,
    /// Its calls and what came back, a line each.
    pub story: Vec<String>,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { planner, operation, by, interrupt, case, what, story } = self;
        write!(
            f,
            "{planner}: {operation}, by {by:?}, {interrupt:?}, {case}: {what}\n  {}",
            story.join("\n  ")
        )
    }
}

/// A part of all that can be tried, so that parts run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Every operation, each of its calls, each fault.
    OneFault,
    /// Every operation of this length, interrupted at each of its calls, and each fault at each call then.
    Interrupted(Interrupt, Length),
    /// Several faults in each case, so many cases for each operation and interruption.
    Several {
        /// All that is needed to see the same again.
        seed: u64,
        /// How many cases.
        cases: usize,
    },
}
