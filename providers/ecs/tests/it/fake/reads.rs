//! The reads of clusters, services and tasks.

use serde_json::{Value, json};

use super::home::{Home, Now, Service, ServiceStatus, service_name};
use super::show;
use super::task::Task;
use super::wire::{Answer, Refusal, page, text, texts};

impl Home {
    pub(super) fn create_cluster(&mut self, _: &Now, body: &Value) -> Answer {
        let name = text(body, "clusterName").unwrap_or("default").to_owned();
        let cluster = self.make_cluster(&name);
        Ok(
            json!({ "cluster": { "clusterArn": cluster.arn, "clusterName": cluster.name, "status": "ACTIVE" } }),
        )
    }

    pub(super) fn describe_clusters(&mut self, _: &Now, body: &Value) -> Answer {
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for named in texts(body, "clusters") {
            match self.cluster(&json!({ "cluster": named })) {
                Ok(cluster) => found.push(json!({
                    "clusterArn": cluster.arn,
                    "clusterName": cluster.name,
                    "status": "ACTIVE",
                    "activeServicesCount": cluster.services.len(),
                })),
                Err(_) => failures.push(json!({ "arn": named, "reason": "MISSING" })),
            }
        }
        Ok(json!({ "clusters": found, "failures": failures }))
    }

    pub(super) fn list_services(&mut self, now: &Now, body: &Value) -> Answer {
        let cluster = self.cluster(body)?;
        let seen = cluster.services.values().filter_map(|row| row.seen(now.at, now.pace.lag).as_ref());
        // A service that drains is described, but no longer listed.
        let active = seen.filter(|service| service.status == ServiceStatus::Active);
        let arns = active.map(|service| service.arn.clone()).collect();
        let (arns, next) = page(arns, body, 10, 100)?;
        Ok(json!({ "serviceArns": arns, "nextToken": next }))
    }

    pub(super) fn describe_services(&mut self, now: &Now, body: &Value) -> Answer {
        let named = texts(body, "services");
        if named.is_empty() {
            return Err(Refusal::parameter("Services cannot be empty."));
        }
        if named.len() > 10 {
            return Err(Refusal::parameter("Services cannot have more than 10 elements."));
        }
        let with_tags = texts(body, "include").contains(&"TAGS");
        let cluster = self.cluster(body)?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        let cluster_arn = cluster.arn.clone();
        for name in named {
            let seen = cluster.service(name).and_then(|row| row.seen(now.at, now.pace.lag).as_ref());
            let forgotten = |service: &Service| match service.status {
                ServiceStatus::Inactive { since } => now.since(since) >= now.pace.remembered,
                ServiceStatus::Active | ServiceStatus::Draining { .. } => false,
            };
            match seen.filter(|service| !forgotten(service)) {
                Some(service) => found.push(show::service(service, now, &cluster_arn, with_tags)),
                None => {
                    let arn = cluster_arn.replacen(":cluster/", ":service/", 1);
                    failures
                        .push(json!({ "arn": format!("{arn}/{}", service_name(name)), "reason": "MISSING" }));
                }
            }
        }
        Ok(json!({ "services": found, "failures": failures }))
    }

    pub(super) fn list_tasks(&mut self, now: &Now, body: &Value) -> Answer {
        let cluster = self.cluster(body)?;
        let arn = cluster.arn.replacen(":cluster/", ":task/", 1);
        let stopped = match text(body, "desiredStatus").unwrap_or("RUNNING") {
            "STOPPED" => true,
            "RUNNING" => false,
            other => return Err(Refusal::parameter(format!("Invalid desired status: {other}."))),
        };
        let wants = |task: &Task| task.end.is_some() == stopped && task.created + now.pace.lag <= now.at;
        let tasks = |service: &Service| -> Vec<String> {
            service.tasks.iter().filter(|task| wants(task)).map(|task| format!("{arn}/{}", task.id)).collect()
        };
        let arns: Vec<String> = match text(body, "serviceName") {
            Some(named) => {
                let service = cluster.service(named).and_then(|row| row.is.as_ref());
                let there = service.filter(|service| service.is_there());
                tasks(there.ok_or_else(|| Refusal::new("ServiceNotFoundException", "Service not found."))?)
            }
            None => {
                let family = text(body, "family").map(|family| format!(":task-definition/{family}:"));
                let of = |service: &&Service| {
                    family.as_ref().is_none_or(|family| service.definition.contains(family.as_str()))
                };
                cluster
                    .services
                    .values()
                    .filter_map(|row| row.is.as_ref())
                    .filter(of)
                    .flat_map(tasks)
                    .collect()
            }
        };
        let (arns, next) = page(arns, body, 100, 100)?;
        Ok(json!({ "taskArns": arns, "nextToken": next }))
    }

    pub(super) fn describe_tasks(&mut self, now: &Now, body: &Value) -> Answer {
        let named = texts(body, "tasks");
        if named.is_empty() {
            return Err(Refusal::parameter("Tasks cannot be empty."));
        }
        if named.len() > 100 {
            return Err(Refusal::parameter("Tasks cannot have more than 100 elements."));
        }
        let with_tags = texts(body, "include").contains(&"TAGS");
        let cluster = self.cluster(body)?;
        let services = || cluster.services.values().filter_map(|row| row.is.as_ref());
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in named {
            let id = name.rsplit('/').next().unwrap_or(name);
            let of = services()
                .find_map(|service| Some((service.tasks.iter().find(|task| task.id == id)?, service)));
            match of {
                Some((task, service)) => found.push(show::task(task, service, now, &cluster.arn, with_tags)),
                None => failures.push(json!({ "arn": name, "reason": "MISSING" })),
            }
        }
        Ok(json!({ "tasks": found, "failures": failures }))
    }
}
