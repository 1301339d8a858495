//! Looks at many tenants: the tasks of a cluster are listed once and described by the hundred, services by the ten.
//!
//! That tells how a tenant is that runs as it should, or whose checks fail. Of any other one there is more to know, such as
//! why its tasks stopped: it is asked for alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, TryStreamExt};
use jiff::Timestamp;
use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::planner::Planner;
use landlord_state_machines::planner::ecs::{EcsPlanner, EcsReply, Place, Site, Task};
use landlord_state_machines::status::{ComputeState, ComputeStatus, Health};
use tokio::sync::OnceCell;

use super::answer;
use super::api::Ecs;
use super::budget::{Rank, Who};
use super::error::Failure;
use super::reads::At;
use landlord_compute::provider::converge::Converge;
use landlord_compute::provider::{Context, Looked};

/// How many tenants are looked at at a time: as many as ten requests a burst leaves, until the tasks are listed.
const AT_A_TIME: usize = 2_000;
/// How many requests for tasks are made at a time.
const TASK_REQUESTS: usize = 8;

/// What is looked up once for all tenants of a cluster.
#[derive(Default)]
struct Clusters(Mutex<HashMap<Place, Arc<Listed>>>);

/// The tasks of a cluster, once they are known.
type Listed = OnceCell<Result<Tasks, Failure>>;

/// The tasks of a cluster that should run, by the service that they are of.
struct Tasks {
    begun: Timestamp,
    by_service: BTreeMap<String, Vec<Task>>,
}

/// Looks at tenants.
pub(super) fn all<'a>(methods: &'a Converge<Ecs>, tenants: BoxStream<'a, Context>) -> BoxStream<'a, Looked> {
    let clusters = Arc::new(Clusters::default());
    let looked = tenants.map(move |cx| {
        let clusters = Arc::clone(&clusters);
        async move {
            let begun = cx.now();
            let (begun, status) = match together(methods, &clusters, &cx).await {
                Ok(Some((since, status))) => (since.min(begun), Ok(status)),
                Ok(None) => (cx.now(), methods.look(&cx).await),
                Err(error) => (begun, Err(error)),
            };
            Looked { tenant: cx.subject.tenant.clone(), begun, status }
        }
    });
    looked.buffer_unordered(AT_A_TIME).boxed()
}

/// How a tenant is, by what is asked for many; none, where that does not tell.
async fn together(
    methods: &Converge<Ecs>,
    clusters: &Clusters,
    cx: &Context,
) -> Result<Option<(Timestamp, ComputeStatus)>, ProviderError> {
    let ecs = methods.api();
    let mut facts = methods.facts(cx)?;
    EcsPlanner::stale(&mut facts);
    let site = facts.site().cloned().unwrap_or_else(|| Site::of(&ecs.defaults, &cx.subject.tenant));
    let at = ecs.at(&site.place, cx).await;
    let failed = |failure: Failure| ProviderError { kind: ErrorKind::StatusFailed, ..failure.into_error() };
    let [describe, find] = facts.calls_of_a_look(site.clone(), &cx.subject);
    let cell = clusters.of(&site.place);
    let listed = cell.get_or_init(|| async {
        let at = ecs.at_for(&site.place, Who { tenant: None, rank: Rank::Look }).await;
        at.all_tasks(cx.now()).await
    });
    let (listed, service) = futures_util::join!(listed, at.describe_service(&site.name));
    let tasks = listed.as_ref().map_err(|failure| failed(failure.clone()))?;
    let Some(service) = service.map_err(failed)?.as_ref().and_then(answer::service) else { return Ok(None) };
    let its = tasks.by_service.get(&site.name).cloned().unwrap_or_default();
    // What was listed before is not of a deployment that came since.
    let runs = its.iter().filter(|task| service.runs(task)).count();
    let is_whole = runs >= usize::try_from(service.running).unwrap_or(usize::MAX);
    let now = cx.now();
    EcsPlanner::learn(&mut facts, &describe, Ok(EcsReply::Service(Some(Box::new(service)))), now);
    EcsPlanner::learn(&mut facts, &find, Ok(EcsReply::Tasks(its)), now);
    let Ok(status) = methods.status(cx, &facts) else { return Ok(None) };
    let is_plain = match (status.state, status.health) {
        (ComputeState::Running, _) => is_whole,
        (ComputeState::Stopped, Health::Healthy) => true,
        (
            ComputeState::Stopped
            | ComputeState::Starting
            | ComputeState::Stopping
            | ComputeState::Failed
            | ComputeState::Unknown,
            _,
        ) => false,
    };
    Ok(is_plain.then_some((tasks.begun, status)))
}

impl Clusters {
    fn of(&self, place: &Place) -> Arc<Listed> {
        let mut clusters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(clusters.entry(place.clone()).or_default())
    }
}

impl At {
    /// The tasks of all services of the cluster that should run.
    async fn all_tasks(&self, begun: Timestamp) -> Result<Tasks, Failure> {
        let described = self.pages_of_tasks().map_ok(|arns| self.describe_tasks(arns));
        let described = described.try_buffer_unordered(TASK_REQUESTS);
        let by_service = described.try_fold(BTreeMap::new(), async |mut by_service, tasks| {
            for task in tasks {
                let service = task.group().and_then(|group| group.strip_prefix("service:"));
                if let (Some(service), Some(task)) = (service, answer::task(&task)) {
                    let of_service: &mut Vec<Task> = by_service.entry(service.to_owned()).or_default();
                    of_service.push(task);
                }
            }
            Ok(by_service)
        });
        Ok(Tasks { begun, by_service: by_service.await? })
    }

    /// The ARNs of the cluster's tasks that should run, a page at a time.
    fn pages_of_tasks(&self) -> impl stream::Stream<Item = Result<Vec<String>, Failure>> {
        stream::try_unfold(Some(None), async |next| {
            let Some(token) = next else { return Ok(None) };
            let (arns, token) = self.page_of_tasks(token).await?;
            Ok(Some((arns, token.map(Some))))
        })
    }
}
