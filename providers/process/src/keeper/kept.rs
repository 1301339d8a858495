//! The launches of a keeper: what lives of each, and which processes are whose.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use landlord_state_machines::planner::process::{
    Binding, ExitCause, LaunchId, Manifest, Port, Protocol, Stop, Thief,
};
use landlord_state_machines::spec::StopSignal;
use rustix::process::{Pid, Signal, getpid};

use super::health::Health;
use super::protocol::{Kept as Told, Life, Program};
use super::routes::Routes;
use crate::cgroup::LaunchGroup;
use crate::listeners;
use crate::procfs::{self, Held, Identity};
use crate::signal;
use crate::tags::{LAUNCH, Variables};

/// How long a group that is killed is waited for. The engine looks again whether it is gone.
const KILL_WITHIN: Duration = Duration::from_millis(100);

/// The age at which a process that listens is no longer taken for one that goes into the background.
const YOUNG: Duration = Duration::from_secs(1);

/// One launch.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) manifest: Manifest,
    pub(super) group: Option<LaunchGroup>,
    pub(super) first: First,
    pub(super) health: Health,
    /// The command of its exec check.
    pub(super) check: Option<Program>,
    /// What its http check sends.
    pub(super) headers: BTreeMap<String, String>,
    /// The listening socket that was last seen to be its own.
    pub(super) socket: Option<u32>,
    /// Who was last seen to have a private port of it, while it was never ready.
    pub(super) thief: Option<Thief>,
}

/// The first process of a launch.
#[derive(Debug)]
pub(super) enum First {
    /// A child of this keeper, which is about to become the program or is it.
    Child(Identity),
    /// It was started by somebody who is gone: an earlier keeper, or a build without keepers.
    Found(Identity, Held),
    /// It has ended.
    Ended {
        /// How.
        cause: ExitCause,
        /// When it had started, in clock ticks since the machine booted.
        started: u64,
        /// Whether it was a child of this keeper.
        ours: bool,
    },
}

impl Launch {
    /// The first process, while it lives.
    pub(super) fn leader(&self) -> Option<Identity> {
        match &self.first {
            First::Child(leader) | First::Found(leader, _) => Some(*leader),
            First::Ended { .. } => None,
        }
    }

    fn started(&self) -> u64 {
        match &self.first {
            First::Child(leader) | First::Found(leader, _) => leader.started,
            First::Ended { started, .. } => *started,
        }
    }

    /// Whether it may have left this process.
    fn is_older_than(&self, orphan: Identity) -> bool {
        self.leader().map_or(self.started() <= orphan.started, |leader| began_before(leader, orphan))
    }

    /// Whether all its processes are below this keeper, or in a group.
    fn is_whole(&self) -> bool {
        match &self.first {
            First::Child(_) | First::Ended { ours: true, .. } => true,
            First::Found(..) | First::Ended { ours: false, .. } => self.group.is_some(),
        }
    }
}

/// Who listens where a launch should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    /// A process of the launch.
    Ours,
    /// A process that the launch's first has started just now, as a program does that goes into the background: the
    /// first is about to end then.
    Young,
    /// Somebody else.
    Another,
    /// Nobody.
    Nobody,
    /// That cannot be told.
    Unknown,
}

impl Listener {
    /// Whether it is known to be a process of the launch.
    pub(super) fn is_of_the_launch(self) -> bool {
        match self {
            Self::Ours | Self::Young => true,
            Self::Another | Self::Nobody | Self::Unknown => false,
        }
    }
}

/// All launches of a keeper.
#[derive(Debug, Default)]
pub(super) struct Launches {
    all: BTreeMap<LaunchId, Launch>,
    /// Processes that were seen below a launch: should their parents end, it is known whose they are.
    seen: HashMap<Pid, (u64, LaunchId)>,
}

impl Launches {
    pub(super) fn get(&self, id: LaunchId) -> Option<&Launch> {
        self.all.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LaunchId) -> Option<&mut Launch> {
        self.all.get_mut(&id)
    }

