//! The kinds of objects that a tenant is made of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of object. In the order in which they are made: what one needs comes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// Holds all others, where each tenant has its own.
    Namespace,
    /// Who the pods are in the cluster: nobody with a right.
    ServiceAccount,
    /// What the tenant's pods have together at most.
    ResourceQuota,
    /// What a container without requests and limits has. The quota refuses such a one.
    LimitRange,
    /// Who may reach the pods, and whom they reach.
    NetworkPolicy,
    /// Values that are copied from another namespace, or that an operator fetches.
    Secret,
    /// Asks an operator for a secret.
    ExternalSecret,
    /// The contents of files.
    ConfigMap,
    /// A volume that outlives pods.
    PersistentVolumeClaim,
    /// The pods, each like any other.
    Deployment,
    /// The pods, each with volumes of its own.
    StatefulSet,
    /// Their address in the cluster.
    Service,
    /// How many of them may be taken away at a time.
    PodDisruptionBudget,
    /// Their address outside, by host and path.
    Ingress,
    /// The same, by the Gateway API.
    HttpRoute,
}

impl ObjectKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Namespace,
        Self::ServiceAccount,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::Secret,
        Self::ExternalSecret,
        Self::ConfigMap,
        Self::PersistentVolumeClaim,
        Self::Deployment,
        Self::StatefulSet,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::Ingress,
        Self::HttpRoute,
    ];

    /// As a manifest's `kind` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::ServiceAccount => "ServiceAccount",
            Self::ResourceQuota => "ResourceQuota",
            Self::LimitRange => "LimitRange",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Secret => "Secret",
            Self::ExternalSecret => "ExternalSecret",
            Self::ConfigMap => "ConfigMap",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Ingress => "Ingress",
            Self::HttpRoute => "HTTPRoute",
        }
    }

    /// As a path of the API says it.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::ServiceAccount => "serviceaccounts",
            Self::ResourceQuota => "resourcequotas",
            Self::LimitRange => "limitranges",
            Self::NetworkPolicy => "networkpolicies",
            Self::Secret => "secrets",
            Self::ExternalSecret => "externalsecrets",
            Self::ConfigMap => "configmaps",
            Self::PersistentVolumeClaim => "persistentvolumeclaims",
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::Service => "services",
            Self::PodDisruptionBudget => "poddisruptionbudgets",
            Self::Ingress => "ingresses",
            Self::HttpRoute => "httproutes",
        }
    }

    /// The API versions that it is known in, the best first. A cluster may have none of them.
    pub fn api_versions(self) -> &'static [&'static str] {
        match self {
            Self::Namespace
            | Self::ServiceAccount
            | Self::ResourceQuota
            | Self::LimitRange
            | Self::Secret
            | Self::ConfigMap
            | Self::PersistentVolumeClaim
            | Self::Service => &["v1"],
            Self::Deployment | Self::StatefulSet => &["apps/v1"],
            Self::NetworkPolicy | Self::Ingress => &["networking.k8s.io/v1"],
            Self::PodDisruptionBudget => &["policy/v1", "policy/v1beta1"],
            Self::ExternalSecret => &["external-secrets.io/v1", "external-secrets.io/v1beta1"],
            Self::HttpRoute => &["gateway.networking.k8s.io/v1"],
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An object within a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}

/// A text that names no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no object: one reads like Deployment/acme")]
pub struct ObjectIdError(String);

impl TryFrom<String> for ObjectId {
    type Error = ObjectIdError;

    fn try_from(text: String) -> Result<Self, ObjectIdError> {
        let parts = text.split_once('/').and_then(|(kind, name)| {
            let kind = ObjectKind::ALL.into_iter().find(|known| known.name() == kind)?;
            Some(Self { kind, name: name.to_owned() })
        });
        parts.ok_or(ObjectIdError(text))
    }
}
