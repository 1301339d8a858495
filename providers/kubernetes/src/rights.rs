//! The rights that the engine needs in a cluster, as data. `ops/kubernetes/rbac.yaml` gives exactly these.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use landlord_state_machines::planner::kubernetes::{ObjectKind, Place, Sharing};
use serde_json::{Value, json};

use super::error::Failure;
use super::reads::At;
use super::request::Ask;

/// How many rights are asked about at a time.
const AT_A_TIME: usize = 16;

/// What the engine does with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Right {
    /// The group of its API; empty for the oldest one.
    pub(super) group: &'static str,
    /// Its plural, and its subresource after a slash.
    pub(super) resource: &'static str,
    pub(super) verbs: &'static [&'static str],
    need: Need,
}

/// When a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// For every tenant.
    Always,
    /// To look: for every tenant. To write: for a tenant that has this kind.
    Kind(ObjectKind),
    /// For a tenant that has this kind, which not every cluster knows.
    Only(ObjectKind),
    /// Never: without it, an address is not known.
    Welcome,
}

/// To look and to write.
const ALL: &[&str] = &["create", "delete", "get", "list", "patch", "watch"];
/// The verbs that only look.
const READS: [&str; 3] = ["get", "list", "watch"];

/// All of them.
pub(super) const RIGHTS: [Right; 21] = [
    right("", "namespaces", ALL, Need::Kind(ObjectKind::Namespace)),
    right("", "serviceaccounts", ALL, Need::Kind(ObjectKind::ServiceAccount)),
    right("", "resourcequotas", ALL, Need::Kind(ObjectKind::ResourceQuota)),
    right("", "limitranges", ALL, Need::Kind(ObjectKind::LimitRange)),
    right("", "configmaps", ALL, Need::Kind(ObjectKind::ConfigMap)),
    right("", "persistentvolumeclaims", ALL, Need::Kind(ObjectKind::PersistentVolumeClaim)),
    right("", "services", ALL, Need::Kind(ObjectKind::Service)),
    // No list: nobody needs to find secrets that he does not know by name.
    right("", "secrets", &["create", "delete", "get", "patch"], Need::Kind(ObjectKind::Secret)),
    right("", "pods", &["delete", "get", "list", "watch"], Need::Always),
    right("", "pods/log", &["get"], Need::Always),
    right("", "events", &["list"], Need::Always),
    right("apps", "deployments", ALL, Need::Always),
    right("apps", "statefulsets", ALL, Need::Always),
    right("networking.k8s.io", "networkpolicies", ALL, Need::Kind(ObjectKind::NetworkPolicy)),
    right("networking.k8s.io", "ingresses", ALL, Need::Kind(ObjectKind::Ingress)),
    right("policy", "poddisruptionbudgets", ALL, Need::Kind(ObjectKind::PodDisruptionBudget)),
    right("autoscaling", "horizontalpodautoscalers", &["list"], Need::Always),
    right("discovery.k8s.io", "endpointslices", &["list"], Need::Always),
    right("external-secrets.io", "externalsecrets", ALL, Need::Only(ObjectKind::ExternalSecret)),
    right("gateway.networking.k8s.io", "httproutes", ALL, Need::Only(ObjectKind::HttpRoute)),
    right("gateway.networking.k8s.io", "gateways", &["get"], Need::Welcome),
];

const fn right(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    need: Need,
) -> Right {
    Right { group, resource, verbs, need }
}

/// One verb of a right, in a namespace or in all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Permission {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    /// None: in all namespaces.
    namespace: Option<String>,
}

/// As a sentence about rights names it.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match self.group {
            "" => Ok(()),
            group => write!(f, ".{group}"),
        }
    }
}

