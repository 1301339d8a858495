//! A launch that fails its check is not kept, whoever meets it.

use std::path::Path;
use std::time::Duration;

use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::Provider;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{Options, TenantComputeSpec, TenantHandle};
use landlord_provider_process::ProcessProvider;
use rustix::process::{Signal, kill_process};

use crate::tenants::program::Program;
use crate::tenants::{Site, checked, client, engine, until};

async fn provision(tenant: &TenantHandle, spec: &TenantComputeSpec) {
    let operation = tenant.provision(spec.clone(), Options::default()).await.unwrap();
    assert_eq!(operation.await.unwrap(), Settled::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_that_hangs_is_replaced_and_a_restart_brings_fresh_secrets() {
    let site = Site::new("hung");
    let provider = ProcessProvider::new(crate::options(site.dir.path()));
    let engine = engine(MemoryStore::new(MemoryOptions::default()), provider).await;
    let acme = engine.tenant(TenantId::new("acme").unwrap());
    let secret = site.path("secret");
    std::fs::write(&secret, "one").unwrap();
    let mut spec = site.value("acme", &Program::web(1).hanging(1000));
    spec["secrets"] = serde_json::json!([{ "name": "db", "source": "file", "key": secret, "env_var": "DB" }]);
    let spec = TenantComputeSpec::from_json(&spec.to_string()).unwrap();
    provision(&acme, &spec).await;
    let [(old, _)] = site.processes()[..] else { panic!("{:?}", site.processes()) };
    until("the end of the one that hangs", || !crate::runs(old)).await;
    until("another one", || !site.processes().is_empty()).await;
    let mut healthy = None;
    for _ in 0..500 {
        healthy = acme.status().await.ok().filter(|status| status.health == Health::Healthy);
        if healthy.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let healthy = healthy.expect("the other one works");
    assert_eq!(healthy.containers[0].restart_count, 1);

    assert_eq!(site.variable("DB").as_deref(), Some("one"));
    std::fs::write(&secret, "two").unwrap();
    let restarted = acme.restart(Options::default()).await.unwrap().await.unwrap();
    assert_eq!(restarted, Settled::Done);
    assert_eq!(site.variable("DB").as_deref(), Some("two"));
    assert_eq!(acme.destroy(Options::default()).await.unwrap().await.unwrap(), Settled::Done);
    assert_eq!((site.processes(), site.keepers()), (vec![], vec![]));
    engine.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_keeps_no_launch_that_fails_its_check() {
    let site = Site::new("undo");
    let mut cx = site.context("acme");
    let spec = site.spec("acme", &Program::web(1).hanging(1000));
    let port = site.provider.provision(&cx, &spec).await.unwrap().endpoints[0].port;
    let [(old, _)] = site.processes()[..] else { panic!("{:?}", site.processes()) };
    until("the hang", || client::get(port).is_err()).await;
    cx.applied = Some(spec);
    let bad = site.spec("acme", &Program::script("exit 3"));
    let failed = site.provider.update(&cx, &cx.subject.tenant, &bad).await.unwrap_err();
    assert!(!failed.message.contains("not undone"), "{failed}");
    assert!(!crate::runs(old), "the launch that hangs is not what an undo brings back");
    assert_eq!(client::get(port).unwrap(), "1", "another one is, at the same address");
    site.destroy("acme").await;
}

/// One that takes its time is waited for where its spec gives it a start period, and given up where it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_start_has_the_time_of_its_start_period() {
    let site = Site::new("slow");
    let spec = |start_period: u32| {
        let mut spec = site.value("acme", &Program::web(1).slow(3000));
        spec["containers"][0]["health_check"]["interval_seconds"] = 1.into();
        spec["containers"][0]["health_check"]["timeout_seconds"] = 1.into();
        spec["containers"][0]["health_check"]["start_period_seconds"] = start_period.into();
        checked(&spec)
    };
    let cx = site.context("acme");
    site.provider.provision(&cx, &spec(0)).await.unwrap_err();
    assert_eq!(site.processes(), []);
    let port = site.provider.provision(&cx, &spec(60)).await.unwrap().endpoints[0].port;
    assert_eq!(client::get(port).unwrap(), "1");
    let status = site.provider.get_status(&cx, &cx.subject.tenant).await.unwrap();
    assert_eq!((status.health, status.containers[0].restart_count), (Health::Healthy, 0));
    site.destroy("acme").await;
}

/// What a check sends may be a secret: it is in the environment of the launch, where the next keeper finds it, and in no
/// record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_sends_its_headers_also_from_another_keeper() {
    let site = Site::new("headers");
    let spec = |word: &str| {
        let mut spec = site.value("acme", &Program::web(1).needing("x-probe: word"));
        spec["containers"][0]["health_check"]["interval_seconds"] = 1.into();
        spec["containers"][0]["health_check"]["timeout_seconds"] = 1.into();
        spec["containers"][0]["health_check"]["headers"] = serde_json::json!({ "X-Probe": word });
        checked(&spec)
    };
    let mut cx = site.context("acme");
    site.provider.provision(&cx, &spec("word")).await.unwrap();
    let before = site.processes();
    let ledger = cx.ledger().unwrap();
    assert!(ledger.facts.get().contains("has_headers"), "{}", ledger.facts);
    assert!(!ledger.facts.get().contains("word"), "{}", ledger.facts);

    let [keeper] = site.keepers()[..] else { panic!("{:?}", site.keepers()) };
    kill_process(keeper, Signal::KILL).unwrap();
    until("its end", || !crate::runs(keeper)).await;
    cx.applied = Some(spec("word"));
    site.provider.provision(&cx, &spec("word")).await.unwrap();
    assert_eq!((site.keepers().len(), site.processes()), (1, before.clone()), "it was checked, and goes on");

    let failed = site.provider.update(&cx, &cx.subject.tenant, &spec("other")).await.unwrap_err();
    assert!(failed.message.contains("answered 401 Unauthorized"), "{failed}");
    assert_eq!(site.processes(), before);
    site.destroy("acme").await;
}

/// What starts in an update has the time of its deadline, less or more than its check would give it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_has_the_time_of_its_deadline() {
    let site = Site::new("deadline");
    let spec = |version: u32, start_period: u32, deadline: Option<u32>| {
        let mut spec = site.value("acme", &Program::web(version).slow(3000 * (version - 1)));
        spec["containers"][0]["health_check"]["interval_seconds"] = 1.into();
        spec["containers"][0]["health_check"]["timeout_seconds"] = 1.into();
        spec["containers"][0]["health_check"]["start_period_seconds"] = start_period.into();
        spec["update"] = serde_json::json!({ "deadline_seconds": deadline });
        checked(&spec)
    };
    let mut cx = site.context("acme");
    let port = site.provider.provision(&cx, &spec(1, 0, None)).await.unwrap().endpoints[0].port;
    cx.applied = Some(spec(1, 0, None));
    for (start_period, deadline) in [(0, None), (60, Some(1))] {
        let late = spec(2, start_period, deadline);
        site.provider.update(&cx, &cx.subject.tenant, &late).await.unwrap_err();
        assert_eq!(client::get(port).unwrap(), "1", "what ran before goes on");
    }
    site.provider.update(&cx, &cx.subject.tenant, &spec(2, 0, Some(60))).await.unwrap();
    assert_eq!(client::get(port).unwrap(), "2");
    site.destroy("acme").await;
}

/// Writes down when it was made. It fails while there is a file `SICK`, and then that is where it writes.
const WRITTEN_DOWN: &str =
    r#"if test -e "$SICK"; then date +%s%N >>"$SICK"; exit 1; fi; date +%s%N >>"$SAID""#;

/// A tenant with this check each second, which fails when three in a row do. A launch that starts is well again.
fn checked_each_second(site: &Site) -> TenantComputeSpec {
    let script = r#"mv "$SICK" "$SICK.over"; exec sleep 60"#;
    let check = serde_json::json!({ "type": "exec", "command": ["/bin/sh", "-c", WRITTEN_DOWN], "interval_seconds": 1,
        "timeout_seconds": 1, "healthy_threshold": 1, "unhealthy_threshold": 3 });
    let program = Program::script(script)
        .with("SAID", site.path("said").display())
        .with("SICK", site.path("sick").display())
        .having("health_check", check);
    TenantComputeSpec::from_json(&site.value("acme", &program).to_string()).unwrap()
}

/// When its checks were made, since the epoch.
fn checks(file: &Path) -> Vec<Duration> {
    let times = std::fs::read_to_string(file).unwrap_or_default();
    times.lines().map(|time| Duration::from_nanos(time.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_that_works_is_checked_at_the_interval_of_its_spec() {
    let site = Site::new("interval");
    let spec = checked_each_second(&site).check().unwrap();
    site.provider.provision(&site.context("acme"), &spec).await.unwrap();
    let said = site.path("said");
    let before = checks(&said).len();
    until("three more checks", || checks(&said).len() >= before + 3).await;
    let gaps = checks(&said)[before..].windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    // To a tenth of a second, at which the machine's keepers check together. On a busy machine some take a while.
    let shortest = gaps.iter().min().unwrap();
    assert!((Duration::from_millis(900)..Duration::from_secs(2)).contains(shortest), "{gaps:?}");
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_is_replaced_when_as_many_checks_have_failed_as_its_spec_says() {
    let site = Site::new("threshold");
    let provider = ProcessProvider::new(crate::options(site.dir.path()));
    let engine = engine(MemoryStore::new(MemoryOptions::default()), provider).await;
    let acme = engine.tenant(TenantId::new("acme").unwrap());
    provision(&acme, &checked_each_second(&site)).await;
    let [(old, _)] = site.processes()[..] else { panic!("{:?}", site.processes()) };
    let (sick, over) = (site.path("sick"), site.path("sick.over"));
    std::fs::write(&sick, "").unwrap();
    until("another one", || over.exists()).await;
    assert!(!crate::runs(old));
    let failed = checks(&over);
    // The third of those that count comes two intervals after the first, to a tenth of a second each.
    let took = *failed.last().unwrap() - failed[0];
    assert!(failed.len() >= 3 && took >= Duration::from_millis(1800), "{failed:?}");
    assert_eq!(acme.destroy(Options::default()).await.unwrap().await.unwrap(), Settled::Done);
    engine.shutdown(Duration::from_secs(10)).await.unwrap();
}