    /// Those whose first process lives.
    pub(super) fn alive(&self) -> impl Iterator<Item = (LaunchId, &Launch)> {
        self.all.iter().filter(|(_, launch)| launch.leader().is_some()).map(|(id, launch)| (*id, launch))
    }

    /// The launch whose exec check is this process.
    pub(super) fn checked_by(&mut self, pid: Pid) -> Option<(LaunchId, &mut Launch)> {
        let is_it =
            |launch: &mut Launch| launch.health.trying().is_some_and(|trying| trying.pid() == Some(pid));
        self.all
            .iter_mut()
            .map(|(id, launch)| (*id, launch))
            .find_map(|(id, launch)| is_it(launch).then_some((id, launch)))
    }

    /// What each of them is.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &Manifest> + Clone {
        self.all.values().map(|launch| &launch.manifest)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = LaunchId> {
        self.all.keys().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn insert(&mut self, id: LaunchId, launch: Launch) {
        self.all.insert(id, launch);
    }

    pub(super) fn remove(&mut self, id: LaunchId) -> Option<Launch> {
        self.seen.retain(|_, (_, of)| *of != id);
        self.all.remove(&id)
    }

    /// Notes that a first process has ended; which launch it was of.
    pub(super) fn ended(&mut self, pid: Pid, cause: ExitCause) -> Option<LaunchId> {
        let (id, launch) = self
            .all
            .iter_mut()
            .find(|(_, launch)| launch.leader().is_some_and(|leader| leader.pid == pid))?;
        let ours = matches!(launch.first, First::Child(_));
        let cause = match (cause, launch.group.as_ref().map(LaunchGroup::oom_kills)) {
            (ExitCause::Signal(9), Some(Ok(kills))) if kills > 0 => ExitCause::OutOfMemory,
            (cause, _) => cause,
        };
        launch.first = First::Ended { cause, started: launch.started(), ours };
        Some(*id)
    }

    /// Every process of a launch that lives, its first excepted.
    pub(super) fn others(&mut self, id: LaunchId) -> io::Result<Vec<Identity>> {
        let Some(launch) = self.all.get(&id) else { return Ok(Vec::new()) };
        let leader = launch.leader();
        let mut found = HashMap::new();
        if let Some(group) = &launch.group {
            for pid in group.processes()? {
                if let Some(stat) = procfs::stat(pid)?.filter(|stat| stat.alive) {
                    found.insert(pid, stat.identity);
                }
            }
        }
        if launch.is_whole() {
            if let Some(leader) = leader {
                let below = procfs::descendants(leader.pid)?;
                self.seen.extend(below.iter().map(|it| (it.pid, (it.started, id))));
                found.extend(below.into_iter().map(|it| (it.pid, it)));
            }
            for orphan in self.orphans(id)? {
                found.insert(orphan.pid, orphan);
                found.extend(procfs::descendants(orphan.pid)?.into_iter().map(|it| (it.pid, it)));
            }
        }
        Ok(found.into_values().filter(|it| leader != Some(*it)).collect())
    }

    /// Children of this keeper that belong to a launch without being its first process: their parents have ended.
    fn orphans(&self, id: LaunchId) -> io::Result<Vec<Identity>> {
        let leaders: HashSet<Pid> =
            self.all.values().filter_map(|launch| launch.leader().map(|leader| leader.pid)).collect();
        let mut orphans = Vec::new();
        for pid in procfs::children(getpid())?.into_iter().filter(|pid| !leaders.contains(pid)) {
            if let Some(stat) = procfs::stat(pid)?.filter(|stat| stat.alive)
                && self.launch_of(stat.identity)? == Some(id)
            {
                orphans.push(stat.identity);
            }
        }
        Ok(orphans)
    }

    /// Whose an orphan is: what its environment says; else where it was seen; else the newest launch that is older.
    fn launch_of(&self, orphan: Identity) -> io::Result<Option<LaunchId>> {
        if let Some(environ) = procfs::environ(orphan.pid)? {
            let tagged = Variables::of_environ(&environ).get(LAUNCH).and_then(|tag| tag.parse().ok());
            if let Some(tagged) = tagged.filter(|id| self.all.contains_key(id)) {
                return Ok(Some(tagged));
            }
        }
        if let Some((started, id)) = self.seen.get(&orphan.pid)
            && *started == orphan.started
            && self.all.contains_key(id)
        {
            return Ok(Some(*id));
        }
        let older = self.all.iter().filter(|(_, launch)| launch.is_older_than(orphan));
        Ok(older.max_by_key(|(_, launch)| launch.started()).map(|(id, _)| *id))
    }

    /// Who answers on a port of 127.0.0.1, as far as a launch is concerned.
    pub(super) fn listener(&mut self, id: LaunchId, port: u16) -> Listener {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let socket = match listeners::listener(address) {
            Ok(Some(listener)) => listener.inode,
            Ok(None) => return Listener::Nobody,
            // The kernel does not say, as in some containers.
            Err(_) => return Listener::Unknown,
        };
        let Some(launch) = self.all.get(&id).filter(|launch| launch.is_whole()) else {
            return Listener::Unknown;
        };
        if launch.socket == Some(socket) {
            return Listener::Ours;
        }
        let owns = |it: &Identity| listeners::owns(it.pid, socket).unwrap_or(false);
        let found = match launch.leader().filter(owns) {
            Some(_) => Listener::Ours,
            None => match self.others(id).unwrap_or_default().iter().find(|it| owns(it)) {
                Some(other) if other.age() < YOUNG => Listener::Young,
                Some(_) => Listener::Ours,
                None => Listener::Another,
            },
        };
        if let (Listener::Ours, Some(launch)) = (found, self.all.get_mut(&id)) {
            launch.socket = Some(socket);
        }
        found
    }

    /// Whether a process that was started just now, in a session of its own, listens on a port of a launch, as a program
    /// does that goes into the background with the socket of its first process: that one is about to end then.
    pub(super) fn is_left(&mut self, id: LaunchId, port: u16) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let Ok(Some(listener)) = listeners::listener(address) else { return false };
        let Some(leader) = self.all.get(&id).and_then(Launch::leader) else { return false };
        let session = |pid| procfs::stat(pid).ok().flatten().map(|stat| stat.session);
        let own = session(leader.pid);
        let leaves = |it: &Identity| it.age() < YOUNG && session(it.pid) != own;
        let mut others = self.others(id).unwrap_or_default().into_iter().filter(leaves);
        others.any(|it| listeners::owns(it.pid, listener.inode).unwrap_or(false))
    }

