//! How facts change: before a write, by an answer, and with time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::call::{Awaited, KubernetesCall, KubernetesReply, Look, Make, Running};
use super::facts::{
    Complaint, Held, KubernetesFacts, LATE, Pending, Seen, Stage, Watched, Whereabouts, Whose, Why, Write,
    after, seconds_after,
};
use super::kind::ObjectId;
use super::next::is_workload;
use super::object::Object;
use super::{failing, ready, view, words};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::planner::CallError;

/// How long before it goes out a write may have been intended: much less than [`LATE`].
const MOMENT: SignedDuration = SignedDuration::from_secs(2);
/// The pause until a namespace is asked for again that was going.
const NAMESPACE: Duration = Duration::from_secs(1);

/// Notes what a write is about to do. Noting it twice in a moment is the same as once.
pub(super) fn intend(facts: &mut KubernetesFacts, call: &KubernetesCall, now: Timestamp) {
    if let Some(write) = Write::of(call) {
        match facts.pending.iter_mut().find(|pending| pending.write == write && !pending.lost) {
            Some(pending) if now < after(pending.since, MOMENT) => {}
            Some(pending) => pending.since = now,
            None => facts.pending.push(Pending { write, since: now, lost: false }),
        }
    }
    match call {
        KubernetesCall::Create(make) | KubernetesCall::CopySecret { make, uid: None, .. } => {
            facts.at = Whereabouts::At(make.place.clone());
            facts.held.entry(make.id.clone()).or_insert(Held::Asked);
            if let Some(survey) = &facts.seen.survey {
                facts.cluster = Some(survey.cluster.clone());
            }
            if is_workload(make.id.kind) {
                facts.told =
                    make.body.pointer("/spec/replicas").and_then(|it| u32::try_from(it.as_u64()?).ok());
                ask(facts, make, now);
            }
        }
        KubernetesCall::Apply { make, .. } if is_workload(make.id.kind) => ask(facts, make, now),
        // Those that come instead have all the time again.
        KubernetesCall::DeletePod { .. } => {
            if let Some(Watched { stage: stage @ Stage::GivenUp { .. }, since, .. }) = &mut facts.rollout {
                (*stage, *since) = (Stage::BEGUN, now);
            }
        }
        KubernetesCall::Survey
        | KubernetesCall::Locate
        | KubernetesCall::Look(_)
        | KubernetesCall::Watch { .. }
        | KubernetesCall::Explain { .. }
        | KubernetesCall::Own { .. }
        | KubernetesCall::Apply { .. }
        | KubernetesCall::CopySecret { .. }
        | KubernetesCall::Scale { .. }
        | KubernetesCall::Delete(_) => {}
    }
}

/// From now on the rollout of this template is watched.
fn ask(facts: &mut KubernetesFacts, make: &Make, now: Timestamp) {
    let template = make.template().unwrap_or_default();
    let just_now = |rollout: &Watched| {
        rollout.template == template && rollout.stage == Stage::BEGUN && now < after(rollout.since, MOMENT)
    };
    if !facts.rollout.as_ref().is_some_and(just_now) {
        facts.roll(template, now);
    }
}

/// Takes in what came back.
pub(super) fn learn(
    facts: &mut KubernetesFacts,
    call: &KubernetesCall,
    reply: Result<KubernetesReply, CallError>,
    now: Timestamp,
) {
    let write = Write::of(call);
    if !is_read(call) {
        facts.seen.writes = facts.seen.writes.saturating_add(1);
    }
    match (reply, is_read(call)) {
        (Ok(reply), true) => {
            facts.seen.troubles.reads = 0;
            // It was asked before a write, and the answer came late.
            if asked_after(call).is_none_or(|since| since == facts.seen.writes) {
                saw(facts, call, reply, now);
            }
        }
        (Ok(reply), false) => {
            answered(facts, write.as_ref());
            // Another call of the same moment may have failed: its error stays until it was waited out.
            facts.seen.troubles.writes = 0;
            did(facts, call, reply);
        }
        (Err(CallError::Refused(error)), is_read) => {
            if !is_read {
                refused(facts, write.as_ref(), now);
                forget(facts);
            }
            trouble(facts, is_read, error);
        }
        (Err(CallError::Unknown(error)), is_read) => {
            if let Some(write) = write {
                facts.pending.retain(|pending| pending.write != write);
                facts.pending.push(Pending { write, since: now, lost: true });
            }
            if !is_read {
                forget(facts);
            }
            trouble(facts, is_read, error);
        }
    }
}

