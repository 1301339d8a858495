//! Many tenants: few requests.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use landlord_compute::clock::SystemClock;
use landlord_compute::provider::{Context, Initiator, Provider};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::status::{ComputeState, Health};
use serde_json::json;

use super::super::fake::{Kind, Settings, Verb};
use super::super::site::Site;
use super::{complete, observe, plant, spec, subject_of, watched};

const TENANTS: usize = 200;

/// So many tenants that run, and are watched.
async fn many() -> (Site, stream::BoxStream<'static, super::Observation>) {
    let site = Site::with(Settings::new_cluster(), &json!({}));
    (0..TENANTS).for_each(|number| plant(&site.fake, &format!("acme-{number}")));
    complete(&site.fake, TENANTS).await;
    let mut observations = observe(&site);
    tokio::select! {
        () = watched(&site.fake) => {}
        () = async { while observations.next().await.is_some() {} } => unreachable!("it goes on"),
    }
    (site, observations)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_pods_that_are_killed_at_once_are_noticed() {
    let (site, mut observations) = many().await;
    site.fake.take_counts();
    for pod in site.fake.objects(Kind::Pod, "") {
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
        site.fake.kill_pod(text("namespace"), text("name"));
    }
    let mut noticed: BTreeSet<TenantId> = BTreeSet::new();
    let all = async {
        while noticed.len() < TENANTS {
            noticed.insert(observations.next().await.expect("it goes on").tenant);
        }
    };
    tokio::time::timeout(super::PROMPT, all).await.expect("in time");
    let requests: u64 = site.fake.take_counts().values().sum();
    assert!(requests < TENANTS as u64, "{requests} requests for {TENANTS} tenants");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nothing_happens_nothing_is_asked() {
    let (site, mut observations) = many().await;
    let quiet = async {
        site.fake.take_counts();
        let other = json!({ "metadata": { "name": "other" } });
        site.fake.plant(Kind::ConfigMap, "default", other).expect("a stranger's");
        let all = site.fake.bookmarks() + 3 * super::WATCHES as u64;
        for number in 0.. {
            if site.fake.bookmarks() >= all {
                break;
            }
            let label = json!(number.to_string());
            let change = |it: &mut serde_json::Value| it["metadata"]["annotations"] = json!({ "n": label });
            site.fake.change(Kind::ConfigMap, "default", "other", change).expect("a change");
            let before = site.fake.bookmarks();
            site.fake.until("it is marked", |fake| (fake.bookmarks() > before).then_some(())).await;
        }
        site.fake.take_counts()
    };
    let counts = tokio::select! {
        counts = quiet => counts,
        () = async { while observations.next().await.is_some() {} } => unreachable!("it goes on"),
    };
    assert_eq!(counts.values().sum::<u64>(), 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tenants_are_looked_at_by_few_lists() {
    let site = Site::with(Settings::new_cluster(), &json!({}));
    let names: Vec<String> = (0..12).map(|number| format!("acme-{number}")).collect();
    let contexts: Vec<Context> =
        names.iter().map(|name| Context::alone(subject_of(name), Arc::new(SystemClock))).collect();
    let provisions = names.iter().zip(&contexts).map(async |(name, cx)| {
        site.provider.provision(cx, &spec(name, "first")).await.expect("a provision");
    });
    futures_util::future::join_all(provisions).await;
    site.fake.take_counts();
    let look = async || {
        let contexts = contexts.iter().cloned().map(|mut cx| {
            cx.initiator = Initiator::Engine;
            cx
        });
        let looked = site.provider.statuses(stream::iter(contexts).boxed()).expect("it is supported");
        looked.map(|looked| (looked.tenant, looked.status)).collect::<Vec<_>>().await
    };
    for (tenant, status) in look().await {
        let status = status.unwrap_or_else(|error| panic!("{tenant}: {error}"));
        assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy), "{tenant}");
    }
    let counts = site.fake.take_counts();
    assert_eq!(counts.values().sum::<u64>(), 4, "who it is, two kinds of workloads, pods: {counts:?}");
    // One that the lists do not tell of is looked at alone.
    site.fake.remove(Kind::Namespace, "", "landlord-acme-3");
    for kind in [Kind::Deployment, Kind::Service] {
        site.fake.remove(kind, "landlord-acme-3", "acme-3");
    }
    let before = site.fake.count(Verb::Get, "landlord-acme-3");
    let looked = look().await;
    let failed: Vec<&str> =
        looked.iter().filter(|(_, status)| status.is_err()).map(|(tenant, _)| tenant.as_str()).collect();
    assert_eq!(failed, ["acme-3"]);
    assert!(site.fake.count(Verb::Get, "landlord-acme-3") > before);
}
