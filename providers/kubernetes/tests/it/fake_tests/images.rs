//! What pods do, by their images.

use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{Bare, DEPLOYMENTS, condition, deployment};
use crate::fake::{Behaviour, Fake, Kind, Settings};

/// A deployment of one pod with this image, whose environment has a secret.
async fn runs(image: &str) -> Bare {
    let bare = Bare::prepared().await;
    let secret = json!({ "metadata": { "name": "s" }, "stringData": { "key": "hunter2" } });
    bare.post("/api/v1/namespaces/acme/secrets", &secret).await.is(201);
    let mut body = deployment("web", image, 1);
    let main = &mut body["spec"]["template"]["spec"]["containers"][0];
    main["env"] =
        json!([{ "name": "PASSWORD", "valueFrom": { "secretKeyRef": { "name": "s", "key": "key" } } }]);
    main["readinessProbe"] = json!({ "exec": { "command": ["true"] } });
    main["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    bare.post(DEPLOYMENTS, &body).await.is(201);
    bare
}

#[tokio::test]
async fn an_image_that_is_not_there() {
    let bare = runs("bad-image").await;
    bare.waits_for("ErrImagePull").await;
    bare.waits_for("ImagePullBackOff").await;
    bare.said("Failed", "not found").await;
    bare.said("BackOff", "Back-off pulling image \"registry.test/bad-image:1\"").await;
    bare.fake.behave("registry.test/bad-image:1", Behaviour::Good);
    bare.rolled_out("web").await;
    let bare = runs("No Such Image").await;
    let status = bare.waits_for("InvalidImageName").await;
    assert!(
        status["state"]["waiting"]["message"].as_str().is_some_and(|it| it.contains("invalid reference"))
    );
}

#[tokio::test]
async fn a_program_that_crashes_or_is_killed() {
    for (image, code, reason) in [("crash", 1, "Error"), ("oom", 137, "OOMKilled")] {
        let bare = runs(image).await;
        let status = bare.waits_for("CrashLoopBackOff").await;
        assert!(status["restartCount"].as_u64() >= Some(1), "it was started again at once");
        let ended = &status["lastState"]["terminated"];
        assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(code), &json!(reason)));
        assert_eq!(ended["message"], "PASSWORD=hunter2", "it is a tenant's text");
        let again = |fake: &Fake| {
            let pods = fake.pods("acme");
            let pod = pods.values().next()?;
            assert_eq!(pod["status"]["phase"], "Running");
            pod["status"]["containerStatuses"][0]["restartCount"].as_u64().filter(|count| *count >= 3)
        };
        bare.fake.until("it is started again", again).await;
        bare.said("BackOff", "Back-off restarting failed container").await;
    }
}

#[tokio::test]
async fn a_container_that_cannot_be_made_or_started() {
    let bare = runs("config-error").await;
    let status = bare.waits_for("CreateContainerConfigError").await;
    assert!(status["state"]["waiting"]["message"].as_str().is_some_and(|it| it.contains("runAsNonRoot")));
    let bare = runs("cannot-run").await;
    let status = bare.waits_for("RunContainerError").await;
    let ended = &status["lastState"]["terminated"];
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(128), &json!("StartError")));
    bare.waits_for("CrashLoopBackOff").await;
    let bare = runs("hook-fails").await;
    let status = bare.waits_for("PostStartHookError").await;
    let reason = status["state"]["waiting"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("PASSWORD=hunter2"), "what the hook printed is in it: {reason}");
}

#[tokio::test]
async fn a_secret_that_is_not_there_yet() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "app", 1);
    let reference = json!({ "secretKeyRef": { "name": "late", "key": "key" } });
    body["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{ "name": "A", "valueFrom": reference }]);
    bare.post(DEPLOYMENTS, &body).await.is(201);
    let status = bare.waits_for("CreateContainerConfigError").await;
    assert_eq!(status["state"]["waiting"]["message"], "secret \"late\" not found");
    let secrets = "/api/v1/namespaces/acme/secrets";
    bare.post(secrets, &json!({ "metadata": { "name": "late" }, "stringData": { "other": "x" } }))
        .await
        .is(201);
    bare.said("Failed", "couldn't find key key in Secret acme/late").await;
    let patch = json!({ "stringData": { "key": "x" } });
    bare.patch(&format!("{secrets}/late"), super::MERGE, &patch).await.is(200);
    bare.rolled_out("web").await;
}

#[tokio::test]
async fn a_volume_that_cannot_be_mounted() {
    let bare = Bare::prepared().await;
    let mut body = deployment("web", "app", 1);
    let spec = &mut body["spec"]["template"]["spec"];
    spec["volumes"] = json!([{ "name": "files", "configMap": { "name": "late" } }]);
    bare.post(DEPLOYMENTS, &body).await.is(201);
    bare.said("FailedMount", "MountVolume.SetUp failed for volume \"files\" : configmap \"late\" not found")
        .await;
    bare.waits_for("ContainerCreating").await;
    let map = json!({ "metadata": { "name": "late" }, "data": { "a": "b" } });
    bare.post("/api/v1/namespaces/acme/configmaps", &map).await.is(201);
    bare.rolled_out("web").await;
}

