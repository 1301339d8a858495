//! The Kubernetes provider's part of a spec.

mod merge;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use self::merge::said_by;
use crate::spec::ExposureLevel;

/// The `provider_config` of a tenant that runs on Kubernetes. The operator's defaults lie under the tenant's
/// ([`KubernetesConfig::merged`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesConfig {
    /// Which cluster. Only the operator says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterSource>,
    /// Whether each tenant has a namespace of its own, or all share one that is there.
    pub namespaces: Namespaces,
    /// What the names of tenants' own namespaces begin with; the tenant's id follows.
    #[schemars(length(min = 1, max = 40))]
    pub namespace_prefix: String,
    /// How many pods; the spec's `replicas` instead, where it is a number.
    #[schemars(range(max = 10_000))]
    pub replicas: u32,
    /// What leads to public ports from outside of the cluster. Without one, `networking.public_ip` asks for a load balancer,
    /// and other public ports are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposes>,
    /// Who reaches a port that does not say it itself.
    pub default_level: ExposureLevel,
    /// The class of ingresses; without one, the cluster's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_class: Option<String>,
    /// The gateway that routes belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// The host of public ports that have none themselves, such as `{tenant}.example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_pattern: Option<String>,
    /// Annotations of the service that is reached from outside.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub service_annotations: BTreeMap<String, String>,
    /// Annotations of ingresses and routes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ingress_annotations: BTreeMap<String, String>,
    /// Annotations of the service account, such as those that give it a role in a cloud.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub service_account_annotations: BTreeMap<String, String>,
    /// Secrets of the tenant's namespace with which all images are fetched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub image_pull_secrets: Vec<String>,
    /// The labels that a node has to have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// The taints of nodes that pods tolerate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub tolerations: Vec<Toleration>,
    /// Whether pods are spread over zones and nodes where there is room.
    pub spread: bool,
    /// The priority class of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class: Option<String>,
    /// The runtime class of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<String>,
    /// What pods may do on their node: the level that own namespaces enforce, from 1.23 on. `restricted` has to hold for the
    /// images too: they may not run as root.
    pub pod_security: PodSecurity,
    /// Whether nobody reaches the pods, and they reach nobody, except as their ports' exposure, DNS and the internet ask for.
    pub network_policy: bool,
    /// The cluster's own networks, which pods do not reach: `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub network_policy_except: Vec<String>,
    /// Whether an own namespace has a quota: what the spec asks for, and what an update needs beside it.
    pub quota: bool,
    /// Whether an own namespace has sizes for containers that others add without one, such as a mesh.
    pub limit_range: bool,
    /// Whether a container gets no more processor than its share, also where some is left.
    pub cpu_limits: bool,
    /// How long a rollout may take until it has failed, in seconds; the spec's `update.deadline_seconds` instead.
    #[schemars(range(min = 1, max = 86_400))]
    pub deadline_seconds: u32,
    /// How long no node may have room for a pod until its rollout has failed, in seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub unschedulable_seconds: u32,
    /// The storage class of persistent volumes; without one, the cluster's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// The size of persistent volumes that have none themselves, in MB.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub volume_size_mb: u32,
    /// More labels for everything that is made; the spec's `labels` come over them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// More annotations for everything that is made.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// How a tenant's secrets come into its own namespace. In a shared one a `kubernetes-secret` is there already.
    pub secrets: SecretsFrom,
    /// What is done about objects that others changed.
    pub drift: Drift,
    /// Whether fields that another manager has are taken from it. Else an operation that needs one fails, and names it.
    pub take_over: bool,
}

/// Where the way to a cluster is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClusterSource {
    /// The cluster that the engine itself runs in, as its service account.
    InCluster,
    /// A kubeconfig.
    Kubeconfig {
        /// The file; without one, as `KUBECONFIG` says, else `~/.kube/config`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// The context; without one, the file's current one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
    },
}

