//! Everything that can go wrong with a request: whether it may have happened, and what is told.

use std::time::Duration;

use landlord_compute::provider::Provider;
use landlord_provider_kubernetes::{
    KubernetesOptions, KubernetesOptionsError, KubernetesProvider, SourceError,
};
use landlord_state_machines::error::{ErrorCode, ProviderError, Remedy};
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::kubernetes::{
    Delete, KubernetesCall, KubernetesReply, ObjectKind, Propagation, SecretSource,
};
use serde_json::json;

use super::fake::{Fake, Kind, Mishap, Refusal, Settings, Trap, User, Verb};
use super::site::{
    SHORT, Site, TOKEN, apply, config_map, id, look, make, own, place, provider, provider_within, watch,
    workload, write_kubeconfig,
};

/// Whether it may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happened {
    No,
    Perhaps,
}

/// What goes wrong, and what has to be said of it.
fn mishaps() -> Vec<(Mishap, Happened, Remedy, ErrorCode)> {
    use ErrorCode as Is;
    use Happened::{No, Perhaps};
    use Remedy::{Permanent, Retry};
    let denied = |code| Refusal::webhook_denied(code, "policy.example.com", "not like this");
    let large = Refusal::status(500, "", "etcdserver: request is too large");
    let unknown = Refusal::status(
        500,
        "",
        "failed to create typed patch object: .spec.x: field not declared in schema",
    );
    vec![
        (Mishap::Refuse(Refusal::too_many(7)), No, Retry, Is::ResourceExhausted),
        (Mishap::Refuse(Refusal::webhook_outage("inject.example.com")), No, Retry, Is::ProviderUnavailable),
        (Mishap::Refuse(denied(400)), No, Permanent, Is::InvalidConfiguration),
        (Mishap::Refuse(denied(403)), No, Permanent, Is::InvalidConfiguration),
        (Mishap::Refuse(large), No, Permanent, Is::InvalidConfiguration),
        (Mishap::Refuse(unknown), No, Permanent, Is::InvalidConfiguration),
        (Mishap::Refuse(Refusal::leader_changed()), Perhaps, Retry, Is::ProviderUnavailable),
        (Mishap::RefuseDone(Refusal::leader_changed()), Perhaps, Retry, Is::ProviderUnavailable),
        (Mishap::Refuse(Refusal::unavailable()), Perhaps, Retry, Is::ProviderUnavailable),
        (Mishap::RefuseDone(Refusal::timed_out()), Perhaps, Retry, Is::ProviderTimeout),
        (Mishap::Cut { done: false }, Perhaps, Retry, Is::ProviderUnavailable),
        (Mishap::Cut { done: true }, Perhaps, Retry, Is::ProviderUnavailable),
        (Mishap::Hang { done: false }, Perhaps, Retry, Is::ProviderTimeout),
        (Mishap::Hang { done: true }, Perhaps, Retry, Is::ProviderTimeout),
        // It says that the engine may do it: it has just started, or its rules have just changed.
        (Mishap::Refuse(Refusal::status(403, "Forbidden", "no")), No, Retry, Is::ProviderUnavailable),
    ]
}

/// Whether nobody answers.
fn hangs(mishap: &Mishap) -> bool {
    matches!(mishap, Mishap::Hang { .. })
}

#[track_caller]
fn failed(
    what: &str,
    result: Result<KubernetesReply, CallError>,
    (happened, remedy, code): (Happened, Remedy, ErrorCode),
) -> ProviderError {
    let (is, error) = match result {
        Ok(reply) => panic!("{what}: {reply:?}"),
        Err(CallError::Refused(error)) => (Happened::No, error),
        Err(CallError::Unknown(error)) => (Happened::Perhaps, error),
    };
    assert_eq!((is, error.remedy, error.code), (happened, remedy, code), "{what}: {error}");
    error
}

