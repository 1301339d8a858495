//! A machine with processes, in memory: the [`Model`] of the process planner.
//!
//! What a process does is said by the first of its container's `args`; see [`ProcessBehaviour`].

mod operations;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::Rollout;
use landlord_state_machines::planner::process::{
    Binding, Check, Exit, ExitCause, Fingerprint, Found, FoundLaunch, HostPort, LaunchId, Manifest, Port,
    Probe, Probed, Process, ProcessCall, ProcessLife, ProcessPlanner, ProcessReply, ReservePorts, Retention,
    Routing, Signal, Start, Stop, Thief, Volumes, replicas,
};
use landlord_state_machines::planner::{CallError, Kind, Subject};
use landlord_state_machines::spec::{ContainerSpec, Role, Spec};

use landlord_testing::faults::{Mishap, Model, Operation};

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessBehaviour {
    /// It runs, passes its checks and ends when it is asked to. Also for any other word.
    Fine,
    /// `slow`: it passes its checks only after 3 s.
    Slow,
    /// `sick`: it never passes its checks.
    Sick,
    /// `crash`: it ends by itself after 200 ms and never passes a check before.
    Crash,
    /// `stubborn`: it does not end when it is asked to.
    Stubborn,
    /// `forks`: it has a child that outlives it and has to be killed.
    Forks,
    /// `binds`: it listens on its host port itself.
    Binds,
    /// `busy`: for 2 s after another took its place it has connections.
    Busy,
    /// `completes`: it ends by itself after 200 ms, and has done what it was for.
    Completes,
}

impl ProcessBehaviour {
    fn of(container: &ContainerSpec) -> Self {
        match container.args.first().map(String::as_str) {
            Some("slow") => Self::Slow,
            Some("sick") => Self::Sick,
            Some("crash") => Self::Crash,
            Some("stubborn") => Self::Stubborn,
            Some("forks") => Self::Forks,
            Some("binds") => Self::Binds,
            Some("busy") => Self::Busy,
            Some("completes") => Self::Completes,
            Some(_) | None => Self::Fine,
        }
    }

    /// How long a process lives by itself.
    fn lives(self) -> Option<SignedDuration> {
        match self {
            Self::Crash | Self::Completes => Some(SignedDuration::from_millis(200)),
            Self::Fine
            | Self::Slow
            | Self::Sick
            | Self::Stubborn
            | Self::Forks
            | Self::Binds
            | Self::Busy => None,
        }
    }

    /// How long it takes to pass its checks.
    fn settles(self) -> Option<SignedDuration> {
        match self {
            Self::Fine | Self::Stubborn | Self::Forks | Self::Binds | Self::Busy | Self::Completes => {
                Some(SignedDuration::ZERO)
            }
            Self::Slow => Some(SignedDuration::from_secs(3)),
            Self::Sick | Self::Crash => None,
        }
    }
}

/// One launch that has processes or files.
#[derive(Clone, Debug)]
struct Row {
    manifest: Manifest,
    container: ContainerSpec,
    behaviour: ProcessBehaviour,
    leader: Process,
    started: Timestamp,
    /// When the first process ends or ended, and how.
    ends: Option<(Timestamp, ExitCause)>,
    /// Whether a child is left when the first process has ended.
    child: bool,
    /// The persistent volumes that it mounts.
    mounts: Vec<String>,
    /// Since when it fails its checks, where it hangs.
    hangs: Option<Timestamp>,
    /// Who had a private port of it before it began to listen.
    thief: Option<Thief>,
}

