//! Service deployments.

use serde_json::{Value, json};

use super::home::{Home, Journey, Now, Service};
use super::wire::{Answer, Refusal, list, page, text, texts};

pub(super) fn shown(journey: &Journey, service: &Service, now: &Now) -> Value {
    json!({
        "serviceDeploymentArn": journey.arn,
        "serviceArn": service.arn,
        "status": journey.status,
        "statusReason": journey.reason,
        "createdAt": now.stamp(journey.created),
        "startedAt": now.stamp(journey.created),
        "finishedAt": journey.finished.map(|at| now.stamp(at)),
    })
}

impl Home {
    pub(super) fn list_service_deployments(&mut self, now: &Now, body: &Value) -> Answer {
        let named = text(body, "service").unwrap_or_default();
        let cluster = self.cluster(body)?;
        let cluster_arn = cluster.arn.clone();
        let row = cluster.service(named).and_then(|row| row.seen(now.at, now.pace.lag).as_ref());
        let service = row.ok_or_else(|| Refusal::new("ServiceNotFoundException", "Service not found."))?;
        let wanted = texts(body, "status");
        let journeys = service.journeys.iter().rev();
        let journeys = journeys.filter(|journey| wanted.is_empty() || wanted.contains(&journey.status));
        let brief = |journey: &Journey| {
            let mut brief = shown(journey, service, now);
            brief["clusterArn"] = json!(cluster_arn);
            brief
        };
        let (deployments, next) = page(journeys.map(brief).collect(), body, 20, 100)?;
        Ok(json!({ "serviceDeployments": deployments, "nextToken": next }))
    }

    /// The service that a service deployment is of.
    fn service_of(&mut self, journey: &str) -> Option<&mut Service> {
        let path = journey.strip_prefix(self.arn("service-deployment/").as_str())?;
        let (cluster, rest) = path.split_once('/')?;
        let (service, _) = rest.split_once('/')?;
        self.clusters.get_mut(cluster)?.services.get_mut(service)?.is.as_mut()
    }

    pub(super) fn describe_service_deployments(&mut self, now: &Now, body: &Value) -> Answer {
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        if list(body, "serviceDeploymentArns").len() > 20 {
            return Err(Refusal::parameter("serviceDeploymentArns cannot have more than 20 elements."));
        }
        for arn in texts(body, "serviceDeploymentArns") {
            let service = self.service_of(arn);
            let journey = service.and_then(|service| {
                service.journeys.iter().find(|journey| journey.arn == arn).map(|one| shown(one, service, now))
            });
            match journey {
                Some(journey) => found.push(journey),
                None => failures.push(json!({ "arn": arn, "reason": "MISSING" })),
            }
        }
        Ok(json!({ "serviceDeployments": found, "failures": failures }))
    }

    pub(super) fn stop_service_deployment(&mut self, now: &Now, body: &Value) -> Answer {
        let arn = text(body, "serviceDeploymentArn").unwrap_or_default();
        let id = format!("ecs-svc/{:019}", self.ids.next());
        let not_there = || {
            Refusal::new(
                "ServiceDeploymentNotFoundException",
                "The service deploy ARN that you specified doesn't exist.",
            )
        };
        let service = self.service_of(arn).ok_or_else(not_there)?;
        let journey = service.journeys.iter_mut().find(|journey| journey.arn == arn).ok_or_else(not_there)?;
        let conflict = |message: &str| Refusal::new("ConflictException", message);
        if journey.status != "IN_PROGRESS" {
            return Err(conflict("The service deployment is not in a state that can be stopped."));
        }
        if text(body, "stopType").unwrap_or("ROLLBACK") != "ROLLBACK" {
            return Err(Refusal::parameter("Only the stop type ROLLBACK is supported."));
        }
        let good = service.last_good.clone();
        let good = good.ok_or_else(|| conflict("There is no completed deployment to roll back to."))?;
        journey.status = "ROLLBACK_REQUESTED";
        journey.reason = Some("Service deployment was stopped by a user.".to_owned());
        if let Some(primary) = service.deployments.iter_mut().find(|deployment| deployment.primary) {
            primary.rollout = super::home::Rollout::Failed;
            primary.reason = "ECS deployment was stopped by a user.".to_owned();
        }
        let reason = format!("ECS deployment stopped: rolling back to deploymentId {}.", good.deployment);
        service.roll_back(&good, id, now.at, reason);
        Ok(json!({ "serviceDeploymentArn": arn }))
    }
}
