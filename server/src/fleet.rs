//! What all tenants are like, in short, for whoever looks at a fleet: counted at most every few seconds.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use landlord_api::{Concern, ConcernedTenant, FleetDocument, Minute, TenantCount};
use landlord_compute::Record;
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent, Settled};
use landlord_compute::store::{self, Events, Position, Scope, Sort, StoreError};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::access::Access;
use crate::refused::Refused;
use crate::served::Served;
use crate::tenants::view;

/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(2);
/// How many tenants of each concern are told.
const FIRST: usize = 20;
/// How many minutes are told.
const MINUTES: usize = 60;
/// How many events are read at a time.
const PAGE: usize = 512;
/// The most events that are read for one answer. Those before are not counted.
const READ: u64 = 20_000;
const MINUTE: i64 = 60;

/// What was counted last. Clones are the same.
#[derive(Clone)]
pub(crate) struct Fleet(Arc<Counted>);

struct Counted {
    /// One count at a time, as each reads all tenants.
    turn: Semaphore,
    minutes: Mutex<Minutes>,
    /// By the token; none: whoever sees all tenants.
    answers: Mutex<HashMap<Option<String>, Answer>>,
}

/// Whoever asks first counts, and all who ask meanwhile wait for that answer.
type Answer = Arc<OnceCell<(Instant, FleetDocument)>>;

impl Default for Fleet {
    fn default() -> Self {
        let (turn, minutes, answers) = (Semaphore::new(1), Mutex::default(), Mutex::default());
        Self(Arc::new(Counted { turn, minutes, answers }))
    }
}

impl Fleet {
    /// The answer that is fresh or on its way, or a new one.
    fn answer(&self, asks: Option<String>) -> Answer {
        let mut answers = held(&self.0.answers);
        answers.retain(|_, answer| answer.get().is_none_or(|(at, _)| at.elapsed() < FRESH));
        Arc::clone(answers.entry(asks).or_default())
    }

    /// What happened in the last minutes. A count that is cut off on its way forgets what it had counted.
    async fn minutes(&self, served: &Served) -> Result<Vec<Minute>, StoreError> {
        let mut minutes = std::mem::take(&mut *held(&self.0.minutes));
        let now = minutes.now(served).await;
        *held(&self.0.minutes) = minutes;
        now
    }
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What happened in the last minutes.
#[derive(Default)]
struct Minutes {
    after: Option<Position>,
    /// By the minute since 1970.
    counts: BTreeMap<i64, [u64; 4]>,
}

/// The fleet at a glance.
pub(crate) async fn fleet(
    State(served): State<Served>,
    access: Access,
) -> Result<Json<FleetDocument>, Refused> {
    let sees_all = access.sees_all();
    let asks = if sees_all { None } else { access.token().map(str::to_owned) };
    let answer = served.fleet().answer(asks);
    let counted = answer.get_or_try_init(|| count(&served, access, sees_all)).await?;
    Ok(Json(counted.1.clone()))
}

async fn count(served: &Served, access: Access, sees_all: bool) -> Result<(Instant, FleetDocument), Refused> {
    let fleet = served.fleet();
    // It is never closed.
    let _turn = fleet.0.turn.acquire().await;
    let minutes = if sees_all { Some(fleet.minutes(served).await?) } else { None };
    let document = survey(served, access, minutes).await?;
    Ok((Instant::now(), document))
}

async fn survey(
    served: &Served,
    access: Access,
    minutes: Option<Vec<Minute>>,
) -> Result<FleetDocument, Refused> {
    let survey = served.reads().survey(Box::new(move |tenant| access.sees(tenant)), FIRST).await?;
    let mut concerns = Vec::new();
    for (concern, tenants) in survey.concerns {
        let concern = match concern {
            store::Concern::Failing => Concern::Failing,
            store::Concern::Failed => Concern::Failed,
            store::Concern::OnItsWay => Concern::OnItsWay,
        };
        for id in tenants {
            // It may be gone since.
            let Record::Live(tenant) = served.reads().load(&id).await? else { continue };
            let since = match tenant.operation() {
                Some(id) => served.reads().operation(id).await?.map(|operation| operation.accepted_at),
                None => None,
            };
            concerns.push(ConcernedTenant { concern, since, tenant: view(served, &tenant).await? });
        }
    }
    let count = |(sort, tenants): (Sort, u64)| {
        let Sort { provider, state, health } = sort;
        TenantCount { provider, state, health, tenants }
    };
    Ok(FleetDocument {
        at: Timestamp::now(),
        counts: survey.counts.into_iter().map(count).collect(),
        concerns,
        minutes,
        engine: served.attendance().await,
    })
}

impl Minutes {
    /// Counts what has happened since it was asked last.
    async fn now(&mut self, served: &Served) -> Result<Vec<Minute>, StoreError> {
        let head = served.reads().head().await?;
        let first = Position(head.0.saturating_sub(READ));
        let mut after = self.after.unwrap_or(first).max(first);
        while after < head {
            match served.reads().events(after, &Scope::All, PAGE).await? {
                Events::Gap { resume } => after = resume,
                Events::Page(page) if page.is_empty() => break,
                Events::Page(page) => {
                    for (position, event) in page {
                        after = position;
                        self.count(&event);
                    }
                }
            }
            self.after = Some(after);
        }
        let last = Timestamp::now().as_second().div_euclid(MINUTE);
        let first = last - MINUTES as i64 + 1;
        self.counts = self.counts.split_off(&first);
        let told = (first..=last).filter_map(|minute| {
            let at = Timestamp::from_second(minute * MINUTE).ok()?;
            let [began, done, failed, retried] = self.counts.get(&minute).copied().unwrap_or_default();
            Some(Minute { at, began, done, failed, retried })
        });
        Ok(told.collect())
    }

    fn count(&mut self, event: &LifecycleEvent) {
        let counts = self.counts.entry(event.at.as_second().div_euclid(MINUTE)).or_default();
        let [began, done, failed, retried] = counts;
        if let EventKind::Began { .. } = event.what {
            *began += 1;
        }
        if let EventKind::WillRetry { .. } = event.what {
            *retried += 1;
        }
        for settlement in &event.settled {
            match settlement.settled {
                Settled::Done => *done += 1,
                Settled::Failed { .. } | Settled::Cancelled { .. } | Settled::Abandoned { .. } => {
                    *failed += 1
                }
                // What took its place is counted.
                Settled::Superseded { .. } => {}
            }
        }
    }
}
