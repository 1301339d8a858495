//! Every call of the planner that looks: what it shows.

use std::collections::BTreeSet;

use landlord_compute::provider::Provider;
use landlord_state_machines::planner::kubernetes::{
    Awaited, Entrance, KubernetesCall, KubernetesReply, Look, ObjectKind, Place, Running, ServedBy, Serves,
    Sharing, Survey, Words, tags,
};
use landlord_state_machines::status::EndpointType;
use serde_json::{Value, json};

use super::fake::{Balancers, Fake, Kind, Settings, Verb};
use super::site::{Site, config_map, id, look, look_at, make, place, subject, watch, workload};

async fn survey(site: &Site) -> Survey {
    let KubernetesReply::Surveyed(survey) = site.reply(&KubernetesCall::Survey).await else {
        panic!("another answer")
    };
    survey
}

async fn places(site: &Site) -> BTreeSet<Place> {
    let KubernetesReply::Located(places) = site.reply(&KubernetesCall::Locate).await else {
        panic!("another answer")
    };
    places
}

async fn running(site: &Site) -> Running {
    let KubernetesReply::Running(running) = site.reply(&watch()).await else { panic!("another answer") };
    *running
}

fn ready_pods(running: &Running) -> usize {
    running.pods.iter().filter(|pod| pod.ready).count()
}

/// Watches until something holds.
async fn until(site: &Site, holds: impl Fn(&Running) -> bool) -> Running {
    loop {
        let running = running(site).await;
        if holds(&running) {
            return running;
        }
        tokio::task::yield_now().await;
    }
}

// ---- survey

#[tokio::test]
async fn a_survey_tells_what_a_cluster_has() {
    let old = survey(&Site::with(Settings::default(), &json!({}))).await;
    assert_eq!(old.version, (1, 20));
    assert_eq!(old.kinds.get(&ObjectKind::PodDisruptionBudget).map(String::as_str), Some("policy/v1beta1"));
    assert_eq!(old.endpoint_slices.as_deref(), Some("discovery.k8s.io/v1beta1"));
    assert_eq!(old.autoscaling.as_deref(), Some("autoscaling/v2beta2"));
    assert!(!old.kinds.contains_key(&ObjectKind::HttpRoute));
    let new = survey(&Site::new()).await;
    assert_eq!(new.version, (1, 33));
    assert_eq!(new.kinds.get(&ObjectKind::PodDisruptionBudget).map(String::as_str), Some("policy/v1"));
    assert_eq!(new.endpoint_slices.as_deref(), Some("discovery.k8s.io/v1"));
    assert_eq!(new.autoscaling.as_deref(), Some("autoscaling/v2"));
    assert_eq!(new.kinds.len(), ObjectKind::ALL.len());
}

#[tokio::test]
async fn a_cluster_is_asked_who_it_is_each_time_and_what_it_has_once() {
    let site = Site::new();
    let before = survey(&site).await;
    site.fake.take_counts();
    site.fake.become_another();
    let after = survey(&site).await;
    assert_ne!(before.cluster, after.cluster);
    assert_eq!(site.fake.count(Verb::Get, "/api"), 1);
}

#[tokio::test]
async fn a_kind_that_went_is_no_more_looked_for() {
    let site = Site::prepared();
    assert!(survey(&site).await.kinds.contains_key(&ObjectKind::HttpRoute));
    site.fake.set(|settings| settings.gateway = false);
    assert!(site.look(look([ObjectKind::HttpRoute])).await.contains_key("Namespace/acme"));
    assert!(!survey(&site).await.kinds.contains_key(&ObjectKind::HttpRoute));
}

// ---- locate

#[tokio::test]
async fn a_tenant_is_found_by_its_labels_alone() {
    let site = Site::new();
    assert_eq!(places(&site).await, BTreeSet::new());
    site.plant_namespace();
    for name in ["team", "others"] {
        let namespace = json!({ "metadata": { "name": name } });
        site.fake.plant(Kind::Namespace, "", namespace).expect("a namespace");
    }
    site.fake.plant(Kind::Deployment, "team", workload("app").body).expect("a workload");
    let mut other = workload("app").body;
    other["metadata"]["labels"][tags::TENANT] = json!("globex");
    site.fake.plant(Kind::Deployment, "others", other).expect("a workload");
    let team = Place { namespace: "team".to_owned(), sharing: Sharing::Shared };
    assert_eq!(places(&site).await, [place(), team].into());
}

