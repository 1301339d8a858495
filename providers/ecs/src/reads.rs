//! The requests that only look.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::http::HttpResponse;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::types::{
    self as sdk, DesiredStatus, ServiceField, SortOrder, TaskDefinitionFamilyStatus, TaskDefinitionField,
    TaskDefinitionStatus,
};
use futures_util::future::try_join;
use landlord_compute::telemetry;
use landlord_state_machines::planner::ecs::{DefinitionStatus, FoundDefinition, Place, Task};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use super::answer;
use super::budget::{Quota, Who};
use super::clients::Account;
use super::error::{Asked, Failure};

/// The most services that one request describes.
pub(super) const DESCRIBED_AT_ONCE: usize = 10;
/// The most tasks that one request describes.
const TASKS_AT_ONCE: usize = 100;
/// How many are listed on a page.
const PAGE: i32 = 100;

/// A cluster, and for whom it is asked.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) account: Arc<Account>,
    pub(super) cluster: String,
    pub(super) who: Who,
}

/// A cluster that can be used, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cluster {
    Active,
    /// It is there, but in this state.
    Not(String),
    Missing,
}

impl At {
    pub(super) fn reads(&self) -> &Client {
        &self.account.reads
    }

    /// Makes one request, once, when it is its turn.
    pub(super) async fn send<T, E>(
        &self,
        quota: Quota,
        api: &str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.turn(quota).await?;
        self.send_now(quota, api, request).await
    }

    /// Waits until one request of this kind may go out.
    pub(super) async fn turn(&self, quota: Quota) -> Result<(), Failure> {
        self.account.budget.turn(quota, &self.who).await.map_err(Failure::kept)
    }

    /// Makes one request whose turn it is.
    pub(super) async fn send_now<T, E>(
        &self,
        quota: Quota,
        api: &str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        // The SDK logs whole requests and answers, with the environments of tasks; what is worth a line is logged here.
        let span = telemetry::request_span(api, &self.cluster);
        let answer = request.with_subscriber(Dispatch::none()).await.map_err(|error| {
            let failure = Failure::of(self.asked(api), &error);
            if failure.throttled {
                self.account.budget.throttled(quota);
            }
            failure
        });
        match &answer {
            Ok(_) => telemetry::request_answered(&span, "ok"),
            Err(failure) => {
                telemetry::request_answered(&span, failure.status());
                telemetry::request_failed(&span);
            }
        }
        answer
    }

    pub(super) fn asked<'a>(&'a self, api: &'a str) -> Asked<'a> {
        Asked { api, cluster: &self.cluster }
    }

    /// The services of these names that are there; at most [`DESCRIBED_AT_ONCE`] names.
    pub(super) async fn describe_services(
        &self,
        names: &BTreeSet<String>,
    ) -> Result<Vec<sdk::Service>, Failure> {
        self.turn(Quota::ServiceRead).await?;
        self.describe_services_now(names).await
    }

    /// The same, when it is its turn.
    pub(super) async fn describe_services_now(
        &self,
        names: &BTreeSet<String>,
    ) -> Result<Vec<sdk::Service>, Failure> {
        let api = "DescribeServices";
        let request = self.reads().describe_services().cluster(&self.cluster).include(ServiceField::Tags);
        let request = request.set_services(Some(names.iter().cloned().collect())).send();
        let answer = self.send_now(Quota::ServiceRead, api, request).await?;
        let mut failures = answer.failures.unwrap_or_default().into_iter();
        match failures.find(|failure| failure.reason() != Some("MISSING")) {
            None => Ok(answer.services.unwrap_or_default()),
            Some(failure) => {
                Err(Failure::partial(self.asked(api), failure.reason().unwrap_or_default(), failure.detail()))
            }
        }
    }

