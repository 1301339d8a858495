//! Deployments: replica sets, pods, and what is said of them.

use serde_json::{Value, json};

use super::{Bare, DEPLOYMENTS, MERGE, condition, deployment, is_rolled_out};
use crate::fake::{Balancers, Fake, Kind, Pace, Settings};

fn image(image: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "main", "image": format!("registry.test/{image}:1") },
    ] } } } })
}

/// What each pod runs.
fn images(fake: &Fake) -> Vec<String> {
    let pods = fake.objects(Kind::Pod, "acme").into_iter();
    let image = |pod: Value| pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
    pods.map(image).collect()
}

#[tokio::test]
async fn a_rollout_replaces_pods_within_its_margins() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "app", 3);
    body["spec"]["strategy"] =
        json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } });
    bare.post(DEPLOYMENTS, &body).await.is(201);
    let done = bare.rolled_out("web").await;
    assert_eq!(done["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(condition(&done, "Available").expect("a condition").0, "True");
    bare.patch(&format!("{DEPLOYMENTS}/web"), MERGE, &image("next")).await.is(200);
    let mut most = 0;
    let path = "/api/v1/namespaces/acme/pods";
    let done = loop {
        let pods = bare.get(path).await.is(200);
        let alive = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
        let alive: Vec<_> = pods["items"].as_array().expect("pods").iter().filter(alive).collect();
        let ready =
            alive.iter().filter(|pod| condition(pod, "Ready").is_some_and(|it| it.0 == "True")).count();
        assert!(ready >= 3, "never fewer than three answer");
        most = most.max(alive.len());
        if let Some(done) = is_rolled_out(&bare.fake, "web") {
            break done;
        }
    };
    assert!(most <= 4, "one more at a time");
    assert_eq!(images(&bare.fake), ["registry.test/next:1"; 3]);
    assert_eq!(done["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    let sets = bare.fake.objects(Kind::ReplicaSet, "acme");
    let hash = |set: &Value| set["metadata"]["labels"]["pod-template-hash"].clone();
    assert!(sets.len() == 2 && hash(&sets[0]) != hash(&sets[1]));
    // Back to what was: the old replica set is the newest again.
    bare.patch(&format!("{DEPLOYMENTS}/web"), MERGE, &image("app")).await.is(200);
    let done = bare.rolled_out("web").await;
    assert_eq!(done["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    assert_eq!(bare.fake.objects(Kind::ReplicaSet, "acme").len(), 2);
}

#[tokio::test]
async fn recreate_lets_the_old_pods_go_first() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "stubborn", 2);
    body["spec"]["strategy"] = json!({ "type": "Recreate" });
    bare.post(DEPLOYMENTS, &body).await.is(201);
    bare.rolled_out("web").await;
    bare.patch(&format!("{DEPLOYMENTS}/web"), MERGE, &image("next")).await.is(200);
    let going = |fake: &Fake| {
        let pods = fake.objects(Kind::Pod, "acme");
        assert!(pods.len() <= 2, "never both");
        (images(fake) == ["registry.test/next:1"; 2]).then_some(())
    };
    bare.fake.until("the new ones come", going).await;
    bare.rolled_out("web").await;
}

#[tokio::test]
async fn a_rollout_that_does_not_move_is_late_and_the_old_pods_serve() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "app", 1);
    body["spec"]["progressDeadlineSeconds"] = json!(5);
    bare.post(DEPLOYMENTS, &body).await.is(201);
    bare.rolled_out("web").await;
    bare.patch(&format!("{DEPLOYMENTS}/web"), MERGE, &image("never-ready")).await.is(200);
    let late = |fake: &Fake| {
        let object = fake.object(Kind::Deployment, "acme", "web")?;
        let (is, reason) = condition(&object, "Progressing")?;
        (reason == "ProgressDeadlineExceeded").then_some((is, object))
    };
    let (is, object) = bare.fake.until("it is late", late).await;
    assert_eq!(is, "False");
    assert_eq!(condition(&object, "Available").expect("a condition").0, "True");
    assert!(images(&bare.fake).contains(&"registry.test/app:1".to_owned()));
    bare.patch(&format!("{DEPLOYMENTS}/web"), MERGE, &image("app")).await.is(200);
    bare.rolled_out("web").await;
}

#[tokio::test]
async fn the_answer_of_a_write_still_says_the_old_rollout() {
    let slow = Settings { pace: Pace::quick().slower(20), ..Settings::default() };
    let bare = Bare::prepared_with(slow).await;
    bare.post(DEPLOYMENTS, &deployment("web", "app", 1)).await.is(201);
    bare.rolled_out("web").await;
    let answer = bare.patch(&format!("{DEPLOYMENTS}/web"), MERGE, &image("next")).await.is(200);
    assert_eq!(condition(&answer, "Progressing").expect("a condition").1, "NewReplicaSetAvailable");
    assert!(answer["status"]["observedGeneration"].as_u64() < answer["metadata"]["generation"].as_u64());
    bare.fake.set_pace(Pace::real().faster(1000));
    bare.rolled_out("web").await;
}

#[tokio::test]
async fn pods_that_go_are_replaced() {
    let bare = Bare::prepared().await;
    bare.post(DEPLOYMENTS, &deployment("web", "app", 2)).await.is(201);
    bare.rolled_out("web").await;
    let before = bare.fake.pods("acme");
    let mut names = before.keys();
    let (killed, failed) = (names.next().expect("a pod").clone(), names.next().expect("another").clone());
    bare.fake.kill_pod("acme", &killed);
    bare.fake.fail_pod("acme", &failed, "Evicted");
    let replaced = |fake: &Fake| {
        let pods = fake.pods("acme");
        let ready =
            pods.values().filter(|pod| condition(pod, "Ready").is_some_and(|it| it.0 == "True")).count();
        (ready == 2 && !pods.contains_key(&killed)).then_some(pods)
    };
    let pods = bare.fake.until("others come", replaced).await;
    assert_eq!(
        (&pods[&failed]["status"]["phase"], &pods[&failed]["status"]["reason"]),
        (&json!("Failed"), &json!("Evicted"))
    );
    // A request deletes one too, with its grace.
    let name = pods.keys().find(|name| **name != failed).expect("a pod").clone();
    let path = format!("/api/v1/namespaces/acme/pods/{name}");
    let going = bare.delete(&path, &json!({ "gracePeriodSeconds": 1 })).await.is(200);
    assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 1);
    let gone = |fake: &Fake| fake.object(Kind::Pod, "acme", &name).is_none().then_some(());
    bare.fake.until("it is gone", gone).await;
}