#[tokio::test]
async fn all_that_an_engine_has_is_listed() {
    let site = Site::prepared();
    site.created(config_map("files", json!({}))).await;
    let strangers = json!({ "metadata": { "name": "theirs" } });
    site.fake.plant(Kind::ConfigMap, "acme", strangers).expect("a stranger's");
    let tenants = site.provider.list_tenants("test").await.expect("a list");
    let names: Vec<Vec<&String>> = tenants.iter().map(|tenant| tenant.resources.keys().collect()).collect();
    assert_eq!(names, [["ConfigMap/acme/files", "Namespace/acme"]]);
    assert_eq!(tenants[0].tenant, subject().tenant);
    assert_eq!(site.provider.list_tenants("another").await.expect("a list"), []);
}

// ---- look

#[tokio::test]
async fn a_look_shows_the_tenants_objects_and_nobody_elses() {
    let site = Site::prepared();
    site.created(config_map("files", json!({ "a": "1" }))).await;
    site.created(make(ObjectKind::ServiceAccount, "acme", json!({}))).await;
    let strangers = json!({ "metadata": { "name": "theirs" } });
    site.fake.plant(Kind::ConfigMap, "acme", strangers).expect("a stranger's");
    let shown = site.look(look([ObjectKind::ConfigMap, ObjectKind::Deployment])).await;
    assert_eq!(shown.keys().collect::<Vec<_>>(), ["ConfigMap/files", "Namespace/acme"]);
    let files = &shown["ConfigMap/files"];
    assert_eq!((files.text("/kind"), files.text("/apiVersion")), (Some("ConfigMap"), Some("v1")));
    assert_eq!(files.text("/data/a"), Some("1"));
    assert_eq!(files.body.pointer("/metadata/managedFields"), None);
    // By name, whosever it is.
    let named = site.look(look_at(id(ObjectKind::ConfigMap, "theirs"))).await;
    assert!(named.contains_key("ConfigMap/theirs"));
    let none = site.look(look_at(id(ObjectKind::ConfigMap, "nowhere"))).await;
    assert_eq!(none.keys().collect::<Vec<_>>(), ["Namespace/acme"]);
}

#[tokio::test]
async fn a_look_at_a_place_that_is_not_there_shows_nothing() {
    let site = Site::new();
    assert_eq!(site.look(look(ObjectKind::ALL)).await.len(), 0);
    // There is no need to ask what is in it.
    assert_eq!(site.fake.take_counts().values().sum::<u64>(), 1);
}

#[tokio::test]
async fn a_shared_namespace_is_nobodys() {
    let site = Site::prepared();
    let place = Place { sharing: Sharing::Shared, ..place() };
    assert_eq!(site.look(Look { place, ..look(ObjectKind::ALL) }).await.len(), 0);
}

#[tokio::test]
async fn long_lists_are_read_to_their_end() {
    let site = Site::prepared();
    for n in 0..501 {
        site.fake
            .plant(Kind::ConfigMap, "acme", config_map(&format!("files-{n}"), json!({})).body)
            .expect("one");
    }
    site.fake.take_counts();
    assert_eq!(site.look(look([ObjectKind::ConfigMap])).await.len(), 502);
    assert_eq!(site.fake.count(Verb::List, "/configmaps"), 2);
}

