//! What the fake does, over bare HTTP.

mod applying;
mod discovery;
mod images;
mod mishaps;
mod namespaces;
mod objects;
mod quotas;
mod rights;
mod rollouts;
mod stateful;
mod watches;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::fake::{Fake, Kind, Settings};

/// An answer.
#[derive(Clone, Debug)]
struct Answered {
    code: u16,
    body: Value,
    text: String,
    retry_after: Option<String>,
}

impl Answered {
    /// The words of a refusal.
    fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    #[track_caller]
    fn is(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.text);
        self.body
    }

    #[track_caller]
    fn refused(self, code: u16, reason: &str) -> Value {
        assert_eq!((self.code, self.body["reason"].as_str()), (code, Some(reason)), "{}", self.text);
        self.body
    }
}

const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

/// A cluster and a client of it.
struct Bare {
    fake: Fake,
    token: Option<&'static str>,
    accept: &'static str,
}

impl Bare {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        Self { fake: Fake::start(settings), token: None, accept: "application/json" }
    }

    /// With the namespace `acme`, and its service account.
    async fn prepared() -> Self {
        Self::prepared_with(Settings::default()).await
    }

    async fn prepared_with(settings: Settings) -> Self {
        let bare = Self::with(settings);
        bare.post("/api/v1/namespaces", &json!({ "metadata": { "name": "acme" } })).await.is(201);
        bare.account().await;
        bare
    }

    async fn account(&self) {
        let there = |fake: &Fake| fake.object(Kind::ServiceAccount, "acme", "default").map(|_| ());
        self.fake.until("it has a service account", there).await;
    }

    /// Sends a request; the connection is its own.
    async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<hyper::Response<Incoming>, hyper::Error> {
        let address = self.fake.url().replace("http://", "");
        let stream = TcpStream::connect(address.as_str()).await.expect("a connection");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = hyper::Request::builder().method(method).uri(path).header("host", address.as_str());
        request = request.header("content-type", content_type).header("accept", self.accept);
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        sender.send_request(request.body(Full::new(Bytes::from(body))).expect("a request")).await
    }

    async fn try_ask(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Answered, hyper::Error> {
        let response = self.send(method, path, content_type, body).await?;
        let code = response.status().as_u16();
        let header = response.headers().get("retry-after").cloned();
        let bytes = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        let retry_after = header.and_then(|value| value.to_str().ok().map(str::to_owned));
        Ok(Answered { code, body, text, retry_after })
    }

    async fn ask(&self, method: &str, path: &str, content_type: &str, body: Option<&Value>) -> Answered {
        self.try_ask(method, path, content_type, body).await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, "application/json", None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answered {
        self.ask("POST", path, "application/json", Some(body)).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answered {
        self.ask("PUT", path, "application/json", Some(body)).await
    }

    async fn patch(&self, path: &str, content_type: &str, body: &Value) -> Answered {
        self.ask("PATCH", path, content_type, Some(body)).await
    }

    async fn delete(&self, path: &str, options: &Value) -> Answered {
        self.ask("DELETE", path, "application/json", Some(options)).await
    }

    /// Applies it as this manager, in the namespace `acme`.
    async fn apply(&self, manager: &str, body: &Value) -> Answered {
        self.patch(&format!("{}?fieldManager={manager}", path_of(body)), APPLY, body).await
    }
}

/// Where an object of the namespace `acme` is.
fn path_of(body: &Value) -> String {
    let version = body["apiVersion"].as_str().expect("a version");
    let root = if version == "v1" { "api" } else { "apis" };
    let plural = match body["kind"].as_str() {
        Some("NetworkPolicy") => "networkpolicies".to_owned(),
        Some(kind) => format!("{}s", kind.to_lowercase()),
        None => panic!("a kind"),
    };
    let name = body["metadata"]["name"].as_str().expect("a name");
    format!("/{root}/{version}/namespaces/acme/{plural}/{name}")
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/acme/deployments";

/// A deployment of the namespace `acme`.
fn deployment(name: &str, image: &str, replicas: u32) -> Value {
    let labels = json!({ "app": name });
    let container = json!({ "name": "main", "image": format!("registry.test/{image}:1") });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "labels": labels },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
        },
    })
}

/// A condition of an object: its status and reason.
fn condition(object: &Value, named: &str) -> Option<(String, String)> {
    let all = object["status"]["conditions"].as_array()?;
    let found = all.iter().find(|one| one["type"] == named)?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason")))
}

/// Whether the rollout of a deployment is over, and no pod of an older one is there.
fn is_rolled_out(fake: &Fake, name: &str) -> Option<Value> {
    let object = fake.object(Kind::Deployment, "acme", name)?;
    let status = &object["status"];
    let wanted = &object["spec"]["replicas"];
    let done = status["observedGeneration"] == object["metadata"]["generation"]
        && condition(&object, "Progressing")?.1 == "NewReplicaSetAvailable"
        && [&status["replicas"], &status["updatedReplicas"], &status["availableReplicas"]] == [wanted; 3]
        && fake.objects(Kind::Pod, "acme").len() as u64 == wanted.as_u64()?;
    done.then_some(object)
}

impl Bare {
    async fn rolled_out(&self, name: &str) -> Value {
        self.fake.until("the rollout ends", |fake| is_rolled_out(fake, name)).await
    }

    /// The state of a pod's first container that waits for this.
    async fn waits_for(&self, reason: &str) -> Value {
        let waits = |fake: &Fake| {
            fake.objects(Kind::Pod, "acme").into_iter().find_map(|pod| {
                let lists = ["initContainerStatuses", "containerStatuses"].into_iter();
                let mut all = lists.flat_map(|list| pod["status"][list].as_array()).flatten();
                let of = |one: &&Value| {
                    one["state"]["waiting"]["reason"].as_str().unwrap_or_default().starts_with(reason)
                };
                all.find(of).cloned()
            })
        };
        self.fake.until(reason, waits).await
    }

    /// The message of an event.
    async fn said(&self, reason: &str, part: &str) -> String {
        let said = |fake: &Fake| {
            let mut events = fake.objects(Kind::Event, "acme").into_iter();
            events.find_map(|event| {
                let message = event["message"].as_str()?;
                (event["reason"] == reason && message.contains(part)).then(|| message.to_owned())
            })
        };
        self.fake.until(part, said).await
    }
}
