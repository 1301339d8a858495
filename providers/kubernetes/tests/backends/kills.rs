//! An engine that is killed at any moment.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, Options};
use landlord_state_machines::id::ProviderName;
use landlord_state_machines::tenant::Record;
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use landlord_testing::fixtures::tenant;
use serde_json::json;

use super::site::{Site, kubeconfig_provider, spec};

/// Where the child's store is.
const CHILD: &str = "LANDLORD_KUBERNETES_CHILD";
/// The tenants that it works on.
const TENANTS: [&str; 2] = ["killed-x", "killed-y"];
/// How often it is killed.
const KILLS: u64 = 12;

fn script(tenant: &str, word: u64) -> landlord_compute::machines::spec::TenantComputeSpec {
    spec(tenant, &format!("trap 'exit 0' TERM; echo {word}; sleep 1000 & wait"))
}

async fn engine(dir: &Path) -> Engine {
    let store = SqliteStore::new(SqliteOptions::new(dir.join("store")));
    let provider = kubeconfig_provider(&dir.join("engine"), &json!({}));
    Engine::builder(store).provider(provider).start().await.expect("an engine")
}

/// Not a test of its own: the engine that is killed. Provisions, updates and destroys without an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by a test"]
async fn child_that_works_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let engine = engine(Path::new(&dir)).await;
    let works = TENANTS.map(|name| {
        let handle = engine.tenant(tenant(name));
        async move {
            for word in 1.. {
                let live = matches!(handle.snapshot().await.expect("a record"), Record::Live(_));
                let operation = match (live, word % 3) {
                    (false, _) => handle.provision(script(name, word), Options::default()).await,
                    (true, 0) => handle.destroy(Options::default()).await,
                    (true, _) => handle.update(script(name, word), Options::default()).await,
                };
                match operation {
                    Ok(operation) => drop(operation.await),
                    // One of before the kill goes on.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
    });
    futures_util::future::join_all(works).await;
}

fn start_child(dir: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "kills::child_that_works_until_it_is_killed", "--ignored"])
        .env(CHILD, dir)
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn an_engine_that_is_killed_again_and_again_leaves_nothing_twice_and_nothing_behind() {
    let site = Site::new("kills").await;
    for kill in 0..KILLS {
        let mut child = start_child(site.dir.path());
        // From within the first calls to within the second operation.
        tokio::time::sleep(Duration::from_millis(700 + 550 * kill)).await;
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
    }

    let engine = engine(site.dir.path()).await;
    for name in TENANTS {
        let handle = engine.tenant(tenant(name));
        // What was going on is over, whatever became of it; then it is as it was told last.
        let last = script(name, 1_000);
        let done = async {
            loop {
                let live = matches!(handle.snapshot().await.expect("a record"), Record::Live(_));
                let asked = match live {
                    true => handle.update(last.clone(), Options::default()).await,
                    false => handle.provision(last.clone(), Options::default()).await,
                };
                // There may be nothing to update, once what was going on is undone.
                if let Ok(operation) = asked
                    && matches!(operation.await, Ok(Settled::Done))
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), done).await.expect("it is as it was told last");
        let namespace = format!("/apis/apps/v1/namespaces/landlord-{name}");
        for kind in ["deployments", "replicasets"] {
            let all = site.admin.list(&format!("{namespace}/{kind}")).await;
            let run = all.iter().filter(|one| one["spec"]["replicas"] != 0).count();
            assert_eq!(run, 1, "{kind} of {name}: {all:?}");
        }
        let pods = site.pods(name).await;
        assert!(pods.len() == 1 && pods[0].to_string().contains("echo 1000"), "{pods:?}");
    }
    let provider = ProviderName::new("kubernetes").expect("a name");
    let sweep = engine.sweep(&provider).await.expect("a sweep");
    assert!(sweep.orphans.is_empty(), "{sweep:?}");
    for name in TENANTS {
        let destroy = engine.tenant(tenant(name)).destroy(Options::default()).await.expect("accepted");
        assert_eq!(destroy.await.expect("settles"), Settled::Done);
        assert!(site.admin.get(&format!("/api/v1/namespaces/landlord-{name}")).await.is_none());
    }
    engine.shutdown(Duration::from_secs(10)).await.expect("a store in order");
}