/// Every write, with the verb of its request.
async fn writes(site: &Site) -> Vec<(Verb, KubernetesCall)> {
    let files = site.created(config_map("files", json!({ "a": "1" }))).await;
    let web = site.created(workload("app")).await;
    let vault = json!({ "metadata": { "name": "vault" }, "data": { "a": "QQ==" } });
    site.fake.plant(Kind::Secret, "acme", vault).expect("a secret");
    let pods =
        site.fake.until("it has pods", |fake| Some(fake.pods("acme")).filter(|it| it.len() == 2)).await;
    let (name, pod) = pods.into_iter().next().expect("a pod");
    let pod = pod["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let from = SecretSource {
        namespace: "acme".to_owned(),
        name: "vault".to_owned(),
        keys: ["a".to_owned()].into(),
    };
    let copy = Box::new(make(ObjectKind::Secret, "copy", json!({})));
    let delete = Delete {
        place: place(),
        id: files.id.clone(),
        uid: files.uid.clone(),
        api_version: "v1".to_owned(),
        propagation: Propagation::Background,
    };
    let workload = id(ObjectKind::Deployment, "web");
    vec![
        (Verb::Create, KubernetesCall::Create(Box::new(config_map("more", json!({}))))),
        (Verb::Create, KubernetesCall::CopySecret { make: copy, from, uid: None }),
        (Verb::Patch, own(&web)),
        (Verb::Patch, apply(config_map("files", json!({ "a": "2" })), &files.uid, true)),
        (Verb::Patch, KubernetesCall::Scale { place: place(), workload, uid: web.uid, replicas: 3 }),
        (Verb::Delete, KubernetesCall::Delete(delete)),
        (Verb::Delete, KubernetesCall::DeletePod { place: place(), name, uid: pod }),
    ]
}

#[tokio::test]
async fn every_write_says_whether_it_may_have_happened() {
    let calls = writes(&Site::prepared()).await.len();
    for n in 0..calls {
        for (mishap, happened, remedy, code) in mishaps() {
            let site = Site::prepared();
            let (verb, call) = writes(&site).await.swap_remove(n);
            let what = format!("{call:?}, {mishap:?}");
            let site = if hangs(&mishap) { site.impatient().await } else { site };
            site.fake.trap(Trap::on(verb, "", mishap));
            site.fake.take_counts();
            let error = failed(&what, site.call(&call).await, (happened, remedy, code));
            let questions = match verb {
                Verb::Create => site.fake.count(verb, "selfsubjectaccessreviews"),
                Verb::Get | Verb::List | Verb::Watch | Verb::Patch | Verb::Delete | Verb::Update => 0,
            };
            assert_eq!(site.fake.count(verb, "") - questions, 1, "{what}: a request is made once");
            assert!(!error.message.is_empty());
        }
    }
}

#[tokio::test]
async fn what_an_api_server_refuses_until_it_has_read_its_rules_is_tried_again() {
    let site = Site::prepared();
    let call = KubernetesCall::Create(Box::new(config_map("files", json!({}))));
    let forbidden = Mishap::Refuse(Refusal::status(403, "Forbidden", "no rules yet"));
    site.fake.trap(Trap { verb: None, path: None, times: None, mishap: forbidden });
    let error = failed(
        "it starts",
        site.call(&call).await,
        (Happened::No, Remedy::Retry, ErrorCode::ProviderUnavailable),
    );
    assert_eq!(error.platform.as_deref(), Some("Forbidden: no rules yet"));
    site.fake.clear_traps();
    site.created(config_map("files", json!({}))).await;
}

#[tokio::test]
async fn what_the_engine_may_not_do_is_told_with_the_right_that_is_missing() {
    let site = Site::prepared();
    let denied = [("create".to_owned(), "configmaps".to_owned())];
    site.fake.set(|settings| settings.users.values_mut().for_each(|user| user.denied = denied.to_vec()));
    let call = KubernetesCall::Create(Box::new(config_map("files", json!({}))));
    let error = failed(
        "a right is missing",
        site.call(&call).await,
        (Happened::No, Remedy::NeedsPerson, ErrorCode::PermissionDenied),
    );
    assert!(error.message.contains("may not create configmaps"), "{error}");
}

#[tokio::test]
async fn every_look_says_what_went_wrong() {
    let looks = || {
        [
            (Verb::Get, "kube-system", KubernetesCall::Survey),
            (Verb::List, "/namespaces", KubernetesCall::Locate),
            (Verb::List, "/configmaps", KubernetesCall::Look(look([ObjectKind::ConfigMap]))),
            (Verb::List, "/pods", watch()),
            (
                Verb::List,
                "/events",
                KubernetesCall::Explain { place: place(), uids: ["u".to_owned()].into() },
            ),
        ]
    };
    for n in 0..looks().len() {
        for (mishap, happened, remedy, code) in mishaps() {
            let site = Site::prepared();
            site.reply(&KubernetesCall::Survey).await;
            let (verb, path, call) = looks()[n].clone();
            let what = format!("{call:?}, {mishap:?}");
            let site = if hangs(&mishap) { site.impatient().await } else { site };
            site.fake.trap(Trap::on(verb, path, mishap));
            failed(&what, site.call(&call).await, (happened, remedy, code));
        }
    }
}

