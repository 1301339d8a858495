//! What a tenant's containers write.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use landlord_compute::provider::{LogLine, LogQuery, Provider};
use landlord_state_machines::error::ErrorKind;
use serde_json::json;

use super::fake::{Fake, Kind, Pace};
use super::site::{Site, cx, subject, workload};

/// A site whose workload has so many pods, all of which are ready.
async fn running(replicas: usize) -> (Site, Vec<String>) {
    let site = Site::prepared();
    let mut web = workload("app");
    web.body["spec"]["replicas"] = json!(replicas);
    site.created(web).await;
    let ready = |fake: &Fake| {
        let pods = fake.pods("acme");
        let ready = |pod: &serde_json::Value| pod["status"]["containerStatuses"][0]["ready"] == json!(true);
        (pods.len() == replicas && pods.values().all(ready)).then(|| pods.into_keys().collect())
    };
    let pods = site.fake.until("its pods are ready", ready).await;
    (site, pods)
}

/// Whether a test wrote a line, and not the program itself.
fn is_written(text: &str) -> bool {
    !text.ends_with(" starts")
}

async fn read(site: &Site, query: &LogQuery) -> Vec<String> {
    let lines = site.provider.logs(&cx(), &subject().tenant, query).await.expect("an answer").expect("logs");
    let lines: Vec<LogLine> = lines.try_collect().await.expect("lines");
    assert!(lines.iter().all(|line| line.at.is_some() && line.container == "main"));
    let mut texts: Vec<String> =
        lines.into_iter().map(|line| line.text).filter(|text| is_written(text)).collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn all_pods_are_read() {
    let (site, pods) = running(2).await;
    for (n, pod) in pods.iter().enumerate() {
        site.fake.write_log("acme", pod, "main", &format!("line {n}"));
    }
    assert_eq!(read(&site, &LogQuery::default()).await, ["line 0", "line 1"]);
    assert_eq!(read(&site, &LogQuery::default().container("main")).await.len(), 2);
    assert_eq!(read(&site, &LogQuery::default().container("other")).await.len(), 0);
}

#[tokio::test]
async fn the_run_before_is_read_too() {
    let (site, pods) = running(1).await;
    site.fake.write_log("acme", &pods[0], "main", "a: before");
    site.fake.crash_container("acme", &pods[0], "main", 1);
    let again = |fake: &Fake| {
        let pod = fake.object(Kind::Pod, "acme", &pods[0])?;
        let status = pod["status"]["containerStatuses"][0].clone();
        (status["restartCount"] == 1 && status["ready"] == json!(true)).then_some(())
    };
    site.fake.until("it is started again", again).await;
    site.fake.write_log("acme", &pods[0], "main", "b: after");
    assert_eq!(read(&site, &LogQuery::default()).await, ["a: before", "b: after"]);
    assert_eq!(read(&site, &LogQuery::default().previous()).await, ["a: before"]);
    assert_eq!(read(&site, &LogQuery::default().previous().container("other")).await.len(), 0);
    let followed = LogQuery::default().previous().follow();
    assert_eq!(read(&site, &followed).await, ["a: before"], "it ends, as the run has ended");
}

#[tokio::test]
async fn the_last_run_of_a_container_that_waits_is_told_once() {
    let site = Site::prepared();
    site.fake.set_pace(Pace { backoff: Duration::from_secs(600), ..Pace::quick() });
    let mut web = workload("crash");
    web.body["spec"]["replicas"] = json!(1);
    site.created(web).await;
    let waits = |fake: &Fake| {
        let pod = fake.pods("acme").into_values().next()?;
        let status = pod.pointer("/status/containerStatuses/0")?;
        (status["state"]["waiting"]["reason"] == "CrashLoopBackOff").then_some(())
    };
    site.fake.until("it waits to be started again", waits).await;
    for query in [LogQuery::default(), LogQuery::default().previous()] {
        let lines = site.provider.logs(&cx(), &subject().tenant, &query).await.expect("an answer");
        let lines: Vec<LogLine> = lines.expect("logs").try_collect().await.expect("lines");
        assert_eq!(lines.iter().filter(|line| line.text.ends_with(" starts")).count(), 1, "{query:?}");
    }
}

#[tokio::test]
async fn who_follows_is_told_of_runs_and_pods_that_come() {
    let (site, pods) = running(1).await;
    site.fake.write_log("acme", &pods[0], "main", "one");
    let query = LogQuery::default().follow();
    let mut lines =
        site.provider.logs(&cx(), &subject().tenant, &query).await.expect("an answer").expect("logs");
    let mut next = async || loop {
        let text = lines.next().await.expect("a line").expect("no error").text;
        if is_written(&text) {
            return text;
        }
    };
    assert_eq!(next().await, "one");
    site.fake.write_log("acme", &pods[0], "main", "two");
    assert_eq!(next().await, "two");
    site.fake.crash_container("acme", &pods[0], "main", 1);
    let again = |fake: &Fake| {
        let pod = fake.object(Kind::Pod, "acme", &pods[0])?;
        let status = pod["status"]["containerStatuses"][0].clone();
        (status["restartCount"] == 1 && status["ready"] == json!(true)).then_some(())
    };
    site.fake.until("it is started again", again).await;
    site.fake.write_log("acme", &pods[0], "main", "three");
    assert_eq!(next().await, "three");
    site.fake.delete(Kind::Pod, "acme", &pods[0]);
    let other = |fake: &Fake| {
        let pods_now = fake.pods("acme");
        let ready = |pod: &serde_json::Value| pod["status"]["containerStatuses"][0]["ready"] == json!(true);
        pods_now.into_iter().find(|(name, pod)| *name != pods[0] && ready(pod)).map(|(name, _)| name)
    };
    let other = site.fake.until("another pod comes", other).await;
    site.fake.write_log("acme", &other, "main", "four");
    assert_eq!(next().await, "four");
}

#[tokio::test]
async fn a_tenant_that_is_not_there_has_no_logs() {
    let site = Site::new();
    let error =
        site.provider.logs(&cx(), &subject().tenant, &LogQuery::default()).await.err().expect("an error");
    assert_eq!(error.kind, ErrorKind::TenantNotFound);
}
