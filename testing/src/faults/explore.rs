//! Which cases there are: each fault at each call, or several at random.

use landlord_state_machines::planner::Kind;

use super::world::{Shared, Story, World, lock};
use super::{
    Ask, Breach, By, Case, Commits, Ends, Explored, Fault, Interrupt, Length, Model, Operation, Part,
    Scenario,
};
use super::{alone, whole};

/// Tries a part of all that can be tried on a planner.
///
/// # Errors
/// The first case that breaks a promise.
pub fn run<M: Model>(part: Part) -> Result<Explored, Box<Breach>> {
    let mut explored = Explored::default();
    let operations = M::operations();
    match part {
        Part::OneFault => {
            for scenario in uninterrupted(&operations) {
                explored += explore::<M>(&scenario)?;
            }
        }
        Part::Interrupted(interrupt, length) => {
            for scenario in interrupted(&operations, interrupt, length) {
                explored += explore::<M>(&scenario)?;
            }
        }
        Part::Several { seed, cases } => {
            let all = uninterrupted(&operations)
                .chain(interrupted(&operations, Interrupt::Cancel, Length::Short))
                .chain(interrupted(&operations, Interrupt::Destroy, Length::Short));
            // Alone, an undo is tried only a few times: it may say that something is left, as it does.
            for scenario in all.filter(|scenario| scenario.by == By::Engine) {
                explored += explore_at_random::<M>(&scenario, seed, cases)?;
            }
        }
    }
    Ok(explored)
}

/// By the engine and alone, without an interruption.
fn uninterrupted(operations: &[Operation]) -> impl Iterator<Item = Scenario> {
    let both = operations.iter().flat_map(|operation| [(By::Engine, operation), (By::Alone, operation)]);
    both.filter(|(by, operation)| makes_calls(*by, operation)).map(|(by, operation)| Scenario {
        operation: operation.clone(),
        by,
        interrupt: None,
    })
}

/// With this interruption, by everybody who can interrupt so.
fn interrupted(
    operations: &[Operation],
    interrupt: Interrupt,
    length: Length,
) -> impl Iterator<Item = Scenario> {
    let by: &[By] = match interrupt {
        Interrupt::Cancel => &[By::Engine, By::Alone],
        // Only the engine turns a cancel into a destroy.
        Interrupt::Destroy => &[By::Engine],
    };
    let operations = operations.iter().filter(move |operation| operation.length == length);
    operations
        // A destroy is not interrupted.
        .filter(|operation| !matches!(operation.ask, Ask::Destroy))
        .flat_map(move |operation| by.iter().map(move |by| (*by, operation)))
        .filter(|(by, operation)| makes_calls(*by, operation))
        .map(move |(by, operation)| Scenario { operation: operation.clone(), by, interrupt: Some(interrupt) })
}

/// The engine answers some operations from its record, and only the engine notices that something broke.
fn makes_calls(by: By, operation: &Operation) -> bool {
    match (by, &operation.ask, &operation.applied) {
        (By::Engine, Ask::Provision(_), Some(_))
        | (By::Engine, Ask::Destroy, None)
        | (By::Alone, Ask::Repair, _) => false,
        (By::Engine | By::Alone, Ask::Provision(_) | Ask::Update(_) | Ask::Repair | Ask::Destroy, _) => true,
    }
}

/// Runs a scenario without a fault and with every single fault.
///
/// # Errors
/// The first case that breaks a promise.
pub fn explore<M: Model>(scenario: &Scenario) -> Result<Explored, Box<Breach>> {
    explore_with::<M>(scenario, faults(scenario.by))
}

/// The same with these faults only.
pub(super) fn explore_with<M: Model>(scenario: &Scenario, faults: &[Fault]) -> Result<Explored, Box<Breach>> {
    let mut explored = Explored::default();
    for interrupted_at in interruptions::<M>(scenario)? {
        let quiet = try_case::<M>(scenario, Case { interrupted_at, ..Case::default() })?;
        explored += quiet.explored();
        // Up to the fault a run is the quiet one, so these are all the calls that can be faulted.
        for (index, kind) in quiet.calls.iter().enumerate() {
            for fault in faults.iter().filter(|fault| fault.strikes::<M>(*kind)) {
                let case = Case {
                    interrupted_at,
                    faults: vec![(index, *fault)],
                    commits: commits(explored),
                    seed: 0,
                };
                explored += try_case::<M>(scenario, case)?.explored();
            }
        }
    }
    Ok(explored)
}