#[tokio::test]
async fn throttling_is_waited_out_by_everybody() {
    let site = Site::prepared();
    site.fake.trap(Trap::on(Verb::Create, "/configmaps", Mishap::Refuse(Refusal::too_many(1))));
    let create = KubernetesCall::Create(Box::new(config_map("files", json!({}))));
    let expected = (Happened::No, Remedy::Retry, ErrorCode::ResourceExhausted);
    let error = failed("throttled", site.call(&create).await, expected);
    assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
    let begun = tokio::time::Instant::now();
    site.object(&create).await;
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_did_nothing() {
    let site = Site::prepared();
    let Site { fake, provider, dir } = site;
    drop(fake);
    let site = Site { fake: Fake::start(Settings::default()), provider, dir };
    let create = KubernetesCall::Create(Box::new(config_map("files", json!({}))));
    // The port of the one that is gone.
    let error = loop {
        match site.call(&create).await {
            // Its tasks end a moment after it.
            Err(CallError::Unknown(_)) | Ok(_) => tokio::task::yield_now().await,
            Err(CallError::Refused(error)) => break error,
        }
    };
    assert_eq!((error.remedy, error.code), (Remedy::Retry, ErrorCode::ProviderUnavailable));
    assert!(error.message.contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn what_comes_later_than_a_request_may_take_may_have_happened() {
    let site = Site::prepared().impatient().await;
    site.fake.trap(Trap::on(Verb::Create, "/configmaps", Mishap::Delay(SHORT * 50)));
    let create = KubernetesCall::Create(Box::new(config_map("files", json!({}))));
    let expected = (Happened::Perhaps, Remedy::Retry, ErrorCode::ProviderTimeout);
    failed("late", site.call(&create).await, expected);
    assert!(site.fake.object(Kind::ConfigMap, "acme", "files").is_some());
}

// ---- credentials

#[tokio::test]
async fn credentials_are_renewed_once_when_the_cluster_knows_them_no_more() {
    let site = Site::prepared();
    site.reply(&KubernetesCall::Survey).await;
    site.fake.set(|settings| settings.users = [("next".to_owned(), User::admin("engine"))].into());
    site.renew("next");
    let create = KubernetesCall::Create(Box::new(config_map("files", json!({}))));
    site.object(&create).await;
    // And not when nothing better is known.
    site.fake.set(|settings| settings.users = [("another".to_owned(), User::admin("engine"))].into());
    site.fake.take_counts();
    let expected = (Happened::No, Remedy::NeedsPerson, ErrorCode::PermissionDenied);
    let error = failed("shut out", site.call(&create).await, expected);
    assert!(error.message.contains("does not know the engine's credentials"), "{error}");
    assert_eq!(site.fake.count(Verb::Create, ""), 2, "with the old ones, and with those of the file");
}

// ---- the way to the cluster

fn options_error(dir: &tempfile::TempDir, context: &str) -> KubernetesOptionsError {
    let path = dir.path().join("kubeconfig");
    let config = json!({ "cluster": { "kubeconfig": { "path": path, "context": context } } });
    KubernetesProvider::new(KubernetesOptions::new(config)).expect_err("a wrong configuration")
}

#[test]
fn what_is_missing_on_the_way_is_named_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let error = options_error(&dir, "fake").to_string();
    assert!(error.contains("kubeconfig") && error.contains("No such file"), "{error}");
    write_kubeconfig(&dir, "http://127.0.0.1:1", &json!({ "token": TOKEN }));
    let error = options_error(&dir, "other").to_string();
    assert!(error.contains("has no context other; it has: fake"), "{error}");
    let plugin = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "no-such-plugin",
        "installHint": "apt install no-such-plugin",
    } });
    write_kubeconfig(&dir, "http://127.0.0.1:1", &plugin);
    let error = options_error(&dir, "fake");
    assert!(
        matches!(error.cluster(), Some(SourceError::NoPlugin { command, .. }) if command == "no-such-plugin")
    );
    assert!(error.to_string().contains("install it: apt install no-such-plugin"), "{error}");
    let error =
        KubernetesProvider::new(KubernetesOptions::new(json!({}))).expect_err("no cluster").to_string();
    assert!(error.contains("configuration: cluster: missing"), "{error}");
    let error = KubernetesProvider::new(KubernetesOptions::new(json!({ "cluster": "in_cluster" })));
    assert!(matches!(error.expect_err("no pod").cluster(), Some(SourceError::NotInCluster(_))));
}

