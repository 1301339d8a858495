//! The contract, kept by the memory store.

use std::time::Duration;

use landlord_compute::store::{MemoryOptions, MemoryStore, Reads, Store};

use landlord_testing::store::samples::StoredLife;
use landlord_testing::store::shared::SharedMemory;
use landlord_testing::store::{contract, documents, members, requests, waiting};

/// As the stores of others are tried: a promise that is added to the list is kept here too.
#[tokio::test]
async fn the_whole_contract_is_kept() {
    contract::run(async || MemoryStore::default()).await;
}

#[tokio::test]
async fn the_revision_guards_each_write() {
    contract::the_revision_guards_each_write(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_write_at_once_is_a_write() {
    contract::a_write_at_once_is_a_write(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_write_whose_parts_disagree_is_refused() {
    contract::a_write_whose_parts_disagree_is_refused(&MemoryStore::default()).await;
}

#[tokio::test]
async fn one_bad_write_does_not_harm_its_batch() {
    contract::one_bad_write_does_not_harm_its_batch(&MemoryStore::default()).await;
}

#[tokio::test]
async fn an_older_epoch_is_fenced() {
    contract::an_older_epoch_is_fenced(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_closed_store_takes_no_writes() {
    contract::a_closed_store_takes_no_writes(&MemoryStore::default()).await;
}

#[tokio::test]
async fn opening_again_fences_the_engine_that_is_gone() {
    let store = MemoryStore::default();
    let older = store.open().await.expect("opens");
    let newer = store.open().await.expect("opens again");
    let write = StoredLife::new("acme").begin();
    assert!(store.commit(older.epoch, std::slice::from_ref(&write)).await.is_err());
    assert!(store.commit(newer.epoch, &[write]).await.is_ok());
}

#[tokio::test]
async fn positions_have_no_holes() {
    contract::positions_have_no_holes(&MemoryStore::default()).await;
}

#[tokio::test]
async fn events_are_paged_for_all_and_for_one() {
    contract::events_are_paged_for_all_and_for_one(&MemoryStore::default()).await;
}

#[tokio::test]
async fn events_beyond_the_history_are_a_gap() {
    let options = MemoryOptions { history: 20, settled: 1000, ..MemoryOptions::default() };
    contract::events_beyond_the_history_are_a_gap(&MemoryStore::new(options), 20).await;
}

/// A store that keeps 20 events, and for a minute those that are not read.
fn waiting() -> (MemoryStore, Duration) {
    let waits = Duration::from_secs(60);
    (MemoryStore::new(MemoryOptions { history: 20, waits, settled: 1000 }), waits)
}

#[tokio::test]
async fn events_beyond_the_history_wait_for_a_reader() {
    let (store, waits) = waiting();
    waiting::events_beyond_the_history_wait_for_a_reader(&store, 20, waits).await;
}

#[tokio::test]
async fn events_wait_no_longer_than_they_are_to() {
    let (store, waits) = waiting();
    waiting::events_wait_no_longer_than_they_are_to(&store, 20, waits).await;
}

#[tokio::test]
async fn due_tenants_are_paged_in_order() {
    contract::due_tenants_are_paged_in_order(&MemoryStore::default()).await;
}

#[tokio::test]
async fn calls_in_flight_are_paged_in_order() {
    contract::calls_in_flight_are_paged_in_order(&MemoryStore::default()).await;
}

#[tokio::test]
async fn the_living_are_listed_in_pages_and_filtered() {
    contract::the_living_are_listed_in_pages_and_filtered(&MemoryStore::default()).await;
}

#[tokio::test]
async fn an_operation_is_kept_and_settles_with_the_event() {
    contract::an_operation_is_kept_and_settles_with_the_event(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_request_is_one_operation() {
    contract::a_request_is_one_operation(&MemoryStore::default()).await;
}

#[tokio::test]
async fn every_tenant_reads_back_as_it_was_written() {
    contract::every_tenant_reads_back_as_it_was_written(&MemoryStore::default()).await;
}

#[tokio::test]
async fn every_event_reads_back_as_it_was_written() {
    contract::every_event_reads_back_as_it_was_written(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_tombstone_keeps_what_was_retained() {
    contract::a_tombstone_keeps_what_was_retained(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_tombstone_leads_to_the_next_life() {
    contract::a_tombstone_leads_to_the_next_life(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_document_is_put_only_at_its_revision() {
    documents::a_document_is_put_only_at_its_revision(&MemoryStore::default()).await;
}

#[tokio::test]
async fn of_several_writers_of_a_document_one_succeeds() {
    documents::of_several_writers_of_a_document_one_succeeds(&MemoryStore::default()).await;
}

#[tokio::test]
async fn documents_are_paged_by_name() {
    documents::documents_are_paged_by_name(&MemoryStore::default()).await;
}

#[tokio::test]
async fn documents_outlive_their_engine_and_are_fenced() {
    documents::documents_outlive_their_engine_and_are_fenced(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_request_that_began_no_operation_is_kept() {
    requests::a_request_that_began_no_operation_is_kept(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_name_is_one_request() {
    requests::a_name_is_one_request(&MemoryStore::default()).await;
}

#[tokio::test]
async fn noted_requests_are_bounded() {
    let options = MemoryOptions { history: 20, settled: 20, ..MemoryOptions::default() };
    requests::noted_requests_are_bounded(&MemoryStore::new(options), 20).await;
}

#[tokio::test]
async fn settled_operations_are_bounded_and_the_others_are_kept() {
    let store = MemoryStore::new(MemoryOptions { history: 1000, settled: 2, ..MemoryOptions::default() });
    let epoch = store.open().await.expect("opens").epoch;
    let mut open = StoredLife::new("open");
    let begun = open.begin();
    let kept = begun.opened.clone().expect("it opens an operation").id;
    contract::commit_one(&store, epoch, begun).await;
    let mut settled = Vec::new();
    for number in 0..5 {
        let mut life = StoredLife::new(&format!("t{number}"));
        let begun = life.begin();
        settled.push(begun.opened.clone().expect("it opens an operation").id);
        contract::commit_one(&store, epoch, begun).await;
        contract::commit_one(&store, epoch, life.done()).await;
    }
    assert!(store.operation(kept).await.expect("reads").is_some());
    for (id, still_kept) in settled.into_iter().zip([false, false, false, true, true]) {
        assert_eq!(store.operation(id).await.expect("reads").is_some(), still_kept, "{id}");
    }
}

/// What the engines of tests share is held to what every shared store promises.
#[tokio::test]
async fn a_shared_store_in_memory_keeps_the_contract_of_shared_stores() {
    members::run(async || {
        let shared = SharedMemory::new(MemoryOptions::default());
        (shared.seat(), shared.seat())
    })
    .await;
    contract::run(async || SharedMemory::new(MemoryOptions::default()).seat()).await;
}
