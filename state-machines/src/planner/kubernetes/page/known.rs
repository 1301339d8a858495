//! What may be known of a tenant, for the page.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::KubernetesPlanner;
use super::super::call::{Awaited, KubernetesCall, KubernetesReply, Running, Survey};
use super::super::facts::{Held, KubernetesFacts, Pending, Stage, Watched, Whereabouts, Write};
use super::super::kind::{ObjectId, ObjectKind};
use super::super::object::Object;
use super::super::pod::{ContainerState, Phase, Pod, PodContainer};
use super::super::tags;
use super::super::wanted::Wanted;
use super::why;
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::id::{Incarnation, ProviderName, Rollout, TenantId};
use crate::planner::{Planner, Subject};
use crate::spec::{ContainerSpec, PortMapping, ResourceRequirements, Spec, TenantComputeSpec};

pub(super) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

pub(super) fn subject() -> Subject {
    Subject {
        engine: "engine".into(),
        provider: ProviderName::new("kubernetes").unwrap(),
        tenant: TenantId::new("acme").unwrap(),
        incarnation: Incarnation(1),
    }
}

pub(super) fn spec(image: &str) -> Spec {
    let web = ContainerSpec {
        name: "web".to_owned(),
        image: image.to_owned(),
        ports: vec![PortMapping { container_port: 80, ..PortMapping::default() }],
        ..ContainerSpec::default()
    };
    let spec = TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "kubernetes".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    };
    spec.check().unwrap()
}

fn survey() -> Survey {
    let best = |kind: ObjectKind| (kind, kind.api_versions()[0].to_owned());
    Survey {
        cluster: "this cluster".to_owned(),
        version: (1, 33),
        kinds: ObjectKind::ALL.map(best).into(),
        autoscaling: None,
        endpoint_slices: Some("discovery.k8s.io/v1".to_owned()),
    }
}

pub(super) fn wanted() -> Wanted {
    of_image("web:2")
}

fn of_image(image: &str) -> Wanted {
    Wanted::of(&subject(), &spec(image), Rollout::default(), &survey()).unwrap()
}

/// The objects of a spec as the API server shows them.
fn live(wanted: &Wanted) -> BTreeMap<ObjectId, Object> {
    let object = |make: &super::super::call::Make| {
        let mut body = make.body.clone();
        body["metadata"]["uid"] = json!(format!("uid of {}", make.id));
        if make.id == wanted.workload {
            body["spec"]["replicas"] = json!(1);
        }
        if make.id.kind == ObjectKind::ResourceQuota {
            body["status"] = json!({ "hard": {} });
        }
        (make.id.clone(), Object::read(make.id.kind, body).unwrap())
    };
    wanted.objects.iter().map(object).collect()
}

/// Nothing is known but which cluster it is.
fn surveyed() -> KubernetesFacts {
    let mut facts = KubernetesFacts::default();
    facts.seen.survey = Some(survey());
    facts
}

fn looked(objects: BTreeMap<ObjectId, Object>) -> KubernetesFacts {
    let held = objects.iter().map(|(id, object)| (id.clone(), Held::There(object.uid.clone()))).collect();
    let mut facts = KubernetesFacts {
        cluster: Some("this cluster".to_owned()),
        at: Whereabouts::At(wanted().place),
        held,
        told: Some(1),
        ..surveyed()
    };
    facts.seen.objects = Some(objects);
    facts
}

/// All objects are as wanted, and its rollout is watched.
pub(super) fn rolled() -> KubernetesFacts {
    let wanted = wanted();
    let rollout = Watched { template: wanted.template.clone(), since: NOW, stage: Stage::BEGUN };
    KubernetesFacts { rollout: Some(rollout), ..looked(live(&wanted)) }
}

pub(super) fn pod(name: &str, template: &str, ready: bool) -> Pod {
    let web = PodContainer {
        name: "web".to_owned(),
        init: false,
        ready,
        restarts: 0,
        state: ContainerState::Running,
        last: None,
    };
    Pod {
        name: name.to_owned(),
        uid: format!("pod-{name}"),
        content: Some(template.to_owned()),
        created: None,
        deleting: None,
        phase: Phase::Running,
        reason: None,
        node: None,
        ready,
        unschedulable: None,
        containers: vec![web],
    }
}

