//! A proxy between the engine and the API server, which keeps what the API server answers and lets a test come between.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What becomes of a request.
pub(crate) enum Fate {
    /// It is passed on, and answered.
    Pass,
    /// It is passed on, and its answer is lost.
    Unanswered,
    /// The same, and then this is done.
    UnansweredAnd(Box<dyn FnOnce() + Send>),
}

/// Comes between a request and the API server.
pub(crate) type Between = Arc<dyn Fn(Method, String) -> BoxFuture<'static, Fate> + Send + Sync>;

/// What the API server answered to each method and path, in order: a status, or nothing where it did not answer.
pub(crate) type Answers = BTreeMap<String, Vec<Option<u16>>>;

/// It ends when it is dropped.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) url: String,
    answers: Arc<Mutex<Answers>>,
    serves: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(kubeconfig: &Path, between: Between) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let mut config = config.expect("a good configuration");
        // Who asks says so itself.
        config.auth_info = AuthInfo::default();
        config.default_retry = false;
        let upstream = Client::try_from(config).expect("a client");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answers = Arc::new(Mutex::new(Answers::new()));
        let kept = Arc::clone(&answers);
        let serves = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (upstream, between, kept) = (upstream.clone(), Arc::clone(&between), Arc::clone(&kept));
                let service = service_fn(move |request| {
                    pass(upstream.clone(), Arc::clone(&between), Arc::clone(&kept), request)
                });
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service);
                tokio::spawn(async move {
                    // A lost answer is an error here; the engine is who has to go on.
                    let _over = served.await;
                });
            }
        });
        Self { url, answers, serves }
    }

    /// What the API server answered so far, whether or not the engine was told.
    pub(crate) fn answers(&self) -> Answers {
        self.answers.lock().expect("no panic").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

async fn pass(
    upstream: Client,
    between: Between,
    answers: Arc<Mutex<Answers>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    // A created object is named in its body.
    let name = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|body| body.pointer("/metadata/name")?.as_str().map(str::to_owned))
        .filter(|_| head.method == Method::POST);
    let path = [head.uri.path()].into_iter().chain(name.as_deref()).collect::<Vec<_>>().join("/");
    let call = format!("{} {path}", head.method);
    let fate = between(head.method.clone(), path).await;
    head.headers.remove(header::HOST);
    let answer = upstream.send(Request::from_parts(head, Body::from(body.to_vec()))).await;
    let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
    answers.lock().expect("no panic").entry(call).or_default().push(status);
    match fate {
        Fate::Pass => Ok(answer?),
        Fate::Unanswered => Err("the answer is lost".into()),
        Fate::UnansweredAnd(then) => {
            tokio::task::spawn_blocking(then).await?;
            Err("the answer is lost".into())
        }
    }
}
