use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;
use landlord_compute::provider::{Draw, Drawn, Quotas, Ration};
use landlord_state_machines::error::{ErrorCode, Remedy};
use landlord_state_machines::id::TenantId;
use landlord_testing::quotas::Buckets;
use tokio::time::{Instant, sleep, timeout};

use super::bucket::{Bucket, Seed};
use super::{Budget, Quota, Rank, Rations, Throttles, WAITING, Who};

fn who(tenant: &str, rank: Rank) -> Who {
    Who { tenant: Some(TenantId::new(tenant).unwrap()), rank }
}

fn person(tenant: &str) -> Who {
    who(tenant, Rank::Person)
}

/// A budget of whose quota nothing is left now.
async fn spent(quota: Quota) -> Budget {
    let budget = Budget::new(1, Arc::default(), None);
    for _ in 0..quota.seed().burst {
        budget.turn(quota, &person("spender")).await.unwrap();
    }
    budget
}

/// Has all of them wait, in this order, and says in which order they are served.
async fn served(budget: &Budget, quota: Quota, waiters: &[Who]) -> Vec<usize> {
    let order = RefCell::new(Vec::new());
    let wait = async |n: usize, who: &Who| {
        budget.turn(quota, who).await.unwrap();
        order.borrow_mut().push(n);
    };
    join_all(waiters.iter().enumerate().map(|(n, who)| wait(n, who))).await;
    order.into_inner()
}