impl Row {
    fn leads(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|(at, _)| now < at)
    }

    /// Whether it was to end by itself, and has done so.
    fn has_completed(&self) -> bool {
        let completed = self.ends.is_some_and(|(_, cause)| cause == ExitCause::Code(0));
        self.manifest.role == Role::Init && completed
    }

    fn exit(&self) -> Exit {
        Exit::of(self.ends.map_or(ExitCause::Unseen, |(_, cause)| cause))
    }

    fn life(&self, now: Timestamp) -> ProcessLife {
        match (self.leads(now), self.child) {
            (true, true | false) => ProcessLife::Leader(self.leader),
            (false, true) => ProcessLife::Orphans(self.exit()),
            (false, false) => ProcessLife::Files(self.exit()),
        }
    }

    fn binds(&self) -> bool {
        self.behaviour == ProcessBehaviour::Binds
    }

    /// Where it listens.
    fn listens(&self) -> impl Iterator<Item = u16> {
        let binds = self.binds();
        self.manifest.ports.iter().map(move |port| if binds { port.host_port } else { port.listens_on() })
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        match self.life(now) {
            ProcessLife::Leader(_) | ProcessLife::Orphans(_) => true,
            ProcessLife::Files(_) => false,
        }
    }

    /// Whether it passes its checks.
    fn works(&self, now: Timestamp) -> bool {
        let settled = self.behaviour.settles().is_some_and(|settles| now >= later(self.started, settles));
        settled && self.hangs.is_none()
    }

    /// How many checks in a row came out the same way: its keeper makes one a second, and this is one more.
    fn checked(&self, now: Timestamp) -> u32 {
        let since = self.hangs.unwrap_or(self.started);
        u32::try_from(now.duration_since(since).as_secs()).unwrap_or(0).saturating_add(1)
    }

    fn end(&mut self, at: Timestamp, signal: i32) {
        if self.ends.is_none_or(|(before, _)| at < before) {
            self.ends = Some((at, ExitCause::Signal(signal)));
        }
    }
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    rows: BTreeMap<LaunchId, Row>,
    /// Every launch id ever used.
    used: BTreeSet<LaunchId>,
    started: u16,
    breach: Option<String>,
    /// Whether the keeper lives.
    keeper: bool,
    /// What it listens on; the next one listens there too.
    routing: Routing,
    /// The persistent volumes.
    volumes: Volumes,
    /// What is in each of them: another number each time that one was made.
    contents: BTreeMap<String, u64>,
    /// How many volumes were made.
    made: u64,
    /// What launches have found in their volumes, by what they were launched with.
    stored: Vec<(Fingerprint, String, u64)>,
    /// When the routes were last changed.
    routed: Option<Timestamp>,
    /// Ports that were found free last, for launches that may start.
    promised: BTreeSet<u16>,
    /// The ports that strangers have, and until when.
    strangers: Option<(BTreeSet<u16>, Timestamp)>,
}

/// For how long strangers keep a port.
const STRANGERS_STAY: SignedDuration = SignedDuration::from_secs(3);

impl Processes {
    fn start(&mut self, start: &Start, now: Timestamp) -> ProcessReply {
        if !self.used.insert(start.launch) {
            self.breach = Some(format!("launch {} was started twice", start.launch));
        }
        let persistent = start.volumes.iter().filter(|volume| volume.persistent);
        let mounts: Vec<String> = persistent.map(|volume| volume.name.clone()).collect();
        if let Some(absent) = mounts.iter().find(|name| !self.volumes.held.contains_key(*name)) {
            self.breach = Some(format!("launch {} mounts volume {absent}, which is not there", start.launch));
        }
        self.mount(start, &mounts);
        self.started += 1;
        let leader = Process { pid: 1000 + u32::from(self.started), start_time: self.started.into() };
        // What the spec does not fix the keeper holds before the program runs.
        let mut held =
            start.manifest.ports.iter().map(|port| port.host_port).filter(|port| !start.fixes(*port));
        if let Some(port) = held.find(|port| !self.forwards(*port) && self.taken(*port, now)) {
            let thief = Thief { port, holder: "a stranger".to_owned() };
            return ProcessReply::Robbed { launch: start.launch, thief };
        }
        let behaviour = ProcessBehaviour::of(&start.container);
        let binds = behaviour == ProcessBehaviour::Binds;
        let taken = start.manifest.ports.iter().any(|port| match binds {
            true => self.occupied(port.host_port, now) || self.forwards(port.host_port),
            false => self.occupied(port.listens_on(), now),
        });
        let lives = if taken { Some(SignedDuration::from_millis(50)) } else { behaviour.lives() };
        let code = i32::from(behaviour != ProcessBehaviour::Completes);
        let ends = lives.map(|lives| (later(now, lives), ExitCause::Code(code)));
        let mut private = start.manifest.ports.iter().filter_map(|port| port.private_port);
        let stolen = private.find(|port| !binds && self.taken(*port, now));
        let row = Row {
            thief: stolen.map(|port| Thief { port, holder: "a stranger".to_owned() }),
            manifest: start.manifest.clone(),
            container: start.container.clone(),
            behaviour,
            leader,
            started: now,
            ends,
            child: behaviour == ProcessBehaviour::Forks,
            mounts,
            // Who answers on its port is not this launch, so that it passes no check.
            hangs: taken.then_some(now),
        };
        self.rows.insert(start.launch, row);
        ProcessReply::Started { launch: start.launch, leader }
    }

