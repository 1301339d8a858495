//! What somebody does to a tenant at rest is seen at once, told, and repaired where the policy says so.

use std::sync::Arc;
use std::time::Duration;

use landlord_compute::clock::SystemClock;
use landlord_compute::machines::tenant::{Record, Settled};
use landlord_compute::provider::{Context, Provider};
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{Engine, ObservePolicy, Options};
use landlord_state_machines::observation::Seen;
use landlord_state_machines::planner::kubernetes::tags;
use landlord_state_machines::spec::FileSpec;
use landlord_state_machines::status::Health;
use serde_json::{Value, json};

use super::super::fake::{Behaviour, Fake, Kind, Pace, Settings};
use super::super::site::{Site, subject};
use super::{at_rest, beside, observe, observed, spec, tenant, watched, with_files};

const NAMESPACE: &str = "landlord-acme";

fn broken(seen: &Seen) -> Option<String> {
    match seen {
        Seen::Broken(why) => Some(why.clone()),
        Seen::Unhealthy(_) | Seen::Healthy | Seen::Unclear => None,
    }
}

fn unhealthy(seen: &Seen) -> Option<String> {
    match seen {
        Seen::Unhealthy(why) => Some(why.clone()),
        Seen::Broken(_) | Seen::Healthy | Seen::Unclear => None,
    }
}

#[tokio::test]
async fn a_workload_that_is_deleted_is_seen() {
    let (site, mut observations, _) = at_rest(&json!({})).await;
    site.fake.delete(Kind::Deployment, NAMESPACE, "acme");
    let why = observed(&mut observations, |it| broken(&it.seen)).await;
    assert_eq!(why, "its workload is not there; Deployment/acme was deleted");
}

#[tokio::test]
async fn a_workload_that_is_scaled_to_nothing_is_seen_and_one_that_is_scaled_is_not() {
    let (site, mut observations, _) = at_rest(&json!({})).await;
    let scaled = |count: u32| move |it: &mut Value| it["spec"]["replicas"] = json!(count);
    site.fake.change(Kind::Deployment, NAMESPACE, "acme", scaled(2)).expect("a change");
    observed(&mut observations, |it| (it.seen == Seen::Healthy).then_some(())).await;
    site.fake.change(Kind::Deployment, NAMESPACE, "acme", scaled(0)).expect("a change");
    let why = observed(&mut observations, |it| broken(&it.seen)).await;
    assert_eq!(why, "Deployment/acme was scaled to nothing");
}

#[tokio::test]
async fn a_pod_that_is_killed_and_does_not_come_back_is_seen() {
    let (site, mut observations, _) = at_rest(&json!({})).await;
    site.fake.behave("registry.test/first:1", Behaviour::NeverReady);
    let pod = site.fake.pods(NAMESPACE).into_keys().next().expect("a pod");
    site.fake.kill_pod(NAMESPACE, &pod);
    let why = observed(&mut observations, |it| unhealthy(&it.seen)).await;
    assert!(why.starts_with("0 of 1 pods are ready"), "{why}");
}

#[tokio::test]
async fn what_is_altered_is_told_and_nothing_else_by_default() {
    let (site, mut observations, mut cx) = at_rest(&json!({})).await;
    site.fake.delete(Kind::Service, NAMESPACE, "acme");
    let why = observed(&mut observations, |it| unhealthy(&it.seen)).await;
    assert_eq!(why, "Service/acme was deleted");
    let status = site.provider.get_status(&cx, &tenant("acme")).await.expect("a status");
    assert_eq!((status.health, status.metadata["drift"].as_str()), (Health::Unhealthy, why.as_str()));
    // An update to the same spec sets it right.
    let same = spec("acme", "first");
    cx.applied = Some(same.clone());
    site.provider.update(&cx, &tenant("acme"), &same).await.expect("an update");
    assert!(site.fake.object(Kind::Service, NAMESPACE, "acme").is_some());
    let status = site.provider.get_status(&cx, &tenant("acme")).await.expect("a status");
    assert_eq!((status.health, status.metadata.get("drift")), (Health::Healthy, None));
}

#[tokio::test]
async fn a_field_that_somebody_takes_is_told_with_his_name_and_what_is_his_own_is_not() {
    let (site, mut observations, _) = at_rest(&json!({ "drift": "repair" })).await;
    let annotate = |object: &mut Value| object["metadata"]["annotations"]["team"] = json!("blue");
    site.fake.change_as("helm", Kind::Service, NAMESPACE, "acme", annotate).expect("a change");
    let image = |object: &mut Value| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.test/theirs:1");
    };
    site.fake.change_as("kubectl-edit", Kind::Deployment, NAMESPACE, "acme", image).expect("a change");
    let why = observed(&mut observations, |it| broken(&it.seen)).await;
    assert_eq!(why, "Deployment/acme was changed by kubectl-edit");
}

#[tokio::test]
async fn an_object_that_loses_its_labels_is_told() {
    let (site, mut observations, _) = at_rest(&json!({ "drift": "repair" })).await;
    let disown = |object: &mut Value| {
        object["metadata"]["labels"].as_object_mut().expect("labels").remove(tags::OWNER);
    };
    site.fake.change(Kind::Service, NAMESPACE, "acme", disown).expect("a change");
    let why = observed(&mut observations, |it| unhealthy(&it.seen)).await;
    assert_eq!(why, "Service/acme has lost the labels that say whose it is");
}

