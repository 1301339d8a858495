//! A provider on the cluster, under the rights that operators give it, and an administrator who looks past it.

use std::path::Path;
use std::sync::Arc;

use landlord_compute::clock::SystemClock;
use landlord_compute::machines::tenant::Policy;
use landlord_compute::provider::{Context, Provider as _};
use landlord_compute::{Engine, ObservePolicy};
use landlord_provider_kubernetes::{KubernetesOptions, KubernetesProvider};
use landlord_state_machines::id::{Incarnation, ProviderName, TenantId};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::spec::{
    ContainerSpec, PortMapping, ResourceRequests, ResourceRequirements, StopConfig, TenantComputeSpec,
};
use landlord_testing::fixtures::memory;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::cluster::{Admin, BUSYBOX, Cluster};

/// What operators apply.
pub(crate) const MANIFEST: &str = include_str!("../../../../ops/kubernetes/rbac.yaml");

/// A cluster as a test sees it.
pub(crate) struct Site {
    pub(crate) admin: Admin,
    /// What the engine is called.
    pub(crate) engine: String,
    /// What the engine knows the way to the cluster from.
    pub(crate) dir: TempDir,
}

impl Site {
    /// The shared cluster, for an engine of this name.
    pub(crate) async fn new(engine: &str) -> Self {
        let cluster = tokio::task::spawn_blocking(Cluster::shared).await.expect("a cluster");
        static PREPARED: OnceCell<()> = OnceCell::const_new();
        let admin = Admin::new(&cluster.kubeconfig).await;
        PREPARED.get_or_init(async || prepare(&admin).await).await;
        Self::on(cluster, admin, engine).await
    }

    /// A cluster of the test's own.
    pub(crate) async fn alone(cluster: &Cluster, engine: &str) -> Self {
        let admin = Admin::new(&cluster.kubeconfig).await;
        prepare(&admin).await;
        Self::on(cluster, admin, engine).await
    }

    async fn on(cluster: &Cluster, admin: Admin, engine: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let token = token(&admin, "landlord", "landlord-compute").await;
        let site = Self { admin, engine: engine.to_owned(), dir };
        site.write_kubeconfig(cluster, "engine", &token);
        site
    }

    /// Writes a kubeconfig of this name, for the user of this token.
    pub(crate) fn write_kubeconfig(&self, cluster: &Cluster, name: &str, token: &str) {
        let admin = std::fs::read_to_string(&cluster.kubeconfig).expect("a kubeconfig");
        let mut config: Value = serde_saphyr::from_str(&admin).expect("a kubeconfig");
        config["users"][0]["user"] = json!({ "token": token });
        std::fs::write(self.dir.path().join(name), config.to_string()).expect("a file");
    }

    /// The same for the engine's own user, whose way leads to this address.
    pub(crate) fn write_kubeconfig_to(&self, url: &str, name: &str) {
        let own = std::fs::read_to_string(self.dir.path().join("engine")).expect("a kubeconfig");
        let mut config: Value = serde_json::from_str(&own).expect("a kubeconfig");
        config["clusters"][0]["cluster"] = json!({ "server": url });
        std::fs::write(self.dir.path().join(name), config.to_string()).expect("a file");
    }

    /// A provider as a program that was just started makes it.
    pub(crate) fn provider(&self, defaults: &Value) -> KubernetesProvider {
        self.provider_as("engine", defaults)
    }

    /// The same, whose kubeconfig has this name.
    pub(crate) fn provider_as(&self, name: &str, defaults: &Value) -> KubernetesProvider {
        kubeconfig_provider(&self.dir.path().join(name), defaults)
    }

    pub(crate) async fn engine(&self, defaults: &Value) -> Engine {
        // What may be tried again is, once.
        let policy = Policy { attempts: 2, ..Policy::default() };
        let builder = Engine::builder(memory()).observe(ObservePolicy::Off).policy(policy);
        builder.provider(self.provider(defaults)).start().await.expect("an engine")
    }

    /// What a look at a tenant of an engine is about.
    pub(crate) fn cx_of(&self, engine: &Engine, tenant: &str) -> Context {
        self.context(&engine.store_name(), tenant)
    }