    /// A launch finds in its volumes what those with the same configuration have stored there.
    fn mount(&mut self, start: &Start, mounts: &[String]) {
        let fingerprint = &start.manifest.fingerprint;
        for name in mounts {
            let Some(content) = self.contents.get(name).copied() else { continue };
            let mut stored = self.stored.iter();
            match stored.find(|(by, of, _)| by == fingerprint && of == name) {
                Some((_, _, theirs)) if *theirs == content => {}
                Some(_) => {
                    self.breach = Some(format!("launch {} finds volume {name} emptied", start.launch));
                }
                None => self.stored.push((fingerprint.clone(), name.clone(), content)),
            }
        }
    }

    fn hold(&mut self, volumes: &Volumes, now: Timestamp) -> ProcessReply {
        if volumes.number > self.volumes.number {
            let alive = self.rows.iter().filter(|(_, row)| row.is_alive(now));
            let mut mounted =
                alive.flat_map(|(launch, row)| row.mounts.iter().map(move |name| (launch, name)));
            if let Some((launch, name)) = mounted.find(|(_, name)| !volumes.held.contains_key(*name)) {
                self.breach = Some(format!("volume {name} was removed while launch {launch} had it"));
            }
            self.contents.retain(|name, _| volumes.held.contains_key(name));
            for name in volumes.held.keys() {
                self.contents.entry(name.clone()).or_insert_with(|| {
                    self.made += 1;
                    self.made
                });
            }
            self.volumes = volumes.clone();
        }
        ProcessReply::Held { number: self.volumes.number }
    }

    /// Whether the volumes are those of a spec, and what was retained of others. What an update has dropped goes later, and not
    /// later than its tenant.
    fn holds_volumes(&self, spec: Option<&Spec>) -> Result<(), String> {
        let volumes = spec.map_or(&[][..], |spec| &spec.volumes).iter().filter(|volume| volume.persistent);
        let mut rest = self.volumes.held.clone();
        for volume in volumes {
            match (volume.retain, rest.remove(&volume.name)) {
                (true, Some(Retention::Retained)) | (false, Some(Retention::WithTenant)) => {}
                (true | false, found) => return Err(format!("volume {}: {found:?}", volume.name)),
            }
        }
        let may_stay = |retention: &Retention| match retention {
            Retention::Retained => true,
            Retention::Dropped => spec.is_some(),
            Retention::WithTenant | Retention::Left => false,
        };
        match rest.iter().find(|(_, retention)| !may_stay(retention)) {
            Some((name, _)) => Err(format!("volume {name} is left")),
            None => Ok(()),
        }
    }

