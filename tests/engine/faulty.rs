//! A memory store that goes wrong at chosen commits.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::Timestamp;
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{Record, Tenant};
use landlord_compute::store::{
    Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, Events, MemoryStore,
    NotedRequest, Opened, OperationRecord, Page, Position, Reads, Requested, Scope, Store, StoreError,
    TenantFilter, Write, WriteError,
};
use landlord_testing::faults::Commits;
use tokio::sync::watch;

use super::memory;

/// When a fault comes: when the commit is not durable yet, or already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

/// How a commit goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is answered with an error, as a disk or its fsync gives one.
    Fail(When),
    /// It panics.
    Panic(When),
    /// It takes ten minutes.
    Late(When),
    /// It takes until [`Faulty::go_on`], whether anybody still waits for it or not.
    Hang(When),
    /// Another engine takes the store over.
    Lost(When),
}

/// Runs a test on a store that commits at once, and on one whose commits are awaited.
pub(super) async fn both_ways(test: impl AsyncFn(Commits)) {
    for commits in [Commits::AtOnce, Commits::Awaited] {
        eprintln!("commits: {commits:?}");
        test(commits).await;
    }
}

pub(super) const BOTH: [When; 2] = [When::Before, When::After];

/// A memory store whose commits go wrong. Clones share everything.
#[derive(Clone)]
pub(super) struct Faulty {
    store: MemoryStore,
    commits: Commits,
    seen: Arc<Mutex<Seen>>,
    /// How many looks at events panic.
    pub(super) panics: Arc<AtomicUsize>,
    /// While it is set, nothing can be read either.
    unreadable: Arc<AtomicBool>,
    /// Whether what hangs may go on.
    released: Arc<watch::Sender<bool>>,
    /// How much hangs.
    hanging: Arc<watch::Sender<usize>>,
}

/// What went through a [`Faulty`].
#[derive(Default)]
pub(super) struct Seen {
    /// How many commits were asked for.
    pub(super) commits: usize,
    /// Every operation that a durable write opened.
    pub(super) opened: BTreeSet<OperationId>,
    /// Epochs that were told that they are over.
    fenced: BTreeSet<Epoch>,
    /// How many commits were asked for under such an epoch.
    pub(super) after_fencing: usize,
    faults: BTreeMap<usize, Fault>,
    /// Every commit hangs.
    hang: bool,
}

impl Seen {
    /// Counts a commit, and says how it goes wrong.
    fn next(&mut self, epoch: Epoch) -> Option<Fault> {
        self.commits += 1;
        self.after_fencing += usize::from(self.fenced.contains(&epoch));
        if self.hang { Some(Fault::Hang(When::Before)) } else { self.faults.get(&self.commits).copied() }
    }

    /// Whether the next commit has to be awaited.
    fn takes_time(&self) -> bool {
        let next = self.faults.get(&(self.commits + 1));
        self.hang || matches!(next, Some(Fault::Late(_) | Fault::Hang(_)))
    }
}

fn down() -> StoreError {
    StoreError::Unavailable { message: "the disk is on fire".to_owned(), source: None }
}

