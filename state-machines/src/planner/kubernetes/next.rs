//! What to do next: the stages of a plan.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::call::{Awaited, Delete, KubernetesCall, Look, Place, Propagation, Sharing, Survey};
use super::facts::{KubernetesFacts, LATE, Pending, Whereabouts, Whose, after};
use super::kind::{ObjectId, ObjectKind};
use super::object::Object;
use super::wanted::Wanted;
use super::{drift, words};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::planner::{Act, Goal, Kind, Means, Next, Subject};

/// How many calls in a row may bring no reply.
const TROUBLES: u32 = 4;
/// The pause between two looks at what goes.
const GOING: SignedDuration = SignedDuration::from_secs(1);

/// The whole behaviour. What is not known is looked at; then the first stage that has something left to do does it.
pub(super) fn next(
    subject: &Subject,
    goal: Goal<'_>,
    facts: &KubernetesFacts,
    now: Timestamp,
) -> Next<KubernetesCall> {
    let plan = Plan { subject, facts, now };
    let survey = match (&facts.trouble, goal, &facts.seen.survey) {
        (Some(trouble), Goal::Known, _) => return Next::Fail(trouble.clone()),
        (Some(trouble), Goal::Present { .. } | Goal::Absent, _) => return plan.bear(trouble),
        (None, Goal::Known | Goal::Present { .. } | Goal::Absent, None) => {
            return read("ask which cluster it is", KubernetesCall::Survey);
        }
        (None, Goal::Known | Goal::Present { .. } | Goal::Absent, Some(survey)) => survey,
    };
    if let Some(refused) = plan.refuse_another_cluster(survey) {
        return refused;
    }
    match (goal, &facts.at) {
        (Goal::Known | Goal::Absent, Whereabouts::Unknown) => locate(),
        (Goal::Known, Whereabouts::Nowhere) => Next::Done,
        (Goal::Absent, Whereabouts::Nowhere) => plan.settle().unwrap_or(Next::Done),
        (Goal::Known, Whereabouts::At(place)) => plan.known(place, survey),
        (Goal::Absent, Whereabouts::At(place)) => plan.remove_all(place, survey),
        (Goal::Present { spec, applied, rollout, by }, at) => {
            let before = || applied.and_then(|applied| Wanted::of(subject, applied, rollout, survey).ok());
            match Wanted::of(subject, spec, rollout, survey) {
                Err(error) => Next::Fail(error),
                Ok(wanted) => plan
                    .stay(at, &wanted.place)
                    .or_else(|| plan.look(&wanted.place, plan.kinds_of(&wanted, survey)))
                    .or_else(|| plan.refuse_strangers(&wanted))
                    .or_else(|| plan.let_go(&wanted.place))
                    .or_else(|| plan.remove_older_life(&wanted.place, survey))
                    .or_else(|| plan.refuse(&wanted, by))
                    .or_else(|| plan.settle_another_content(&wanted))
                    .or_else(|| plan.refuse_conflicts(&wanted))
                    .or_else(|| plan.refuse_sizes(&wanted))
                    .or_else(|| plan.replace_workload(&wanted))
                    .or_else(|| plan.make(&wanted, by))
                    .or_else(|| plan.roll_out(&wanted, by))
                    .or_else(|| plan.tidy(&wanted, before().as_ref(), survey))
                    .unwrap_or(Next::Done),
            }
        }
    }
}

/// What a plan is made from.
pub(super) struct Plan<'a> {
    pub(super) subject: &'a Subject,
    pub(super) facts: &'a KubernetesFacts,
    pub(super) now: Timestamp,
}

