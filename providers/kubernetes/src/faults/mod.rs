//! A cluster in memory, as far as one tenant sees it: the [`Model`] of the Kubernetes planner.

mod cluster;
mod operations;
mod pods;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::Rollout;
use landlord_state_machines::planner::kubernetes::{
    KubernetesCall, KubernetesPlanner, KubernetesReply, ObjectKind, Place, Running, Survey, Wanted, Words,
    tags,
};
use landlord_state_machines::planner::{Kind, Subject};
use landlord_state_machines::spec::Spec;
use landlord_testing::faults::{Model, Operation};

use cluster::Cluster;

/// A cluster with one tenant.
#[derive(Clone, Debug, Default)]
pub struct Kubernetes {
    cluster: Cluster,
}

/// What the cluster has.
fn survey() -> Survey {
    let best = |kind: ObjectKind| Some((kind, (*kind.api_versions().first()?).to_owned()));
    Survey {
        cluster: "11111111-2222-3333-4444-555555555555".to_owned(),
        version: (1, 33),
        kinds: ObjectKind::ALL.into_iter().filter_map(best).collect(),
        autoscaling: Some("autoscaling/v2".to_owned()),
        endpoint_slices: Some("discovery.k8s.io/v1".to_owned()),
    }
}

impl Kubernetes {
    fn located(&self, subject: &Subject) -> BTreeSet<Place> {
        let its = self.cluster.all().filter(|row| row.is_of(subject));
        its.map(|row| row.place.clone()).collect()
    }

    fn running(&self, place: &Place, workload: &str) -> Running {
        let pods = self.cluster.pods(place);
        let workload = self.cluster.workload(place, workload);
        let addresses = pods.iter().filter(|pod| pod.ready && pod.deleting.is_none()).count();
        Running {
            workload: workload.map(|row| row.shown(&pods)),
            addresses: self.cluster.has_service(place).then(|| u32::try_from(addresses).unwrap_or(u32::MAX)),
            pods,
            autoscaler: None,
            entrances: Vec::new(),
            watched: false,
        }
    }
}

impl Model for Kubernetes {
    type Planner = KubernetesPlanner;

    const NAME: &'static str = "kubernetes";

    fn answer(
        &mut self,
        subject: &Subject,
        call: &KubernetesCall,
        now: Timestamp,
    ) -> Result<KubernetesReply, ProviderError> {
        self.cluster.advance(now);
        Ok(match call {
            KubernetesCall::Survey => KubernetesReply::Surveyed(survey()),
            KubernetesCall::Locate => KubernetesReply::Located(self.located(subject)),
            KubernetesCall::Look(look) => {
                let rows = self.cluster.all().filter(|row| row.place.namespace == look.place.namespace);
                let shown = rows.filter(|row| {
                    look.named.contains(&row.id)
                        || look.kinds.contains(&row.id.kind) && row.is_looked_at(look)
                });
                let pods = self.cluster.pods(&look.place);
                KubernetesReply::Objects(shown.map(|row| row.shown(&pods)).collect())
            }
            KubernetesCall::Watch { place, workload, .. } => {
                KubernetesReply::Running(Box::new(self.running(place, &workload.name)))
            }
            KubernetesCall::Explain { uids, .. } => {
                let uid = uids.first().cloned().unwrap_or_default();
                KubernetesReply::Words(vec![Words {
                    uid,
                    object: "Pod/acme".to_owned(),
                    reason: "FailedMount".to_owned(),
                    message: "a volume is not there".to_owned(),
                    last: Some(now),
                }])
            }
            KubernetesCall::Create(make) => self.cluster.create(make, false, now),
            KubernetesCall::Own { place, id, uid, .. } => self.cluster.own(place, id, uid),
            KubernetesCall::Apply { make, uid, force: _, instead: _ } => self.cluster.apply(make, uid, now),
            KubernetesCall::CopySecret { make, uid: None, .. } => self.cluster.create(make, true, now),
            KubernetesCall::CopySecret { make, uid: Some(uid), .. } => self.cluster.apply(make, uid, now),
            KubernetesCall::Scale { place, workload, uid, replicas } => {
                self.cluster.scale(place, workload, uid, *replicas, now)
            }
            KubernetesCall::Delete(delete) => self.cluster.delete(delete, now),
            KubernetesCall::DeletePod { place, uid, .. } => self.cluster.delete_pod(place, uid, now),
        })
    }

    fn kind(call: &KubernetesCall) -> Kind {
        match call {
            KubernetesCall::Survey
            | KubernetesCall::Locate
            | KubernetesCall::Look(_)
            | KubernetesCall::Watch { .. }
            | KubernetesCall::Explain { .. } => Kind::Read,
            KubernetesCall::Create(_)
            | KubernetesCall::Own { .. }
            | KubernetesCall::Apply { .. }
            | KubernetesCall::CopySecret { .. }
            | KubernetesCall::Scale { .. }
            | KubernetesCall::Delete(_)
            | KubernetesCall::DeletePod { .. } => Kind::Write,
        }
    }

    fn late() -> SignedDuration {
        SignedDuration::from_secs(5)
    }

    /// Somebody deletes the workload by hand, and changes what is beside it.
    fn breaks(&mut self, now: Timestamp) {
        self.cluster.advance(now);
        self.cluster.break_by_hand();
    }

    fn holds_exactly(
        &mut self,
        subject: &Subject,
        spec: Option<&Spec>,
        now: Timestamp,
    ) -> Result<(), String> {
        self.cluster.advance(now);
        if let Some(breach) = self.cluster.breach() {
            return Err(breach.to_owned());
        }
        let its: BTreeMap<String, Option<&str>> = self
            .cluster
            .all()
            .filter(|row| row.is_of(subject))
            .map(|row| (format!("{} in {}", row.id, row.place.namespace), row.content()))
            .collect();
        let Some(spec) = spec else {
            return match its.is_empty() {
                true => Ok(()),
                false => Err(format!("{its:?} are left")),
            };
        };
        let wanted = Wanted::of(subject, spec, self.cluster.rollout(), &survey());
        let wanted = wanted.map_err(|error| error.to_string())?;
        let objects: BTreeMap<String, Option<&str>> = wanted
            .objects
            .iter()
            .map(|make| (format!("{} in {}", make.id, make.place.namespace), Some(make.content.as_str())))
            .collect();
        let its: BTreeMap<String, Option<&str>> =
            its.into_iter().filter(|(name, _)| !name.starts_with("PersistentVolumeClaim/")).collect();
        if its != objects {
            return Err(format!("there are {its:?}, wanted {objects:?}"));
        }
        if let Some(going) = self.cluster.all().find(|row| row.is_going()) {
            return Err(format!("{} is going", going.id));
        }
        self.cluster.runs_as(&wanted)
    }

    fn runs_for(&mut self, rollout: Rollout) -> Result<(), String> {
        match self.cluster.rollouts().into_iter().find(|other| *other != rollout) {
            None => Ok(()),
            Some(other) => Err(format!("pods of rollout {other} run, wanted {rollout}")),
        }
    }

    fn operations() -> Vec<Operation> {
        operations::all()
    }
}

/// The rollout that a template is of.
fn rollout_of(template: &serde_json::Value) -> Rollout {
    let annotation = template.pointer("/metadata/annotations").and_then(|all| all.get(tags::ROLLOUT));
    let number = annotation.and_then(serde_json::Value::as_str).and_then(|text| text.parse().ok());
    Rollout(number.unwrap_or(0))
}
