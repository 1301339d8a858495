//! What to do next: the stages of a plan.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::checks::{ailment, check, probe};
use super::facts::{Death, Keeper, Launch, Live, ProcessFacts, Run, Streak};
use super::parts::{Part, answers, is, part_of_nothing, parts};
use super::volumes::{self, Dropped};
use super::wanted::{SpecPort, Wanted};
use super::{
    Binding, Exit, HostPort, LaunchId, Manifest, Process, ProcessCall, ReservePorts, Retention, Route,
    Routing, Signal, Start, Stop, Thief, Volumes, WantedPort,
};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::planner::{Act, Goal, Kind, Means, Next, Subject};
use crate::spec::{Condition, Role, Spec};

/// How long a start of unknown outcome may still come true, and how long a process without a health check has to
/// live until it counts as ready.
pub(super) const SETTLE: SignedDuration = SignedDuration::from_secs(1);
/// The pause between two SIGKILLs: a launch may start a process while it is being killed.
const KILL_AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// How often a launch is started anew in one operation, because another process had its port.
const ANEW: usize = 3;
/// The shortest and the longest pause between two looks at a launch that is ending.
const ENDING: (SignedDuration, SignedDuration) =
    (SignedDuration::from_millis(50), SignedDuration::from_secs(1));

/// The whole behaviour. What is not known is looked at; then the first stage that has something left to do does it.
pub(super) fn next(
    subject: &Subject,
    goal: Goal<'_>,
    facts: &ProcessFacts,
    now: Timestamp,
) -> Next<ProcessCall> {
    match (&facts.trouble, facts.looked, goal) {
        (Some(trouble), true | false, Goal::Present { .. } | Goal::Absent | Goal::Known) => {
            Next::Fail(trouble.clone())
        }
        (None, false, Goal::Present { .. } | Goal::Absent | Goal::Known) => Next::Do(vec![look()]),
        (None, true, Goal::Known) => look_at_each(facts).unwrap_or(Next::Done),
        (None, true, Goal::Absent) => {
            let stage = Stages { facts, now, parts: facts.launches.iter().map(part_of_nothing).collect() };
            stage
                .end_all()
                .or_else(|| stage.hold(volumes::after_the_tenant(&facts.volumes)))
                .or_else(|| stage.dismiss())
                .or_else(|| stage.end(Part::Clear))
                .unwrap_or(Next::Done)
        }
        (None, true, Goal::Present { spec, applied, rollout, by }) => {
            let wanted = match Wanted::all(spec, rollout) {
                Ok(wanted) => wanted,
                Err(error) => return Next::Fail(error),
            };
            let stage = Stages { facts, now, parts: parts(subject, &wanted, facts, now) };
            refuse(subject, &wanted, by, facts)
                .or_else(|| refuse_direct(&wanted, by, &stage))
                .or_else(|| fail_of_launch(subject, &wanted, by, facts))
                .or_else(|| stage.keep(&wanted))
                .or_else(|| stage.end(Part::Stop))
                .or_else(|| stage.release(&wanted))
                .or_else(|| stage.hold(stage.needed(spec, applied, &wanted)))
                .or_else(|| stage.start(subject, &wanted))
                .or_else(|| stage.check())
                .or_else(|| stage.route(spec))
                .or_else(|| stage.retire())
                .or_else(|| stage.end(Part::Clear))
                .or_else(|| stage.hold(volumes::at_the_end(spec, applied, &facts.volumes)))
                .unwrap_or(Next::Done)
        }
    }
}

/// What provision and update refuse.
fn refuse(
    subject: &Subject,
    wanted: &[Wanted<'_>],
    by: Means,
    facts: &ProcessFacts,
) -> Option<Next<ProcessCall>> {
    let mut ours = facts.launches.iter().filter(|(id, _)| id.incarnation == subject.incarnation);
    match by {
        Means::Provision => {
            let (_, other) = ours.find(|(_, launch)| match launch.run {
                Run::Live(_) => !wanted.iter().any(|wanted| is(&launch.manifest, wanted)),
                Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. } => false,
            })?;
            Some(Next::Fail(ProviderError::new(
                ErrorKind::ProvisionFailed,
                Remedy::Permanent,
                ErrorCode::Conflict,
                format!(
                    "tenant {} runs container {} with another spec; use update to change it",
                    subject.tenant, other.manifest.container
                ),
            )))
        }
        Means::Repair => None,
        Means::Update => match ours.next() {
            Some(_) => None,
            None => Some(Next::Fail(ProviderError::tenant_not_found(&subject.tenant))),
        },
    }
}

