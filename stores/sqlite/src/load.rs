//! Loading tenants: those that are asked for while others are read are read together.
//!
//! To hand one read to a thread and back costs more than the read itself. The answer arrives from outside the runtime,
//! which takes such wake-ups one by one between its own tasks. With thousands of reads waiting, commits would be
//! answered behind all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landlord_state_machines::id::TenantId;
use landlord_state_machines::tenant::Record;
use tokio::sync::oneshot;

use super::read::{self, Readers};
use landlord_compute::store::StoreError;

/// How many tenants are read in one go.
const TOGETHER: usize = 128;

/// How many such reads run at the same time.
const SIDE_BY_SIDE: usize = 2;

/// Reads tenants for all who ask.
#[derive(Debug)]
pub(super) struct Loader {
    readers: Arc<Readers>,
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    /// How many tasks read.
    reading: usize,
    waiting: Vec<Question>,
}

/// A tenant that is not read yet, and who waits for it.
#[derive(Debug)]
struct Question {
    tenant: TenantId,
    answer: oneshot::Sender<Record>,
}

/// The right to read for those who wait. When it is lost, they read alone.
struct Reading {
    loader: Arc<Loader>,
    /// False once nobody waited any more.
    held: bool,
}

impl Reading {
    /// Who is read for next. When nobody waits, the right is given back.
    fn next(&mut self) -> Option<Vec<Question>> {
        let mut asked = self.loader.asked();
        if asked.waiting.is_empty() {
            asked.reading -= 1;
            self.held = false;
            return None;
        }
        let most = asked.waiting.len().min(TOGETHER);
        Some(asked.waiting.drain(..most).collect())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        let mut asked = self.loader.asked();
        asked.reading -= 1;
        let lost = std::mem::take(&mut asked.waiting);
        drop(asked);
        drop(lost);
    }
}

impl Loader {
    pub(super) fn new(readers: Arc<Readers>) -> Arc<Self> {
        Arc::new(Self { readers, asked: Mutex::default() })
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept under a tenant id.
    pub(super) async fn load(self: &Arc<Self>, tenant: &TenantId) -> Result<Record, StoreError> {
        match self.ask(tenant.clone()).await {
            Ok(record) => Ok(record),
            // When a read of several tenants fails, each is read alone, so that each gets an error of its own, if any.
            Err(_lost) => {
                let tenant = tenant.clone();
                self.readers.read(move |connection| read::load(connection, tenant)).await
            }
        }
    }

    fn ask(self: &Arc<Self>, tenant: TenantId) -> oneshot::Receiver<Record> {
        let (answer, answered) = oneshot::channel();
        let mut asked = self.asked();
        asked.waiting.push(Question { tenant, answer });
        if asked.reading < SIDE_BY_SIDE && asked.waiting.len() > asked.reading * TOGETHER {
            asked.reading += 1;
            drop(asked);
            tokio::spawn(read_all(Reading { loader: Arc::clone(self), held: true }));
        }
        answered
    }
}

/// Reads until nobody waits.
async fn read_all(mut reading: Reading) {
    while let Some(questions) = reading.next() {
        let (tenants, answers): (Vec<_>, Vec<_>) =
            questions.into_iter().map(|Question { tenant, answer }| (tenant, answer)).unzip();
        let records =
            reading.loader.readers.read(move |connection| read::load_all(connection, tenants)).await;
        for (answer, record) in answers.into_iter().zip(records.into_iter().flatten()) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(record);
        }
    }
}
