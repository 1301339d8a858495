//! Server-sent events: in order, without loss, from any place.

use axum::body::Body;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use serde_json::Value;

use super::{Answer, Desk, request};

/// The messages of a stream that has ended.
fn messages(answer: &Answer) -> Vec<(String, String, Value)> {
    assert_eq!(answer.headers["content-type"], "text/event-stream", "{}", answer.text);
    let blocks = answer.text.split("\n\n").filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                line.unwrap_or_default().to_owned()
            };
            (field("id"), field("event"), serde_json::from_str(&field("data")).expect("a document"))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn events_are_told_in_order_and_from_any_place() {
    let desk = Desk::new().await;
    desk.runs("acme", "v1").await;
    desk.runs("bravo", "v1").await;
    let all = messages(&desk.ask("GET /v1/events?after=start&follow=false").await);
    let names: Vec<&str> = all.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(names, ["began", "succeeded", "began", "succeeded"]);
    let (id, _, first) = &all[0];
    assert_eq!((&first["specversion"], &first["id"]), (&"1.0".into(), &id.as_str().into()));
    assert_eq!(first["type"], "landlord.tenant.began");
    assert_eq!((&first["subject"], &first["data"]["tenant_id"]), (&"acme".into(), &"acme".into()));

    let rest = messages(&desk.ask(&format!("GET /v1/events?after={id}&follow=false")).await);
    assert_eq!(rest, all[1..], "what comes after a cursor");
    let header = request("GET /v1/events?after=start&follow=false").header("last-event-id", &all[1].0);
    let resumed = desk.asks(header.body(Body::empty()).expect("a request")).await;
    assert_eq!(messages(&resumed), all[2..], "a client that connects again says where it was");
    let one = messages(&desk.ask("GET /v1/tenants/bravo/events?after=start&follow=false").await);
    assert_eq!(one, all[2..], "of one tenant");
    let last = messages(&desk.ask("GET /v1/events?last=1&follow=false").await);
    assert_eq!(last, all[3..]);
    let last = messages(&desk.ask("GET /v1/tenants/acme/events?last=1&follow=false").await);
    assert_eq!(last, all[1..2]);
    let now = desk.ask("GET /v1/events?follow=false").await;
    assert_eq!(messages(&now), [], "nothing has happened from now on");
    assert_eq!(now.headers["landlord-cursor"], all[3].0, "and this is where now is");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_none_is_an_error() {
    let desk = Desk::new().await;
    desk.runs("acme", "v1").await;
    let store = desk.engine.store_name();
    for cursor in ["7", "other.1", &format!("{store}.3"), &format!("{store}.-1"), ""] {
        let answer = desk.ask(&format!("GET /v1/events?after={cursor}&follow=false")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (400, "unknown_cursor"),
            "{cursor:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_kept_is_a_gap() {
    let options = MemoryOptions { history: 2, ..MemoryOptions::default() };
    let desk = Desk::with(MemoryStore::new(options)).await;
    for image in ["v1", "v2", "v3"] {
        desk.runs("acme", image).await;
    }
    let told = messages(&desk.ask("GET /v1/events?after=start&follow=false").await);
    let (id, name, gap) = &told[0];
    assert_eq!((name.as_str(), &gap["resume"]), ("gap", &id.as_str().into()));
    assert_eq!(told.len(), 3, "and then what is kept: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_until_the_engine_ends() {
    let desk = Desk::new().await;
    let streams = desk.ask("GET /v1/events");
    let lives = async {
        desk.runs("acme", "v1").await;
        desk.engine.shutdown(std::time::Duration::from_secs(1)).await.expect("ends");
    };
    // The stream is polled first, so that it is there before anything happens.
    let (told, ()) = tokio::join!(streams, lives);
    let names: Vec<String> = messages(&told).into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(names, ["began", "succeeded"]);
}