impl Plan<'_> {
    /// Waits out what may pass. Throttling is waited out without a limit, so that no tenant fails because of it.
    fn bear(&self, trouble: &ProviderError) -> Next<KubernetesCall> {
        let troubles = self.facts.seen.troubles;
        let again = match (trouble.remedy, trouble.retry_after, troubles.reads.max(troubles.writes)) {
            (Remedy::Retry, Some(pause), _) => SignedDuration::try_from(pause).ok(),
            (Remedy::Retry, None, troubles @ ..=TROUBLES) => {
                Some(SignedDuration::from_secs(1 << troubles.saturating_sub(1)))
            }
            (Remedy::Retry, None, _) | (Remedy::Permanent | Remedy::NeedsPerson, _, _) => None,
        };
        match again {
            Some(pause) => self.wait(pause, "the cluster answers", Some(trouble.message.clone())),
            None => Next::Fail(trouble.clone()),
        }
    }

    pub(super) fn wait(
        &self,
        pause: SignedDuration,
        why: &'static str,
        so_far: Option<String>,
    ) -> Next<KubernetesCall> {
        Next::Wait { until: after(self.now, pause), why, so_far }
    }

    /// The objects that were looked at.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.facts.seen.objects.iter().flat_map(BTreeMap::values)
    }

    pub(super) fn object(&self, id: &ObjectId) -> Option<&Object> {
        self.facts.seen.objects.as_ref()?.get(id)
    }

    /// Those of them that are the tenant's, of whichever life.
    pub(super) fn its_objects(&self) -> impl Iterator<Item = (&Object, u64)> {
        self.objects().filter_map(|object| match Whose::of(object, self.subject) {
            Whose::Its(life) => Some((object, life.0)),
            Whose::Another(_) | Whose::Strangers => None,
        })
    }

    // ---- what is there

    /// A context that was pointed at another cluster shows nothing of the tenant: that is no news of it.
    pub(super) fn refuse_another_cluster(&self, survey: &Survey) -> Option<Next<KubernetesCall>> {
        let known = self.facts.cluster.as_ref()?;
        if *known == survey.cluster || !self.facts.holds() {
            return None;
        }
        let message = format!(
            "tenant {} runs in the cluster whose kube-system has the uid {known}, and the configuration leads to another one \
             ({}): correct the context; if that cluster was deleted, abandon the tenant",
            self.subject.tenant, survey.cluster
        );
        Some(Next::Fail(ProviderError::new(
            ErrorKind::ProvisionFailed,
            Remedy::NeedsPerson,
            ErrorCode::Conflict,
            message,
        )))
    }

    /// Everything is looked at as it is.
    fn known(&self, place: &Place, survey: &Survey) -> Next<KubernetesCall> {
        let look = self.look(place, all_kinds(place, survey));
        look.or_else(|| {
            let workload =
                self.its_objects().map(|(object, _)| &object.id).find(|id| is_workload(id.kind))?;
            match &self.facts.seen.running {
                None => Some(self.watch(place, workload, None)),
                Some(_) => None,
            }
        })
        .unwrap_or(Next::Done)
    }

    /// Looks at the objects, where nobody has or where a name turned out to be taken.
    fn look(&self, place: &Place, kinds: BTreeSet<ObjectKind>) -> Option<Next<KubernetesCall>> {
        let here = self.facts.place() == Some(place);
        match (&self.facts.seen.objects, here) {
            (Some(_), true) => None,
            (None, _) | (Some(_), false) => {
                // Nobody lists secrets.
                let secrets = self.facts.held.keys().filter(|id| id.kind == ObjectKind::Secret);
                let named = self.facts.seen.taken.iter().chain(secrets).cloned().collect();
                let (subject, since) = (self.subject.clone(), self.facts.seen.writes);
                let call = Look { place: place.clone(), kinds, named, subject, since };
                Some(read("look at the tenant's objects", KubernetesCall::Look(call)))
            }
        }
    }

    /// Looks at what runs.
    pub(super) fn watch(
        &self,
        place: &Place,
        workload: &ObjectId,
        awaited: Option<Awaited>,
    ) -> Next<KubernetesCall> {
        let (place, workload, since) = (place.clone(), workload.clone(), self.facts.seen.writes);
        read("look at the pods", KubernetesCall::Watch { place, workload, awaited, since })
    }

    /// The kinds that there can be of the tenant, all of them where its ledger was lost.
    fn kinds_of(&self, wanted: &Wanted, survey: &Survey) -> BTreeSet<ObjectKind> {
        if self.facts.held.is_empty() {
            return all_kinds(&wanted.place, survey);
        }
        let held = self.facts.held.keys().chain(self.facts.pending.iter().map(|pending| pending.write.id()));
        let mut kinds: BTreeSet<ObjectKind> =
            held.map(|id| id.kind).chain(wanted.objects.iter().map(|make| make.id.kind)).collect();
        // Its controller makes them; afterwards they are held.
        if kinds.contains(&ObjectKind::StatefulSet) {
            kinds.insert(ObjectKind::PersistentVolumeClaim);
        }
        kinds
    }

    // ---- what is refused

    /// A tenant that runs at one place is not moved by asking for it at another.
    pub(super) fn stay(&self, at: &Whereabouts, wanted: &Place) -> Option<Next<KubernetesCall>> {
        match at {
            Whereabouts::At(place) if place != wanted && self.facts.holds() => {
                let message = format!(
                    "tenant {} runs in namespace {}, and its configuration now says {}: namespaces stay as they are; destroy \
                     it and provision it anew to move it",
                    self.subject.tenant, place.namespace, wanted.namespace
                );
                Some(Next::Fail(invalid(message)))
            }
            Whereabouts::At(_) | Whereabouts::Nowhere | Whereabouts::Unknown => None,
        }
    }

    fn refuse_strangers(&self, wanted: &Wanted) -> Option<Next<KubernetesCall>> {
        wanted.objects.iter().find_map(|make| {
            let owner = match Whose::of(self.object(&make.id)?, self.subject) {
                Whose::Its(_) => return None,
                Whose::Another(tenant) => format!("belongs to tenant {tenant}"),
                Whose::Strangers => "is there already and has not this landlord's labels".to_owned(),
            };
            let message = format!(
                "{} {owner}; it is not touched: remove it, or give the provider another namespace",
                path_of(&wanted.place, &make.id)
            );
            Some(Next::Fail(conflict(message)))
        })
    }

    /// What provision and update refuse.
    fn refuse(&self, wanted: &Wanted, by: Means) -> Option<Next<KubernetesCall>> {
        let workload =
            self.its_objects().map(|(object, _)| object).find(|object| is_workload(object.id.kind));
        match (by, workload) {
            (Means::Provision, Some(workload)) => {
                let same = workload.tag(super::tags::SPEC) == Some(&wanted.spec);
                let message =
                    format!("tenant {} runs with another spec; use update to change it", self.subject.tenant);
                (!same).then(|| Next::Fail(conflict(message)))
            }
            (Means::Repair, Some(_) | None) | (Means::Provision, None) | (Means::Update, Some(_)) => None,
            // What was left of it is made whole.
            (Means::Update, None) => match self.its_objects().next() {
                Some(_) => None,
                None => Some(Next::Fail(ProviderError::tenant_not_found(&self.subject.tenant))),
            },
        }
    }

    fn refuse_conflicts(&self, wanted: &Wanted) -> Option<Next<KubernetesCall>> {
        let (id, conflicts) = self.facts.seen.conflicts.iter().next()?;
        let message = words::taken(&path_of(&wanted.place, id), conflicts);
        Some(Next::Fail(conflict(message)))
    }

    // ---- what has to settle

    /// A write without an answer may still happen: what comes of it is awaited before anything is said to be gone.
    fn settle(&self) -> Option<Next<KubernetesCall>> {
        self.until_settled(self.facts.pending.iter().filter(|pending| pending.write.leaves().is_some()))
    }

    /// The same for writes of something else than what is wanted, and for what may still take away an object that is wanted. What is
    /// wanted is simply asked for again.
    fn settle_another_content(&self, wanted: &Wanted) -> Option<Next<KubernetesCall>> {
        use super::facts::Write;
        let is_wanted = |pending: &&Pending| match &pending.write {
            Write::Create(id, content) | Write::Apply(id, content) => {
                wanted.objects.iter().any(|make| make.id == *id && make.content == *content)
            }
            Write::Scale(id, replicas) => wanted.workload == *id && wanted.replicas.first() == *replicas,
            Write::Delete(id, uid) => !self.stays(wanted, id, uid),
        };
        self.until_settled(self.facts.pending.iter().filter(|pending| !is_wanted(pending)))
    }

    /// Whether the object of this uid is there and is to stay.
    fn stays(&self, wanted: &Wanted, id: &ObjectId, uid: &str) -> bool {
        let object = self.object(id).filter(|object| object.uid == uid && object.deleting.is_none());
        let make = wanted.objects.iter().find(|make| make.id == *id);
        let both = object.zip(make);
        both.is_some_and(|(object, make)| !drift::immutable(&make.body, &object.body, id.kind))
    }

    fn until_settled<'p>(&self, pending: impl Iterator<Item = &'p Pending>) -> Option<Next<KubernetesCall>> {
        let until = pending.map(|pending| after(pending.since, LATE)).max()?;
        let why = "a write without an answer can no longer happen";
        Some(Next::Wait { until: until.max(after(self.now, GOING)), why, so_far: None })
    }

    // ---- what goes

    /// What is told to go already is waited for, in an own namespace: nothing new can be made in it.
    fn let_go(&self, place: &Place) -> Option<Next<KubernetesCall>> {
        match place.sharing {
            Sharing::Shared => None,
            Sharing::Own => {
                let namespace = self.object(&namespace_of(place)).filter(|it| it.deleting.is_some())?;
                Some(self.wait(GOING, "its namespace is gone", words::left(namespace)))
            }
        }
    }

    /// What another life of the tenant has left.
    fn remove_older_life(&self, place: &Place, survey: &Survey) -> Option<Next<KubernetesCall>> {
        let older = |life: u64| life != self.subject.incarnation.0;
        let namespace = self.object(&namespace_of(place)).and_then(|namespace| {
            self.its_objects().find(|(object, life)| object.id == namespace.id && older(*life))
        });
        match namespace {
            Some((namespace, _)) => Some(self.delete([namespace].into_iter(), place, survey)),
            None => {
                let left: Vec<&Object> =
                    self.its_objects().filter(|(_, life)| older(*life)).map(|(object, _)| object).collect();
                (!left.is_empty()).then(|| self.remove(&left, place, survey))
            }
        }
    }

    /// Nothing of the tenant stays.
    fn remove_all(&self, place: &Place, survey: &Survey) -> Next<KubernetesCall> {
        if let Some(look) = self.look(place, all_kinds(place, survey)) {
            return look;
        }
        let its_namespace =
            self.its_objects().map(|(object, _)| object).find(|it| it.id == namespace_of(place));
        if let (Sharing::Own, Some(namespace)) = (place.sharing, its_namespace) {
            return self.remove(&[namespace], place, survey);
        }
        let left: Vec<&Object> = self.its_objects().map(|(object, _)| object).collect();
        match left.is_empty() {
            false => self.remove(&left, place, survey),
            true => self.settle().unwrap_or_else(|| match self.facts.seen.elsewhere.is_empty() {
                true => Next::Done,
                false => locate(),
            }),
        }
    }

    /// Removes objects, last made first; what is told to go already is waited for.
    pub(super) fn remove(&self, objects: &[&Object], place: &Place, survey: &Survey) -> Next<KubernetesCall> {
        let stays = |object: &&&Object| object.deleting.is_none();
        let last = objects.iter().filter(stays).map(|object| stage(object.id.kind)).max();
        match last {
            Some(last) => {
                let these = objects.iter().filter(stays).filter(|object| stage(object.id.kind) == last);
                self.delete(these.copied(), place, survey)
            }
            None => {
                let so_far = objects.iter().find_map(|object| words::left(object));
                self.wait(GOING, "what was deleted is gone", so_far)
            }
        }
    }

    fn delete<'o>(
        &self,
        objects: impl Iterator<Item = &'o Object>,
        place: &Place,
        survey: &Survey,
    ) -> Next<KubernetesCall> {
        let mut going = None;
        let acts = objects.filter_map(|object| {
            if object.deleting.is_some() {
                going = going.take().or_else(|| words::left(object));
                return None;
            }
            let propagation = match is_workload(object.id.kind) {
                true => Propagation::Foreground,
                false => Propagation::Background,
            };
            let call = KubernetesCall::Delete(Delete {
                place: place.clone(),
                id: object.id.clone(),
                uid: object.uid.clone(),
                api_version: api_version(object.id.kind, survey),
                propagation,
            });
            Some(Act { step: delete_step(object.id.kind), call, kind: Kind::Write })
        });
        let acts: Vec<Act<KubernetesCall>> = acts.collect();
        match acts.is_empty() {
            false => Next::Do(acts),
            true => self.wait(GOING, "what was deleted is gone", going),
        }
    }

    /// What is there and is not wanted any more: old contents of files, what the spec asked for before. The volumes of what ran
    /// before stay until another operation: an undo wants them, with what is in them.
    pub(super) fn left<'p>(
        &'p self,
        wanted: &'p Wanted,
        before: Option<&'p Wanted>,
    ) -> impl Iterator<Item = &'p Object> {
        let claimed =
            move |id: &ObjectId| [Some(wanted), before].into_iter().flatten().any(|one| one.claims(id));
        let its = self.its_objects().map(|(object, _)| object);
        its.filter(move |object| !wanted.has(&object.id) && !claimed(&object.id))
    }

    /// It goes.
    fn tidy(
        &self,
        wanted: &Wanted,
        before: Option<&Wanted>,
        survey: &Survey,
    ) -> Option<Next<KubernetesCall>> {
        let left: Vec<&Object> = self.left(wanted, before).collect();
        (!left.is_empty()).then(|| self.remove(&left, &wanted.place, survey))
    }
}

