//! The engine with its process provider, as a program embeds it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, OperationHandle, Options, TenantComputeSpec};
use landlord_provider_process::{ProcessOptions, ProcessProvider};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Value, json};

use super::{Asked, Took, server, usage};

pub(crate) fn measure(asked: &Asked) -> Took {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(run(asked))
}

async fn run(asked: &Asked) -> Took {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::new(SqliteOptions::new(dir.path().join("store.db")));
    let provider = ProcessProvider::new(ProcessOptions::new(dir.path().join("state")));
    let engine = Engine::builder(store).provider(provider).start().await.expect("an engine");
    let names: Vec<TenantId> = (0..asked.tenants).map(|n| id(&format!("tenant-{n}"))).collect();

    let (begun, cpu) = (Instant::now(), usage::ticks(std::process::id()));
    let provisioned = names.iter().map(|name| async {
        let tenant = engine.tenant(name.clone());
        settled(tenant.provision(parsed(name), Options::default()).await.expect("accepted")).await;
    });
    join_all(provisioned).await;
    let start = begun.elapsed();
    println!("engine: {:.1?} of CPU while all start", usage::ticks(std::process::id()) - cpu);

    // What a start leaves to do is done by then.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let keepers = usage::keepers(dir.path());
    assert_eq!(keepers.len(), asked.tenants, "a keeper each");
    let ran = || keepers.iter().map(|pid| usage::ran(*pid)).sum::<Duration>();
    let engine_ran = || usage::ticks(std::process::id());
    let (since, keepers_before, engine_before) = (Instant::now(), ran(), engine_ran());
    tokio::time::sleep(Duration::from_secs(asked.seconds)).await;
    let (engine_now, keepers_now, passed) = (engine_ran(), ran(), since.elapsed());
    let share = |ran: Duration| ran.as_secs_f64() / passed.as_secs_f64() * 100.0;
    let (of_engine, of_keepers) = (share(engine_now - engine_before), share(keepers_now - keepers_before));
    println!(
        "CPU over {passed:.0?}: engine {of_engine:.2} %, keepers {of_keepers:.2} %, together {:.2} % of a core",
        of_engine + of_keepers
    );
    let mut private: Vec<u64> = keepers.iter().map(|pid| usage::private(*pid)).collect();
    private.sort_unstable();
    let of = |part: usize| private[(private.len() - 1) * part / 100];
    println!("private memory of a keeper: median {} KiB, largest {} KiB", of(50), of(100));

    let programs: Vec<OwnedFd> = keepers.iter().flat_map(|pid| usage::children(*pid)).collect();
    assert_eq!(programs.len(), asked.tenants, "a program each");
    let (begun, cpu) = (Instant::now(), usage::ticks(std::process::id()));
    let ended = tokio::task::spawn_blocking(move || {
        programs.iter().for_each(usage::await_end);
        begun.elapsed()
    });
    let destroyed = names.iter().map(|name| async {
        settled(engine.tenant(name.clone()).destroy(Options::default()).await.expect("accepted")).await;
    });
    join_all(destroyed).await;
    let stop = begun.elapsed();
    let ended = ended.await.expect("they end");
    println!("all programs had ended after {ended:.1?}");
    println!("engine: {:.1?} of CPU while all stop\n", usage::ticks(std::process::id()) - cpu);
    engine.shutdown(Duration::from_secs(30)).await.expect("an orderly end");
    Took { start, ended, stop }
}

async fn settled(operation: OperationHandle) {
    assert_eq!(operation.await.expect("it settles"), Settled::Done);
}

fn id(name: &str) -> TenantId {
    TenantId::new(name).expect("a good name")
}

fn parsed(tenant: &TenantId) -> TenantComputeSpec {
    TenantComputeSpec::from_json(&spec(tenant.as_str()).to_string()).expect("a good spec")
}

pub(crate) fn spec(tenant: &str) -> Value {
    let (program, word) = server::command();
    json!({
        "tenant_id": tenant,
        "provider_type": "process",
        "containers": [{
            "name": "web",
            "image": "host",
            "command": [program, word],
            "ports": [{ "container_port": 80, "protocol": "tcp" }],
            "health_check": { "type": "http", "http_path": "/health", "port": 80, "interval_seconds": 5,
                "timeout_seconds": 2, "healthy_threshold": 1, "unhealthy_threshold": 3 },
        }],
        "resources": { "cpu": 128, "memory": 128 },
        "networking": { "public_ip": false },
    })
}
