//! What the tests of this provider share: a server that the real SDK talks to, and that answers what a test says.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use landlord_state_machines::id::{Incarnation, ProviderName, TenantId};
use landlord_state_machines::planner::ecs::{EcsCall, EcsConfig, EcsReply, Place, Site, tags};
use landlord_state_machines::planner::{CallError, Subject};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::api::Ecs;
use super::clients::Clients;
use landlord_compute::clock::SystemClock;
use landlord_compute::provider::Context;
use landlord_compute::provider::converge::Api;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// AWS's name of it.
    pub(super) operation: String,
    /// What it says; of the token service, the form as a text.
    pub(super) body: Value,
}

/// What a test answers.
pub(super) enum Answer {
    /// A status, headers, and a body.
    With(u16, Vec<(&'static str, &'static str)>, String),
    /// The connection is closed.
    Cut,
    /// Nothing, for ever.
    Never,
}

/// An answer that all is well.
pub(super) fn ok(body: Value) -> Answer {
    Answer::With(200, Vec::new(), body.to_string())
}

/// An answer of AWS that says no.
pub(super) fn refuse(status: u16, code: &str, words: &str) -> Answer {
    let body = json!({ "__type": code, "message": words });
    Answer::With(status, vec![("x-amzn-requestid", "request-1")], body.to_string())
}

/// The server; it ends with the test.
pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (answer, log) = (Arc::new(answer), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                let service = service_fn(move |request| {
                    let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                    async move { serve(request, &*answer, &log).await }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, seen, task: task.abort_handle() }
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The names of the requests so far.
    pub(super) fn operations(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.operation).collect()
    }

    /// The provider's API over this server.
    pub(super) fn ecs(&self) -> Ecs {
        ecs(&self.url, Some(SharedCredentialsProvider::new(credentials())))
    }

    pub(super) fn place(&self) -> Place {
        Place::of(&config(&self.url))
    }

    /// The place of the tenant `acme`.
    pub(super) fn site(&self) -> Site {
        Site::of(&config(&self.url), &subject().tenant)
    }

    /// Makes one call.
    pub(super) async fn call(&self, call: &EcsCall) -> Result<EcsReply, CallError> {
        self.ecs().call(&cx(), call).await
    }
}

pub(super) fn ecs(url: &str, credentials: Option<SharedCredentialsProvider>) -> Ecs {
    Ecs { clients: Clients::new(credentials, None, 1), defaults: config(url) }
}

pub(super) fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "the-secret-key", None, None, "test")
}

pub(super) fn config(url: &str) -> EcsConfig {
    EcsConfig::read(&json!({ "cluster": "main", "region": "eu-west-1", "endpoint_url": url })).unwrap()
}

pub(super) fn subject() -> Subject {
    Subject {
        engine: "test".into(),
        provider: ProviderName::new("ecs").unwrap(),
        tenant: TenantId::new("acme").unwrap(),
        incarnation: Incarnation(1),
    }
}

pub(super) fn cx() -> Context {
    Context::alone(subject(), Arc::new(SystemClock))
}

/// The subject's tags as ECS has them.
pub(super) fn marks(subject: &Subject) -> Value {
    tags::of(subject).into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

/// A service as ECS has it.
pub(super) fn service(name: &str, subject: &Subject) -> Value {
    json!({
        "serviceArn": format!("arn:aws:ecs:eu-west-1:123456789012:service/main/{name}"),
        "serviceName": name, "status": "ACTIVE", "tags": marks(subject),
    })
}

async fn serve(
    request: Request<Incoming>,
    answer: &(dyn Fn(&Seen) -> Answer + Send + Sync),
    log: &Mutex<Vec<Seen>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let target = request.headers().get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let seen = match target {
        Some(target) => Seen {
            operation: target.rsplit_once('.').unwrap().1.to_owned(),
            body: serde_json::from_slice(&body).unwrap(),
        },
        None => {
            let form = String::from_utf8(body.to_vec()).unwrap();
            let action = form.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap().to_owned();
            Seen { operation: action, body: form.into() }
        }
    };
    log.lock().unwrap().push(seen.clone());
    match answer(&seen) {
        Answer::With(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::from(body)).unwrap())
        }
        Answer::Cut => Err(std::io::Error::other("the test cuts the connection")),
        Answer::Never => std::future::pending().await,
    }
}
