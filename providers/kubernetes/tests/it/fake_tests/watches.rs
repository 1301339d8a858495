//! Watches.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::Bare;
use crate::fake::{Fake, Kind, Mishap, Settings, Trap, Verb};

const MAPS: &str = "/api/v1/namespaces/acme/configmaps";

/// A watch that is read line by line.
struct Lines {
    body: Incoming,
    read: Vec<u8>,
}

impl Lines {
    /// The next event; none: it ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=at).collect();
                return Some(serde_json::from_slice(&line).expect("JSON"));
            }
            let frame = self.body.frame().await?.ok()?;
            self.read.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }

    /// Its kind and the name of what it is about.
    async fn told(&mut self) -> (String, String) {
        let event = self.next().await.expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

async fn watch(bare: &Bare, query: &str) -> Lines {
    let path = format!("{MAPS}?watch=true&{query}");
    let response = bare.send("GET", &path, "", None).await.expect("an answer");
    assert_eq!(response.status(), 200);
    Lines { body: response.into_body(), read: Vec::new() }
}

async fn revision(bare: &Bare) -> String {
    let list = bare.get(MAPS).await.is(200);
    list["metadata"]["resourceVersion"].as_str().expect("a revision").to_owned()
}

/// With no other changes on their way.
async fn quiet() -> Bare {
    let bare = Bare::prepared().await;
    let there = |fake: &Fake| fake.object(Kind::ConfigMap, "acme", "kube-root-ca.crt").map(|_| ());
    bare.fake.until("its certificate is there", there).await;
    bare
}

fn map(name: &str, tier: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "tier": tier } } })
}

#[tokio::test]
async fn a_watch_tells_what_becomes_of_what_is_selected() {
    let bare = quiet().await;
    let from = revision(&bare).await;
    bare.post(MAPS, &map("a", "x")).await.is(201);
    let mut lines =
        watch(&bare, &format!("labelSelector=tier%3Dx&resourceVersion={from}&timeoutSeconds=1")).await;
    assert_eq!(lines.told().await, ("ADDED".into(), "a".into()));
    bare.post(MAPS, &map("b", "y")).await.is(201);
    let change = |to: &'static str| move |it: &mut Value| it["metadata"]["labels"]["tier"] = json!(to);
    bare.fake.change(Kind::ConfigMap, "acme", "a", |it| it["data"] = json!({ "k": "v" })).expect("a change");
    assert_eq!(lines.told().await, ("MODIFIED".into(), "a".into()));
    bare.fake.change(Kind::ConfigMap, "acme", "b", change("x")).expect("a change");
    assert_eq!(lines.told().await, ("ADDED".into(), "b".into()));
    bare.fake.change(Kind::ConfigMap, "acme", "a", change("y")).expect("a change");
    assert_eq!(lines.told().await, ("DELETED".into(), "a".into()));
    bare.fake.remove(Kind::ConfigMap, "acme", "b");
    assert_eq!(lines.told().await, ("DELETED".into(), "b".into()));
    assert_eq!(bare.fake.open_watches(), 1);
    assert!(lines.next().await.is_none(), "its time is over");
    bare.fake.until("it is closed", |fake| (fake.open_watches() == 0).then_some(())).await;
    let mut whole = watch(&bare, "labelSelector=tier").await;
    assert_eq!(whole.told().await, ("ADDED".into(), "a".into()), "without a revision all of it comes first");
}

#[tokio::test]
async fn a_watch_says_how_far_it_is() {
    let bare = quiet().await;
    let from = revision(&bare).await;
    let mut lines = watch(&bare, &format!("resourceVersion={from}&allowWatchBookmarks=true")).await;
    bare.post("/api/v1/namespaces/acme/secrets", &json!({ "metadata": { "name": "other" } })).await.is(201);
    let mark = lines.next().await.expect("a bookmark");
    assert_eq!((&mark["type"], &mark["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    assert_eq!(mark["object"]["metadata"]["resourceVersion"], revision(&bare).await.as_str());
}

#[tokio::test]
async fn a_watch_is_too_old_from_the_beginning_or_on_the_way() {
    let bare = quiet().await;
    let from = revision(&bare).await;
    let query = format!("resourceVersion={from}");
    let mut open = watch(&bare, &query).await;
    bare.post(MAPS, &map("a", "x")).await.is(201);
    assert_eq!(open.told().await, ("ADDED".into(), "a".into()));
    bare.fake.expire_watches();
    let error = open.next().await.expect("an error");
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert!(open.next().await.is_none());
    let mut old = watch(&bare, &query).await;
    assert_eq!(old.next().await.expect("an error")["object"]["reason"], "Expired", "what was is forgotten");
    let now = format!("resourceVersion={}", revision(&bare).await);
    bare.fake.trap(Trap::on(Verb::Watch, "/configmaps", Mishap::WatchExpires));
    let error = watch(&bare, &now).await.next().await.expect("an error");
    assert_eq!(error["object"]["code"], 410);
    let refused = Mishap::Refuse(crate::fake::Refusal::expired());
    bare.fake.trap(Trap::on(Verb::Watch, "/configmaps", refused));
    bare.get(&format!("{MAPS}?watch=true&{now}")).await.refused(410, "Expired");
}

#[tokio::test]
async fn watches_are_held_and_cut() {
    let bare = quiet().await;
    let mut lines = watch(&bare, &format!("resourceVersion={}", revision(&bare).await)).await;
    bare.fake.hold_watches(true);
    bare.post(MAPS, &map("a", "x")).await.is(201);
    let waits = tokio::time::timeout(std::time::Duration::from_millis(30), lines.next());
    assert!(waits.await.is_err());
    bare.fake.hold_watches(false);
    assert_eq!(lines.told().await, ("ADDED".into(), "a".into()));
    bare.fake.cut_watches();
    assert!(lines.next().await.is_none());
}

#[tokio::test]
async fn a_newer_cluster_streams_lists() {
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let old = quiet().await;
    old.get(&format!("{MAPS}?watch=true&{query}")).await.refused(422, "Invalid");
    let bare = Bare::prepared_with(Settings::new_cluster()).await;
    bare.post(MAPS, &map("a", "x")).await.is(201);
    let mut lines = watch(&bare, &format!("{query}&labelSelector=tier")).await;
    assert_eq!(lines.told().await, ("ADDED".into(), "a".into()));
    let mark = lines.next().await.expect("a bookmark");
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}
