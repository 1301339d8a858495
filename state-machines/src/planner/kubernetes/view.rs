//! The facts as people and the engine see them.

use std::collections::BTreeMap;

use super::call::Entrance;
use super::facts::{Held, KubernetesFacts, Stage, Watched};
use super::kind::ObjectId;
use super::pod::{ContainerState, Phase, Pod, PodContainer};
use super::ready;
use super::wanted::{ServedBy, Serves};
use crate::planner::{Holdings, Report};
use crate::status::{ComputeState, ContainerStatus, Endpoint, EndpointType, Health};

/// The tenant's objects, and where it answers.
pub(super) fn holdings(facts: &KubernetesFacts) -> Holdings {
    let resources = facts.held.iter().map(|(id, held)| {
        let state = match held {
            Held::There(uid) => uid.clone(),
            Held::Asked => "asked for".to_owned(),
        };
        (id.to_string(), state)
    });
    Holdings { resources: resources.collect(), endpoints: facts.endpoints.clone() }
}

/// Where the tenant answers, as far as it has addresses.
pub(super) fn endpoints(serves: &[Serves], entrances: &[Entrance]) -> Vec<Endpoint> {
    let address_of = |of: &ObjectId, port: Option<u16>| {
        entrances.iter().find(|entrance| entrance.of == *of && entrance.port == port)?.address.clone()
    };
    let endpoint = |one: &Serves| {
        let (address, path) = match &one.by {
            ServedBy::Cluster { address } => (address.clone(), ""),
            ServedBy::LoadBalancer(of) => (address_of(of, None)?, ""),
            ServedBy::Node(of) => (address_of(of, Some(one.port))?, ""),
            ServedBy::Host { of: _, host, path } => (host.clone(), path.as_str()),
        };
        let (address, port) = match (&one.by, address.rsplit_once(':')) {
            // A port of each node is the cluster's choice.
            (ServedBy::Node(_), Some((node, port))) => (node.to_owned(), port.parse().ok()?),
            (ServedBy::Node(_), None) => return None,
            (ServedBy::Cluster { .. } | ServedBy::LoadBalancer(_) | ServedBy::Host { .. }, _) => {
                (address, one.port)
            }
        };
        let url = match one.kind {
            EndpointType::Http => Some(format!("http://{address}:{port}{path}")),
            EndpointType::Https => Some(format!("https://{address}:{port}{path}")),
            EndpointType::Tcp | EndpointType::Grpc => None,
        };
        Some(Endpoint {
            kind: one.kind,
            address,
            port,
            url,
            container: Some(one.container.clone()),
            container_port: Some(one.container_port),
        })
    };
    serves.iter().filter_map(endpoint).collect()
}

/// `None` when the tenant has no workload.
pub(super) fn report(facts: &KubernetesFacts) -> Option<Report> {
    let running = facts.seen.running.as_ref()?;
    let workload = running.workload.as_ref()?;
    let wanted = ready::replicas(workload);
    let live: Vec<&Pod> = running.pods.iter().filter(|pod| !pod.is_over()).collect();
    let ready = live.iter().filter(|pod| pod.ready && pod.deleting.is_none()).count();
    let given_up = matches!(&facts.rollout, Some(Watched { stage: Stage::GivenUp { .. }, .. }));
    let state = match (workload.deleting.is_some(), wanted, live.len()) {
        (true, _, _) => ComputeState::Stopping,
        (false, 0, 0) => ComputeState::Stopped,
        (false, 0, 1..) => ComputeState::Stopping,
        (false, 1.., _) if ready > 0 => ComputeState::Running,
        (false, 1.., _) if given_up || live.iter().any(|pod| pod.phase == Phase::Unknown) => {
            ComputeState::Failed
        }
        (false, 1.., _) if live.iter().any(|pod| was_ready(pod)) => ComputeState::Failed,
        (false, 1.., _) => ComputeState::Starting,
    };
    let health = match state {
        ComputeState::Stopped => Health::Healthy,
        ComputeState::Running if u32::try_from(ready).is_ok_and(|ready| ready >= wanted) => Health::Healthy,
        ComputeState::Running | ComputeState::Failed => Health::Unhealthy,
        ComputeState::Starting | ComputeState::Stopping | ComputeState::Unknown => Health::Unknown,
    };
    let mut metadata = BTreeMap::from([("pods_ready".to_owned(), format!("{ready} of {wanted}"))]);
    if let Some(place) = facts.place() {
        metadata.insert("namespace".to_owned(), place.namespace.clone());
    }
    if let Some(autoscaler) = &running.autoscaler {
        metadata.insert("autoscaler".to_owned(), autoscaler.clone());
    }
    Some(Report { state, containers: containers(&live), health, metadata })
}

/// Whether its containers have ended after they ran.
fn was_ready(pod: &Pod) -> bool {
    pod.containers.iter().any(|container| !container.init && container.restarts > 0)
}

/// Each container once: as in the pod where it is worst off.
fn containers(pods: &[&Pod]) -> Vec<ContainerStatus> {
    let mut worst: BTreeMap<&str, ContainerStatus> = BTreeMap::new();
    for container in pods.iter().flat_map(|pod| &pod.containers) {
        let one = status(container);
        match worst.get(container.name.as_str()) {
            Some(other) if gravity(other) >= gravity(&one) => {}
            Some(_) | None => drop(worst.insert(&container.name, one)),
        }
    }
    worst.into_values().collect()
}

fn gravity(status: &ContainerStatus) -> u8 {
    match (status.state, status.ready) {
        (ComputeState::Failed, _) => 4,
        (ComputeState::Starting | ComputeState::Stopping | ComputeState::Unknown, _) => 3,
        (ComputeState::Running, false) => 2,
        (ComputeState::Stopped, _) => 1,
        (ComputeState::Running, true) => 0,
    }
}

fn status(container: &PodContainer) -> ContainerStatus {
    let ended = container.last.as_ref().map(|last| format!("exit code {} ({})", last.exit_code, last.reason));
    let (state, message) = match &container.state {
        ContainerState::Running => (ComputeState::Running, ended),
        ContainerState::Waiting { reason, message } => {
            let state = match container.restarts {
                0 => ComputeState::Starting,
                1.. => ComputeState::Failed,
            };
            let said = if message.is_empty() { reason.clone() } else { format!("{reason}: {message}") };
            (state, Some(said))
        }
        ContainerState::Terminated(ended) if ended.exit_code == 0 => (ComputeState::Stopped, None),
        ContainerState::Terminated(ended) => {
            (ComputeState::Failed, Some(format!("exit code {} ({})", ended.exit_code, ended.reason)))
        }
    };
    ContainerStatus {
        name: container.name.clone(),
        state,
        ready: container.ready,
        restart_count: container.restarts,
        message,
    }
}
