//! A proxy in front of moto that plays the scheduler: it passes every call on, and answers with what [`Rollouts`] says
//! about deployments and tasks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::http;
use super::rollouts::{Breaker, Container, Deployment, Fate, Origin, Rollouts, Service, Stage};

const TARGET: &str = "AmazonEC2ContainerServiceV20141113";

/// The proxy, on a thread of its own until the process ends: it belongs to no test's runtime.
#[derive(Debug)]
pub(super) struct Scheduler {
    url: String,
    proxy: Arc<Proxy>,
}

#[derive(Debug, Default)]
struct Proxy {
    moto: OnceLock<String>,
    rollouts: Mutex<Rollouts>,
}

impl Scheduler {
    /// Takes a port; answers 503 there until it is told where moto is.
    pub(super) fn start() -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let proxy = Arc::new(Proxy::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let served = Arc::clone(&proxy);
        std::thread::Builder::new().name("scheduler of moto".to_owned()).spawn(move || {
            // It ends with the process, or when the listener is broken, which the tests then see.
            let _ended = runtime.block_on(serve(listener, served));
        })?;
        Ok(Self { url, proxy })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn serve(&self, moto: String) {
        self.proxy.moto.get_or_init(|| moto);
    }
}

async fn serve(listener: std::net::TcpListener, proxy: Arc<Proxy>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| handle(Arc::clone(&proxy), request));
            // A client that goes away ends its connection, no more.
            let _closed = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn handle(
    proxy: Arc<Proxy>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let call = EcsCall {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head
            .headers
            .iter()
            // What belongs to a connection is not passed on; moto's has its own.
            .filter(|(name, _)| {
                !["host", "content-length", "connection", "transfer-encoding"].contains(&name.as_str())
            })
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        body,
    };
    let answer = tokio::task::spawn_blocking(move || proxy.answer(&call)).await;
    let (status, headers, body) = match answer {
        Ok(Ok(answer)) => (answer.status, answer.headers, answer.body),
        Ok(Err(error)) => (503, Vec::new(), format!("moto: {error}").into_bytes()),
        Err(error) => (500, Vec::new(), format!("the scheduler: {error}").into_bytes()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status.try_into().unwrap_or(hyper::StatusCode::BAD_GATEWAY);
    for (name, value) in headers {
        if ["content-type", "x-amzn-requestid", "x-amzn-errortype"].contains(&name.as_str())
            && let (Ok(name), Ok(value)) = (hyper::header::HeaderName::try_from(name), value.try_into())
        {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// A call on its way to moto.
#[derive(Clone)]
struct EcsCall {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl EcsCall {
    fn operation(&self) -> &str {
        let target = self.headers.iter().find(|(name, _)| name == "x-amz-target");
        let target = target.and_then(|(_, target)| target.split_once('.'));
        target.filter(|(service, _)| *service == TARGET).map_or("", |(_, operation)| operation)
    }

    /// Another operation by the same caller.
    fn instead(&self, operation: &str, body: &Value) -> Self {
        let mut call = self.clone();
        for (name, value) in &mut call.headers {
            if name == "x-amz-target" {
                *value = format!("{TARGET}.{operation}");
            }
        }
        call.body = Bytes::from(body.to_string());
        call
    }
}

impl Proxy {
    fn answer(&self, call: &EcsCall) -> std::io::Result<http::Answer> {
        let asked: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        match call.operation() {
            "ListTasks" if asked["serviceName"].is_string() => self.list_tasks(call, &asked),
            "DescribeTasks" => Ok(self.describe_tasks(&asked)),
            "StopServiceDeployment" => Ok(self.stop_service_deployment(&asked)),
            operation => {
                let mut answer = self.moto(call)?;
                if answer.status == 200 {
                    let mut said = answer.json();
                    if self.passed(operation, &asked, &mut said) {
                        answer.body = said.to_string().into_bytes();
                    }
                }
                Ok(answer)
            }
        }
    }

    fn moto(&self, call: &EcsCall) -> std::io::Result<http::Answer> {
        let moto = self.moto.get().ok_or_else(|| std::io::Error::other("has not started"))?;
        let headers: Vec<(&str, &str)> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        http::send(moto, &call.method, &call.path, &headers, &call.body)
    }

    fn rollouts(&self) -> std::sync::MutexGuard<'_, Rollouts> {
        self.rollouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what moto has done. True when its answer is now another.
    fn passed(&self, operation: &str, asked: &Value, said: &mut Value) -> bool {
        let mut rollouts = self.rollouts();
        let service = &mut said["service"];
        let arn = text(&service["serviceArn"]);
        let desired = number(&service["desiredCount"]);
        match operation {
            "RegisterTaskDefinition" => {
                let definition = &said["taskDefinition"];
                let containers = array(&definition["containerDefinitions"]).map(|container| Container {
                    name: text(&container["name"]),
                    image: text(&container["image"]),
                });
                rollouts.registered(&text(&definition["taskDefinitionArn"]), containers.collect());
                false
            }
            "CreateService" => {
                let definition = definition_arn(&arn, &service["taskDefinition"]);
                rollouts.created(&arn, &definition, desired, breaker(asked).unwrap_or(Breaker::Off));
                rewrite(service, rollouts.service(&arn))
            }
            "UpdateService" => {
                let definition = definition_arn(&arn, &service["taskDefinition"]);
                let forced = asked["forceNewDeployment"] == true;
                rollouts.updated(&arn, &definition, forced, desired, breaker(asked));
                rewrite(service, rollouts.service(&arn))
            }
            "DeleteService" => {
                rollouts.deleted(&arn);
                rewrite(service, rollouts.service(&arn))
            }
            "DescribeServices" => {
                let services = said["services"].as_array_mut().into_iter().flatten();
                services.for_each(|service| {
                    let arn = text(&service["serviceArn"]);
                    rewrite(service, rollouts.look(&arn));
                });
                true
            }
            _ => false,
        }
    }

    /// The ARN of the service that a call names, or moto's refusal, or that there is none.
    fn service_arn(
        &self,
        call: &EcsCall,
        cluster: &Value,
        service: &Value,
    ) -> std::io::Result<Result<String, http::Answer>> {
        let described = self
            .moto(&call.instead("DescribeServices", &json!({ "cluster": cluster, "services": [service] })))?;
        let arn = described.json()["services"][0]["serviceArn"].as_str().map(str::to_owned);
        Ok(match arn {
            Some(arn) => Ok(arn),
            None if described.status != 200 => Err(described),
            None => Err(refusal("ServiceNotFoundException", "Service not found.")),
        })
    }

    fn list_tasks(&self, call: &EcsCall, asked: &Value) -> std::io::Result<http::Answer> {
        let cluster = asked.get("cluster").cloned().unwrap_or(json!("default"));
        let arn = match self.service_arn(call, &cluster, &asked["serviceName"])? {
            Ok(arn) => arn,
            Err(refusal) => return Ok(refusal),
        };
        let stopped = asked["desiredStatus"] == "STOPPED";
        let rollouts = self.rollouts();
        let mut tasks = Vec::new();
        if let Some(service) = rollouts.service(&arn) {
            for deployment in &service.deployments {
                let alive = service.tasks(deployment);
                let (first, count) = match stopped {
                    true => (0, deployment.crashed()),
                    false => (deployment.crashed(), alive.running() + alive.pending()),
                };
                tasks.extend((first..first + count).map(|number| task_arn(&arn, deployment, number)));
            }
        }
        Ok(answer(&json!({ "taskArns": tasks })))
    }

    fn describe_tasks(&self, asked: &Value) -> http::Answer {
        let rollouts = self.rollouts();
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for arn in array(&asked["tasks"]).map(text) {
            match task(&rollouts, &arn) {
                Some(task) => tasks.push(task),
                None => failures.push(json!({ "arn": arn, "reason": "MISSING" })),
            }
        }
        answer(&json!({ "tasks": tasks, "failures": failures }))
    }

    fn stop_service_deployment(&self, asked: &Value) -> http::Answer {
        let arn = text(&asked["serviceDeploymentArn"]);
        let mut rollouts = self.rollouts();
        let id = arn.rsplit('/').next().and_then(|id| id.parse().ok());
        match id.filter(|id| rollouts.of_deployment(*id).is_some()) {
            None => refusal("ServiceDeploymentNotFoundException", "The service deployment was not found."),
            Some(id) if rollouts.stop(id) => answer(&json!({ "serviceDeploymentArn": arn })),
            Some(_) => refusal("ConflictException", "The service deployment is not in progress."),
        }
    }
}

/// Puts what is known about a service into moto's description of it. True when it is known.
fn rewrite(described: &mut Value, service: Option<&Service>) -> bool {
    let Some(service) = service else { return false };
    let gone = described["status"] != "ACTIVE";
    let template = described["deployments"][0].clone();
    let deployments: Vec<Value> = service
        .deployments
        .iter()
        .rev()
        .filter(|deployment| !gone && deployment.stage != Stage::Stopped)
        .map(|deployment| {
            let mut value = template.clone();
            let alive = service.tasks(deployment);
            let primary = deployment.id == service.primary().id;
            let desired = if deployment.stage == Stage::Failed { 0 } else { service.desired };
            let (state, reason) = rollout(service, deployment);
            value["id"] = json!(deployment_id(deployment));
            value["status"] = json!(if primary { "PRIMARY" } else { "ACTIVE" });
            value["taskDefinition"] = json!(deployment.task_definition);
            value["desiredCount"] = json!(desired);
            value["runningCount"] = json!(alive.running());
            value["pendingCount"] = json!(alive.pending());
            value["failedTasks"] = json!(deployment.crashed());
            value["rolloutState"] = json!(state);
            value["rolloutStateReason"] = json!(reason);
            value
        })
        .collect();
    let count = |field: &str| deployments.iter().map(|deployment| number(&deployment[field])).sum::<u32>();
    described["runningCount"] = json!(count("runningCount"));
    described["pendingCount"] = json!(count("pendingCount"));
    described["taskDefinition"] = json!(service.primary().task_definition);
    described["deployments"] = json!(deployments);
    // A rollback is part of the service deployment that failed.
    let asked = service.deployments.iter().rev().find(|deployment| deployment.origin == Origin::Asked);
    let current = asked.unwrap_or(service.primary());
    let arn = text(&described["serviceArn"]).replacen(":service/", ":service-deployment/", 1);
    described["currentServiceDeployment"] = json!(format!("{arn}/{}", current.id));
    true
}

fn rollout(service: &Service, deployment: &Deployment) -> (&'static str, String) {
    let id = deployment_id(deployment);
    match deployment.stage {
        Stage::Going { .. } => ("IN_PROGRESS", format!("ECS deployment {id} in progress.")),
        Stage::Completed => ("COMPLETED", format!("ECS deployment {id} completed.")),
        Stage::Failed | Stage::Stopped if service.primary().origin == Origin::Rollback => {
            let back = deployment_id(service.primary());
            ("FAILED", format!("ECS deployment circuit breaker: rolling back to deploymentId {back}."))
        }
        Stage::Failed | Stage::Stopped => {
            ("FAILED", "ECS deployment circuit breaker: tasks failed to start.".to_owned())
        }
    }
}

/// A task, from its ARN alone: it says deployment and number.
fn task(rollouts: &Rollouts, arn: &str) -> Option<Value> {
    let id = u128::from_str_radix(arn.rsplit('/').next()?, 16).ok()?;
    let (deployment, number) =
        (u64::try_from(id >> 64).ok()?, u32::try_from(id & u128::from(u64::MAX)).ok()?);
    let (service_arn, service, deployment) = rollouts.of_deployment(deployment)?;
    let crashed = number < deployment.crashed();
    let alive = service.tasks(deployment);
    let status = match (crashed, alive.pending() > 0) {
        (true, _) => "STOPPED",
        (false, true) => "PENDING",
        (false, false) if alive.running() == 0 => "STOPPED",
        (false, false) => "RUNNING",
    };
    let health = match (status, deployment.fate) {
        ("RUNNING", Fate::NeverHealthy) => "UNHEALTHY",
        ("RUNNING", Fate::Completes | Fate::Crashes) => "HEALTHY",
        _ => "UNKNOWN",
    };
    let containers: Vec<Value> = deployment
        .containers
        .iter()
        .map(|container| {
            let mut value = json!({
                "name": container.name, "image": container.image, "taskArn": arn,
                "lastStatus": status, "healthStatus": health,
            });
            if status == "STOPPED" {
                value["exitCode"] = json!(i32::from(crashed));
            }
            value
        })
        .collect();
    let mut task = json!({
        "taskArn": arn,
        "clusterArn": cluster_arn(service_arn),
        "taskDefinitionArn": deployment.task_definition,
        "group": format!("service:{}", service_arn.rsplit('/').next()?),
        "startedBy": deployment_id(deployment),
        "lastStatus": status,
        "desiredStatus": if status == "STOPPED" { "STOPPED" } else { "RUNNING" },
        "healthStatus": health,
        "containers": containers,
        "attachments": [{
            "type": "ElasticNetworkInterface",
            "status": "ATTACHED",
            "details": [{ "name": "privateIPv4Address", "value": format!("10.0.{}.{}", deployment.id % 256, number % 256) }],
        }],
    });
    if crashed {
        task["stopCode"] = json!("EssentialContainerExited");
        task["stoppedReason"] = json!("Essential container in task exited");
    }
    Some(task)
}

fn task_arn(service: &str, deployment: &Deployment, number: u32) -> String {
    let cluster = cluster_arn(service).replacen(":cluster/", ":task/", 1);
    format!("{cluster}/{:032x}", u128::from(deployment.id) << 64 | u128::from(number))
}

/// `…:service/cluster/name` is of `…:cluster/cluster`.
fn cluster_arn(service: &str) -> String {
    let (cluster, _) = service.rsplit_once('/').unwrap_or((service, ""));
    cluster.replacen(":service/", ":cluster/", 1)
}

/// A task definition may be named by family and revision too.
fn definition_arn(service: &str, named: &Value) -> String {
    let named = text(named);
    match service.split_once(":service/") {
        Some((prefix, _)) if !named.starts_with("arn:") => format!("{prefix}:task-definition/{named}"),
        _ => named,
    }
}

fn deployment_id(deployment: &Deployment) -> String {
    format!("ecs-svc/{:019}", deployment.id)
}

fn breaker(asked: &Value) -> Option<Breaker> {
    let breaker = asked["deploymentConfiguration"].get("deploymentCircuitBreaker")?;
    Some(match (breaker["enable"] == true, breaker["rollback"] == true) {
        (false, _) => Breaker::Off,
        (true, false) => Breaker::On,
        (true, true) => Breaker::Rollback,
    })
}

fn answer(body: &Value) -> http::Answer {
    said(200, body)
}

fn refusal(code: &str, message: &str) -> http::Answer {
    said(400, &json!({ "__type": code, "message": message }))
}

fn said(status: u16, body: &Value) -> http::Answer {
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amzn-requestid", "scheduler")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    http::Answer { status, headers, body: body.to_string().into_bytes() }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_default()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