/// A wanted launch that ended, or was ended for its health check, before it was ready. The next method call starts
/// it again; one whose port another process had is started anew at once, a few times.
fn fail_of_launch(
    subject: &Subject,
    wanted: &[Wanted<'_>],
    by: Means,
    facts: &ProcessFacts,
) -> Option<Next<ProcessCall>> {
    facts.launches.iter().find_map(|(id, launch)| match &launch.run {
        Run::Dead { exit, death: Death::NeverReady, orphans: true | false, ails }
            if !launch.has_completed()
                && id.incarnation == subject.incarnation
                && wanted.iter().any(|wanted| is(&launch.manifest, wanted)) =>
        {
            match (&launch.thief, ails) {
                (Some(thief), _) => match robberies(facts, *id, launch) {
                    ..=ANEW => None,
                    times => Some(Next::Fail(robbed(&launch.manifest, thief, times, by))),
                },
                (None, Some(why)) => Some(Next::Fail(unhealthy(&launch.manifest, why, by))),
                (None, None) => Some(Next::Fail(crashed(&launch.manifest, exit, by))),
            }
        }
        Run::Dead { death: Death::NeverReady | Death::Crashed | Death::Stopped, .. }
        | Run::Starting { .. }
        | Run::Live(_)
        | Run::Stopping { .. } => None,
    })
}

/// How many launches of the same have died because another process had their port, up to this one. All of them are
/// remembered until one works.
fn robberies(facts: &ProcessFacts, id: LaunchId, launch: &Launch) -> usize {
    let is_same = |other: &Launch| {
        let (one, other) = (&launch.manifest, &other.manifest);
        (&one.container, one.replica, &one.fingerprint, one.rollout)
            == (&other.container, other.replica, &other.fingerprint, other.rollout)
    };
    let until = facts.launches.range(..=id);
    until.filter(|(_, other)| is_same(other) && other.was_robbed()).count()
}

/// Replicas of a program that listens on its host port itself: only one of them can.
fn refuse_direct(wanted: &[Wanted<'_>], by: Means, stage: &Stages<'_>) -> Option<Next<ProcessCall>> {
    let mut kept = stage.of(Part::Keep).map(|(_, launch)| launch);
    let direct = kept.find(|launch| {
        launch.is_direct() && wanted.iter().any(|one| one.has_others && is(&launch.manifest, one))
    })?;
    let ports: Vec<String> = direct.manifest.ports.iter().map(|port| port.host_port.to_string()).collect();
    let message = format!(
        "container {} listens on its host port ({}) itself, so it cannot have replicas; have it listen on its PORT, or \
         remove replicas",
        direct.manifest.container,
        ports.join(", ")
    );
    let error = ProviderError::new(failure(by), Remedy::Permanent, ErrorCode::InvalidConfiguration, message);
    Some(Next::Fail(error))
}

/// The error of the method that asks.
fn failure(by: Means) -> ErrorKind {
    match by {
        Means::Provision | Means::Repair => ErrorKind::ProvisionFailed,
        Means::Update => ErrorKind::UpdateFailed,
    }
}

/// What one launch needs.
pub(super) enum Move {
    Now(Act<ProcessCall>),
    Later(Timestamp, &'static str),
}

/// What all of them need: everything that can be done now is done; else the
/// earliest wait begins.
fn together(moves: impl Iterator<Item = Move>) -> Option<Next<ProcessCall>> {
    let mut acts = Vec::new();
    let mut earliest: Option<(Timestamp, &'static str)> = None;
    for one in moves {
        match one {
            Move::Now(act) => acts.push(act),
            Move::Later(until, why) => match earliest {
                Some((before, _)) if before <= until => {}
                Some(_) | None => earliest = Some((until, why)),
            },
        }
    }
    match (acts.is_empty(), earliest) {
        (false, Some(_) | None) => Some(Next::Do(acts)),
        (true, Some((until, why))) => Some(Next::Wait { until, why, so_far: None }),
        (true, None) => None,
    }
}

/// The stages of a plan; each is `None` when it has nothing left to do.
struct Stages<'a> {
    facts: &'a ProcessFacts,
    now: Timestamp,
    parts: BTreeMap<LaunchId, Part>,
}

impl Stages<'_> {
    fn of(&self, part: Part) -> impl Iterator<Item = (LaunchId, &Launch)> {
        self.facts
            .launches
            .iter()
            .filter(move |(id, _)| self.parts.get(id) == Some(&part))
            .map(|(id, launch)| (*id, launch))
    }

    /// Ends the launches of this part, and what is left of them.
    fn end(&self, part: Part) -> Option<Next<ProcessCall>> {
        together(self.of(part).map(|(id, launch)| end(id, launch, self.now)))
    }

    /// Ends everything, sidecars after what they help.
    fn end_all(&self) -> Option<Next<ProcessCall>> {
        let is_sidecar = |launch: &Launch| launch.manifest.role == Role::Sidecar;
        let end = |sidecars: bool| {
            let of = self.of(Part::Stop).filter(move |(_, launch)| is_sidecar(launch) == sidecars);
            together(of.map(|(id, launch)| end(id, launch, self.now)))
        };
        end(false).or_else(|| end(true))
    }

    /// Tells the keeper what to forward to, in place of what it was told before.
    fn tell(&self, step: &'static str, routes: Vec<Route>) -> Next<ProcessCall> {
        let routing = Routing { number: self.facts.intended.saturating_add(1), routes };
        Next::Do(vec![Act { step, call: ProcessCall::Route(routing), kind: Kind::Write }])
    }

    /// Has the keeper leave the fixed ports where a program is about to listen itself.
    fn release(&self, wanted: &[Wanted<'_>]) -> Option<Next<ProcessCall>> {
        let binds: Vec<&Wanted<'_>> = self.missing(wanted).filter(|missing| self.may_bind(missing)).collect();
        let is_left = |route: &&Route| {
            let mut ports = binds.iter().flat_map(|missing| &missing.ports);
            !ports.any(|port| port.fixed == Some(route.host_port) && port.protocol == route.protocol)
        };
        let routes: Vec<Route> = self.facts.routing.routes.iter().filter(is_left).cloned().collect();
        match (self.facts.keeper, routes.len() == self.facts.routing.routes.len()) {
            (Keeper::Lives, false) => Some(self.tell("leave a port to its program", routes)),
            (Keeper::Lives, true)
            | (Keeper::Absent | Keeper::Intended { .. } | Keeper::Dead, true | false) => None,
        }
    }

    /// Whether the program of a container may listen on its host ports itself. That of replicas may not. Else it is so
    /// where one ends before the other starts, and where a launch is remembered that was started with the same and did so.
    fn may_bind(&self, wanted: &Wanted<'_>) -> bool {
        !wanted.has_others && (wanted.stop_first || self.has_bound(wanted))
    }

    fn has_bound(&self, wanted: &Wanted<'_>) -> bool {
        self.facts.launches.values().any(|launch| {
            launch.binding == Binding::Direct
                && launch.manifest.container == wanted.container.name
                && launch.manifest.fingerprint == wanted.fingerprint
        })
    }

    /// Has the keeper forward to the launches that are kept.
    fn route(&self, spec: &Spec) -> Option<Next<ProcessCall>> {
        let mut routes: Vec<Route> = self
            .of(Part::Keep)
            .flat_map(|(id, launch)| launch.manifest.routes(id, spec.networking.public_ip))
            .collect();
        routes.sort();
        let facts = self.facts;
        let is_told = facts.routing.routes == routes && facts.routing.number == facts.intended;
        match (facts.keeper, is_told) {
            (Keeper::Lives, false) => Some(self.tell("forward to the new processes", routes)),
            (Keeper::Lives, true)
            | (Keeper::Absent | Keeper::Intended { .. } | Keeper::Dead, true | false) => None,
        }
    }

    /// Has the machine hold exactly these volumes. What may still happen of an earlier call is overtaken first.
    fn hold(&self, held: BTreeMap<String, Retention>) -> Option<Next<ProcessCall>> {
        let Volumes { number, held: known } = &self.facts.volumes;
        if *known == held && *number == self.facts.volumes_intended {
            return None;
        }
        let number = self.facts.volumes_intended.saturating_add(1);
        let call = ProcessCall::Hold(Volumes { number, held });
        Some(Next::Do(vec![Act { step: "make or remove volumes", call, kind: Kind::Write }]))
    }

    /// What has to be there before a launch starts, or while none does.
    fn needed(
        &self,
        spec: &Spec,
        applied: Option<&Spec>,
        wanted: &[Wanted<'_>],
    ) -> BTreeMap<String, Retention> {
        let dropped = match self.missing(wanted).next() {
            Some(_) => Dropped::Goes,
            None => Dropped::Stays,
        };
        volumes::before_a_start(spec, applied, &self.facts.volumes, dropped)
    }

    /// Ends the launches whose successors answer now. Each first has its grace to finish what it is busy with.
    fn retire(&self) -> Option<Next<ProcessCall>> {
        together(self.of(Part::Retire).map(|(id, launch)| {
            let patience = after(self.facts.routed.unwrap_or(self.now), grace(&launch.manifest));
            match launch.connections > 0 && self.now < patience {
                true => {
                    let since = self.facts.routed.unwrap_or(self.now);
                    Move::Later(patience.min(look_again(since, self.now)), "open connections end")
                }
                false => end(id, launch, self.now),
            }
        }))
    }

    /// Checks the launches that are kept, until all are ready.
    fn check(&self) -> Option<Next<ProcessCall>> {
        let next = together(self.of(Part::Keep).filter_map(|(id, launch)| match &launch.run {
            Run::Live(live) => check(id, &launch.manifest, live, self.now),
            Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. } => None,
        }))?;
        Some(match next {
            Next::Wait { until, why, so_far: _ } => Next::Wait { until, why, so_far: self.failing() },
            other @ (Next::Do(_) | Next::Done | Next::Fail(_)) => other,
        })
    }

    /// What the checks of the kept launches say that fail.
    fn failing(&self) -> Option<String> {
        let failing = self.of(Part::Keep).filter_map(|(_, launch)| match &launch.run {
            Run::Live(Live { health: Streak::Failing { why, .. }, .. }) => {
                Some(format!("{}: {why}", launch.manifest.name()))
            }
            Run::Live(_) | Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. } => None,
        });
        let failing: Vec<String> = failing.collect();
        (!failing.is_empty()).then(|| failing.join(", "))
    }

    /// Makes sure of the keeper where something runs that it started, or is about to be.
    fn keep(&self, wanted: &[Wanted<'_>]) -> Option<Next<ProcessCall>> {
        let needed = self.missing(wanted).next().is_some()
            || self.of(Part::Keep).any(|(_, launch)| launch.manifest.kept);
        match (self.facts.keeper, needed) {
            (Keeper::Absent | Keeper::Dead, true) => Some(Next::Do(vec![Act {
                step: "start the keeper",
                call: ProcessCall::Keep,
                kind: Kind::Write,
            }])),
            (Keeper::Intended { missed }, true) => Some(settle(missed)),
            (Keeper::Absent | Keeper::Intended { .. } | Keeper::Dead, false)
            | (Keeper::Lives, true | false) => None,
        }
    }

    /// Ends the keeper, and removes with it what is left of the launches.
    fn dismiss(&self) -> Option<Next<ProcessCall>> {
        match self.facts.keeper {
            Keeper::Absent => None,
            Keeper::Intended { missed } => Some(settle(missed)),
            Keeper::Lives | Keeper::Dead => Some(Next::Do(vec![Act {
                step: "end the keeper",
                call: ProcessCall::Dismiss {
                    launches: self
                        .of(Part::Clear)
                        .map(|(id, launch)| (id, launch.manifest.container.clone()))
                        .collect(),
                },
                kind: Kind::Write,
            }])),
        }
    }

    /// The containers that no kept launch runs, nor has run to its end.
    fn missing<'b, 'w>(&self, wanted: &'b [Wanted<'w>]) -> impl Iterator<Item = &'b Wanted<'w>> {
        let there = |wanted: &Wanted<'_>| {
            let mut here = self.of(Part::Keep).chain(self.of(Part::Completed));
            here.any(|(_, launch)| is(&launch.manifest, wanted))
        };
        wanted.iter().filter(move |wanted| !there(wanted))
    }

    /// Whether everything that a container waits for has come that far.
    fn may_start(&self, one: &Wanted<'_>, all: &[Wanted<'_>]) -> bool {
        one.after.iter().all(|(name, until)| {
            let others: Vec<&Wanted<'_>> = all.iter().filter(|other| other.container.name == *name).collect();
            if others.is_empty() {
                return true;
            }
            // Of replicas one is enough: it answers at their address.
            let is_other = |launch: &Launch| others.iter().any(|other| is(&launch.manifest, other));
            let mut kept = self.of(Part::Keep).filter(|(_, launch)| is_other(launch));
            match until {
                Condition::Started => kept.next().is_some(),
                Condition::Healthy => kept.any(|(_, launch)| match launch.run {
                    Run::Live(Live { ready, .. }) => ready,
                    Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. } => false,
                }),
                Condition::Completed => self.of(Part::Completed).any(|(_, launch)| is_other(launch)),
            }
        })
    }

    /// The ports to find for a container. Its address stays where it is, and is that of its other replicas.
    fn wanted_ports(&self, wanted: &Wanted<'_>) -> Vec<WantedPort> {
        let facts = self.facts;
        let before = |port: &SpecPort<'_>| {
            let launches = facts.launches.values().rev();
            let same = launches.filter(|launch| launch.manifest.container == wanted.container.name);
            let mut ports = same.flat_map(|launch| &launch.manifest.ports);
            ports.find(|old| answers(old, port)).map(|old| old.host_port)
        };
        let has = |number: u16, port: &SpecPort<'_>| {
            let mut routes = facts.routing.routes.iter();
            routes.any(|route| route.host_port == number && route.protocol == port.protocol)
        };
        let host =
            |port: &SpecPort<'_>| match (self.of_another_replica(wanted, port), port.fixed, before(port)) {
                (Some(theirs), _, _) => HostPort::Kept(theirs),
                (None, Some(fixed), _) if has(fixed, port) => HostPort::Kept(fixed),
                (None, Some(fixed), _) => HostPort::Fixed(fixed),
                (None, None, Some(before)) if has(before, port) => HostPort::Kept(before),
                (None, None, before) => HostPort::Free { before },
            };
        wanted
            .ports
            .iter()
            .map(|port| WantedPort {
                container_port: port.container_port,
                protocol: port.protocol,
                name: port.name.cloned(),
                host: host(port),
            })
            .collect()
    }

    /// The host port that another replica has: one that runs, or is about to start.
    fn of_another_replica(&self, wanted: &Wanted<'_>, port: &SpecPort<'_>) -> Option<u16> {
        if !wanted.has_others {
            return None;
        }
        let container = &wanted.container.name;
        let is_replica = |launch: &Launch| {
            let manifest = &launch.manifest;
            manifest.container == *container
                && manifest.fingerprint == wanted.fingerprint
                && manifest.rollout == wanted.rollout
        };
        let running = self.of(Part::Keep).filter(|(_, launch)| is_replica(launch));
        let running = running.flat_map(|(_, launch)| &launch.manifest.ports);
        let reserved = self.facts.reserved.iter();
        let starting = reserved.filter(|(name, _)| name.split('#').next() == Some(container.as_str()));
        let starting = starting.flat_map(|(_, ports)| ports);
        running.chain(starting).find(|other| answers(other, port)).map(|other| other.host_port)
    }

    /// Starts the containers that no kept launch runs, once their ports are known, and what they wait for is there.
    fn start(&self, subject: &Subject, wanted: &[Wanted<'_>]) -> Option<Next<ProcessCall>> {
        let missing: Vec<&Wanted<'_>> =
            self.missing(wanted).filter(|missing| self.may_start(missing, wanted)).collect();
        let unreserved: Vec<(&Wanted<'_>, Vec<WantedPort>)> = missing
            .iter()
            .filter(|wanted| !self.facts.reserved.contains_key(&wanted.name()))
            .map(|wanted| (*wanted, self.wanted_ports(wanted)))
            .filter(|(_, ports)| !ports.is_empty())
            .collect();
        // What the first of its replicas gets is everyone's.
        let follows = |wanted: &Wanted<'_>, ports: &[WantedPort]| {
            let waits = ports.iter().any(|port| matches!(port.host, HostPort::Free { .. }));
            let is_earlier = |(other, _): &(&Wanted<'_>, _)| {
                other.container.name == wanted.container.name && other.replica < wanted.replica
            };
            waits && unreserved.iter().any(is_earlier)
        };
        let unreserved: BTreeMap<String, Vec<WantedPort>> = unreserved
            .iter()
            .filter(|(wanted, ports)| !follows(wanted, ports))
            .map(|(wanted, ports)| (wanted.name(), ports.clone()))
            .collect();
        match (missing.is_empty(), unreserved.is_empty()) {
            (true, true | false) => None,
            (false, false) => Some(Next::Do(vec![Act {
                step: "find free ports",
                call: ProcessCall::ReservePorts(ReservePorts { wanted: unreserved }),
                kind: Kind::Read,
            }])),
            (false, true) => {
                let numbers = (self.facts.generation.saturating_add(1)..).zip(&missing);
                let acts = numbers.map(|(generation, wanted)| {
                    let launch = LaunchId { incarnation: subject.incarnation, generation };
                    start(launch, wanted, self.facts)
                });
                Some(Next::Do(acts.collect()))
            }
        }
    }
}

