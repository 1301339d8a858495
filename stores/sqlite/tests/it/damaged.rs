//! A file whose bytes are damaged, wherever: a clear error when it is opened or used, never a panic.

use std::path::Path;

use landlord_compute::CommandError;
use landlord_compute::Options;
use landlord_compute::machines::id::OperationId;
use landlord_compute::store::{Position, Reads, Scope, Store, StoreError, TenantFilter};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};

use landlord_testing::fixtures::{engine, scripted, spec, tenant};
use landlord_testing::store::samples::{StoredLife, id, time};

const PAGE: usize = 4096;
const TENANTS: usize = 60;

fn store(path: &Path) -> SqliteStore {
    SqliteStore::new(SqliteOptions::new(path))
}

/// A closed store with tenants, specs, operations and events, on some pages each.
async fn written(path: &Path) -> Vec<u8> {
    let store = store(path);
    let epoch = store.open().await.expect("opens").epoch;
    for number in 0..TENANTS {
        let mut life = StoredLife::new(&format!("t{number}"));
        for write in [life.begin_with(Some(time(5)), Some("r-1")), life.done(), life.again()] {
            store.commit(epoch, &[write]).await.expect("commits");
        }
    }
    store.close().await.expect("closes");
    std::fs::read(path).expect("reads")
}

/// Does everything that can be done with a store; what went wrong.
async fn use_all(path: &Path) -> Vec<StoreError> {
    let store = store(path);
    let epoch = match store.open().await {
        Ok(opened) => opened.epoch,
        Err(error) => return vec![error],
    };
    let mut errors = Vec::new();
    for number in (0..TENANTS).step_by(6) {
        let tenant = id(&format!("t{number}"));
        errors.extend(store.load(&tenant).await.err());
        errors.extend(store.request(&tenant, "r-1").await.err());
        errors.extend(store.events(Position(0), &Scope::Tenant(tenant), 100).await.err());
        let operation = OperationId { epoch: 1, number: number as u64 };
        errors.extend(store.operation(operation).await.err());
    }
    errors.extend(store.list(&TenantFilter::default(), None, 1000).await.err());
    errors.extend(store.events(Position(0), &Scope::All, 1000).await.err());
    errors.extend(store.due(time(1_000_000), None, 1000).await.err());
    errors.extend(store.in_flight(None, 1000).await.err());
    let mut life = StoredLife::new("new");
    let writes = [life.begin(), life.done(), life.end()];
    for write in writes {
        errors.extend(store.commit(epoch, &[write]).await.err());
    }
    errors.extend(store.close().await.err());
    errors
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    /// The page is zeros, as after a lost write.
    Zeros,
    /// The page has earlier content, or another page's.
    Misplaced,
    /// The bytes that say what the page is.
    Header,
    /// Some bytes in the middle.
    Middle,
    /// One bit at the end, where the rows are.
    Bit,
    /// The file ends in the middle of the page.
    CutOff,
}

const DAMAGES: [Damage; 6] =
    [Damage::Zeros, Damage::Misplaced, Damage::Header, Damage::Middle, Damage::Bit, Damage::CutOff];

fn damaged(whole: &[u8], page: usize, damage: Damage) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let from = page * PAGE;
    match damage {
        Damage::Zeros => bytes[from..from + PAGE].fill(0),
        Damage::Misplaced => {
            let other = (from + 3 * PAGE) % whole.len();
            bytes[from..from + PAGE].copy_from_slice(&whole[other..other + PAGE]);
        }
        // The first page begins with the header of the file.
        Damage::Header => bytes[from..from + 12].fill(0xa5),
        Damage::Middle => bytes[from + PAGE / 2..from + PAGE / 2 + 64].fill(0xa5),
        Damage::Bit => bytes[from + PAGE - 20] ^= 0x10,
        Damage::CutOff => bytes.truncate(from + PAGE / 2),
    }
    bytes
}

#[tokio::test]
async fn damage_anywhere_is_an_error_that_says_what_to_do_and_never_a_panic() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let whole = written(&path).await;
    let pages = whole.len() / PAGE;
    let mut noticed = 0;
    for (page, damage) in (0..pages).flat_map(|page| DAMAGES.map(|damage| (page, damage))) {
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(path.with_file_name(format!("store.db{beside}")));
        }
        std::fs::write(&path, damaged(&whole, page, damage)).expect("writes");
        let errors = use_all(&path).await;
        for error in &errors {
            let said = error.to_string();
            assert!(
                !said.contains("has stopped") && !said.contains("was stopped"),
                "{page} {damage:?}: {said}"
            );
            assert!(said.contains("store.db"), "{page} {damage:?}: it names no file: {said}");
        }
        let corrupt = |error: &StoreError| matches!(error, StoreError::Corrupt { .. });
        noticed += usize::from(errors.iter().any(corrupt));
        if matches!(damage, Damage::CutOff) || (matches!(damage, Damage::Zeros | Damage::Header) && page == 0)
        {
            assert!(errors.len() == 1 && corrupt(&errors[0]), "it is refused when it is opened: {errors:?}");
        }
    }
    // A changed bit in a name is no damage that anybody could see; what a page is, is.
    assert!(noticed > pages, "{noticed} of {} damages were noticed", pages * DAMAGES.len());
    println!(
        "{noticed} of {} damages of {pages} pages were noticed, and none led to a panic",
        pages * DAMAGES.len()
    );
}

/// The engine says so to whoever asks for the tenant, and the others go on.
#[tokio::test]
async fn an_engine_names_the_damage() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let whole = written(&path).await;
    let mut refused = 0;
    for page in 1..whole.len() / PAGE {
        std::fs::write(&path, damaged(&whole, page, Damage::Header)).expect("writes");
        let Ok(engine) = engine(store(&path), &scripted()).start().await else { continue };
        for name in ["t1", "new"] {
            match engine.tenant(tenant(name)).provision(spec(name, "v1"), Options::default()).await {
                Err(CommandError::Store(error)) => {
                    assert!(error.to_string().contains("store.db"), "{error}");
                    refused += usize::from(matches!(*error, StoreError::Corrupt { .. }));
                }
                Err(CommandError::Defect) => panic!("a panic over damage of page {page}"),
                Ok(_) | Err(_) => {}
            }
        }
        engine.shutdown(std::time::Duration::from_secs(10)).await.ok();
    }
    assert!(refused > 0, "nothing was noticed");
}
