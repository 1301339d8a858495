//! Replicas: copies of a container behind one address.

use std::collections::BTreeMap;
use std::time::Duration;

use landlord_compute::Options;
use landlord_compute::machines::error::{ErrorCode, Remedy};
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::spec::Spec;
use landlord_compute::machines::status::{ComputeState, Health, UpdateStatus};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::{Context, PlannedEffect, Provider};
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_provider_process::ProcessProvider;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::addresses::kill_keeper;
use crate::tenants::client::{self, Connections, Load};
use crate::tenants::program::Program;
use crate::tenants::{Site, checked, engine, free_port, until};

/// A program that answers with its version and its pid.
fn web(version: u32) -> Program {
    Program::web(version).saying_its_pid()
}

fn spec(site: &Site, program: &Program, replicas: u32) -> Spec {
    let mut value = site.value("acme", program);
    value["replicas"] = json!(replicas);
    checked(&value)
}

async fn provision(site: &Site, cx: &mut Context, spec: Spec) -> u16 {
    let provisioned = site.provider.provision(cx, &spec).await.unwrap();
    cx.applied = Some(spec);
    let [endpoint] = &provisioned.endpoints[..] else { panic!("one address: {provisioned:?}") };
    endpoint.port
}

async fn update(site: &Site, cx: &mut Context, spec: Spec) {
    let updated = site.provider.update(cx, &cx.subject.tenant, &spec).await.unwrap();
    assert_eq!(updated.status, UpdateStatus::Success);
    cx.applied = Some(spec);
}

fn pids(site: &Site) -> Vec<Pid> {
    let mut pids: Vec<Pid> = site.processes().into_iter().map(|(pid, _)| pid).collect();
    pids.sort_by_key(|pid| pid.as_raw_nonzero());
    pids
}