/// The end of a write is known; not that of one like it whose answer stayed away.
fn answered(facts: &mut KubernetesFacts, write: Option<&Write>) {
    facts.pending.retain(|pending| pending.lost || Some(&pending.write) != write);
}

/// A refused write does not come later, but it may have happened. Of most a look shows that; the number of pods shown may be somebody
/// else's, so that [`close`] has to know which one was told.
fn refused(facts: &mut KubernetesFacts, write: Option<&Write>, now: Timestamp) {
    match write {
        Some(Write::Scale(_, _)) => {
            let this = facts.pending.iter_mut().filter(|it| !it.lost && Some(&it.write) == write);
            this.for_each(|pending| pending.since = after(now, -LATE));
        }
        Some(Write::Create(_, _) | Write::Apply(_, _) | Write::Delete(_, _)) | None => answered(facts, write),
    }
}

/// What was seen may have changed: look again. Ids, intents and hashes stay; so does which cluster it is, for the method.
pub(super) fn stale(facts: &mut KubernetesFacts) {
    facts.trouble = None;
    let Seen { survey, copied, writes, troubles, objects, .. } = std::mem::take(&mut facts.seen);
    let objects = objects.filter(|objects| awaits_pods_alone(facts, objects));
    facts.seen = Seen { survey, copied, writes, troubles, objects, ..Seen::default() };
    match &mut facts.at {
        at @ Whereabouts::Nowhere => *at = Whereabouts::Unknown,
        Whereabouts::Unknown | Whereabouts::At(_) => {}
    }
    if let Some(Watched { stage: Stage::GivenUp { told, .. }, .. }) = &mut facts.rollout {
        *told = true;
    }
}

/// Whether nothing but pods was waited for: then a look at them is enough.
fn awaits_pods_alone(facts: &KubernetesFacts, objects: &BTreeMap<ObjectId, Object>) -> bool {
    let goes = matches!(&facts.rollout, Some(Watched { stage: Stage::Going { .. }, .. }));
    let settled = |object: &Object| object.deleting.is_none() && object.is_in_force();
    goes && facts.pending.is_empty() && objects.values().all(settled)
}

/// How many writes had ended when something was looked at that writes change.
fn asked_after(call: &KubernetesCall) -> Option<u64> {
    match call {
        KubernetesCall::Look(Look { since, .. }) | KubernetesCall::Watch { since, .. } => Some(*since),
        KubernetesCall::Survey
        | KubernetesCall::Locate
        | KubernetesCall::Explain { .. }
        | KubernetesCall::Create(_)
        | KubernetesCall::Own { .. }
        | KubernetesCall::Apply { .. }
        | KubernetesCall::CopySecret { .. }
        | KubernetesCall::Scale { .. }
        | KubernetesCall::Delete(_)
        | KubernetesCall::DeletePod { .. } => None,
    }
}

fn is_read(call: &KubernetesCall) -> bool {
    match call {
        KubernetesCall::Survey
        | KubernetesCall::Locate
        | KubernetesCall::Look(_)
        | KubernetesCall::Watch { .. }
        | KubernetesCall::Explain { .. } => true,
        KubernetesCall::Create(_)
        | KubernetesCall::Own { .. }
        | KubernetesCall::Apply { .. }
        | KubernetesCall::CopySecret { .. }
        | KubernetesCall::Scale { .. }
        | KubernetesCall::Delete(_)
        | KubernetesCall::DeletePod { .. } => false,
    }
}

fn trouble(facts: &mut KubernetesFacts, is_read: bool, error: ProviderError) {
    let troubles = &mut facts.seen.troubles;
    let count = if is_read { &mut troubles.reads } else { &mut troubles.writes };
    *count = count.saturating_add(1);
    // Of calls that were made at the same time the worst one counts.
    let weight = |error: &ProviderError| (error.remedy != Remedy::Retry, error.retry_after);
    facts.trouble = match facts.trouble.take() {
        Some(other) if weight(&other) >= weight(&error) => Some(other),
        Some(_) | None => Some(error),
    };
}

