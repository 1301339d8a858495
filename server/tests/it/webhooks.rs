//! Events that are sent to receivers: signed, in order, and again until they are taken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use landlord_compute::machines::tenant::Backoff;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_server::{Bounds, Certificates, Deliveries, Security, Tcp};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::authority::Authority;
use super::{Answer, Desk, request};

const SECRET: &str = "a secret of some length";
const NEXT: &str = "another secret of some length";

/// What a receiver got.
struct Got {
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a document")
    }

    /// Which tenant's, and its revision.
    fn told(&self) -> (String, u64) {
        let event = self.event();
        (
            event["subject"].as_str().expect("a tenant").to_owned(),
            event["data"]["revision"].as_u64().expect("a number"),
        )
    }

    fn text(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }

    /// Whether the library of Standard Webhooks takes it, for a receiver with this secret.
    fn is_signed_with(&self, secret: &str) -> bool {
        let webhook = Webhook::from_bytes(secret.as_bytes().to_vec()).expect("a key");
        webhook.verify(&self.body, &self.headers).is_ok()
    }
}

/// What a receiver answers, and where it tells what it got.
#[derive(Clone)]
struct Behaviour {
    answers: Arc<Mutex<VecDeque<u16>>>,
    told: mpsc::UnboundedSender<Got>,
}

struct Receiver {
    url: String,
    behaviour: Behaviour,
    got: mpsc::UnboundedReceiver<Got>,
}

async fn take(State(behaviour): State<Behaviour>, headers: HeaderMap, body: Bytes) -> Response {
    let _ = behaviour.told.send(Got { headers, body });
    let status = behaviour.answers.lock().expect("no panic").pop_front().unwrap_or(204);
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::LOCATION, "/elsewhere")]).into_response()
}

impl Receiver {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}/hook?from=test", listener.local_addr().expect("an address"));
        let (receiver, router) = Self::at(url);
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// One that shows a certificate of `localhost`.
    async fn over_tls(certificates: Certificates) -> Self {
        let tcp = Tcp::bind(([127, 0, 0, 1], 0).into(), Security::Tls(certificates)).await.expect("bound");
        let port = tcp.address().expect("an address").port();
        let (receiver, router) = Self::at(format!("https://localhost:{port}/hook"));
        tokio::spawn(tcp.serve(router, Bounds::default(), CancellationToken::new()));
        receiver
    }

    fn at(url: String) -> (Self, Router) {
        let (told, got) = mpsc::unbounded_channel();
        let behaviour = Behaviour { answers: Arc::default(), told };
        let router = Router::new().fallback(any(take)).with_state(behaviour.clone());
        (Self { url, behaviour, got }, router)
    }

    fn answers(&self, statuses: &[u16]) {
        self.behaviour.answers.lock().expect("no panic").extend(statuses);
    }

    async fn next(&mut self) -> Got {
        timeout(Duration::from_secs(30), self.got.recv()).await.expect("in time").expect("one more")
    }
}

/// A desk whose events are delivered.
struct Delivering {
    desk: Desk,
    stop: CancellationToken,
    running: JoinHandle<()>,
    secrets: TempDir,
}

impl Delivering {
    async fn new(store: MemoryStore, change: impl FnOnce(&mut Deliveries)) -> Self {
        let desk = Desk::with(store).await;
        let mut deliveries = Deliveries::default();
        deliveries.retry = Backoff { first: Duration::from_millis(20), cap: Duration::from_millis(50) };
        change(&mut deliveries);
        let stop = CancellationToken::new();
        let running = tokio::spawn(deliveries.run(desk.served.clone(), stop.clone()));
        let secrets = tempfile::tempdir().expect("a folder");
        for (name, secret) in [("now", SECRET), ("next", NEXT)] {
            std::fs::write(secrets.path().join(name), format!("{secret}\n")).expect("written");
        }
        Self { desk, stop, running, secrets }
    }

    async fn to_private() -> Self {
        let store = MemoryStore::new(MemoryOptions::default());
        Self::new(store, |deliveries| deliveries.private_addresses = true).await
    }

    fn secret(&self, name: &str) -> Value {
        json!({ "file": self.secrets.path().join(name) })
    }

    async fn put(&self, name: &str, document: &Value) -> Answer {
        let line = format!("PUT /v1/webhooks/{name}");
        self.desk.asks(request(&line).body(Body::from(document.to_string())).expect("a request")).await
    }

    async fn hook(&self, name: &str, url: &str) {
        self.put(name, &json!({ "url": url, "secret": self.secret("now") })).await.document(201);
    }

    async fn shown(&self, name: &str) -> Value {
        self.desk.ask(&format!("GET /v1/webhooks/{name}")).await.document(200)
    }

