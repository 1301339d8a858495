//! Updates that fail, each told early in the platform's words. What ran before serves throughout, and runs afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, Options};
use landlord_state_machines::spec::{ContainerSpec, Role, SecretReference, TenantComputeSpec};
use landlord_state_machines::status::{ComputeState, Health};
use landlord_testing::fixtures::tenant;
use serde_json::{Value, json};

use super::cluster::BUSYBOX;
use super::registry::Registry;
use super::serves::{page, web};
use super::site::Site;

/// How long a rollout may take.
const DEADLINE: u32 = 600;
/// How long a test waits for a failure: much shorter.
const EARLY: Duration = Duration::from_secs(150);

/// An engine, and a tenant that serves.
struct Serving {
    site: Site,
    engine: Engine,
    tenant: &'static str,
    before: TenantComputeSpec,
}

impl Serving {
    async fn new(name: &'static str, defaults: Value) -> Self {
        let site = Site::new(name).await;
        let mut all = json!({ "deadline_seconds": DEADLINE, "unschedulable_seconds": 2 });
        all.as_object_mut().expect("a map").extend(defaults.as_object().expect("a map").clone());
        let engine = site.engine(&all).await;
        let before = web(name, "before");
        let provision = engine.tenant(tenant(name)).provision(before.clone(), Options::default()).await;
        assert_eq!(provision.expect("accepted").await.expect("settles"), Settled::Done);
        Self { site, engine, tenant: name, before }
    }

    /// Updates to what must fail, and says how. All the while, what ran before serves.
    #[expect(clippy::print_stdout, reason = "how early each failure is told is of interest")]
    async fn fails(&self, what: &str, to: TenantComputeSpec) -> Arc<ProviderError> {
        let handle = self.engine.tenant(tenant(self.tenant));
        let begun = Instant::now();
        let update = handle.update(to, Options::default()).await.expect("accepted");
        let settled = tokio::select! {
            settled = update => settled.expect("settles"),
            () = self.serves_throughout() => unreachable!("it serves without an end"),
            () = tokio::time::sleep(EARLY) => panic!("{what} is not told early"),
        };
        println!("{what}: {:.1?}: {settled}", begun.elapsed());
        let Settled::Failed { error, undone } = settled else { panic!("{what} fails: {settled}") };
        assert!(undone, "{what} is undone: {error}");
        let status = handle.status().await.expect("a status");
        assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy), "after {what}");
        error
    }

    async fn serves_throughout(&self) {
        loop {
            let addresses = self.site.ready(self.tenant).await;
            assert!(!addresses.is_empty(), "a pod is ready all the while");
            for address in &addresses {
                assert_eq!(page(address).await.expect("it serves"), "before");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What ran before with another script.
    fn with_script(&self, script: &str) -> TenantComputeSpec {
        let mut spec = self.before.clone();
        spec.containers[0].command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        spec
    }

    async fn end(self) {
        let destroy = self.engine.tenant(tenant(self.tenant)).destroy(Options::default()).await;
        assert_eq!(destroy.expect("accepted").await.expect("settles"), Settled::Done);
        self.engine.shutdown(Duration::from_secs(10)).await.expect("a store in order");
    }
}

fn says(error: &ProviderError, words: &[&str]) {
    let all = format!("{} {}", error.message, error.platform.clone().unwrap_or_default());
    for word in words {
        assert!(all.contains(word), "{word:?} is not in: {all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn an_image_or_a_command_that_is_not_there_is_told() {
    let serving = Serving::new("absent", json!({})).await;
    let registry = Registry::without_images().await;
    let mut image = serving.before.clone();
    image.containers[0].image = format!("{}/none:1", registry.address);
    says(&*serving.fails("an image that is not there", image).await, &["not found", "none:1", "web"]);

    let mut command = serving.before.clone();
    command.containers[0].command = vec!["/bin/there-is-none".to_owned()];
    says(&*serving.fails("a command that is not there", command).await, &["there-is-none", "no such file"]);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_program_that_ends_is_told_with_how_it_ended() {
    let serving = Serving::new("ends", json!({})).await;
    says(&*serving.fails("a crash", serving.with_script("exit 7")).await, &["exit code 7", "web"]);

    // It reads a line without an end.
    let greedy = serving.with_script("exec sort /dev/zero");
    says(&*serving.fails("too little memory", greedy).await, &["OOMKilled"]);

    let mut init = serving.before.clone();
    init.containers.push(ContainerSpec {
        name: "prepare".to_owned(),
        image: BUSYBOX.to_owned(),
        command: ["/bin/sh", "-c", "exit 3"].map(str::to_owned).to_vec(),
        role: Role::Init,
        ..ContainerSpec::default()
    });
    says(&*serving.fails("a failing init container", init).await, &["exit code 3", "prepare"]);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn what_the_cluster_does_not_give_is_told() {
    let serving = Serving::new("refused", json!({})).await;
    let mut nowhere = serving.before.clone();
    nowhere.provider_config = Some(json!({ "node_selector": { "disk": "none-has-this" } }));
    says(&*serving.fails("no node", nowhere).await, &["node", "0/1 nodes are available"]);

    let quota = json!({ "metadata": { "name": "theirs" }, "spec": { "hard": { "pods": "1" } } });
    let quotas = "/api/v1/namespaces/landlord-refused/resourcequotas";
    serving.site.admin.create(quotas, &quota).await;
    serving
        .site
        .admin
        .until("the quota is in force", async |admin| {
            admin.get(&format!("{quotas}/theirs")).await?["status"]["hard"].is_object().then_some(())
        })
        .await;
    let other = serving.with_script("exec httpd -f -p 8080 -h /www");
    says(&*serving.fails("a quota", other).await, &["exceeded quota: theirs"]);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_secret_that_is_not_there_is_told() {
    let site = Site::new("no-secret").await;
    // All share it; it is called as one of the tenant's own would be.
    let shared = "landlord-no-secret";
    site.admin.create("/api/v1/namespaces", &json!({ "metadata": { "name": shared } })).await;
    let serving = Serving::new("no-secret", json!({ "namespaces": { "shared": { "name": shared } } })).await;
    let mut missing = serving.before.clone();
    missing.secrets = vec![SecretReference {
        name: "there-is-none".to_owned(),
        source: "kubernetes-secret".to_owned(),
        key: "password".to_owned(),
        env_var: Some("PASSWORD".to_owned()),
        ..SecretReference::default()
    }];
    says(&*serving.fails("a missing secret", missing).await, &["there-is-none", "not found"]);
    serving.end().await;
}