/// Where tenants' objects are.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Namespaces {
    /// Each tenant has a namespace of its own.
    #[default]
    Own,
    /// All are in one, which is there already and stays.
    Shared {
        /// Its name.
        name: String,
    },
}

/// What leads to a public port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exposes {
    /// Nothing: public ports are refused.
    None,
    /// A port of every node.
    NodePort,
    /// A load balancer of the tenant's own.
    LoadBalancer,
    /// An Ingress, by host and path.
    Ingress,
    /// An HTTPRoute of a gateway, by host and path.
    Gateway,
}

/// A gateway that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its listener; without one, all that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
}

/// A taint that pods tolerate.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Toleration {
    /// The taint's key; without one, every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The taint's value; without one, whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The taint's effect; without one, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// For how long a pod stays on a node that gets the taint, in seconds; without one, for good. Only with `NoExecute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// None comes to the node.
    NoSchedule,
    /// None comes to the node where another has room.
    PreferNoSchedule,
    /// Those that are there go, too.
    NoExecute,
}

/// A level of the pod security standards.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PodSecurity {
    /// Nothing is forbidden.
    Privileged,
    /// What is known to lead out of a container is forbidden.
    #[default]
    Baseline,
    /// Containers run without root and without capabilities.
    Restricted,
}

/// How secrets come into a tenant's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretsFrom {
    /// Not at all: a spec with secrets is refused.
    #[default]
    None,
    /// The engine copies them from one namespace: their values pass through it.
    Copy {
        /// The namespace.
        namespace: String,
    },
    /// The external secrets operator fetches them.
    External {
        /// The name of its store.
        store: String,
        /// The kind of its store.
        kind: StoreKind,
    },
}

/// The kind of a store of the external secrets operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StoreKind {
    /// One of the tenant's namespace.
    SecretStore,
    /// One of the cluster.
    ClusterSecretStore,
}

/// What is done about objects that others changed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// It is told.
    #[default]
    Report,
    /// It is told, and they become what they were. Fields that others have taken are taken back.
    Repair,
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        Self {
            cluster: None,
            namespaces: Namespaces::Own,
            namespace_prefix: "landlord-".to_owned(),
            replicas: 1,
            exposure: None,
            default_level: ExposureLevel::None,
            ingress_class: None,
            gateway: None,
            host_pattern: None,
            service_annotations: BTreeMap::new(),
            ingress_annotations: BTreeMap::new(),
            service_account_annotations: BTreeMap::new(),
            image_pull_secrets: Vec::new(),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            spread: true,
            priority_class: None,
            runtime_class: None,
            pod_security: PodSecurity::Baseline,
            network_policy: true,
            network_policy_except: Vec::new(),
            quota: true,
            limit_range: true,
            cpu_limits: false,
            deadline_seconds: 600,
            unschedulable_seconds: 60,
            storage_class: None,
            volume_size_mb: 1024,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            secrets: SecretsFrom::None,
            drift: Drift::Report,
            take_over: false,
        }
    }
}

/// A `provider_config` that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider_config{0}")]
pub struct KubernetesConfigError(String);

impl KubernetesConfigError {
    /// What is wrong, after the field.
    pub(super) fn what(&self) -> &str {
        self.0.split_once(": ").map_or(&self.0, |(_, what)| what)
    }
}

impl KubernetesConfig {
    /// The cluster that the operator's configuration leads to.
    ///
    /// # Errors
    /// [`KubernetesConfigError`] where it does not say one: none is guessed, because a guess may be another cluster.
    pub fn cluster(&self) -> Result<&ClusterSource, KubernetesConfigError> {
        self.cluster.as_ref().ok_or_else(|| {
            let what =
                ".cluster: missing; write \"in_cluster\", or {\"kubeconfig\": {\"path\": …, \"context\": …}}";
            KubernetesConfigError(what.to_owned())
        })
    }
}
