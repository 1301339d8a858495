//! Objects are made and changed to what is wanted, in the order in which they need each other.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::call::{
    Awaited, Delete, Instead, KubernetesCall, Make, Propagation, Running, SecretSource, template_in,
};
use super::drift;
use super::facts::{Complaint, Stage, Watched, Why, after, seconds_after};
use super::kind::{ObjectId, ObjectKind};
use super::next::{Plan, conflict, is_workload, read, stage};
use super::object::Object;
use super::pod::Pod;
use super::wanted::{Count, ServedBy, Wanted};
use super::{failing, ready, remnants, tags, words};
use crate::error::{ErrorKind, ProviderError};
use crate::planner::{Act, Kind, Means, Next};

/// The pause between two looks at a rollout, when it began and later.
const ROLLS: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(1), SignedDuration::from_secs(5));
/// The same while somebody watches, and wakes whoever waits.
const WATCHED: SignedDuration = SignedDuration::from_secs(15);
/// The shortest pause before a rollout is judged.
const SOON: SignedDuration = SignedDuration::from_millis(100);
/// How long the address of a load balancer is waited for.
const BALANCER: SignedDuration = SignedDuration::from_secs(60);
/// The pause until a quota is in force.
const QUOTA: SignedDuration = SignedDuration::from_millis(500);

