//! The tenant's addresses: what the keeper listens on, and which launches answer there.
//!
//! They are written down, so that the next keeper listens there again at once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use landlord_state_machines::planner::process::{Binding, LaunchId, Manifest, Protocol, Route, Routing};
use mio::Registry;
use mio::event::Event;
use serde::{Deserialize, Serialize};

use super::forward::address::{Address, Protocol as Spoken, Scope, Speech};
use super::forward::{Forwarder, Limits};
use super::protocol::Refusal;
use crate::listeners;

/// The tokens of connections that are forwarded begin here.
pub(super) const BASE: usize = 1 << 32;

/// The name of the file in the tenant's directory.
pub(crate) const ROUTES: &str = "keeper.routes";

/// A route, and who listens there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bound {
    route: Route,
    /// Whether the launch listens there itself.
    direct: bool,
}

/// From one try to take an address that another has to the next.
const AGAIN: Duration = Duration::from_secs(1);

/// What the keeper was told last; the contents of its file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Told {
    number: u64,
    bound: Vec<Bound>,
}

/// All addresses of a tenant.
#[derive(Debug)]
pub(super) struct Routes {
    file: PathBuf,
    told: Told,
    open: BTreeMap<(u16, Protocol), Address>,
    /// What was told and is not open, since another took it while there was no keeper.
    missing: Vec<Bound>,
    /// When that was last tried.
    tried: Instant,
    /// The launches that have ended. Nobody is forwarded to them.
    ended: BTreeSet<LaunchId>,
    /// The launches that fail their checks. Others at the same address come first.
    unhealthy: BTreeSet<LaunchId>,
    forwarder: Forwarder,
}

impl Routes {
    /// The addresses that an earlier keeper wrote down, not opened yet.
    pub(super) fn read(file: PathBuf) -> io::Result<Self> {
        let told = match std::fs::read(&file) {
            // A file that was cut off says nothing. The engine tells what it should.
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Told::default(),
            Err(error) => return Err(error),
        };
        let forwarder = Forwarder::new(BASE, Limits::default());
        Ok(Self {
            file,
            told,
            open: BTreeMap::new(),
            missing: Vec::new(),
            tried: Instant::now(),
            ended: BTreeSet::new(),
            unhealthy: BTreeSet::new(),
            forwarder,
        })
    }

    /// What was asked for last.
    pub(super) fn asked(&self) -> Routing {
        let routes = self.told.bound.iter().map(|bound| bound.route.clone()).collect();
        Routing { number: self.told.number, routes }
    }

    /// Who listens on the host ports of a launch.
    pub(super) fn binding(&self, launch: LaunchId) -> Binding {
        let mut of_it = self.told.bound.iter().filter(|bound| bound.route.launch == launch).peekable();
        match (of_it.peek().is_some(), of_it.any(|bound| bound.direct)) {
            (false, _) => Binding::Unknown,
            (true, true) => Binding::Direct,
            (true, false) => Binding::Forwarded,
        }
    }

    /// The host ports that it should listen on and another has, each with its holder.
    pub(super) fn taken(&self) -> BTreeMap<u16, String> {
        let routes = self.missing.iter().map(|missing| &missing.route);
        routes.map(|route| (route.host_port, listeners::holder_of(route.protocol, route.host_port))).collect()
    }

    /// Whether the keeper listens on a port.
    pub(super) fn has(&self, port: u16, protocol: Protocol) -> bool {
        self.open.contains_key(&(port, protocol))
    }

    /// How many connections go to these ports.
    pub(super) fn connections(&self, ports: &[u16]) -> usize {
        ports.iter().map(|port| self.forwarder.connections(*port)).sum()
    }

    /// How many connections were cut.
    pub(super) fn cut_so_far(&self) -> u64 {
        self.forwarder.counters().cut
    }

    /// Breaks the connections to these ports.
    pub(super) fn cut(&mut self, ports: &[u16]) {
        for port in ports {
            self.forwarder.cut(*port, Instant::now());
        }
    }

