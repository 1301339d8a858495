//! How facts change: before a write, by an answer, and with time.

use jiff::Timestamp;

use super::facts::{Death, Launch, Live, ProcessFacts, Run, Streak};
use super::next::{SETTLE, after};
use super::{
    Exit, ExitCause, Found, FoundLaunch, LaunchId, Probed, Process, ProcessCall, ProcessLife, ProcessReply,
    Start,
};
use crate::planner::CallError;

/// Notes what a write is about to do. Noting it twice is the same as once.
pub(super) fn intend(facts: &mut ProcessFacts, call: &ProcessCall) {
    match call {
        ProcessCall::Find
        | ProcessCall::ReservePorts(_)
        | ProcessCall::Probe(_)
        | ProcessCall::Clear { .. } => {}
        ProcessCall::Start(start) => {
            let restarts = restarts_before(facts, start);
            facts.generation = facts.generation.max(start.launch.generation);
            facts.reserved.remove(&start.manifest.container);
            facts.launches.entry(start.launch).or_insert_with(|| Launch {
                manifest: start.manifest.clone(),
                restarts,
                run: Run::Starting { missed: None },
            });
        }
        ProcessCall::Signal(signal) => {
            if let Some(launch) = facts.launches.get_mut(&signal.launch) {
                launch.run = match &launch.run {
                    Run::Stopping { stop, .. } if *stop == signal.stop => return,
                    Run::Starting { .. } | Run::Live(_) | Run::Stopping { .. } | Run::Dead { .. } => {
                        Run::Stopping { leader: signal.leader, stop: signal.stop, sent: None }
                    }
                };
            }
        }
    }
}

/// Takes in what came back.
pub(super) fn learn(
    facts: &mut ProcessFacts,
    call: &ProcessCall,
    reply: Result<ProcessReply, CallError>,
    now: Timestamp,
) {
    match reply {
        Ok(ProcessReply::Found(all)) => found(facts, all, now),
        Ok(ProcessReply::Ports(ports)) => facts.reserved.extend(ports),
        Ok(ProcessReply::Started { launch, leader }) => set(facts, launch, |_| live(leader, now)),
        Ok(ProcessReply::Probed { launch, probed }) => {
            set(facts, launch, |before| probed_launch(before, probed, now));
        }
        Ok(ProcessReply::Signalled { launch }) => set(facts, launch, |before| sent(before, now)),
        Ok(ProcessReply::Cleared { launch }) => {
            facts.launches.remove(&launch);
        }
        Err(CallError::Refused(error)) => {
            match call {
                // The platform says that nothing of it is there. If that is wrong, the next look shows it.
                ProcessCall::Start(start) => {
                    facts.launches.remove(&start.launch);
                }
                ProcessCall::Find
                | ProcessCall::ReservePorts(_)
                | ProcessCall::Probe(_)
                | ProcessCall::Signal(_)
                | ProcessCall::Clear { .. } => {}
            }
            facts.trouble = Some(error);
        }
        Err(CallError::Unknown(error)) => facts.trouble = Some(error),
    }
}

/// What was seen may have changed: look again. Ids, intents and streaks stay.
pub(super) fn stale(facts: &mut ProcessFacts) {
    facts.looked = false;
    facts.trouble = None;
    facts.reserved.clear();
    for launch in facts.launches.values_mut() {
        match &mut launch.run {
            Run::Starting { .. } | Run::Stopping { .. } => {}
            Run::Live(Live { fresh, .. }) => *fresh = false,
            Run::Dead { death, .. } => match death {
                Death::Stopped | Death::Crashed => {}
                Death::NeverReady => *death = Death::Crashed,
            },
        }
    }
}

/// How often this container crashed with this configuration.
fn restarts_before(facts: &ProcessFacts, start: &Start) -> u32 {
    let crashed = |launch: &&Launch| match launch.run {
        Run::Dead { death: Death::Crashed | Death::NeverReady, .. } => {
            launch.manifest.container == start.manifest.container
                && launch.manifest.fingerprint == start.manifest.fingerprint
        }
        Run::Dead { death: Death::Stopped, .. }
        | Run::Starting { .. }
        | Run::Live(_)
        | Run::Stopping { .. } => false,
    };
    facts.launches.values().filter(crashed).map(|launch| launch.restarts.saturating_add(1)).max().unwrap_or(0)
}

fn set(facts: &mut ProcessFacts, id: LaunchId, change: impl FnOnce(&Launch) -> Run) {
    if let Some(launch) = facts.launches.get_mut(&id) {
        launch.run = change(launch);
    }
}

/// A launch whose first process was just seen for the first time.
fn live(leader: Process, now: Timestamp) -> Run {
    Run::Live(Live { leader, since: now, ready: false, health: Streak::Unchecked, fresh: false })
}

/// Why a launch that was not told to end has died.
fn death(ready: bool) -> Death {
    if ready { Death::Crashed } else { Death::NeverReady }
}

fn sent(launch: &Launch, now: Timestamp) -> Run {
    match launch.run.clone() {
        Run::Stopping { leader, stop, sent: _ } => Run::Stopping { leader, stop, sent: Some(now) },
        run @ (Run::Starting { .. } | Run::Live(_) | Run::Dead { .. }) => run,
    }
}

