//! The fleet at a glance: who is counted, who needs a look, what happened; and a list that begins where a name does.

use std::sync::Arc;

use landlord_compute::clock::SystemClock;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_server::{Served, router};
use landlord_testing::fixtures;
use landlord_testing::scripted::Fate;
use serde_json::{Value, json};

use super::Desk;

fn names(tenants: &Value) -> Vec<&str> {
    let tenants = tenants.as_array().expect("tenants");
    tenants.iter().map(|tenant| tenant["tenant_id"].as_str().expect("an id")).collect()
}

#[tokio::test(start_paused = true)]
async fn it_counts_tenants_and_tells_who_needs_a_look() {
    let desk = Desk::new().await;
    assert_eq!(desk.ask("GET /v1/fleet").await.document(200)["counts"], json!([]));
    for tenant in ["acme-1", "acme-2", "bravo"] {
        desk.runs(tenant, "v1").await;
    }
    // An answer is some seconds old at most.
    tokio::time::advance(std::time::Duration::from_secs(3)).await;
    let fleet = desk.ask("GET /v1/fleet").await.document(200);
    assert_eq!(
        fleet["counts"],
        json!([{ "provider": "scripted", "state": "running", "health": "healthy", "tenants": 3 }])
    );
    assert_eq!(fleet["concerns"], json!([]));
    for (query, found) in [
        ("prefix=acme", vec!["acme-1", "acme-2"]),
        ("prefix=acme-2", vec!["acme-2"]),
        ("prefix=acme&after=acme-1", vec!["acme-2"]),
        ("prefix=acme&state=pending", vec![]),
        ("prefix=b&health=healthy", vec!["bravo"]),
        ("prefix=c", vec![]),
    ] {
        let listed = desk.ask(&format!("GET /v1/tenants?{query}")).await.document(200);
        assert_eq!(names(&listed["tenants"]), found, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_failed_comes_before_who_is_on_its_way() {
    let desk = Desk::new().await;
    desk.provider.set_fate("broken", Fate::Crashes);
    desk.provider.set_fate("slow", Fate::NeverHealthy);
    let broken = desk.send("PUT /v1/tenants/broken", "broken", "broken").await.document(202);
    assert_eq!(desk.end(&broken).await["settled"]["as"], "failed");
    desk.runs("fine", "v1").await;
    for tenant in ["slow-2", "slow-1"] {
        desk.send(&format!("PUT /v1/tenants/{tenant}"), tenant, "slow").await.document(202);
    }
    let fleet = desk.ask("GET /v1/fleet").await.document(200);
    let concerns = fleet["concerns"].as_array().expect("concerns");
    let told: Vec<_> = concerns
        .iter()
        .map(|one| {
            (one["concern"].as_str().expect("one"), one["tenant"]["tenant_id"].as_str().expect("an id"))
        })
        .collect();
    assert_eq!(told, [("failed", "broken"), ("on_its_way", "slow-2"), ("on_its_way", "slow-1")]);
    assert!(concerns[1]["since"].is_string() && concerns[0].get("since").is_none());
    let listed = desk.ask("GET /v1/fleet").await.document(200);
    assert_eq!(listed["at"], fleet["at"], "it is not counted for each who asks");
}

#[tokio::test]
async fn it_tells_what_happened_in_the_last_hour() {
    let mut desk = Desk::new().await;
    // The minutes are those of this machine's clock.
    let provider = desk.provider.clone();
    let store = MemoryStore::new(MemoryOptions::default());
    let engine = fixtures::engine(store, &provider).clock(SystemClock).start().await.expect("starts");
    desk.engine = Arc::new(engine);
    desk.served = Served::engine(Arc::clone(&desk.engine));
    desk.router = router(desk.served.clone());
    desk.runs("acme", "v1").await;
    desk.runs("bravo", "v1").await;
    provider.set_fate("slow", Fate::NeverHealthy);
    let put = desk.send("PUT /v1/tenants/awry", "awry", "slow").await.document(202);
    desk.ask("POST /v1/tenants/awry/cancel").await.document(202);
    assert_eq!(desk.end(&put).await["settled"]["as"], "cancelled");
    let fleet = desk.ask("GET /v1/fleet").await.document(200);
    let minutes = fleet["minutes"].as_array().expect("minutes");
    assert_eq!(minutes.len(), 60);
    let sum = |name: &str| minutes.iter().map(|minute| minute[name].as_u64().expect("a number")).sum::<u64>();
    assert_eq!((sum("began"), sum("done"), sum("failed")), (3, 2, 1));
}
