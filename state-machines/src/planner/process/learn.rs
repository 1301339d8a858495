//! How facts change: before a write, by an answer, and with time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::facts::{Ailment, Death, Keeper, Launch, Live, ProcessFacts, Run, Streak};
use super::next::{SETTLE, after};
use super::{
    Binding, Exit, ExitCause, Found, FoundLaunch, LaunchId, Probed, Process, ProcessCall, ProcessLife,
    ProcessReply, Routing, Start, Volumes,
};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::planner::CallError;
use crate::spec::Role;

/// Notes what a write is about to do. Noting it twice is the same as once.
pub(super) fn intend(facts: &mut ProcessFacts, call: &ProcessCall, now: Timestamp) {
    match call {
        ProcessCall::Find
        | ProcessCall::ReservePorts(_)
        | ProcessCall::Probe(_)
        | ProcessCall::Clear { .. }
        | ProcessCall::Dismiss { .. } => {}
        ProcessCall::Keep => {
            facts.keeper = match facts.keeper {
                Keeper::Absent | Keeper::Intended { .. } | Keeper::Dead => Keeper::Intended { missed: None },
                Keeper::Lives => Keeper::Lives,
            };
        }
        ProcessCall::Hold(volumes) => {
            facts.volumes_intended = facts.volumes_intended.max(volumes.number);
        }
        ProcessCall::Route(routing) => {
            if facts.intended < routing.number {
                (facts.intended, facts.routed) = (routing.number, Some(now));
            }
        }
        ProcessCall::Start(start) => {
            let restarts = restarts_before(facts, start);
            facts.generation = facts.generation.max(start.launch.generation);
            facts.reserved.remove(&start.manifest.name());
            let run = Run::Starting { missed: None };
            facts
                .launches
                .entry(start.launch)
                .or_insert_with(|| Launch::of(start.manifest.clone(), restarts, run));
        }
        ProcessCall::Signal(signal) => {
            if let Some(launch) = facts.launches.get_mut(&signal.launch) {
                let ails = match (&launch.run, &signal.ails) {
                    (Run::Stopping { stop, .. }, _) if *stop == signal.stop => return,
                    (Run::Stopping { ails, .. }, _) => ails.clone(),
                    (Run::Live(Live { ready, .. }), Some(why)) => {
                        Some(Ailment { why: why.clone(), was_ready: *ready })
                    }
                    (Run::Starting { .. } | Run::Live(_) | Run::Dead { .. }, _) => None,
                };
                let (leader, stop) = (signal.leader, signal.stop);
                launch.run = Run::Stopping { leader, stop, sent: None, ails };
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
        Ok(ProcessReply::Found(all)) => match elsewhere(facts, &all) {
            Some(error) => facts.trouble = Some(error),
            None => found(facts, all, now),
        },
        Ok(ProcessReply::Kept { routing, bindings }) => kept(facts, routing, &bindings),
        Ok(ProcessReply::Dismissed) => {
            facts.keeper = Keeper::Absent;
            if let ProcessCall::Dismiss { launches } = call {
                facts.launches.retain(|id, _| !launches.contains_key(id));
            }
        }
        Ok(ProcessReply::Routed { number }) => match call {
            ProcessCall::Route(routing) if routing.number == number => {
                facts.routing = routing.clone();
                // Clients may have come since the last look to those that end now. From here on none does.
                facts.looked = !facts.launches.iter().any(|(id, launch)| is_left(*id, launch, routing));
            }
            // A later one counts already.
            ProcessCall::Route(_)
            | ProcessCall::Find
            | ProcessCall::Keep
            | ProcessCall::ReservePorts(_)
            | ProcessCall::Start(_)
            | ProcessCall::Probe(_)
            | ProcessCall::Signal(_)
            | ProcessCall::Clear { .. }
            | ProcessCall::Hold(_)
            | ProcessCall::Dismiss { .. } => {}
        },
        Ok(ProcessReply::Held { number }) => match call {
            ProcessCall::Hold(volumes) if volumes.number == number => facts.volumes = volumes.clone(),
            // A later one counts already.
            ProcessCall::Hold(_)
            | ProcessCall::Route(_)
            | ProcessCall::Find
            | ProcessCall::Keep
            | ProcessCall::ReservePorts(_)
            | ProcessCall::Start(_)
            | ProcessCall::Probe(_)
            | ProcessCall::Signal(_)
            | ProcessCall::Clear { .. }
            | ProcessCall::Dismiss { .. } => facts.looked = false,
        },
        Ok(ProcessReply::Ports(ports)) => facts.reserved.extend(ports),
        Ok(ProcessReply::Started { launch, leader }) => set(facts, launch, |_| live(leader, now)),
        // As one whose port was taken when it ran: it is started anew with other ports.
        Ok(ProcessReply::Robbed { launch, thief }) => {
            if let Some(launch) = facts.launches.get_mut(&launch) {
                launch.thief = Some(thief);
                launch.run = dead(Exit::of(ExitCause::Unseen), Death::NeverReady, false);
            }
        }
        Ok(ProcessReply::Probed { launch, probed, thief }) => {
            let is_gone = matches!(probed, Probed::Gone(_));
            if let Some(launch) = facts.launches.get_mut(&launch).filter(|launch| may_be_robbed(&launch.run))
            {
                launch.thief = thief;
            }
            set(facts, launch, |before| probed_launch(before, probed, now));
            // Another replica may have taken its port. A look tells.
            if is_gone && has_others(facts, launch) {
                facts.looked = false;
            }
        }
        Ok(ProcessReply::Signalled { launch, life }) => set(facts, launch, |before| sent(before, life, now)),
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
                | ProcessCall::Clear { .. }
                | ProcessCall::Keep
                | ProcessCall::Route(_)
                | ProcessCall::Hold(_)
                | ProcessCall::Dismiss { .. } => {}
            }
            facts.trouble = Some(error);
        }
        Err(CallError::Unknown(error)) => facts.trouble = Some(error),
    }
}