/// Where an object is, for people.
pub fn path_of(place: &Place, id: &ObjectId) -> String {
    match id.kind {
        ObjectKind::Namespace => id.to_string(),
        ObjectKind::ServiceAccount
        | ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy
        | ObjectKind::Secret
        | ObjectKind::ExternalSecret
        | ObjectKind::ConfigMap
        | ObjectKind::PersistentVolumeClaim
        | ObjectKind::Deployment
        | ObjectKind::StatefulSet
        | ObjectKind::Service
        | ObjectKind::PodDisruptionBudget
        | ObjectKind::Ingress
        | ObjectKind::HttpRoute => format!("{id} in namespace {}", place.namespace),
    }
}

/// In which step of a provision an object is made: those of one step do not need each other.
pub(super) fn stage(kind: ObjectKind) -> u8 {
    match kind {
        ObjectKind::Namespace => 0,
        ObjectKind::ServiceAccount
        | ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy => 1,
        ObjectKind::Secret
        | ObjectKind::ExternalSecret
        | ObjectKind::ConfigMap
        | ObjectKind::PersistentVolumeClaim
        | ObjectKind::Service => 2,
        ObjectKind::Deployment | ObjectKind::StatefulSet => 3,
        ObjectKind::PodDisruptionBudget | ObjectKind::Ingress | ObjectKind::HttpRoute => 4,
    }
}

