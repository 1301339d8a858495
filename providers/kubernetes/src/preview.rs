//! What the API server says about an update that is not made: each object that it would write is sent with `dryRun=All`, and what
//! comes back is compared with what is there.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use landlord_compute::provider::{Context, PlannedAction, PlannedAnswer, PlannedObject, STATUS_WITHIN};
use landlord_state_machines::error::{ProviderError, Remedy};
use landlord_state_machines::planner::kubernetes::{
    Before, FieldConflict, Foreseen, Foresees, KubernetesFacts, KubernetesReply, Look, MANAGER, Object,
    ObjectKind, Place, Sharing, Survey, Wanted, between, foresee, path_of, taken,
};
use landlord_state_machines::spec::FieldChange;

use super::error::{Failure, Why};
use super::provider::unknown;
use super::reads::{At, Writes};

/// How many objects are asked about at a time.
const AT_A_TIME: usize = 8;

/// What is asked for, and what ran before.
pub(super) struct Update<'a> {
    pub(super) cx: &'a Context,
    pub(super) survey: &'a Survey,
    pub(super) wanted: &'a Wanted,
    /// None: it does not fit the cluster any more.
    pub(super) applied: Option<&'a Wanted>,
    pub(super) facts: &'a KubernetesFacts,
}

/// Every object that the update would write.
pub(super) async fn objects(at: At<'_>, update: Update<'_>) -> Result<Vec<PlannedObject>, ProviderError> {
    let Update { cx, survey, wanted, applied, facts } = update;
    let subject = &cx.subject;
    let kinds: BTreeSet<ObjectKind> = survey.kinds.keys().copied().collect();
    let named = wanted.objects.iter().map(|make| make.id.clone()).collect();
    let look = Look { place: wanted.place.clone(), kinds, named, subject: subject.clone(), since: 0 };
    let live = tokio::time::timeout(STATUS_WITHIN, at.look(&look)).await;
    let live = live.map_err(|_| ProviderError::status_timeout(&subject.tenant))?.map_err(unknown)?;
    let there = has_namespace(&wanted.place, &live);
    let before = Before { subject, survey, applied, facts };
    let foreseen = foresee(before, wanted, live, cx.now())?;
    let at = At { writes: Writes::Tried, ..at };
    let asked = foreseen.into_iter().map(|one| planned(at, &wanted.place, there, one));
    Ok(one_each(stream::iter(asked).buffered(AT_A_TIME).collect().await))
}

/// Whether the namespace is there that the objects are to be in.
fn has_namespace(place: &Place, live: &[Object]) -> bool {
    match place.sharing {
        Sharing::Shared => true,
        Sharing::Own => live.iter().any(|object| {
            object.id.kind == ObjectKind::Namespace
                && object.id.name == place.namespace
                && object.deleting.is_none()
        }),
    }
}

/// What changes an object in two steps is told in one.
fn one_each(objects: Vec<PlannedObject>) -> Vec<PlannedObject> {
    let mut all: Vec<PlannedObject> = Vec::new();
    for one in objects {
        let same = all.iter_mut().find(|other| {
            (&other.object, other.action, &other.answer) == (&one.object, one.action, &one.answer)
        });
        match same {
            Some(other) => other.fields.extend(one.fields),
            None => all.push(one),
        }
    }
    all
}

async fn planned(at: At<'_>, place: &Place, there: bool, one: Foreseen) -> PlannedObject {
    let action = match &one.write {
        Foresees::Create(_) => PlannedAction::Create,
        Foresees::Copy if one.live.is_none() => PlannedAction::Create,
        Foresees::Change { .. } | Foresees::Scale { .. } | Foresees::Copy | Foresees::Another(_) => {
            PlannedAction::Change
        }
        Foresees::Replace(_) => PlannedAction::Replace,
        Foresees::Delete(_) => PlannedAction::Delete,
    };
    let not_asked = |why: &str| (one.intended(), PlannedAnswer::NotAsked(why.to_owned()));
    let (fields, answer) = match &one.write {
        Foresees::Another(words) => {
            (Vec::new(), PlannedAnswer::Refused(format!("{words}; it is not touched")))
        }
        Foresees::Copy => not_asked("its values are copied from another Secret, which a plan does not read"),
        Foresees::Replace(_) => {
            not_asked("it has a field that cannot be changed, and the one before has to go first")
        }
        Foresees::Create(_) | Foresees::Change { .. } | Foresees::Scale { .. } | Foresees::Delete(_)
            if !there && one.id.kind != ObjectKind::Namespace =>
        {
            not_asked("its namespace is not there yet")
        }
        Foresees::Create(_) | Foresees::Change { .. } | Foresees::Scale { .. } | Foresees::Delete(_) => {
            match tokio::time::timeout(STATUS_WITHIN, ask(at, place, &one)).await {
                Ok(answered) => told(&one, answered),
                Err(_) => not_asked("the API server did not answer in time"),
            }
        }
    };
    PlannedObject { object: path_of(place, &one.id), action, fields, answer }
}

