//! The contract, kept by the SQLite store.

use landlord_compute::store::{SqliteOptions, SqliteStore};

use super::contract;

/// A new store in a directory of its own, which goes with the test.
fn fresh() -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::new(SqliteOptions::new(directory.path().join("store.db")));
    (directory, store)
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
async fn a_tombstone_leads_to_the_next_life() {
    let (_directory, store) = fresh();
    contract::a_tombstone_leads_to_the_next_life(&store).await;
}

#[tokio::test]
async fn events_beyond_the_history_are_a_gap() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = SqliteOptions { path: directory.path().join("store.db"), history: Some(20) };
    contract::events_beyond_the_history_are_a_gap(&SqliteStore::new(options), 20).await;
}
