//! The writes on services.

use serde_json::{Map, Value, json};

use super::definition_rules::is_name;
use super::home::{Home, Journey, Now, Service, ServiceStatus, Token, service_name};
use super::lagged::Lagged;
use super::scheduler::Scheduler;
use super::show;
use super::tags;
use super::wire::{Answer, Refusal, list, text};

/// What a service revision is made of, beside its task definition: a change of one of these is deployed, and a
/// rollback takes it back.
pub(super) const DEPLOYED: [&str; 6] = [
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "networkConfiguration",
    "loadBalancers",
    "serviceRegistries",
];

/// What else is shown as it was asked for.
pub(super) const OTHER: [&str; 8] = [
    "deploymentConfiguration",
    "healthCheckGracePeriodSeconds",
    "schedulingStrategy",
    "deploymentController",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
    "availabilityZoneRebalancing",
];

/// What AWS fills in.
fn defaults() -> Map<String, Value> {
    let defaults = json!({
        "deploymentConfiguration": deployment_configuration(&json!({}), &json!({})),
        "schedulingStrategy": "REPLICA",
        "deploymentController": { "type": "ECS" },
        "enableECSManagedTags": false,
        "propagateTags": "NONE",
        "enableExecuteCommand": false,
        "loadBalancers": [],
        "serviceRegistries": [],
    });
    defaults.as_object().cloned().unwrap_or_default()
}

/// The deployment configuration, field by field over what it was.
fn deployment_configuration(was: &Value, asked: &Value) -> Value {
    let field = |name: &str, default: Value| match (&asked[name], &was[name]) {
        (Value::Null, Value::Null) => default,
        (Value::Null, was) => was.clone(),
        (asked, _) => asked.clone(),
    };
    json!({
        "deploymentCircuitBreaker": field("deploymentCircuitBreaker", json!({ "enable": false, "rollback": false })),
        "maximumPercent": field("maximumPercent", json!(200)),
        "minimumHealthyPercent": field("minimumHealthyPercent", json!(100)),
    })
}

/// Takes over what a request sets.
fn set(settings: &mut Map<String, Value>, body: &Value) {
    for name in DEPLOYED.into_iter().chain(OTHER) {
        let Some(asked) = body.get(name).filter(|asked| !asked.is_null()) else { continue };
        let value = match name {
            "deploymentConfiguration" => deployment_configuration(&settings[name], asked),
            "networkConfiguration" => network(asked),
            _ => asked.clone(),
        };
        settings.insert(name.to_owned(), value);
        // One excludes the other.
        match name {
            "launchType" => settings.remove("capacityProviderStrategy"),
            "capacityProviderStrategy" => settings.remove("launchType"),
            _ => None,
        };
    }
    let fargate = settings.get("launchType").is_some_and(|launch| launch == "FARGATE");
    if fargate {
        settings.entry("platformVersion").or_insert(json!("LATEST"));
    }
}

/// A network configuration, with what AWS fills in.
fn network(asked: &Value) -> Value {
    let vpc = &asked["awsvpcConfiguration"];
    json!({ "awsvpcConfiguration": {
        "subnets": vpc["subnets"],
        "securityGroups": if vpc["securityGroups"].is_array() { vpc["securityGroups"].clone() } else { json!([]) },
        "assignPublicIp": vpc["assignPublicIp"].as_str().unwrap_or("DISABLED"),
    } })
}

/// Refuses what does not go together.
fn check(
    settings: &Map<String, Value>,
    body: &Value,
    definition: &Map<String, Value>,
) -> Result<(), Refusal> {
    if text(body, "launchType").is_some() && !list(body, "capacityProviderStrategy").is_empty() {
        let message = "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.";
        return Err(Refusal::parameter(message));
    }
    if definition.get("networkMode").is_some_and(|mode| mode == "awsvpc") {
        let vpc = &settings.get("networkConfiguration").unwrap_or(&Value::Null)["awsvpcConfiguration"];
        if vpc.is_null() {
            let message = "Network Configuration must be provided when networkMode 'awsvpc' is specified.";
            return Err(Refusal::parameter(message));
        }
        let subnets = list(vpc, "subnets");
        if subnets.is_empty() {
            return Err(Refusal::parameter("subnets can not be empty."));
        }
        for (named, kind, prefix, code) in [
            ("subnets", "subnet", "subnet-", "InvalidSubnetID.NotFound"),
            ("securityGroups", "security group", "sg-", "InvalidGroup.NotFound"),
        ] {
            let missing = list(vpc, named).iter().filter_map(Value::as_str);
            if let Some(missing) =
                missing.into_iter().find(|id| !id.starts_with(prefix) || id.ends_with("missing"))
            {
                let what = if kind == "subnet" { "subnet ID" } else { "security group" };
                return Err(Refusal::parameter(format!(
                    "Error retrieving {kind} information for [{missing}]: The {what} '{missing}' does not exist \
                     (ErrorCode: {code})"
                )));
            }
        }
    }
    let launch = settings.get("launchType").and_then(Value::as_str);
    let able = list_of(definition, "requiresCompatibilities");
    if launch == Some("FARGATE") && !able.contains(&"FARGATE") {
        return Err(Refusal::parameter("Task definition does not support launch_type FARGATE."));
    }
    let configuration = &settings["deploymentConfiguration"];
    let (least, most) = (&configuration["minimumHealthyPercent"], &configuration["maximumPercent"]);
    match (least.as_u64(), most.as_u64()) {
        (Some(least), Some(most)) if most <= least && !(least == 0 && most > 0) => {
            Err(Refusal::parameter("maximumPercent must be greater than minimumHealthyPercent."))
        }
        _ => Ok(()),
    }
}

