//! The facts as people and the engine see them.

use std::collections::BTreeMap;

use super::facts::{Death, Launch, Live, ProcessFacts, Run, Streak};
use super::{Check, Manifest, Port, Protocol, Replica, Retention};
use crate::planner::{Holdings, Report};
use crate::status::{ComputeState, ContainerStatus, Endpoint, EndpointType, Health};

/// Every launch by `container/launch`, every volume, and where the launches that work answer.
pub(super) fn holdings(facts: &ProcessFacts) -> Holdings {
    let resource = |launch: &Launch| match &launch.run {
        Run::Starting { .. } => "starting".to_owned(),
        Run::Live(Live { leader, .. }) => format!("pid {}", leader.pid),
        Run::Stopping { leader: Some(leader), .. } => format!("pid {}, ending", leader.pid),
        Run::Stopping { leader: None, .. } | Run::Dead { orphans: true, .. } => {
            "processes it left".to_owned()
        }
        Run::Dead { orphans: false, .. } => "ended, files left".to_owned(),
    };
    // What was retained is nobody's once nothing else is left.
    let is_gone = facts.launches.is_empty();
    let is_held = |retention: &Retention| !(is_gone && *retention == Retention::Retained);
    let volumes = facts.volumes.held.iter().filter(|(_, retention)| is_held(retention));
    Holdings {
        resources: facts
            .launches
            .iter()
            // What has ended as it was to is nothing that a tenant holds. Its record goes with the tenant.
            .filter(|(_, launch)| !launch.has_completed())
            .map(|(id, launch)| (format!("{}/{id}", launch.manifest.container), resource(launch)))
            .chain(volumes.map(volume))
            .collect(),
        endpoints: shown(facts, |manifest| (manifest.container.as_str(), Replica::default()))
            .into_values()
            .flat_map(endpoints)
            .collect(),
    }
}

/// A name that no launch has.
fn volume((name, retention): (&String, &Retention)) -> (String, String) {
    let state = match retention {
        Retention::WithTenant => "held",
        Retention::Retained => "retained",
        Retention::Dropped => "dropped, goes with the next start",
        Retention::Left => "left by an earlier life",
    };
    (format!("volume {name}"), state.to_owned())
}

/// `None` when nothing is left of the tenant.
pub(super) fn report(facts: &ProcessFacts) -> Option<Report> {
    let shown = shown(facts, |manifest| (manifest.container.as_str(), manifest.replica));
    let containers = containers(&shown, &facts.taken);
    // What has ended as it was to says nothing of the tenant, unless there is nothing else.
    let runs = shown.values().filter(|launch| !launch.has_completed());
    let states = runs.map(|launch| status(launch, &facts.taken).state).max_by_key(|state| gravity(*state));
    let state = states.or_else(|| containers.first().map(|container| container.state))?;
    let health = match shown.values().map(|launch| health(launch)).max_by_key(|health| match health {
        Health::Healthy => 0,
        Health::Unknown => 1,
        Health::Unhealthy => 2,
    }) {
        Some(health) => health,
        None => Health::Unknown,
    };
    let cut = (facts.cut > 0).then(|| ("connections_cut".to_owned(), facts.cut.to_string()));
    Some(Report { state, containers, health, metadata: cut.into_iter().collect() })
}

/// What stands for one thing of a spec.
type Shown<'a> = BTreeMap<(&'a str, Replica), &'a Launch>;

/// The launch that stands for each replica, or for each container: one that is ready rather than one that lives rather
/// than any other, the newest of these.
fn shown(facts: &ProcessFacts, what: impl Fn(&Manifest) -> (&str, Replica)) -> Shown<'_> {
    let rank = |launch: &Launch| match &launch.run {
        Run::Live(Live { ready: true, .. }) => 3,
        Run::Live(Live { ready: false, .. }) => 2,
        Run::Starting { .. } => 1,
        Run::Stopping { .. } | Run::Dead { .. } => 0,
    };
    let mut shown = Shown::new();
    for launch in facts.launches.values() {
        let place = shown.entry(what(&launch.manifest)).or_insert(launch);
        if rank(launch) >= rank(place) {
            *place = launch;
        }
    }
    shown
}

/// Each container once: as the replica that is worst off. A message says which that is.
fn containers(shown: &Shown<'_>, taken: &BTreeMap<u16, String>) -> Vec<ContainerStatus> {
    let mut containers: Vec<ContainerStatus> = Vec::new();
    for launch in shown.values() {
        let mut one = status(launch, taken);
        match containers.last_mut().filter(|other| other.name == one.name) {
            None => containers.push(one),
            Some(worst) => {
                let restart_count = worst.restart_count.saturating_add(one.restart_count);
                if (gravity(one.state), !one.ready) > (gravity(worst.state), !worst.ready) {
                    one.message = one.message.map(|message| format!("{}: {message}", launch.manifest.name()));
                    *worst = one;
                }
                worst.restart_count = restart_count;
            }
        }
    }
    containers
}

