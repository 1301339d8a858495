//! How many pods the cluster was told, where an answer says nothing of it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::super::KubernetesPlanner;
use super::super::call::{KubernetesCall, KubernetesReply, Look, Place, Sharing};
use super::super::facts::{KubernetesFacts, Whereabouts};
use super::super::kind::{ObjectId, ObjectKind};
use super::super::object::Object;
use crate::error::{ErrorKind, ProviderError};
use crate::id::{Incarnation, ProviderName, TenantId};
use crate::planner::{CallError, Planner, Subject};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn a_refused_scale_may_have_happened() {
    let place = Place { namespace: "landlord-acme".to_owned(), sharing: Sharing::Own };
    let workload = ObjectId { kind: ObjectKind::Deployment, name: "acme".to_owned() };
    let scale = KubernetesCall::Scale {
        place: place.clone(),
        workload: workload.clone(),
        uid: "it".to_owned(),
        replicas: 2,
    };
    let subject = Subject {
        engine: "engine".into(),
        provider: ProviderName::new("kubernetes").unwrap(),
        tenant: TenantId::new("acme").unwrap(),
        incarnation: Incarnation(1),
    };
    for (shown, told) in [(2, 2), (1, 1)] {
        let mut facts = KubernetesFacts {
            at: Whereabouts::At(place.clone()),
            told: Some(1),
            ..KubernetesFacts::default()
        };
        KubernetesPlanner::intend(&mut facts, &scale, NOW);
        let throttled =
            ProviderError::throttled(ErrorKind::UpdateFailed, Duration::from_secs(1), "slow down");
        KubernetesPlanner::learn(&mut facts, &scale, Err(CallError::Refused(throttled)), NOW);
        // An undo, which has to know it.
        KubernetesPlanner::stale(&mut facts);
        let look = KubernetesCall::Look(Look {
            place: place.clone(),
            kinds: BTreeSet::from([ObjectKind::Deployment]),
            named: BTreeSet::new(),
            subject: subject.clone(),
            since: 1,
        });
        let body = json!({ "metadata": { "name": "acme", "uid": "it" }, "spec": { "replicas": shown } });
        let objects = vec![Object::read(ObjectKind::Deployment, body).unwrap()];
        KubernetesPlanner::learn(&mut facts, &look, Ok(KubernetesReply::Objects(objects)), NOW);
        assert_eq!(facts.told, Some(told), "{shown} are shown");
        assert_eq!(facts.pending, [], "it comes no later");
    }
}