/// Looks at everything.
fn look() -> Act<ProcessCall> {
    Act { step: "look for processes", call: ProcessCall::Find, kind: Kind::Read }
}

/// What to do about a start of unknown outcome that a look did not show at `missed`.
fn settle(missed: Option<Timestamp>) -> Next<ProcessCall> {
    match missed {
        None => Next::Do(vec![look()]),
        Some(at) => {
            Next::Wait { until: after(at, SETTLE), why: "a start of unknown outcome settles", so_far: None }
        }
    }
}

/// One check of everything that lives, whatever the last one said.
fn look_at_each(facts: &ProcessFacts) -> Option<Next<ProcessCall>> {
    together(facts.launches.iter().filter_map(|(id, launch)| match &launch.run {
        Run::Live(Live { leader, fresh: false, .. }) => {
            Some(Move::Now(probe(*id, &launch.manifest, *leader, false)))
        }
        Run::Live(Live { fresh: true, .. })
        | Run::Starting { .. }
        | Run::Stopping { .. }
        | Run::Dead { .. } => None,
    }))
}

/// How a launch ends: SIGTERM, its grace, SIGKILL until nothing is left, then its files.
fn end(id: LaunchId, launch: &Launch, now: Timestamp) -> Move {
    let signal = |leader: Option<Process>, stop: Stop, ails: Option<String>| {
        let step = match stop {
            Stop::Term => "ask a process to end",
            Stop::Kill => "kill a process",
        };
        let call = ProcessCall::Signal(Signal { launch: id, leader, stop, ails });
        Move::Now(Act { step, call, kind: Kind::Write })
    };
    match &launch.run {
        Run::Starting { missed: None } => Move::Now(look()),
        Run::Starting { missed: Some(at) } => {
            Move::Later(after(*at, SETTLE), "a start of unknown outcome settles")
        }
        Run::Live(live) => signal(Some(live.leader), Stop::Term, ailment(launch, live, now)),
        Run::Dead { orphans: true, .. } => signal(None, Stop::Term, None),
        Run::Stopping { leader, stop, sent: None, ails: _ } => signal(*leader, *stop, None),
        Run::Stopping { leader, stop: Stop::Term, sent: Some(at), ails: _ } => {
            let patience = after(*at, grace(&launch.manifest));
            match now >= patience {
                true => signal(*leader, Stop::Kill, None),
                false => Move::Later(patience.min(look_again(*at, now)), "a process ends"),
            }
        }
        Run::Stopping { leader, stop: Stop::Kill, sent: Some(at), ails: _ } => {
            match now >= after(*at, KILL_AGAIN) {
                true => signal(*leader, Stop::Kill, None),
                false => Move::Later(look_again(*at, now), "a killed process ends"),
            }
        }
        Run::Dead { orphans: false, .. } => {
            let call = ProcessCall::Clear { launch: id, container: launch.manifest.container.clone() };
            Move::Now(Act { step: "remove the files of an ended process", call, kind: Kind::Write })
        }
    }
}