    /// The webhook, once it is so.
    async fn until(&self, name: &str, so: impl Fn(&Value) -> bool) -> Value {
        let look = async {
            loop {
                let shown = self.shown(name).await;
                if so(&shown) {
                    return shown;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), look).await.expect("in time")
    }

    async fn end(self) {
        drop(self.ends().await);
    }

    /// Ends, and leaves the secrets for the next server.
    async fn ends(self) -> TempDir {
        self.stop.cancel();
        self.running.await.expect("it ends");
        self.desk.engine.shutdown(Duration::from_secs(1)).await.expect("ends");
        self.secrets
    }
}

fn of(tenant: &str, revision: u64) -> (String, u64) {
    (tenant.to_owned(), revision)
}

#[tokio::test]
async fn events_are_sent_signed_and_in_the_order_of_each_tenant() {
    let (delivering, mut receiver) = (Delivering::to_private().await, Receiver::new().await);
    delivering.hook("billing", &receiver.url).await;
    delivering.desk.runs("acme", "v1").await;
    delivering.desk.runs("acme", "v2").await;
    let mut told = Vec::new();
    for _ in 0..4 {
        let got = receiver.next().await;
        assert!(got.is_signed_with(SECRET) && !got.is_signed_with(NEXT));
        assert_eq!(got.text("content-type"), "application/cloudevents+json");
        let id = got.event()["id"].as_str().expect("a cursor").replace('.', "-");
        assert_eq!(got.text("webhook-id"), id);
        told.push(got.told());
    }
    assert_eq!(told, [of("acme", 1), of("acme", 2), of("acme", 3), of("acme", 4)]);
    let shown = delivering.until("billing", |shown| shown["behind"] == 0).await;
    assert_eq!(shown.get("trouble"), None);
    assert!(!shown.to_string().contains(SECRET), "I9");
    delivering.end().await;
}

#[tokio::test]
async fn what_a_receiver_does_not_take_comes_again_and_keeps_nobody_waiting() {
    let delivering = Delivering::to_private().await;
    let (mut dead, mut well) = (Receiver::new().await, Receiver::new().await);
    dead.answers(&[500; 1_000]);
    dead.answers(&[302; 2]);
    delivering.hook("dead", &dead.url).await;
    delivering.hook("well", &well.url).await;
    delivering.hook("nobody", "http://127.0.0.1:9/").await;
    delivering.desk.runs("acme", "v1").await;
    for revision in [1, 2] {
        assert_eq!(well.next().await.told(), of("acme", revision));
    }
    let first = dead.next().await.text("webhook-id").to_owned();
    let trouble = delivering.until("dead", |shown| shown.get("trouble").is_some()).await;
    assert_eq!((&trouble["behind"], &trouble["delivered"]), (&json!(2), &json!(trouble["delivered"])));
    let error = trouble["trouble"]["error"].as_str().expect("a text");
    assert!(error.starts_with("the receiver answered 500"), "{error}");
    assert!(trouble["trouble"]["failing_since"].is_string() && trouble["trouble"]["next_try"].is_string());
    delivering
        .until("nobody", |shown| shown["trouble"]["error"].to_string().contains("cannot be reached"))
        .await;

    dead.behaviour.answers.lock().expect("no panic").retain(|status| *status == 302);
    let shown = delivering.until("dead", |shown| shown["behind"] == 0).await;
    assert_eq!(shown.get("trouble"), None);
    let mut told = vec![first];
    while let Ok(next) = dead.got.try_recv() {
        assert!(next.event()["subject"] == "acme", "a redirect is not followed");
        told.push(next.text("webhook-id").to_owned());
    }
    told.dedup();
    assert_eq!(told.len(), 2, "the same until it is taken, and then the next: {told:?}");
    delivering.end().await;
}

/// What somebody sends who has seen a delivery and not the secret.
#[tokio::test]
async fn a_receiver_refuses_what_is_forged_and_knows_what_it_had() {
    let (delivering, mut receiver) = (Delivering::to_private().await, Receiver::new().await);
    receiver.answers(&[500]);
    delivering.hook("billing", &receiver.url).await;
    delivering.desk.runs("acme", "v1").await;
    let (mut got, again) = (receiver.next().await, receiver.next().await);
    assert!(got.is_signed_with(SECRET) && again.is_signed_with(SECRET));
    assert_eq!((got.text("webhook-id"), &got.body), (again.text("webhook-id"), &again.body));

    let body = std::mem::replace(&mut got.body, Bytes::from(json!({ "subject": "other" }).to_string()));
    assert!(!got.is_signed_with(SECRET), "another body");
    got.body = body;
    let signed: i64 = got.text("webhook-timestamp").parse().expect("seconds");
    for (name, forged) in
        [("webhook-id", "another".to_owned()), ("webhook-timestamp", (signed + 1).to_string())]
    {
        let genuine = got.headers.insert(name, forged.parse().expect("a header")).expect("it was there");
        assert!(!got.is_signed_with(SECRET), "another {name}");
        got.headers.insert(name, genuine);
    }
    assert!(got.is_signed_with(SECRET), "as it came");
    delivering.end().await;
}

#[tokio::test]
async fn a_receiver_over_tls_is_trusted_where_its_authority_is() {
    let authority = Authority::new();
    authority.sign(&["localhost"]);
    let mut receiver = Receiver::over_tls(authority.certificates()).await;
    let to_private = |deliveries: &mut Deliveries| deliveries.private_addresses = true;
    let store = MemoryStore::new(MemoryOptions::default());
    let delivering = Delivering::new(store.clone(), to_private).await;
    delivering.hook("billing", &receiver.url).await;
    delivering.desk.runs("acme", "v1").await;
    let refused = delivering.until("billing", |shown| shown.get("trouble").is_some()).await;
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    assert!(receiver.got.try_recv().is_err(), "nothing is sent to whom nobody trusts");
    let secrets = delivering.ends().await;

    let with_authority = |deliveries: &mut Deliveries| {
        to_private(deliveries);
        deliveries.authorities = Some(authority.path("ca.pem"));
    };
    let delivering = Delivering::new(store, with_authority).await;
    for revision in [1, 2] {
        assert_eq!(receiver.next().await.told(), of("acme", revision));
    }
    delivering.end().await;
    drop(secrets);
}

#[tokio::test]
async fn a_secret_is_changed_without_loss() {
    let (delivering, mut receiver) = (Delivering::to_private().await, Receiver::new().await);
    delivering.hook("billing", &receiver.url).await;
    let both = json!({
        "url": receiver.url, "secret": delivering.secret("next"), "previous_secret": delivering.secret("now"),
    });
    delivering.put("billing", &both).await.document(200);
    // What is on its way meanwhile has the signature of before, which is good too.
    let mut number = 0;
    loop {
        number += 1;
        delivering.desk.runs(&format!("t{number}"), "v1").await;
        let got = receiver.next().await;
        assert!(got.is_signed_with(SECRET));
        if got.is_signed_with(NEXT) {
            break;
        }
    }
    let one = json!({ "url": receiver.url, "secret": delivering.secret("next") });
    delivering.put("billing", &one).await.document(200);
    loop {
        number += 1;
        delivering.desk.runs(&format!("t{number}"), "v1").await;
        let got = receiver.next().await;
        assert!(got.is_signed_with(NEXT));
        if !got.is_signed_with(SECRET) {
            break;
        }
    }
    delivering.until("billing", |shown| shown["behind"] == 0).await;
    delivering.end().await;
}

#[tokio::test]
async fn a_private_address_is_refused_unless_it_is_allowed() {
    let store = MemoryStore::new(MemoryOptions::default());
    let (delivering, mut receiver) = (Delivering::new(store.clone(), |_| {}).await, Receiver::new().await);
    let named = receiver.url.replace("127.0.0.1", "localhost");
    for (name, url) in [("number", &receiver.url), ("name", &named)] {
        delivering.hook(name, url).await;
    }
    delivering.desk.runs("acme", "v1").await;
    for name in ["number", "name"] {
        let shown = delivering.until(name, |shown| shown.get("trouble").is_some()).await;
        let error = shown["trouble"]["error"].as_str().expect("a text");
        assert!(error.contains("which is not on the internet"), "{error}");
    }
    assert!(receiver.got.try_recv().is_err(), "nobody connected");
    delivering.end().await;

    // The next server is configured otherwise, and nothing was lost.
    let delivering = Delivering::new(store, |deliveries| deliveries.private_addresses = true).await;
    let rewritten = json!({ "url": receiver.url, "secret": delivering.secret("now") });
    delivering.desk.ask("DELETE /v1/webhooks/name").await;
    delivering.put("number", &rewritten).await.document(200);
    for revision in [1, 2] {
        assert_eq!(receiver.next().await.told(), of("acme", revision));
    }
    delivering.end().await;
}

#[tokio::test]
async fn a_webhook_that_cannot_be_is_refused() {
    let delivering = Delivering::to_private().await;
    let secret = delivering.secret("now");
    for (document, wrong) in [
        (json!({ "url": "ftp://example.com/", "secret": secret }), "https://"),
        (json!({ "url": "nowhere", "secret": secret }), "url"),
        (json!({ "url": "https://user:word@example.com/", "secret": secret }), "no password"),
        (json!({ "url": "https://example.com/", "secret": { "file": "/nowhere/at/all" } }), "cannot be read"),
        (json!({ "url": "https://example.com/", "secret": { "file": "relative" } }), "whole path"),
        (json!({ "url": "https://example.com/", "secret": { "env": "NOT_SET_AT_ALL" } }), "no variable"),
        (json!({ "url": "https://example.com/", "secret": "in the clear" }), "body"),
        (
            json!({ "url": "https://example.com/", "secret": secret, "filter": { "kinds": ["x"] } }),
            "no event",
        ),
    ] {
        let answer = delivering.put("bad", &document).await;
        assert_eq!(answer.problem(), "invalid_request", "{document}");
        assert!(answer.text.contains(wrong), "{}", answer.text);
    }
    assert_eq!(delivering.desk.ask("GET /v1/webhooks/bad").await.problem(), "webhook_not_found");
    assert_eq!(delivering.desk.ask("DELETE /v1/webhooks/bad").await.problem(), "webhook_not_found");
    assert_eq!(delivering.desk.ask("GET /v1/webhooks").await.document(200)["webhooks"], json!([]));
    delivering.end().await;
}
