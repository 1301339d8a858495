//! Specs: what becomes of them, and all that is wrong with them.

mod outside;
mod pods;
mod rules;
mod shared;
mod whole;

use serde_json::{Value, json};

use super::cluster;
use crate::id::{Incarnation, ProviderName, Rollout};
use crate::planner::Subject;
use crate::planner::kubernetes::{Make, ObjectKind, Survey, Wanted, problems};
use crate::spec::{Spec, TenantComputeSpec};

fn subject_of(spec: &Spec, incarnation: u64) -> Subject {
    Subject {
        engine: "engine".into(),
        provider: ProviderName::new("kubernetes").unwrap(),
        tenant: spec.tenant().clone(),
        incarnation: Incarnation(incarnation),
    }
}

/// A cluster of this minor version with all kinds.
fn survey(minor: u32) -> Survey {
    Survey { version: (1, minor), ..cluster::that_can_do_everything() }
}

/// As many a cluster still is: without what came after 1.20.
fn old() -> Survey {
    let mut survey = survey(20);
    survey.kinds.insert(ObjectKind::PodDisruptionBudget, "policy/v1beta1".to_owned());
    for kind in [ObjectKind::ExternalSecret, ObjectKind::HttpRoute] {
        survey.kinds.remove(&kind);
    }
    survey
}

fn plain(change: impl FnOnce(&mut Value)) -> Spec {
    let mut spec = json!({
        "tenant_id": "acme", "provider_type": "kubernetes",
        "containers": [{ "name": "web", "image": "nginx:1.28", "ports": [{ "container_port": 80 }] }],
        "resources": { "cpu": 250, "memory": 512 },
        "provider_config": {},
    });
    change(&mut spec);
    read(spec)
}

/// The plain spec with this of its container.
fn web(change: impl FnOnce(&mut Value)) -> Spec {
    plain(|spec| change(&mut spec["containers"][0]))
}

fn read(spec: Value) -> Spec {
    TenantComputeSpec::from_json(&spec.to_string()).unwrap().check().unwrap()
}

fn wanted(spec: &Spec) -> Wanted {
    on(spec, &survey(33))
}

fn on(spec: &Spec, survey: &Survey) -> Wanted {
    Wanted::of(&subject_of(spec, 2), spec, Rollout::default(), survey).unwrap()
}

/// What is wrong with a spec on this cluster, a line each.
fn told_on(spec: &Spec, survey: &Survey) -> String {
    Wanted::of(&subject_of(spec, 2), spec, Rollout::default(), survey).unwrap_err().message
}

fn make(wanted: &Wanted, kind: ObjectKind) -> Option<&Make> {
    wanted.objects.iter().find(|make| make.id.kind == kind)
}

fn body(wanted: &Wanted, kind: ObjectKind) -> &Value {
    &make(wanted, kind).unwrap().body
}

/// The workload's template.
fn template(wanted: &Wanted) -> &Value {
    let workload = wanted.objects.iter().find(|make| make.id == wanted.workload).unwrap();
    &workload.body["spec"]["template"]
}

fn pod(wanted: &Wanted) -> &Value {
    &template(wanted)["spec"]
}

/// The first container of the pods.
fn first(spec: &Spec) -> Value {
    pod(&wanted(spec))["containers"][0].clone()
}

/// The problems, a line each.
fn told(spec: &Spec) -> String {
    problems(spec).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The paths of the problems of a plain spec that is changed like this.
fn refused(change: impl FnOnce(&mut Value)) -> Vec<String> {
    problems(&plain(change)).into_iter().map(|problem| problem.path).collect()
}

/// All manifests, as they are sent.
fn sent(wanted: &Wanted) -> Value {
    wanted.objects.iter().map(|make| make.body.clone()).collect()
}
