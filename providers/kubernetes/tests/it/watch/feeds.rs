//! Watches that end, break, and are too old.

use futures_util::StreamExt;
use landlord_state_machines::observation::Seen;
use serde_json::json;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::super::fake::{Kind, Mishap, Refusal, Trap, Verb};
use super::logged::Logged;
use super::{WATCHES, at_rest, observed, watched};

const NAMESPACE: &str = "landlord-acme";

fn told(seen: &Seen) -> Option<String> {
    match seen {
        Seen::Unhealthy(why) | Seen::Broken(why) => Some(why.clone()),
        Seen::Healthy | Seen::Unclear => None,
    }
}

#[tokio::test]
async fn what_was_deleted_while_a_watch_became_too_old_is_seen() {
    let (site, mut observations, _) = at_rest(&json!({})).await;
    site.fake.hold_watches(true);
    site.fake.remove(Kind::Service, NAMESPACE, "acme");
    site.fake.expire_watches();
    site.fake.hold_watches(false);
    let why = observed(&mut observations, |it| told(&it.seen)).await;
    assert_eq!(why, "a Service was deleted");
}

#[tokio::test]
async fn a_watch_that_broke_goes_on_where_it_was() {
    let (site, mut observations, _) = at_rest(&json!({})).await;
    site.fake.take_counts();
    site.fake.cut_watches();
    site.fake.remove(Kind::Service, NAMESPACE, "acme");
    let why = observed(&mut observations, |it| told(&it.seen)).await;
    assert_eq!(why, "Service/acme was deleted");
    assert_eq!(site.fake.count(Verb::List, "/api/v1/services"), 0, "nothing is listed again");
}

#[tokio::test]
async fn bookmarks_keep_the_version_new() {
    let (site, mut observations, _) = at_rest(&json!({})).await;
    let listen = async { while observations.next().await.is_some() {} };
    let marks = async {
        // Nobody who is watched changes: only bookmarks tell of a new version.
        let other = json!({ "metadata": { "name": "other" } });
        site.fake.plant(Kind::ConfigMap, "default", other).expect("a stranger's");
        let before = site.fake.bookmarks();
        let all = before + WATCHES as u64;
        site.fake.until("all say how far they are", |fake| (fake.bookmarks() >= all).then_some(())).await;
    };
    tokio::select! {
        () = marks => {}
        () = listen => unreachable!("it goes on"),
    }
    site.fake.forget_history();
    site.fake.take_counts();
    site.fake.cut_watches();
    let listen = async { while observations.next().await.is_some() {} };
    tokio::select! {
        () = async {
            site.fake.until("they are cut", |fake| (fake.count(Verb::Watch, "/") > 0).then_some(())).await;
            watched(&site.fake).await;
        } => {}
        () = listen => unreachable!("it goes on"),
    }
    assert_eq!(site.fake.count(Verb::List, "/api/v1/services"), 0, "nothing is too old");
    site.fake.remove(Kind::Service, NAMESPACE, "acme");
    let why = observed(&mut observations, |it| told(&it.seen)).await;
    assert_eq!(why, "Service/acme was deleted");
}

#[tokio::test]
async fn a_watch_that_is_refused_begins_again_and_one_that_is_too_old_lists_again() {
    let (site, mut observations, _) = at_rest(&json!({})).await;
    let path = "/services";
    site.fake.trap(Trap::on(Verb::Watch, path, Mishap::Refuse(Refusal::unavailable())));
    site.fake.trap(Trap::on(Verb::Watch, path, Mishap::Refuse(Refusal::expired())));
    site.fake.trap(Trap::on(Verb::Watch, path, Mishap::WatchExpires));
    site.fake.take_counts();
    site.fake.cut_watches();
    let listen = async { while observations.next().await.is_some() {} };
    tokio::select! {
        () = async {
            let again = |fake: &super::Fake| (fake.count(Verb::Watch, path) >= 4).then_some(());
            site.fake.until("it is tried again", again).await;
            watched(&site.fake).await;
        } => {}
        () = listen => unreachable!("it goes on"),
    }
    assert_eq!(site.fake.count(Verb::List, "/api/v1/services"), 2, "twice it was too old");
    site.fake.remove(Kind::Service, NAMESPACE, "acme");
    observed(&mut observations, |it| told(&it.seen)).await;
}

/// It is no failure: more happened than the cluster remembers, and what is asked for again is asked for as it is now.
#[tokio::test]
async fn a_list_that_the_cluster_forgot_is_asked_for_again_at_once() {
    let (site, mut observations, _) = at_rest(&json!({})).await;
    let logged = Logged::default();
    let layer = fmt::layer().with_ansi(false).with_writer(logged.clone()).with_filter(LevelFilter::DEBUG);
    let _guard = tracing_subscriber::registry().with(layer).set_default();
    let pods = format!("/namespaces/{NAMESPACE}/pods");
    site.fake.take_counts();
    site.fake.trap(Trap::on(Verb::List, &pods, Mishap::Refuse(Refusal::expired())).times(2));
    site.fake.remove(Kind::Service, NAMESPACE, "acme");
    let why = observed(&mut observations, |it| told(&it.seen)).await;
    assert_eq!(why, "Service/acme was deleted");
    assert_eq!(site.fake.count(Verb::List, &pods), 3, "twice it was too old");
    let lines = logged.lines();
    assert!(!lines.contains("could not look"), "{lines}");
}
