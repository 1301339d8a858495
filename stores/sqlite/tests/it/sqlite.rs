//! The contract, kept by the SQLite store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{FutureExt, join_all};
use landlord_compute::machines::tenant::Record;
use landlord_compute::store::{Position, Reads, Store, StoreError, Write, WriteError};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;

use landlord_testing::store::samples::{StoredLife, id};
use landlord_testing::store::{contract, documents, requests, waiting};

/// A new store in a directory of its own, which goes with the test.
fn fresh() -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::new(SqliteOptions::new(directory.path().join("store.db")));
    (directory, store)
}

/// As the stores of others are tried: a promise that is added to the list is kept here too.
#[tokio::test]
async fn the_whole_contract_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let number = AtomicUsize::new(0);
    contract::run(async || {
        let file = format!("{}.db", number.fetch_add(1, Ordering::Relaxed));
        SqliteStore::new(SqliteOptions::new(directory.path().join(file)))
    })
    .await;
}

#[tokio::test]
async fn the_revision_guards_each_write() {
    let (_directory, store) = fresh();
    contract::the_revision_guards_each_write(&store).await;
}

#[tokio::test]
async fn a_write_at_once_is_a_write() {
    let (_directory, store) = fresh();
    contract::a_write_at_once_is_a_write(&store).await;
}

#[tokio::test]
async fn a_write_whose_parts_disagree_is_refused() {
    let (_directory, store) = fresh();
    contract::a_write_whose_parts_disagree_is_refused(&store).await;
}

#[tokio::test]
async fn one_bad_write_does_not_harm_its_batch() {
    let (_directory, store) = fresh();
    contract::one_bad_write_does_not_harm_its_batch(&store).await;
}

#[tokio::test]
async fn an_older_epoch_is_fenced() {
    let (_directory, store) = fresh();
    contract::an_older_epoch_is_fenced(&store).await;
}

#[tokio::test]
async fn a_closed_store_takes_no_writes() {
    let (_directory, store) = fresh();
    contract::a_closed_store_takes_no_writes(&store).await;
}

#[tokio::test]
async fn positions_have_no_holes() {
    let (_directory, store) = fresh();
    contract::positions_have_no_holes(&store).await;
}

#[tokio::test]
async fn events_are_paged_for_all_and_for_one() {
    let (_directory, store) = fresh();
    contract::events_are_paged_for_all_and_for_one(&store).await;
}

#[tokio::test]
async fn due_tenants_are_paged_in_order() {
    let (_directory, store) = fresh();
    contract::due_tenants_are_paged_in_order(&store).await;
}

#[tokio::test]
async fn calls_in_flight_are_paged_in_order() {
    let (_directory, store) = fresh();
    contract::calls_in_flight_are_paged_in_order(&store).await;
}

#[tokio::test]
async fn the_living_are_listed_in_pages_and_filtered() {
    let (_directory, store) = fresh();
    contract::the_living_are_listed_in_pages_and_filtered(&store).await;
}

#[tokio::test]
async fn an_operation_is_kept_and_settles_with_the_event() {
    let (_directory, store) = fresh();
    contract::an_operation_is_kept_and_settles_with_the_event(&store).await;
}

#[tokio::test]
async fn a_request_is_one_operation() {
    let (_directory, store) = fresh();
    contract::a_request_is_one_operation(&store).await;
}

#[tokio::test]
async fn every_tenant_reads_back_as_it_was_written() {
    let (_directory, store) = fresh();
    contract::every_tenant_reads_back_as_it_was_written(&store).await;
}

#[tokio::test]
async fn every_event_reads_back_as_it_was_written() {
    let (_directory, store) = fresh();
    contract::every_event_reads_back_as_it_was_written(&store).await;
}

#[tokio::test]
async fn a_tombstone_keeps_what_was_retained() {
    let (_directory, store) = fresh();
    contract::a_tombstone_keeps_what_was_retained(&store).await;
}

#[tokio::test]
async fn a_tombstone_leads_to_the_next_life() {
    let (_directory, store) = fresh();
    contract::a_tombstone_leads_to_the_next_life(&store).await;
}

#[tokio::test]
async fn a_document_is_put_only_at_its_revision() {
    let (_directory, store) = fresh();
    documents::a_document_is_put_only_at_its_revision(&store).await;
}

#[tokio::test]
async fn of_several_writers_of_a_document_one_succeeds() {
    let (_directory, store) = fresh();
    documents::of_several_writers_of_a_document_one_succeeds(&store).await;
}

#[tokio::test]
async fn documents_are_paged_by_name() {
    let (_directory, store) = fresh();
    documents::documents_are_paged_by_name(&store).await;
}