    /// Who has a private port of a launch, at any address of the machine, and is known to be no process of it.
    pub(super) fn thief(&mut self, id: LaunchId) -> Option<Thief> {
        let launch = self.all.get(&id).filter(|launch| launch.is_whole())?;
        let private = |port: &Port| Some((port.protocol, port.private_port?));
        let ports: Vec<(Protocol, u16)> = launch.manifest.ports.iter().filter_map(private).collect();
        let leader = launch.leader();
        let own: Vec<Identity> = self.others(id).ok()?.into_iter().chain(leader).collect();
        // One that cannot be looked into may own it.
        let is_own = |socket| own.iter().any(|it| listeners::owns(it.pid, socket).unwrap_or(true));
        let is_held = |(protocol, port): &(Protocol, u16)| {
            let found = listeners::listeners(*protocol, *port).unwrap_or_default();
            found.iter().any(|listener| !is_own(listener.inode))
        };
        let (protocol, port) = ports.into_iter().find(is_held)?;
        Some(Thief { port, holder: listeners::holder_of(protocol, port) })
    }

    /// Who listens on the host ports of a launch that is not forwarded to.
    fn own_binding(&mut self, id: LaunchId) -> Binding {
        let ports = self.all.get(&id).map(|launch| launch.manifest.ports.clone()).unwrap_or_default();
        let tcp = ports.iter().filter(|port| port.protocol == Protocol::Tcp && port.private_port.is_some());
        let mut own = tcp.map(|port| self.listener(id, port.host_port).is_of_the_launch());
        if own.any(|own| own) { Binding::Direct } else { Binding::Unknown }
    }

