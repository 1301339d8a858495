//! Loading tenants: those that are asked for while others are read are read together.
//!
//! A statement costs the server more to understand than to answer, and a way there and back. With thousands of tenants that are
//! wanted at the same time, commits would be answered behind all of those.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landlord_state_machines::id::TenantId;
use landlord_state_machines::tenant::Record;
use tokio::sync::oneshot;

use landlord_compute::store::StoreError;

use super::link::Links;
use super::read;

/// How many tenants are read in one go.
const TOGETHER: usize = 128;

/// How many such reads run at the same time.
const SIDE_BY_SIDE: usize = 2;

/// Reads tenants for all who ask.
#[derive(Debug)]
pub(super) struct Loader {
    links: Arc<Links>,
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
    pub(super) fn new(links: Arc<Links>) -> Arc<Self> {
        Arc::new(Self { links, asked: Mutex::default() })
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
                let mut records = read::load(&self.links, std::slice::from_ref(tenant)).await?;
                Ok(records.pop().unwrap_or_else(|| Record::Absent(tenant.clone())))
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
        let records = read::load(&reading.loader.links, &tenants).await;
        for (answer, record) in answers.into_iter().zip(records.into_iter().flatten()) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(record);
        }
    }
}
