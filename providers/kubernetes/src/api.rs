//! Makes one call of the planner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use landlord_compute::provider::Context;
use landlord_compute::provider::converge::Api;
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::kubernetes::{
    Delete, KubernetesCall, KubernetesConfig, KubernetesPlanner, KubernetesReply, Running,
};
use tokio::time::Instant;

use super::budget::Rank;
use super::cluster::Cluster;
use super::drifted::Drifted;
use super::error::Failure;
use super::reads::{At, Writes};
use super::working::{Method, Worker, Working, Wrote};

/// A cluster, as an engine's operator set it up.
#[derive(Debug)]
pub(super) struct Kubernetes {
    pub(super) cluster: Cluster,
    /// The operator's configuration.
    pub(super) defaults: KubernetesConfig,
    /// The tenants that methods work on.
    pub(super) working: Arc<Working>,
    /// The tenants of which somebody altered an object.
    pub(super) drifted: Drifted,
    /// Whether whoever waits for a rollout is woken when something happens.
    pub(super) watching: AtomicBool,
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
    /// A cluster that nobody has asked anything yet.
    pub(super) fn new(cluster: Cluster, defaults: KubernetesConfig) -> Self {
        let (working, drifted) = (Arc::default(), Drifted::default());
        Self { cluster, defaults, working, drifted, watching: AtomicBool::new(false) }
    }

    /// A method begins to work on a tenant; it has ended when this is dropped.
    pub(super) fn begin(&self, cx: &Context, method: Method) -> Worker {
        self.drifted.forget(&cx.subject.tenant);
        self.working.begin(&cx.subject.tenant, method)
    }

    /// The cluster, asked for what this context is for.
    pub(super) fn at(&self, cx: &Context) -> At<'_> {
        At { cluster: &self.cluster, rank: Rank::of(cx), writes: Writes::Kept }
    }

    async fn make(&self, cx: &Context, call: &KubernetesCall) -> Result<KubernetesReply, Failure> {
        if let Some((uid, how)) = written(call) {
            self.working.writes(&cx.subject.tenant, uid, how);
        }
        let at = At { cluster: &self.cluster, rank: Rank::of_call(cx, call), writes: Writes::Kept };
        match call {
            KubernetesCall::Survey => Ok(KubernetesReply::Surveyed(at.survey().await?)),
            KubernetesCall::Locate => Ok(KubernetesReply::Located(self.locate(cx).await?)),
            KubernetesCall::Look(look) => Ok(KubernetesReply::Objects(at.look(look).await?)),
            KubernetesCall::Watch { place, workload, awaited, since: _ } => {
                // As it is before the look, so that no change falls between the two.
                let (watched, begun) = (self.watching.load(Ordering::Relaxed), Instant::now());
                let running = at.watch(&cx.subject, place, workload, awaited.as_ref()).await?;
                self.working.looked(&cx.subject.tenant, begun);
                let running = Running { watched, ..running };
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

/// What a call does to an object that is there, by its uid. Pods that are deleted raise no suspicion.
fn written(call: &KubernetesCall) -> Option<(&str, Wrote)> {
    match call {
        KubernetesCall::Survey
        | KubernetesCall::Locate
        | KubernetesCall::Look(_)
        | KubernetesCall::Watch { .. }
        | KubernetesCall::Explain { .. }
        | KubernetesCall::Create(_)
        | KubernetesCall::DeletePod { .. } => None,
        KubernetesCall::Own { uid, .. }
        | KubernetesCall::Apply { uid, .. }
        | KubernetesCall::Scale { uid, .. } => Some((uid, Wrote::Change)),
        KubernetesCall::CopySecret { uid, .. } => Some((uid.as_deref()?, Wrote::Change)),
        KubernetesCall::Delete(Delete { uid, .. }) => Some((uid, Wrote::Deletion)),
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
