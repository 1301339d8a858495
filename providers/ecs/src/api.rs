//! Makes one call of the planner.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use aws_sdk_ecs::error::BuildError;
use aws_sdk_ecs::types::{self as sdk, StopServiceDeploymentStopType};
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::ecs::{
    Create, DefinitionStatus, EcsCall, EcsConfig, EcsPlanner, EcsReply, Place, Register, Site, Update,
};

use super::budget::{Quota, Rank, Who};
use super::clients::Clients;
use super::error::{Failure, NO_CLUSTER};
use super::reads::{At, at};
use super::{answer, request};
use landlord_compute::provider::Context;
use landlord_compute::provider::converge::Api;

/// ECS, as an engine's operator set it up.
#[derive(Debug)]
pub(super) struct Ecs {
    pub(super) clients: Clients,
    /// The operator's configuration.
    pub(super) defaults: EcsConfig,
}

impl Api for Ecs {
    type Planner = EcsPlanner;

    async fn turn(&self, cx: &Context, call: &EcsCall) -> Result<(), CallError> {
        let Some((place, quota)) = written(call) else { return Ok(()) };
        let at = on_heap(|| self.at(place, cx)).await;
        at.turn(quota).await.map_err(CallError::from)
    }

    async fn call(&self, cx: &Context, call: &EcsCall) -> Result<EcsReply, CallError> {
        self.make(cx, call).await.map_err(CallError::from)
    }
}

impl Ecs {
    /// A place, asked for whoever the context is for.
    pub(super) async fn at(&self, place: &Place, cx: &Context) -> At {
        self.at_for(place, Who { tenant: Some(cx.subject.tenant.clone()), rank: Rank::of(cx) }).await
    }

    /// A place, asked for somebody.
    pub(super) async fn at_for(&self, place: &Place, who: Who) -> At {
        at(self.clients.of(place).await, place, who)
    }

    async fn make(&self, cx: &Context, call: &EcsCall) -> Result<EcsReply, Failure> {
        match call {
            EcsCall::Locate(search) => Ok(EcsReply::Located(on_heap(|| self.locate(cx, *search)).await?)),
            EcsCall::DescribeService { site, subject: _ } => {
                let at = self.at(&site.place, cx).await;
                match on_heap(|| at.describe_service(&site.name)).await {
                    Ok(found) => {
                        Ok(EcsReply::Service(found.as_ref().and_then(answer::service).map(Box::new)))
                    }
                    Err(failure) if failure.is(NO_CLUSTER) => Ok(EcsReply::NoCluster(failure.into_error())),
                    Err(failure) => Err(failure),
                }
            }
            EcsCall::ListDefinitions(site, status) => {
                let at = self.at(&site.place, cx).await;
                let found = on_heap(|| at.list_definitions(&site.name, *status)).await?;
                Ok(EcsReply::Definitions(*status, found))
            }
            EcsCall::DescribeDefinition { place, definition, subject: _ } => {
                let at = self.at(place, cx).await;
                Ok(EcsReply::Definition(on_heap(|| at.describe_definition(definition)).await?))
            }
            EcsCall::FindTasks { site, serves: _, checked: _, giving_up: _ } => {
                let at = self.at(&site.place, cx).await;
                Ok(EcsReply::Tasks(on_heap(|| at.find_tasks(&site.name)).await?))
            }
            EcsCall::RegisterDefinition(register) => {
                let at = self.at(&register.site.place, cx).await;
                on_heap(|| at.register(register)).await
            }
            EcsCall::CreateService(create) => {
                let at = self.at(&create.site.place, cx).await;
                on_heap(|| at.create(create)).await
            }
            EcsCall::UpdateService(update) => {
                let at = self.at(&update.site.place, cx).await;
                on_heap(|| at.update(update)).await
            }
            EcsCall::TagService { place, arn, tags } => {
                let at = self.at(place, cx).await;
                on_heap(|| at.tag(arn, tags)).await
            }
            EcsCall::UntagService { place, arn, keys } => {
                let at = self.at(place, cx).await;
                on_heap(|| at.untag(arn, keys)).await
            }
            EcsCall::TagDefinition { place, arn, tags, content: _, labels: _ } => {
                let at = self.at(place, cx).await;
                on_heap(|| at.tag(arn, tags)).await
            }
            EcsCall::UntagDefinition { place, arn, keys, labels: _ } => {
                let at = self.at(place, cx).await;
                on_heap(|| at.untag(arn, keys)).await
            }
            EcsCall::StopDeployment { place, deployment } => {
                let at = self.at(place, cx).await;
                on_heap(|| at.stop(deployment)).await
            }
            EcsCall::DeleteService(site) => {
                let at = self.at(&site.place, cx).await;
                on_heap(|| at.delete(site)).await
            }
            EcsCall::DeregisterDefinition { place, arn } => {
                let at = self.at(place, cx).await;
                on_heap(|| at.deregister(arn)).await
            }
            EcsCall::DeleteDefinitions { place, arns } => {
                let at = self.at(place, cx).await;
                on_heap(|| at.delete_definitions(arns)).await
            }
        }
    }
}

