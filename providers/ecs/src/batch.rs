//! Describes of several services of a cluster as one request.
//!
//! The first caller opens a batch. Callers that come while it waits for more names, or for its turn, join it. Any
//! caller that is still there does the work: nothing is spawned, and a caller that is dropped takes nothing from the
//! others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_ecs::types as sdk;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::Notify;

use super::budget::{Quota, Rank};
use super::error::Failure;
use super::reads::{At, DESCRIBED_AT_ONCE};

/// How long a batch waits for more.
const WINDOW: Duration = Duration::from_millis(20);

/// What came back of each name.
type Answers = Arc<BTreeMap<String, Result<Option<sdk::Service>, Failure>>>;

/// The batches of an account that are open: one for each cluster and rank, as people do not wait in the
/// engine's line.
#[derive(Debug, Default)]
pub(super) struct Batches(Mutex<HashMap<(String, Rank), Open>>);

#[derive(Debug)]
struct Open {
    names: Arc<Names>,
    answers: WeakShared<BoxFuture<'static, Answers>>,
}

/// The names of a batch.
#[derive(Debug)]
struct Names {
    /// None: it is closed.
    joined: Mutex<Option<BTreeSet<String>>>,
    full: Notify,
}

impl At {
    /// A service, as ECS has it; also one that is INACTIVE.
    pub(super) async fn describe_service(&self, name: &str) -> Result<Option<sdk::Service>, Failure> {
        let answers = self.account.batches.join(self, name).await;
        // Whoever joined has an answer.
        answers
            .get(name)
            .cloned()
            .unwrap_or_else(|| Err(Failure::incomplete(self.asked("DescribeServices"), "service")))
    }
}

impl Batches {
    fn join(&self, at: &At, name: &str) -> Shared<BoxFuture<'static, Answers>> {
        let key = (at.cluster.clone(), at.who.rank);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = open.get(&key)
            && let Some(answers) = batch.answers.upgrade()
            && batch.names.add(name)
        {
            return answers;
        }
        let names =
            Arc::new(Names { joined: Mutex::new(Some([name.to_owned()].into())), full: Notify::new() });
        let answers = gather(at.clone(), Arc::clone(&names)).boxed().shared();
        // A batch that nobody waits for any more is dropped by itself.
        open.retain(|_, batch| batch.answers.upgrade().is_some());
        if let Some(answers) = answers.downgrade() {
            open.insert(key, Open { names, answers });
        }
        answers
    }
}

#[cfg(test)]
impl Batches {
    /// How many names the open batch has.
    pub(super) fn names(&self, cluster: &str, rank: Rank) -> usize {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = open.get(&(cluster.to_owned(), rank));
        batch.and_then(|batch| batch.names.lock().as_ref().map(BTreeSet::len)).unwrap_or_default()
    }
}

impl Names {
    /// Adds a name; false when it is too late, or there are enough.
    fn add(&self, name: &str) -> bool {
        let mut joined = self.lock();
        let Some(names) = &mut *joined else { return false };
        if names.contains(name) {
            return true;
        }
        if names.len() >= DESCRIBED_AT_ONCE {
            return false;
        }
        names.insert(name.to_owned());
        if names.len() == DESCRIBED_AT_ONCE {
            self.full.notify_one();
        }
        true
    }

    fn close(&self) -> BTreeSet<String> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<String>>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for names, then for the turn, and asks.
async fn gather(at: At, names: Arc<Names>) -> Answers {
    tokio::select! {
        () = tokio::time::sleep(WINDOW) => {}
        () = names.full.notified() => {}
    }
    let turn = at.turn(Quota::ServiceRead).await;
    let names = names.close();
    let found = match turn {
        Ok(()) => at.describe_services_now(&names).await,
        Err(failure) => Err(failure),
    };
    let answers = match found {
        Ok(found) => names.into_iter().map(|name| (name.clone(), Ok(pick(&found, &name)))).collect(),
        // One of the names makes the whole request fail, and the answer does not say which.
        Err(failure) if failure.is_about_input() && names.len() > 1 => {
            let mut answers = BTreeMap::new();
            for name in names {
                let found = at.describe_services(&[name.clone()].into()).await;
                answers.insert(name.clone(), found.map(|found| pick(&found, &name)));
            }
            answers
        }
        Err(failure) => names.into_iter().map(|name| (name, Err(failure.clone()))).collect(),
    };
    Arc::new(answers)
}

fn pick(found: &[sdk::Service], name: &str) -> Option<sdk::Service> {
    found.iter().find(|service| service.service_name() == Some(name)).cloned()
}
