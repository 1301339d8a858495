//! A tenant that prints its secret wherever it can.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::{LogQuery, Provider};
use landlord_compute::store::Scope;
use landlord_compute::{Delivery, Engine, ObservePolicy, Options};
use landlord_provider_kubernetes::SECRET_TARGETS;
use landlord_state_machines::spec::{HealthCheckConfig, SecretReference, TenantComputeSpec};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};
use landlord_testing::fixtures::tenant;
use serde_json::json;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::site::{Site, spec};

/// What nobody but the tenant sees, and who reads its logs.
const SECRET: &str = "s3cret-of-the-tenant-that-prints";

/// Everything that is logged in this process.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Logged {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn printing(then: &str) -> TenantComputeSpec {
    let script = format!("echo $TOKEN >&2; echo $TOKEN > /dev/termination-log; {then}");
    let mut spec = spec("prints-a", &script);
    spec.secrets = vec![SecretReference {
        name: "token".to_owned(),
        source: "kubernetes-secret".to_owned(),
        key: "value".to_owned(),
        env_var: Some("TOKEN".to_owned()),
        ..SecretReference::default()
    }];
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_secret_that_is_printed_is_in_logs_and_nowhere_else() {
    let logged = Logged::default();
    let quiet = SECRET_TARGETS.map(|target| (target, LevelFilter::WARN));
    let targets = Targets::new().with_default(LevelFilter::TRACE).with_targets(quiet);
    let layer = tracing_subscriber::fmt::layer().with_writer(logged.clone());
    tracing_subscriber::registry().with(layer).with(targets).init();

    let site = Site::new("prints").await;
    site.admin.create("/api/v1/namespaces", &json!({ "metadata": { "name": "secrets" } })).await;
    let secret = json!({ "metadata": { "name": "token" }, "stringData": { "value": SECRET } });
    site.admin.create("/api/v1/namespaces/secrets/secrets", &secret).await;
    let defaults = json!({ "secrets": { "copy": { "namespace": "secrets" } }, "deadline_seconds": 15 });
    let path = site.dir.path().join("store");
    let provider = Arc::new(site.provider(&defaults));
    let builder = Engine::builder(SqliteStore::new(SqliteOptions::new(&path))).observe(ObservePolicy::Off);
    let engine = builder.provider(Arc::clone(&provider)).start().await.expect("an engine");
    let events = engine.subscribe(engine.head(), Scope::All);
    let handle = engine.tenant(tenant("prints-a"));
    let settled = async |operation: landlord_compute::OperationHandle| operation.await.expect("settles");

    let serves = printing("trap 'exit 0' TERM; sleep 1000 & wait");
    let provision = handle.provision(serves.clone(), Options::default()).await.expect("accepted");
    assert_eq!(settled(provision).await, Settled::Done);
    let logs =
        provider.logs(&site.cx_of(&engine, "prints-a"), &tenant("prints-a"), &LogQuery::default()).await;
    let lines: Vec<_> = logs.expect("an answer").expect("logs").collect().await;
    let printed = lines.into_iter().filter_map(Result::ok).any(|line| line.text.contains(SECRET));
    assert!(printed, "its logs have what it prints");

    let mut told = Vec::new();
    let crash = handle.update(printing("exit 5"), Options::default()).await.expect("accepted");
    told.push(format!("{:?}", settled(crash).await));
    let mut unhealthy = serves;
    unhealthy.containers[0].health_check = Some(HealthCheckConfig {
        kind: "exec".to_owned(),
        command: ["/bin/sh", "-c", "echo $TOKEN; exit 1"].map(str::to_owned).to_vec(),
        interval_seconds: 1,
        timeout_seconds: 1,
        healthy_threshold: 1,
        unhealthy_threshold: 1,
        ..HealthCheckConfig::default()
    });
    let probe = handle.update(unhealthy, Options::default()).await.expect("accepted");
    let status = handle.status().await;
    told.push(format!("{status:?}"));
    told.push(format!("{:?}", settled(probe).await));
    assert!(told.iter().filter(|told| told.contains("Failed")).count() >= 2, "{told:?}");
    told.push(format!("{:?}", handle.snapshot().await.expect("a record")));
    let destroy = handle.destroy(Options::default()).await.expect("accepted");
    assert_eq!(settled(destroy).await, Settled::Done);
    let (mut events, head) = (Box::pin(events), engine.head());
    loop {
        let delivery = events.next().await.expect("an event").expect("a readable store");
        told.push(format!("{delivery:?}"));
        if matches!(delivery, Delivery::Event { cursor, .. } if cursor >= head) {
            break;
        }
    }
    assert!(told.len() > 10);
    engine.shutdown(Duration::from_secs(10)).await.expect("a store in order");

    for told in &told {
        assert!(!told.contains(SECRET), "{told}");
    }
    let logged = String::from_utf8_lossy(&logged.0.lock().expect("no panic")).into_owned();
    assert!(logged.contains("prints-a"), "something is logged");
    assert!(!logged.contains(SECRET), "it is logged");
    for file in std::fs::read_dir(site.dir.path()).expect("a directory").flatten() {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "it is in {}", file.path().display());
    }
}