/// Where a call writes, and of which quota. None: it only looks, and waits for the turn of each of its requests.
fn written(call: &EcsCall) -> Option<(&Place, Quota)> {
    match call {
        EcsCall::Locate(_)
        | EcsCall::DescribeService { .. }
        | EcsCall::ListDefinitions(..)
        | EcsCall::DescribeDefinition { .. }
        | EcsCall::FindTasks { .. } => None,
        EcsCall::RegisterDefinition(register) => Some((&register.site.place, Quota::DefinitionModify)),
        EcsCall::DeregisterDefinition { place, .. } => Some((place, Quota::DefinitionModify)),
        EcsCall::DeleteDefinitions { place, .. } => Some((place, Quota::DefinitionDelete)),
        EcsCall::CreateService(create) => Some((&create.site.place, Quota::ServiceModify)),
        EcsCall::UpdateService(update) => Some((&update.site.place, Quota::ServiceModify)),
        EcsCall::StopDeployment { place, .. } => Some((place, Quota::ServiceModify)),
        EcsCall::DeleteService(site) => Some((&site.place, Quota::ServiceModify)),
        EcsCall::TagService { place, .. }
        | EcsCall::UntagService { place, .. }
        | EcsCall::TagDefinition { place, .. }
        | EcsCall::UntagDefinition { place, .. } => Some((place, Quota::Tag)),
    }
}

/// Makes a future where it stays, on the heap. The SDK's are large, and without optimisation the match above would have
/// room on the stack for each of its arms at once, which with the SDK's own depth is more than a thread has.
fn on_heap<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

/// The writes. It is their turn already; what they look up then waits for its own.
impl At {
    async fn tag(&self, arn: &str, tags: &BTreeMap<String, String>) -> Result<EcsReply, Failure> {
        let request = self.account.writes.tag_resource().resource_arn(arn);
        let request = request.set_tags(Some(request::tags(tags).unwrap_or_default())).send();
        self.send_now(Quota::Tag, "TagResource", request).await?;
        Ok(EcsReply::Tagged)
    }

    async fn untag(&self, arn: &str, keys: &BTreeSet<String>) -> Result<EcsReply, Failure> {
        let request = self.account.writes.untag_resource().resource_arn(arn);
        let request = request.set_tag_keys(Some(keys.iter().cloned().collect())).send();
        self.send_now(Quota::Tag, "UntagResource", request).await?;
        Ok(EcsReply::Tagged)
    }

    async fn register(&self, register: &Register) -> Result<EcsReply, Failure> {
        let api = "RegisterTaskDefinition";
        let request = request::register(&self.account.writes, register, self.account.region.as_deref());
        let request = request.map_err(|error| self.not_built(api, &error))?;
        let answer = self.send_now(Quota::DefinitionModify, api, request.send()).await?;
        let arn = answer.task_definition.and_then(|definition| definition.task_definition_arn);
        arn.map(EcsReply::Registered).ok_or_else(|| Failure::incomplete(self.asked(api), "taskDefinitionArn"))
    }