fn start(launch: LaunchId, wanted: &Wanted<'_>, facts: &ProcessFacts) -> Act<ProcessCall> {
    let ports = facts.reserved.get(&wanted.name()).cloned().unwrap_or_default();
    let call = ProcessCall::Start(Box::new(Start {
        launch,
        manifest: Manifest {
            container: wanted.container.name.clone(),
            replica: wanted.replica,
            fingerprint: wanted.fingerprint.clone(),
            rollout: wanted.rollout,
            ports,
            readiness: wanted.readiness.clone(),
            stop_grace_seconds: wanted.stop_grace_seconds,
            stop_signal: wanted.container.stop.as_ref().and_then(|stop| stop.signal),
            role: wanted.container.role,
            kept: true,
        },
        container: wanted.container.clone(),
        secrets: wanted.secrets.to_vec(),
        volumes: wanted.volumes.clone(),
        resources: wanted.resources.clone(),
        working_dir: wanted.working_dir.clone(),
        user: wanted.user.clone(),
        no_new_privileges: wanted.no_new_privileges,
    }));
    Act { step: "start a process", call, kind: Kind::Write }
}

fn crashed(manifest: &Manifest, exit: &Exit, by: Means) -> ProviderError {
    let container = manifest.name();
    let message = match manifest.role {
        Role::Main | Role::Sidecar => format!("container {container} ended before it was ready: {exit}"),
        Role::Init => format!("init container {container} has failed: {exit}"),
    };
    let error = ProviderError::new(failure(by), Remedy::Retry, ErrorCode::UnknownError, message);
    error.with_platform(exit.to_string())
}

