//! An API server that dies in the middle of calls.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use http::Method;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, ObservePolicy, Options};
use landlord_testing::fixtures::{memory, tenant};
use serde_json::json;

use super::cluster::{Cluster, Kind};
use super::proxy::{Between, Fate, Proxy};
use super::site::{Site, spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn an_api_server_that_is_killed_in_each_call_makes_nothing_twice() {
    let start = tokio::task::spawn_blocking(|| Cluster::start(Kind::Pods));
    let cluster = Arc::new(start.await.expect("a cluster"));
    let site = Site::alone(&cluster, "mishaps").await;
    let (killed, kills) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::clone(&cluster));
    let already = Arc::clone(&killed);
    let between: Between = Arc::new(move |method, path| {
        // Each call dies once. What asks which API there is, and about rights, is asked again by itself.
        let is_new = !path.contains("selfsubjectaccessreviews")
            && already.lock().expect("no panic").insert(format!("{method} {path}"));
        let cluster = Arc::clone(&kills);
        Box::pin(async move {
            match (is_new, method == Method::GET) {
                (false, _) => Fate::Pass,
                (true, true) => Fate::Unanswered,
                (true, false) => Fate::UnansweredAnd(Box::new(move || cluster.kill_api_server())),
            }
        })
    });
    let proxy = Proxy::start(&cluster.kubeconfig, between).await;
    site.write_kubeconfig_to(&proxy.url, "engine");
    let builder = Engine::builder(memory()).observe(ObservePolicy::Off).provider(site.provider(&json!({})));
    let engine = builder.start().await.expect("an engine");
    let handle = engine.tenant(tenant("mishaps-a"));
    let script =
        |word: &str| spec("mishaps-a", &format!("trap 'exit 0' TERM; echo {word}; sleep 1000 & wait"));

    let provision = handle.provision(script("one"), Options::default()).await.expect("accepted");
    assert_eq!(provision.await.expect("settles"), Settled::Done);
    let answers = proxy.answers();
    let posts = answers.iter().filter(|(call, _)| call.starts_with("POST /a"));
    let posts: Vec<_> = posts.filter(|(call, _)| !call.contains("authorization.k8s.io")).collect();
    println!("{posts:#?}");
    assert!(posts.len() > 5, "{posts:?}");
    for (call, answers) in posts {
        // A server that is dead or has just started did nothing, and is asked again. One that dies of another call's kill may
        // have done what it did not answer. What was done is asked for once: a server would say that the object exists.
        let made = answers.iter().filter(|status| **status == Some(201)).count();
        let is_made = made == 1 || (made == 0 && answers.contains(&None));
        assert!(is_made && !answers.contains(&Some(409)), "one POST an intent: {call} {answers:?}");
    }

    let update = handle.update(script("two"), Options::default()).await.expect("accepted");
    assert_eq!(update.await.expect("settles"), Settled::Done);
    let pods = site.pods("mishaps-a").await;
    assert!(pods.len() == 1 && pods[0].to_string().contains("echo two"), "{pods:?}");
    let destroy = handle.destroy(Options::default()).await.expect("accepted");
    assert_eq!(destroy.await.expect("settles"), Settled::Done);
    assert!(site.admin.get("/api/v1/namespaces/landlord-mishaps-a").await.is_none());
    let killed = killed.lock().expect("no panic");
    println!("{} calls died: {killed:#?}", killed.len());
}