#[tokio::test]
async fn what_a_deployment_owns_goes_with_it() {
    let bare = Bare::prepared().await;
    for (name, policy) in [("fore", "Foreground"), ("back", "Background"), ("free", "Orphan")] {
        bare.post(DEPLOYMENTS, &deployment(name, "stubborn", 1)).await.is(201);
        let ready = |fake: &Fake| {
            let object = fake.object(Kind::Deployment, "acme", name)?;
            (object["status"]["availableReplicas"] == json!(1)).then_some(())
        };
        bare.fake.until("it is there", ready).await;
        let path = format!("{DEPLOYMENTS}/{name}");
        bare.delete(&path, &json!({ "propagationPolicy": policy })).await.is(200);
        let of_it = |fake: &Fake, kind| {
            let all = fake.objects(kind, "acme").into_iter();
            all.filter(|it| it["metadata"]["labels"]["app"] == name).count()
        };
        let left = bare.get(&path).await;
        match policy {
            "Foreground" => {
                assert_eq!(left.is(200)["metadata"]["finalizers"], json!(["foregroundDeletion"]));
                let gone = |fake: &Fake| fake.object(Kind::Deployment, "acme", name).is_none().then_some(());
                bare.fake.until("it is gone", gone).await;
                assert_eq!(of_it(&bare.fake, Kind::Pod), 0, "it goes after its pods");
            }
            "Background" => {
                left.is(404);
                bare.fake.until("its pods go", |fake| (of_it(fake, Kind::Pod) == 0).then_some(())).await;
                assert_eq!(of_it(&bare.fake, Kind::ReplicaSet), 0);
            }
            _ => {
                left.is(404);
                assert_eq!(of_it(&bare.fake, Kind::ReplicaSet), 1);
            }
        }
    }
}

#[tokio::test]
async fn a_service_has_the_addresses_of_ready_pods_and_a_balancer_on_order() {
    let settings = Settings { balancers: Balancers::Ip, ..Settings::default() };
    let bare = Bare::prepared_with(settings).await;
    let service = json!({ "metadata": { "name": "web" }, "spec": { "type": "LoadBalancer",
        "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": 8080 }] } });
    bare.post("/api/v1/namespaces/acme/services", &service).await.is(201);
    bare.post(DEPLOYMENTS, &deployment("web", "app", 2)).await.is(201);
    let ready = |fake: &Fake, wanted: usize| {
        let slices = fake.objects(Kind::EndpointSlice, "acme");
        let endpoints = slices.first()?["endpoints"].as_array()?.clone();
        let ready = endpoints.iter().filter(|it| it["conditions"]["ready"] == json!(true)).count();
        (ready == wanted).then_some(slices)
    };
    let slices = bare.fake.until("both answer", |fake| ready(fake, 2)).await;
    assert_eq!(slices[0]["metadata"]["labels"]["kubernetes.io/service-name"], "web");
    assert_eq!(slices[0]["ports"][0]["port"], 8080);
    let name = bare.fake.pods("acme").keys().next().expect("a pod").clone();
    bare.fake.sicken("acme", &name, true);
    bare.fake.until("one does not", |fake| ready(fake, 1)).await;
    bare.said("Unhealthy", "Readiness probe failed").await;
    bare.fake.sicken("acme", &name, false);
    bare.fake.until("both answer", |fake| ready(fake, 2)).await;
    let address = |fake: &Fake| {
        let service = fake.object(Kind::Service, "acme", "web")?;
        service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned)
    };
    bare.fake.until("it has an address", address).await;
    bare.fake.set(|settings| settings.balancers = Balancers::Hostname);
    bare.fake.give_address(Kind::Service, "acme", "web", json!({ "ip": "192.0.2.7" }));
    assert_eq!(address(&bare.fake).expect("an address"), "192.0.2.7");
}