    pub(crate) fn cx(&self, tenant: &str) -> Context {
        self.context(&self.engine, tenant)
    }

    fn context(&self, engine: &str, tenant: &str) -> Context {
        let subject = Subject {
            engine: engine.into(),
            provider: ProviderName::new("kubernetes").expect("a name"),
            tenant: TenantId::new(tenant).expect("an id"),
            incarnation: Incarnation(1),
        };
        Context::alone(subject, Arc::new(SystemClock))
    }

    /// Destroys a tenant, of which nothing is left then.
    pub(crate) async fn destroyed(&self, tenant: &str) {
        let (id, cx) = (TenantId::new(tenant).expect("an id"), self.cx(tenant));
        self.provider(&json!({})).destroy(&cx, &id).await.expect("a destroy");
        assert!(self.admin.get(&format!("/api/v1/namespaces/landlord-{tenant}")).await.is_none());
    }

    /// The pods of a tenant, also those that end.
    pub(crate) async fn pods(&self, tenant: &str) -> Vec<Value> {
        self.admin.list(&format!("/api/v1/namespaces/landlord-{tenant}/pods")).await
    }

    /// Addresses of pods that its service leads to.
    pub(crate) async fn ready(&self, tenant: &str) -> Vec<String> {
        let all = self.admin.list(&format!("/api/v1/namespaces/landlord-{tenant}/endpoints")).await;
        let subsets = all.iter().filter_map(|one| one["subsets"].as_array()).flatten();
        let addresses = subsets.filter_map(|subset| subset["addresses"].as_array()).flatten();
        addresses.filter_map(|address| address["ip"].as_str()).map(str::to_owned).collect()
    }
}

/// A provider whose way to the cluster is this file.
pub(crate) fn kubeconfig_provider(path: &Path, defaults: &Value) -> KubernetesProvider {
    let mut config = json!({ "cluster": { "kubeconfig": { "path": path } } });
    if let (Some(under), Some(over)) = (config.as_object_mut(), defaults.as_object()) {
        under.extend(over.clone());
    }
    KubernetesProvider::new(KubernetesOptions::new(config)).expect("good options")
}

/// Waits until the cluster has all that it starts with, and gives the engine's service account its rights.
async fn prepare(admin: &Admin) {
    admin.until("the API server is ready", async |admin| admin.is_ready().await.then_some(())).await;
    let manifests: Vec<Value> = serde_saphyr::from_multiple(MANIFEST).expect("manifests");
    for manifest in &manifests {
        admin.create(collection(manifest["kind"].as_str().expect("a kind")), manifest).await;
    }
}

fn collection(kind: &str) -> &'static str {
    match kind {
        "Namespace" => "/api/v1/namespaces",
        "ServiceAccount" => "/api/v1/namespaces/landlord/serviceaccounts",
        "ClusterRole" => "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "ClusterRoleBinding" => "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        kind => panic!("an unknown kind in the manifest: {kind}"),
    }
}

/// The token of a service account.
pub(crate) async fn token(admin: &Admin, namespace: &str, account: &str) -> String {
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let made = admin.create(&path, &request).await;
    made["status"]["token"].as_str().expect("a token").to_owned()
}

/// A tenant of one container, whose first process is this script.
pub(crate) fn spec(tenant: &str, script: &str) -> TenantComputeSpec {
    let web = ContainerSpec {
        name: "web".to_owned(),
        image: BUSYBOX.to_owned(),
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        stop: Some(StopConfig { grace_seconds: Some(4), ..StopConfig::default() }),
        ports: vec![PortMapping { container_port: 8080, ..PortMapping::default() }],
        ..ContainerSpec::default()
    };
    TenantComputeSpec {
        tenant_id: tenant.to_owned(),
        provider_type: "kubernetes".to_owned(),
        containers: vec![web],
        // There is room on the node for the tenants of all tests.
        resources: ResourceRequirements {
            cpu: 128,
            memory: 128,
            requests: Some(ResourceRequests { cpu: Some(10), memory: Some(16) }),
            ..ResourceRequirements::default()
        },
        ..TenantComputeSpec::default()
    }
}
