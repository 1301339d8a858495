//! What every store promises of requests that began no operation.

use landlord_compute::machines::id::{OperationId, Revision};
use landlord_compute::machines::tenant::Record;
use landlord_compute::store::{
    Epoch, Fingerprint, NotedRequest, Requested, Store, StoreError, Write, WriteError,
};

use super::contract::commit_one;
use super::samples::{StoredLife, id};

fn noted(tenant: &str, name: &str, operation: Option<OperationId>, revision: Revision) -> NotedRequest {
    let asked = Fingerprint(u128::MAX / 5);
    NotedRequest { tenant: id(tenant), request_id: name.to_owned(), asked, operation, revision }
}

/// The write, to which a request led.
fn by(request: &NotedRequest, write: Write) -> Write {
    Write { noted: Some(Box::new(request.clone())), ..write }
}

async fn note(store: &dyn Store, epoch: Epoch, request: &NotedRequest) -> Result<(), WriteError> {
    store.note_request(epoch, request).await.expect("the store answers")
}

async fn found(store: &dyn Store, tenant: &str, name: &str) -> Option<NotedRequest> {
    match store.request(&id(tenant), name).await.expect("reads") {
        None => None,
        Some(Requested::Noted(noted)) => Some(noted),
        Some(Requested::Began(operation)) => panic!("it is operation {}", operation.id),
    }
}

/// A request is kept with the transition that it led to, or alone where it led to none.
pub async fn a_request_that_began_no_operation_is_kept(store: &dyn Store) {
    let older = store.open().await.expect("opens").epoch;
    let early = noted("nobody", "r-0", None, Revision(0));
    assert_eq!(note(store, older, &early).await, Ok(()), "also of a tenant that never was");
    let mut life = StoredLife::new("acme");
    let begin = life.begin();
    let operation = begin.opened.as_ref().expect("it opens an operation").id;
    commit_one(store, older, begin).await;
    let joined = noted("acme", "r-1", Some(operation), Revision(1));
    assert_eq!(note(store, older, &joined).await, Ok(()));
    let paused = noted("acme", "r-2", None, Revision(2));
    commit_one(store, older, by(&paused, life.again())).await;
    let retried = noted("acme", "r-3", Some(operation), Revision(3));
    commit_one(store, older, by(&retried, life.again())).await;
    let elsewhere = noted("other", "r-1", None, Revision(0));
    assert_eq!(note(store, older, &elsewhere).await, Ok(()), "another tenant has names of its own");

    store.close().await.expect("closes");
    let closed = store.note_request(older, &noted("acme", "r-4", None, Revision(3))).await;
    assert!(matches!(closed, Err(StoreError::Unavailable { .. })), "{closed:?}");
    store.open().await.expect("opens again");
    let fenced = store.note_request(older, &noted("acme", "r-4", None, Revision(3))).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{fenced:?}");
    assert_eq!(found(store, "acme", "r-4").await, None);
    for request in [early, joined, paused, retried, elsewhere] {
        let kept = found(store, request.tenant.as_str(), &request.request_id).await;
        assert_eq!(kept.as_ref(), Some(&request), "also by the next engine");
    }
}

/// A name stands for one request, whatever that led to.
pub async fn a_name_is_one_request(store: &dyn Store) {
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    let begin = life.begin_with(None, Some("began"));
    let operation = begin.opened.clone().expect("it opens an operation");
    commit_one(store, epoch, begin).await;
    let (joined, led) = (noted("acme", "joined", Some(operation.id), Revision(1)), life.again());
    let paused = noted("acme", "paused", None, led.record.revision());
    assert_eq!(note(store, epoch, &joined).await, Ok(()));
    commit_one(store, epoch, by(&paused, led.clone())).await;

    for name in ["began", "joined", "paused"] {
        let again = noted("acme", name, None, Revision(2));
        let refused = note(store, epoch, &again).await;
        assert!(matches!(refused, Err(WriteError::Invalid(_))), "{name}: {refused:?}");
        let mut next = StoredLife::new("acme");
        next.revision = Revision(2);
        let again = noted("acme", name, None, Revision(3));
        let transition = by(&again, next.again());
        next.revision = Revision(2);
        let opening = next.begin_with(None, Some(name));
        for write in [transition, opening] {
            let refused = store.commit(epoch, &[write]).await.expect("the batch commits");
            assert!(matches!(refused[0], Err(WriteError::Invalid(_))), "{name}: {refused:?}");
        }
    }
    let both = by(&noted("acme", "both", None, Revision(3)), {
        let mut next = StoredLife::new("acme");
        next.revision = Revision(2);
        next.begin_with(None, Some("both"))
    });
    let foreign = by(&noted("other", "foreign", None, Revision(3)), life.again());
    let skewed = by(&noted("acme", "skewed", None, Revision(9)), foreign.clone());
    for write in [both, foreign, skewed] {
        let refused = store.commit(epoch, &[write]).await.expect("the batch commits");
        assert!(matches!(refused[0], Err(WriteError::Invalid(_))), "{refused:?}");
    }

    assert_eq!(
        store.load(&id("acme")).await.expect("loads"),
        led.record,
        "nothing of what was refused is kept"
    );
    let began = store.request(&id("acme"), "began").await.expect("reads");
    assert_eq!(began, Some(Requested::Began((*operation).clone())));
    assert_eq!(found(store, "acme", "joined").await, Some(joined));
    assert_eq!(found(store, "acme", "paused").await, Some(paused));
    for name in ["both", "foreign", "skewed"] {
        assert_eq!(found(store, "acme", name).await, None, "{name}");
    }
}

/// Of a store that keeps `history` events and settled operations, and a little more: a request goes with the operation
/// that it is part of, and one without an operation with the events that there were.
pub async fn noted_requests_are_bounded(store: &dyn Store, history: u64) {
    let epoch = store.open().await.expect("opens").epoch;
    let mut endless = StoredLife::new("endless");
    let begin = endless.begin();
    let operation = begin.opened.as_ref().expect("it opens an operation").id;
    commit_one(store, epoch, begin).await;
    assert_eq!(note(store, epoch, &noted("endless", "part", Some(operation), Revision(1))).await, Ok(()));
    for number in 0..history * 10 {
        let name = format!("t{number}");
        let mut life = StoredLife::new(&name);
        let begin = life.begin();
        let operation = begin.opened.as_ref().expect("it opens an operation").id;
        commit_one(store, epoch, begin).await;
        assert_eq!(note(store, epoch, &noted(&name, "part", Some(operation), Revision(1))).await, Ok(()));
        commit_one(store, epoch, by(&noted(&name, "so", None, Revision(2)), life.done())).await;
        assert_eq!(note(store, epoch, &noted(&name, "so too", None, Revision(2))).await, Ok(()));
    }
    assert!(found(store, "endless", "part").await.is_some(), "its operation has not settled");
    for name in ["part", "so", "so too"] {
        assert_eq!(found(store, "t0", name).await, None, "{name}");
        let last = format!("t{}", history * 10 - 1);
        assert!(found(store, &last, name).await.is_some(), "{name}");
    }
    assert!(matches!(store.load(&id("t0")).await.expect("loads"), Record::Live(_)));
}
