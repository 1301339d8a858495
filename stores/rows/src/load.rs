//! Loading what has an id, such as tenants: what is asked for while others are read is read together.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landlord_compute::store::StoreError;
use tokio::sync::oneshot;

/// How many are read in one go.
const TOGETHER: usize = 128;

/// How many such reads run at the same time.
const SIDE_BY_SIDE: usize = 2;

/// What is kept under some ids, in their order, as it arrives.
pub type Reading<V> = Pin<Box<dyn Future<Output = Result<Vec<V>, StoreError>> + Send>>;

/// Reads for all who ask.
pub struct Loader<K, V> {
    read: Box<dyn Fn(Vec<K>) -> Reading<V> + Send + Sync>,
    asked: Mutex<Asked<K, V>>,
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Loader<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("asked", &self.asked).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Asked<K, V> {
    /// How many tasks read.
    reading: usize,
    waiting: Vec<Question<K, V>>,
}

/// An id that is not read yet, and who waits for it.
#[derive(Debug)]
struct Question<K, V> {
    id: K,
    answer: oneshot::Sender<V>,
}

/// The right to read for those who wait. When it is lost, they read alone.
struct Turn<K, V> {
    loader: Arc<Loader<K, V>>,
    /// False once nobody waited any more.
    held: bool,
}

impl<K, V> Turn<K, V> {
    /// Who is read for next. When nobody waits, the right is given back.
    fn next(&mut self) -> Option<Vec<Question<K, V>>> {
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

impl<K, V> Drop for Turn<K, V> {
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

impl<K: Clone + Send + 'static, V: Send + 'static> Loader<K, V> {
    /// One that reads by `read`, which answers for each id.
    pub fn new(read: impl Fn(Vec<K>) -> Reading<V> + Send + Sync + 'static) -> Arc<Self> {
        let asked = Mutex::new(Asked { reading: 0, waiting: Vec::new() });
        Arc::new(Self { read: Box::new(read), asked })
    }

    /// What is kept under an id. None where the read did not answer for it.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read, though others may that were asked for at the same time.
    pub async fn load(self: &Arc<Self>, id: &K) -> Result<Option<V>, StoreError> {
        match self.ask(id.clone()).await {
            Ok(found) => Ok(Some(found)),
            // When a read of several fails, each is read alone, so that each gets an error of its own, if any.
            Err(_lost) => Ok((self.read)(vec![id.clone()]).await?.pop()),
        }
    }

    fn ask(self: &Arc<Self>, id: K) -> oneshot::Receiver<V> {
        let (answer, answered) = oneshot::channel();
        let mut asked = self.asked();
        asked.waiting.push(Question { id, answer });
        if asked.reading < SIDE_BY_SIDE && asked.waiting.len() > asked.reading * TOGETHER {
            asked.reading += 1;
            drop(asked);
            tokio::spawn(read_all(Turn { loader: Arc::clone(self), held: true }));
        }
        answered
    }
}

impl<K, V> Loader<K, V> {
    fn asked(&self) -> MutexGuard<'_, Asked<K, V>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads until nobody waits.
async fn read_all<K: Send, V: Send>(mut turn: Turn<K, V>) {
    while let Some(questions) = turn.next() {
        let (ids, answers): (Vec<_>, Vec<_>) =
            questions.into_iter().map(|Question { id, answer }| (id, answer)).unzip();
        let found = (turn.loader.read)(ids).await;
        for (answer, found) in answers.into_iter().zip(found.into_iter().flatten()) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(found);
        }
    }
}
