//! Who may ask for what: without a token, with one of another's tenants, with one that may only look.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_server::{Rate, Served, guarded, openapi};
use serde_json::{Value, json};
use tower_service::Service;

use super::{Answer, Desk, answered, request, spec};

/// A desk, and the door to it that asks for a token.
struct Guarded {
    desk: Desk,
    door: Router,
}

impl Guarded {
    async fn new() -> Self {
        Self::with(MemoryStore::new(MemoryOptions::default()), Rate::default()).await
    }

    async fn with(store: MemoryStore, rate: Rate) -> Self {
        let desk = Desk::with(store).await;
        let door = guarded(desk.served.clone(), rate).await.expect("tokens are read");
        Self { desk, door }
    }

    /// Makes a token, and gives what proves it.
    async fn token(&self, name: &str, role: &str, tenants: &[&str]) -> String {
        let new = json!({ "name": name, "role": role, "tenants": tenants });
        let made = self.make(&new).await.document(201);
        made["secret"].as_str().expect("a secret").to_owned()
    }

    async fn make(&self, new: &Value) -> Answer {
        let body = Body::from(new.to_string());
        self.desk.asks(request("POST /v1/tokens").body(body).expect("a request")).await
    }

    async fn asks(&self, request: Request<Body>) -> Answer {
        answered(&self.door, request).await
    }

    async fn ask(&self, line: &str, token: &str) -> Answer {
        self.asks(with(line, token).body(Body::empty()).expect("a request")).await
    }

    async fn send(&self, line: &str, token: &str, tenant: &str) -> Answer {
        self.asks(with(line, token).body(spec(tenant, "v1")).expect("a request")).await
    }
}

fn with(line: &str, token: &str) -> axum::http::request::Builder {
    request(line).header("authorization", format!("Bearer {token}"))
}

/// Every request that there is, with tenants, operations, providers and tokens of these names.
fn every_request(tenant: &str) -> Vec<String> {
    let document = openapi();
    let paths = document["paths"].as_object().expect("paths").clone();
    let lines = paths.iter().flat_map(|(path, methods)| {
        let path = path.replace("{tenant}", tenant).replace("{operation}", "1-1");
        let path = path
            .replace("{provider}", "scripted")
            .replace("{token}", "ci")
            .replace("{version}", "1")
            .replace("{name}", "audit");
        let query = if path.ends_with("events") { "?follow=false" } else { "" };
        let methods = methods.as_object().expect("methods").keys().cloned().collect::<Vec<_>>();
        methods.into_iter().map(move |method| format!("{} {path}{query}", method.to_uppercase()))
    });
    lines.collect()
}

