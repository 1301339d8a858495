//! Documents that are written through an engine.

use landlord_compute::store::{DocumentKind, DocumentRevision, DocumentWrite, Store};
use landlord_compute::{Closed, DocumentError, Options};

use super::faulty::{Faulty, both_ways};
use super::{engine, memory, scripted, spec, tenant};

fn token(expected: DocumentRevision, json: &str) -> DocumentWrite {
    let (kind, name) = (DocumentKind::Token, "a".to_owned());
    DocumentWrite { kind, name, expected, json: Some(json.to_owned()), reads_from: None }
}

#[tokio::test(start_paused = true)]
async fn a_document_is_written_while_commits_hang() {
    both_ways(async |commits| {
        let store = Faulty::new(commits);
        let engine = engine(store.clone(), &scripted()).start().await.expect("starts");
        store.hang(false);
        let acme = engine.tenant(tenant("acme"));
        let provision =
            tokio::spawn(
                async move { acme.provision(spec("acme", "v1"), Options::default()).await.map(drop) },
            );
        store.hangs().await;
        let documents = engine.documents();
        let first = documents.put(&token(DocumentRevision::ABSENT, "1")).await.expect("written");
        let stale = documents.put(&token(DocumentRevision::ABSENT, "2")).await;
        assert!(matches!(stale, Err(DocumentError::Mismatch(found)) if found.actual == first), "{stale:?}");
        let read = engine.reads().document(DocumentKind::Token, "a").await.expect("reads");
        assert_eq!(read.map(|found| (found.revision, found.json)), Some((first, "1".to_owned())));
        store.go_on();
        provision.await.expect("no panic").expect("accepted");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_learns_at_a_document_that_the_store_is_anothers_ends() {
    let store = memory();
    let engine = engine(store.clone(), &scripted()).start().await.expect("starts");
    let documents = engine.documents();
    store.open().await.expect("opens");
    for _ in 0..2 {
        let lost = documents.put(&token(DocumentRevision::ABSENT, "1")).await;
        assert!(matches!(lost, Err(DocumentError::Closed(Closed::Fenced(_)))), "{lost:?}");
    }
    assert!(matches!(engine.closed().await, Closed::Fenced(_)));
}
