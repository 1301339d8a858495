//! Which cases there are: each fault at each call, or several at random.

use std::time::{Duration, Instant};

use landlord_state_machines::planner::Kind;

use super::world::{Shared, Story, World, lock};
use super::{
    Ask, Breach, By, Case, Commits, Ends, Explored, Fault, Interrupt, Length, Model, Operation, Part,
    Scenario, Share,
};
use super::{alone, whole};

/// How many faults are tried at one place before the next, where there is no time for all.
const SAMPLE: usize = 24;

/// Tries a part of all that can be tried on a planner, or a share of it: then each operation is still run without a fault,
/// and interrupted at each of its calls.
///
/// # Errors
/// The first case that breaks a promise.
pub fn run<M: Model>(part: Part, share: Share) -> Result<Explored, Box<Breach>> {
    let (mut explored, mut cases) = (Explored::default(), 0);
    let operations = M::operations();
    let scenarios: Vec<Scenario> = match part {
        Part::OneFault => uninterrupted(&operations).collect(),
        Part::Interrupted(interrupt, length) => interrupted(&operations, interrupt, length).collect(),
        Part::Several { .. } => several(&operations).collect(),
    };
    for scenario in scenarios {
        explored += match part {
            Part::OneFault | Part::Interrupted(..) => {
                let faults = Fault::all::<M>(scenario.by);
                explore_share::<M>(&scenario, &faults, share, &mut cases)?
            }
            Part::Several { seed, cases } => explore_at_random::<M>(&scenario, seed, cases)?,
        };
    }
    Ok(explored)
}

/// What several faults in one case are tried on.
fn several(operations: &[Operation]) -> impl Iterator<Item = Scenario> {
    let all = uninterrupted(operations)
        .chain(interrupted(operations, Interrupt::Cancel, Length::Short))
        .chain(interrupted(operations, Interrupt::Destroy, Length::Short));
    // Alone, an undo is tried only a few times: it may say that something is left, as it does.
    all.filter(|scenario| scenario.by == By::Engine)
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
        (
            By::Engine | By::Alone,
            Ask::Provision(_) | Ask::Update(_) | Ask::Restart | Ask::Repair | Ask::Destroy,
            _,
        ) => true,
    }
}

/// Runs a scenario without a fault and with every single fault.
///
/// # Errors
/// The first case that breaks a promise.
pub fn explore<M: Model>(scenario: &Scenario) -> Result<Explored, Box<Breach>> {
    explore_with::<M>(scenario, &Fault::all::<M>(scenario.by))
}

/// The same with these faults only.
pub(super) fn explore_with<M: Model>(scenario: &Scenario, faults: &[Fault]) -> Result<Explored, Box<Breach>> {
    explore_share::<M>(scenario, faults, Share::ALL, &mut 0)
}

/// The same for a share of the cases; `cases` counts them over several scenarios.
fn explore_share<M: Model>(
    scenario: &Scenario,
    faults: &[Fault],
    share: Share,
    cases: &mut usize,
) -> Result<Explored, Box<Breach>> {
    let mut explored = Explored::default();
    for interrupted_at in interruptions::<M>(scenario)? {
        let quiet = try_case::<M>(scenario, Case { interrupted_at, ..Case::default() })?;
        explored += quiet.explored();
        // Up to the fault a run is the quiet one, so these are all the calls that can be faulted.
        for (index, kind) in quiet.calls.iter().enumerate() {
            for fault in faults.iter().filter(|fault| fault.strikes::<M>(*kind)) {
                *cases += 1;
                if !share.includes(*cases) {
                    continue;
                }
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
    let mut kinds = Fault::all::<M>(scenario.by);
    kinds.retain(|fault| fault.strikes::<M>(Kind::Write));
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

/// Tries a part for a share of time, in an order that `seed` chooses: so long as time is left, the next scenario and
/// interruption, and some of its calls with some faults there. Each scenario is begun at least once. The same seed tries
/// the same cases in the same order; how many of them there is time for depends on the machine.
///
/// # Errors
/// The first case that breaks a promise.
pub fn run_within<M: Model>(part: Part, seed: u64, time: Duration) -> Result<Explored, Box<Breach>> {
    let operations = M::operations();
    let scenarios: Vec<Scenario> = match part {
        Part::OneFault => uninterrupted(&operations).collect(),
        Part::Interrupted(interrupt, length) => interrupted(&operations, interrupt, length).collect(),
        Part::Several { .. } => several(&operations).collect(),
    };
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut places = Vec::new();
    for scenario in &scenarios {
        places.extend(interruptions::<M>(scenario)?.into_iter().map(|at| (scenario, at)));
    }
    dice.shuffle(&mut places);
    let (begun, mut explored) = (Instant::now(), Explored::default());
    let mut untried: Vec<&Scenario> = scenarios.iter().collect();
    for (scenario, interrupted_at) in places {
        let first = untried.iter().position(|other| std::ptr::eq(*other, scenario));
        if begun.elapsed() >= time && first.is_none() {
            continue;
        }
        first.map(|first| untried.swap_remove(first));
        let quiet = try_case::<M>(scenario, Case { interrupted_at, ..Case::default() })?;
        explored += quiet.explored();
        let mut single: Vec<(usize, Fault)> = faults_at::<M>(&quiet.calls, scenario.by).collect();
        dice.shuffle(&mut single);
        for fault in single.into_iter().take(SAMPLE) {
            let faults = match part {
                Part::OneFault | Part::Interrupted(..) => vec![fault],
                // Later ones may hit what earlier ones made necessary.
                Part::Several { .. } => {
                    let later = |dice: &mut fastrand::Rng| dice.usize(0..quiet.calls.len().max(1) * 2);
                    let kinds = Fault::all::<M>(scenario.by);
                    let more =
                        (0..dice.usize(1..=3)).map(|_| (later(&mut dice), kinds[dice.usize(0..kinds.len())]));
                    std::iter::once(fault).chain(more.collect::<Vec<_>>()).collect()
                }
            };
            let case = Case { interrupted_at, faults, commits: commits(explored), seed: dice.u64(..) };
            explored += try_case::<M>(scenario, case)?.explored();
        }
    }
    Ok(explored)
}

/// Each call that can be faulted, with each fault there.
fn faults_at<M: Model>(calls: &[Kind], by: By) -> impl Iterator<Item = (usize, Fault)> {
    let (calls, faults) = (calls.iter().enumerate(), Fault::all::<M>(by));
    calls.flat_map(move |(index, kind)| {
        let striking = faults.iter().copied().filter(|fault| fault.strikes::<M>(*kind));
        striking.map(|fault| (index, fault)).collect::<Vec<_>>()
    })
}

/// Where the interruption falls: at each call of the quiet run, or nowhere.
fn interruptions<M: Model>(scenario: &Scenario) -> Result<Vec<Option<usize>>, Box<Breach>> {
    let quiet = try_case::<M>(scenario, Case::default())?;
    Ok(match scenario.interrupt {
        None => vec![None],
        Some(Interrupt::Cancel | Interrupt::Destroy) => (0..quiet.calls.len()).map(Some).collect(),
    })
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
