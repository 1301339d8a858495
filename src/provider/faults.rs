//! Every call of a planner, made to fail in every way, against a model of its platform.
//!
//! A planner and the real driver run on simulated time against a [`Model`], an in-memory platform. An operation is
//! run once without faults to count its calls, and then once for each of its calls and each [`Fault`] there, as the
//! engine would run it: it tries again with the ledger, restarts after a crash from what was durable, and undoes.
//! After each of these:
//!
//! - no write went out before its intent was durable (I1);
//! - the operation settled (nothing is stuck);
//! - the platform holds exactly the resources of the applied spec, or none (I3);
//! - the ledger says what a look at the platform without a ledger says.
//!
//! It is here and not beside the planners because what is tested is the planner *and* the order in which the driver
//! stores and calls.

mod engine;
pub mod processes;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::planner::{Planner, Subject};
use landlord_state_machines::spec::Spec;

use engine::{Case, Run};

/// A deterministic platform in memory. Time only moves by the `now` it is given.
pub trait Model: Send + 'static {
    /// Whose calls it answers.
    type Planner: Planner;

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

    /// Whether the platform holds exactly what `spec` asks for, or nothing at all without one.
    ///
    /// # Errors
    /// What is there too much, what is missing, or what a call did that no call may do.
    fn holds_exactly(&mut self, subject: &Subject, spec: Option<&Spec>, now: Timestamp)
    -> Result<(), String>;
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
    /// No answer, and it did not happen.
    Lost,
    /// No answer, and it worked.
    LostAfter,
    /// No answer, and it works a while later.
    LostThenLate,
    /// The engine crashes before the call.
    Crash,
    /// The call works and the engine crashes before it stores the answer.
    CrashAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::RefusedForGood,
        Self::RefusedAfter,
        Self::Lost,
        Self::LostAfter,
        Self::LostThenLate,
        Self::Crash,
        Self::CrashAfter,
    ];
}

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A provision.
    Provision(Spec),
    /// An update.
    Update(Spec),
    /// A destroy.
    Destroy,
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
    /// A name for people.
    pub name: &'static str,
    /// Who runs it.
    pub by: By,
    /// What runs before, provisioned without faults.
    pub applied: Option<Spec>,
    /// What is asked for.
    pub ask: Ask,
    /// What interrupts it, at each of its calls in turn.
    pub interrupt: Option<Interrupt>,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// The cases run.
    pub cases: usize,
    /// The API calls made in them.
    pub calls: usize,
}

impl Explored {
    fn add(&mut self, run: &Run) {
        self.cases += 1;
        self.calls += run.calls;
    }
}

/// A case that broke a promise.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Breach {
    /// The scenario.
    pub scenario: &'static str,
    /// Which case of it.
    pub case: Case,
    /// What was broken.
    pub what: String,
    /// Its calls and what came back, a line each.
    pub story: Vec<String>,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: {}\n  {}", self.scenario, self.case, self.what, self.story.join("\n  "))
    }
}

/// Runs a scenario without a fault and with every single fault.
///
/// # Errors
/// The first case that breaks a promise.
pub fn explore<M: Model>(platform: &impl Fn() -> M, scenario: &Scenario) -> Result<Explored, Box<Breach>> {
    let mut explored = Explored::default();
    for interrupted_at in interrupts(platform, scenario)? {
        let quiet = engine::run(platform, scenario, Case { interrupted_at, faults: Vec::new() })?;
        explored.add(&quiet);
        // Up to the fault a run is the quiet one, so these are all the calls that can be faulted.
        for index in 0..quiet.calls {
            for fault in faults(scenario.by) {
                let case = Case { interrupted_at, faults: vec![(index, *fault)] };
                explored.add(&engine::run(platform, scenario, case)?);
            }
        }
    }
    Ok(explored)
}

/// Runs a scenario `times` times with two faults (and an interruption), chosen by `seed`.
///
/// # Errors
/// The first case that breaks a promise.
pub fn explore_pairs<M: Model>(
    platform: &impl Fn() -> M,
    scenario: &Scenario,
    seed: u64,
    times: usize,
) -> Result<Explored, Box<Breach>> {
    let mut explored = Explored::default();
    let mut dice = Dice(seed);
    let interrupts = interrupts(platform, scenario)?;
    let faults = faults(scenario.by);
    for _ in 0..times {
        let interrupted_at = interrupts.get(dice.below(interrupts.len())).copied().flatten();
        let quiet = engine::run(platform, scenario, Case { interrupted_at, faults: Vec::new() })?;
        // The second one may hit what the first one made necessary.
        let mut fault = |among: usize| (dice.below(among), faults[dice.below(faults.len())]);
        let pair = vec![fault(quiet.calls), fault(quiet.calls * 2)];
        explored.add(&engine::run(platform, scenario, Case { interrupted_at, faults: pair })?);
    }
    Ok(explored)
}

/// Where the interruption falls: at each call of the quiet run, or nowhere.
fn interrupts<M: Model>(
    platform: &impl Fn() -> M,
    scenario: &Scenario,
) -> Result<Vec<Option<usize>>, Box<Breach>> {
    let quiet = engine::run(platform, scenario, Case { interrupted_at: None, faults: Vec::new() })?;
    Ok(match scenario.interrupt {
        None => vec![None],
        Some(Interrupt::Cancel | Interrupt::Destroy) => (0..quiet.calls).map(Some).collect(),
    })
}

fn faults(by: By) -> &'static [Fault] {
    match by {
        By::Engine => &Fault::ALL,
        By::Alone => &Fault::ALL[..6],
    }
}

/// A small generator of numbers (splitmix64), so that a seed is all that a failure needs to be seen again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut roll = self.0;
        roll = (roll ^ (roll >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        roll = (roll ^ (roll >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((roll ^ (roll >> 31)) >> 33).unwrap_or(0) % end.max(1)
    }
}
