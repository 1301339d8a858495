//! What an update would write first to last, object by object, so that the API server can be asked what would come of it.

mod fields;

use jiff::Timestamp;
use serde_json::Value;

use super::call::{Delete, Instead, KubernetesCall, Make, Place, Propagation, Survey};
use super::facts::{KubernetesFacts, Seen, Whereabouts, Whose};
use super::kind::ObjectId;
use super::next::{Plan, api_version, is_workload, path_of};
use super::object::Object;
use super::remnants;
use super::wanted::Wanted;
use crate::error::ProviderError;
use crate::planner::{Means, Next, Subject};
use crate::spec::FieldChange;

pub use fields::between;

/// An object that an update would write.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreseen {
    /// Which.
    pub id: ObjectId,
    /// The object as it is; none: it is not there.
    pub live: Option<Object>,
    /// What is done to it.
    pub write: Foresees,
    /// Fields that the spec before has given it and that this one does not. They go, but as long as an object is as it was created,
    /// an API server that is asked about an apply does not say so.
    pub dropped: Vec<FieldChange>,
}

/// What is done to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Foresees {
    /// It is made.
    Create(Box<Make>),
    /// It gets other fields.
    Change {
        /// What it becomes.
        make: Box<Make>,
        /// Only this one.
        uid: String,
        /// Whether fields of other managers are taken over.
        force: bool,
        /// What is done where the API server refuses the result for what an apply leaves in it.
        instead: Option<Box<Instead>>,
    },
    /// It gets another number of pods.
    Scale {
        /// Only this one.
        uid: String,
        /// How many.
        replicas: u32,
    },
    /// It gets the values of another Secret, which nobody looks at for a plan.
    Copy,
    /// It goes, and another one comes in its place.
    Replace(Box<Make>),
    /// It goes.
    Delete(Delete),
    /// It is somebody else's, so that the update is refused, in these words.
    Another(String),
}

impl Foreseen {
    /// What differs as far as the manifests say.
    pub fn intended(&self) -> Vec<FieldChange> {
        let Some(live) = &self.live else { return Vec::new() };
        match &self.write {
            Foresees::Change { make, .. } | Foresees::Replace(make) => {
                between(self.id.kind, &live.body, &remnants::overlaid(&make.body, &live.body))
            }
            Foresees::Scale { replicas, .. } => {
                let mut scaled = live.body.clone();
                if let Some(spec) = scaled.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.insert("replicas".to_owned(), (*replicas).into());
                }
                between(self.id.kind, &live.body, &scaled)
            }
            Foresees::Create(_) | Foresees::Copy | Foresees::Delete(_) | Foresees::Another(_) => Vec::new(),
        }
    }
}

/// What is asked for, what ran before, and what is known.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// The tenant.
    pub subject: &'a Subject,
    /// The cluster.
    pub survey: &'a Survey,
    /// What the spec that runs asks for; none: it does not fit this cluster any more.
    pub applied: Option<&'a Wanted>,
    /// The ledger.
    pub facts: &'a KubernetesFacts,
}

/// What an update to what is wanted would write, in its order, where these objects are there. What it would wait for and whether
/// the pods run is not foreseen.
///
/// # Errors
/// What the update is refused with before it writes.
pub fn foresee(
    before: Before<'_>,
    wanted: &Wanted,
    objects: Vec<Object>,
    now: Timestamp,
) -> Result<Vec<Foreseen>, ProviderError> {
    let Before { subject, survey, applied, facts } = before;
    let mut facts = facts.clone();
    let runs_at = facts.at.clone();
    facts.at = Whereabouts::At(wanted.place.clone());
    facts.seen = Seen {
        survey: Some(survey.clone()),
        objects: Some(objects.into_iter().map(|object| (object.id.clone(), object)).collect()),
        ..Seen::default()
    };
    let plan = Plan { subject, facts: &facts, now };
    let refused = plan
        .refuse_another_cluster(survey)
        .or_else(|| plan.stay(&runs_at, &wanted.place))
        .or_else(|| plan.refuse_sizes(wanted));
    if let Some(Next::Fail(error)) = refused {
        return Err(error);
    }
    let goes = |object: &Object| {
        let delete = Delete {
            place: wanted.place.clone(),
            id: object.id.clone(),
            uid: object.uid.clone(),
            api_version: api_version(object.id.kind, survey),
            propagation: Propagation::Background,
        };
        foreseen(&object.id, Some(object), Foresees::Delete(delete))
    };
    let mut all: Vec<Foreseen> = plan.others(wanted).map(goes).collect();
    all.extend(wanted.objects.iter().filter_map(|make| one(&plan, wanted, make, applied)));
    if let (Some(replicas), Some(live)) = (plan.tells(wanted, Means::Update), plan.object(&wanted.workload)) {
        let uid = live.uid.clone();
        all.push(foreseen(&live.id, Some(live), Foresees::Scale { uid, replicas }));
    }
    all.extend(plan.left(wanted, applied).filter(|object| !is_workload(object.id.kind)).map(goes));
    Ok(all)
}

/// What is done to one object that is wanted; none: it is as it should be.
fn one(plan: &Plan<'_>, wanted: &Wanted, make: &Make, applied: Option<&Wanted>) -> Option<Foreseen> {
    let live = plan.object(&make.id);
    if let Some(words) = live.and_then(|object| strangers(plan, &wanted.place, object)) {
        return Some(foreseen(&make.id, live, Foresees::Another(words)));
    }
    let act = plan.make_one(wanted, make, Means::Update)?;
    let write = match act.call {
        KubernetesCall::Create(make) => Foresees::Create(make),
        KubernetesCall::CopySecret { .. } => Foresees::Copy,
        KubernetesCall::Delete(_) => Foresees::Replace(Box::new(make.clone())),
        KubernetesCall::Apply { make, uid, force, instead } => Foresees::Change { make, uid, force, instead },
        // After this step comes the apply.
        KubernetesCall::Own { uid, .. } => Foresees::Change {
            make: Box::new(make.clone()),
            uid,
            force: wanted.takes_over.is_on(Means::Update),
            instead: live.and_then(|live| Plan::instead(make, live)),
        },
        // None of these is about what an object is.
        KubernetesCall::Survey
        | KubernetesCall::Locate
        | KubernetesCall::Look(_)
        | KubernetesCall::Watch { .. }
        | KubernetesCall::Explain { .. }
        | KubernetesCall::Scale { .. }
        | KubernetesCall::DeletePod { .. } => return None,
    };
    let mut foreseen = foreseen(&make.id, live, write);
    if let (Some(live), Foresees::Change { .. }) = (live, &foreseen.write)
        && !live.owned
        && let Some(before) = applied.and_then(|applied| applied.objects.iter().find(|one| one.id == make.id))
    {
        foreseen.dropped = fields::dropped(&before.body, &make.body, &live.body);
    }
    Some(foreseen)
}

fn strangers(plan: &Plan<'_>, place: &Place, object: &Object) -> Option<String> {
    match Whose::of(object, plan.subject) {
        Whose::Its(_) => None,
        Whose::Another(tenant) => Some(format!("{} belongs to tenant {tenant}", path_of(place, &object.id))),
        Whose::Strangers => Some(format!("{} has not this landlord's labels", path_of(place, &object.id))),
    }
}

fn foreseen(id: &ObjectId, live: Option<&Object>, write: Foresees) -> Foreseen {
    Foreseen { id: id.clone(), live: live.cloned(), write, dropped: Vec::new() }
}