/// Which state of a container says most about its tenant.
fn gravity(state: ComputeState) -> u8 {
    match state {
        ComputeState::Running => 0,
        ComputeState::Stopped => 1,
        ComputeState::Stopping => 2,
        ComputeState::Starting => 3,
        ComputeState::Unknown => 4,
        ComputeState::Failed => 5,
    }
}

/// What the clients of a launch meet at an address of its that another has.
fn robbed(launch: &Launch, taken: &BTreeMap<u16, String>) -> Option<String> {
    let ports = launch.manifest.ports.iter().map(|port| port.host_port);
    let robbed = ports.filter_map(|port| taken.get(&port).map(|holder| (port, holder)));
    let words = robbed.map(|(port, holder)| {
        format!("host port {port} is held by {holder}, so clients do not reach the container there; end that")
    });
    words.reduce(|all, one| format!("{all}; {one}"))
}

fn status(launch: &Launch, taken: &BTreeMap<u16, String>) -> ContainerStatus {
    let (state, ready, says) = match &launch.run {
        Run::Dead { .. } if launch.has_completed() => {
            (ComputeState::Stopped, true, Some("has completed".to_owned()))
        }
        Run::Starting { .. } => (ComputeState::Starting, false, None),
        Run::Live(Live { health: Streak::Passing { .. }, .. }) => (ComputeState::Running, true, None),
        Run::Live(Live { health: Streak::Failing { why, .. }, ready, .. }) => match ready {
            true => (ComputeState::Running, false, Some(why.clone())),
            false => (ComputeState::Starting, false, Some(why.clone())),
        },
        Run::Live(Live { health: Streak::Unchecked, .. }) => (ComputeState::Starting, false, None),
        Run::Stopping { .. } => (ComputeState::Stopping, false, None),
        Run::Dead { exit, death, .. } => match death {
            Death::Stopped => (ComputeState::Stopped, false, None),
            Death::Crashed | Death::NeverReady => {
                let thief = launch.thief.iter().map(|thief| format!("; {thief}"));
                (ComputeState::Failed, false, Some(std::iter::once(exit.to_string()).chain(thief).collect()))
            }
        },
    };
    let message = match (says, robbed(launch, taken)) {
        (Some(says), Some(robbed)) => Some(format!("{says}; {robbed}")),
        (says, robbed) => says.or(robbed),
    };
    ContainerStatus {
        name: launch.manifest.container.clone(),
        state,
        ready,
        restart_count: launch.restarts,
        message,
    }
}

fn health(launch: &Launch) -> Health {
    match &launch.run {
        Run::Dead { .. } if launch.has_completed() => Health::Healthy,
        Run::Live(Live { health: Streak::Passing { .. }, .. }) => Health::Healthy,
        Run::Live(Live { health: Streak::Failing { .. }, .. }) | Run::Dead { .. } => Health::Unhealthy,
        Run::Live(Live { health: Streak::Unchecked, .. }) | Run::Starting { .. } | Run::Stopping { .. } => {
            Health::Unknown
        }
    }
}

fn endpoints(launch: &Launch) -> Vec<Endpoint> {
    let is_http = |port: &Port| match &launch.manifest.readiness.check {
        Check::Http { port: checked, .. } => *checked == port.container_port,
        Check::Alive | Check::Tcp { .. } | Check::Exec => false,
    };
    let endpoint = |port: &Port| {
        let (kind, scheme) = match (port.protocol, is_http(port)) {
            (Protocol::Tcp, true) => (EndpointType::Http, "http"),
            (Protocol::Tcp, false) => (EndpointType::Tcp, "tcp"),
            // The contract has no type for datagrams.
            (Protocol::Udp, true | false) => return None,
        };
        Some(Endpoint {
            kind,
            address: "127.0.0.1".to_owned(),
            port: port.host_port,
            url: Some(format!("{scheme}://127.0.0.1:{}", port.host_port)),
            container: Some(launch.manifest.container.clone()),
            container_port: Some(port.container_port),
        })
    };
    match &launch.run {
        Run::Live(_) => launch.manifest.ports.iter().filter_map(endpoint).collect(),
        Run::Starting { .. } | Run::Stopping { .. } | Run::Dead { .. } => Vec::new(),
    }
}
