//! The engine with its Kubernetes provider, as a program embeds it, in a process of its own.

use std::path::Path;
use std::process::Command;

use futures_util::stream::{self, StreamExt as _};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, Options};
use landlord_provider_kubernetes::{KubernetesOptions, KubernetesProvider};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::TenantComputeSpec;
use landlord_testing::fixtures::memory;
use serde_json::json;

use super::Asked;

/// The option by which this program is the engine, with the way to the cluster.
pub(crate) const ROLE: &str = "--engine";
/// As many as the controllers of the cluster may ask for.
const REQUESTS_PER_SECOND: u32 = 2_000;

/// Has an engine provision all tenants.
pub(crate) fn provision(asked: &Asked, kubeconfig: &Path) {
    let program = std::env::current_exe().expect("this program");
    let (tenants, concurrency) = (asked.tenants.to_string(), asked.concurrency.to_string());
    let status = Command::new(program)
        .arg(ROLE)
        .arg(kubeconfig)
        .args(["--tenants", &tenants, "--concurrency", &concurrency])
        .status();
    assert!(status.expect("the engine starts").success(), "the engine failed");
}

/// Is the engine, until all tenants run.
pub(crate) async fn run(asked: &Asked, kubeconfig: &Path) {
    let config = json!({ "cluster": { "kubeconfig": { "path": kubeconfig } } });
    let options = KubernetesOptions::new(config).requests_per_second(REQUESTS_PER_SECOND);
    let provider = KubernetesProvider::new(options).expect("good options");
    let engine = Engine::builder(memory()).provider(provider).start().await.expect("an engine");
    let provisions = stream::iter(0..asked.tenants).map(async |n| {
        let spec = spec(&format!("engine-{n:04}"));
        let tenant = engine.tenant(TenantId::new(&spec.tenant_id).expect("a good name"));
        let operation = tenant.provision(spec, Options::default()).await.expect("accepted");
        assert_eq!(operation.await.expect("it settles"), Settled::Done);
    });
    provisions.buffer_unordered(asked.concurrency).collect::<Vec<()>>().await;
}

/// A server with a check.
pub(crate) fn spec(tenant: &str) -> TenantComputeSpec {
    let spec = json!({
        "tenant_id": tenant,
        "provider_type": "kubernetes",
        "containers": [{
            "name": "web",
            "image": "registry.example.com/web:1",
            "ports": [{ "container_port": 8080, "name": "http" }],
            "env": { "GREETING": "hello" },
            "health_check": { "type": "http", "http_path": "/health", "port": 8080, "interval_seconds": 5,
                "timeout_seconds": 2, "healthy_threshold": 1, "unhealthy_threshold": 3 },
            "stop": { "grace_seconds": 1 },
        }],
        "resources": { "cpu": 128, "memory": 128 },
    });
    TenantComputeSpec::from_json(&spec.to_string()).expect("a good spec")
}