/// The names of the objects that the tenant has.
fn owned(fake: &Fake, kind: Kind) -> Vec<String> {
    let objects = fake.objects(kind, NAMESPACE).into_iter().filter(|one| {
        one.pointer("/metadata/labels").is_some_and(|labels| labels.get(tags::OWNER).is_some())
    });
    objects.map(|one| one["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
}

/// An engine over the provider that looks at nothing by itself for an hour, and the tenant `acme`, at rest.
async fn engine(site: Site) -> (Engine, Fake, tempfile::TempDir) {
    let Site { fake, provider, dir } = site;
    let started = Engine::builder(MemoryStore::new(MemoryOptions::default()))
        .observe(ObservePolicy::On { every: Duration::from_secs(3600), per_second: 1 })
        .clock(SystemClock)
        .provider(provider)
        .start();
    let engine = started.await.expect("the engine starts");
    watched(&fake).await;
    let acme = engine.tenant(tenant("acme"));
    let provision = acme.provision(spec("acme", "first"), Options::default()).await.expect("accepted");
    assert_eq!(provision.await.expect("settles"), Settled::Done);
    (engine, fake, dir)
}

async fn until_health(engine: &Engine, wanted: Health) {
    let mut tries = 0;
    loop {
        if let Record::Live(acme) = engine.tenant(tenant("acme")).snapshot().await.expect("a record")
            && acme.health == wanted
        {
            return;
        }
        tries += 1;
        assert!(tries < 1_000, "it does not become {wanted:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_engine_makes_a_deleted_workload_again() {
    let (_engine, fake, _dir) = engine(Site::new()).await;
    fake.delete(Kind::Deployment, NAMESPACE, "acme");
    fake.until("it is gone", |fake| fake.object(Kind::Deployment, NAMESPACE, "acme").is_none().then_some(()))
        .await;
    fake.until("it is made again", |fake| fake.object(Kind::Deployment, NAMESPACE, "acme").map(drop)).await;
}

#[tokio::test]
async fn an_engine_repairs_what_was_altered_where_the_policy_says_so() {
    let site = Site::with(Settings::new_cluster(), &json!({ "drift": "repair" }));
    let (engine, fake, _dir) = engine(site).await;
    let kinds = [Kind::Service, Kind::NetworkPolicy, Kind::LimitRange, Kind::ServiceAccount];
    // Also what is done right after the engine did something.
    for kind in kinds {
        let name = owned(&fake, kind).remove(0);
        fake.remove(kind, NAMESPACE, &name);
        fake.until("it is made again", |fake| fake.object(kind, NAMESPACE, &name)).await;
    }
    until_health(&engine, Health::Healthy).await;
}

#[tokio::test]
async fn what_somebody_does_while_a_method_works_is_seen_afterwards() {
    let pace = Pace { slow: Duration::from_secs(1), ..Pace::quick() };
    let site = Site::with(Settings { pace, ..Settings::new_cluster() }, &json!({}));
    let mut observations = observe(&site);
    let cx = Context::alone(subject(), Arc::new(SystemClock));
    let slow = spec("acme", "slow");
    let stranger = async {
        site.fake.until("its pods come up", |fake| fake.pods(NAMESPACE).into_keys().next()).await;
        site.fake.remove(Kind::Service, NAMESPACE, "acme");
        let range = owned(&site.fake, Kind::LimitRange).remove(0);
        site.fake.remove(Kind::LimitRange, NAMESPACE, &range);
        range
    };
    let provision = async {
        watched(&site.fake).await;
        site.provider.provision(&cx, &slow).await.expect("a provision");
    };
    let both = async { tokio::join!(provision, stranger) };
    let ((), range) = beside(&mut observations, &cx, both).await;
    let why = observed(&mut observations, |it| unhealthy(&it.seen)).await;
    assert!(why.contains(&format!("LimitRange/{range} was deleted")), "{why}");
}

#[tokio::test]
async fn what_the_engine_takes_away_is_nobodys_doing() {
    let file =
        |path: &str| FileSpec { path: path.to_owned(), content: Some("a".to_owned()), ..FileSpec::default() };
    let next = [with_files("acme", "first", vec![file("/etc/a")]), spec("acme", "first")];
    let (site, mut observations, mut cx) = at_rest(&json!({})).await;
    let mut applied = spec("acme", "first");
    for (next, maps) in next.into_iter().zip([1, 0]) {
        cx.applied = Some(applied.clone());
        let update = async { site.provider.update(&cx, &tenant("acme"), &next).await };
        beside(&mut observations, &cx, update).await.expect("an update");
        assert_eq!(owned(&site.fake, Kind::ConfigMap).len(), maps);
        applied = next;
    }
    let seen = observed(&mut observations, |it| (it.seen != Seen::Unclear).then(|| it.seen.clone())).await;
    assert_eq!(seen, Seen::Healthy);
}