fn list_of<'a>(definition: &'a Map<String, Value>, field: &str) -> Vec<&'a str> {
    let all = definition.get(field).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str).collect()
}

impl Service {
    /// Whether it can be changed, or is on its way out.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self.status, ServiceStatus::Inactive { .. })
    }
}

impl Home {
    /// Lets time pass for these services.
    pub(super) fn schedule(&mut self, now: &Now, cluster: &str, named: &[String]) {
        let Self { clusters, families, ids, .. } = self;
        let Some(cluster) = clusters.get_mut(cluster) else { return };
        for name in named {
            if let Some(service) = cluster.services.get_mut(name).and_then(|row| row.is.as_mut()) {
                Scheduler { pace: &now.pace, families, ids }.until(service, now.at);
            }
        }
    }

    /// Deploys what the service is now.
    fn deploy(&mut self, now: &Now, service: &mut Service) {
        let arn = service.arn.replacen(":service/", ":service-deployment/", 1);
        let arn = format!("{arn}/{:024}", self.ids.next());
        let journey = Journey { arn, status: "IN_PROGRESS", reason: None, created: now.at, finished: None };
        service.arrive(now.at, "STOPPED", Some("A newer service deployment has started.".to_owned()));
        service.journeys.push(journey);
        let id = format!("ecs-svc/{:019}", self.ids.next());
        let reason = format!("ECS deployment {id} in progress.");
        service.deploy(id, now.at, reason);
        service.looked = now.at;
    }

