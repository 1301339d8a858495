//! Whether a launch works: when it is checked, until when it may fail, and when it may not go on.

use jiff::{SignedDuration, Timestamp};

use super::facts::{Launch, Live, Streak};
use super::next::{Move, SETTLE, after};
use super::{Check, LaunchId, Manifest, Probe, Process, ProcessCall};
use crate::planner::{Act, Kind};
use crate::spec::Role;

/// The shortest and the longest pause between two checks of a launch that was never ready. The interval of its spec
/// counts once it is.
const EAGER: (SignedDuration, SignedDuration) =
    (SignedDuration::from_millis(50), SignedDuration::from_secs(1));

/// Why a launch that lives may not go on: it was checked just now, and has failed as often as its spec allows, or was not
/// ready by its deadline, or another process has its port.
pub(super) fn ailment(launch: &Launch, live: &Live, now: Timestamp) -> Option<String> {
    let manifest = &launch.manifest;
    let readiness = &manifest.readiness;
    match (&live.health, live.fresh, live.ready) {
        (Streak::Failing { times, why, .. }, true, true) if *times >= readiness.unhealthy_threshold => {
            Some(why.clone())
        }
        (Streak::Failing { why, .. }, true, false)
            if launch.thief.is_some() || now >= patience(manifest, live) =>
        {
            Some(why.clone())
        }
        (Streak::Passing { .. }, true, false) if is_late(manifest, live, now) => {
            let seconds = readiness.deadline_seconds.unwrap_or_default();
            Some(match manifest.role {
                Role::Main | Role::Sidecar => format!("it passes, but not often enough within {seconds} s"),
                Role::Init => format!("it has not ended within {seconds} s"),
            })
        }
        (Streak::Failing { .. } | Streak::Passing { .. } | Streak::Unchecked, true | false, true | false) => {
            None
        }
    }
}

/// Whether a launch that was never ready has had the time that its spec's deadline gives it.
fn is_late(manifest: &Manifest, live: &Live, now: Timestamp) -> bool {
    manifest.readiness.deadline_seconds.is_some() && now >= patience(manifest, live)
}

/// Until when a launch that was never ready may fail: its deadline. Without one its spec gives it the start period, and then
/// one interval for each failure until unhealthy and for each success until healthy.
fn patience(manifest: &Manifest, live: &Live) -> Timestamp {
    let readiness = &manifest.readiness;
    if let Some(seconds) = readiness.deadline_seconds {
        return after(live.since, SignedDuration::from_secs(seconds.into()));
    }
    let checks = readiness.unhealthy_threshold.saturating_add(readiness.healthy_threshold);
    let checked = interval(manifest).saturating_mul(i32::try_from(checks).unwrap_or(i32::MAX));
    let start_period = SignedDuration::from_secs(readiness.start_period_seconds.into());
    after(live.since, start_period.saturating_add(checked))
}

fn interval(manifest: &Manifest) -> SignedDuration {
    SignedDuration::from_secs(manifest.readiness.interval_seconds.into())
}

/// What a kept launch needs until it is ready; `None` when it is.
pub(super) fn check(id: LaunchId, manifest: &Manifest, live: &Live, now: Timestamp) -> Option<Move> {
    let Live { leader, since, ready, health, fresh } = live;
    if manifest.role == Role::Init {
        return ends(id, manifest, live, now);
    }
    let interval = interval(manifest);
    let soon = |checked: Timestamp| after(checked, eager(checked.duration_since(*since)).min(interval));
    let first = match manifest.readiness.check {
        Check::Alive => after(*since, SETTLE),
        Check::Http { .. } | Check::Tcp { .. } | Check::Exec => *since,
    };
    let probe_at = |due: Timestamp, why: &'static str| match now >= due {
        true => Some(Move::Now(probe(id, manifest, *leader, true))),
        false => Some(Move::Later(due, why)),
    };
    match (ready, health) {
        (false, Streak::Unchecked) => probe_at(first, "a process settles"),
        (false, Streak::Passing { at, .. }) => probe_at(soon(*at), "checks pass often enough"),
        (false, Streak::Failing { at, .. }) => probe_at(soon(*at), "a process becomes ready"),
        // An older check says nothing of now: what hangs since is not kept.
        (true, Streak::Passing { .. }) if *fresh => None,
        (true, Streak::Passing { .. } | Streak::Unchecked) => probe_at(now, "a process is checked"),
        (true, Streak::Failing { at, .. }) => probe_at(after(*at, interval), "a process recovers"),
    }
}

/// What a launch needs that is to end by itself: somebody who looks whether it has.
fn ends(id: LaunchId, manifest: &Manifest, live: &Live, now: Timestamp) -> Option<Move> {
    let looked = match &live.health {
        Streak::Unchecked => live.since,
        Streak::Passing { at, .. } | Streak::Failing { at, .. } => *at,
    };
    let due = after(looked, eager(looked.duration_since(live.since)));
    Some(match now >= due {
        true => Move::Now(probe(id, manifest, live.leader, true)),
        false => Move::Later(due, "an init container runs"),
    })
}

/// The pause between two checks of a launch that starts, by its age: soon at first, then less and less often.
fn eager(age: SignedDuration) -> SignedDuration {
    (age / 4).clamp(EAGER.0, EAGER.1)
}

pub(super) fn probe(
    launch: LaunchId,
    manifest: &Manifest,
    leader: Process,
    counts: bool,
) -> Act<ProcessCall> {
    let call = ProcessCall::Probe(Probe { launch, leader, check: manifest.readiness.check.clone(), counts });
    Act { step: "check a process", call, kind: Kind::Read }
}