#[tokio::test]
async fn documents_outlive_their_engine_and_are_fenced() {
    let (_directory, store) = fresh();
    documents::documents_outlive_their_engine_and_are_fenced(&store).await;
}

#[tokio::test]
async fn a_request_that_began_no_operation_is_kept() {
    let (_directory, store) = fresh();
    requests::a_request_that_began_no_operation_is_kept(&store).await;
}

#[tokio::test]
async fn a_name_is_one_request() {
    let (_directory, store) = fresh();
    requests::a_name_is_one_request(&store).await;
}

#[tokio::test]
async fn noted_requests_are_bounded() {
    let (_directory, store, _) = short();
    requests::noted_requests_are_bounded(&store, 20).await;
}

/// A store that keeps 20 events, and for a minute those that are not read.
fn short() -> (tempfile::TempDir, SqliteStore, Duration) {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, waits) = (directory.path().join("store.db"), Duration::from_secs(60));
    let options = SqliteOptions { history: Some(20), waits, ..SqliteOptions::new(path) };
    (directory, SqliteStore::new(options), waits)
}

#[tokio::test]
async fn events_beyond_the_history_are_a_gap() {
    let (_directory, store, _) = short();
    contract::events_beyond_the_history_are_a_gap(&store, 20).await;
}

#[tokio::test]
async fn events_beyond_the_history_wait_for_a_reader() {
    let (_directory, store, waits) = short();
    waiting::events_beyond_the_history_wait_for_a_reader(&store, 20, waits).await;
}

#[tokio::test]
async fn events_wait_no_longer_than_they_are_to() {
    let (_directory, store, waits) = short();
    waiting::events_wait_no_longer_than_they_are_to(&store, 20, waits).await;
}

/// A batch is handed to the writer in parts, and what is asked for meanwhile is read together.
#[tokio::test]
async fn a_write_that_the_tables_refuse_does_not_harm_a_large_batch() {
    let (_directory, store) = fresh();
    let epoch = store.open().await.expect("opens").epoch;
    let mut batch: Vec<Write> =
        (0..500).map(|number| StoredLife::new(&format!("t{number}")).begin()).collect();
    let (first, clashing) = (batch[10].opened.clone().expect("it opens one"), &mut batch[300]);
    Arc::make_mut(clashing.opened.as_mut().expect("it opens one")).id = first.id;

    let answers = store.commit(epoch, &batch).await.expect("the batch commits");
    assert!(matches!(answers[300], Err(WriteError::Invalid(_))), "{:?}", answers[300]);
    let made: Vec<Position> = answers.into_iter().flatten().collect();
    assert_eq!(made, (1..=499).map(Position).collect::<Vec<_>>(), "all others, without holes");

    let ids: Vec<_> = (0..500).map(|number| id(&format!("t{number}"))).collect();
    let loaded = join_all(ids.iter().map(|id| store.load(id))).await;
    for (number, loaded) in loaded.into_iter().enumerate() {
        let expected = match number {
            300 => Record::Absent(ids[300].clone()),
            _ => batch[number].record.clone(),
        };
        assert_eq!(loaded.expect("loads"), expected);
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_fails_alone_among_those_read_with_it() {
    let (directory, store) = fresh();
    let epoch = store.open().await.expect("opens").epoch;
    let batch = ["a", "b", "c"].map(|name| StoredLife::new(name).begin());
    store.commit(epoch, &batch).await.expect("commits");
    let shell = Connection::open(directory.path().join("store.db")).expect("opens beside the owner");
    shell.execute("UPDATE tenants SET state = 'lost' WHERE id = 'b'", []).expect("writes");

    let (a, b, c) = (id("a"), id("b"), id("c"));
    let (a, b, c) = tokio::join!(store.load(&a), store.load(&b), store.load(&c));
    assert_eq!(a.expect("loads"), batch[0].record);
    assert!(matches!(b, Err(StoreError::Corrupt { .. })), "{b:?}");
    assert_eq!(c.expect("loads"), batch[2].record);
}

/// Who reads for others may be gone with its runtime: the store is asked again from another one.
#[test]
fn what_a_runtime_that_ended_was_reading_is_read_by_the_next() {
    let (_directory, store) = fresh();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds");
    let first = runtime();
    first.block_on(async { store.open().await.map(drop) }).expect("opens");
    // It begins to read, and the runtime ends before it has.
    first.block_on(async {
        assert!(store.load(&id("acme")).now_or_never().is_none());
    });
    drop(first);
    let loaded = runtime().block_on(async { store.load(&id("acme")).await });
    assert_eq!(loaded.expect("loads"), Record::Absent(id("acme")));
}