    pub(super) fn create_service(&mut self, now: &Now, body: &Value) -> Answer {
        let name = text(body, "serviceName").unwrap_or_default().to_owned();
        if !is_name(&name) {
            return Err(Refusal::parameter(
                "Service name contains invalid characters. Up to 255 letters (uppercase and lowercase), numbers, hyphens, and underscores are allowed.",
            ));
        }
        let mut asked = body.clone();
        let token = asked.as_object_mut().and_then(|fields| fields.remove("clientToken"));
        let token = token.and_then(|token| token.as_str().map(str::to_owned));
        if token.as_ref().is_some_and(|token| token.len() > 36 || !token.is_ascii()) {
            return Err(Refusal::parameter("clientToken must be up to 36 ASCII characters."));
        }
        let cluster = self.cluster(body)?;
        let (cluster_name, cluster_arn) = (cluster.name.clone(), cluster.arn.clone());
        let not_idempotent = || Refusal::parameter("Creation of service was not idempotent.");
        if let Some(known) = token.as_ref().and_then(|token| cluster.tokens.get(token))
            && now.since(known.at) < now.pace.remembered
        {
            let same = known.asked == asked;
            return if same { Ok(known.answer.clone()) } else { Err(not_idempotent()) };
        }
        if let Some(service) = cluster.services.get(&name).and_then(|row| row.is.as_ref()) {
            match service.status {
                ServiceStatus::Active if service.made_from == asked => {
                    return Ok(json!({ "service": show::service(service, now, &cluster_arn, true) }));
                }
                ServiceStatus::Active => return Err(not_idempotent()),
                ServiceStatus::Draining { .. } => {
                    return Err(Refusal::parameter("Unable to Start a service that is still Draining."));
                }
                ServiceStatus::Inactive { .. } => {}
            }
        }
        let tags = tags::read(body)?;
        let (definition, content) = self.usable(text(body, "taskDefinition").unwrap_or_default())?;
        let mut settings = defaults();
        set(&mut settings, body);
        if !settings.contains_key("launchType") && !settings.contains_key("capacityProviderStrategy") {
            settings.insert("launchType".to_owned(), json!("EC2"));
        }
        check(&settings, body, &content)?;
        let desired = body["desiredCount"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        let mut service = Service {
            arn: self.arn(&format!("service/{cluster_name}/{name}")),
            name: name.clone(),
            status: ServiceStatus::Active,
            created: now.at,
            made_from: asked.clone(),
            settings,
            definition,
            desired,
            tags,
            deployments: Vec::new(),
            journeys: Vec::new(),
            tasks: Vec::new(),
            last_good: None,
            events: Vec::new(),
            looked: now.at,
            sick: false,
        };
        self.deploy(now, &mut service);
        let answer = json!({ "service": show::service(&service, now, &cluster_arn, true) });
        let cluster = self.make_cluster(&cluster_name);
        if let Some(token) = token {
            cluster.tokens.insert(token, Token { asked, answer: answer.clone(), at: now.at });
        }
        let lag = now.pace.lag;
        match cluster.services.get_mut(&name) {
            Some(row) => *row.write(now.at, lag) = Some(service),
            None => {
                cluster.services.insert(name, Lagged::new(None, Some(service), now.at));
            }
        }
        Ok(answer)
    }

    pub(super) fn update_service(&mut self, now: &Now, body: &Value) -> Answer {
        let named = service_name(text(body, "service").unwrap_or_default()).to_owned();
        let cluster = self.cluster(body)?;
        let (cluster_name, cluster_arn) = (cluster.name.clone(), cluster.arn.clone());
        let not_there = || Refusal::new("ServiceNotFoundException", "Service not found.");
        let mut service = cluster.service(&named).and_then(|row| row.is.clone()).ok_or_else(not_there)?;
        if service.status != ServiceStatus::Active {
            return Err(Refusal::new("ServiceNotActiveException", "Service was not ACTIVE."));
        }
        let (definition, content) = match text(body, "taskDefinition") {
            Some(named) => self.usable(named)?,
            None => {
                let running = service.definition.clone();
                let row = self.revision(&running).and_then(|row| row.is.as_ref());
                (running, row.map(|revision| revision.content.clone()).unwrap_or_default())
            }
        };
        let before = (service.definition.clone(), service.settings.clone());
        set(&mut service.settings, body);
        check(&service.settings, body, &content)?;
        service.definition = definition;
        if let Some(count) = body["desiredCount"].as_u64().and_then(|count| u32::try_from(count).ok()) {
            service.desired = count;
            if let Some(primary) = service.deployments.iter_mut().find(|deployment| deployment.primary) {
                primary.desired = count;
            }
        }
        let differs = |name: &str| before.1.get(name) != service.settings.get(name);
        let different = before.0 != service.definition || DEPLOYED.iter().any(|name| differs(name));
        if different || body["forceNewDeployment"] == true {
            self.deploy(now, &mut service);
        }
        let answer = json!({ "service": show::service(&service, now, &cluster_arn, false) });
        let cluster = self.make_cluster(&cluster_name);
        if let Some(row) = cluster.services.get_mut(&named) {
            *row.write(now.at, now.pace.lag) = Some(service);
        }
        Ok(answer)
    }

    pub(super) fn delete_service(&mut self, now: &Now, body: &Value) -> Answer {
        let named = service_name(text(body, "service").unwrap_or_default()).to_owned();
        let cluster = self.cluster(body)?;
        let arn = cluster.arn.clone();
        let not_there = || Refusal::new("ServiceNotFoundException", "Service not found.");
        let row = cluster.service(&named).ok_or_else(not_there)?;
        let is = row.is.as_ref().filter(|service| service.is_there()).ok_or_else(not_there)?;
        if is.desired > 0 && body["force"] != true && is.status == ServiceStatus::Active {
            return Err(Refusal::parameter("The service cannot be stopped while it is scaled above 0."));
        }
        let service = row.write(now.at, now.pace.lag).as_mut().ok_or_else(not_there)?;
        if service.status == ServiceStatus::Active {
            service.status = ServiceStatus::Draining { since: now.at };
            service.desired = 0;
            service.looked = now.at;
            for deployment in &mut service.deployments {
                deployment.desired = 0;
            }
            for task in &mut service.tasks {
                task.stop(now.at, &now.pace, "Scaling activity initiated by deletion of the service");
            }
            service.arrive(now.at, "STOPPED", Some("The service was deleted.".to_owned()));
        }
        Ok(json!({ "service": show::service(service, now, &arn, false) }))
    }
}
