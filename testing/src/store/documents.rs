//! What every store promises of its documents.

use futures_util::future::join_all;
use landlord_compute::store::{
    DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, Store, StoreError,
};

use super::contract::commit_one;
use super::samples::StoredLife;

use DocumentKind::{Subscription, Token, Webhook};

/// A write of a document.
fn write(kind: DocumentKind, name: &str, expected: DocumentRevision, json: Option<&str>) -> DocumentWrite {
    DocumentWrite { kind, name: name.to_owned(), expected, json: json.map(str::to_owned), reads_from: None }
}

/// Puts a document, which the store must answer.
async fn put(
    store: &dyn Store,
    epoch: Epoch,
    write: &DocumentWrite,
) -> Result<DocumentRevision, DocumentMismatch> {
    store.put_document(epoch, write).await.expect("the store answers")
}

/// The content of a document, and its revision.
async fn content(store: &dyn Store, kind: DocumentKind, name: &str) -> Option<(DocumentRevision, String)> {
    let found = store.document(kind, name).await.expect("reads")?;
    assert_eq!((found.kind, found.name.as_str()), (kind, name));
    Some((found.revision, found.json))
}

/// A document is written only at the revision that is expected, and no revision is used twice.
pub async fn a_document_is_put_only_at_its_revision(store: &dyn Store) {
    let epoch = store.open().await.expect("opens").epoch;
    let absent = DocumentRevision::ABSENT;
    assert_eq!(content(store, Token, "a").await, None);

    let early = put(store, epoch, &write(Token, "a", DocumentRevision(1), Some("0"))).await;
    assert_eq!(early, Err(DocumentMismatch { expected: DocumentRevision(1), actual: absent }));
    let first = put(store, epoch, &write(Token, "a", absent, Some(r#"{"n":1}"#))).await.expect("is made");
    assert_ne!(first, absent);
    assert_eq!(content(store, Token, "a").await, Some((first, r#"{"n":1}"#.to_owned())));

    let again = put(store, epoch, &write(Token, "a", absent, Some("2"))).await;
    assert_eq!(again, Err(DocumentMismatch { expected: absent, actual: first }));
    let second = put(store, epoch, &write(Token, "a", first, Some(r#"{"n":1}"#))).await.expect("is written");
    assert!(second > first, "the same content under another revision");
    for json in [Some("2"), None] {
        let stale = put(store, epoch, &write(Token, "a", first, json)).await;
        assert_eq!(stale, Err(DocumentMismatch { expected: first, actual: second }));
    }
    assert_eq!(content(store, Token, "a").await, Some((second, r#"{"n":1}"#.to_owned())));

    // Another kind has names of its own.
    assert_eq!(content(store, Webhook, "a").await, None);
    let other = put(store, epoch, &write(Webhook, "a", absent, Some("{}"))).await.expect("is made");

    assert_eq!(put(store, epoch, &write(Token, "a", second, None)).await, Ok(absent), "it is removed");
    assert_eq!(content(store, Token, "a").await, None);
    assert_eq!(put(store, epoch, &write(Token, "a", absent, None)).await, Ok(absent), "and stays so");
    let next = put(store, epoch, &write(Token, "a", absent, Some("3"))).await.expect("is made again");
    assert!(next > second, "what was removed does not give its revisions back");
    let stale = put(store, epoch, &write(Token, "a", second, Some("4"))).await;
    assert_eq!(stale, Err(DocumentMismatch { expected: second, actual: next }));
    assert_eq!(content(store, Webhook, "a").await, Some((other, "{}".to_owned())), "nobody else's changed");
}

/// Of those that expect the same revision one succeeds, also while tenants are written.
pub async fn of_several_writers_of_a_document_one_succeeds(store: &dyn Store) {
    let epoch = store.open().await.expect("opens").epoch;
    let mut life = StoredLife::new("acme");
    commit_one(store, epoch, life.begin()).await;
    let mut at = DocumentRevision::ABSENT;
    for _ in 0..3 {
        let contents: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        let writes: Vec<_> = contents.iter().map(|json| write(Subscription, "s", at, Some(json))).collect();
        let batch = [life.again()];
        let (answers, committed) = tokio::join!(
            join_all(writes.iter().map(|write| put(store, epoch, write))),
            store.commit(epoch, &batch),
        );
        assert!(committed.expect("the batch commits")[0].is_ok());
        let made: Vec<_> = contents.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).collect();
        let [(json, Ok(revision))] = made[..] else { panic!("not one succeeded: {answers:?}") };
        assert_eq!(content(store, Subscription, "s").await, Some((*revision, json.clone())));
        at = *revision;
    }
}

/// The documents of a kind are read in pages, in the order of the bytes of their names.
pub async fn documents_are_paged_by_name(store: &dyn Store) {
    let epoch = store.open().await.expect("opens").epoch;
    assert_eq!(store.documents(Token, None, 10).await.expect("reads"), []);
    for name in ["b", "ä", "", "a", "B", "a-2"] {
        put(store, epoch, &write(Subscription, name, DocumentRevision::ABSENT, Some(name)))
            .await
            .expect("is made");
    }
    for kind in [Token, Webhook] {
        put(store, epoch, &write(kind, "b", DocumentRevision::ABSENT, Some("0"))).await.expect("is made");
    }
    for limit in [1, 4, 100] {
        let (mut after, mut names) = (None, Vec::new());
        loop {
            let page = store.documents(Subscription, after, limit).await.expect("reads");
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            for document in page {
                assert_eq!(document.kind, Subscription);
                let read = store.document(Subscription, &document.name).await.expect("reads");
                assert_eq!(read.as_ref(), Some(&document));
                names.push(document.name);
            }
        }
        assert_eq!(names, ["", "B", "a", "a-2", "b", "ä"], "by {limit}");
    }
}

/// What was answered is there after a restart, and an engine that lost the store changes nothing.
pub async fn documents_outlive_their_engine_and_are_fenced(store: &dyn Store) {
    let older = store.open().await.expect("opens").epoch;
    let first = put(store, older, &write(Token, "a", DocumentRevision::ABSENT, Some("1"))).await;
    let first = first.expect("is made");
    let gone = put(store, older, &write(Token, "b", DocumentRevision::ABSENT, Some("1"))).await;
    put(store, older, &write(Token, "b", gone.expect("is made"), None)).await.expect("is removed");
    store.close().await.expect("closes");
    let next = write(Token, "a", first, Some("2"));
    let closed = store.put_document(older, &next).await;
    assert!(matches!(closed, Err(StoreError::Unavailable { .. })), "{closed:?}");

    let newer = store.open().await.expect("opens again").epoch;
    assert_eq!(content(store, Token, "a").await, Some((first, "1".to_owned())));
    let fenced = store.put_document(older, &next).await;
    match fenced {
        Err(StoreError::Fenced { ours, current }) => {
            assert_eq!((Epoch(ours), Epoch(current)), (older, newer))
        }
        other => panic!("not fenced: {other:?}"),
    }
    assert_eq!(content(store, Token, "a").await, Some((first, "1".to_owned())));
    let second = put(store, newer, &next).await.expect("is written");
    let made = put(store, newer, &write(Token, "b", DocumentRevision::ABSENT, Some("2"))).await;
    assert!(made.expect("is made") > second && second > gone.expect("was made"), "also after a restart");
}