fn forget(facts: &mut KubernetesFacts) {
    facts.seen.objects = None;
    facts.seen.running = None;
}

/// Takes in what a look shows.
fn saw(facts: &mut KubernetesFacts, call: &KubernetesCall, reply: KubernetesReply, now: Timestamp) {
    match (call, reply) {
        (KubernetesCall::Survey, KubernetesReply::Surveyed(survey)) => facts.seen.survey = Some(survey),
        (KubernetesCall::Locate, KubernetesReply::Located(mut places)) => {
            facts.seen.objects = None;
            match places.pop_first() {
                Some(place) => facts.at = Whereabouts::At(place),
                None => {
                    close(facts, &BTreeMap::new(), now);
                    facts.at = Whereabouts::Nowhere;
                    let left = |id: &ObjectId| facts.pending.iter().any(|it| it.write.leaves() == Some(id));
                    facts.held.retain(|id, _| left(id));
                }
            }
            facts.seen.elsewhere = places;
        }
        (KubernetesCall::Look(look), KubernetesReply::Objects(objects)) => looked(facts, look, objects, now),
        (KubernetesCall::Watch { workload, awaited, .. }, KubernetesReply::Running(running)) => {
            match (&mut facts.seen.objects, &running.workload) {
                (Some(objects), Some(shown)) => drop(objects.insert(workload.clone(), shown.clone())),
                (Some(objects), None) => drop(objects.remove(workload)),
                (None, Some(_) | None) => {}
            }
            if let Some(awaited) = awaited {
                facts.endpoints = view::endpoints(&awaited.serves, &running.entrances);
                watch(facts, awaited, &running, now);
            }
            facts.seen.running = Some(*running);
        }
        (KubernetesCall::Explain { .. }, KubernetesReply::Words(said)) => {
            if let Some(Watched { stage: stage @ Stage::Overdue, .. }) = &mut facts.rollout {
                let words = words::newest(&said);
                let words =
                    words.unwrap_or_else(|| "it was not ready in time, and no event says why".to_owned());
                let why = Why { words, code: ErrorCode::ProviderTimeout, remedy: Remedy::Permanent };
                *stage = Stage::GivenUp { why, told: false };
            }
        }
        // An answer to something else: nothing is learned from it.
        (_, _) => {}
    }
}

fn looked(facts: &mut KubernetesFacts, look: &Look, objects: Vec<Object>, now: Timestamp) {
    let Look { place, kinds, named: _, subject, since: _ } = look;
    facts.at = Whereabouts::At(place.clone());
    let objects: BTreeMap<ObjectId, Object> =
        objects.into_iter().map(|object| (object.id.clone(), object)).collect();
    close(facts, &objects, now);
    let its = |object: &&Object| matches!(Whose::of(object, subject), Whose::Its(_));
    let its: BTreeMap<&ObjectId, &Object> = objects.iter().filter(|(_, object)| its(object)).collect();
    let asked = |id: &ObjectId| facts.pending.iter().any(|pending| pending.write.leaves() == Some(id));
    facts.held.retain(|id, _| its.contains_key(id) || !kinds.contains(&id.kind) || asked(id));
    for (id, object) in its {
        facts.held.insert(id.clone(), Held::There(object.uid.clone()));
    }
    facts.seen.taken.clear();
    facts.seen.objects = Some(objects);
}

/// What was intended long ago has happened by now, or never will. That a look shows it is not enough: it may be asked for a second
/// time, and the first one come after that.
fn close(facts: &mut KubernetesFacts, objects: &BTreeMap<ObjectId, Object>, now: Timestamp) {
    let told = &mut facts.told;
    facts.pending.retain(|Pending { write, since, lost: _ }| {
        if let (Write::Scale(_, replicas), Some(object)) = (write, objects.get(write.id()))
            && ready::replicas(object) == *replicas
        {
            *told = Some(*replicas);
        }
        now < after(*since, LATE)
    });
}

