//! Loading tenants: those that are asked for while others are read are read together.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landlord_compute::store::StoreError;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::tenant::Record;
use tokio::sync::oneshot;

/// How many tenants are read in one go.
const TOGETHER: usize = 128;

/// How many such reads run at the same time.
const SIDE_BY_SIDE: usize = 2;

/// What is kept under some ids, in their order, as it arrives.
pub type Reading = Pin<Box<dyn Future<Output = Result<Vec<Record>, StoreError>> + Send>>;

/// Reads tenants for all who ask.
pub struct Loader {
    read: Box<dyn Fn(Vec<TenantId>) -> Reading + Send + Sync>,
    asked: Mutex<Asked>,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("asked", &self.asked).finish_non_exhaustive()
    }
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
struct Turn {
    loader: Arc<Loader>,
    /// False once nobody waited any more.
    held: bool,
}

impl Turn {
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

impl Drop for Turn {
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
    /// One that reads by `read`, which answers for each id.
    pub fn new(read: impl Fn(Vec<TenantId>) -> Reading + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { read: Box::new(read), asked: Mutex::default() })
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept under a tenant id.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read, though others may that were asked for at the same time.
    pub async fn load(self: &Arc<Self>, tenant: &TenantId) -> Result<Record, StoreError> {
        match self.ask(tenant.clone()).await {
            Ok(record) => Ok(record),
            // When a read of several tenants fails, each is read alone, so that each gets an error of its own, if any.
            Err(_lost) => {
                let mut records = (self.read)(vec![tenant.clone()]).await?;
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
            tokio::spawn(read_all(Turn { loader: Arc::clone(self), held: true }));
        }
        answered
    }
}

/// Reads until nobody waits.
async fn read_all(mut turn: Turn) {
    while let Some(questions) = turn.next() {
        let (tenants, answers): (Vec<_>, Vec<_>) =
            questions.into_iter().map(|Question { tenant, answer }| (tenant, answer)).unzip();
        let records = (turn.loader.read)(tenants).await;
        for (answer, record) in answers.into_iter().zip(records.into_iter().flatten()) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(record);
        }
    }
}