/// Whether it has pods.
pub(super) fn is_workload(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Deployment | ObjectKind::StatefulSet)
}

/// Every kind that a tenant can have in a place of this cluster.
fn all_kinds(place: &Place, survey: &Survey) -> BTreeSet<ObjectKind> {
    let shared = |kind: &ObjectKind| *kind != ObjectKind::Namespace;
    match place.sharing {
        Sharing::Own => survey.kinds.keys().copied().collect(),
        Sharing::Shared => survey.kinds.keys().copied().filter(shared).collect(),
    }
}

/// The API version in which the cluster has a kind.
pub(super) fn api_version(kind: ObjectKind, survey: &Survey) -> String {
    let best = || kind.api_versions().first().copied().unwrap_or_default().to_owned();
    survey.kinds.get(&kind).cloned().unwrap_or_else(best)
}

pub(super) fn namespace_of(place: &Place) -> ObjectId {
    ObjectId { kind: ObjectKind::Namespace, name: place.namespace.clone() }
}

fn locate() -> Next<KubernetesCall> {
    read("find the tenant by its labels", KubernetesCall::Locate)
}

pub(super) fn read(step: &'static str, call: KubernetesCall) -> Next<KubernetesCall> {
    Next::Do(vec![Act { step, call, kind: Kind::Read }])
}

fn delete_step(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Namespace => "delete the namespace",
        ObjectKind::Deployment | ObjectKind::StatefulSet => "delete the workload",
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
        | ObjectKind::HttpRoute => "delete an object",
    }
}

pub(super) fn conflict(message: String) -> ProviderError {
    ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Permanent, ErrorCode::Conflict, message)
}

pub(super) fn invalid(message: String) -> ProviderError {
    ProviderError::new(ErrorKind::InvalidSpec, Remedy::Permanent, ErrorCode::InvalidConfiguration, message)
}
