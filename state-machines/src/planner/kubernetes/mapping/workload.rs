//! The pods, and the Deployment or StatefulSet that keeps them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::containers::{self, Parts};
use super::{Mapping, order, services, without_nothing};
use crate::canonical;
use crate::planner::kubernetes::config::PodSecurity;
use crate::planner::kubernetes::{ObjectId, ObjectKind, tags};
use crate::spec::{Role, UpdateOrder};

/// The bytes of a template's hash: in hexadecimal they are a label.
const HASH: usize = 20;
/// How long a container may take to end, in seconds, where none says it.
const GRACE: i64 = 30;
/// The longest manifest, in bytes: the API server's store takes 1.5 MiB with what it adds.
const LONGEST: usize = 1024 * 1024;

/// The pods' template and its hash.
struct Template {
    body: Value,
    hash: String,
}

/// The workload, and its template's hash in this rollout.
pub(super) fn workload(m: &mut Mapping<'_>, parts: &Parts<'_>) -> (ObjectId, String) {
    let pod = pod(m, parts);
    let template = template(m, pod);
    let stateful = !parts.volumes.claims.is_empty();
    let order = m.spec.update.as_ref().and_then(|update| update.order);
    let mut spec = json!({
        "selector": { "matchLabels": tags::stable(m.subject) },
        "template": template.body,
        "revisionHistoryLimit": 2,
    });
    let (kind, name, more) = if stateful {
        if order == Some(UpdateOrder::StartFirst) {
            m.problems.add(
                "update.order",
                "a persistent volume is one pod's at a time, so the old one stops first; remove it, or write stop_first",
            );
        }
        let more = json!({
            "serviceName": services::governing(m),
            "podManagementPolicy": "Parallel",
            "updateStrategy": { "type": "RollingUpdate" },
            "volumeClaimTemplates": parts.volumes.claims,
        });
        (ObjectKind::StatefulSet, m.names.stateful(), more)
    } else {
        let strategy = match order {
            Some(UpdateOrder::StopFirst) => json!({ "type": "Recreate" }),
            Some(UpdateOrder::StartFirst) | None => {
                json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } })
            }
        };
        let more = json!({
            "strategy": strategy,
            "progressDeadlineSeconds": m.config.deadline_seconds,
        });
        (ObjectKind::Deployment, m.names.plain(), more)
    };
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    let length = serde_json::to_vec(&spec).map_or(0, |text| text.len());
    if length > LONGEST {
        m.problems.add(
            "containers",
            format!(
                "{length} bytes as a manifest; Kubernetes takes at most {LONGEST}: move texts into files"
            ),
        );
    }
    m.push(kind, &name, json!({ "spec": spec }));
    (ObjectId { kind, name }, template.hash)
}

/// What pods are made from. The caller's labels are no part of it: they change without new pods.
fn template(m: &Mapping<'_>, pod: Value) -> Template {
    let mut labels = super::ours(m.subject);
    let rollout = (!m.rollout.is_first()).then(|| json!({ tags::ROLLOUT: m.rollout.to_string() }));
    let written = |labels: &BTreeMap<String, String>| {
        without_nothing(json!({ "metadata": { "labels": labels, "annotations": rollout }, "spec": pod }))
    };
    let hash = canonical::hash(&written(&labels), HASH);
    labels.insert(tags::CONTENT.to_owned(), hash.clone());
    Template { body: written(&labels), hash }
}

fn pod(m: &mut Mapping<'_>, parts: &Parts<'_>) -> Value {
    let order = order::order(&mut m.problems, &m.spec.containers, m.cluster);
    let mut made = |places: Vec<usize>| -> Vec<Value> {
        places.into_iter().map(|n| containers::container(m, parts, n)).collect()
    };
    let (first, then) = (made(order.first), made(order.then));
    let config = m.config;
    let graces = m.spec.containers.iter().filter(|one| one.role != Role::Init);
    let grace = graces.filter_map(|one| one.stop.as_ref()?.grace_seconds).max().unwrap_or(GRACE);
    let tolerations: Vec<Value> = config.tolerations.iter().map(toleration).collect();
    let volumes: Vec<&Value> = parts.volumes.of_pods.iter().chain(&parts.files.volumes).collect();
    json!({
        "serviceAccountName": m.names.account(),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": security(m, parts),
        "terminationGracePeriodSeconds": grace,
        "imagePullSecrets": pull_secrets(m, parts),
        "nodeSelector": some(&config.node_selector),
        "tolerations": tolerations,
        "topologySpreadConstraints": spread(m, !parts.volumes.claims.is_empty()),
        "priorityClassName": config.priority_class,
        "runtimeClassName": config.runtime_class,
        "initContainers": first,
        "containers": then,
        "volumes": volumes,
    })
}

fn some(map: &BTreeMap<String, String>) -> Option<&BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}

fn toleration(given: &crate::planner::kubernetes::config::Toleration) -> Value {
    let operator = if given.value.is_some() { "Equal" } else { "Exists" };
    json!({
        "key": given.key,
        "operator": operator,
        "value": given.value,
        "effect": given.effect,
        "tolerationSeconds": given.seconds,
    })
}

fn security(m: &Mapping<'_>, parts: &Parts<'_>) -> Value {
    let needs_group = parts.files.has_secrets || !parts.volumes.claims.is_empty();
    let group = needs_group.then(|| containers::shared_group(&m.spec.containers));
    let restricted = m.config.pod_security == PodSecurity::Restricted;
    json!({
        "seccompProfile": { "type": "RuntimeDefault" },
        "runAsNonRoot": restricted.then_some(true),
        "fsGroup": group,
        // Else every start walks over all files of a volume.
        "fsGroupChangePolicy": group.map(|_| "OnRootMismatch"),
    })
}

fn pull_secrets(m: &Mapping<'_>, parts: &Parts<'_>) -> Vec<Value> {
    let own = m.spec.containers.iter().filter_map(|one| parts.secrets.credentials(one));
    let names: BTreeSet<String> = m.config.image_pull_secrets.iter().cloned().chain(own).collect();
    names.into_iter().map(|name| json!({ "name": name })).collect()
}

/// Over zones and nodes, where there is room. Also of a single pod, so that more of them need no new template.
fn spread(m: &Mapping<'_>, stateful: bool) -> Option<Value> {
    // The pods of a StatefulSet have no such label.
    let by_revision = m.cluster.has_match_label_keys() && !stateful;
    let over = |key: &str| {
        json!({
            "topologyKey": key,
            "maxSkew": 1,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": tags::stable(m.subject) },
            "matchLabelKeys": by_revision.then_some(["pod-template-hash"]),
        })
    };
    let keys = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];
    m.config.spread.then(|| keys.map(over).into_iter().collect())
}