#[tokio::test(start_paused = true)]
async fn without_a_token_that_is_valid_nothing_is_answered() {
    let guarded = Guarded::new().await;
    let secret = guarded.token("ci", "operator", &["*"]).await;
    let basic = format!("Basic {secret}");
    let none = [None, Some("Bearer"), Some("Bearer "), Some("Bearer llt_nope"), Some(basic.as_str())];
    for line in
        every_request("acme").iter().map(String::as_str).chain(["GET /nowhere", "GET /v1/openapi.json"])
    {
        for header in none {
            let mut request = request(line);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let answer = guarded.asks(request.body(Body::empty()).expect("a request")).await;
            assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (401, "unauthorized"), "{line}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    // One of two would be read here, and perhaps the other one by a proxy before it.
    let two = with("GET /v1/tenants", &secret).header("authorization", format!("Bearer {secret}"));
    assert_eq!(guarded.asks(two.body(Body::empty()).expect("a request")).await.problem(), "unauthorized");
    assert_eq!(guarded.ask("GET /healthz", "").await.status.as_u16(), 204);
    assert_eq!(guarded.ask("GET /readyz", "").await.status.as_u16(), 204);
    assert_eq!(guarded.ask("GET /v1/tenants", &secret).await.status.as_u16(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_looks_and_changes_nothing() {
    let guarded = Guarded::new().await;
    guarded.desk.runs("acme", "v1").await;
    let viewer = guarded.token("ci", "viewer", &["*"]).await;
    let looks = [
        "POST /v1/validate",
        "POST /v1/tenants/acme/plan",
        "POST /v1/providers/scripted/sweep",
        "POST /v1/doctor",
    ];
    for line in every_request("acme") {
        let answer = guarded.ask(&line, &viewer).await;
        // A whole spec may hold secrets; tokens and webhooks are the owner's.
        let hidden = ["/tokens", "/webhooks", "/specs/"].iter().any(|part| line.contains(part));
        let may = looks.contains(&line.as_str()) || line.starts_with("GET") && !hidden;
        if may {
            assert!(![401, 403].contains(&answer.status.as_u16()), "{line}: {}", answer.text);
        } else {
            assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (403, "forbidden"), "{line}");
        }
    }
    assert_eq!(guarded.desk.ask("GET /v1/tenants/acme").await.document(200)["tenant"]["revision"], 2);
}

#[tokio::test(start_paused = true)]
async fn anothers_tenants_are_neither_seen_nor_touched() {
    let guarded = Guarded::new().await;
    for tenant in ["acme-1", "acme", "bravo"] {
        guarded.desk.runs(tenant, "v1").await;
    }
    let operator = guarded.token("acme", "operator", &["acme-*"]).await;
    let one = guarded.token("one", "viewer", &["bravo"]).await;
    let some = guarded.token("some", "viewer", &["bravo", "acme-*"]).await;
    for (token, prefix, sees) in [
        (&operator, "", &["acme-1"][..]),
        (&operator, "a", &["acme-1"]),
        (&operator, "acme-1", &["acme-1"]),
        (&operator, "acme-12", &[]),
        (&operator, "b", &[]),
        (&one, "", &["bravo"]),
        (&one, "acme", &[]),
        (&some, "", &["acme-1", "bravo"]),
        (&some, "b", &["bravo"]),
    ] {
        let listed = guarded.ask(&format!("GET /v1/tenants?prefix={prefix}"), token).await.document(200);
        let ids = listed["tenants"].as_array().expect("a list").iter().map(|tenant| &tenant["tenant_id"]);
        assert_eq!(ids.collect::<Vec<_>>(), sees, "{prefix}");
    }
    let events = guarded.ask("GET /v1/events?after=start&follow=false", &operator).await.text;
    assert!(
        events.contains("acme-1") && !events.contains("bravo") && !events.contains("\"acme\""),
        "{events}"
    );
    // Whether there is such a tenant makes no difference.
    for tenant in ["bravo", "acme", "nobody"] {
        for line in every_request(tenant).iter().filter(|line| line.contains(&format!("/tenants/{tenant}"))) {
            let answer = guarded.ask(line, &operator).await;
            assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (403, "forbidden"), "{line}");
            assert_eq!(answer.document(403)["detail"], format!("token acme is not for tenant {tenant}"));
        }
    }
    for encoded in
        ["GET /v1/tenants/br%61vo", "GET /v1/tenants/acme-1%2F..%2Fbravo", "GET /v1/tenants/acme-1/../bravo"]
    {
        let status = guarded.ask(encoded, &operator).await.status.as_u16();
        assert!([400, 403, 404].contains(&status), "{encoded}: {status}");
    }
    // A spec is another way to name a tenant.
    assert_eq!(guarded.send("POST /v1/validate", &operator, "bravo").await.problem(), "forbidden");
    for line in ["PUT /v1/tenants/acme-1", "POST /v1/tenants/acme-1/update", "POST /v1/tenants/acme-1/plan"] {
        assert_eq!(guarded.send(line, &operator, "bravo").await.problem(), "invalid_spec", "{line}");
    }
    for line in ["POST /v1/providers/scripted/sweep", "POST /v1/doctor", "POST /v1/reclaim", "GET /v1/tokens"]
    {
        assert_eq!(guarded.ask(line, &operator).await.problem(), "forbidden", "{line}");
    }
    let theirs = guarded.desk.ask("GET /v1/tenants/bravo").await.document(200);
    let operation = theirs["operations"][0]["id"].as_str().expect("an operation");
    let line = format!("GET /v1/operations/{operation}?wait=1s");
    assert_eq!(guarded.ask(&line, &operator).await.problem(), "operation_not_found");
    assert_eq!(guarded.desk.ask(&line).await.status.as_u16(), 200);
    let accepted = guarded.send("PUT /v1/tenants/acme-2", &operator, "acme-2").await.document(202);
    let line =
        format!("GET /v1/operations/{}?wait=60s", accepted["operation"].as_str().expect("an operation"));
    assert_eq!(guarded.ask(&line, &operator).await.document(200)["settled"]["as"], "done");
}

#[tokio::test(start_paused = true)]
async fn a_named_reader_is_for_who_may_see_all_that_it_hears_of() {
    let guarded = Guarded::new().await;
    let operator = guarded.token("acme", "operator", &["acme-*"]).await;
    let all = guarded.token("all", "operator", &["*"]).await;
    let put = async |name: &str, token: &str, filter: Value| {
        let body = Body::from(json!({ "filter": filter }).to_string());
        let line = format!("PUT /v1/subscriptions/{name}");
        guarded.asks(with(&line, token).body(body).expect("a request")).await.status.as_u16()
    };
    assert_eq!(put("everybody", &all, json!({})).await, 201);
    assert_eq!(put("theirs", &all, json!({ "tenant": "bravo" })).await, 201);
    assert_eq!(put("mine", &operator, json!({ "tenant": "acme-1" })).await, 201);
    for filter in [json!({}), json!({ "tenant": "bravo" })] {
        assert_eq!(put("another", &operator, filter).await, 403);
    }
    let ack = json!({ "cursor": format!("{}.0", guarded.desk.engine.store_name()) }).to_string();
    for name in ["everybody", "theirs"] {
        assert_eq!(
            put(name, &operator, json!({ "tenant": "acme-1" })).await,
            403,
            "{name} is not taken over"
        );
        for line in ["GET", "DELETE"].map(|method| format!("{method} /v1/subscriptions/{name}")) {
            assert_eq!(guarded.ask(&line, &operator).await.problem(), "forbidden", "{line}");
        }
        let pull = format!("GET /v1/subscriptions/{name}/events");
        assert_eq!(guarded.ask(&pull, &operator).await.problem(), "forbidden");
        let line = format!("POST /v1/subscriptions/{name}/ack");
        let asked = with(&line, &operator).body(Body::from(ack.clone())).expect("a request");
        assert_eq!(guarded.asks(asked).await.problem(), "forbidden");
    }
    let listed = guarded.ask("GET /v1/subscriptions", &operator).await.document(200);
    let names = listed["subscriptions"].as_array().expect("a list").iter().map(|one| &one["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["mine"]);
    assert_eq!(guarded.ask("GET /v1/subscriptions/mine/events", &operator).await.status.as_u16(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_revoked_is_worth_nothing_at_once_and_stays_so() {
    let store = MemoryStore::new(MemoryOptions::default());
    let guarded = Guarded::with(store.clone(), Rate::default()).await;
    let (first, second) =
        (guarded.token("first", "viewer", &["*"]).await, guarded.token("second", "viewer", &["*"]).await);
    let again = guarded.make(&json!({ "name": "first", "role": "operator", "tenants": ["*"] })).await;
    assert_eq!((again.status.as_u16(), again.problem().as_str()), (409, "token_exists"));
    assert_eq!(guarded.ask("GET /v1/tenants", &first).await.status.as_u16(), 200);
    assert_eq!(guarded.desk.ask("DELETE /v1/tokens/first").await.status.as_u16(), 204);
    assert_eq!(guarded.desk.ask("DELETE /v1/tokens/first").await.problem(), "token_not_found");
    assert_eq!(guarded.ask("GET /v1/tenants", &first).await.problem(), "unauthorized");
    let listed = guarded.desk.ask("GET /v1/tokens").await;
    assert_eq!(listed.document(200)["tokens"].as_array().expect("a list").len(), 1);
    assert!(!listed.text.contains(&second[4..]), "a token is shown once");
    guarded.desk.engine.shutdown(std::time::Duration::from_secs(1)).await.expect("ends");
    let next = Guarded::with(store, Rate::default()).await;
    assert_eq!(next.ask("GET /v1/tenants", &first).await.problem(), "unauthorized");
    assert_eq!(next.ask("GET /v1/tenants", &second).await.status.as_u16(), 200);
}

/// So does what is answered little by little, and no other token's.
#[tokio::test(start_paused = true)]
async fn a_stream_of_events_ends_when_its_token_is_revoked() {
    const LONG: Duration = Duration::from_secs(600);
    let guarded = Guarded::new().await;
    let (first, second) =
        (guarded.token("first", "viewer", &["*"]).await, guarded.token("second", "viewer", &["*"]).await);
    let open = async |secret: &str| {
        let asked = with("GET /v1/events", secret).body(Body::empty()).expect("a request");
        let answer = guarded.door.clone().call(asked).await.expect("answers");
        assert_eq!(answer.status().as_u16(), 200);
        answer.into_body()
    };
    let (ends, mut goes_on) = (open(&first).await, open(&second).await);
    assert_eq!(guarded.desk.ask("DELETE /v1/tokens/first").await.status.as_u16(), 204);
    tokio::time::timeout(LONG, ends.collect()).await.expect("it ends").expect("whole");
    guarded.desk.served.reload_tokens(Rate::default()).await.expect("they are read");
    guarded.desk.runs("acme", "v1").await;
    let told =
        tokio::time::timeout(LONG, goes_on.frame()).await.expect("it goes on").expect("more").expect("read");
    assert!(told.is_data());
    assert_eq!(guarded.desk.ask("DELETE /v1/tokens/second").await.status.as_u16(), 204);
    tokio::time::timeout(LONG, goes_on.collect()).await.expect("it ends").expect("whole");
}

/// The store has forgotten it, and whoever revoked it was not there any more for the answer.
#[tokio::test(start_paused = true)]
async fn a_revoke_that_was_cut_off_is_finished_by_the_next_one() {
    use landlord_compute::store::{DocumentKind, DocumentWrite, Reads};
    let store = MemoryStore::new(MemoryOptions::default());
    let guarded = Guarded::with(store.clone(), Rate::default()).await;
    let secret = guarded.token("ci", "viewer", &["*"]).await;
    let kept = store.document(DocumentKind::Token, "ci").await.expect("read").expect("there");
    let write = DocumentWrite {
        kind: kept.kind,
        name: kept.name,
        expected: kept.revision,
        json: None,
        reads_from: None,
    };
    guarded.desk.engine.documents().put(&write).await.expect("removed");
    assert_eq!(guarded.desk.ask("DELETE /v1/tokens/ci").await.problem(), "token_not_found");
    assert_eq!(guarded.ask("GET /v1/tenants", &secret).await.problem(), "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn a_store_has_nothing_that_proves_a_token() {
    use landlord_compute::store::{DocumentKind, Reads};
    let store = MemoryStore::new(MemoryOptions::default());
    let guarded = Guarded::with(store.clone(), Rate::default()).await;
    let secret = guarded.token("ci", "viewer", &["acme-*", "bravo"]).await;
    assert!(secret.starts_with("llt_") && secret.len() == 68, "{secret}");
    let kept = store.documents(DocumentKind::Token, None, 10).await.expect("read");
    assert_eq!(kept.len(), 1);
    assert!(!kept[0].json.contains(&secret[4..]) && kept[0].json.contains("acme-*"));
}

#[tokio::test(start_paused = true)]
async fn tokens_that_cannot_be_are_refused() {
    let guarded = Guarded::new().await;
    for new in [
        json!({ "name": "ci", "role": "viewer", "tenants": [] }),
        json!({ "name": "ci", "role": "viewer", "tenants": ["ac*me"] }),
        json!({ "name": "ci", "role": "viewer", "tenants": ["-*"] }),
        json!({ "name": "ci", "role": "viewer", "tenants": ["Acme"] }),
        json!({ "name": "ci", "role": "viewer" }),
        json!({ "name": "ci", "role": "owner", "tenants": ["*"] }),
        json!({ "name": "c/i", "role": "viewer", "tenants": ["*"] }),
        json!({ "name": "ci", "role": "viewer", "tenants": ["*"], "admin": true }),
    ] {
        assert_eq!(guarded.make(&new).await.problem(), "invalid_request", "{new}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_often_waits_and_nobody_else_does() {
    let one = NonZeroU32::new(1).expect("one");
    let guarded = Guarded::with(MemoryStore::new(MemoryOptions::default()), Rate::new(one, one)).await;
    let (busy, calm) =
        (guarded.token("busy", "viewer", &["*"]).await, guarded.token("calm", "viewer", &["*"]).await);
    let refused = loop {
        let answer = guarded.ask("GET /v1/tenants", &busy).await;
        if answer.status.as_u16() != 200 {
            break answer;
        }
    };
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (429, "rate_limited"));
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(guarded.ask("GET /v1/tenants", &calm).await.status.as_u16(), 200);
    assert_eq!(guarded.desk.ask("GET /v1/tenants").await.status.as_u16(), 200);
    // Tokens that are read again have the new rate.
    guarded.desk.served.reload_tokens(Rate::default()).await.expect("read");
    for _ in 0..10 {
        assert_eq!(guarded.ask("GET /v1/tenants", &busy).await.status.as_u16(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_mounts_the_router_decides_who_asks() {
    let desk = Desk::new().await;
    let mounted = Router::new()
        .nest_service("/compute", landlord_server::router(Served::engine(Arc::clone(&desk.engine))));
    let line = request("GET /compute/v1/tenants").body(Body::empty()).expect("a request");
    assert_eq!(answered(&mounted, line).await.status.as_u16(), 200);
}