impl Faulty {
    pub(super) fn new(commits: Commits) -> Self {
        Self {
            store: memory(),
            commits,
            seen: Arc::default(),
            panics: Arc::default(),
            unreadable: Arc::default(),
            released: Arc::new(watch::Sender::new(false)),
            hanging: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The commit of this number, counted from 1, goes wrong.
    pub(super) fn at(&self, commit: usize, fault: Fault) {
        self.seen().faults.insert(commit, fault);
    }

    /// The next commits go wrong.
    pub(super) fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        let mut seen = self.seen();
        let next = seen.commits + 1;
        seen.faults.extend((next..).zip(faults));
    }

    /// Every commit from now on hangs; nothing can be read either when `reads` is set.
    pub(super) fn hang(&self, reads: bool) {
        self.seen().hang = true;
        self.unreadable.store(reads, SeqCst);
    }

    /// Whatever hangs goes on, and nothing hangs any more.
    pub(super) fn go_on(&self) {
        let mut seen = self.seen();
        seen.hang = false;
        seen.faults.retain(|_, fault| !matches!(fault, Fault::Hang(_)));
        self.unreadable.store(false, SeqCst);
        self.released.send_replace(true);
    }

    /// Returns when something hangs.
    pub(super) async fn hangs(&self) {
        let mut hanging = self.hanging.subscribe();
        hanging.wait_for(|hanging| *hanging > 0).await.expect("the store is there");
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic in here")
    }

    /// Returns when what hangs may go on.
    async fn released(&self) {
        self.hanging.send_modify(|hanging| *hanging += 1);
        self.released.subscribe().wait_for(|released| *released).await.expect("the store is there");
        self.hanging.send_modify(|hanging| *hanging -= 1);
    }

    /// What a fault does at this point.
    async fn meet(&self, now: When, fault: Option<Fault>) -> Result<(), StoreError> {
        match fault {
            Some(Fault::Fail(when)) if when == now => return Err(down()),
            Some(Fault::Panic(when)) if when == now => panic!("a panic while the tenant's actor commits"),
            Some(Fault::Late(when)) if when == now => tokio::time::sleep(Duration::from_secs(600)).await,
            Some(Fault::Hang(when)) if when == now => self.released().await,
            Some(Fault::Lost(when)) if when == now => {
                self.store.open().await?;
            }
            Some(Fault::Fail(_) | Fault::Panic(_) | Fault::Late(_) | Fault::Hang(_) | Fault::Lost(_))
            | None => {}
        }
        Ok(())
    }

    async fn make(
        &self,
        fault: Option<Fault>,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        self.meet(When::Before, fault).await?;
        let answers = self.store.commit(epoch, batch).await;
        {
            let mut seen = self.seen();
            match &answers {
                Ok(answers) => {
                    let made = batch.iter().zip(answers).filter(|(_, answer)| answer.is_ok());
                    let opened = made.filter_map(|(write, _)| write.opened.as_ref());
                    seen.opened.extend(opened.map(|opened| opened.id));
                }
                Err(_fenced) => {
                    seen.fenced.insert(epoch);
                }
            }
        }
        let answers = answers?;
        self.meet(When::After, fault).await?;
        Ok(answers)
    }
}

#[async_trait]
impl Reads for Faulty {
    async fn load(&self, tenant: &TenantId) -> Result<Record, StoreError> {
        if self.unreadable.load(SeqCst) {
            self.released().await;
        }
        self.store.load(tenant).await
    }

    async fn due(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
        self.store.due(before, after, limit).await
    }

    async fn in_flight(&self, after: Option<TenantId>, limit: usize) -> Result<Vec<TenantId>, StoreError> {
        self.store.in_flight(after, limit).await
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        self.store.list(filter, after, limit).await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<OperationRecord>, StoreError> {
        self.store.operation(id).await
    }

    async fn request(&self, tenant: &TenantId, request_id: &str) -> Result<Option<Requested>, StoreError> {
        self.store.request(tenant, request_id).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.store.head().await
    }

    async fn documents(
        &self,
        kind: DocumentKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.store.documents(kind, after, limit).await
    }

    async fn document(&self, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
        self.store.document(kind, name).await
    }

    async fn events(&self, after: Position, scope: &Scope, limit: usize) -> Result<Events, StoreError> {
        let panics = self.panics.fetch_update(SeqCst, SeqCst, |panics| panics.checked_sub(1));
        assert!(panics.is_err(), "a panic while the tenant's actor reads");
        self.store.events(after, scope, limit).await
    }
}

#[async_trait]
impl Store for Faulty {
    async fn open(&self) -> Result<Opened, StoreError> {
        self.store.open().await
    }

    async fn commit(
        &self,
        epoch: Epoch,
        batch: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        let fault = self.seen().next(epoch);
        let Some(Fault::Hang(_)) = fault else { return self.make(fault, epoch, batch).await };
        // A writer that hangs goes on later, although whoever asked it may be gone.
        let (store, batch) = (self.clone(), batch.to_vec());
        tokio::spawn(async move { store.make(fault, epoch, &batch).await }).await.expect("no panic")
    }

    fn commit_now(
        &self,
        epoch: Epoch,
        write: &Write,
    ) -> Option<Result<Result<Position, WriteError>, StoreError>> {
        if self.commits == Commits::Awaited || self.seen().takes_time() {
            return None;
        }
        let fault = self.seen().next(epoch);
        // What takes no time is over at its first poll.
        let made = self.make(fault, epoch, std::slice::from_ref(write)).now_or_never();
        let made = made.expect("only what takes time waits");
        Some(made.map(|answers| answers.into_iter().next().expect("an answer for each write")))
    }

    async fn note_request(
        &self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError> {
        let fault = self.seen().next(epoch);
        self.meet(When::Before, fault).await?;
        let answer = self.store.note_request(epoch, request).await;
        if answer.is_err() {
            self.seen().fenced.insert(epoch);
        }
        let answer = answer?;
        self.meet(When::After, fault).await?;
        Ok(answer)
    }

    async fn put_document(
        &self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError> {
        self.store.put_document(epoch, write).await
    }

    fn batch_limit(&self) -> NonZeroU64 {
        self.store.batch_limit()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}
