//! Makes one call of the planner.

use landlord_compute::provider::Context;
use landlord_compute::provider::converge::Api;
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::kubernetes::{
    KubernetesCall, KubernetesConfig, KubernetesPlanner, KubernetesReply,
};

use super::budget::Rank;
use super::cluster::Cluster;
use super::error::Failure;
use super::reads::At;

/// A cluster, as an engine's operator set it up.
#[derive(Debug)]
pub(super) struct Kubernetes {
    pub(super) cluster: Cluster,
    /// The operator's configuration.
    pub(super) defaults: KubernetesConfig,
}

impl Api for Kubernetes {
    type Planner = KubernetesPlanner;

    async fn turn(&self, cx: &Context, call: &KubernetesCall) -> Result<(), CallError> {
        if !writes(call) {
            return Ok(());
        }
        let turn = self.cluster.budget.turn(Rank::of_call(cx, call)).await;
        turn.map_err(CallError::Refused)
    }

    async fn call(&self, cx: &Context, call: &KubernetesCall) -> Result<KubernetesReply, CallError> {
        self.make(cx, call).await.map_err(CallError::from)
    }
}

impl Kubernetes {
    /// The cluster, asked for what this context is for.
    pub(super) fn at(&self, cx: &Context) -> At<'_> {
        At { cluster: &self.cluster, rank: Rank::of(cx) }
    }

    async fn make(&self, cx: &Context, call: &KubernetesCall) -> Result<KubernetesReply, Failure> {
        let at = At { cluster: &self.cluster, rank: Rank::of_call(cx, call) };
        match call {
            KubernetesCall::Survey => Ok(KubernetesReply::Surveyed(at.survey().await?)),
            KubernetesCall::Locate => Ok(KubernetesReply::Located(self.locate(cx).await?)),
            KubernetesCall::Look(look) => Ok(KubernetesReply::Objects(at.look(look).await?)),
            KubernetesCall::Watch { place, workload, awaited, since: _ } => {
                let running = at.watch(&cx.subject, place, workload, awaited.as_ref()).await?;
                Ok(KubernetesReply::Running(Box::new(running)))
            }
            KubernetesCall::Explain { place, uids } => {
                Ok(KubernetesReply::Words(at.explain(place, uids).await?))
            }
            KubernetesCall::Create(make) => at.create(make, make.body.clone()).await,
            KubernetesCall::Own { place, id, uid, api_version } => at.own(place, id, uid, api_version).await,
            KubernetesCall::Apply { make, uid, force, instead } => {
                at.apply(make, make.body.clone(), uid, *force, instead.as_deref()).await
            }
            KubernetesCall::CopySecret { make, from, uid } => {
                at.copy_secret(make, from, uid.as_deref()).await
            }
            KubernetesCall::Scale { place, workload, uid, replicas } => {
                at.scale(place, workload, uid, *replicas).await
            }
            KubernetesCall::Delete(delete) => at.delete(delete).await,
            KubernetesCall::DeletePod { place, name, uid } => at.delete_pod(place, name, uid).await,
        }
    }
}

/// Whether a call writes. One that only looks waits for the turn of each of its requests.
fn writes(call: &KubernetesCall) -> bool {
    match call {
        KubernetesCall::Survey
        | KubernetesCall::Locate
        | KubernetesCall::Look(_)
        | KubernetesCall::Watch { .. }
        | KubernetesCall::Explain { .. } => false,
        KubernetesCall::Create(_)
        | KubernetesCall::Own { .. }
        | KubernetesCall::Apply { .. }
        | KubernetesCall::CopySecret { .. }
        | KubernetesCall::Scale { .. }
        | KubernetesCall::Delete(_)
        | KubernetesCall::DeletePod { .. } => true,
    }
}
