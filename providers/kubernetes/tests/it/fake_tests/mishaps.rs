//! What a test can make go wrong.

use std::time::Duration;

use serde_json::json;

use super::Bare;
use crate::fake::{Kind, Mishap, Refusal, RefusalBody, Trap, Verb};

const MAPS: &str = "/api/v1/namespaces/acme/configmaps";

fn map(name: &str) -> serde_json::Value {
    json!({ "metadata": { "name": name } })
}

#[tokio::test]
async fn a_trap_is_for_a_verb_and_a_path_and_springs_so_often() {
    let bare = Bare::prepared().await;
    let mishap = Mishap::Refuse(Refusal::too_many(3));
    bare.fake.trap(Trap::on(Verb::Create, "/configmaps", mishap).times(2));
    bare.get(MAPS).await.is(200);
    for _ in 0..2 {
        let refused = bare.post(MAPS, &map("a")).await;
        assert_eq!((refused.code, refused.retry_after.as_deref()), (429, Some("3")));
        assert!(refused.body.is_null() && refused.text.starts_with("Too many requests"));
    }
    bare.fake.take_counts();
    bare.post(MAPS, &map("a")).await.is(201);
    bare.get(&format!("{MAPS}/a")).await.is(200);
    assert_eq!(bare.fake.count(Verb::Create, "/configmaps"), 1);
    assert_eq!(bare.fake.take_counts()[&(Verb::Get, format!("{MAPS}/a"))], 1);
    assert_eq!(bare.fake.count(Verb::Create, "/configmaps"), 0);
}

#[tokio::test]
async fn refusals_come_before_it_is_done_or_after() {
    let bare = Bare::prepared().await;
    let denied = Refusal::webhook_denied(403, "policy.example.test", "no");
    for (at, refusal, code, words) in [
        (0, Refusal::leader_changed(), 500, "etcdserver: leader changed"),
        (
            1,
            Refusal::webhook_outage("hook.example.test"),
            500,
            "failed calling webhook \"hook.example.test\"",
        ),
        (2, denied, 403, "admission webhook \"policy.example.test\" denied the request: no"),
        (3, Refusal::webhook_denied(400, "policy.example.test", "no"), 400, "denied the request"),
        (4, Refusal::timed_out(), 504, "context deadline exceeded"),
        (5, Refusal::unavailable(), 503, "shutting down"),
        (6, Refusal::unauthorized(), 401, "Unauthorized"),
        (7, Refusal::status(403, "Forbidden", "configmaps is forbidden"), 403, "is forbidden"),
    ] {
        for done in [false, true] {
            let name = format!("m{at}-{done}");
            let mishap =
                if done { Mishap::RefuseDone(refusal.clone()) } else { Mishap::Refuse(refusal.clone()) };
            bare.fake.trap(Trap::once(mishap));
            let refused = bare.post(MAPS, &map(&name)).await;
            assert!(refused.code == code && refused.message().contains(words), "{}", refused.text);
            assert_eq!(bare.fake.object(Kind::ConfigMap, "acme", &name).is_some(), done);
        }
    }
    assert!(matches!(Refusal::too_many(1).body, RefusalBody::Text(_)));
}

#[tokio::test]
async fn a_connection_is_dropped_before_it_is_done_or_after() {
    let bare = Bare::prepared().await;
    for done in [false, true] {
        let name = format!("cut-{done}");
        bare.fake.trap(Trap::once(Mishap::Cut { done }));
        let lost = bare.try_ask("POST", MAPS, "application/json", Some(&map(&name))).await;
        assert!(lost.is_err());
        assert_eq!(bare.fake.object(Kind::ConfigMap, "acme", &name).is_some(), done);
        let name = format!("hang-{done}");
        bare.fake.trap(Trap::once(Mishap::Hang { done }));
        let body = map(&name);
        let hangs = bare.post(MAPS, &body);
        assert!(tokio::time::timeout(Duration::from_millis(50), hangs).await.is_err());
        assert_eq!(bare.fake.object(Kind::ConfigMap, "acme", &name).is_some(), done);
    }
}

#[tokio::test]
async fn an_answer_or_what_is_asked_for_comes_late() {
    let bare = Bare::prepared().await;
    let later = Duration::from_millis(100);
    for (name, mishap, done) in [("a", Mishap::Delay(later), true), ("b", Mishap::Late(later), false)] {
        bare.fake.trap(Trap::once(mishap));
        let begun = std::time::Instant::now();
        let body = map(name);
        let mut asks = Box::pin(bare.post(MAPS, &body));
        assert!(tokio::time::timeout(later / 2, &mut asks).await.is_err());
        assert_eq!(bare.fake.object(Kind::ConfigMap, "acme", name).is_some(), done);
        asks.await.is(201);
        assert!(begun.elapsed() >= later);
    }
    bare.fake.trap(Trap::once(Mishap::Cut { done: false }).always());
    assert!(bare.try_ask("GET", MAPS, "", None).await.is_err());
    assert!(bare.try_ask("GET", "/version", "", None).await.is_err());
    bare.fake.clear_traps();
    bare.get(MAPS).await.is(200);
}

#[tokio::test]
async fn reads_that_do_not_ask_for_the_newest_are_behind() {
    let bare = Bare::prepared().await;
    bare.post(MAPS, &map("old")).await.is(201);
    bare.fake.stale_reads(true);
    bare.post(MAPS, &map("new")).await.is(201);
    bare.delete(&format!("{MAPS}/old"), &json!({})).await.is(200);
    bare.get(&format!("{MAPS}/new")).await.is(200);
    bare.get(&format!("{MAPS}/new?resourceVersion=0")).await.is(404);
    bare.get(&format!("{MAPS}/old?resourceVersion=0")).await.is(200);
    let names = |list: serde_json::Value| list["items"].to_string();
    let list = names(bare.get(&format!("{MAPS}?resourceVersion=0")).await.is(200));
    assert!(list.contains("\"old\"") && !list.contains("\"new\""));
    let list = names(bare.get(MAPS).await.is(200));
    assert!(!list.contains("\"old\"") && list.contains("\"new\""));
    bare.fake.stale_reads(false);
    bare.get(&format!("{MAPS}/old?resourceVersion=0")).await.is(404);
}
