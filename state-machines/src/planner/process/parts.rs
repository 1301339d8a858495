//! What each launch is for, where a spec is wanted.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::checks::ailment;
use super::facts::{Launch, Live, ProcessFacts, Run};
use super::wanted::{SpecPort, Wanted};
use super::{LaunchId, Manifest, Port};
use crate::error::ProviderError;
use crate::id::Rollout;
use crate::planner::Subject;
use crate::spec::Spec;

/// What a launch is in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It is what the spec wants.
    Keep,
    /// It has ended as it was to, and is what the spec wants.
    Completed,
    /// It must end before anything is started.
    Stop,
    /// It works, and ends when its successor does.
    Retire,
    /// It has ended; its files are left.
    Clear,
}

/// Everything goes.
pub(super) fn part_of_nothing((id, launch): (&LaunchId, &Launch)) -> (LaunchId, Part) {
    let part = match &launch.run {
        Run::Starting { .. } | Run::Live(_) | Run::Stopping { .. } | Run::Dead { orphans: true, .. } => {
            Part::Stop
        }
        Run::Dead { orphans: false, .. } => Part::Clear,
    };
    (*id, part)
}

/// Each launch's part where a spec is wanted.
pub(super) fn parts(
    subject: &Subject,
    wanted: &[Wanted<'_>],
    facts: &ProcessFacts,
    now: Timestamp,
) -> BTreeMap<LaunchId, Part> {
    let kept: Vec<Option<LaunchId>> = wanted.iter().map(|wanted| keep(subject, wanted, facts)).collect();
    let starting: Vec<&Wanted<'_>> =
        wanted.iter().zip(&kept).filter(|(_, kept)| kept.is_none()).map(|(wanted, _)| wanted).collect();
    let part = |(id, launch): (&LaunchId, &Launch)| {
        let part = match &launch.run {
            Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { orphans: true, .. } => Part::Stop,
            Run::Dead { orphans: false, .. } if launch.has_completed() && kept.contains(&Some(*id)) => {
                Part::Completed
            }
            Run::Dead { orphans: false, .. } => Part::Clear,
            Run::Live(live) if kept.contains(&Some(*id)) => match ailment(launch, live, now) {
                None => Part::Keep,
                Some(_) => Part::Stop,
            },
            // It never worked, so nobody misses it.
            Run::Live(Live { ready: false, .. }) => Part::Stop,
            Run::Live(Live { ready: true, .. }) if id.incarnation != subject.incarnation => Part::Stop,
            Run::Live(Live { ready: true, .. })
                if wanted.iter().any(|wanted| is(&launch.manifest, wanted)) =>
            {
                Part::Stop
            }
            Run::Live(Live { ready: true, .. }) if occupies(launch, &starting) => Part::Stop,
            Run::Live(Live { ready: true, .. }) if ends_before_another(&launch.manifest, &starting) => {
                Part::Stop
            }
            Run::Live(Live { ready: true, .. }) => Part::Retire,
        };
        (*id, part)
    };
    facts.launches.iter().map(part).collect()
}

/// The launch that runs what is wanted: one that was ready rather than not, an older rather than a newer one.
fn keep(subject: &Subject, wanted: &Wanted<'_>, facts: &ProcessFacts) -> Option<LaunchId> {
    let candidates = facts.launches.iter().filter_map(|(id, launch)| match launch.run {
        Run::Live(Live { ready, .. })
            if id.incarnation == subject.incarnation && is(&launch.manifest, wanted) =>
        {
            Some((!ready, *id))
        }
        Run::Dead { .. }
            if launch.has_completed()
                && id.incarnation == subject.incarnation
                && is(&launch.manifest, wanted) =>
        {
            Some((false, *id))
        }
        Run::Live(_) | Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. } => None,
    });
    candidates.min().map(|(_, id)| id)
}

/// Whether a launch with this manifest was started with what is wanted.
pub(super) fn is(manifest: &Manifest, wanted: &Wanted<'_>) -> bool {
    manifest.container == wanted.container.name
        && manifest.replica == wanted.replica
        && manifest.fingerprint == wanted.fingerprint
        && manifest.rollout == wanted.rollout
}

/// Whether a launch itself listens where one of these is going to answer.
fn occupies(launch: &Launch, starting: &[&Wanted<'_>]) -> bool {
    launch.is_direct() && stands_in_the_way(&launch.manifest, starting)
}

/// Whether the spec has a launch of this container end before another one starts.
fn ends_before_another(manifest: &Manifest, starting: &[&Wanted<'_>]) -> bool {
    starting.iter().any(|wanted| wanted.stop_first && wanted.container.name == manifest.container)
}

/// Whether one of these is going to answer at a host port of a launch: at the port that its spec fixes, or at the
/// address that its container has.
fn stands_in_the_way(manifest: &Manifest, starting: &[&Wanted<'_>]) -> bool {
    let taken_by = |wanted: &Wanted<'_>, port: &SpecPort<'_>, taken: &Port| match port.fixed {
        Some(fixed) => fixed == taken.host_port && port.protocol == taken.protocol,
        None => wanted.container.name == manifest.container && answers(taken, port),
    };
    manifest.ports.iter().any(|taken| {
        starting.iter().any(|wanted| wanted.ports.iter().any(|port| taken_by(wanted, port, taken)))
    })
}

/// Whether an update to this spec ends a launch that listens on its host ports itself before another one starts.
///
/// # Errors
/// `InvalidSpec`, where the spec has no such processes.
pub fn ends_first(spec: &Spec, launch: &Manifest) -> Result<bool, ProviderError> {
    let wanted = Wanted::all(spec, launch.rollout)?;
    let starting: Vec<&Wanted<'_>> = wanted.iter().filter(|wanted| !is(launch, wanted)).collect();
    Ok(stands_in_the_way(launch, &starting) || ends_before_another(launch, &starting))
}

/// Whether an update from one spec to another ends a launch and starts another in its place.
///
/// # Errors
/// `InvalidSpec`, where a spec has no such processes.
pub fn replaces_launches(applied: &Spec, spec: &Spec) -> Result<bool, ProviderError> {
    let (old, new) = (Wanted::all(applied, Rollout::default())?, Wanted::all(spec, Rollout::default())?);
    let differs = |one: &Wanted<'_>, other: &Wanted<'_>| {
        one.container.name == other.container.name && one.fingerprint != other.fingerprint
    };
    Ok(old.iter().any(|old| new.iter().any(|new| differs(old, new))))
}

/// Whether a port stands for this one of the spec.
pub(super) fn answers(port: &Port, of: &SpecPort<'_>) -> bool {
    port.container_port == of.container_port && port.protocol == of.protocol
}
