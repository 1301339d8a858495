//! Subscriptions lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use landlord_compute::machines::id::Revision;
use landlord_compute::store::{MemoryOptions, MemoryStore, Position, Scope};
use landlord_compute::{Delivery, Options};

use super::{engine, memory, run, scripted, spec, tenant};

/// I6: events are gapless and in order, for a subscriber that is far behind too.
#[tokio::test(start_paused = true)]
async fn i6_a_subscriber_that_lags_gets_every_event_in_order() {
    let provider = scripted();
    let store = MemoryStore::new(MemoryOptions { history: 12_000, ..MemoryOptions::default() });
    let engine = engine(store, &provider).start().await.expect("starts");
    let stream = engine.subscribe(Position(0), Scope::All);
    // More events than the engine keeps in memory for subscribers: the first come from the store.
    for life in 0..3_000 {
        run(&engine, "acme", "v1").await;
        let destroyed = engine.tenant(tenant("acme")).destroy(Options::default()).await.expect("accepted");
        destroyed.await.expect("settles");
        assert!(life < 3_000);
    }
    let revisions = stream
        .take(12_000)
        .map(|delivery| match delivery.expect("readable") {
            Delivery::Event { event, .. } => event.revision.0,
            Delivery::Gap { resume } => panic!("a gap up to {resume:?}"),
        })
        .collect::<Vec<u64>>();
    let revisions = tokio::time::timeout(Duration::from_secs(100_000), revisions).await;
    assert_eq!(revisions.expect("all come"), (1..=12_000).collect::<Vec<_>>());
}

/// Counts how often whoever waits is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A subscriber of one tenant costs nothing while others are busy, and misses nothing of its own.
#[tokio::test(start_paused = true)]
async fn i6_a_subscriber_of_one_tenant_is_woken_by_it_alone() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    run(&engine, "acme", "v1").await;
    let mut acme = Box::pin(engine.subscribe(Position(0), Scope::Tenant(tenant("acme"))));
    let mut also = Box::pin(engine.subscribe(Position(0), Scope::Tenant(tenant("acme"))));
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut poll = || acme.as_mut().poll_next(&mut Context::from_waker(&waker));
    let mut positions = Vec::new();
    let mut expected = vec![1, 2];
    for round in 0..4_u64 {
        while let Poll::Ready(delivery) = poll() {
            let Some(Ok(Delivery::Event { cursor, event })) = delivery else { panic!("no event") };
            assert_eq!(event.tenant_id, tenant("acme"));
            positions.push(cursor.0);
        }
        assert_eq!(positions, expected);
        let before = wakes.0.load(Ordering::Relaxed);
        for other in 0..10 {
            run(&engine, &format!("other-{round}-{other}"), "v1").await;
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), before, "others concern it not");
        let handle = engine.tenant(tenant("acme"));
        let update = handle.update(spec("acme", &format!("v{}", round + 2)), Options::default());
        update.await.expect("accepted").await.expect("settles");
        assert!(wakes.0.load(Ordering::Relaxed) > before);
        let end = expected[expected.len() - 1];
        expected.extend([end + 21, end + 22]);
    }
    // Another one of the same tenant, that did not read until now, has missed nothing either; nor when the first has gone.
    let _ = poll();
    drop(acme);
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let Some(Ok(Delivery::Event { cursor, .. })) = also.next().await else { panic!("no event") };
        seen.push(cursor.0);
    }
    assert_eq!(seen, expected);
    run(&engine, "other", "v1").await;
    engine
        .tenant(tenant("acme"))
        .destroy(Options::default())
        .await
        .expect("accepted")
        .await
        .expect("settles");
    let Some(Ok(Delivery::Event { event, .. })) = also.next().await else { panic!("no event") };
    assert_eq!(event.what.name(), "began");
}

/// I6: a new subscriber gets the events from a time without subscribers, also when there were subscribers before it.
#[tokio::test(start_paused = true)]
async fn i6_a_subscriber_that_comes_back_gets_what_happened_meanwhile() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    run(&engine, "unheard", "v1").await;
    let mut first = Box::pin(engine.subscribe(Position(0), Scope::All));
    run(&engine, "heard", "v1").await;
    let mut cursor = Position(0);
    while cursor < Position(3) {
        let Some(Ok(Delivery::Event { cursor: next, .. })) = first.next().await else { panic!("no event") };
        cursor = next;
    }
    drop(first);
    run(&engine, "unheard-too", "v1").await;
    let mut again = Box::pin(engine.subscribe(cursor, Scope::All));
    let mut seen = Vec::new();
    while seen.len() < 5 {
        // What was missed is there before anything else happens.
        if seen.len() == 3 {
            run(&engine, "heard-again", "v1").await;
        }
        let Some(Ok(Delivery::Event { cursor, event })) = again.next().await else { panic!("no event") };
        seen.push((cursor.0, event.tenant_id.to_string()));
    }
    let expected =
        [(4, "heard"), (5, "unheard-too"), (6, "unheard-too"), (7, "heard-again"), (8, "heard-again")];
    assert_eq!(seen, expected.map(|(at, tenant)| (at, tenant.to_owned())));
}

/// I6: where events are no longer kept, the subscriber is told so.
#[tokio::test(start_paused = true)]
async fn i6_events_that_are_no_longer_kept_are_a_gap() {
    let provider = scripted();
    let store = MemoryStore::new(MemoryOptions { history: 10, ..MemoryOptions::default() });
    let engine = engine(store, &provider).start().await.expect("starts");
    for life in 0..5_000 {
        run(&engine, "acme", "v1").await;
        engine
            .tenant(tenant("acme"))
            .destroy(Options::default())
            .await
            .expect("accepted")
            .await
            .expect("settles");
        assert!(life < 5_000);
    }
    let mut stream = Box::pin(engine.subscribe(Position(0), Scope::All));
    let Some(Ok(Delivery::Gap { resume })) = stream.next().await else { panic!("no gap") };
    assert!(resume > Position(0));
    let Some(Ok(Delivery::Event { event, cursor })) = stream.next().await else { panic!("no event") };
    assert_eq!(cursor, Position(resume.0 + 1));
    assert_eq!(event.revision, Revision(cursor.0));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_sees_what_comes_and_goes_on_from_its_cursor() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let mut live = Box::pin(engine.subscribe(engine.head(), Scope::Tenant(tenant("b"))));
    run(&engine, "a", "v1").await;
    run(&engine, "b", "v1").await;
    let Some(Ok(Delivery::Event { cursor, event })) = live.next().await else { panic!("no event") };
    assert_eq!((event.tenant_id.as_str(), event.revision), ("b", Revision(1)));
    let mut again = Box::pin(engine.subscribe(cursor, Scope::Tenant(tenant("b"))));
    let Some(Ok(Delivery::Event { event, .. })) = again.next().await else { panic!("no event") };
    assert_eq!((event.tenant_id.as_str(), event.revision), ("b", Revision(2)));
    drop(engine);
    assert!(again.next().await.is_none(), "the stream ends with the engine");
}
