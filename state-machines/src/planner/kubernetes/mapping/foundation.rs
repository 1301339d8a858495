//! What a tenant's pods stand on: their namespace, and who they are in the cluster. And how many of them may be taken away.

use std::collections::BTreeMap;

use serde_json::json;

use super::Mapping;
use crate::planner::kubernetes::config::PodSecurity;
use crate::planner::kubernetes::{Count, ObjectKind, Sharing, tags};

/// The label by which a namespace forbids pods something.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// The tenant's own namespace.
pub(super) fn namespace(m: &mut Mapping<'_>) {
    if m.place.sharing == Sharing::Shared {
        return;
    }
    let level = match m.config.pod_security {
        PodSecurity::Privileged => "privileged",
        PodSecurity::Baseline => "baseline",
        PodSecurity::Restricted => "restricted",
    };
    let mut labels = BTreeMap::new();
    if m.cluster.has_pod_security() {
        labels.insert(ENFORCE.to_owned(), level.to_owned());
    } else if m.config.pod_security != PodSecurity::Privileged {
        let what = format!("{} forbids pods nothing by level {level}", m.cluster.version());
        m.problems.not_enforced("provider_config.pod_security", what);
    }
    let name = m.place.namespace.clone();
    m.push_labelled(ObjectKind::Namespace, &name, labels);
}

/// Who the pods are: somebody without a right, and without a token.
pub(super) fn account(m: &mut Mapping<'_>) {
    let annotations = Some(&m.config.service_account_annotations);
    let body = json!({ "automountServiceAccountToken": false });
    m.push_with(ObjectKind::ServiceAccount, &m.names.account(), annotations, body);
}

/// A node that is emptied takes one pod at a time away. One alone has to go whatever a budget says.
pub(super) fn disruption(m: &mut Mapping<'_>, replicas: Count) {
    match replicas {
        Count::Of(0 | 1) => return,
        Count::Of(_) | Count::Scaled { .. } => {}
    }
    if m.cluster.api_version(ObjectKind::PodDisruptionBudget).is_none() {
        m.problems.not_enforced(
            "replicas",
            "this cluster has no PodDisruptionBudget: all may be taken away at once",
        );
        return;
    }
    let spec = json!({
        "maxUnavailable": 1,
        "selector": { "matchLabels": tags::stable(m.subject) },
        "unhealthyPodEvictionPolicy": m.cluster.has_eviction_policy().then_some("AlwaysAllow"),
    });
    m.push(ObjectKind::PodDisruptionBudget, &m.names.plain(), json!({ "spec": spec }));
}
