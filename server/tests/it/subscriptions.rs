//! Named readers of events: nothing is lost, and what is acknowledged does not come again.

use std::time::Duration;

use axum::body::Body;
use landlord_compute::machines::tenant::EventKind;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_testing::store::samples;
use serde_json::{Value, json};

use super::{Answer, Desk, request};

/// Sends a document.
async fn send(desk: &Desk, line: &str, document: Value) -> Answer {
    desk.asks(request(line).body(Body::from(document.to_string())).expect("a request")).await
}

async fn pull(desk: &Desk, query: &str) -> Value {
    desk.ask(&format!("GET /v1/subscriptions/audit/events{query}")).await.document(200)
}

async fn acknowledge(desk: &Desk, cursor: &Value) -> Answer {
    send(desk, "POST /v1/subscriptions/audit/ack", json!({ "cursor": cursor })).await
}

/// Each event of a batch as its tenant and its revision.
fn told(batch: &Value) -> Vec<(String, u64)> {
    let events = batch["events"].as_array().expect("a list");
    let of = |event: &Value| {
        let data = &event["data"];
        (
            event["subject"].as_str().expect("a tenant").to_owned(),
            data["revision"].as_u64().expect("a number"),
        )
    };
    events.iter().map(of).collect()
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(tenant, revision)| ((*tenant).to_owned(), *revision)).collect()
}

#[tokio::test(start_paused = true)]
async fn events_come_until_they_are_acknowledged_also_after_a_restart() {
    let store = MemoryStore::new(MemoryOptions::default());
    let desk = Desk::with(store.clone()).await;
    desk.runs("early", "v1").await;
    let made = send(&desk, "PUT /v1/subscriptions/audit", json!({})).await.document(201);
    assert_eq!((&made["name"], &made["behind"]), (&json!("audit"), &json!(0)));
    assert_eq!(told(&pull(&desk, "").await), [], "what was before is not told");
    desk.runs("acme", "v1").await;
    desk.runs("bravo", "v1").await;

    let first = pull(&desk, "?limit=3").await;
    assert_eq!(told(&first), pairs(&[("acme", 1), ("acme", 2), ("bravo", 1)]));
    assert_eq!(pull(&desk, "?limit=3").await, first, "it comes again, with the same ids");
    assert_eq!(first["cursor"], first["events"][2]["id"]);
    let behind = desk.ask("GET /v1/subscriptions/audit").await.document(200);
    assert_eq!((&behind["behind"], &behind["acknowledged"]), (&json!(4), &made["acknowledged"]));

    let moved = acknowledge(&desk, &first["events"][1]["id"]).await.document(200);
    assert_eq!((&moved["behind"], &moved["acknowledged"]), (&json!(2), &first["events"][1]["id"]));
    let back = acknowledge(&desk, &first["events"][0]["id"]).await.document(200);
    assert_eq!(back["acknowledged"], moved["acknowledged"], "an older one changes nothing");

    let restarted = Desk::with(store).await;
    let rest = pull(&restarted, "").await;
    assert_eq!(told(&rest), pairs(&[("bravo", 1), ("bravo", 2)]));
    acknowledge(&restarted, &rest["cursor"]).await.document(200);
    assert_eq!(told(&pull(&restarted, "").await), []);

    let again = send(&restarted, "PUT /v1/subscriptions/audit", json!({ "after": "start" })).await;
    assert_eq!(again.document(200)["acknowledged"], rest["cursor"], "one that exists stays where it is");
    let listed = restarted.ask("GET /v1/subscriptions").await.document(200);
    assert_eq!(listed["subscriptions"][0]["name"], "audit");
    assert_eq!(restarted.ask("DELETE /v1/subscriptions/audit").await.status.as_u16(), 204);
    let gone = restarted.ask("GET /v1/subscriptions/audit").await;
    assert_eq!((gone.status.as_u16(), gone.problem().as_str()), (404, "subscription_not_found"));
    let anew = json!({ "after": "start" });
    send(&restarted, "PUT /v1/subscriptions/audit", anew).await.document(201);
    assert_eq!(told(&pull(&restarted, "").await).len(), 6, "all that are kept");
}