    /// Takes addresses for a launch that is about to start. They have no target yet, and its clients wait.
    pub(super) fn hold(&mut self, registry: &Registry, routes: &[Route]) -> Result<(), Refusal> {
        for route in routes {
            let key = (route.host_port, route.protocol);
            if let Entry::Vacant(free) = self.open.entry(key) {
                let address = address(route);
                match self.forwarder.open(registry, address, Instant::now()) {
                    Ok(()) => drop(free.insert(address)),
                    Err(error) => return Err(not_free(route, &error)),
                }
            }
        }
        Ok(())
    }

    /// Forgets a launch, and gives up what was held for it, unless it is forwarded to another or held for one: `others`
    /// are the launches that are left.
    pub(super) fn release<'a>(
        &mut self,
        registry: &Registry,
        (launch, manifest): (LaunchId, &Manifest),
        others: impl Iterator<Item = &'a Manifest> + Clone,
    ) {
        self.ended.remove(&launch);
        self.unhealthy.remove(&launch);
        for route in manifest.routes(launch, false) {
            let key = (route.host_port, route.protocol);
            let told =
                self.told.bound.iter().any(|bound| (bound.route.host_port, bound.route.protocol) == key);
            let mut ports = others.clone().flat_map(|other| &other.ports);
            let held = ports.any(|port| (port.host_port, port.protocol) == key);
            if !told
                && !held
                && let Some(address) = self.open.remove(&key)
            {
                self.forwarder.close(registry, address, Instant::now());
            }
        }
    }

    /// Listens and forwards as asked, and nowhere else. `is_direct` says whether the launch of a route listens there
    /// itself. When an address is not free, nothing is changed. What arrives after something later is ignored. Returns the
    /// number of what counts now.
    pub(super) fn set(
        &mut self,
        registry: &Registry,
        routing: Routing,
        mut is_direct: impl FnMut(&Route) -> bool,
    ) -> Result<u64, Refusal> {
        if routing.number < self.told.number {
            return Ok(self.told.number);
        }
        let bound: Vec<Bound> = routing
            .routes
            .into_iter()
            .map(|route| Bound { direct: route.protocol == Protocol::Tcp && is_direct(&route), route })
            .collect();
        refuse_direct_replicas(&bound)?;
        let now = Instant::now();
        let mut opened = Vec::new();
        for Bound { route, .. } in bound.iter().filter(|bound| !bound.direct) {
            let address = address(route);
            let key = (route.host_port, route.protocol);
            let before = self.open.get(&key).copied();
            if before == Some(address) {
                continue;
            }
            // Another scope: the old socket would be in the way.
            if let Some(before) = before {
                self.forwarder.close(registry, before, now);
                self.open.remove(&key);
            }
            if let Err(error) = self.forwarder.open(registry, address, now) {
                for address in opened {
                    self.forwarder.close(registry, address, now);
                    self.open.retain(|_, open| *open != address);
                }
                return Err(not_free(route, &error));
            }
            opened.push(address);
            self.open.insert(key, address);
        }
        let wanted = |key: &(u16, Protocol)| {
            bound.iter().any(|bound| !bound.direct && (bound.route.host_port, bound.route.protocol) == *key)
        };
        let gone: Vec<_> = self.open.keys().filter(|key| !wanted(key)).copied().collect();
        for key in gone {
            if let Some(address) = self.open.remove(&key) {
                self.forwarder.close(registry, address, now);
            }
        }
        self.missing.clear();
        self.told = Told { number: routing.number, bound };
        self.aim(registry);
        let written = self.write();
        written
            .map(|()| routing.number)
            .map_err(|error| Refusal::System(format!("its addresses could not be written down: {error}")))
    }

    /// Listens again where an earlier keeper did. What is not free now is tried again until it is, or the engine says
    /// otherwise.
    pub(super) fn open_again(&mut self, registry: &Registry, lives: impl Fn(LaunchId) -> bool) {
        let launches = self.told.bound.iter().map(|bound| bound.route.launch);
        self.ended.extend(launches.filter(|launch| !lives(*launch)));
        // What is missing is not told, so that the engine sees it.
        let (direct, forwarded) =
            std::mem::take(&mut self.told.bound).into_iter().partition(|bound: &Bound| bound.direct);
        self.told.bound = direct;
        self.missing = forwarded;
        self.open_missing(registry);
    }

    fn open_missing(&mut self, registry: &Registry) {
        self.tried = Instant::now();
        for missing in std::mem::take(&mut self.missing) {
            let address = address(&missing.route);
            match self.open.entry((missing.route.host_port, missing.route.protocol)) {
                Entry::Occupied(_) => self.told.bound.push(missing),
                Entry::Vacant(free) => match self.forwarder.open(registry, address, self.tried) {
                    Ok(()) => {
                        free.insert(address);
                        self.told.bound.push(missing);
                    }
                    Err(_) => self.missing.push(missing),
                },
            }
        }
        self.told.bound.sort_by(|one, other| one.route.cmp(&other.route));
        self.aim(registry);
    }

    /// A launch has ended: its clients go to the others, or wait for the next one.
    pub(super) fn ended(&mut self, registry: &Registry, launch: LaunchId) {
        self.ended.insert(launch);
        self.aim(registry);
    }

    /// What the checks of a launch show has changed.
    pub(super) fn checked(&mut self, registry: &Registry, launch: LaunchId, is_unhealthy: bool) {
        match is_unhealthy {
            true => self.unhealthy.insert(launch),
            false => self.unhealthy.remove(&launch),
        };
        self.aim(registry);
    }

    /// Forwards each address to those of its launches that live and pass their checks; where none does, to those that
    /// live.
    fn aim(&mut self, registry: &Registry) {
        let now = Instant::now();
        for (&(port, protocol), &address) in &self.open {
            let here = self.told.bound.iter().filter(|bound| !bound.direct).map(|bound| &bound.route);
            let here = here.filter(|route| (route.host_port, route.protocol) == (port, protocol));
            let alive: Vec<&Route> = here.filter(|route| !self.ended.contains(&route.launch)).collect();
            let healthy = alive.iter().filter(|route| !self.unhealthy.contains(&route.launch));
            let mut ports: Vec<u16> = healthy.map(|route| route.private_port).collect();
            if ports.is_empty() {
                ports.extend(alive.iter().map(|route| route.private_port));
            }
            self.forwarder.target(registry, address, &ports, now);
        }
    }

    /// Takes an event of a forwarded connection.
    pub(super) fn handle(&mut self, registry: &Registry, event: &Event) {
        self.forwarder.handle(registry, event, Instant::now());
    }

    /// Goes on with what is due; after every round of events.
    pub(super) fn tick(&mut self, registry: &Registry) {
        if !self.missing.is_empty() && self.tried.elapsed() >= AGAIN {
            self.open_missing(registry);
        }
        self.forwarder.tick(registry, Instant::now());
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let again = (!self.missing.is_empty()).then(|| self.tried + AGAIN);
        again.into_iter().chain(self.forwarder.next_deadline(Instant::now())).min()
    }

    fn write(&self) -> io::Result<()> {
        let new = self.file.with_extension("routes.new");
        std::fs::write(&new, serde_json::to_vec(&self.told)?)?;
        std::fs::rename(new, &self.file)
    }
}