    /// What there is, for the engine.
    pub(super) fn told(&mut self, routes: &Routes) -> io::Result<Vec<Told>> {
        let ids: Vec<LaunchId> = self.ids().collect();
        let mut told = Vec::with_capacity(ids.len());
        for id in ids {
            let binding = match routes.binding(id) {
                Binding::Unknown => self.own_binding(id),
                known @ (Binding::Forwarded | Binding::Direct) => known,
            };
            let Some((whole, life)) = self.life(id)? else { continue };
            let Some(launch) = self.all.get(&id) else { continue };
            let manifest = launch.manifest.clone();
            let (streak, was_ready) = (launch.health.streak().clone(), launch.health.was_ready());
            let connections =
                u32::try_from(routes.connections(&private_ports(&manifest))).unwrap_or(u32::MAX);
            let thief = launch.thief.clone();
            told.push(Told {
                binding,
                connections,
                launch: id,
                manifest,
                whole,
                life,
                streak,
                was_ready,
                thief,
            });
        }
        Ok(told)
    }

    /// What lives of a launch, and whether that is all of it; `None` when there is no such launch.
    pub(super) fn life(&mut self, id: LaunchId) -> io::Result<Option<(bool, Life)>> {
        let others = self.others(id)?;
        let Some(launch) = self.all.get(&id) else { return Ok(None) };
        let life = match &launch.first {
            First::Child(leader) | First::Found(leader, _) => {
                Life::Leader { leader: leader.process(), others: others.len() }
            }
            First::Ended { cause, .. } => {
                let left = others.iter().map(|it| procfs::name(it.pid).unwrap_or_else(|| it.to_string()));
                Life::Ended { cause: *cause, left: left.collect() }
            }
        };
        Ok(Some((launch.is_whole(), life)))
    }

    /// SIGTERM to the first process, or to all when that is gone; SIGKILL to all.
    pub(super) fn stop(&mut self, id: LaunchId, stop: Stop) -> io::Result<()> {
        let Some(launch) = self.all.get(&id) else { return Ok(()) };
        match (stop, launch.leader()) {
            (Stop::Term, Some(leader)) => signal::send([leader], ending(&launch.manifest)),
            (Stop::Term, None) => signal::send(self.others(id)?, Signal::TERM),
            (Stop::Kill, leader) => {
                let others = self.others(id)?;
                let Some(launch) = self.all.get(&id) else { return Ok(()) };
                let group = launch.group.as_ref().map_or(Ok(()), |group| group.kill(KILL_WITHIN).map(drop));
                signal::send(leader.into_iter().chain(others), Signal::KILL).and(group)
            }
        }
    }
}

/// Whether a process began before another. A clock tick is 10 ms, in which an update starts processes too; within one the
/// pids tell.
fn began_before(one: Identity, other: Identity) -> bool {
    let of = |it: Identity| (it.started, it.pid.as_raw_nonzero());
    of(one) < of(other)
}

/// What asks a launch's first process to end.
fn ending(manifest: &Manifest) -> Signal {
    match manifest.stop_signal {
        None | Some(StopSignal::Term) => Signal::TERM,
        Some(StopSignal::Int) => Signal::INT,
        Some(StopSignal::Quit) => Signal::QUIT,
        Some(StopSignal::Hup) => Signal::HUP,
        Some(StopSignal::Usr1) => Signal::USR1,
        Some(StopSignal::Usr2) => Signal::USR2,
        Some(StopSignal::Winch) => Signal::WINCH,
        Some(StopSignal::Kill) => Signal::KILL,
    }
}

/// Where a launch listens that goes by its `PORT`.
pub(super) fn private_ports(manifest: &Manifest) -> Vec<u16> {
    manifest.ports.iter().filter_map(|port| port.private_port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_a_tick_the_pids_tell_which_process_is_older() {
        let of = |pid, started| Identity::new(pid, started).unwrap();
        let left = of(70, 500);
        assert!(began_before(of(71, 499), left) && began_before(of(69, 500), left));
        assert!(!began_before(of(71, 500), left) && !began_before(of(69, 501), left));
    }
}