#[tokio::test(start_paused = true)]
async fn a_filter_lets_through_what_is_wanted_and_the_rest_is_passed_over() {
    let desk = Desk::new().await;
    let wanted = json!({ "filter": { "tenant": "acme", "kinds": ["succeeded"] } });
    send(&desk, "PUT /v1/subscriptions/audit", wanted.clone()).await.document(201);
    desk.runs("bravo", "v1").await;
    desk.runs("acme", "v1").await;
    desk.runs("bravo", "v2").await;
    let batch = pull(&desk, "").await;
    assert_eq!(told(&batch), pairs(&[("acme", 2)]));
    let shown = acknowledge(&desk, &batch["cursor"]).await.document(200);
    assert_eq!(
        (&shown["behind"], &shown["filter"]),
        (&json!(0), &wanted["filter"]),
        "nothing is left to look at"
    );
    let none =
        send(&desk, "PUT /v1/subscriptions/audit", json!({ "filter": { "kinds": ["suceeded"] } })).await;
    assert!(none.text.contains("there are began, already_running"), "{}", none.text);
    assert_eq!(none.problem(), "invalid_request");
    for what in samples::whats() {
        assert!(EventKind::NAMES.contains(&what.name()), "{}", what.name());
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_waits_for_what_comes() {
    let desk = Desk::new().await;
    let wanted = json!({ "filter": { "kinds": ["succeeded"] } });
    send(&desk, "PUT /v1/subscriptions/audit", wanted).await.document(201);
    let begun = tokio::time::Instant::now();
    assert_eq!(told(&pull(&desk, "?wait=30s").await), [], "the time is over");
    assert_eq!(begun.elapsed().as_secs(), 30);
    let router = desk.router.clone();
    let waiting = tokio::spawn(async move {
        let desk = Desk { router, ..Desk::new().await };
        pull(&desk, "?wait=5m").await
    });
    tokio::time::sleep(Duration::from_secs(10)).await;
    desk.runs("acme", "v1").await;
    assert_eq!(told(&waiting.await.expect("no panic")), pairs(&[("acme", 2)]));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_before_the_events_after_it() {
    let desk =
        Desk::with(MemoryStore::new(MemoryOptions { history: 4, settled: 100, ..MemoryOptions::default() }))
            .await;
    send(&desk, "PUT /v1/subscriptions/audit", json!({})).await.document(201);
    for number in 0..5 {
        desk.runs(&format!("t{number}"), "v1").await;
    }
    let batch = pull(&desk, "").await;
    assert!(batch["gap"]["resume"].is_string(), "{batch}");
    assert_eq!(told(&batch), pairs(&[("t3", 1), ("t3", 2), ("t4", 1), ("t4", 2)]));
    acknowledge(&desk, &batch["cursor"]).await.document(200);
    assert_eq!(pull(&desk, "").await.get("gap"), None);
}

#[tokio::test(start_paused = true)]
async fn events_beyond_the_history_wait_for_a_reader_that_is_away() {
    let options = MemoryOptions { history: 4, waits: Duration::from_secs(3600), settled: 100 };
    let store = MemoryStore::new(options);
    let desk = Desk::with(store).await;
    send(&desk, "PUT /v1/subscriptions/audit", json!({})).await.document(201);
    for number in 0..5 {
        desk.runs(&format!("t{number}"), "v1").await;
    }
    let batch = pull(&desk, "").await;
    assert_eq!((batch.get("gap"), told(&batch).len()), (None, 10), "{batch}");
    acknowledge(&desk, &batch["cursor"]).await.document(200);
    desk.runs("t5", "v1").await;
    let all = desk.ask("GET /v1/events?after=start&follow=false").await;
    assert!(all.text.contains("event: gap"), "what is read goes");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_acknowledged_is_refused() {
    let desk = Desk::new().await;
    let other = Desk::new().await;
    other.runs("acme", "v1").await;
    send(&other, "PUT /v1/subscriptions/audit", json!({ "after": "start" })).await.document(201);
    let foreign = pull(&other, "").await["cursor"].clone();
    desk.runs("acme", "v1").await;
    let made = send(&desk, "PUT /v1/subscriptions/audit", json!({})).await.document(201);
    let own = made["acknowledged"].as_str().expect("a cursor").to_owned();
    let ahead = own.replace(".2", ".99");
    for (cursor, code) in
        [(foreign, "unknown_cursor"), (json!(ahead), "unknown_cursor"), (json!("2"), "invalid_request")]
    {
        assert_eq!(acknowledge(&desk, &cursor).await.problem(), code, "{cursor}");
    }
    let started = json!({ "after": ahead });
    assert_eq!(send(&desk, "PUT /v1/subscriptions/other", started).await.problem(), "unknown_cursor");
    for (line, code) in [
        ("GET /v1/subscriptions/none/events", "subscription_not_found"),
        ("DELETE /v1/subscriptions/none", "subscription_not_found"),
        ("GET /v1/subscriptions/No", "invalid_request"),
        ("GET /v1/subscriptions/audit/events?wait=soon", "invalid_request"),
    ] {
        assert_eq!(desk.ask(line).await.problem(), code, "{line}");
    }
    let unasked = send(&desk, "POST /v1/subscriptions/none/ack", json!({ "cursor": own })).await;
    assert_eq!(unasked.problem(), "subscription_not_found");
    let typo = send(&desk, "PUT /v1/subscriptions/other", json!({ "filters": {} })).await;
    assert_eq!(typo.problem(), "invalid_request");
}