/// Takes in what a keeper has taken over from the one before it: a port that it listens on is not a stranger's.
fn kept(facts: &mut ProcessFacts, routing: Routing, bindings: &BTreeMap<LaunchId, Binding>) {
    facts.keeper = Keeper::Lives;
    if facts.routing.number <= routing.number {
        facts.intended = facts.intended.max(routing.number);
        facts.routing = routing;
    }
    for (launch, binding) in bindings {
        if let Some(launch) = facts.launches.get_mut(launch) {
            launch.binding = *binding;
        }
    }
}

/// Whether a launch may still be found to have lost a port to another process.
fn may_be_robbed(run: &Run) -> bool {
    match run {
        Run::Starting { .. } | Run::Live(Live { ready: false, .. }) => true,
        Run::Live(Live { ready: true, .. }) | Run::Stopping { .. } | Run::Dead { .. } => false,
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

/// Whether a launch lives that is not forwarded to any more.
fn is_left(id: LaunchId, launch: &Launch, routing: &Routing) -> bool {
    match launch.run {
        Run::Live(_) => !routing.routes.iter().any(|route| route.launch == id),
        Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. } => false,
    }
}

/// How often this replica crashed with this configuration. One whose port another process had did not.
fn restarts_before(facts: &ProcessFacts, start: &Start) -> u32 {
    let crashed = |launch: &&Launch| match launch.run {
        Run::Dead { death: Death::Crashed | Death::NeverReady, .. } => {
            !launch.has_completed()
                && launch.manifest.container == start.manifest.container
                && launch.manifest.replica == start.manifest.replica
                && launch.manifest.fingerprint == start.manifest.fingerprint
        }
        Run::Dead { death: Death::Stopped, .. }
        | Run::Starting { .. }
        | Run::Live(_)
        | Run::Stopping { .. } => false,
    };
    let counted = facts.launches.values().filter(crashed).map(|launch| match launch.thief {
        None => launch.restarts.saturating_add(1),
        Some(_) => launch.restarts,
    });
    counted.max().unwrap_or(0)
}

/// Whether there are other replicas of a launch.
fn has_others(facts: &ProcessFacts, id: LaunchId) -> bool {
    facts.launches.get(&id).is_some_and(|launch| {
        let is_other = |other: &Launch| {
            other.manifest.container == launch.manifest.container
                && other.manifest.replica != launch.manifest.replica
        };
        facts.launches.values().any(is_other)
    })
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

/// A launch that was signalled, and what lives of it, where that was seen.
fn sent(launch: &Launch, life: Option<ProcessLife>, now: Timestamp) -> Run {
    let run = match launch.run.clone() {
        Run::Stopping { leader, stop, sent: _, ails } => {
            Run::Stopping { leader, stop, sent: Some(now), ails }
        }
        run @ (Run::Starting { .. } | Run::Live(_) | Run::Dead { .. }) => return run,
    };
    let ends = life.and_then(|life| seen(&run, Some(life), now));
    ends.unwrap_or(run)
}

fn probed_launch(launch: &Launch, probed: Probed, now: Timestamp) -> Run {
    let threshold = launch.manifest.readiness.healthy_threshold;
    // What is to end is ready when it has.
    let may_be_ready = launch.manifest.role != Role::Init;
    match (launch.run.clone(), probed) {
        (Run::Live(Live { leader, since, ready, .. }), Probed::Passed { times }) => {
            let health = Streak::Passing { times, at: now };
            let ready = ready || (may_be_ready && times >= threshold);
            Run::Live(Live { leader, since, ready, health, fresh: true })
        }
        (Run::Live(Live { leader, since, ready, .. }), Probed::Failed { times, why }) => {
            let health = Streak::Failing { times, at: now, why };
            Run::Live(Live { leader, since, ready, health, fresh: true })
        }
        // The next look shows whether other processes of it are left.
        (Run::Live(Live { ready, .. }), Probed::Gone(exit)) => {
            Run::Dead { exit, death: death(ready), orphans: false, ails: None }
        }
        (
            run @ (Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. }),
            Probed::Passed { .. } | Probed::Failed { .. } | Probed::Gone(_),
        ) => run,
    }
}

/// What a look shows is of another machine than the launches and the volumes are on: nothing of them is gone.
fn elsewhere(facts: &ProcessFacts, found: &Found) -> Option<ProviderError> {
    let there = match (facts.launches.is_empty(), facts.volumes.held.is_empty()) {
        (false, true | false) => "processes",
        (true, false) => "volumes",
        (true, true) => return None,
    };
    match (&facts.machine, &found.machine) {
        (Some(theirs), Some(here)) if theirs != here => {
            let message = format!(
                "its {there} are on machine {theirs}, and this is machine {here}; run the engine there, or abandon the \
                 tenant"
            );
            let (kind, code) = (ErrorKind::ProvisionFailed, ErrorCode::ProviderUnavailable);
            Some(ProviderError::new(kind, Remedy::NeedsPerson, code, message))
        }
        (Some(_) | None, Some(_) | None) => None,
    }
}

/// Takes in a look at everything: what it shows, and what it does not show.
fn found(facts: &mut ProcessFacts, found: Found, now: Timestamp) {
    let looked_before = std::mem::replace(&mut facts.looked, true);
    let Found { machine, keeper, routing, cut, taken, volumes, mut launches } = found;
    facts.machine = machine.or(facts.machine.take());
    (facts.cut, facts.taken) = (cut, taken);
    // An older look: what the keeper was told since counts.
    if !(looked_before && facts.keeper == Keeper::Lives) {
        facts.intended = facts.intended.max(routing.number);
        facts.routing = routing;
    }
    // An older look too.
    if !(looked_before && volumes.number < facts.volumes.number) {
        facts.volumes = Volumes { number: facts.volumes.number.max(volumes.number), held: volumes.held };
        facts.volumes_intended = facts.volumes_intended.max(volumes.number);
    }
    facts.keeper = match (keeper, facts.keeper) {
        // This is an older look: the keeper was started since.
        (false, Keeper::Lives) if looked_before => Keeper::Lives,
        (true, Keeper::Absent | Keeper::Intended { .. } | Keeper::Lives | Keeper::Dead) => Keeper::Lives,
        (false, Keeper::Absent) => Keeper::Absent,
        (false, Keeper::Lives | Keeper::Dead) => Keeper::Dead,
        (false, Keeper::Intended { missed }) if settled(missed, now) => Keeper::Dead,
        (false, Keeper::Intended { missed }) => Keeper::Intended { missed: Some(missed.unwrap_or(now)) },
    };
    facts.launches.retain(|id, launch| {
        let life = launches.remove(id).map(|found| {
            launch.connections = found.connections;
            if may_be_robbed(&launch.run) {
                // A keeper that was started since does not know.
                launch.thief = found.thief.or(launch.thief.take());
            }
            launch.binding = match (found.binding, keeper) {
                // Only a keeper can tell.
                (Binding::Unknown, false) => launch.binding,
                (binding @ (Binding::Unknown | Binding::Forwarded | Binding::Direct), true | false) => {
                    binding
                }
            };
            found.life
        });
        let is_unseen = life.is_none();
        match seen(&launch.run, life, now) {
            // Nothing is left that says so.
            Some(_) if is_unseen && launch.has_completed() => false,
            Some(run) => {
                launch.run = run;
                true
            }
            None => false,
        }
    });
    // What is left carries our tags and is unknown to the ledger: it was lost, or never written.
    for (id, FoundLaunch { manifest, life, binding, connections, thief: _ }) in launches {
        facts.generation = facts.generation.max(id.generation);
        let run = match life {
            // It may well be what serves the tenant, so it is not treated as one that never worked.
            ProcessLife::Leader(leader) => {
                Run::Live(Live { leader, since: now, ready: true, health: Streak::Unchecked, fresh: false })
            }
            ProcessLife::Orphans(exit) => dead(exit, Death::Crashed, true),
            ProcessLife::Files(exit) => dead(exit, Death::Crashed, false),
        };
        facts.launches.insert(id, Launch { binding, connections, ..Launch::of(manifest, 0, run) });
    }
}

/// Whether a start that a look did not show cannot happen any more.
fn settled(missed: Option<Timestamp>, now: Timestamp) -> bool {
    missed.is_some_and(|at| now >= after(at, SETTLE))
}

/// What a launch is after a look that shows `life` of it, or nothing at all; `None`: it never was.
fn seen(run: &Run, life: Option<ProcessLife>, now: Timestamp) -> Option<Run> {
    let unseen = Exit::of(ExitCause::Unseen);
    Some(match (run, life) {
        (Run::Starting { .. } | Run::Dead { .. }, Some(ProcessLife::Leader(leader))) => live(leader, now),
        (Run::Starting { .. }, Some(ProcessLife::Orphans(exit))) => dead(exit, Death::NeverReady, true),
        (Run::Starting { missed }, Some(ProcessLife::Files(exit))) if settled(*missed, now) => {
            dead(exit, Death::Crashed, false)
        }
        (Run::Starting { missed }, None) if settled(*missed, now) => return None,
        (Run::Starting { missed }, Some(ProcessLife::Files(_)) | None) => {
            Run::Starting { missed: Some(missed.unwrap_or(now)) }
        }

        (Run::Live(Live { leader: before, .. }), Some(ProcessLife::Leader(leader))) if *before == leader => {
            run.clone()
        }
        (Run::Live(_), Some(ProcessLife::Leader(leader))) => live(leader, now),
        (Run::Live(Live { ready, .. }), Some(ProcessLife::Orphans(exit))) => dead(exit, death(*ready), true),
        (Run::Live(Live { ready, .. }), Some(ProcessLife::Files(exit))) => dead(exit, death(*ready), false),
        (Run::Live(Live { ready, .. }), None) => dead(unseen, death(*ready), false),

        (Run::Stopping { stop, sent, ails, .. }, Some(ProcessLife::Leader(leader))) => {
            Run::Stopping { leader: Some(leader), stop: *stop, sent: *sent, ails: ails.clone() }
        }
        (Run::Stopping { stop, sent, ails, .. }, Some(ProcessLife::Orphans(_))) => {
            Run::Stopping { leader: None, stop: *stop, sent: *sent, ails: ails.clone() }
        }
        (Run::Stopping { ails, .. }, Some(ProcessLife::Files(exit))) => ended(exit, ails.as_ref()),
        (Run::Stopping { ails, .. }, None) => ended(unseen, ails.as_ref()),

        (Run::Dead { death, ails, .. }, Some(ProcessLife::Orphans(exit))) => {
            Run::Dead { exit, death: *death, orphans: true, ails: ails.clone() }
        }
        (Run::Dead { death, ails, .. }, Some(ProcessLife::Files(exit))) => {
            Run::Dead { exit, death: *death, orphans: false, ails: ails.clone() }
        }
        (Run::Dead { exit, death, ails, .. }, None) => {
            Run::Dead { exit: exit.clone(), death: *death, orphans: false, ails: ails.clone() }
        }
    })
}

/// A launch that ended by itself.
fn dead(exit: Exit, death: Death, orphans: bool) -> Run {
    Run::Dead { exit, death, orphans, ails: None }
}

/// A launch that we ended: one that failed its check counts as one that failed by itself.
fn ended(exit: Exit, ails: Option<&Ailment>) -> Run {
    match ails {
        None => dead(exit, Death::Stopped, false),
        Some(Ailment { why, was_ready }) => {
            Run::Dead { exit, death: death(*was_ready), orphans: false, ails: Some(why.clone()) }
        }
    }
}
