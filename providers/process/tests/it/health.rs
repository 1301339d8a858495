//! A launch that fails its check is not kept, whoever meets it.

use std::time::Duration;

use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::Provider;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{Options, TenantComputeSpec, TenantHandle};
use landlord_provider_process::ProcessProvider;

use crate::tenants::program::Program;
use crate::tenants::{Site, client, engine, until};

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