pub(super) fn failing_pod(name: &str, template: &str, reason: &str, message: &str) -> Pod {
    let mut pod = pod(name, template, false);
    pod.containers[0].state =
        ContainerState::Waiting { reason: reason.to_owned(), message: message.to_owned() };
    pod
}

/// The workload as its controller sees these pods.
pub(super) fn workload(wanted: &Wanted, pods: &[Pod]) -> Object {
    let mut object = live(wanted).remove(&wanted.workload).unwrap();
    let ready = pods.iter().filter(|pod| pod.ready).count();
    let status: Value = json!({
        "replicas": pods.len(), "readyReplicas": ready, "availableReplicas": ready,
        "updatedReplicas": pods.iter().filter(|pod| pod.content.as_deref() == Some(&wanted.template)).count(),
    });
    object.body["status"] = status;
    object
}

fn watched(mut facts: KubernetesFacts, pods: Vec<Pod>) -> KubernetesFacts {
    let wanted = wanted();
    let awaited = Awaited {
        template: wanted.template.clone(),
        deadline_seconds: 600,
        unschedulable_seconds: 60,
        serves: Vec::new(),
    };
    let (place, id) = (wanted.place.clone(), wanted.workload.clone());
    let call = KubernetesCall::Watch { place, workload: id, awaited: Some(awaited), since: 0 };
    let running = Running { workload: Some(workload(&wanted, &pods)), pods, ..Running::default() };
    KubernetesPlanner::learn(&mut facts, &call, Ok(KubernetesReply::Running(Box::new(running))), NOW);
    facts
}

/// All of it runs.
pub(super) fn ready() -> KubernetesFacts {
    watched(rolled(), vec![pod("a", &wanted().template, true)])
}

