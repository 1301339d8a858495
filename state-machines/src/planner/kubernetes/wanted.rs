//! What a spec asks for, in Kubernetes' terms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Make, Place, SecretSource};
use super::config::{Drift, KubernetesConfig};
use super::kind::{ObjectId, ObjectKind};
use crate::planner::Means;
use crate::status::EndpointType;

/// What a spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Where.
    pub place: Place,
    /// Every object, in the order in which they are made ([`ObjectKind`](super::ObjectKind)).
    pub objects: Vec<Make>,
    /// The values of the Secrets among them that are copies, by object.
    pub copies: BTreeMap<ObjectId, SecretSource>,
    /// The Deployment or StatefulSet among them. Its manifest has no `spec.replicas`.
    pub workload: ObjectId,
    /// How many pods.
    pub replicas: Count,
    /// The hash of the pods' template, which their label [`CONTENT`](super::tags::CONTENT) has.
    pub template: String,
    /// The hash of everything here, which the workload's annotation [`SPEC`](super::tags::SPEC) has.
    pub spec: String,
    /// Where the tenant answers.
    pub serves: Vec<Serves>,
    /// How long a rollout may take, in seconds.
    pub deadline_seconds: u32,
    /// How long a pod may be on no node, in seconds.
    pub unschedulable_seconds: u32,
    /// When fields of other managers are taken from them.
    pub takes_over: TakesOver,
    /// What this cluster does not do of what is asked for, each with its path in the spec and the reason.
    pub not_enforced: Vec<String>,
}

/// When fields that other managers have are taken from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesOver {
    /// Never: what needs one fails, and names it.
    Never,
    /// When what was altered becomes what it was.
    InRepairs,
    /// Always.
    Always,
}

impl TakesOver {
    /// What a configuration says. One that has what was altered repaired means that the fields are taken back.
    pub(super) fn of(config: &KubernetesConfig) -> Self {
        match (config.take_over, config.drift) {
            (true, _) => Self::Always,
            (false, Drift::Repair) => Self::InRepairs,
            (false, Drift::Report) => Self::Never,
        }
    }

    /// Whether they are taken now.
    pub(super) fn is_on(self, by: Means) -> bool {
        match (self, by) {
            (Self::Always, _) | (Self::InRepairs, Means::Repair) => true,
            (Self::Never, _) | (Self::InRepairs, Means::Provision | Means::Update) => false,
        }
    }
}

impl Wanted {
    /// Whether an object is among what is wanted.
    pub(super) fn has(&self, id: &ObjectId) -> bool {
        self.objects.iter().any(|make| make.id == *id)
    }

    /// Whether an object is a volume of one of the workload's pods, which their controller makes.
    pub(super) fn claims(&self, id: &ObjectId) -> bool {
        let templates = self
            .objects
            .iter()
            .filter(|make| make.id == self.workload)
            .filter_map(|make| make.body.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array));
        let named = |template: &Value| {
            let name = template.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let number = id.name.strip_prefix(&format!("{name}-{}-", self.workload.name));
            number
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        id.kind == ObjectKind::PersistentVolumeClaim && templates.flatten().any(named)
    }
}

/// How many pods there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Count {
    /// This many. The cluster is told when the workload is made and when this number changes; who scales it in between is
    /// not contradicted.
    Of(u32),
    /// As many as somebody else says, such as an autoscaler. The cluster is told when the workload is made, and never again.
    Scaled {
        /// How many a new workload begins with.
        first: u32,
    },
}

impl Count {
    /// How many a new workload begins with.
    pub fn first(self) -> u32 {
        match self {
            Self::Of(count) | Self::Scaled { first: count } => count,
        }
    }
}

/// Where a port of the tenant answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serves {
    /// The container.
    pub container: String,
    /// Its port.
    pub container_port: u16,
    /// What is spoken there.
    pub kind: EndpointType,
    /// The port of the address.
    pub port: u16,
    /// Who gives it an address.
    pub by: ServedBy,
}

/// Who gives a port an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServedBy {
    /// The Service's name, within the cluster.
    Cluster {
        /// The name: `service.namespace.svc`.
        address: String,
    },
    /// The address of the Service's load balancer, once it has one.
    LoadBalancer(ObjectId),
    /// A host that an Ingress or an HTTPRoute has.
    Host {
        /// Which.
        of: ObjectId,
        /// The host.
        host: String,
        /// The path below it, such as `/api`.
        path: String,
    },
    /// A port of each node.
    Node(ObjectId),
}