    /// Whether each replica is there once, and all of a container have its host ports.
    fn replicas_have_one_address(&self) -> Result<(), String> {
        let mut hosts: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for row in self.rows.values().filter(|row| !row.has_completed()) {
            let own: Vec<u16> = row.manifest.ports.iter().map(|port| port.host_port).collect();
            let theirs = hosts.entry(&row.manifest.container).or_insert_with(|| own.clone());
            if *theirs != own {
                return Err(format!(
                    "{} has the addresses {own:?}, another has {theirs:?}",
                    row.manifest.name()
                ));
            }
            if !names.insert(row.manifest.name()) {
                return Err(format!("{} is there twice", row.manifest.name()));
            }
        }
        Ok(())
    }

    /// Whether a launch or a stranger listens on a port.
    fn occupied(&self, number: u16, now: Timestamp) -> bool {
        let alive = self.rows.values().filter(|row| row.is_alive(now));
        self.taken(number, now) || alive.flat_map(Row::listens).any(|listens| listens == number)
    }

    /// Whether a stranger listens on a port.
    fn taken(&self, number: u16, now: Timestamp) -> bool {
        self.strangers.as_ref().is_some_and(|(ports, until)| now < *until && ports.contains(&number))
    }

    /// Whether the keeper listens on a port.
    fn forwards(&self, number: u16) -> bool {
        if !self.keeper {
            return false;
        }
        let binds = |launch| self.rows.get(launch).is_some_and(Row::binds);
        self.routing.routes.iter().any(|route| route.host_port == number && !binds(&route.launch))
    }

    /// What the keeper says that it listens on.
    fn routed(&self, now: Timestamp) -> Routing {
        let routes = self.routing.routes.iter();
        let open = routes.filter(|route| !self.taken(route.host_port, now)).cloned().collect();
        Routing { number: self.routing.number, routes: open }
    }

    fn route(&mut self, routing: &Routing, now: Timestamp) -> Result<ProcessReply, ProviderError> {
        if routing.number < self.routing.number {
            return Ok(ProcessReply::Routed { number: self.routing.number });
        }
        if let Some(route) = routing.routes.iter().find(|route| self.taken(route.host_port, now)) {
            return Err(taken(route.host_port));
        }
        let alive = |row: &Row| row.is_alive(now) && row.binds();
        for route in &routing.routes {
            let holder = self.rows.iter().find(|(launch, row)| {
                **launch != route.launch && alive(row) && row.listens().any(|port| port == route.host_port)
            });
            if holder.is_some() {
                return Err(taken(route.host_port));
            }
        }
        if self.routing.routes != routing.routes {
            self.routed = Some(now);
        }
        self.routing = routing.clone();
        Ok(ProcessReply::Routed { number: routing.number })
    }

    fn binding(&self, id: LaunchId, row: &Row) -> Binding {
        if !self.keeper {
            return Binding::Unknown;
        }
        match (row.binds(), self.routing.routes.iter().any(|route| route.launch == id)) {
            (true, true | false) => Binding::Direct,
            (false, true) => Binding::Forwarded,
            (false, false) => Binding::Unknown,
        }
    }

    fn connections(&self, id: LaunchId, row: &Row, now: Timestamp) -> u32 {
        let left = self.routed.is_some_and(|at| now < later(at, SignedDuration::from_secs(2)));
        let replaced = self.routing.routes.iter().all(|route| route.launch != id);
        u32::from(self.keeper && row.behaviour == ProcessBehaviour::Busy && left && replaced)
    }

