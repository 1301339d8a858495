//! How long a write may still happen whose end nobody has seen.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::super::KubernetesPlanner;
use super::super::call::{KubernetesCall, KubernetesReply, Look, Place, Sharing};
use super::super::facts::{KubernetesFacts, LATE};
use super::super::kind::{ObjectId, ObjectKind};
use crate::id::{Incarnation, ProviderName, TenantId};
use crate::planner::{Planner, Subject};

#[test]
fn what_another_engine_intended_may_happen_for_as_long_as_if_it_were_intended_now() {
    let intended = Timestamp::UNIX_EPOCH;
    let taken_over = intended + SignedDuration::from_mins(1);
    let place = Place { namespace: "landlord-acme".to_owned(), sharing: Sharing::Own };
    let scale = KubernetesCall::Scale {
        place: place.clone(),
        workload: ObjectId { kind: ObjectKind::Deployment, name: "acme".to_owned() },
        uid: "it".to_owned(),
        replicas: 2,
    };
    let look = KubernetesCall::Look(Look {
        place,
        kinds: BTreeSet::from([ObjectKind::Deployment]),
        named: BTreeSet::new(),
        subject: Subject {
            engine: "engine".into(),
            provider: ProviderName::new("kubernetes").unwrap(),
            tenant: TenantId::new("acme").unwrap(),
            incarnation: Incarnation(1),
        },
        since: 0,
    });
    let mut facts = KubernetesFacts::default();
    KubernetesPlanner::intend(&mut facts, &scale, intended);
    KubernetesPlanner::taken_over(&mut facts, taken_over);
    let mut looked = |at| {
        KubernetesPlanner::learn(&mut facts, &look, Ok(KubernetesReply::Objects(Vec::new())), at);
        facts.pending.len()
    };
    let moment = SignedDuration::from_millis(1);
    assert_eq!(looked(taken_over + LATE - moment), 1, "it may still happen");
    assert_eq!(looked(taken_over + LATE), 0, "it never will");
}