#[test]
fn each_quota_has_its_lane() {
    for (n, quota) in Quota::ALL.into_iter().enumerate() {
        assert_eq!(quota as usize, n, "{quota:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_goes_out_than_the_quota_gives_and_no_less() {
    let budget = Budget::new(1, Arc::default(), None);
    let begun = Instant::now();
    let names: Vec<Who> = (0..150).map(|n| person(&format!("t{n}"))).collect();
    let times = join_all(names.iter().map(async |who| {
        budget.turn(Quota::ServiceModify, who).await.unwrap();
        begun.elapsed().as_secs_f64()
    }))
    .await;
    for at in &times {
        let gone = times.iter().filter(|time| *time <= at).count();
        assert!(gone as f64 <= 50.0 + 5.0 * at + 1e-3, "{gone} after {at} s");
    }
    // 50 at once, 100 more at 5 a second.
    let last = times.into_iter().fold(0.0, f64::max);
    assert!((20.0..20.1).contains(&last), "the last one went out after {last} s");
}

/// The buckets of a store that engines share, and how often they were drawn from.
#[derive(Debug, Default)]
struct Kept {
    buckets: Mutex<Buckets>,
    draws: AtomicU32,
    /// How long the next answer is on its way.
    late: Mutex<Duration>,
}

#[async_trait]
impl Quotas for Kept {
    async fn draw(&self, draw: &Draw<'_>) -> Drawn {
        tokio::task::yield_now().await;
        self.draws.fetch_add(1, Ordering::Relaxed);
        let drawn = self.buckets.lock().unwrap().draw(draw);
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        sleep(late).await;
        drawn
    }
}

fn sharing(kept: &Arc<Kept>) -> Budget {
    let rations = Rations::new(Arc::clone(kept) as Arc<dyn Quotas>, "ecs 1 r -".to_owned());
    Budget::new(1, Arc::default(), Some(rations))
}

#[tokio::test(start_paused = true)]
async fn engines_that_share_a_store_ask_for_no_more_than_one_and_no_less() {
    let kept = Arc::new(Kept::default());
    let engines = [sharing(&kept), sharing(&kept), sharing(&kept)];
    let begun = Instant::now();
    let times = join_all((0..150).map(async |n: usize| {
        engines[n % 3].turn(Quota::ServiceModify, &person(&format!("t{n}"))).await.unwrap();
        begun.elapsed().as_secs_f64()
    }))
    .await;
    for at in &times {
        let gone = times.iter().filter(|time| *time <= at).count();
        // What was drawn may be used for a while.
        assert!(gone as f64 <= 50.0 + 5.0 * (at + Ration::LASTS.as_secs_f64()) + 1e-3, "{gone} after {at} s");
    }
    let last = times.into_iter().fold(0.0, f64::max);
    assert!((19.0..21.0).contains(&last), "the last one went out after {last} s");
    let draws = kept.draws.load(Ordering::Relaxed);
    assert!(f64::from(draws) < 50.0 + 3.0 * 10.0 * last, "{draws} draws: a few a second for each engine");
}

#[tokio::test(start_paused = true)]
async fn looks_leave_the_others_their_half_of_what_engines_share() {
    let kept = Arc::new(Kept::default());
    let (one, other) = (sharing(&kept), sharing(&kept));
    let look = who("looked-at", Rank::Look);
    for _ in 0..25 {
        one.turn(Quota::ServiceModify, &look).await.unwrap();
    }
    assert!(one.turn(Quota::ServiceModify, &look).now_or_never().is_none(), "half of it stays");
    let begun = Instant::now();
    for _ in 0..25 {
        other.turn(Quota::ServiceModify, &person("acme")).await.unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "people at another engine do not wait");
}

#[tokio::test(start_paused = true)]
async fn what_was_drawn_is_not_kept() {
    let kept = Arc::new(Kept::default());
    let budget = sharing(&kept);
    // The first draws for itself; the next one draws for all that wait behind it, of whom the others go then.
    let people: Vec<Who> = (0..10).map(|n| person(&format!("t{n}"))).collect();
    let mut waiters: Vec<_> = Vec::new();
    for who in &people {
        let mut turn = Box::pin(budget.turn(Quota::ServiceModify, who));
        assert!(futures_util::poll!(&mut turn).is_pending(), "it draws, or is behind one that does");
        waiters.push(turn);
    }
    waiters.remove(0).await.unwrap();
    let mut second = waiters.remove(0);
    assert!(futures_util::poll!(&mut second).is_pending(), "it draws");
    waiters.clear();
    second.await.unwrap();
    let draws = || kept.draws.load(Ordering::Relaxed);
    assert_eq!(draws(), 2);
    budget.turn(Quota::ServiceModify, &person("soon")).await.unwrap();
    assert_eq!(draws(), 2, "what is left of it is used");
    sleep(Ration::LASTS + Duration::from_millis(1)).await;
    budget.turn(Quota::ServiceModify, &person("late")).await.unwrap();
    assert_eq!(draws(), 3, "others have it by then");
}

#[tokio::test(start_paused = true)]
async fn tokens_whose_answer_comes_too_late_are_not_used() {
    let kept = Arc::new(Kept::default());
    let budget = sharing(&kept);
    for (late, draws) in [(Ration::LASTS, 1), (Ration::LASTS + Duration::from_millis(1), 3)] {
        *kept.late.lock().unwrap() = late;
        budget.turn(Quota::ServiceModify, &person("acme")).await.unwrap();
        assert_eq!(kept.draws.load(Ordering::Relaxed), draws, "after {late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn quotas_are_apart() {
    let budget = spent(Quota::DefinitionModify).await;
    let begun = Instant::now();
    budget.turn(Quota::ServiceRead, &person("a")).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_raised_quota_is_used() {
    let budget = Budget::new(10, Arc::default(), None);
    let begun = Instant::now();
    for _ in 0..200 {
        budget.turn(Quota::DefinitionModify, &person("a")).await.unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    budget.turn(Quota::DefinitionModify, &person("a")).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_millis(101), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_tenant_with_many_calls_does_not_hold_up_another() {
    let budget = spent(Quota::DefinitionModify).await;
    let mut waiters = vec![person("many"); 20];
    waiters.push(person("one"));
    waiters.extend(vec![person("few"); 2]);
    let order = served(&budget, Quota::DefinitionModify, &waiters).await;
    // A round: a pair of each. Within a round, as they came.
    assert_eq!(order[..8], [0, 1, 20, 21, 22, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn who_keeps_coming_does_not_keep_others_from_the_second_of_a_pair() {
    let budget = spent(Quota::DefinitionRead).await;
    let begun = Instant::now();
    // 20 tenants a second, which want twice what there is.
    let tenants = (0..100).map(async |n: u32| {
        sleep(Duration::from_millis(50) * n).await;
        let who = person(&format!("t{n}"));
        let pair = [budget.turn(Quota::DefinitionRead, &who), budget.turn(Quota::DefinitionRead, &who)];
        join_all(pair).await.into_iter().for_each(|turn| turn.unwrap());
        begun.elapsed()
    });
    for (n, done) in join_all(tenants).await.into_iter().enumerate() {
        let pairs = 0.1 * (n + 1) as f64;
        assert!(done.as_secs_f64() <= pairs + 0.01, "tenant {n} had its pair after {done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn people_come_first_and_the_engine_not_never() {
    let budget = spent(Quota::DefinitionModify).await;
    let mut waiters = vec![who("engine", Rank::Engine); 10];
    waiters.extend(vec![person("person"); 20]);
    let order = served(&budget, Quota::DefinitionModify, &waiters).await;
    let people: Vec<bool> = order[..15].iter().map(|n| *n >= 10).collect();
    // The buckets were spent by a person, so the first turn is the engine's.
    let five = [false, true, true, true, true];
    assert_eq!(people, [five, five, five].concat());
}

#[tokio::test(start_paused = true)]
async fn looks_come_last_and_not_never() {
    let budget = spent(Quota::DefinitionModify).await;
    let mut waiters = vec![who("look", Rank::Look); 10];
    waiters.extend(vec![who("engine", Rank::Engine); 30]);
    waiters.extend(vec![person("person"); 60]);
    let order = served(&budget, Quota::DefinitionModify, &waiters).await;
    let looks: Vec<usize> = (0..100).filter(|at| order[*at] < 10).collect();
    // 20 others were served before, and then 24 are for each look, until there are no others.
    assert_eq!(looks[..4], [4, 29, 54, 79]);
    assert_eq!(looks[4..], [94, 95, 96, 97, 98, 99]);
}

#[tokio::test(start_paused = true)]
async fn looks_leave_half_of_what_may_be_asked_at_once() {
    let budget = Budget::new(1, Arc::default(), None);
    let begun = Instant::now();
    for _ in 0..60 {
        budget.turn(Quota::ServiceRead, &who("look", Rank::Look)).await.unwrap();
    }
    assert_eq!(begun.elapsed().as_millis() / 10, 50, "50 at once, and then as many as come");
    for _ in 0..50 {
        budget.turn(Quota::ServiceRead, &person("person")).await.unwrap();
    }
    assert_eq!(begun.elapsed().as_millis() / 10, 50, "people have theirs");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_returns_its_place() {
    let budget = spent(Quota::DefinitionModify).await;
    let begun = Instant::now();
    let goes = person("a");
    let dropped = timeout(Duration::from_millis(500), budget.turn(Quota::DefinitionModify, &goes));
    let stays = async {
        sleep(Duration::from_millis(100)).await;
        budget.turn(Quota::DefinitionModify, &person("b")).await.unwrap();
        begun.elapsed()
    };
    let (dropped, waited) = tokio::join!(dropped, stays);
    assert!(dropped.is_err());
    // The token that the first one waited for.
    assert!(waited <= Duration::from_millis(1_002), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_first_while_a_later_one_sleeps_is_served_first() {
    let budget = spent(Quota::DefinitionModify).await;
    let begun = Instant::now();
    let engine = async {
        // One that is served before the people's share is used up would prove nothing.
        budget.turn(Quota::DefinitionModify, &who("e", Rank::Engine)).await.unwrap();
        budget.turn(Quota::DefinitionModify, &who("e", Rank::Engine)).await.unwrap();
        begun.elapsed()
    };
    let person = async {
        sleep(Duration::from_millis(1_500)).await;
        budget.turn(Quota::DefinitionModify, &person("p")).await.unwrap();
        begun.elapsed()
    };
    let (engine, person) = tokio::join!(engine, person);
    assert!((2.0..2.01).contains(&person.as_secs_f64()), "{person:?}");
    assert!((3.0..3.01).contains(&engine.as_secs_f64()), "{engine:?}");
}

#[tokio::test(start_paused = true)]
async fn too_many_are_turned_away_with_a_time_to_come_again() {
    let budget = spent(Quota::DefinitionModify).await;
    let who = person("a");
    let mut waiters: Vec<_> =
        (0..WAITING).map(|_| Box::pin(budget.turn(Quota::DefinitionModify, &who))).collect();
    for waiter in &mut waiters {
        assert!(futures_util::poll!(waiter).is_pending());
    }
    let error = budget.turn(Quota::DefinitionModify, &who).await.unwrap_err();
    assert_eq!((error.remedy, error.code), (Remedy::Retry, ErrorCode::ResourceExhausted));
    assert_eq!(error.retry_after, Some(Duration::from_secs(WAITING as u64)));
    // One that goes makes room.
    drop(waiters.pop());
    let mut next = Box::pin(budget.turn(Quota::DefinitionModify, &who));
    assert!(futures_util::poll!(&mut next).is_pending());
}

fn take(bucket: &mut Bucket, now: Instant) -> Result<(), Duration> {
    bucket.has(now, 0.0).map(|()| bucket.take())
}

/// How many tokens a bucket gives within a time, asked every millisecond.
fn taken(bucket: &mut Bucket, from: Instant, within: Duration) -> u32 {
    let moments = (0..within.as_millis() as u64).map(Duration::from_millis);
    moments.filter(|after| take(bucket, from + *after).is_ok()).count() as u32
}

#[tokio::test(start_paused = true)]
async fn throttling_empties_the_bucket_and_halves_the_rate() {
    let now = Instant::now();
    let mut bucket = Bucket::new(Seed { burst: 100, per_second: 20 }, now);
    assert_eq!(bucket.throttled(now), Some(10.0));
    // What was on its way together is throttled together.
    assert_eq!(bucket.throttled(now + Duration::from_millis(900)), None);
    let later = now + Duration::from_millis(900);
    let first = taken(&mut bucket, later, Duration::from_secs(1));
    assert!((10..=12).contains(&first), "{first} in the first second");
    assert_eq!(bucket.throttled(later + Duration::from_secs(1)).map(f64::round), Some(6.0));
}

#[tokio::test(start_paused = true)]
async fn the_rate_grows_back_to_what_it_was_and_no_further() {
    let now = Instant::now();
    let mut bucket = Bucket::new(Seed { burst: 1_000, per_second: 20 }, now);
    bucket.throttled(now);
    // From 10 to 20 a second in 15 seconds: 225.
    let growing = taken(&mut bucket, now, Duration::from_secs(15));
    assert!((223..=225).contains(&growing), "{growing} while it grew");
    let then = now + Duration::from_secs(15);
    let grown = taken(&mut bucket, then, Duration::from_secs(60));
    assert!((1_199..=1_201).contains(&grown), "{grown} in the minute after");
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_never_nothing() {
    let now = Instant::now();
    let mut bucket = Bucket::new(Seed { burst: 5, per_second: 1 }, now);
    for second in 0..20 {
        bucket.throttled(now + Duration::from_secs(second));
    }
    let pause = bucket.has(now + Duration::from_secs(19), 0.0).unwrap_err();
    assert!(pause <= Duration::from_secs(16), "{pause:?}");
}

#[tokio::test(start_paused = true)]
async fn what_may_be_asked_is_told_of_all_accounts_together() {
    let throttles = Arc::new(Throttles::default());
    let budgets = [1, 3].map(|factor| Arc::new(Budget::new(factor, Arc::clone(&throttles), None)));
    budgets[0].throttled(Quota::Tag);
    let tag = |budgets: &[Arc<Budget>]| {
        let told = Budget::told(budgets, &throttles);
        assert_eq!(told.len(), Quota::ALL.len());
        told.into_iter().find(|budget| budget.name == "tag").unwrap()
    };
    let told = tag(&budgets);
    assert_eq!((told.per_second, told.per_second_at_best, told.waiting), (5.0, 10.0, 0));
    let someone = person("acme");
    let mut waits = Box::pin(budgets[0].turn(Quota::Tag, &someone));
    assert!(waits.as_mut().now_or_never().is_none(), "nothing is left");
    assert_eq!(tag(&budgets).waiting, 1);
    // An account that is forgotten takes no throttling back.
    assert_eq!((tag(&[]).throttled, tag(&[]).per_second), (1, 10.0));
}