    fn reserve(&mut self, wanted: &ReservePorts, now: Timestamp) -> Result<ProcessReply, ProviderError> {
        let fixed = wanted.wanted.values().flatten().filter_map(|wanted| match wanted.host {
            HostPort::Fixed(number) => Some(number),
            HostPort::Kept(_) | HostPort::Free { .. } => None,
        });
        if let Some(number) = fixed.into_iter().find(|port| self.occupied(*port, now) || self.forwards(*port))
        {
            return Err(taken(number));
        }
        // Somebody has it, or is about to.
        let kept = wanted.wanted.values().flatten().filter_map(|wanted| match wanted.host {
            HostPort::Fixed(number) | HostPort::Kept(number) => Some(number),
            HostPort::Free { .. } => None,
        });
        let given: BTreeSet<u16> = kept.chain(self.promised.iter().copied()).collect();
        let is_free =
            |port: &u16| !self.occupied(*port, now) && !self.forwards(*port) && !given.contains(port);
        let mut free = (20_000..).filter(is_free);
        let ports = wanted.wanted.iter().map(|(container, wanted)| {
            let ports = wanted.iter().filter_map(|wanted| {
                let host_port = match wanted.host {
                    HostPort::Fixed(number) | HostPort::Kept(number) => Some(number),
                    HostPort::Free { before } => before.filter(|before| !self.occupied(*before, now)),
                };
                Some(Port {
                    container_port: wanted.container_port,
                    host_port: host_port.or_else(|| free.next())?,
                    private_port: Some(free.next()?),
                    protocol: wanted.protocol,
                    name: wanted.name.clone(),
                })
            });
            (container.clone(), ports.collect())
        });
        let ports: BTreeMap<String, Vec<Port>> = ports.collect();
        let promised = ports.values().flatten().flat_map(|port| [port.host_port, port.listens_on()]);
        self.promised = promised.filter(|port| !self.forwards(*port)).collect();
        Ok(ProcessReply::Ports(ports))
    }

    /// Where the keeper is gone another is started, which makes the check.
    fn probe(&mut self, probe: &Probe, now: Timestamp) -> Probed {
        let Some(row) = self.rows.get(&probe.launch).filter(|row| row.leader == probe.leader) else {
            return Probed::Gone(Exit::of(ExitCause::Unseen));
        };
        if !row.leads(now) {
            return Probed::Gone(row.exit());
        }
        self.keeper = true;
        match (&probe.check, row.works(now)) {
            (Check::Alive, true | false) | (Check::Http { .. } | Check::Tcp { .. } | Check::Exec, true) => {
                Probed::Passed { times: row.checked(now) }
            }
            (Check::Http { .. } | Check::Tcp { .. } | Check::Exec, false) => {
                Probed::Failed { times: row.checked(now), why: "connection refused".to_owned() }
            }
        }
    }

    fn signal(&mut self, signal: &Signal, now: Timestamp) -> ProcessReply {
        if let Some(row) = self.rows.get_mut(&signal.launch) {
            match (signal.stop, row.behaviour) {
                (Stop::Term, ProcessBehaviour::Stubborn) => {}
                // Before the keeper answers.
                (Stop::Term, ProcessBehaviour::Sick | ProcessBehaviour::Forks) => row.end(now, 15),
                (
                    Stop::Term,
                    ProcessBehaviour::Fine
                    | ProcessBehaviour::Slow
                    | ProcessBehaviour::Crash
                    | ProcessBehaviour::Binds
                    | ProcessBehaviour::Busy
                    | ProcessBehaviour::Completes,
                ) => row.end(later(now, SignedDuration::from_millis(20)), 15),
                (
                    Stop::Kill,
                    ProcessBehaviour::Fine
                    | ProcessBehaviour::Slow
                    | ProcessBehaviour::Sick
                    | ProcessBehaviour::Crash
                    | ProcessBehaviour::Stubborn
                    | ProcessBehaviour::Forks
                    | ProcessBehaviour::Binds
                    | ProcessBehaviour::Busy
                    | ProcessBehaviour::Completes,
                ) => {
                    row.end(now, 9);
                    row.child = false;
                }
            }
        }
        let life = self.rows.get(&signal.launch).map(|row| row.life(now));
        ProcessReply::Signalled { launch: signal.launch, life }
    }

