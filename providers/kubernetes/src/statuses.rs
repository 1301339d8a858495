//! Looks at many tenants: the workloads and the pods of all of them are listed once.
//!
//! That tells how a tenant is that runs, or is not to run. Any other one, and one that the lists do not show, is looked at alone.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use landlord_compute::provider::converge::Converge;
use landlord_compute::provider::{Context, Looked};
use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::planner::Planner;
use landlord_state_machines::planner::kubernetes::{
    KubernetesCall, KubernetesPlanner, KubernetesReply, Namespaces, tags,
};
use landlord_state_machines::status::{ComputeState, ComputeStatus, Health};
use tokio::sync::OnceCell;

use super::api::Kubernetes;
use super::budget::Rank;
use super::error::Failure;
use super::fleet::Fleet;
use super::reads::{At, Writes};

/// How many tenants are looked at at a time.
const AT_A_TIME: usize = 256;

/// What is listed for all tenants.
struct Listed {
    begun: Timestamp,
    cluster: String,
    fleet: Fleet,
}

/// Looks at tenants.
pub(super) fn all<'a>(
    methods: &'a Converge<Arc<Kubernetes>>,
    tenants: BoxStream<'a, Context>,
) -> BoxStream<'a, Looked> {
    let listed: Arc<OnceCell<Result<Listed, Failure>>> = Arc::default();
    let looked = tenants.map(move |cx| {
        let listed = Arc::clone(&listed);
        async move {
            let begun = cx.now();
            let listed = listed.get_or_init(|| list(methods.api(), &cx)).await;
            let (begun, status) = match together(methods, listed, &cx) {
                Ok(Some((since, status))) => (since.min(begun), Ok(status)),
                Ok(None) => (cx.now(), methods.look(&cx).await),
                Err(error) => (begun, Err(error)),
            };
            let status = status.map(|status| methods.api().drifted.shown_in(status));
            Looked { tenant: cx.subject.tenant.clone(), begun, status }
        }
    });
    looked.buffer_unordered(AT_A_TIME).boxed()
}

async fn list(kubernetes: &Kubernetes, cx: &Context) -> Result<Listed, Failure> {
    let begun = cx.now();
    let at = At { cluster: &kubernetes.cluster, rank: Rank::Look, writes: Writes::Kept };
    let cluster = at.identity().await?;
    let labels = tags::selector_of_all(&cx.subject.engine, cx.subject.provider.as_str());
    let namespace = match &kubernetes.defaults.namespaces {
        Namespaces::Own => None,
        Namespaces::Shared { name } => Some(name.as_str()),
    };
    let fleet = at.whole_fleet(&labels, namespace, |_| true).await?;
    Ok(Listed { begun, cluster, fleet })
}

/// How a tenant is, by what is listed for all; none, where that does not tell.
fn together(
    methods: &Converge<Arc<Kubernetes>>,
    listed: &Result<Listed, Failure>,
    cx: &Context,
) -> Result<Option<(Timestamp, ComputeStatus)>, ProviderError> {
    let failed =
        |failure: &Failure| ProviderError { kind: ErrorKind::StatusFailed, ..failure.clone().into_error() };
    let Listed { begun, cluster, fleet } = listed.as_ref().map_err(failed)?;
    let mut facts = methods.facts(cx)?;
    KubernetesPlanner::stale(&mut facts);
    let Some(place) = facts.place_in(cluster).cloned() else { return Ok(None) };
    let Some(running) = fleet.running(&cx.subject.tenant) else { return Ok(None) };
    let Some(workload) = running.workload.as_ref() else { return Ok(None) };
    if workload.text("/metadata/namespace") != Some(&place.namespace) {
        return Ok(None);
    }
    let call = KubernetesCall::Watch { place, workload: workload.id.clone(), awaited: None, since: 0 };
    let reply = KubernetesReply::Running(Box::new(running));
    KubernetesPlanner::learn(&mut facts, &call, Ok(reply), cx.now());
    let Ok(status) = methods.status(cx, &facts) else { return Ok(None) };
    let is_plain = match (status.state, status.health) {
        (ComputeState::Running, _) | (ComputeState::Stopped, Health::Healthy) => true,
        (
            ComputeState::Stopped
            | ComputeState::Starting
            | ComputeState::Stopping
            | ComputeState::Failed
            | ComputeState::Unknown,
            _,
        ) => false,
    };
    Ok(is_plain.then_some((*begun, status)))
}
