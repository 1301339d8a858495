//! Which container starts, and ends, before which.

use std::path::Path;

use landlord_compute::machines::status::{ComputeState, Health};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::Provider;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{Options, TenantComputeSpec};
use landlord_provider_process::ProcessProvider;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::tenants::program::Program;
use crate::tenants::{Site, checked, client, engine, until};

/// A tenant of these containers, each with the file `said` to write to.
fn tenant(site: &Site, containers: &[(&str, Program, Value)]) -> Value {
    let mut whole = site.value("acme", &Program::script("exit 1"));
    let one = |(name, program, more): &(&str, Program, Value)| {
        let program = program.clone().with("SAID", site.path("said").display());
        let mut container = site.value("acme", &program)["containers"][0].clone();
        container["name"] = json!(name);
        for (field, value) in more.as_object().unwrap() {
            container[field] = value.clone();
        }
        container
    };
    whole["containers"] = containers.iter().map(one).collect();
    whole
}

fn said(site: &Site) -> String {
    std::fs::read_to_string(site.path("said")).unwrap_or_default()
}

/// Says a word, and once more when it is asked to end.
fn speaker(word: &str) -> Program {
    Program::script(&format!(
        r#"echo {word} >>"$SAID"; trap 'echo no-{word} >>"$SAID"; exit' TERM; while :; do sleep 0.05; done"#
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_and_dependencies_are_the_order_of_start_and_end() {
    let site = Site::new("order");
    let init = json!({ "role": "init" });
    let slow = Program::script(r#"sleep 0.3; echo first >>"$SAID""#);
    let spec = tenant(
        &site,
        &[
            (
                "main",
                speaker("main"),
                json!({ "depends_on": [{ "container": "web", "condition": "healthy" }] }),
            ),
            ("web", Program::web(1).slow(300), json!({})),
            ("helper", speaker("helper"), json!({ "role": "sidecar" })),
            ("first", slow, init.clone()),
            ("second", Program::script(r#"echo second >>"$SAID""#), init),
        ],
    );
    let (cx, spec) = (site.context("acme"), checked(&spec));
    let tenant = &cx.subject.tenant;
    site.provider.provision(&cx, &spec).await.unwrap();
    assert_eq!(said(&site), "first\nsecond\nhelper\nmain\n");
    let status = site.provider.get_status(&cx, tenant).await.unwrap();
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    let first = status.containers.iter().find(|container| container.name == "first").unwrap();
    assert_eq!((first.state, first.ready), (ComputeState::Stopped, true));

    // What has completed does so once.
    site.provider.provision(&cx, &spec).await.unwrap();
    assert_eq!(said(&site), "first\nsecond\nhelper\nmain\n");
    site.destroy("acme").await;
    assert_eq!(said(&site), "first\nsecond\nhelper\nmain\nno-main\nno-helper\n");
}

#[tokio::test]
async fn an_init_container_that_fails_is_named_and_nothing_else_has_run() {
    let site = Site::new("init");
    let spec = tenant(
        &site,
        &[
            ("main", speaker("main"), json!({})),
            ("migrate", Program::script("exit 7"), json!({ "role": "init" })),
        ],
    );
    let cx = site.context("acme");
    let failed = site.provider.provision(&cx, &checked(&spec)).await.unwrap_err().to_string();
    assert!(failed.contains("init container migrate has failed: exited with code 7"), "{failed}");
    assert_eq!(said(&site), "");
    site.destroy("acme").await;
}

/// A repair brings back what has crashed, and no more; an update begins anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_does_not_initialise_again_and_an_update_does() {
    let site = Site::new("again");
    let provider = ProcessProvider::new(crate::options(site.dir.path()));
    let engine = engine(MemoryStore::new(MemoryOptions::default()), provider).await;
    let acme = engine.tenant(landlord_compute::machines::id::TenantId::new("acme").unwrap());
    let spec = |version: u32| {
        let init = Program::script(r#"echo init >>"$SAID""#);
        let containers =
            [("web", Program::web(version), json!({})), ("init", init, json!({ "role": "init" }))];
        TenantComputeSpec::from_json(&tenant(&site, &containers).to_string()).unwrap()
    };
    let provisioned = acme.provision(spec(1), Options::default()).await.unwrap().await.unwrap();
    assert_eq!(provisioned, Settled::Done);
    let [(old, _)] = site.processes()[..] else { panic!("{:?}", site.processes()) };
    kill_process(old, Signal::KILL).unwrap();
    until("another one", || site.processes().iter().any(|(pid, _)| *pid != old)).await;
    let updated = acme.update(spec(1), Options::default()).await.unwrap().await.unwrap();
    assert_eq!(updated, Settled::Done);
    assert_eq!(said(&site), "init\n");
    let updated = acme.update(spec(2), Options::default()).await.unwrap().await.unwrap();
    assert_eq!(updated, Settled::Done);
    assert_eq!(said(&site), "init\ninit\n");
    assert_eq!(acme.destroy(Options::default()).await.unwrap().await.unwrap(), Settled::Done);
    assert_eq!((site.processes(), site.keepers()), (vec![], vec![]));
    engine.shutdown(std::time::Duration::from_secs(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_stopped_as_its_spec_says() {
    let site = Site::new("stop");
    let script = r#"trap 'echo int >>"$SAID"; exit' INT; trap '' TERM; echo up >>"$SAID"; while :; do sleep 0.05; done"#;
    let stop = json!({ "stop": { "signal": "SIGINT", "grace_seconds": 30 } });
    let spec = tenant(&site, &[("main", Program::script(script), stop)]);
    site.provider.provision(&site.context("acme"), &checked(&spec)).await.unwrap();
    until("the program", || said(&site) == "up\n").await;
    site.destroy("acme").await;
    assert_eq!(said(&site), "up\nint\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_stops_first_where_its_spec_says_so() {
    let site = Site::new("first");
    let mut cx = site.context("acme");
    let spec = |version: u32| {
        let mut spec = site.value("acme", &Program::web(version));
        spec["update"] = json!({ "order": "stop_first" });
        checked(&spec)
    };
    let port = site.provider.provision(&cx, &spec(1)).await.unwrap().endpoints[0].port;
    cx.applied = Some(spec(1));
    let [(old, _)] = site.processes()[..] else { panic!("{:?}", site.processes()) };
    let together = std::thread::spawn({
        let dir = site.dir.path().to_owned();
        move || was_together(&dir, old)
    });
    site.provider.update(&cx, &cx.subject.tenant, &spec(2)).await.unwrap();
    assert!(!together.join().unwrap(), "the old one had ended when the new one began");
    assert_eq!(client::get(port).unwrap(), "2");
    site.destroy("acme").await;
}

/// Whether another process of a site was there while this one ran.
fn was_together(site: &Path, old: rustix::process::Pid) -> bool {
    let site = site.display().to_string();
    let another = || crate::tenants::of_site(&site).any(|pid| pid != old);
    while crate::runs(old) {
        if another() && crate::runs(old) {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_container_that_does_not_end_by_the_deadline_is_stopped() {
    let site = Site::new("endless");
    let mut endless = tenant(
        &site,
        &[
            ("web", Program::web(1), json!({})),
            ("first", Program::script("exec sleep 600"), json!({ "role": "init" })),
        ],
    );
    endless["update"] = json!({ "deadline_seconds": 1 });
    let cx = site.context("acme");
    let failed = site.provider.provision(&cx, &checked(&endless)).await.unwrap_err();
    assert!(
        failed.message.contains("init container first was stopped: it has not ended within 1 s"),
        "{failed}"
    );
    assert_eq!((site.processes(), site.keepers()), (vec![], vec![]));
}
