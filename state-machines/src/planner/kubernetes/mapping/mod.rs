//! From a spec to manifests: what is wanted of it, and everything that is wrong with it.

mod checks;
mod cluster;
mod containers;
mod files;
mod foundation;
mod labels;
mod names;
mod network_policy;
mod order;
mod ports;
mod problems;
mod quantities;
mod quota;
mod resources;
mod routes;
mod said;
mod secrets;
mod services;
mod settings;
#[cfg(test)]
mod tests;
mod texts;
mod volumes;
mod workload;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::cluster::Cluster;
use self::containers::Parts;
use self::labels::Labels;
use self::names::Names;
use self::problems::Problems;
use self::secrets::Secrets;
use super::call::{Make, Place, SecretSource, Survey};
use super::config::KubernetesConfig;
use super::kind::{ObjectId, ObjectKind};
use super::tags;
use super::wanted::{TakesOver, Wanted};
use crate::canonical;
use crate::error::ProviderError;
use crate::id::{Incarnation, Rollout};
use crate::planner::Subject;
use crate::spec::{Invalid, Problem, Spec};

/// What a spec can ask for and Kubernetes does not enforce, each with the reason.
pub const NOT_ENFORCED: &[&str] = &[
    "resources.cpu: set aside and shared out by it, not a limit, unless provider_config.cpu_limits is set",
    "containers[].depends_on: of main containers only the order of their starts is kept, nobody waits until one is healthy",
    "containers[].liveness: without one, health_check is what a container is started again by, after 3 failures at least",
    "containers[].stop.grace_seconds: a pod has one, the longest of its containers",
    "containers[].files[].mode: a secret's file can be read by the group that all containers of the pod are in",
    "containers[].ports[].exposure.level: the cluster's network has to enforce network policies; some do not, and say nothing",
    "containers[].ports[].exposure.tls: of a gateway its listener decides; of an ingress the certificate is somebody else's",
    "networking.dns: no name is made; it is the host of public ports that have none, at an ingress or a gateway",
    "volumes[].size_mb: of what is not persistent a pod that uses more is removed; of what is, some storage has no sizes",
];

/// The bytes of a manifest's hash.
const HASH: usize = 32;

/// Every problem of the spec, each with its path.
pub fn problems(spec: &Spec) -> Vec<Problem> {
    let subject = Subject {
        engine: "".into(),
        provider: spec.provider().clone(),
        tenant: spec.tenant().clone(),
        incarnation: Incarnation(0),
    };
    map(&subject, spec, Rollout::default(), &cluster::that_can_do_everything()).1
}

/// Every fault of an operator's configuration, each with its field: those that no tenant could run with.
pub fn faults(operators: &Value) -> Vec<Problem> {
    let (config, mut found) = KubernetesConfig::read_all(operators);
    let mut problems = Problems::default();
    settings::check(&mut problems, &config);
    labels::labels(&mut problems, &BTreeMap::new(), &config);
    found.extend(problems.into_parts().0);
    let unread = |problem: &Problem| {
        problem.path == problems::config_at("cluster") || problem.path == "provider_config"
    };
    if let (Err(missing), false) = (config.cluster(), found.iter().any(unread)) {
        found.push(Problem::new(problems::config_at("cluster"), missing.what()));
    }
    for problem in &mut found {
        // It is the whole of what the operator writes.
        let field = problem.path.strip_prefix("provider_config").unwrap_or(&problem.path);
        problem.path = field.trim_start_matches('.').to_owned();
    }
    found
}

/// Whether a spec can run on Kubernetes, as far as the spec alone shows.
///
/// # Errors
/// Every problem.
pub fn check(spec: &Spec) -> Result<(), Invalid> {
    Invalid::unless_empty(problems(spec))
}

impl Wanted {
    /// What a spec asks for on this cluster, for a subject whose spec it is, in this rollout.
    ///
    /// # Errors
    /// `InvalidSpec` with every problem, each with its path; with what this cluster lacks.
    pub fn of(
        subject: &Subject,
        spec: &Spec,
        rollout: Rollout,
        survey: &Survey,
    ) -> Result<Self, ProviderError> {
        let (mut wanted, problems) = map(subject, spec, rollout, survey);
        Invalid::unless_empty(problems)?;
        // The spec is the same in each of its rollouts.
        if !rollout.is_first() {
            wanted.spec = map(subject, spec, Rollout::default(), survey).0.spec;
        }
        wanted.sign();
        Ok(wanted)
    }

    /// Says in the workload what it was all made from. That is no part of its content: a spec that changes another object
    /// changes no pod.
    fn sign(&mut self) {
        let workload = self.objects.iter_mut().find(|make| make.id == self.workload);
        let annotations = workload
            .and_then(|make| make.body.pointer_mut("/metadata/annotations"))
            .and_then(Value::as_object_mut);
        if let Some(annotations) = annotations {
            annotations.insert(tags::SPEC.to_owned(), json!(self.spec));
        }
    }
}

/// What is mapped, from what, and what became of it.
struct Mapping<'a> {
    subject: &'a Subject,
    spec: &'a Spec,
    config: &'a KubernetesConfig,
    cluster: Cluster<'a>,
    rollout: Rollout,
    place: Place,
    names: Names<'a>,
    labels: Labels,
    problems: Problems,
    objects: Vec<Make>,
    copies: BTreeMap<ObjectId, SecretSource>,
}

