use std::cell::RefCell;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use landlord_state_machines::error::{ErrorCode, Remedy};
use tokio::time::{Instant, sleep, timeout};

use super::{Budget, Rank, WAITING};

/// A budget of which nothing is left now.
async fn spent(per_second: u32) -> Budget {
    let budget = Budget::new(per_second);
    for _ in 0..per_second {
        budget.turn(Rank::First).await.unwrap();
    }
    budget
}

/// Has all of them wait, in this order, and says in which order they are served.
async fn served(budget: &Budget, ranks: &[Rank]) -> Vec<usize> {
    let order = RefCell::new(Vec::new());
    join_all(ranks.iter().enumerate().map(async |(n, rank)| {
        budget.turn(*rank).await.unwrap();
        order.borrow_mut().push(n);
    }))
    .await;
    order.into_inner()
}

#[tokio::test(start_paused = true)]
async fn no_more_goes_out_than_the_budget_gives_and_no_less() {
    let budget = Budget::new(50);
    let begun = Instant::now();
    let times = join_all((0..150).map(async |_| {
        budget.turn(Rank::First).await.unwrap();
        begun.elapsed().as_secs_f64()
    }))
    .await;
    for at in &times {
        let gone = times.iter().filter(|time| *time <= at).count();
        assert!(gone as f64 <= 50.0 + 50.0 * at + 1e-3, "{gone} after {at} s");
    }
    let last = times.into_iter().fold(0.0, f64::max);
    assert!((1.99..2.1).contains(&last), "the last one went out after {last} s");
}

#[tokio::test(start_paused = true)]
async fn who_is_urgent_passes_who_is_patient() {
    let budget = spent(1).await;
    let order = served(&budget, &[Rank::Look, Rank::Read, Rank::Write, Rank::First]).await;
    assert_eq!(order, [3, 2, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let budget = spent(10).await;
    let begun = Instant::now();
    // Twice as many people as there is room for.
    let people = join_all((0..200).map(async |n: u32| {
        sleep(Duration::from_millis(50) * n).await;
        budget.turn(Rank::First).await.unwrap();
    }));
    let look = async {
        budget.turn(Rank::Look).await.unwrap();
        begun.elapsed()
    };
    let (_, look) = tokio::join!(people, look);
    // Those who came in its first four seconds go before it.
    assert!((7.5..8.5).contains(&look.as_secs_f64()), "{look:?}");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_returns_its_place() {
    let budget = spent(1).await;
    let begun = Instant::now();
    let dropped = timeout(Duration::from_millis(500), budget.turn(Rank::First));
    let stays = async {
        sleep(Duration::from_millis(100)).await;
        budget.turn(Rank::First).await.unwrap();
        begun.elapsed()
    };
    let (dropped, waited) = tokio::join!(dropped, stays);
    assert!(dropped.is_err());
    // The token that the first one waited for.
    assert!(waited <= Duration::from_millis(1_002), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_cluster_is_left_alone_and_then_asked_more_slowly() {
    let budget = Budget::new(100);
    let begun = Instant::now();
    budget.throttled(Duration::from_secs(3));
    budget.turn(Rank::First).await.unwrap();
    assert!((3.0..3.1).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    let slow = Instant::now();
    for _ in 0..50 {
        budget.turn(Rank::First).await.unwrap();
    }
    let took = slow.elapsed().as_secs_f64();
    assert!((0.9..1.1).contains(&took), "fifty at half the rate took {took} s");
    // A minute later all is as before.
    sleep(Duration::from_secs(60)).await;
    let fast = Instant::now();
    for _ in 0..100 {
        budget.turn(Rank::First).await.unwrap();
    }
    assert_eq!(fast.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn too_many_are_turned_away_with_a_time_to_come_again() {
    let budget = spent(1_000).await;
    let mut waiters: Vec<_> = (0..WAITING).map(|_| Box::pin(budget.turn(Rank::First))).collect();
    for waiter in &mut waiters {
        assert!(futures_util::poll!(waiter).is_pending());
    }
    let error = budget.turn(Rank::First).await.unwrap_err();
    assert_eq!((error.remedy, error.code), (Remedy::Retry, ErrorCode::ResourceExhausted));
    assert_eq!(error.retry_after, Some(Duration::from_secs(WAITING as u64 / 1_000)));
    // One that goes makes room.
    drop(waiters.pop());
    let mut next = Box::pin(budget.turn(Rank::First));
    assert!(futures_util::poll!(&mut next).is_pending());
}

#[tokio::test(start_paused = true)]
async fn what_may_be_asked_is_told() {
    let budget = spent(100).await;
    let mut waits = Box::pin(budget.turn(Rank::Look));
    assert!(waits.as_mut().now_or_never().is_none(), "nothing is left");
    let told = budget.told();
    assert_eq!(
        (told.per_second, told.per_second_at_best, told.waiting, told.throttled),
        (100.0, 100.0, 1, 0)
    );
    drop(waits);
    budget.throttled(Duration::from_secs(1));
    let told = budget.told();
    assert_eq!((told.per_second, told.per_second_at_best, told.waiting, told.throttled), (50.0, 100.0, 0, 1));
}
