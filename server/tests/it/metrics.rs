//! Figures for Prometheus: who may ask for them, how far readers are behind, and what looks have found.

use std::sync::Arc;

use axum::body::Body;
use landlord_compute::ProviderName;
use landlord_compute::clock::SystemClock;
use landlord_compute::machines::id::Incarnation;
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::tenant::Method;
use landlord_compute::provider::{Context, Provider};
use landlord_server::{Rate, guarded, router};
use landlord_testing::fixtures::{self, tenant};
use landlord_testing::scripted::Step;
use serde_json::json;

use super::{Desk, answered, request};

#[tokio::test(start_paused = true)]
async fn the_figures_are_shown_where_there_are_any() {
    let desk = Desk::new().await;
    assert_eq!(desk.ask("GET /metrics").await.problem(), "not_supported");
    let served = desk.served.clone().metrics("text/plain", || "landlord_events 7\n".to_owned());
    let get = || request("GET /metrics").body(Body::empty()).expect("a request");
    let answer = answered(&router(served.clone()), get()).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "landlord_events 7\n"));
    assert_eq!(answer.headers["content-type"], "text/plain");

    let door = guarded(served, Rate::default()).await.expect("tokens are read");
    assert_eq!(answered(&door, get()).await.status.as_u16(), 401);
    for (tenants, status) in [("*", 200), ("acme-*", 403)] {
        let new = json!({ "name": format!("scraper-{status}"), "role": "viewer", "tenants": [tenants] });
        let new = request("POST /v1/tokens").body(Body::from(new.to_string())).expect("a request");
        let made = desk.asks(new).await.document(201);
        let token = format!("Bearer {}", made["secret"].as_str().expect("a secret"));
        let get = request("GET /metrics").header("authorization", token).body(Body::empty());
        assert_eq!(answered(&door, get.expect("a request")).await.status.as_u16(), status, "{tenants}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_slowest_reader_says_how_far_readers_are_behind() {
    let desk = Desk::new().await;
    let none = desk.served.lags().await.expect("readable");
    assert_eq!((none.subscription, none.webhook, none.failing), (0, 0, 0));
    for name in ["one", "two"] {
        let line = format!("PUT /v1/subscriptions/{name}");
        desk.asks(
            request(&line)
                .header("content-type", "application/json")
                .body(Body::from("{}"))
                .expect("a request"),
        )
        .await
        .document(201);
    }
    desk.runs("acme", "v1").await;
    assert_eq!(desk.served.lags().await.expect("readable").subscription, 2);
    let batch = desk.ask("GET /v1/subscriptions/one/events").await.document(200);
    let ack = json!({ "cursor": batch["cursor"] });
    let ack = request("POST /v1/subscriptions/one/ack")
        .header("content-type", "application/json")
        .body(Body::from(ack.to_string()));
    desk.asks(ack.expect("a request")).await.document(200);
    assert_eq!(desk.served.lags().await.expect("readable").subscription, 2, "the other one is the slowest");
}

#[tokio::test(start_paused = true)]
async fn the_oldest_operation_and_what_a_sweep_found_are_known() {
    let desk = Desk::new().await;
    desk.runs("acme", "v1").await;
    assert!(desk.served.oldest_operations().await.expect("readable").is_empty(), "nothing is on its way");
    desk.provider.script(&tenant("beta"), Method::Provision, [Step::Hang]);
    desk.send("PUT /v1/tenants/beta", "beta", "v1").await.document(202);
    let oldest = desk.served.oldest_operations().await.expect("readable");
    assert_eq!(oldest.keys().map(ProviderName::as_str).collect::<Vec<_>>(), ["scripted"]);

    assert!(desk.served.orphans().is_empty(), "nobody has swept");
    // Something of a tenant is there that no engine was asked for.
    let subject = Subject {
        engine: desk.engine.store_name(),
        provider: desk.provider.name(),
        tenant: tenant("lost"),
        incarnation: Incarnation(1),
    };
    let cx = Context::alone(subject, Arc::new(SystemClock));
    let spec = fixtures::spec("lost", "v1").check().expect("valid");
    desk.provider.provision(&cx, &spec).await.expect("there");
    desk.ask("POST /v1/providers/scripted/sweep").await.document(200);
    assert_eq!(desk.served.orphans().into_values().collect::<Vec<_>>(), [1]);
    desk.provider.lose(&tenant("lost"));
    desk.ask("POST /v1/providers/scripted/sweep").await.document(200);
    assert_eq!(desk.served.orphans().into_values().collect::<Vec<_>>(), [0], "as the last sweep says");
}