    fn clear(&mut self, launch: LaunchId, now: Timestamp) -> ProcessReply {
        if self.rows.remove(&launch).is_some_and(|row| row.is_alive(now)) {
            self.breach = Some(format!("the files of launch {launch} were removed while it ran"));
        }
        ProcessReply::Cleared { launch }
    }
}

impl Model for Processes {
    type Planner = ProcessPlanner;
    const NAME: &'static str = "process";

    fn answer(
        &mut self,
        _subject: &Subject,
        call: &ProcessCall,
        now: Timestamp,
    ) -> Result<ProcessReply, ProviderError> {
        Ok(match call {
            ProcessCall::Find => {
                let found = |(id, row): (&LaunchId, &Row)| {
                    let (binding, connections) = (self.binding(*id, row), self.connections(*id, row, now));
                    (
                        *id,
                        FoundLaunch {
                            manifest: row.manifest.clone(),
                            life: row.life(now),
                            binding,
                            connections,
                            thief: row.thief.clone(),
                        },
                    )
                };
                ProcessReply::Found(Found {
                    machine: Some("here".to_owned()),
                    keeper: self.keeper,
                    routing: if self.keeper { self.routed(now) } else { Routing::default() },
                    cut: 0,
                    taken: BTreeMap::new(),
                    volumes: self.volumes.clone(),
                    launches: self.rows.iter().map(found).collect(),
                })
            }
            ProcessCall::Keep => {
                self.keeper = true;
                let bindings = self.rows.iter().map(|(id, row)| (*id, self.binding(*id, row)));
                ProcessReply::Kept { routing: self.routed(now), bindings: bindings.collect() }
            }
            ProcessCall::Dismiss { launches } => {
                for launch in launches.keys() {
                    self.clear(*launch, now);
                }
                if let Some((launch, _)) = self.rows.iter().next() {
                    self.breach = Some(format!("the keeper was ended while launch {launch} was left"));
                }
                self.keeper = false;
                self.routing = Routing::default();
                self.stored.clear();
                ProcessReply::Dismissed
            }
            ProcessCall::ReservePorts(wanted) => self.reserve(wanted, now)?,
            ProcessCall::Hold(volumes) => self.hold(volumes, now),
            ProcessCall::Start(_) | ProcessCall::Route(_) if !self.keeper => return Err(no_keeper()),
            ProcessCall::Route(routing) => self.route(routing, now)?,
            ProcessCall::Start(start) if start.container.image == "missing" => {
                return Err(no_such_program(start));
            }
            ProcessCall::Start(start) => self.start(start, now),
            ProcessCall::Probe(probe) => {
                let thief = self.rows.get(&probe.launch).and_then(|row| row.thief.clone());
                ProcessReply::Probed { launch: probe.launch, probed: self.probe(probe, now), thief }
            }
            ProcessCall::Signal(signal) => self.signal(signal, now),
            ProcessCall::Clear { launch, container: _ } => self.clear(*launch, now),
        })
    }

    /// A launch that was made already is not made again.
    fn answer_again(
        &mut self,
        subject: &Subject,
        call: &ProcessCall,
        now: Timestamp,
    ) -> Result<ProcessReply, ProviderError> {
        match call {
            ProcessCall::Start(start) => match self.rows.get(&start.launch) {
                Some(row) => Ok(ProcessReply::Started { launch: start.launch, leader: row.leader }),
                None => self.answer(subject, call, now),
            },
            ProcessCall::Find
            | ProcessCall::Keep
            | ProcessCall::Route(_)
            | ProcessCall::ReservePorts(_)
            | ProcessCall::Probe(_)
            | ProcessCall::Signal(_)
            | ProcessCall::Clear { .. }
            | ProcessCall::Hold(_)
            | ProcessCall::Dismiss { .. } => self.answer(subject, call, now),
        }
    }