/// What the engine needs for a tenant in this place that has these kinds.
pub(super) fn needed(place: &Place, kinds: &BTreeSet<ObjectKind>) -> BTreeSet<Permission> {
    let namespace = match place.sharing {
        Sharing::Own => None,
        Sharing::Shared => Some(place.namespace.clone()),
    };
    let is_needed = |right: &Right, verb: &str| match right.need {
        Need::Always => true,
        // The identity of the cluster is a namespace's.
        Need::Kind(ObjectKind::Namespace) if place.sharing == Sharing::Shared => verb == "get",
        Need::Kind(kind) => READS.contains(&verb) || kinds.contains(&kind),
        Need::Only(kind) => kinds.contains(&kind),
        Need::Welcome => false,
    };
    let verbs = RIGHTS.iter().flat_map(|right| right.verbs.iter().map(move |verb| (right, *verb)));
    let wanted = verbs.filter(|(right, verb)| is_needed(right, verb));
    let permission = |(right, verb): (&Right, &'static str)| Permission {
        verb,
        group: right.group,
        resource: right.resource,
        namespace: namespace.clone().filter(|_| right.need != Need::Kind(ObjectKind::Namespace)),
    };
    wanted.map(permission).collect()
}

impl At<'_> {
    /// Those of them that the engine does not have.
    pub(super) async fn missing(
        &self,
        needed: impl IntoIterator<Item = Permission>,
    ) -> Result<BTreeSet<Permission>, Failure> {
        let asked = stream::iter(needed).map(async |permission| {
            let allowed = self.allows(&permission).await?;
            Ok::<_, Failure>((!allowed).then_some(permission))
        });
        let missing: Vec<Option<Permission>> = asked.buffer_unordered(AT_A_TIME).try_collect().await?;
        Ok(missing.into_iter().flatten().collect())
    }

    async fn allows(&self, permission: &Permission) -> Result<bool, Failure> {
        let Permission { verb, group, resource, namespace } = permission;
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let spec = json!({ "resourceAttributes": {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace.as_deref().unwrap_or_default(),
        } });
        let answer = self.ask(&Ask::review(spec)).await?;
        Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use landlord_state_machines::planner::kubernetes::{ObjectKind, Place, Sharing};
    use serde::Deserialize;

    use super::{RIGHTS, Right, needed};

    #[derive(Deserialize)]
    struct Manifest {
        kind: String,
        #[serde(default)]
        rules: Vec<Rule>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Rule {
        api_groups: Vec<String>,
        resources: Vec<String>,
        verbs: Vec<String>,
    }

    type Granted = BTreeMap<(String, String), BTreeSet<String>>;

    #[test]
    fn the_manifest_gives_what_is_needed_and_nothing_else() {
        let manifest = include_str!("../../../ops/kubernetes/rbac.yaml");
        let manifests: Vec<Manifest> = serde_saphyr::from_multiple(manifest).unwrap();
        let roles: Vec<&Manifest> = manifests.iter().filter(|one| one.kind == "ClusterRole").collect();
        assert_eq!(roles.len(), 1);
        let mut granted = Granted::new();
        for rule in &roles[0].rules {
            for (group, resource) in
                rule.api_groups.iter().flat_map(|group| rule.resources.iter().map(move |one| (group, one)))
            {
                let verbs = granted.entry((group.clone(), resource.clone())).or_default();
                verbs.extend(rule.verbs.iter().cloned());
            }
        }
        let entry = |right: &Right| {
            let verbs = right.verbs.iter().map(|verb| (*verb).to_owned()).collect();
            ((right.group.to_owned(), right.resource.to_owned()), verbs)
        };
        let listed: Granted = RIGHTS.iter().map(entry).collect();
        assert_eq!(granted, listed);
    }

    fn names(sharing: Sharing, kinds: &[ObjectKind]) -> BTreeSet<String> {
        let place = Place { namespace: "tenants".to_owned(), sharing };
        needed(&place, &kinds.iter().copied().collect()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_tenant_does_not_have_needs_no_right_to_write_it() {
        let names = names(Sharing::Own, &[ObjectKind::Namespace, ObjectKind::Deployment]);
        assert!(names.contains("create namespaces"));
        assert!(names.contains("list ingresses.networking.k8s.io"));
        assert!(!names.contains("create ingresses.networking.k8s.io"));
        assert!(!names.contains("list httproutes.gateway.networking.k8s.io"));
        assert!(!names.contains("list secrets"), "secrets are never listed");
    }

    #[test]
    fn in_a_shared_namespace_none_is_made() {
        let names = names(Sharing::Shared, &[ObjectKind::Deployment, ObjectKind::HttpRoute]);
        assert!(names.contains("get namespaces"));
        assert!(!names.contains("create namespaces") && !names.contains("list namespaces"));
        assert!(names.contains("create httproutes.gateway.networking.k8s.io"));
    }
}