/// How far the rollout is.
fn watch(facts: &mut KubernetesFacts, awaited: &Awaited, running: &Running, now: Timestamp) {
    let fresh = || Watched { template: awaited.template.clone(), since: now, stage: Stage::BEGUN };
    let rollout = facts.rollout.take().filter(|rollout| rollout.template == awaited.template);
    let mut rollout = match rollout {
        Some(Watched { stage: Stage::GivenUp { told: true, .. }, .. })
            if failing::pods(running, &awaited.template).is_empty() =>
        {
            fresh()
        }
        Some(rollout) => rollout,
        None => fresh(),
    };
    if let Stage::Going { complaint, ready_since } = &rollout.stage {
        rollout.stage = match ready::verdict(running, &awaited.template) {
            ready::Verdict::Ready => Stage::Going { complaint: None, ready_since: ready_since.or(Some(now)) },
            ready::Verdict::Going { .. } => {
                let complaint = merged(complaint.as_ref(), failing::complaint(running, awaited), now);
                judged(complaint, seconds_after(rollout.since, awaited.deadline_seconds), now)
            }
        };
    }
    facts.rollout = Some(rollout);
}

/// The same complaint goes on with its first words.
fn merged(before: Option<&Complaint>, found: Option<failing::Found>, now: Timestamp) -> Option<Complaint> {
    let failing::Found { what, patience, why } = found?;
    Some(match before.filter(|before| before.what == what) {
        Some(Complaint { since, patience: known @ Some(_), why, .. }) => {
            let patience = patience.into_iter().chain(*known).min();
            Complaint { what, since: *since, patience, why: why.clone() }
        }
        Some(Complaint { since, patience: None, .. }) => Complaint { what, since: *since, patience, why },
        None => Complaint { what, since: now, patience, why },
    })
}

fn judged(complaint: Option<Complaint>, deadline: Timestamp, now: Timestamp) -> Stage {
    let is_over = |complaint: &Complaint| {
        let until = complaint.patience.map_or(deadline, |patience| seconds_after(complaint.since, patience));
        now >= until.min(deadline)
    };
    match complaint {
        Some(complaint) if is_over(&complaint) => Stage::GivenUp { why: complaint.why, told: false },
        None if now >= deadline => Stage::Overdue,
        complaint @ (Some(_) | None) => Stage::Going { complaint, ready_since: None },
    }
}

/// Takes in what a write did.
fn did(facts: &mut KubernetesFacts, call: &KubernetesCall, reply: KubernetesReply) {
    facts.seen.running = None;
    match (call, reply) {
        (
            KubernetesCall::Create(_) | KubernetesCall::Own { .. } | KubernetesCall::Apply { .. },
            KubernetesReply::Is(object),
        ) => is(facts, *object),
        (KubernetesCall::Scale { replicas, .. }, KubernetesReply::Is(object)) => {
            facts.told = Some(*replicas);
            is(facts, *object);
        }
        (KubernetesCall::CopySecret { make, .. }, KubernetesReply::Is(object)) => {
            facts.seen.copied.insert(make.id.clone());
            is(facts, *object);
        }
        (KubernetesCall::Create(make) | KubernetesCall::CopySecret { make, .. }, KubernetesReply::Exists) => {
            facts.seen.taken.insert(make.id.clone());
            facts.seen.objects = None;
        }
        (_, KubernetesReply::NoNamespace) => {
            facts.seen.objects = None;
            let message = "the namespace is going, or gone";
            let kind = ErrorKind::ProvisionFailed;
            let error = ProviderError::new(kind, Remedy::Retry, ErrorCode::ProviderUnavailable, message);
            trouble(facts, false, error.with_retry_after(NAMESPACE));
        }
        (KubernetesCall::CopySecret { .. }, KubernetesReply::NoSource(words)) => {
            let kind = ErrorKind::ProvisionFailed;
            let code = ErrorCode::ResourceNotFound;
            trouble(facts, false, ProviderError::new(kind, Remedy::NeedsPerson, code, words));
        }
        (KubernetesCall::Apply { make, .. }, KubernetesReply::Conflicts(fields)) => {
            facts.seen.conflicts.insert(make.id.clone(), fields);
        }
        (KubernetesCall::DeletePod { .. }, KubernetesReply::Deleted | KubernetesReply::Gone) => {}
        // Gone, going, or an answer to something else: a look shows what there is.
        (_, _) => facts.seen.objects = None,
    }
}

fn is(facts: &mut KubernetesFacts, object: Object) {
    facts.held.insert(object.id.clone(), Held::There(object.uid.clone()));
    if let Some(objects) = &mut facts.seen.objects {
        objects.insert(object.id.clone(), object);
    }
}