/// Asks what would come of a write, when it is its turn.
async fn ask(at: At<'_>, place: &Place, one: &Foreseen) -> Result<KubernetesReply, Failure> {
    at.cluster.turn(at.rank).await?;
    match &one.write {
        Foresees::Create(make) => at.create(make, make.body.clone()).await,
        Foresees::Change { make, uid, force, instead } => {
            let answered = at.apply(make, make.body.clone(), uid, *force, instead.as_deref()).await?;
            // What was created by the engine counts as another manager's until the first update, which sets that right first.
            if let KubernetesReply::Conflicts(fields) = &answered
                && others(fields).is_empty()
            {
                at.cluster.turn(at.rank).await?;
                return at.apply(make, make.body.clone(), uid, true, instead.as_deref()).await;
            }
            Ok(answered)
        }
        Foresees::Scale { uid, replicas } => at.scale(place, &one.id, uid, *replicas).await,
        Foresees::Delete(delete) => at.delete(delete).await,
        Foresees::Copy | Foresees::Replace(_) | Foresees::Another(_) => Ok(KubernetesReply::Gone),
    }
}

/// The conflicts with managers other than the engine's own.
fn others(fields: &BTreeSet<FieldConflict>) -> Vec<&FieldConflict> {
    fields.iter().filter(|conflict| conflict.manager != MANAGER).collect()
}

/// What an answer says.
fn told(one: &Foreseen, answered: Result<KubernetesReply, Failure>) -> (Vec<FieldChange>, PlannedAnswer) {
    let moved = || {
        PlannedAnswer::NotAsked("it has changed while it was looked at; ask for the plan again".to_owned())
    };
    match answered {
        Ok(KubernetesReply::Is(would_be)) => (fields(one, &would_be), PlannedAnswer::Accepted),
        Ok(KubernetesReply::Deleted) => (Vec::new(), PlannedAnswer::Accepted),
        Ok(KubernetesReply::Conflicts(fields)) => {
            let words = taken("it", others(&fields));
            (one.intended(), PlannedAnswer::Refused(words))
        }
        Ok(KubernetesReply::NoNamespace) => {
            (one.intended(), PlannedAnswer::NotAsked("its namespace is not there".to_owned()))
        }
        Ok(
            KubernetesReply::Exists
            | KubernetesReply::Gone
            | KubernetesReply::NoSource(_)
            | KubernetesReply::Surveyed(_)
            | KubernetesReply::Located(_)
            | KubernetesReply::Objects(_)
            | KubernetesReply::Running(_)
            | KubernetesReply::Words(_),
        ) => (one.intended(), moved()),
        Err(Failure { why: Why::NotTried(why), .. }) => (one.intended(), PlannedAnswer::NotAsked(why)),
        Err(failure) => {
            let error = failure.into_error();
            let words = match &error.platform {
                Some(said) if !error.message.contains(said) => format!("{} [{said}]", error.message),
                Some(_) | None => error.message.clone(),
            };
            let answer = match error.remedy {
                Remedy::Retry => PlannedAnswer::NotAsked(words),
                Remedy::Permanent | Remedy::NeedsPerson => PlannedAnswer::Refused(words),
            };
            (one.intended(), answer)
        }
    }
}

/// What differs between what is there and what would be.
fn fields(one: &Foreseen, would_be: &Object) -> Vec<FieldChange> {
    let Some(live) = &one.live else { return Vec::new() };
    let mut fields = between(one.id.kind, &live.body, &would_be.body);
    let dropped = one.dropped.iter().filter(|dropped| {
        // What takes its place is told already.
        !fields.iter().any(|told| told.path.starts_with(&dropped.path))
    });
    let dropped: Vec<FieldChange> = dropped.cloned().collect();
    fields.extend(dropped);
    fields
}
