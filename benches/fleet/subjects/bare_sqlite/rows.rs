//! The same statements with clients that wait: a thread takes all transitions that came while it committed the last
//! ones, and commits them together. What the acknowledgement of a durable command takes at least.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::sync::oneshot;

use super::super::fleet::{Call, Fleet};
use super::super::landlord::tenant_name;
use super::super::toy::Command;
use super::HISTORY;
use super::life::{self, Life, Whose};
use super::statements::Statements;

/// As many as the store commits at once.
const BATCH: usize = 2000;

/// Rows instead of tenants.
pub(crate) struct Rows {
    writer: SyncSender<Transition>,
    call: Call,
    operations: AtomicU64,
}

/// A transition that waits to be written.
struct Transition {
    name: Arc<str>,
    step: usize,
    operation: Arc<str>,
    written: oneshot::Sender<()>,
}

pub(crate) struct Tenant {
    number: usize,
    name: Arc<str>,
    /// How many transitions it has made or asked for.
    step: AtomicUsize,
}

impl Rows {
    pub(crate) async fn open(folder: &Path, call: Call) -> Self {
        let (life, path) = (life::learn().await, folder.join("bare.db"));
        // Full, it would hold up a worker; there are fewer clients than this.
        let (writer, transitions) = sync_channel(100_000);
        let thread = std::thread::Builder::new().name("bare-sqlite".to_owned());
        thread.spawn(move || write(&path, &life, &transitions)).expect("a thread");
        Self { writer, call, operations: AtomicU64::new(0) }
    }

    /// Returns when a transition is on the disk.
    fn write(
        &self,
        tenant: &Tenant,
        step: usize,
        operation: &Arc<str>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (written, done) = oneshot::channel();
        let (name, operation) = (Arc::clone(&tenant.name), Arc::clone(operation));
        self.writer.try_send(Transition { name, step, operation, written }).expect("it has room");
        async { done.await.expect("it is written") }
    }
}

impl Fleet for Rows {
    type Tenant = Tenant;
    /// It is in the file.
    type Kept = ();

    fn keep(_: Tenant) {}

    async fn create(&self, number: usize) -> Tenant {
        Tenant { number, name: tenant_name(number).into(), step: AtomicUsize::new(0) }
    }

    async fn begin(&self, tenant: &Tenant, _: Command) -> impl Future<Output = ()> + Send {
        let operation = format!("1-{}", self.operations.fetch_add(1, Ordering::Relaxed) + 1).into();
        // One command at a time, which begins and ends.
        let step = tenant.step.fetch_add(2, Ordering::Relaxed);
        self.write(tenant, step, &operation).await;
        self.call.clone().make(tenant.number).await;
        self.write(tenant, step + 1, &operation)
    }
}

fn write(path: &Path, life: &Life, transitions: &Receiver<Transition>) {
    let connection = super::create(path);
    let mut statements = Statements::prepare(&connection);
    let mut head = 0;
    while let Ok(first) = transitions.recv() {
        let mut batch = vec![first];
        batch.extend(transitions.try_iter().take(BATCH - 1));
        statements.begin();
        for Transition { name, step, operation, .. } in &batch {
            head += 1;
            let (revision, incarnation) = (*step as u64, 1);
            let whose = Whose { name, operation, revision, incarnation, position: head };
            statements.make(&life.steps[*step], &whose);
        }
        statements.commit(head.saturating_sub(HISTORY), batch.len() as u64);
        for Transition { written, .. } in batch {
            // Whoever asked may have stopped waiting.
            let _ = written.send(());
        }
    }
}