fn probed_launch(launch: &Launch, probed: Probed, now: Timestamp) -> Run {
    let threshold = launch.manifest.readiness.healthy_threshold;
    match (launch.run.clone(), probed) {
        (Run::Live(Live { leader, since, ready, health, fresh: _ }), Probed::Passed) => {
            let times = health.passes().saturating_add(1);
            let health = Streak::Passing { times, at: now };
            Run::Live(Live { leader, since, ready: ready || times >= threshold, health, fresh: true })
        }
        (Run::Live(Live { leader, since, ready, health, fresh: _ }), Probed::Failed(why)) => {
            let health = Streak::Failing { times: health.failures().saturating_add(1), at: now, why };
            Run::Live(Live { leader, since, ready, health, fresh: true })
        }
        // The next look shows whether other processes of it are left.
        (Run::Live(Live { ready, .. }), Probed::Gone(exit)) => {
            Run::Dead { exit, death: death(ready), orphans: false }
        }
        (
            run @ (Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. }),
            Probed::Passed | Probed::Failed(_) | Probed::Gone(_),
        ) => run,
    }
}

/// Takes in a look at everything: what it shows, and what it does not show.
fn found(facts: &mut ProcessFacts, found: Found, now: Timestamp) {
    facts.looked = true;
    let Found { mut launches } = found;
    facts.launches.retain(|id, launch| {
        let life = launches.remove(id).map(|found| found.life);
        match seen(&launch.run, life, now) {
            Some(run) => {
                launch.run = run;
                true
            }
            None => false,
        }
    });
    // What is left carries our tags and is unknown to the ledger: it was lost, or never written.
    for (id, FoundLaunch { manifest, life }) in launches {
        facts.generation = facts.generation.max(id.generation);
        let run = match life {
            // It may well be what serves the tenant, so it is not treated as one that never worked.
            ProcessLife::Leader(leader) => {
                Run::Live(Live { leader, since: now, ready: true, health: Streak::Unchecked, fresh: false })
            }
            ProcessLife::Orphans(exit) => Run::Dead { exit, death: Death::Crashed, orphans: true },
            ProcessLife::Files(exit) => Run::Dead { exit, death: Death::Crashed, orphans: false },
        };
        facts.launches.insert(id, Launch { manifest, restarts: 0, run });
    }
}

/// Whether a start that a look did not show cannot happen any more.
fn settled(missed: Option<Timestamp>, now: Timestamp) -> bool {
    missed.is_some_and(|at| now >= after(at, SETTLE))
}

/// What a launch is after a look that shows `life` of it, or nothing at all; `None`: it never was.
fn seen(run: &Run, life: Option<ProcessLife>, now: Timestamp) -> Option<Run> {
    let unseen = Exit { cause: ExitCause::Unseen, last_line: None };
    Some(match (run, life) {
        (Run::Starting { .. } | Run::Dead { .. }, Some(ProcessLife::Leader(leader))) => live(leader, now),
        (Run::Starting { .. }, Some(ProcessLife::Orphans(exit))) => {
            Run::Dead { exit, death: Death::NeverReady, orphans: true }
        }
        (Run::Starting { missed }, Some(ProcessLife::Files(exit))) if settled(*missed, now) => {
            Run::Dead { exit, death: Death::Crashed, orphans: false }
        }
        (Run::Starting { missed }, None) if settled(*missed, now) => return None,
        (Run::Starting { missed }, Some(ProcessLife::Files(_)) | None) => {
            Run::Starting { missed: Some(missed.unwrap_or(now)) }
        }

        (Run::Live(Live { leader: before, .. }), Some(ProcessLife::Leader(leader))) if *before == leader => {
            run.clone()
        }
        (Run::Live(_), Some(ProcessLife::Leader(leader))) => live(leader, now),
        (Run::Live(Live { ready, .. }), Some(ProcessLife::Orphans(exit))) => {
            Run::Dead { exit, death: death(*ready), orphans: true }
        }
        (Run::Live(Live { ready, .. }), Some(ProcessLife::Files(exit))) => {
            Run::Dead { exit, death: death(*ready), orphans: false }
        }
        (Run::Live(Live { ready, .. }), None) => {
            Run::Dead { exit: unseen, death: death(*ready), orphans: false }
        }

        (Run::Stopping { stop, sent, .. }, Some(ProcessLife::Leader(leader))) => {
            Run::Stopping { leader: Some(leader), stop: *stop, sent: *sent }
        }
        (Run::Stopping { stop, sent, .. }, Some(ProcessLife::Orphans(_))) => {
            Run::Stopping { leader: None, stop: *stop, sent: *sent }
        }
        (Run::Stopping { .. }, Some(ProcessLife::Files(exit))) => {
            Run::Dead { exit, death: Death::Stopped, orphans: false }
        }
        (Run::Stopping { .. }, None) => Run::Dead { exit: unseen, death: Death::Stopped, orphans: false },

        (Run::Dead { death, .. }, Some(ProcessLife::Orphans(exit))) => {
            Run::Dead { exit, death: *death, orphans: true }
        }
        (Run::Dead { death, .. }, Some(ProcessLife::Files(exit))) => {
            Run::Dead { exit, death: *death, orphans: false }
        }
        (Run::Dead { exit, death, .. }, None) => {
            Run::Dead { exit: exit.clone(), death: *death, orphans: false }
        }
    })
}
