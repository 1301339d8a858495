//! A store in the oldest format that there was. How it was made: [`landlord_testing::recorded`].

use std::time::Duration;

use landlord_compute::clock::TokioClock;
use landlord_compute::machines::tenant::{Backoff, Policy, Settled};
use landlord_compute::store::{Events, Position, Reads, Scope};
use landlord_compute::{Engine, ObservePolicy, Options};
use landlord_store_sqlite::{SqliteOptions, SqliteReader, SqliteStore};
use landlord_testing::fixtures::{scripted, tenant};
use landlord_testing::recorded::File;

/// Who lives in it: some run, some have an operation on its way, one never ran.
const LIVING: [&str; 9] =
    ["failed", "flight", "full", "leaving", "moving", "paused", "plain", "undone", "updated"];

/// Destroys everybody in the recorded store once it is changed like this.
async fn all_are_destroyed(change: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("landlord.db");
    let file = File::at(&path);
    file.create(include_str!("recorded/store.sql"));
    file.change(change);
    let killed = file.number("SELECT max(at) FROM events");
    let now = jiff::Timestamp::from_microsecond(killed + 120_000_000).expect("a time");
    let soon = Backoff { first: Duration::from_millis(1), cap: Duration::from_millis(1) };
    let started = Engine::builder(SqliteStore::new(SqliteOptions::new(&path)))
        .provider(scripted())
        .policy(Policy { retry: soon, ..Policy::default() })
        .observe(ObservePolicy::Off)
        .clock(TokioClock::starting_at(now))
        .start();
    let engine = started.await.expect("the engine opens the store");
    for name in LIVING {
        let destroy = engine.tenant(tenant(name)).destroy(Options::default()).await.expect("accepted");
        let settled = tokio::time::timeout(Duration::from_secs(30), destroy).await.expect("it ends");
        assert_eq!(settled.expect("settles"), Settled::Done, "{name}");
    }
    engine.shutdown(Duration::from_secs(30)).await.expect("an orderly end");
    assert_eq!(file.number("SELECT count(*) FROM tenants WHERE state > ''"), 0);
    assert_eq!(file.number("SELECT count(*) FROM specs"), 0);

    // Each tenant's history reads on from what the old build wrote.
    let store = SqliteReader::open(&path).expect("a store");
    for name in LIVING.into_iter().chain(["gone"]) {
        let events = store.events(Position(0), &Scope::Tenant(tenant(name)), 1_000).await.expect("readable");
        let Events::Page(events) = events else { panic!("{name} has a gap") };
        let revisions: Vec<u64> = events.iter().map(|(_, event)| event.revision.0).collect();
        let last = file.number(&format!("SELECT revision FROM tenants WHERE id = '{name}'"));
        assert_eq!(revisions, (1..=last.unsigned_abs()).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn tenants_of_the_oldest_format_are_destroyed() {
    all_are_destroyed("").await;
}

/// I5: what was stored stays readable when a rule has become stricter since. Each of these specs breaks several of today's.
#[tokio::test]
async fn i5_tenants_whose_specs_would_be_refused_today_are_destroyed() {
    let change = r#"
        UPDATE specs SET body_json = json_set(body_json,
            '$.resources.cpu', 1,
            '$.resources.memory', 64,
            '$.containers[0].name', 'Not A Name',
            '$.containers[0].env', json('{ "1=": "starts with a digit" }'),
            '$.containers[0].ports', json('[{ "container_port": 70000, "protocol": "sctp" }]'),
            '$.containers[0].health_check', json('{ "type": "grpc", "interval_seconds": 1, "timeout_seconds": 2,
                "healthy_threshold": 0, "unhealthy_threshold": 0 }'),
            '$.labels', json('{ "": "a label without a name" }'))"#;
    all_are_destroyed(change).await;
}
