//! A tenant serves through its pods, and goes on while it is updated.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use landlord_compute::provider::{LogQuery, Provider};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::{
    ContainerSpec, HealthCheckConfig, MountSpec, TenantComputeSpec, VolumeSpec,
};
use landlord_state_machines::status::{ComputeState, Health, UpdateStatus};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::site::{Site, spec};

/// How many clients there are.
const CLIENTS: usize = 4;

/// Serves this word, and goes on serving for a moment when it is told to end.
pub(crate) fn web(tenant: &str, word: &str) -> TenantComputeSpec {
    let script = format!(
        "trap 'sleep 2; exit 0' TERM; echo {word} > /www/index.html; httpd -f -p 8080 -h /www & wait"
    );
    let mut spec = spec(tenant, &script);
    spec.containers[0].health_check = Some(HealthCheckConfig {
        kind: "http".to_owned(),
        http_path: Some("/".to_owned()),
        port: Some(8080),
        interval_seconds: 1,
        timeout_seconds: 1,
        healthy_threshold: 1,
        unhealthy_threshold: 1,
        ..HealthCheckConfig::default()
    });
    spec
}

/// What a pod answers.
pub(crate) async fn page(address: &str) -> std::io::Result<String> {
    let asked = async {
        let mut connection = TcpStream::connect((address, 8080)).await?;
        connection.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let is_good = head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200");
        if is_good { Ok(body.trim().to_owned()) } else { Err(std::io::Error::other(answer)) }
    };
    tokio::time::timeout(Duration::from_secs(5), asked).await?
}

/// What clients that look for a ready pod each time have met with.
#[derive(Default)]
struct Met {
    answers: AtomicU64,
    words: std::sync::Mutex<BTreeSet<String>>,
    failures: std::sync::Mutex<Vec<String>>,
}

async fn client(site: &Site, tenant: &str, met: &Met, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        for address in site.ready(tenant).await {
            match page(&address).await {
                Ok(word) => {
                    met.answers.fetch_add(1, Ordering::Relaxed);
                    met.words.lock().expect("no panic").insert(word);
                }
                Err(error) => met.failures.lock().expect("no panic").push(error.to_string()),
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn an_update_rolls_under_load_without_a_failed_request() {
    let site = Site::new("serves").await;
    let (provider, id) = (site.provider(&json!({})), TenantId::new("serves-a").expect("an id"));
    let mut cx = site.cx("serves-a");
    let first = web("serves-a", "one").check().expect("valid");
    provider.validate(&cx, &first).await.expect("the manifest gives all rights");
    provider.provision(&cx, &first).await.expect("a provision");
    let status = provider.get_status(&cx, &id).await.expect("a status");
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    let addresses = site.ready("serves-a").await;
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    assert_eq!(page(&addresses[0]).await.expect("it serves"), "one");

    cx.applied = Some(first);
    let second = web("serves-a", "two").check().expect("valid");
    let (met, done) = (Met::default(), AtomicBool::new(false));
    let clients =
        futures_util::future::join_all((0..CLIENTS).map(|_| client(&site, "serves-a", &met, &done)));
    let update = async {
        let updated = provider.update(&cx, &id, &second).await.expect("an update");
        assert_eq!(updated.status, UpdateStatus::Success);
        let pods = site.pods("serves-a").await;
        let scripts = pods.iter().filter(|pod| pod.to_string().contains("echo two"));
        assert!(pods.len() == 1 && scripts.count() == 1, "no old pod is there: {pods:?}");
        let addresses = site.ready("serves-a").await;
        assert_eq!(page(&addresses[0]).await.expect("it serves"), "two");
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(clients, update);
    let failures = met.failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "of {:?}: {failures:?}", met.answers);
    assert!(met.answers.into_inner() > 20);
    let words = met.words.into_inner().expect("no panic");
    assert_eq!(words, ["one", "two"].map(str::to_owned).into());

    provider.destroy(&cx, &id).await.expect("a destroy");
    assert!(site.admin.get("/api/v1/namespaces/landlord-serves-a").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn what_a_container_wrote_before_it_was_started_again_is_told_apart() {
    let site = Site::new("runs").await;
    let provider = site.provider(&json!({}));
    let (id, cx) = (TenantId::new("runs-a").expect("an id"), site.cx("runs-a"));
    // It ends the first time that it is told to.
    let script = "trap 'exit 0' TERM; if test -e /work/again; then echo second; else touch /work/again; echo first; \
                  while ! test -e /work/end; do sleep 0.2; done; exit 1; fi; sleep 1000 & wait";
    let mut spec = spec("runs-a", script);
    spec.volumes = vec![VolumeSpec { name: "work".to_owned(), ..VolumeSpec::default() }];
    spec.containers[0].mounts =
        vec![MountSpec { volume: "work".to_owned(), path: "/work".to_owned(), ..MountSpec::default() }];
    let mut ender = ContainerSpec { name: "ender".to_owned(), ..spec.containers[0].clone() };
    ender.ports = Vec::new();
    ender.command[2] = "trap 'exit 0' TERM; sleep 3; touch /work/end; sleep 1000 & wait".to_owned();
    spec.containers.push(ender);
    provider.provision(&cx, &spec.check().expect("valid")).await.expect("a provision");
    let read = async |query: LogQuery| -> Vec<String> {
        let lines = provider.logs(&cx, &id, &query.container("web")).await.expect("an answer").expect("logs");
        lines.map_ok(|line| line.text).try_collect().await.expect("lines")
    };
    site.admin
        .until("it runs again", async |_| {
            (read(LogQuery::default()).await == ["first", "second"]).then_some(())
        })
        .await;
    assert_eq!(read(LogQuery::default().previous()).await, ["first"]);
    site.destroyed("runs-a").await;
}
