//! Idempotency keys of requests that begin no operation: each is answered as it was the first time.

use std::time::Duration;

use axum::body::Body;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_testing::fixtures::tenant;
use landlord_testing::scripted::Mood;
use serde_json::Value;

use super::{Answer, Desk, request, spec};

/// A request under a key.
struct Keyed {
    key: &'static str,
    line: &'static str,
    /// The image of the spec in its body.
    image: Option<&'static str>,
}

const PAUSE: Keyed = Keyed { key: "pause", line: "POST /v1/tenants/acme/pause", image: None };
const RESUME: Keyed = Keyed { key: "resume", line: "POST /v1/tenants/acme/resume", image: None };
const RETRY: Keyed = Keyed { key: "retry", line: "POST /v1/tenants/acme/retry", image: None };
const JOIN: Keyed = Keyed { key: "join", line: "PUT /v1/tenants/acme", image: Some("v2") };
const CANCEL: Keyed = Keyed { key: "cancel", line: "POST /v1/tenants/acme/cancel", image: None };
const GONE: Keyed = Keyed { key: "gone", line: "DELETE /v1/tenants/bravo", image: None };

async fn ask(desk: &Desk, Keyed { key, line, image }: &Keyed) -> Answer {
    let tenant = line.split('/').nth(3).expect("a tenant");
    let body = image.map_or_else(Body::empty, |image| spec(tenant, image));
    desk.asks(request(line).header("idempotency-key", *key).body(body).expect("a request")).await
}

/// The answer of a request that is done, and is asked again at once.
async fn done(desk: &Desk, keyed: &Keyed, status: u16) -> Value {
    let answer = ask(desk, keyed).await.document(status);
    let again = ask(desk, keyed).await.document(status);
    assert_eq!(answer, again, "{}", keyed.line);
    answer
}

/// Returns when the operation on its way waits to be tried again.
async fn waits(desk: &Desk) {
    loop {
        let acme = desk.engine.tenant(tenant("acme")).snapshot().await.expect("readable");
        if acme.call().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_with_a_key_is_known_again_also_after_a_restart() {
    let store = MemoryStore::new(MemoryOptions::default());
    let desk = Desk::with(store.clone()).await;
    desk.runs("acme", "v1").await;
    desk.runs("bravo", "v1").await;
    let destroyed = desk.ask("DELETE /v1/tenants/bravo").await.document(202);
    desk.end(&destroyed).await;

    let mut answers = Vec::new();
    answers.push((PAUSE, 200, done(&desk, &PAUSE, 200).await));
    answers.push((RESUME, 200, done(&desk, &RESUME, 200).await));
    desk.provider.set_mood(&tenant("acme"), Mood::Refuses);
    let update = desk.send("PUT /v1/tenants/acme", "acme", "v2").await.document(202);
    answers.push((JOIN, 202, done(&desk, &JOIN, 202).await));
    assert_eq!(answers.last().expect("one").2["operation"], update["operation"]);
    waits(&desk).await;
    answers.push((RETRY, 202, done(&desk, &RETRY, 202).await));
    waits(&desk).await;
    desk.provider.set_mood(&tenant("acme"), Mood::Answers);
    answers.push((CANCEL, 202, done(&desk, &CANCEL, 202).await));
    desk.end(&update).await;
    answers.push((GONE, 200, done(&desk, &GONE, 200).await));
    assert!(answers.last().expect("one").2["revision"].is_u64());

    let now = desk.ask("GET /v1/tenants/acme").await.document(200)["tenant"]["revision"].clone();
    let restarted = Desk::with(store).await;
    for (keyed, status, first) in &answers {
        assert_eq!(ask(&restarted, keyed).await.document(*status), *first, "{}", keyed.line);
        let restart = format!("POST /v1/tenants/{}/restart", keyed.line.split('/').nth(3).expect("a tenant"));
        let other = request(&restart).header("idempotency-key", keyed.key).body(Body::empty());
        let other = restarted.asks(other.expect("a request")).await;
        assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "key_reused"), "{}", keyed.line);
    }
    let other = ask(&restarted, &Keyed { image: Some("v3"), ..JOIN }).await;
    assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "key_reused"), "another spec");
    let after = restarted.ask("GET /v1/tenants/acme").await.document(200)["tenant"]["revision"].clone();
    assert_eq!(now, after, "nothing is done again");
}