#[tokio::test]
async fn a_program_that_never_answers_says_why_in_its_own_words() {
    let bare = runs("never-ready").await;
    let words = bare.said("Unhealthy", "Readiness probe failed").await;
    assert!(words.contains("hunter2"), "a tenant's text: {words}");
    let pods = bare.fake.pods("acme");
    let pod = pods.values().next().expect("a pod");
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(condition(pod, "Ready").expect("a condition"), ("False".into(), "ContainersNotReady".into()));
}

#[tokio::test]
async fn a_pod_that_no_node_takes() {
    let bare = runs("unschedulable").await;
    bare.said("FailedScheduling", "0/1 nodes are available").await;
    let pods = bare.fake.pods("acme");
    let pod = pods.values().next().expect("a pod");
    assert_eq!(
        condition(pod, "PodScheduled").expect("a condition"),
        ("False".into(), "Unschedulable".into())
    );
    assert_eq!(pod["status"]["phase"], "Pending");
    bare.fake.behave("registry.test/unschedulable:1", Behaviour::Slow);
    bare.rolled_out("web").await;
    let mut body = deployment("picky", "app", 1);
    body["spec"]["template"]["spec"]["nodeSelector"] = json!({ "disk": "ssd" });
    bare.post(DEPLOYMENTS, &body).await.is(201);
    bare.said("FailedScheduling", "didn't match Pod's node affinity").await;
}

#[tokio::test]
async fn containers_that_run_before_the_others() {
    let bare = Bare::prepared_with(Settings::new_cluster()).await;
    let with = |first: &str| {
        let mut body = deployment("web", "app", 1);
        let first = json!({ "name": "first", "image": format!("registry.test/{first}:1") });
        let sidecar = json!({ "name": "side", "image": "registry.test/side:1", "restartPolicy": "Always" });
        body["spec"]["template"]["spec"]["initContainers"] = json!([first, sidecar]);
        body
    };
    bare.post(DEPLOYMENTS, &with("init-fails")).await.is(201);
    let status = bare.waits_for("CrashLoopBackOff").await;
    assert_eq!(status["name"], "first");
    let pods = bare.fake.pods("acme");
    let pod = pods.values().next().expect("a pod");
    assert_eq!(pod["status"]["phase"], "Pending");
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
    bare.patch(&format!("{DEPLOYMENTS}/web"), super::MERGE, &with("prepare")).await.is(200);
    bare.rolled_out("web").await;
    let pods = bare.fake.pods("acme");
    let before = &pods.values().next().expect("a pod")["status"]["initContainerStatuses"];
    assert_eq!(before[0]["state"]["terminated"]["exitCode"], 0);
    assert!(before[1]["state"]["running"].is_object());
}

#[tokio::test]
async fn a_program_that_does_not_stop_has_its_grace() {
    let bare = runs("stubborn").await;
    bare.rolled_out("web").await;
    let name = bare.fake.pods("acme").keys().next().expect("a pod").clone();
    let begun = std::time::Instant::now();
    let path = format!("/api/v1/namespaces/acme/pods/{name}");
    bare.delete(&path, &json!({ "gracePeriodSeconds": 20 })).await.is(200);
    let gone = |fake: &Fake| fake.object(Kind::Pod, "acme", &name).is_none().then_some(());
    bare.fake.until("it is gone", gone).await;
    assert!(begun.elapsed() >= std::time::Duration::from_millis(200), "twenty short seconds");
}

#[tokio::test]
async fn logs_are_read_from_here_from_then_and_as_they_come() {
    let bare = runs("app").await;
    bare.rolled_out("web").await;
    let name = bare.fake.pods("acme").keys().next().expect("a pod").clone();
    let path = format!("/api/v1/namespaces/acme/pods/{name}/log");
    let all = bare.get(&format!("{path}?container=main")).await;
    assert_eq!(all.text, "registry.test/app:1 starts\nPASSWORD=hunter2\n");
    bare.fake.write_log("acme", &name, "main", "hello");
    assert_eq!(bare.get(&format!("{path}?tailLines=1")).await.text, "hello\n");
    let stamped = bare.get(&format!("{path}?tailLines=1&timestamps=true")).await.text;
    let (stamp, text) = stamped.split_once(' ').expect("a time");
    assert!(text == "hello\n" && stamp.parse::<jiff::Timestamp>().is_ok());
    assert_eq!(bare.get(&format!("{path}?sinceTime={stamp}")).await.text, "hello\n");
    bare.get(&format!("{path}?container=none")).await.refused(400, "BadRequest");
    bare.get(&format!("{path}?previous=true")).await.refused(400, "BadRequest");
    let follow = format!("{path}?follow=true");
    let followed = bare.send("GET", &follow, "application/json", None).await.expect("an answer");
    bare.fake.write_log("acme", &name, "main", "later");
    bare.fake.crash_container("acme", &name, "main", 1);
    let followed = followed.into_body().collect().await.expect("all of it").to_bytes();
    assert!(followed.ends_with(b"hello\nlater\n"), "it ends with the container");
    let restarted = |fake: &Fake| {
        let pod: Value = fake.object(Kind::Pod, "acme", &name)?;
        (pod["status"]["containerStatuses"][0]["restartCount"] == json!(1)).then_some(())
    };
    bare.fake.until("it is started again", restarted).await;
    let previous = bare.get(&format!("{path}?previous=true")).await.text;
    assert!(previous.ends_with("hello\nlater\n"), "{previous}");
}
