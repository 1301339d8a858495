//! Acknowledgements, many at a time: while one commit is on its way, those that come are kept together by the next one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use landlord_compute::store::{Document, Position};

use super::{KIND, Kept, unknown};
use crate::documents::{self, Change};
use crate::refused::Refused;
use crate::served::Served;

/// A subscription, told from a later one of the same name.
type Key = (String, Timestamp);

/// The acknowledgements that are on their way. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Acks(Arc<Mutex<HashMap<Key, Arc<Waiting>>>>);

/// Of one subscription.
#[derive(Default)]
struct Waiting {
    /// The furthest that anybody who waits has acknowledged.
    furthest: AtomicU64,
    /// Whoever has it writes.
    turn: tokio::sync::Mutex<()>,
}

impl Acks {
    /// Returns when it is durable that everything up to a position is dealt with, of a subscription as it was just read.
    pub(super) async fn acknowledge(
        &self,
        served: &Served,
        name: &str,
        kept: Kept,
        position: Position,
    ) -> Result<Kept, Refused> {
        if kept.acknowledged >= position.0 {
            return Ok(kept);
        }
        let key = (name.to_owned(), kept.created_at);
        let waiting = Arc::clone(self.waiting().entry(key.clone()).or_default());
        waiting.furthest.fetch_max(position.0, Ordering::AcqRel);
        let kept = {
            let _turn = waiting.turn.lock().await;
            documents::change(served, KIND, name, |found| advance(found, &key, position, &waiting)).await
        };
        let mut all = self.waiting();
        drop(waiting);
        // Whoever else waits holds it too.
        if all.get(&key).is_some_and(|left| Arc::strong_count(left) == 1) {
            all.remove(&key);
        }
        kept
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Key, Arc<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be written: nothing, where the write of somebody before went as far.
fn advance(
    found: Option<&Document>,
    (name, created_at): &Key,
    position: Position,
    waiting: &Waiting,
) -> Result<(Change, Kept), Refused> {
    let kept = found.map(documents::read::<Kept>).transpose()?;
    let kept = kept.filter(|kept| kept.created_at == *created_at).ok_or_else(|| unknown(name))?;
    if kept.acknowledged >= position.0 {
        return Ok((Change::Keep, kept));
    }
    let acknowledged = waiting.furthest.load(Ordering::Acquire).max(position.0);
    let kept = Kept { acknowledged, ..kept };
    Ok((Change::Write(documents::text(&kept)?, Position(acknowledged)), kept))
}

#[cfg(test)]
mod tests {
    use futures_util::future::{join, join_all};
    use landlord_api::EventFilter;
    use landlord_testing::fixtures;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn acknowledgements_that_wait_are_kept_by_one_write() {
        let (store, provider) = (fixtures::memory(), fixtures::scripted());
        let engine = fixtures::engine(store, &provider).start().await.expect("starts");
        let served = Served::engine(Arc::new(engine));
        let created_at = Timestamp::now();
        let kept = Kept { filter: EventFilter::default(), acknowledged: 0, created_at };
        let make = |_: Option<&Document>| Ok((Change::Write(documents::text(&kept)?, Position(0)), ()));
        documents::change(&served, KIND, "audit", make).await.expect("made");
        let read = async || served.reads().document(KIND, "audit").await.expect("readable").expect("there");
        let before = read().await.revision;

        let acks = Acks::default();
        let key = ("audit".to_owned(), created_at);
        let waiting = Arc::clone(acks.waiting().entry(key).or_default());
        let turn = waiting.turn.lock().await;
        let all =
            (1..=100).map(|position| acks.acknowledge(&served, "audit", kept.clone(), Position(position)));
        let (answers, ()) = join(join_all(all), async { drop(turn) }).await;
        for (position, kept) in (1..).zip(answers) {
            assert!(kept.expect("acknowledged").acknowledged >= position);
        }
        let after = read().await;
        assert_eq!(after.revision.0, before.0 + 1, "one write");
        assert_eq!(documents::read::<Kept>(&after).expect("readable").acknowledged, 100);
        drop(waiting);
        acks.acknowledge(&served, "audit", kept, Position(101)).await.expect("acknowledged");
        assert!(acks.waiting().is_empty(), "nothing is left of those that are over");
    }
}