    fn kind(call: &ProcessCall) -> Kind {
        match call {
            ProcessCall::Find | ProcessCall::ReservePorts(_) | ProcessCall::Probe(_) => Kind::Read,
            ProcessCall::Keep
            | ProcessCall::Route(_)
            | ProcessCall::Start(_)
            | ProcessCall::Signal(_)
            | ProcessCall::Clear { .. }
            | ProcessCall::Hold(_)
            | ProcessCall::Dismiss { .. } => Kind::Write,
        }
    }

    /// The keeper and the first of its processes are killed by somebody else.
    fn breaks(&mut self, now: Timestamp) {
        self.keeper = false;
        if let Some(row) = self.rows.values_mut().find(|row| row.leads(now)) {
            row.end(now, 9);
        }
    }

    fn mishaps() -> &'static [Mishap] {
        &[Mishap::HelperDies, Mishap::ChildEscapes, Mishap::AddressesTaken, Mishap::PortsTaken, Mishap::Hangs]
    }

    fn befalls(&mut self, mishap: Mishap, now: Timestamp) {
        match mishap {
            Mishap::HelperDies => self.keeper = false,
            // The keeper, or the launch's group, has it all the same.
            Mishap::ChildEscapes => {
                if let Some(row) = self.rows.values_mut().find(|row| row.leads(now)) {
                    row.child = true;
                }
            }
            // What the keeper listens on nobody gets before it dies, and the ports of launches before these begin.
            Mishap::AddressesTaken => {
                let listening: BTreeSet<u16> = self.rows.values().flat_map(Row::listens).collect();
                let addresses = self.routing.routes.iter().map(|route| route.host_port);
                let ports = self.promised.iter().copied().chain(addresses);
                let ports = ports.filter(|port| !listening.contains(port)).collect();
                self.keeper = false;
                self.strangers = Some((ports, later(now, STRANGERS_STAY)));
            }
            // What was started listens where it is to, and its keeper at its address.
            Mishap::PortsTaken => {
                let listening = self.rows.values().flat_map(Row::listens);
                let held = self.rows.values().flat_map(|row| &row.manifest.ports).map(|port| port.host_port);
                let listening: BTreeSet<u16> = listening.chain(held).collect();
                let ports = self.promised.difference(&listening).copied().collect();
                self.strangers = Some((ports, Timestamp::MAX));
            }
            // Where nothing is checked, nobody can tell.
            Mishap::Hangs => {
                let is_checked = |row: &&mut Row| row.manifest.readiness.check != Check::Alive;
                let mut checked = self.rows.values_mut().rev().filter(is_checked);
                if let Some(row) = checked.find(|row| row.leads(now)) {
                    row.hangs = Some(now);
                }
            }
        }
    }

    fn dies_within(
        &mut self,
        subject: &Subject,
        call: &ProcessCall,
        now: Timestamp,
    ) -> Result<ProcessReply, CallError> {
        let unanswered = match call {
            // It needs no keeper.
            ProcessCall::ReservePorts(_) | ProcessCall::Find | ProcessCall::Hold(_) => {
                self.keeper = false;
                return self.answer(subject, call, now).map_err(CallError::Refused);
            }
            // What it was asked to end has ended, and nobody waits for its answer.
            ProcessCall::Signal(_) | ProcessCall::Dismiss { .. } => None,
            ProcessCall::Keep | ProcessCall::Start(_) | ProcessCall::Route(_) => {
                Some(CallError::Unknown(no_keeper()))
            }
            // The files stay.
            ProcessCall::Clear { .. } => {
                self.keeper = false;
                return Err(CallError::Refused(no_keeper()));
            }
            ProcessCall::Probe(_) => Some(CallError::Refused(no_keeper())),
        };
        let answer = self.answer(subject, call, now).map_err(CallError::Refused);
        self.keeper = false;
        match unanswered {
            Some(error) => answer.and(Err(error)),
            None => answer,
        }
    }

    /// The keeper of a tenant that has something left is started again.
    fn observes(&mut self, now: Timestamp) -> bool {
        if !self.rows.is_empty() {
            self.keeper = true;
        }
        let is_broken = |row: &Row| !row.has_completed() && !row.leads(now) || row.hangs.is_some();
        self.rows.values().any(is_broken)
    }

    fn runs_for(&mut self, rollout: Rollout) -> Result<(), String> {
        match self.rows.iter().find(|(_, row)| row.manifest.rollout != rollout) {
            None => Ok(()),
            Some((id, row)) => {
                Err(format!("launch {id} runs for rollout {}, not {rollout}", row.manifest.rollout))
            }
        }
    }

    fn operations() -> Vec<Operation> {
        operations::all()
    }

    fn holds_exactly(
        &mut self,
        _subject: &Subject,
        spec: Option<&Spec>,
        now: Timestamp,
    ) -> Result<(), String> {
        if let Some(breach) = &self.breach {
            return Err(breach.clone());
        }
        let is_over = |row: &Row| !row.leads(now) && (row.child || !row.has_completed());
        if let Some((id, row)) = self.rows.iter().find(|(_, row)| is_over(row)) {
            return Err(format!("launch {id} of {} has ended and left something", row.container.name));
        }
        if let Some((id, row)) = self.rows.iter().find(|(_, row)| row.hangs.is_some()) {
            return Err(format!("launch {id} of {} hangs, and is kept", row.container.name));
        }
        self.holds_volumes(spec)?;
        if self.keeper != spec.is_some() {
            return Err(format!("there is a keeper: {}", self.keeper));
        }
        let mut answering =
            self.rows.iter().flat_map(|(id, row)| row.manifest.ports.iter().map(move |port| (*id, port)));
        let answers = |(launch, port): (LaunchId, &Port)| {
            self.routing
                .routes
                .iter()
                .any(|route| route.launch == launch && route.host_port == port.host_port)
        };
        if !answering.all(answers)
            || self.routing.routes.iter().any(|route| !self.rows.contains_key(&route.launch))
        {
            return Err(format!("these are forwarded to: {:?}", self.routing.routes));
        }
        let all = spec.map_or(&[][..], |spec| &spec.containers[..]);
        let (initial, mut wanted): (Vec<&ContainerSpec>, Vec<_>) =
            all.iter().partition(|container| container.role == Role::Init);
        let (completed, running): (Vec<&Row>, Vec<_>) =
            self.rows.values().partition(|row| row.has_completed());
        // That one has completed may be remembered by the ledger alone.
        if let Some(row) = completed.iter().find(|row| !initial.contains(&&row.container)) {
            return Err(format!("{} has completed for nobody", row.container.name));
        }
        let mut running: Vec<&ContainerSpec> = running.into_iter().map(|row| &row.container).collect();
        let copies = spec.map_or(Ok(1), |spec| replicas(spec))?;
        let copies = usize::try_from(copies).map_err(|error| error.to_string())?;
        wanted = wanted
            .into_iter()
            .flat_map(|one| vec![one; if one.role == Role::Main { copies } else { 1 }])
            .collect();
        self.replicas_have_one_address()?;
        running.sort_by_key(|container| &container.name);
        wanted.sort_by_key(|container| &container.name);
        match running == wanted {
            true => Ok(()),
            false => Err(format!("{} run, {} should: {:?}", running.len(), wanted.len(), self.rows)),
        }
    }
}

fn no_keeper() -> ProviderError {
    let message = "the tenant's keeper does not run";
    ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Retry, ErrorCode::ProviderUnavailable, message)
}

fn taken(port: u16) -> ProviderError {
    let message = format!("port {port} is held by another");
    ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Permanent, ErrorCode::Conflict, message)
}

fn no_such_program(start: &Start) -> ProviderError {
    let message = format!("container {}: no such program", start.container.name);
    ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::Permanent,
        ErrorCode::InvalidConfiguration,
        message,
    )
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