fn robbed(manifest: &Manifest, thief: &Thief, times: usize, by: Means) -> ProviderError {
    let message = format!(
        "container {} was started {times} times, and each time another process took its port first: at last, {thief}; end \
         what takes these ports, or give the provider another range of ports",
        manifest.name(),
    );
    ProviderError::new(failure(by), Remedy::Retry, ErrorCode::Conflict, message)
}

fn unhealthy(manifest: &Manifest, why: &str, by: Means) -> ProviderError {
    let container = manifest.name();
    let message = match manifest.role {
        Role::Main | Role::Sidecar => format!(
            "container {container} ran but did not pass its health check: {why}; look at the check and at the container's log"
        ),
        Role::Init => format!(
            "init container {container} was stopped: {why}; look at its log, or raise update.deadline_seconds"
        ),
    };
    ProviderError::new(failure(by), Remedy::Permanent, ErrorCode::UnknownError, message).with_platform(why)
}

fn grace(manifest: &Manifest) -> SignedDuration {
    SignedDuration::from_secs(manifest.stop_grace_seconds.into())
}

/// When to look again at what was told to end: soon at first, then less and less often.
fn look_again(sent: Timestamp, now: Timestamp) -> Timestamp {
    after(now, now.duration_since(sent).clamp(ENDING.0, ENDING.1))
}

/// A time later than another; the end of time where there is none.
pub(super) fn after(time: Timestamp, pause: SignedDuration) -> Timestamp {
    time.saturating_add(pause).unwrap_or(Timestamp::MAX)
}