pub(super) fn configurations() -> Vec<(String, KubernetesFacts)> {
    let mut all: Vec<(String, KubernetesFacts)> = Vec::new();
    let mut add = |name: &str, facts: KubernetesFacts| all.push((name.to_owned(), facts));
    let (ago, wanted) = (|seconds| NOW - SignedDuration::from_secs(seconds), wanted());
    let refused =
        ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Retry, ErrorCode::ProviderUnavailable, "why");
    let troubled = |error: ProviderError, troubles| {
        let mut facts = KubernetesFacts { trouble: Some(error), ..surveyed() };
        facts.seen.troubles.reads = troubles;
        facts
    };

    add("nothing", KubernetesFacts::default());
    add("a call failed, may be tried again", troubled(refused.clone(), 1));
    add("the fifth in a row", troubled(refused.clone(), 5));
    let throttled = refused.clone().with_retry_after(Duration::from_secs(7));
    add("throttled, the hundredth time in a row", troubled(throttled, 100));
    add("a call failed for good", troubled(ProviderError { remedy: Remedy::Permanent, ..refused }, 1));
    add("which cluster it is", surveyed());
    let elsewhere = KubernetesFacts { cluster: Some("another".to_owned()), ..ready() };
    add("it runs in another cluster", elsewhere);
    add("a search found nothing", KubernetesFacts { at: Whereabouts::Nowhere, ..surveyed() });
    add("where it is, not looked yet", not_looked(ready()));

    // Objects.
    add("there is no object", looked(BTreeMap::new()));
    let pending = |write, since| KubernetesFacts {
        pending: vec![Pending { write, since, lost: true }],
        ..looked(BTreeMap::new())
    };
    let namespace = &wanted.objects[0];
    let create = |content: &str| Write::Create(namespace.id.clone(), content.to_owned());
    add("no object, its namespace was asked for just now", pending(create(&namespace.content), NOW));
    add("no object, one of another spec was asked for 4 s ago", pending(create("other"), ago(4)));
    let some = |count: usize| {
        let objects = live(&wanted);
        let of = |make: &super::super::call::Make| (make.id.clone(), objects[&make.id].clone());
        looked(wanted.objects.iter().take(count).map(of).collect())
    };
    add("its namespace only", some(1));
    let change = |id: &ObjectId, change: &dyn Fn(&mut Object)| {
        let mut facts = rolled();
        if let Some(object) = facts.seen.objects.as_mut().and_then(|objects| objects.get_mut(id)) {
            change(object);
        }
        facts
    };
    let first = &namespace.id;
    let label = |key: &'static str, value: &'static str| {
        move |object: &mut Object| object.body["metadata"]["labels"][key] = json!(value)
    };
    add("its namespace is a stranger's", change(first, &label(tags::OWNER, "somebody")));
    add("its namespace is another tenant's", change(first, &label(tags::TENANT, "beta")));
    add("its namespace is of an older life", change(first, &label(tags::INCARNATION, "0")));
    add("its namespace is going", change(first, &|object| object.deleting = Some(NOW)));
    let stuck = |object: &mut Object| {
        object.deleting = Some(NOW);
        let message = "finalizers: example.com/hold in 1 resource instances";
        object.body["status"] = json!({ "conditions": [
            { "type": "NamespaceFinalizersRemaining", "status": "True", "message": message }
        ]});
    };
    add("its namespace is going, and something holds it", change(first, &stuck));
    let quota = ObjectId { kind: ObjectKind::ResourceQuota, name: "acme".to_owned() };
    add("its quota is not in force", change(&quota, &|object| drop(object.body["status"].take())));
    let without = |id: &ObjectId| {
        let mut facts = rolled();
        facts.seen.objects.as_mut().unwrap().remove(id);
        facts
    };
    let service = ObjectId { kind: ObjectKind::Service, name: "acme".to_owned() };
    add("its Service is missing", without(&service));
    add("its workload is missing", without(&wanted.workload));
    let moved = |object: &mut Object| object.body["spec"]["selector"] = json!({ "app": "other" });
    add("its Service was changed by hand", change(&service, &moved));
    add(
        "its Service was changed by hand, and is as it was created",
        change(&service, &|object| {
            moved(object);
            object.owned = false;
        }),
    );
    add("its workload has another selector", change(&wanted.workload, &moved));
    add("another spec runs", {
        let mut facts = rolled();
        facts.rollout = None;
        facts.seen.objects = Some(live(&of_image("web:1")));
        facts
    });
    let extra = ObjectId { kind: ObjectKind::ConfigMap, name: "acme-old".to_owned() };
    let with_extra = |mut facts: KubernetesFacts| {
        let mut object = live(&wanted)[&service].clone();
        object.id = extra.clone();
        facts.seen.objects.as_mut().unwrap().insert(extra.clone(), object);
        facts
    };
    add("all objects are there", rolled());

    // The rollout.
    let template = wanted.template.as_str();
    add("no pod is there", watched(rolled(), Vec::new()));
    add("its pod comes up", watched(rolled(), vec![pod("a", template, false)]));
    add("its pod is ready", ready());
    add("its pod is ready, and a file of before is left", with_extra(ready()));
    let both = vec![pod("a", template, true), pod("b", "another", true)];
    add("its pod is ready, and one of before serves", watched(rolled(), both));
    let going = |mut pod: Pod| {
        pod.deleting = Some(NOW);
        pod
    };
    let ending = vec![pod("a", template, true), going(pod("b", "another", false))];
    add("its pod is ready, and one of before ends", watched(rolled(), ending));
    let unfound = || failing_pod("a", template, "ErrImagePull", "not found");
    add("its image is not found", watched(rolled(), vec![unfound()]));
    let given_up = |told| {
        let mut facts = watched(rolled(), vec![unfound()]);
        let stage = Stage::GivenUp { why: why(), told };
        facts.rollout = Some(Watched { template: template.to_owned(), since: NOW, stage });
        facts
    };
    add("it was given up", given_up(false));
    add("it was given up, told", given_up(true));
    let mut overdue = watched(rolled(), vec![pod("a", template, false)]);
    overdue.rollout = Some(Watched { template: template.to_owned(), since: NOW, stage: Stage::Overdue });
    add("its time is over", overdue);
    let scaled = |told, shown: u32| {
        let mut facts = KubernetesFacts { told, ..rolled() };
        let workload = facts.seen.objects.as_mut().unwrap().get_mut(&wanted.workload).unwrap();
        workload.body["spec"]["replicas"] = json!(shown);
        facts
    };
    add("somebody has scaled it to 5", scaled(Some(1), 5));
    add("somebody has scaled it to 0", scaled(Some(1), 0));
    add("it was told to have 3", scaled(Some(3), 3));
    add("it has 3, and nobody knows what it was told", scaled(None, 3));
    all
}

fn not_looked(mut facts: KubernetesFacts) -> KubernetesFacts {
    facts.seen.objects = None;
    facts.seen.running = None;
    facts
}