    /// The ARNs of all services.
    pub(super) async fn list_services(&self) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let request = self.reads().list_services().cluster(&self.cluster).max_results(PAGE);
            let request = request.set_next_token(next).send();
            let answer = self.send(Quota::ServiceRead, "ListServices", request).await?;
            all.extend(answer.service_arns.unwrap_or_default());
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(all);
            }
        }
    }

    /// The revisions of exactly this family; ECS's filter takes longer names too, as it is one by prefix.
    pub(super) async fn list_definitions(
        &self,
        family: &str,
        status: DefinitionStatus,
    ) -> Result<BTreeSet<String>, Failure> {
        let status = match status {
            DefinitionStatus::Active => TaskDefinitionStatus::Active,
            DefinitionStatus::Inactive => TaskDefinitionStatus::Inactive,
        };
        let mut all = BTreeSet::new();
        let mut next = None;
        loop {
            let request = self.reads().list_task_definitions().family_prefix(family).status(status.clone());
            let request = request.sort(SortOrder::Desc).max_results(PAGE).set_next_token(next).send();
            let answer = self.send(Quota::DefinitionRead, "ListTaskDefinitions", request).await?;
            let arns = answer.task_definition_arns.unwrap_or_default().into_iter();
            all.extend(arns.filter(|arn| answer::family(arn) == Some(family)));
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(all);
            }
        }
    }

    /// The families whose names begin so, whatever became of their revisions.
    pub(super) async fn list_families(&self, prefix: &str) -> Result<BTreeSet<String>, Failure> {
        let mut all = BTreeSet::new();
        // Not ALL, which not every emulator of ECS knows.
        for status in [TaskDefinitionFamilyStatus::Active, TaskDefinitionFamilyStatus::Inactive] {
            let mut next = None;
            loop {
                let request = self.reads().list_task_definition_families().family_prefix(prefix);
                let request = request.status(status.clone()).max_results(PAGE).set_next_token(next).send();
                let answer = self.send(Quota::DefinitionRead, "ListTaskDefinitionFamilies", request).await?;
                all.extend(answer.families.unwrap_or_default());
                next = answer.next_token.filter(|token| !token.is_empty());
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(all)
    }

    /// A task definition; none when there is no such one, or when it is being deleted.
    pub(super) async fn describe_definition(
        &self,
        definition: &str,
    ) -> Result<Option<FoundDefinition>, Failure> {
        let request = self.reads().describe_task_definition().task_definition(definition);
        let request = request.include(TaskDefinitionField::Tags).send();
        match self.send(Quota::DefinitionRead, "DescribeTaskDefinition", request).await {
            Ok(answer) => {
                let marks = answer.tags.unwrap_or_default();
                Ok(answer.task_definition.as_ref().and_then(|found| answer::definition(found, &marks)))
            }
            // ECS answers this where there is no such definition.
            Err(failure) if failure.is("ClientException") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The containers of a task definition.
    pub(super) async fn containers_of(
        &self,
        definition: &str,
    ) -> Result<Vec<sdk::ContainerDefinition>, Failure> {
        let request = self.reads().describe_task_definition().task_definition(definition).send();
        let answer = self.send(Quota::DefinitionRead, "DescribeTaskDefinition", request).await?;
        Ok(answer.task_definition.and_then(|found| found.container_definitions).unwrap_or_default())
    }

    /// A service's tasks: all that should run, and the latest that stopped.
    pub(super) async fn find_tasks(&self, service: &str) -> Result<Vec<Task>, Failure> {
        let (running, stopped) = try_join(
            self.list_tasks(service, DesiredStatus::Running, usize::MAX),
            self.list_tasks(service, DesiredStatus::Stopped, TASKS_AT_ONCE),
        )
        .await?;
        let arns: BTreeSet<String> = running.into_iter().chain(stopped).collect();
        let arns: Vec<String> = arns.into_iter().collect();
        let mut tasks = Vec::new();
        for some in arns.chunks(TASKS_AT_ONCE) {
            let described = self.describe_tasks(some.to_vec()).await?;
            tasks.extend(described.iter().filter_map(answer::task));
        }
        Ok(tasks)
    }

    /// Tasks, at most [`TASKS_AT_ONCE`] of them.
    pub(super) async fn describe_tasks(&self, arns: Vec<String>) -> Result<Vec<sdk::Task>, Failure> {
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let request = self.reads().describe_tasks().cluster(&self.cluster).set_tasks(Some(arns)).send();
        let answer = self.send(Quota::TaskRead, "DescribeTasks", request).await?;
        Ok(answer.tasks.unwrap_or_default())
    }

    /// A page of the ARNs of the cluster's tasks that should run, and where the next one begins.
    pub(super) async fn page_of_tasks(
        &self,
        token: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), Failure> {
        let request = self.reads().list_tasks().cluster(&self.cluster).max_results(PAGE);
        let request = request.desired_status(DesiredStatus::Running).set_next_token(token).send();
        let answer = self.send(Quota::TaskRead, "ListTasks", request).await?;
        let next = answer.next_token.filter(|token| !token.is_empty());
        Ok((answer.task_arns.unwrap_or_default(), next))
    }

    /// The ARNs of a service's tasks, as many as there are or `most`.
    async fn list_tasks(
        &self,
        service: &str,
        status: DesiredStatus,
        most: usize,
    ) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let request = self.reads().list_tasks().cluster(&self.cluster).service_name(service);
            let request = request.desired_status(status.clone()).max_results(PAGE);
            let request = request.set_next_token(next).send();
            let answer = match self.send(Quota::TaskRead, "ListTasks", request).await {
                Ok(answer) => answer,
                Err(failure)
                    if failure.is("ServiceNotFoundException") || failure.is("ServiceNotActiveException") =>
                {
                    return Ok(Vec::new());
                }
                Err(failure) => return Err(failure),
            };
            all.extend(answer.task_arns.unwrap_or_default());
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() || all.len() >= most {
                all.truncate(most);
                return Ok(all);
            }
        }
    }

    /// Whether the cluster can be used.
    pub(super) async fn describe_cluster(&self) -> Result<Cluster, Failure> {
        let api = "DescribeClusters";
        let request = self.reads().describe_clusters().clusters(&self.cluster).send();
        let answer = self.send(Quota::ClusterRead, api, request).await?;
        if let Some(cluster) = answer.clusters.unwrap_or_default().first() {
            return Ok(match cluster.status().unwrap_or_default() {
                "ACTIVE" => Cluster::Active,
                other => Cluster::Not(other.to_owned()),
            });
        }
        match answer.failures.unwrap_or_default().first() {
            Some(failure) if failure.reason() != Some("MISSING") => {
                Err(Failure::partial(self.asked(api), failure.reason().unwrap_or_default(), failure.detail()))
            }
            Some(_) | None => Ok(Cluster::Missing),
        }
    }
}

/// A place for an error's words and for requests.
pub(super) fn at(account: Arc<Account>, place: &Place, who: Who) -> At {
    At { account, cluster: place.cluster.clone(), who }
}