impl Plan<'_> {
    /// Makes what is missing and changes what differs: the first step of them that has something to do.
    pub(super) fn make(&self, wanted: &Wanted, by: Means) -> Option<Next<KubernetesCall>> {
        let stages: BTreeSet<u8> = wanted.objects.iter().map(|make| stage(make.id.kind)).collect();
        stages
            .into_iter()
            .find_map(|one| {
                let of_stage = wanted.objects.iter().filter(|make| stage(make.id.kind) == one);
                let acts: Vec<Act<KubernetesCall>> =
                    of_stage.clone().filter_map(|make| self.make_one(wanted, make, by)).collect();
                match acts.is_empty() {
                    false => Some(Next::Do(acts)),
                    true => self.until_gone(of_stage.clone()).or_else(|| self.until_in_force(of_stage)),
                }
            })
            .or_else(|| self.scale(wanted, by))
    }

    /// What has to be done about one object; none: it is as it should be, or it is going.
    pub(super) fn make_one(&self, wanted: &Wanted, make: &Make, by: Means) -> Option<Act<KubernetesCall>> {
        let write = |step, call| Some(Act { step, call, kind: Kind::Write });
        let from = wanted.copies.get(&make.id);
        let Some(object) = self.object(&make.id) else {
            return match from {
                Some(from) => write("copy a secret", copy(make, from, None)),
                None => write(
                    create_step(make.id.kind),
                    KubernetesCall::Create(Box::new(Self::with_replicas(wanted, make))),
                ),
            };
        };
        if object.deleting.is_some() {
            return None;
        }
        if let Some(from) = from {
            let copies = Self::differs(make, object) || self.copies_anew(wanted, &make.id);
            let uid = Some(object.uid.clone());
            return if copies { write("copy a secret", copy(make, from, uid)) } else { None };
        }
        if !Self::differs(make, object) {
            return None;
        }
        let (place, id, uid) = (make.place.clone(), make.id.clone(), object.uid.clone());
        if drift::immutable(&make.body, &object.body, make.id.kind) {
            let call = KubernetesCall::Delete(Delete {
                place,
                id,
                uid,
                api_version: make.api_version().to_owned(),
                propagation: Propagation::Foreground,
            });
            return write("replace an object", call);
        }
        if !object.owned {
            let api_version = make.api_version().to_owned();
            return write("take over what was created", KubernetesCall::Own { place, id, uid, api_version });
        }
        let instead = Self::instead(make, object);
        let force = wanted.takes_over.is_on(by);
        let call = KubernetesCall::Apply { make: Box::new(make.clone()), uid, force, instead };
        write(apply_step(make.id.kind), call)
    }

    /// What a workload gets where an apply is refused for what it leaves.
    pub(super) fn instead(make: &Make, object: &Object) -> Option<Box<Instead>> {
        is_workload(make.id.kind).then(|| remnants::instead(&make.body, object)).flatten().map(Box::new)
    }

    /// A workload is made with its number of pods, and is told of it apart from then on.
    fn with_replicas(wanted: &Wanted, make: &Make) -> Make {
        let mut make = make.clone();
        if make.id == wanted.workload
            && let Some(spec) = make.body.get_mut("spec").and_then(Value::as_object_mut)
        {
            spec.insert("replicas".to_owned(), json!(wanted.replicas.first()));
        }
        make
    }

    /// Whether an object is not as it should be. What others have added to it is theirs. Of a Secret only the metadata is looked at.
    fn differs(make: &Make, object: &Object) -> bool {
        fn part(of: &Value, kind: ObjectKind) -> &Value {
            match kind == ObjectKind::Secret {
                true => of.get("metadata").unwrap_or(&Value::Null),
                false => of,
            }
        }
        let (intended, live) = (part(&make.body, make.id.kind), part(&object.body, make.id.kind));
        object.tag(tags::CONTENT) != Some(&make.content) || !drift::of(intended, live).is_empty()
    }

    /// New pods get the values that the secret has now.
    fn copies_anew(&self, wanted: &Wanted, id: &ObjectId) -> bool {
        let runs = self.object(&wanted.workload).and_then(|it| template_in(&it.body));
        runs.is_some_and(|runs| runs != wanted.template) && !self.facts.seen.copied.contains(id)
    }

    /// What is told to go already, and is wanted.
    fn until_gone<'m>(&self, mut makes: impl Iterator<Item = &'m Make>) -> Option<Next<KubernetesCall>> {
        let going =
            makes.find_map(|make| self.object(&make.id).filter(|object| object.deleting.is_some()))?;
        Some(self.wait(SignedDuration::from_secs(1), "what was deleted is gone", words::left(going)))
    }

    /// A quota that is not in force yet refuses pods without a word about when.
    fn until_in_force<'m>(&self, mut makes: impl Iterator<Item = &'m Make>) -> Option<Next<KubernetesCall>> {
        let in_force = makes.all(|make| self.object(&make.id).is_none_or(Object::is_in_force));
        (!in_force).then(|| self.wait(QUOTA, "its quota is in force", None))
    }

    /// Tells how many pods there should be.
    fn scale(&self, wanted: &Wanted, by: Means) -> Option<Next<KubernetesCall>> {
        let replicas = self.tells(wanted, by)?;
        let workload = self.object(&wanted.workload)?;
        let call = KubernetesCall::Scale {
            place: wanted.place.clone(),
            workload: wanted.workload.clone(),
            uid: workload.uid.clone(),
            replicas,
        };
        Some(Next::Do(vec![Act { step: "scale the workload", call, kind: Kind::Write }]))
    }

    /// The number of pods that the cluster has to be told. Who scales the workload is contradicted only where nothing would run, or
    /// where it has just as many as the spec before said.
    pub(super) fn tells(&self, wanted: &Wanted, by: Means) -> Option<u32> {
        let Count::Of(count) = wanted.replicas else { return None };
        let workload = self.object(&wanted.workload)?;
        let shown = u32::try_from(workload.number("/spec/replicas")?).unwrap_or(u32::MAX);
        let tells = match self.facts.told {
            Some(_) | None if shown == 0 && count > 0 => true,
            Some(told) => told != count,
            // Without a ledger nobody knows what the cluster was told. A provision and a repair want the spec that runs.
            None => by == Means::Update && shown != count,
        };
        tells.then_some(count)
    }

    /// Waits until what is wanted runs, and nothing else does.
    pub(super) fn roll_out(&self, wanted: &Wanted, by: Means) -> Option<Next<KubernetesCall>> {
        let awaited = || Awaited {
            template: wanted.template.clone(),
            deadline_seconds: wanted.deadline_seconds,
            unschedulable_seconds: wanted.unschedulable_seconds,
            serves: wanted.serves.clone(),
        };
        let Some(running) = &self.facts.seen.running else {
            return Some(self.watch(&wanted.place, &wanted.workload, Some(awaited())));
        };
        let rollout = self.facts.rollout.as_ref().filter(|rollout| rollout.template == wanted.template);
        let Some(Watched { since, stage, template: _ }) = rollout else {
            return Some(self.watch(&wanted.place, &wanted.workload, Some(awaited())));
        };
        match stage {
            Stage::GivenUp { why, told: false } => Some(Next::Fail(self.did_not_run(why, by))),
            // Those pods have failed; others may find what was missing.
            Stage::GivenUp { told: true, .. } => {
                self.delete_pods(wanted, failing::pods(running, &wanted.template))
            }
            Stage::Overdue => Some(self.explain(wanted)),
            Stage::Going { complaint, ready_since } => {
                // The pods of a broken revision keep the next one of a StatefulSet from coming.
                let stuck = failing::stuck_pods(running, &wanted.template);
                if wanted.workload.kind == ObjectKind::StatefulSet && !stuck.is_empty() {
                    return self.delete_pods(wanted, stuck);
                }
                match ready::verdict(running, &wanted.template) {
                    ready::Verdict::Ready => self.wait_for_balancer(wanted, running, *ready_since),
                    ready::Verdict::Going { so_far, missing } => {
                        let pause = match (running.watched, missing) {
                            (true, ready::Missing::Pods) => WATCHED,
                            (true, ready::Missing::Rest) | (false, _) => {
                                (self.now.duration_since(*since) / 10).clamp(ROLLS.0, ROLLS.1)
                            }
                        };
                        let patient = self.patient(*since, complaint.as_ref(), wanted.deadline_seconds);
                        let so_far = complaint.as_ref().map(|it| it.why.words.clone()).or(so_far);
                        Some(self.wait(self.spread(pause).min(patient), "its pods are ready", so_far))
                    }
                }
            }
        }
    }

    /// For how long a rollout that goes on may still do so: then it is judged.
    fn patient(
        &self,
        since: Timestamp,
        complaint: Option<&Complaint>,
        deadline_seconds: u32,
    ) -> SignedDuration {
        let deadline = seconds_after(since, deadline_seconds);
        let of_complaint = complaint.and_then(|it| Some(seconds_after(it.since, it.patience?)));
        let until = of_complaint.map_or(deadline, |until| until.min(deadline));
        until.duration_since(self.now).max(SOON)
    }

    /// A pause that is not the same for all tenants: many whose rollouts began at once do not look at once.
    fn spread(&self, pause: SignedDuration) -> SignedDuration {
        let sum: u32 = self
            .subject
            .tenant
            .as_str()
            .bytes()
            .fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        pause + pause * i32::from(sum as u8 % 8) / 40
    }

    /// A load balancer gets its address a while after it was asked for; in a cluster that has none, never.
    fn wait_for_balancer(
        &self,
        wanted: &Wanted,
        running: &Running,
        ready_since: Option<Timestamp>,
    ) -> Option<Next<KubernetesCall>> {
        let has_address = |of: &ObjectId| {
            running.entrances.iter().any(|entrance| entrance.of == *of && entrance.address.is_some())
        };
        let missing = wanted.serves.iter().any(|serves| match &serves.by {
            ServedBy::LoadBalancer(of) => !has_address(of),
            ServedBy::Cluster { .. } | ServedBy::Host { .. } | ServedBy::Node(_) => false,
        });
        let in_time = ready_since.is_none_or(|since| self.now < after(since, BALANCER));
        (missing && in_time).then(|| self.wait(ROLLS.0, "its load balancer has an address", None))
    }

    fn did_not_run(&self, why: &Why, by: Means) -> ProviderError {
        let kind = match by {
            Means::Provision | Means::Repair => ErrorKind::ProvisionFailed,
            Means::Update => ErrorKind::UpdateFailed,
        };
        let Why { words, code, remedy } = why;
        let message = format!("Kubernetes did not get tenant {} to run: {words}", self.subject.tenant);
        ProviderError::new(kind, *remedy, *code, message).with_platform(words)
    }

    fn delete_pods(&self, wanted: &Wanted, pods: Vec<&Pod>) -> Option<Next<KubernetesCall>> {
        let delete = |pod: &Pod| {
            let (place, name, uid) = (wanted.place.clone(), pod.name.clone(), pod.uid.clone());
            let call = KubernetesCall::DeletePod { place, name, uid };
            Act { step: "delete a pod that failed", call, kind: Kind::Write }
        };
        Some(Next::Do(pods.into_iter().map(delete).collect()))
    }

    /// Asks for the platform's words about what does not come.
    fn explain(&self, wanted: &Wanted) -> Next<KubernetesCall> {
        let uids = self.facts.seen.running.iter().flat_map(|running| {
            let pods = running.pods.iter().filter(|pod| !pod.ready).map(|pod| pod.uid.clone());
            running.workload.iter().map(|workload| workload.uid.clone()).chain(pods)
        });
        let call = KubernetesCall::Explain { place: wanted.place.clone(), uids: uids.collect() };
        read("look at the events", call)
    }

    /// Workloads that are not wanted any more.
    pub(super) fn others(&self, wanted: &Wanted) -> impl Iterator<Item = &Object> {
        let its = self.its_objects().map(|(object, _)| object);
        its.filter(|object| is_workload(object.id.kind) && object.id != wanted.workload)
    }

    /// A Deployment cannot become a StatefulSet: the one that is not wanted goes before the other comes up.
    pub(super) fn replace_workload(&self, wanted: &Wanted) -> Option<Next<KubernetesCall>> {
        let other = self.others(wanted).next()?;
        if other.deleting.is_some() {
            return Some(self.wait(ROLLS.0, "what ran before is gone", words::left(other)));
        }
        let call = KubernetesCall::Delete(Delete {
            place: wanted.place.clone(),
            id: other.id.clone(),
            uid: other.uid.clone(),
            api_version: "apps/v1".to_owned(),
            propagation: Propagation::Foreground,
        });
        Some(Next::Do(vec![Act { step: "replace the workload", call, kind: Kind::Write }]))
    }

    /// A volume that is there keeps its size.
    pub(super) fn refuse_sizes(&self, wanted: &Wanted) -> Option<Next<KubernetesCall>> {
        let make = wanted.objects.iter().find(|make| make.id == wanted.workload)?;
        let object = self.object(&make.id)?;
        let templates = |body: &Value| {
            let all = body.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array).cloned();
            all.unwrap_or_default()
        };
        let named = |one: &Value| one.pointer("/metadata/name").cloned();
        let size = |one: &Value| one.pointer("/spec/resources/requests/storage").cloned();
        let before = templates(&object.body);
        let (one, is) = templates(&make.body).into_iter().find_map(|one| {
            let same = before.iter().find(|same| named(same) == named(&one))?;
            (size(same) != size(&one)).then(|| (one.clone(), size(same)))
        })?;
        let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or("?").to_owned();
        let message = format!(
            "volumes[{}].size_mb: the volume has {} and keeps it; write that size, or give a new volume another name",
            text(named(&one)),
            text(is)
        );
        Some(Next::Fail(conflict(message)))
    }
}

fn copy(make: &Make, from: &SecretSource, uid: Option<String>) -> KubernetesCall {
    KubernetesCall::CopySecret { make: Box::new(make.clone()), from: from.clone(), uid }
}

fn create_step(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Namespace => "create the namespace",
        ObjectKind::Deployment | ObjectKind::StatefulSet => "create the workload",
        ObjectKind::ServiceAccount
        | ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy
        | ObjectKind::Secret
        | ObjectKind::ExternalSecret
        | ObjectKind::ConfigMap
        | ObjectKind::PersistentVolumeClaim
        | ObjectKind::Service
        | ObjectKind::PodDisruptionBudget
        | ObjectKind::Ingress
        | ObjectKind::HttpRoute => "create an object",
    }
}

fn apply_step(kind: ObjectKind) -> &'static str {
    match is_workload(kind) {
        true => "change the workload",
        false => "change an object",
    }
}
