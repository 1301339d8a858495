//! What every store promises of events beyond its history.

use std::sync::Arc;
use std::time::Duration;

use landlord_compute::machines::tenant::LifecycleEvent;
use landlord_compute::store::{
    DocumentKind, DocumentRevision, DocumentWrite, Epoch, Events, Position, Scope, Store,
};

use super::contract::commit_one;
use super::samples::{StoredLife, time};

/// Writes how far a reader has read; none: it reads no more.
async fn reads(store: &dyn Store, epoch: Epoch, at: DocumentRevision, read: Option<u64>) -> DocumentRevision {
    let write = DocumentWrite {
        kind: DocumentKind::Subscription,
        name: "slow".to_owned(),
        expected: at,
        json: read.map(|read| read.to_string()),
        reads_from: read.map(Position),
    };
    store.put_document(epoch, &write).await.expect("the store answers").expect("it is at this revision")
}

/// Commits events that happened then.
async fn commit(
    store: &dyn Store,
    epoch: Epoch,
    life: &mut StoredLife,
    events: u64,
    seconds: i64,
) -> Position {
    let mut head = Position::default();
    for _ in 0..events {
        let mut write = life.again();
        write.event = Arc::new(LifecycleEvent { at: time(seconds), ..(*write.event).clone() });
        head = commit_one(store, epoch, write).await;
    }
    head
}

/// The position before the first event that is kept.
async fn resume(store: &dyn Store) -> Position {
    match store.events(Position(0), &Scope::All, 1).await.expect("reads") {
        Events::Gap { resume } => resume,
        Events::Page(_) => Position(0),
    }
}

/// Of a store that keeps `history` events and a little more, and for `waits` those that are not read.
pub async fn events_beyond_the_history_wait_for_a_reader(store: &dyn Store, history: u64, waits: Duration) {
    assert!(waits > Duration::ZERO);
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    let reader = reads(store, epoch, DocumentRevision::ABSENT, Some(0)).await;
    commit_one(store, epoch, life.begin()).await;
    commit(store, epoch, &mut life, history * 10, 0).await;
    assert_eq!(resume(store).await, Position(0), "nothing is read");

    let reader = reads(store, epoch, reader, Some(10)).await;
    commit(store, epoch, &mut life, history, 0).await;
    assert_eq!(resume(store).await, Position(10), "what is read goes");

    reads(store, epoch, reader, None).await;
    let head = commit(store, epoch, &mut life, history * 10, 0).await;
    let resume = resume(store).await;
    assert!(resume.0 > history * 10 && resume.0 <= head.0 - history, "{resume:?} of {head:?}");
}

/// Of such a store too.
pub async fn events_wait_no_longer_than_they_are_to(store: &dyn Store, history: u64, waits: Duration) {
    let later = i64::try_from(waits.as_secs()).expect("some seconds") + 1;
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    reads(store, epoch, DocumentRevision::ABSENT, Some(0)).await;
    commit_one(store, epoch, life.begin()).await;
    let early = commit(store, epoch, &mut life, history, 0).await;
    commit(store, epoch, &mut life, history * 10, later).await;
    assert_eq!(resume(store).await, early, "what has waited long enough goes, and nothing else");
}
