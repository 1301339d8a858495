//! The kinds that the API has.

use super::settings::Settings;

/// A kind of object. In the order in which a namespace's content is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Namespace,
    Node,
    StorageClass,
    IngressClass,
    AccessReview,
    Deployment,
    StatefulSet,
    ReplicaSet,
    Pod,
    ServiceAccount,
    Secret,
    ConfigMap,
    Service,
    ResourceQuota,
    LimitRange,
    PersistentVolumeClaim,
    Event,
    NetworkPolicy,
    Ingress,
    PodDisruptionBudget,
    EndpointSlice,
    HorizontalPodAutoscaler,
    ExternalSecret,
    Gateway,
    HttpRoute,
}

/// What the API says of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Info {
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    pub(super) group: &'static str,
    pub(super) scope: Scope,
    pub(super) subs: &'static [&'static str],
    /// Whether its writes are counted in `metadata.generation`.
    pub(super) counted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Cluster,
    Namespace,
}

/// Short for the table.
const fn of(
    kind: &'static str,
    plural: &'static str,
    group: &'static str,
    scope: Scope,
    subs: &'static [&'static str],
    counted: bool,
) -> Info {
    Info { kind, plural, group, scope, subs, counted }
}

impl Kind {
    pub(super) const ALL: [Self; 25] = [
        Self::Namespace,
        Self::Node,
        Self::StorageClass,
        Self::IngressClass,
        Self::AccessReview,
        Self::Deployment,
        Self::StatefulSet,
        Self::ReplicaSet,
        Self::Pod,
        Self::ServiceAccount,
        Self::Secret,
        Self::ConfigMap,
        Self::Service,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::PersistentVolumeClaim,
        Self::Event,
        Self::NetworkPolicy,
        Self::Ingress,
        Self::PodDisruptionBudget,
        Self::EndpointSlice,
        Self::HorizontalPodAutoscaler,
        Self::ExternalSecret,
        Self::Gateway,
        Self::HttpRoute,
    ];

    pub(super) fn info(self) -> Info {
        use Scope::{Cluster as C, Namespace as N};
        const NET: &str = "networking.k8s.io";
        const GATEWAY: &str = "gateway.networking.k8s.io";
        match self {
            Self::Namespace => of("Namespace", "namespaces", "", C, &["status", "finalize"], false),
            Self::Node => of("Node", "nodes", "", C, &["status"], false),
            Self::StorageClass => of("StorageClass", "storageclasses", "storage.k8s.io", C, &[], false),
            Self::IngressClass => of("IngressClass", "ingressclasses", NET, C, &[], true),
            Self::AccessReview => of(
                "SelfSubjectAccessReview",
                "selfsubjectaccessreviews",
                "authorization.k8s.io",
                C,
                &[],
                false,
            ),
            Self::Deployment => of("Deployment", "deployments", "apps", N, &["status", "scale"], true),
            Self::StatefulSet => of("StatefulSet", "statefulsets", "apps", N, &["status", "scale"], true),
            Self::ReplicaSet => of("ReplicaSet", "replicasets", "apps", N, &["status", "scale"], true),
            Self::Pod => of("Pod", "pods", "", N, &["status", "log"], false),
            Self::ServiceAccount => of("ServiceAccount", "serviceaccounts", "", N, &[], false),
            Self::Secret => of("Secret", "secrets", "", N, &[], false),
            Self::ConfigMap => of("ConfigMap", "configmaps", "", N, &[], false),
            Self::Service => of("Service", "services", "", N, &["status"], false),
            Self::ResourceQuota => of("ResourceQuota", "resourcequotas", "", N, &["status"], false),
            Self::LimitRange => of("LimitRange", "limitranges", "", N, &[], false),
            Self::PersistentVolumeClaim => {
                of("PersistentVolumeClaim", "persistentvolumeclaims", "", N, &["status"], false)
            }
            Self::Event => of("Event", "events", "", N, &[], false),
            Self::NetworkPolicy => of("NetworkPolicy", "networkpolicies", NET, N, &[], true),
            Self::Ingress => of("Ingress", "ingresses", NET, N, &["status"], true),
            Self::PodDisruptionBudget => {
                of("PodDisruptionBudget", "poddisruptionbudgets", "policy", N, &["status"], true)
            }
            Self::EndpointSlice => of("EndpointSlice", "endpointslices", "discovery.k8s.io", N, &[], true),
            Self::HorizontalPodAutoscaler => of(
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
                "autoscaling",
                N,
                &["status"],
                false,
            ),
            Self::ExternalSecret => {
                of("ExternalSecret", "externalsecrets", "external-secrets.io", N, &["status"], true)
            }
            Self::Gateway => of("Gateway", "gateways", GATEWAY, N, &["status"], true),
            Self::HttpRoute => of("HTTPRoute", "httproutes", GATEWAY, N, &["status"], true),
        }
    }

    /// The versions of its group that this cluster has, the preferred one first; none: it does not have it.
    pub(super) fn versions(self, settings: &Settings) -> &'static [&'static str] {
        let minor = settings.version.1;
        match self {
            Self::PodDisruptionBudget if minor < 21 => &["v1beta1"],
            Self::PodDisruptionBudget if minor < 25 => &["v1", "v1beta1"],
            Self::EndpointSlice if minor < 21 => &["v1beta1"],
            Self::HorizontalPodAutoscaler if minor < 23 => &["v1", "v2beta2"],
            Self::HorizontalPodAutoscaler => &["v2", "v1"],
            Self::ExternalSecret => settings.external_secrets.unwrap_or(&[]),
            Self::Gateway | Self::HttpRoute if !settings.gateway => &[],
            Self::Namespace
            | Self::Node
            | Self::StorageClass
            | Self::IngressClass
            | Self::AccessReview
            | Self::Deployment
            | Self::StatefulSet
            | Self::ReplicaSet
            | Self::Pod
            | Self::ServiceAccount
            | Self::Secret
            | Self::ConfigMap
            | Self::Service
            | Self::ResourceQuota
            | Self::LimitRange
            | Self::PersistentVolumeClaim
            | Self::Event
            | Self::NetworkPolicy
            | Self::Ingress
            | Self::PodDisruptionBudget
            | Self::EndpointSlice
            | Self::Gateway
            | Self::HttpRoute => &["v1"],
        }
    }

    /// Whether it comes from a definition that somebody installed.
    pub(super) fn is_custom(self) -> bool {
        matches!(self, Self::ExternalSecret | Self::Gateway | Self::HttpRoute)
    }

    pub(super) fn is_namespaced(self) -> bool {
        self.info().scope == Scope::Namespace
    }

    pub(super) fn has_status(self) -> bool {
        self.info().subs.contains(&"status")
    }

    /// As refusals name it: `deployments.apps`.
    pub(super) fn resource(self) -> String {
        let info = self.info();
        if info.group.is_empty() { info.plural.to_owned() } else { format!("{}.{}", info.plural, info.group) }
    }

    /// As refusals of its content name it: `Deployment.apps`.
    pub(super) fn qualified(self) -> String {
        let info = self.info();
        if info.group.is_empty() { info.kind.to_owned() } else { format!("{}.{}", info.kind, info.group) }
    }

    /// By an owner reference's or manifest's `kind`.
    pub(super) fn named(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.info().kind == kind)
    }
}

/// The `apiVersion` of a group's version.
pub(super) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: Kind,
    /// Empty for what is in none.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind.is_namespaced() { namespace } else { "" };
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}