    async fn create(&self, create: &Create) -> Result<EcsReply, Failure> {
        let api = "CreateService";
        let request = request::create(&self.account.writes, create);
        let request = request.map_err(|error| self.not_built(api, &error))?;
        let answer = self.send_now(Quota::ServiceModify, api, request.send()).await?;
        let mut reply = self.service(api, answer.service)?;
        if let EcsReply::Service(Some(service)) = &mut reply
            && service.tags.is_empty()
        {
            // The answer to a creation need not tell its tags.
            service.tags = create.tags.clone();
        }
        Ok(reply)
    }

    async fn update(&self, update: &Update) -> Result<EcsReply, Failure> {
        let api = "UpdateService";
        let request = request::update(&self.account.writes, update);
        let request = request.map_err(|error| self.not_built(api, &error))?;
        let answer = self.send_now(Quota::ServiceModify, api, request.send()).await?;
        self.service(api, answer.service)
    }

    async fn stop(&self, deployment: &str) -> Result<EcsReply, Failure> {
        let request = self.account.writes.stop_service_deployment().service_deployment_arn(deployment);
        let request = request.stop_type(StopServiceDeploymentStopType::Rollback).send();
        match self.send_now(Quota::ServiceModify, "StopServiceDeployment", request).await {
            Ok(_) => Ok(EcsReply::Stopped),
            // It is over, or is being stopped.
            Err(failure)
                if failure.is("ServiceDeploymentNotFoundException") || failure.is("ConflictException") =>
            {
                Ok(EcsReply::Stopped)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn delete(&self, site: &Site) -> Result<EcsReply, Failure> {
        let api = "DeleteService";
        let request = self.account.writes.delete_service().cluster(&self.cluster).service(&site.name);
        match self.send_now(Quota::ServiceModify, api, request.force(true).send()).await {
            Ok(answer) => self.service(api, answer.service),
            Err(failure) if failure.is("ServiceNotFoundException") => Ok(EcsReply::Service(None)),
            // It drains, or is gone.
            Err(failure) if failure.is("ServiceNotActiveException") => {
                let found = self.describe_service(&site.name).await?;
                Ok(EcsReply::Service(found.as_ref().and_then(answer::service).map(Box::new)))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn deregister(&self, arn: &str) -> Result<EcsReply, Failure> {
        let request = self.account.writes.deregister_task_definition().task_definition(arn).send();
        let done = Ok(EcsReply::Deregistered(arn.to_owned()));
        match self.send_now(Quota::DefinitionModify, "DeregisterTaskDefinition", request).await {
            Ok(_) => done,
            // ECS answers this where there is no such service, where it is not active, and for much else.
            Err(failure) if failure.is("ClientException") || failure.is("InvalidParameterException") => {
                match self.describe_definition(arn).await?.map(|found| found.status) {
                    None | Some(DefinitionStatus::Inactive) => done,
                    Some(DefinitionStatus::Active) => Err(failure),
                }
            }
            Err(failure) => Err(failure),
        }
    }

    async fn delete_definitions(&self, arns: &BTreeSet<String>) -> Result<EcsReply, Failure> {
        let api = "DeleteTaskDefinitions";
        let request = self.account.writes.delete_task_definitions();
        let request = request.set_task_definitions(Some(arns.iter().cloned().collect())).send();
        let answer = self.send_now(Quota::DefinitionDelete, api, request).await?;
        let refused = answer.failures.unwrap_or_default();
        let refused: Vec<&sdk::Failure> =
            refused.iter().filter(|failure| !answer::is_gone(failure)).collect();
        let stays = |arn: &&String| refused.iter().any(|failure| failure.arn() == Some(arn));
        let deleted: BTreeSet<String> = arns.iter().filter(|arn| !stays(arn)).cloned().collect();
        match refused.first() {
            Some(failure) if deleted.is_empty() => {
                Err(Failure::partial(self.asked(api), failure.reason().unwrap_or_default(), failure.detail()))
            }
            Some(_) | None => Ok(EcsReply::Deleted(deleted)),
        }
    }

    /// The service as an answer has it.
    fn service(&self, api: &str, service: Option<sdk::Service>) -> Result<EcsReply, Failure> {
        let service = service.ok_or_else(|| Failure::incomplete(self.asked(api), "service"))?;
        Ok(EcsReply::Service(answer::service(&service).map(Box::new)))
    }

    fn not_built(&self, api: &str, error: &BuildError) -> Failure {
        Failure::not_built(self.asked(api), error)
    }
}
