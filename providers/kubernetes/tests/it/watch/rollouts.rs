//! A rollout wakes whoever waits for it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use landlord_compute::clock::SystemClock;
use landlord_compute::provider::{Context, Provider};
use serde_json::json;
use tokio::time::Instant;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::super::fake::{Pace, Settings, User, Verb};
use super::super::site::{Site, TOKEN, subject};
use super::logged::Logged;
use super::{WATCHES, beside, observe, spec, watched};

/// How long a pod takes to be ready here. While it is watched, it would be looked at after three times this.
const SLOW: Duration = Duration::from_secs(5);

fn slow() -> Settings {
    Settings { pace: Pace { slow: SLOW, ..Pace::quick() }, ..Settings::new_cluster() }
}

#[tokio::test]
async fn a_rollout_that_becomes_ready_ends_its_wait_at_once() {
    let site = Site::with(slow(), &json!({}));
    let mut observations = observe(&site);
    tokio::select! {
        () = watched(&site.fake) => {}
        _ = observations.next() => unreachable!("nobody is there"),
    }
    let cx = Context::alone(subject(), Arc::new(SystemClock));
    let begun = Instant::now();
    let spec = spec("acme", "slow");
    beside(&mut observations, &cx, site.provider.provision(&cx, &spec)).await.expect("a provision");
    let took = begun.elapsed();
    assert!(took >= SLOW && took < SLOW * 2, "{took:?}");
    let looks = site.fake.count(Verb::List, "/pods");
    // The one list that the watch began with is of all namespaces.
    let looks = looks - site.fake.count(Verb::List, "/api/v1/pods");
    assert!(looks <= 5, "{looks} looks");
}

#[tokio::test]
async fn without_the_right_to_watch_it_is_polled() {
    let mut user = User::admin("engine");
    user.denied = ["pods", "services"].map(|kind| ("watch".to_owned(), kind.to_owned())).to_vec();
    let users = [(TOKEN.to_owned(), user)].into();
    let site = Site::with(Settings { users, ..Settings::new_cluster() }, &json!({}));
    let logged = Logged::default();
    let layer = fmt::layer().with_ansi(false).with_writer(logged.clone()).with_filter(LevelFilter::WARN);
    let _guard = tracing_subscriber::registry().with(layer).set_default();
    let mut observations = observe(&site);
    tokio::select! {
        () = async {
            site.fake.until("the others are watched", |fake| (fake.open_watches() == WATCHES - 2).then_some(())).await;
        } => {}
        _ = observations.next() => unreachable!("nobody is there"),
    }
    let cx = Context::alone(subject(), Arc::new(SystemClock));
    // Nobody wakes it.
    let spec = spec("acme", "slow");
    let provision = site.provider.provision(&cx, &spec);
    let provision = tokio::time::timeout(Duration::from_secs(10), provision);
    tokio::select! {
        done = provision => drop(done.expect("in time").expect("a provision")),
        () = async { while observations.next().await.is_some() {} } => unreachable!("it goes on"),
    }
    let lines = logged.lines();
    assert_eq!(lines.matches("not everything may be watched").count(), 1, "{lines}");
}