#[test]
fn every_fault_of_a_configuration_is_told_at_once_with_its_field() {
    let config = json!({
        "cluster": { "kubeconfig": { "path": "/nowhere", "context": "fake" } },
        "exposure": "carrier_pigeon",
        "replicas": 1_000_000,
        "no_such_field": 1,
        "tolerations": [{ "key": "a b" }],
        "labels": { "landlord.owner": "me" },
        "host_pattern": "example.com",
    });
    let error = KubernetesProvider::new(KubernetesOptions::new(config)).expect_err("faults");
    let mut paths: Vec<&str> = error.problems().iter().map(|problem| problem.path.as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "cluster.kubeconfig",
        "exposure",
        "host_pattern",
        "labels[\"landlord.owner\"]",
        "no_such_field",
        "replicas",
        "tolerations[0].key",
    ];
    assert_eq!(paths, expected, "{error}");
    let whole = error.to_string();
    assert!(error.problems().iter().all(|problem| whole.contains(&problem.message)), "{whole}");
    let error = KubernetesProvider::new(KubernetesOptions::new(json!("in_cluster"))).expect_err("no object");
    assert!(error.to_string().contains("is not an object"), "{error}");
}

/// An exec plugin that prints this.
fn plugin(dir: &tempfile::TempDir, prints: &str) -> serde_json::Value {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.path().join("plugin");
    std::fs::write(&path, format!("#!/bin/sh\n{prints}\n")).expect("a plugin");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a program");
    json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": path,
        "interactiveMode": "Never",
    } })
}

#[tokio::test]
async fn an_exec_plugin_gives_the_token_and_is_asked_again_when_that_is_not_known() {
    let site = Site::prepared();
    let token = |token: &str| {
        let status = json!({ "token": token });
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status,
        });
        plugin(&site.dir, &format!("echo '{credential}'"))
    };
    write_kubeconfig(&site.dir, &site.fake.url(), &token(TOKEN));
    let site = Site { provider: provider(&site.dir, &json!({})), ..site };
    site.reply(&KubernetesCall::Survey).await;
    let token = |token: &str| {
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token },
        });
        plugin(&site.dir, &format!("echo '{credential}'"))
    };
    site.fake.set(|settings| settings.users = [("next".to_owned(), User::admin("engine"))].into());
    token("next");
    site.reply(&KubernetesCall::Survey).await;
}

#[tokio::test]
async fn what_a_plugin_prints_is_told_nowhere() {
    let site = Site::prepared();
    let prints = "echo '{\"status\":{\"token\":\"TOPSECRET\"}'; echo 'log in first' >&2; exit 3";
    write_kubeconfig(&site.dir, &site.fake.url(), &plugin(&site.dir, prints));
    let site = Site { provider: provider(&site.dir, &json!({})), ..site };
    let expected = (Happened::No, Remedy::Retry, ErrorCode::PermissionDenied);
    let error = failed("plugin", site.call(&KubernetesCall::Survey).await, expected);
    assert!(error.platform.as_ref().is_some_and(|words| words.contains("log in first")), "{error}");
    assert!(!format!("{error:?}").contains("TOPSECRET"));
    plugin(&site.dir, "echo 'TOPSECRET: ['");
    let expected = (Happened::No, Remedy::NeedsPerson, ErrorCode::InvalidConfiguration);
    let error = failed("plugin", site.call(&KubernetesCall::Survey).await, expected);
    assert!(!format!("{error:?}").contains("TOPSECRET"));
}

#[tokio::test]
async fn a_plugin_that_takes_too_long_has_sent_nothing() {
    let site = Site::prepared();
    write_kubeconfig(&site.dir, &site.fake.url(), &plugin(&site.dir, "sleep 2"));
    let site = Site { provider: provider_within(&site.dir, &json!({}), SHORT), ..site };
    let create = KubernetesCall::Create(Box::new(config_map("files", json!({}))));
    let expected = (Happened::No, Remedy::Retry, ErrorCode::ProviderTimeout);
    failed("plugin", site.call(&create).await, expected);
}

#[tokio::test]
async fn nothing_of_the_way_to_the_cluster_is_shown_to_tenants() {
    let site = Site::new();
    assert_eq!(site.provider.config_defaults(), json!({}));
    let shown = format!("{:?}", site.provider);
    assert!(!shown.contains(TOKEN) && !shown.contains("kubeconfig"), "{shown}");
}