#[tokio::test]
async fn secrets_are_found_through_what_uses_them_and_without_their_values() {
    let site = Site::prepared();
    for name in ["used", "unused"] {
        let secret = make(ObjectKind::Secret, name, json!({ "data": { "k": "VE9QU0VDUkVU" } }));
        site.fake.plant(Kind::Secret, "acme", secret.body).expect("a secret");
    }
    let theirs = json!({ "metadata": { "name": "theirs" }, "data": { "k": "VE9QU0VDUkVU" } });
    site.fake.plant(Kind::Secret, "acme", theirs).expect("a secret");
    let mut uses = workload("app");
    let from = |name: &str| json!({ "secretRef": { "name": name } });
    uses.body["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([from("used"), from("theirs")]);
    site.created(uses).await;
    site.fake.take_counts();
    let shown = site.look(look([ObjectKind::Deployment, ObjectKind::Secret])).await;
    assert_eq!(shown.keys().collect::<Vec<_>>(), ["Deployment/web", "Namespace/acme", "Secret/used"]);
    assert!(!format!("{shown:?}").contains("VE9QU0VDUkVU"));
    assert_eq!(site.fake.count(Verb::List, "/secrets"), 0, "nobody lists secrets");
}

// ---- watch

#[tokio::test]
async fn a_watch_shows_the_workload_its_pods_and_who_answers() {
    let site = Site::prepared();
    assert_eq!(running(&site).await, Running::default());
    site.created(workload("app")).await;
    let runs = until(&site, |running| ready_pods(running) == 2).await;
    assert_eq!(runs.workload.as_ref().map(|it| it.id.to_string()).as_deref(), Some("Deployment/web"));
    assert_eq!((runs.addresses, runs.autoscaler, runs.entrances), (None, None, vec![]));
    let service = json!({ "spec": { "selector": tags::stable(&subject()), "ports": [{ "port": 80, "protocol": "TCP" }] } });
    site.created(make(ObjectKind::Service, "web", service)).await;
    let headless = json!({ "spec": { "clusterIP": "None", "selector": tags::stable(&subject()), "ports": [{ "port": 80, "protocol": "TCP" }] } });
    site.created(make(ObjectKind::Service, "pods", headless)).await;
    let serves = until(&site, |running| running.addresses == Some(2)).await;
    let sick = serves.pods.first().expect("a pod").name.clone();
    site.fake.sicken("acme", &sick, true);
    let one = until(&site, |running| running.addresses == Some(1)).await;
    assert_eq!(one.entrances, [], "nothing leads to it from outside");
}

#[tokio::test]
async fn a_watch_shows_who_scales() {
    for settings in [Settings::default(), Settings::new_cluster()] {
        let site = Site::with(settings, &json!({}));
        site.plant_namespace();
        site.created(workload("app")).await;
        let scaler = |name: &str, target: &str| {
            let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": target });
            json!({ "metadata": { "name": name }, "spec": { "maxReplicas": 9, "scaleTargetRef": target } })
        };
        site.fake.plant(Kind::HorizontalPodAutoscaler, "acme", scaler("other", "db")).expect("a scaler");
        assert_eq!(running(&site).await.autoscaler, None);
        site.fake.plant(Kind::HorizontalPodAutoscaler, "acme", scaler("ours", "web")).expect("a scaler");
        assert_eq!(running(&site).await.autoscaler.as_deref(), Some("ours"));
    }
}

fn entrance(kind: ObjectKind, name: &str, address: Option<&str>) -> Entrance {
    Entrance { of: id(kind, name), port: None, address: address.map(str::to_owned) }
}

async fn entrances(site: &Site) -> Vec<Entrance> {
    running(site).await.entrances
}

/// A watch that awaits addresses of a route of each kind.
fn watch_of_routes() -> KubernetesCall {
    let serves = [ObjectKind::Ingress, ObjectKind::HttpRoute].map(|kind| Serves {
        container: "main".to_owned(),
        container_port: 80,
        kind: EndpointType::Http,
        port: 80,
        by: ServedBy::Host { of: id(kind, "web"), host: "acme.example.com".to_owned(), path: String::new() },
    });
    let awaited = Awaited {
        template: "t1".to_owned(),
        deadline_seconds: 60,
        unschedulable_seconds: 60,
        serves: serves.into(),
    };
    KubernetesCall::Watch {
        place: place(),
        workload: id(ObjectKind::Deployment, "web"),
        awaited: Some(awaited),
        since: 0,
    }
}

async fn routes(site: &Site) -> Vec<Entrance> {
    let KubernetesReply::Running(running) = site.reply(&watch_of_routes()).await else {
        panic!("another answer")
    };
    running.entrances
}

#[tokio::test]
async fn a_watch_shows_where_a_load_balancer_answers_once_it_does() {
    let site = Site::prepared();
    let service = json!({ "spec": { "type": "LoadBalancer", "ports": [{ "port": 80, "protocol": "TCP" }] } });
    site.created(make(ObjectKind::Service, "web", service)).await;
    assert_eq!(entrances(&site).await, [entrance(ObjectKind::Service, "web", None)]);
    for address in [json!({ "ip": "192.0.2.1" }), json!({ "hostname": "lb.example.com" })] {
        site.fake.give_address(Kind::Service, "acme", "web", address.clone());
        let shown = address["ip"].as_str().or(address["hostname"].as_str());
        assert_eq!(entrances(&site).await, [entrance(ObjectKind::Service, "web", shown)]);
    }
}

#[tokio::test]
async fn a_watch_shows_the_node_of_a_pod_for_a_port_of_each_node() {
    let site = Site::with(Settings { balancers: Balancers::None, ..Settings::new_cluster() }, &json!({}));
    site.plant_namespace();
    let port = |name: &str, port: u16, protocol: &str, node: u16| json!({ "name": name, "port": port, "protocol": protocol, "nodePort": node });
    let ports = [port("a", 80, "TCP", 30080), port("u", 53, "UDP", 30052), port("b", 53, "TCP", 30053)];
    let service = json!({ "spec": { "type": "NodePort", "ports": ports } });
    site.created(make(ObjectKind::Service, "web", service)).await;
    let of_port = |port: u16, address: Option<&str>| Entrance {
        port: Some(port),
        ..entrance(ObjectKind::Service, "web", address)
    };
    assert_eq!(entrances(&site).await, [of_port(80, None), of_port(53, None)]);
    site.created(workload("app")).await;
    let runs = until(&site, |running| ready_pods(running) == 2).await;
    let pod = runs.pods.first().expect("a pod");
    let host = site.fake.object(Kind::Pod, "acme", &pod.name).expect("it")["status"]["hostIP"].clone();
    let at = |port: u16| format!("{}:{port}", host.as_str().expect("an address"));
    assert_eq!(runs.entrances, [of_port(80, Some(&at(30080))), of_port(53, Some(&at(30053)))]);
}

#[tokio::test]
async fn a_watch_shows_where_ingresses_and_routes_answer() {
    let site = Site::prepared();
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    let rule = json!({ "host": "acme.example.com", "http": { "paths": [path] } });
    site.created(make(ObjectKind::Ingress, "web", json!({ "spec": { "rules": [rule] } }))).await;
    let gateways = json!({ "metadata": { "name": "gateways" } });
    site.fake.plant(Kind::Namespace, "", gateways).expect("a namespace");
    let gateway =
        json!({ "metadata": { "name": "main" }, "spec": { "gatewayClassName": "g", "listeners": [] } });
    site.fake.plant(Kind::Gateway, "gateways", gateway).expect("a gateway");
    let parent = json!({ "name": "main", "namespace": "gateways" });
    site.created(make(ObjectKind::HttpRoute, "web", json!({ "spec": { "parentRefs": [parent] } }))).await;
    let waits = [entrance(ObjectKind::Ingress, "web", None), entrance(ObjectKind::HttpRoute, "web", None)];
    assert_eq!(routes(&site).await, waits);
    site.fake.give_address(Kind::Ingress, "acme", "web", json!({ "ip": "192.0.2.2" }));
    let address = json!({ "addresses": [{ "type": "IPAddress", "value": "192.0.2.3" }] });
    site.fake.set_status(Kind::Gateway, "gateways", "main", address);
    let answers = [
        entrance(ObjectKind::Ingress, "web", Some("192.0.2.2")),
        entrance(ObjectKind::HttpRoute, "web", Some("192.0.2.3")),
    ];
    assert_eq!(routes(&site).await, answers);
    site.fake.take_counts();
    assert_eq!(entrances(&site).await, [], "routes are looked at where they are awaited");
    assert_eq!(site.fake.count(Verb::List, "/ingresses") + site.fake.count(Verb::List, "/httproutes"), 0);
}

// ---- explain

async fn explained(site: &Site, uids: BTreeSet<String>) -> Vec<Words> {
    let reply = site.reply(&KubernetesCall::Explain { place: place(), uids }).await;
    let KubernetesReply::Words(words) = reply else { panic!("another answer") };
    words
}

#[tokio::test]
async fn events_are_told_without_what_a_tenant_wrote() {
    let site = Site::prepared();
    let event = |name: &str, uid: &str, reason: &str, message: &str, at: &str| {
        json!({
            "metadata": { "name": name, "namespace": "acme" },
            "involvedObject": { "kind": "Pod", "name": "web-1", "namespace": "acme", "uid": uid },
            "reason": reason, "message": message, "type": "Warning", "lastTimestamp": at,
        })
    };
    let plant = |event: Value| drop(site.fake.plant(Kind::Event, "acme", event).expect("an event"));
    plant(event("b", "u1", "Unhealthy", "Liveness probe failed: TOPSECRET", "2026-01-02T03:04:06Z"));
    plant(event("a", "u1", "FailedMount", "secret \"x\" not found", "2026-01-02T03:04:05Z"));
    plant(event("c", "u2", "FailedMount", "another's", "2026-01-02T03:04:07Z"));
    let words = explained(&site, BTreeSet::from(["u1".to_owned()])).await;
    let said: Vec<(&str, &str)> = words.iter().map(|it| (it.reason.as_str(), it.message.as_str())).collect();
    assert_eq!(said, [("FailedMount", "secret \"x\" not found"), ("Unhealthy", "")]);
    assert!(words.iter().all(|it| it.object == "Pod/web-1" && it.uid == "u1" && it.last.is_some()));
    assert_eq!(explained(&site, BTreeSet::new()).await, []);
}

#[tokio::test]
async fn a_pod_that_does_not_come_is_explained() {
    let site = Site::prepared();
    site.created(workload("bad-image")).await;
    let waits = until(&site, |running| !running.pods.is_empty()).await;
    let pod = waits.pods.first().expect("a pod").clone();
    let failed = |fake: &Fake| {
        let mut events = fake.objects(Kind::Event, "acme").into_iter();
        events.find(|event| event["involvedObject"]["uid"] == json!(pod.uid) && event["reason"] == "Failed")
    };
    site.fake.until("it says why", failed).await;
    let words = explained(&site, BTreeSet::from([pod.uid.clone()])).await;
    assert!(words.iter().any(|it| it.reason == "Failed" && !it.message.is_empty()), "{words:?}");
}