/// Maps a spec. Where there are problems, the result is not to be used.
fn map(subject: &Subject, spec: &Spec, rollout: Rollout, survey: &Survey) -> (Wanted, Vec<Problem>) {
    let given = spec.provider_config.as_ref().unwrap_or(&Value::Null);
    let (mut config, mut unread) = KubernetesConfig::read_all(given);
    let mut problems = Problems::default();
    settings::check(&mut problems, &config);
    said::over(&mut problems, spec, &mut config);
    let place = names::place(&config, &subject.tenant);
    let labels = labels::labels(&mut problems, &spec.labels, &config);
    let mut m = Mapping {
        subject,
        spec,
        config: &config,
        cluster: Cluster(survey),
        rollout,
        names: Names { tenant: &subject.tenant, sharing: place.sharing },
        place,
        labels,
        problems,
        objects: Vec::new(),
        copies: BTreeMap::new(),
    };
    let replicas = said::count(spec, &config);
    foundation::namespace(&mut m);
    foundation::account(&mut m);
    let shares = resources::shares(&mut m.problems, spec);
    let pod = resources::of_pod(&spec.containers, &shares);
    quota::quota(&mut m, replicas, pod);
    quota::limit_range(&mut m, pod);
    let ports = ports::ports(&mut m);
    network_policy::network_policy(&mut m, &ports);
    let secrets = Secrets::of(&mut m);
    let volumes = volumes::volumes(&mut m);
    let files = files::files(&mut m, &secrets, &volumes);
    let parts = Parts { ports: &ports, shares: &shares, secrets: &secrets, volumes: &volumes, files: &files };
    let (workload, template) = workload::workload(&mut m, &parts);
    let serves = services::services(&mut m, &ports);
    foundation::disruption(&mut m, replicas);
    routes::routes(&mut m, &ports);
    let Mapping { place, problems, mut objects, copies, .. } = m;
    objects.sort_by(|one, other| one.id.cmp(&other.id));
    let contents: BTreeMap<String, &String> =
        objects.iter().map(|make| (make.id.to_string(), &make.content)).collect();
    let all = json!({ "place": place, "objects": contents, "replicas": replicas, "serves": serves });
    let (found, not_enforced) = problems.into_parts();
    unread.extend(found);
    let wanted = Wanted {
        spec: canonical::hash(&all, HASH),
        place,
        objects,
        copies,
        workload,
        replicas,
        template,
        serves,
        deadline_seconds: config.deadline_seconds,
        unschedulable_seconds: config.unschedulable_seconds,
        takes_over: TakesOver::of(&config),
        not_enforced,
    };
    (wanted, unread)
}

impl Mapping<'_> {
    /// Adds an object.
    fn push(&mut self, kind: ObjectKind, name: &str, rest: Value) -> Option<ObjectId> {
        self.add(kind, name, BTreeMap::new(), None, rest)
    }

    /// Adds an object with annotations of its kind.
    fn push_with(
        &mut self,
        kind: ObjectKind,
        name: &str,
        annotations: Option<&BTreeMap<String, String>>,
        rest: Value,
    ) -> Option<ObjectId> {
        self.add(kind, name, BTreeMap::new(), annotations, rest)
    }

    /// Adds an object that is nothing but its labels.
    fn push_labelled(
        &mut self,
        kind: ObjectKind,
        name: &str,
        labels: BTreeMap<String, String>,
    ) -> Option<ObjectId> {
        self.add(kind, name, labels, None, json!({}))
    }

    fn add(
        &mut self,
        kind: ObjectKind,
        name: &str,
        labels: BTreeMap<String, String>,
        annotations: Option<&BTreeMap<String, String>>,
        rest: Value,
    ) -> Option<ObjectId> {
        let Some(api_version) = self.cluster.api_version(kind) else {
            self.problems
                .add("", format!("this cluster has no {kind}, which every tenant needs; use another one"));
            return None;
        };
        let of_all = self.labels.clone();
        let mut all = of_all.labels;
        all.extend(labels);
        all.extend(ours(self.subject));
        let mut annotated = of_all.annotations;
        annotated.extend(annotations.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        let namespace = (kind != ObjectKind::Namespace).then_some(&self.place.namespace);
        let mut body = json!({
            "apiVersion": api_version,
            "kind": kind.name(),
            "metadata": { "name": name, "namespace": namespace, "labels": all, "annotations": annotated },
        });
        if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
            body.extend(rest);
        }
        let mut body = without_nothing(body);
        let content = canonical::hash(&body, HASH);
        if let Some(annotations) = body.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.insert(tags::CONTENT.to_owned(), json!(content));
        }
        let id = ObjectId { kind, name: name.to_owned() };
        self.objects.push(Make { place: self.place.clone(), id: id.clone(), body, content });
        Some(id)
    }
}

/// The labels of everything that is made for a subject.
fn ours(subject: &Subject) -> BTreeMap<String, String> {
    let mut labels = tags::of(subject);
    labels.insert("app.kubernetes.io/managed-by".to_owned(), "landlord".to_owned());
    labels.insert("app.kubernetes.io/name".to_owned(), subject.tenant.to_string());
    labels
}

/// Without what is null or an empty list: the API server leaves it out, and then it would differ from what it shows.
fn without_nothing(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().map(|(key, value)| (key, without_nothing(value)));
            let kept = kept
                .filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|it| !it.is_empty()));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(without_nothing).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
