//! An administrator of a cluster, who arranges what a test needs and looks at what there is.

use std::path::Path;
use std::time::Duration;

use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

/// A client of one that may do everything.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) client: Client,
}

/// How long something may take to come about.
const WITHIN: Duration = Duration::from_secs(120);

impl Admin {
    pub(crate) async fn new(kubeconfig: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let config = config.expect("a good configuration");
        Self { client: Client::try_from(config).expect("a client") }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, kube::Error> {
        let content =
            if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("content-type", content);
        self.client.request(request.body(body).expect("a request")).await
    }

    /// Whether the API server has all that it starts with, such as the roles of its own.
    pub(crate) async fn is_ready(&self) -> bool {
        self.text("/readyz").await.is_ok()
    }

    /// What the API server says there, which is no object.
    pub(crate) async fn text(&self, path: &str) -> Result<String, kube::Error> {
        let request = Request::get(path).body(Vec::new()).expect("a request");
        self.client.request_text(request).await
    }

    /// The object, or the list, that is there; none, where nothing is.
    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        match self.ask(Method::GET, path, &Value::Null).await {
            Ok(object) => Some(object),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("GET {path}: {error}"),
        }
    }

    /// What a list has.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await.unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) async fn create(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::POST, path, body).await.unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Merges this into an object.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::PATCH, path, body).await.unwrap_or_else(|error| panic!("PATCH {path}: {error}"))
    }

    /// Applies this by force, in another's name.
    pub(crate) async fn apply_as(&self, manager: &str, path: &str, body: &Value) -> Value {
        let request = Request::patch(format!("{path}?fieldManager={manager}&force=true"));
        let request = request.header("content-type", "application/apply-patch+yaml");
        let applied =
            self.client.request(request.body(body.to_string().into_bytes()).expect("a request")).await;
        applied.unwrap_or_else(|error| panic!("apply {path}: {error}"))
    }

    pub(crate) async fn delete(&self, path: &str) {
        self.ask(Method::DELETE, path, &Value::Null)
            .await
            .unwrap_or_else(|error| panic!("DELETE {path}: {error}"));
    }

    /// Waits until an object is gone.
    pub(crate) async fn gone(&self, path: &str) {
        let goes = async {
            while self.get(path).await.is_some() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(WITHIN, goes).await.unwrap_or_else(|_| panic!("{path} never went"));
    }

    /// What a look shows in the end.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFn(&Self) -> Option<T>) -> T {
        let looks = async {
            loop {
                if let Some(seen) = look(self).await {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let seen = tokio::time::timeout(WITHIN, looks).await;
        seen.unwrap_or_else(|_| panic!("it never came to be that {what}"))
    }
}
