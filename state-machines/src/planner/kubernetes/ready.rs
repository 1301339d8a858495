//! Whether what is wanted runs, and nothing else does.

use super::call::{Running, template_in};
use super::kind::ObjectKind;
use super::object::Object;
use super::pod::Pod;

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All pods are of this template and take requests; no other one is left.
    Ready,
    /// Not yet.
    Going {
        /// How far that is, in figures.
        so_far: Option<String>,
        missing: Missing,
    },
}

/// What a rollout lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Pods of this template, or others are left.
    Pods,
    /// What follows from its pods.
    Rest,
}

/// How far the rollout of this template is. The controller's own word is not enough: it says that a rollout is complete while
/// pods of the one before still serve.
pub(super) fn verdict(running: &Running, template: &str) -> Verdict {
    let Some(workload) = &running.workload else {
        return Verdict::Going { so_far: None, missing: Missing::Rest };
    };
    let wanted = replicas(workload);
    let of_template: Vec<&Pod> = running
        .pods
        .iter()
        .filter(|pod| !pod.is_over() && pod.content.as_deref() == Some(template))
        .collect();
    let ready = count(of_template.iter().filter(|pod| pod.ready && pod.deleting.is_none()));
    let others =
        running.pods.iter().filter(|pod| pod.content.as_deref() != Some(template) || pod.deleting.is_some());
    let others = count(others.filter(|pod| !pod.is_over() || pod.deleting.is_some()));
    let answers = running.addresses.is_none_or(|addresses| addresses >= wanted);
    let has_its_pods = ready == wanted && count(of_template.iter()) == wanted && others == 0;
    let has_the_rest = workload.is_observed()
        && template_in(&workload.body) == Some(template)
        && is_complete(workload, wanted)
        && answers;
    let going = |missing| {
        let left = if others > 0 { format!(", {others} of before are left") } else { String::new() };
        Verdict::Going { so_far: Some(format!("{ready} of {wanted} pods are ready{left}")), missing }
    };
    match (has_its_pods, has_the_rest) {
        (true, true) => Verdict::Ready,
        (true, false) => going(Missing::Rest),
        (false, true | false) => going(Missing::Pods),
    }
}

/// How many pods the workload has to have.
pub(super) fn replicas(workload: &Object) -> u32 {
    // The API server fills in 1.
    workload.number("/spec/replicas").map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

/// What the controller says.
fn is_complete(workload: &Object, wanted: u32) -> bool {
    let is = |field: &str| workload.number(&format!("/status/{field}")).unwrap_or(0) == u64::from(wanted);
    let all = ["replicas", "readyReplicas", "updatedReplicas"].into_iter().all(is);
    match workload.id.kind {
        ObjectKind::StatefulSet => {
            let revision = |field: &str| workload.text(&format!("/status/{field}"));
            // Without pods it says of none that it is updated.
            let settled = revision("currentRevision") == revision("updateRevision");
            if wanted == 0 { is("replicas") && settled } else { all && settled }
        }
        ObjectKind::Deployment
        | ObjectKind::Namespace
        | ObjectKind::ServiceAccount
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
        | ObjectKind::HttpRoute => all && is("availableReplicas"),
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