/// Refuses replicas that listen at their address themselves: only one of them can.
fn refuse_direct_replicas(bound: &[Bound]) -> Result<(), Refusal> {
    let key = |bound: &Bound| (bound.route.host_port, bound.route.protocol);
    let several = |one: &&Bound| bound.iter().filter(|other| key(other) == key(one)).count() > 1;
    match bound.iter().filter(|bound| bound.direct).find(several) {
        None => Ok(()),
        Some(direct) => Err(Refusal::Taken {
            port: direct.route.host_port,
            holder: format!("replica {} itself, which has to listen on its PORT", direct.route.launch),
        }),
    }
}

fn address(route: &Route) -> Address {
    Address {
        host_port: route.host_port,
        protocol: match (route.protocol, route.http) {
            (Protocol::Tcp, true) => Spoken::Tcp(Speech::Http),
            (Protocol::Tcp, false) => Spoken::Tcp(Speech::Opaque),
            (Protocol::Udp, true | false) => Spoken::Udp,
        },
        scope: if route.public { Scope::All } else { Scope::Loopback },
    }
}

fn not_free(route: &Route, error: &io::Error) -> Refusal {
    let port = route.host_port;
    match error.kind() == io::ErrorKind::AddrInUse {
        true => Refusal::Taken { port, holder: listeners::holder_of(route.protocol, port) },
        false => Refusal::System(format!("host port {port}: {error}")),
    }
}