/// How often each process answered.
fn tally(answers: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    answers.for_each(|answer| *tally.entry(answer).or_default() += 1);
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_requests_go_to_each_replica_in_turn() {
    let site = Site::new("turns");
    let mut cx = site.context("acme");
    let port = provision(&site, &mut cx, spec(&site, &web(1), 3)).await;
    let expected: BTreeMap<String, usize> =
        pids(&site).into_iter().map(|pid| (format!("1 {}", pid.as_raw_nonzero()), 4)).collect();
    assert_eq!(expected.len(), 3);
    assert_eq!(tally((0..12).map(|_| client::get(port).unwrap())), expected);
    assert_eq!(tally(client::get_all(port, 12).unwrap().into_iter()), expected, "on one connection");
    let status = site.provider.get_status(&cx, &cx.subject.tenant).await.unwrap();
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    assert_eq!(status.containers.len(), 1, "{status:?}");
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_touches_no_other_replica() {
    let site = Site::new("scales");
    let mut cx = site.context("acme");
    let port = free_port();
    let of = |replicas| spec(&site, &web(1).at(port), replicas);
    assert_eq!(provision(&site, &mut cx, of(1)).await, port);
    let one = pids(&site);
    let load = Load::begin(port, 1);
    update(&site, &mut cx, of(3)).await;
    let three = pids(&site);
    assert_eq!(three.len(), 3);
    assert!(one.iter().all(|pid| three.contains(pid)), "{one:?} {three:?}");
    update(&site, &mut cx, of(2)).await;
    let two = pids(&site);
    assert_eq!(two.len(), 2);
    assert!(two.contains(&one[0]) && two.iter().all(|pid| three.contains(pid)), "{two:?} {three:?}");
    let asked = load.end();
    assert_eq!(client::failed(&asked), Vec::<&String>::new(), "of {} requests", asked.len());
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_of_replicas_fails_no_request() {
    let mut site = Site::new("updated");
    let mut cx = site.context("acme");
    let port = provision(&site, &mut cx, spec(&site, &web(0), 3)).await;
    let load = Load::begin(port, 2);
    for version in 1..=3 {
        update(&site, &mut cx, spec(&site, &web(version), 3)).await;
    }
    // The next engine, and the next keeper, find them all.
    site.restart();
    let applied = cx.applied.take();
    cx = site.context("acme");
    cx.applied = applied;
    update(&site, &mut cx, spec(&site, &web(4), 3)).await;
    let asked = load.end();
    assert_eq!(client::failed(&asked), Vec::<&String>::new(), "of {} requests", asked.len());
    let before = pids(&site);
    kill_keeper(&site).await;
    site.provider.get_status(&cx, &cx.subject.tenant).await.unwrap();
    assert_eq!(pids(&site), before);
    let answers = tally((0..6).map(|_| client::get(port).unwrap()));
    assert_eq!(answers.into_values().collect::<Vec<_>>(), [2, 2, 2]);
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_dies_is_started_again_while_the_others_serve() {
    let site = Site::new("survives");
    let provider = ProcessProvider::new(crate::options(site.dir.path()));
    let engine = engine(MemoryStore::new(MemoryOptions::default()), provider).await;
    let acme = engine.tenant(TenantId::new("acme").unwrap());
    let port = free_port();
    let spec = (*spec(&site, &web(1).at(port), 3)).clone();
    let provisioned = acme.provision(spec, Options::default()).await.unwrap().await.unwrap();
    assert_eq!(provisioned, Settled::Done);
    let clients = [Connections::New, Connections::Kept].repeat(2);
    let load = Load::of(port, &clients, Duration::from_millis(1));
    let before = pids(&site);
    kill_process(before[1], Signal::KILL).unwrap();
    until("three again", || pids(&site).len() == 3 && !pids(&site).contains(&before[1])).await;
    until("an answer of each", || tally((0..3).map(|_| client::get(port).unwrap())).len() == 3).await;
    assert!([before[0], before[2]].iter().all(|pid| pids(&site).contains(pid)), "the others stay");
    let asked = load.end();
    let failed = client::failed(&asked);
    // Each client had at most one request on its way.
    assert!(failed.len() <= clients.len(), "{failed:?} of {} requests", asked.len());
    assert_eq!(acme.destroy(Options::default()).await.unwrap().await.unwrap(), Settled::Done);
    assert_eq!((site.processes(), site.keepers()), (vec![], vec![]));
    engine.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_fails_its_check_gets_no_request() {
    let site = Site::new("ails");
    let mut cx = site.context("acme");
    let flag = site.path("ails");
    let program = web(1).ailing_by(&flag).having(
        "health_check",
        json!({ "type": "http", "http_path": "/health", "port": 80, "interval_seconds": 1,
            "timeout_seconds": 1, "healthy_threshold": 1, "unhealthy_threshold": 1 }),
    );
    let port = provision(&site, &mut cx, spec(&site, &program, 2)).await;
    let [one, other] = pids(&site)[..] else { panic!("two") };
    std::fs::write(&flag, one.as_raw_nonzero().to_string()).unwrap();
    let well = format!("1 {}", other.as_raw_nonzero());
    let all_well = || (0..4).all(|_| client::get(port).is_ok_and(|answer| answer == well));
    until("the keeper to see it", all_well).await;
    assert!((0..20).all(|_| client::get(port).unwrap() == well));
    assert_eq!(pids(&site), [one, other], "nobody ended it");
    std::fs::remove_file(&flag).unwrap();
    until("it to be back", || tally((0..2).map(|_| client::get(port).unwrap())).len() == 2).await;
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_for_another_number_of_replicas_ends_nothing() {
    let site = Site::new("planned");
    let mut cx = site.context("acme");
    provision(&site, &mut cx, spec(&site, &web(1), 1)).await;
    let planned = async |program: &Program| {
        let plan = site.provider.plan(&cx, &cx.subject.tenant, &spec(&site, program, 3)).await.unwrap();
        let planned = plan.changes.into_iter().map(|planned| (planned.change.path, planned.effect));
        planned.collect::<BTreeMap<String, PlannedEffect>>()
    };
    let more = ("replicas".to_owned(), PlannedEffect::InPlace);
    assert_eq!(planned(&web(1)).await, BTreeMap::from([more.clone()]));
    let other = planned(&web(2)).await;
    assert_eq!(other.get("replicas"), Some(&more.1), "{other:?}");
    let rest: Vec<_> = other.into_iter().filter(|(path, _)| *path != more.0).collect();
    assert!(!rest.is_empty() && rest.iter().all(|(_, effect)| *effect == PlannedEffect::Replace), "{rest:?}");
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_binds_its_port_itself_has_no_replicas() {
    let site = Site::new("binders");
    let mut cx = site.context("acme");
    let port = free_port();
    let direct = Program::web(1).at(port).binding(port);
    let refused = site.provider.provision(&cx, &spec(&site, &direct, 2)).await.unwrap_err();
    assert_eq!((refused.code, refused.remedy), (ErrorCode::InvalidConfiguration, Remedy::Permanent));
    assert!(refused.message.contains("container web listens on its host port"), "{refused}");
    assert_eq!(site.processes(), []);
    // Nor can one that runs get some.
    provision(&site, &mut cx, spec(&site, &direct, 1)).await;
    let before = pids(&site);
    let two = spec(&site, &direct, 2);
    let refused = site.provider.update(&cx, &cx.subject.tenant, &two).await.unwrap_err();
    assert!(refused.message.contains("container web listens on its host port"), "{refused}");
    assert_eq!((pids(&site), client::get(port).unwrap()), (before, "1".to_owned()));
    site.destroy("acme").await;
}