/// Runs a scenario `cases` times with two to four faults, chosen by `seed`, at one of its interruptions.
///
/// # Errors
/// The first case that breaks a promise.
pub fn explore_at_random<M: Model>(
    scenario: &Scenario,
    seed: u64,
    cases: usize,
) -> Result<Explored, Box<Breach>> {
    let mut explored = Explored::default();
    let mut dice = fastrand::Rng::with_seed(seed);
    let interruptions = interruptions::<M>(scenario)?;
    let kinds: Vec<Fault> =
        faults(scenario.by).iter().copied().filter(|fault| fault.strikes::<M>(Kind::Write)).collect();
    for _ in 0..cases {
        let interrupted_at = dice.choice(&interruptions).copied().flatten();
        let quiet = try_case::<M>(scenario, Case { interrupted_at, ..Case::default() })?;
        // Later ones may hit what earlier ones made necessary.
        let calls = quiet.calls.len().max(1) * 2;
        let faults =
            (0..dice.usize(2..=4)).map(|_| (dice.usize(0..calls), kinds[dice.usize(0..kinds.len())]));
        let commits = commits(explored);
        let case = Case { interrupted_at, faults: faults.collect(), commits, seed: dice.u64(..) };
        explored += try_case::<M>(scenario, case)?.explored();
    }
    Ok(explored)
}

/// Every other case has the other kind of store.
fn commits(explored: Explored) -> Commits {
    match explored.cases % 2 {
        0 => Commits::AtOnce,
        _ => Commits::Awaited,
    }
}

/// Where the interruption falls: at each call of the quiet run, or nowhere.
fn interruptions<M: Model>(scenario: &Scenario) -> Result<Vec<Option<usize>>, Box<Breach>> {
    let quiet = try_case::<M>(scenario, Case::default())?;
    Ok(match scenario.interrupt {
        None => vec![None],
        Some(Interrupt::Cancel | Interrupt::Destroy) => (0..quiet.calls.len()).map(Some).collect(),
    })
}

fn faults(by: By) -> &'static [Fault] {
    match by {
        By::Engine => &Fault::ALL,
        By::Alone => &Fault::ALL[..Fault::ALL.len() - 2],
    }
}

/// A case that kept all promises.
struct Kept {
    /// The API calls it made.
    calls: Vec<Kind>,
}

impl Kept {
    fn explored(&self) -> Explored {
        Explored { cases: 1, calls: self.calls.len() }
    }
}

/// Runs one case on a runtime and a clock of its own. One that breaks a promise is run again for its story.
fn try_case<M: Model>(scenario: &Scenario, case: Case) -> Result<Kept, Box<Breach>> {
    let (what, _) = match run_case::<M>(scenario, &case, Story::Untold) {
        Ok(kept) => return Ok(kept),
        Err(broken) => broken,
    };
    let story = match run_case::<M>(scenario, &case, Story::Told(Vec::new())) {
        Ok(_) => vec!["a second run of the same case kept the promise".to_owned()],
        Err((_, story)) => story,
    };
    let Scenario { operation: Operation { name: operation, .. }, by, interrupt } = *scenario;
    Err(Box::new(Breach { planner: M::NAME, operation, by, interrupt, case, what, story }))
}

fn run_case<M: Model>(scenario: &Scenario, case: &Case, story: Story) -> Result<Kept, (String, Vec<String>)> {
    // The engine's pauses between tries come from this thread's generator.
    fastrand::seed(case.seed);
    let world: Shared<M> = std::sync::Arc::new(std::sync::Mutex::new(World::new(story)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| (error.to_string(), Vec::new()))?;
    let done = runtime.block_on(async {
        match scenario.by {
            By::Engine => whole::run(&world, scenario, case).await,
            By::Alone => alone::run(&world, scenario, case).await,
        }
    });
    let mut world = lock(&world);
    match (done, &mut world.story) {
        (Ok(calls), Story::Untold | Story::Told(_)) => Ok(Kept { calls }),
        (Err(what), Story::Untold) => Err((what, Vec::new())),
        (Err(what), Story::Told(lines)) => Err((what, std::mem::take(lines))),
    }
}

/// Whether the case is one where trying again is all that it takes, so that it ends as the quiet one does.
pub(super) fn ends_as_planned(operation: &Operation, case: &Case) -> Option<Ends> {
    let may_pass = case.faults.len() <= 1 && case.faults.iter().all(|(_, fault)| fault.passes());
    (case.interrupted_at.is_none() && may_pass).then_some(operation.ends)
}
