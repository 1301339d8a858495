//! Tasks that are real containers: they crash, are replaced, and are rolled back.

use aws_sdk_ecs::types::{DesiredStatus, Task};
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::spec::TenantComputeSpec;
use landlord_compute::machines::status::{ComputeState, Health};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, ObservePolicy, Options};
use tokio::net::TcpStream;

use super::site::{Site, spec};
use crate::emulators::Kind;
use landlord_testing::fixtures::{memory, tenant};

/// Serves until it is told to end. MiniStack takes `command`, and ignores an entry point.
const SERVES: &str = "trap 'exit 0' TERM; while true; do sleep 1; done";

/// The same, but it ends by itself as soon as somebody connects to it.
const ENDS_WHEN_CALLED: &str = "trap 'exit 0' TERM; nc -l -p 7000 & wait; exit 5";

fn program(name: &str, script: &str) -> TenantComputeSpec {
    let mut spec = spec(name, "busybox:test");
    spec.containers[0].args = ["sh", "-c", script].map(str::to_owned).to_vec();
    spec
}

async fn engine(site: &Site) -> Engine {
    let builder = Engine::builder(memory()).observe(ObservePolicy::Off);
    builder.provider(site.provider()).start().await.expect("an engine")
}

async fn provisioned(engine: &Engine, name: &str, script: &str) -> Settled {
    let operation = engine.tenant(tenant(name)).provision(program(name, script), Options::default()).await;
    operation.expect("accepted").await.expect("settles")
}

async fn destroyed(engine: &Engine, site: &Site, name: &str) {
    let operation = engine.tenant(tenant(name)).destroy(Options::default()).await.expect("accepted");
    assert_eq!(operation.await.expect("settles"), Settled::Done);
    assert!(site.there(&site.name(name)).await.is_empty(), "nothing of {name} is left");
}

fn failure(settled: Settled) -> (std::sync::Arc<ProviderError>, bool) {
    match settled {
        Settled::Failed { error, undone } => (error, undone),
        other @ (Settled::Done
        | Settled::Cancelled { .. }
        | Settled::Superseded { .. }
        | Settled::Abandoned { .. }) => panic!("it should have failed: {other}"),
    }
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn a_task_that_ends_is_replaced_and_its_tenant_goes_on() {
    let site = Site::new(Kind::MiniStackWithEngine, "replaced").await;
    let engine = engine(&site).await;
    assert_eq!(provisioned(&engine, "replaced-a", ENDS_WHEN_CALLED).await, Settled::Done);
    let before = site.running("replaced-a").await;
    assert_eq!(before.len(), 1, "one task runs");
    let address = site.address(&before[0]).await;
    site.until(async || TcpStream::connect((address.as_str(), 7000)).await.ok()).await;
    let after = site.until(async || {
        let now = site.running("replaced-a").await;
        (now.len() == 1 && now != before).then_some(now)
    });
    assert_ne!(after.await, before);
    let status = engine.tenant(tenant("replaced-a")).status().await.expect("a status");
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    destroyed(&engine, &site, "replaced-a").await;
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn a_program_that_ends_at_once_fails_its_provision_with_its_exit_code_and_leaves_nothing() {
    let site = Site::new(Kind::MiniStackWithEngine, "crashes").await;
    let engine = engine(&site).await;
    let (error, undone) = failure(provisioned(&engine, "crashes-a", "exit 3").await);
    assert!(undone, "{error}");
    let words = error.platform.clone().unwrap_or_default();
    assert!(words.contains("Essential container exited") && words.contains("code 3"), "{words}");
    assert!(site.there(&site.name("crashes-a")).await.is_empty(), "nothing is left");
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn an_image_that_is_not_there_fails_its_provision_with_ecs_words() {
    let site = Site::new(Kind::MiniStackWithEngine, "no-image").await;
    let engine = engine(&site).await;
    let spec = spec("no-image-a", "registry.invalid/app/none:1");
    let operation = engine.tenant(tenant("no-image-a")).provision(spec, Options::default()).await;
    let (error, undone) = failure(operation.expect("accepted").await.expect("settles"));
    assert!(undone, "{error}");
    let words = error.platform.clone().unwrap_or_default();
    assert!(words.contains("image"), "{words}");
    assert!(site.there(&site.name("no-image-a")).await.is_empty(), "nothing is left");
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn an_update_that_the_breaker_rolls_back_is_a_failure_and_what_ran_before_runs() {
    let site = Site::new(Kind::MiniStackWithEngine, "breaker").await;
    let engine = engine(&site).await;
    assert_eq!(provisioned(&engine, "breaker-a", SERVES).await, Settled::Done);
    let handle = engine.tenant(tenant("breaker-a"));
    let broken = program("breaker-a", "exit 4");
    let operation = handle.update(broken, Options::default()).await.expect("accepted");
    let (error, undone) = failure(operation.await.expect("settles"));
    assert!(undone, "{error}");
    let words = error.platform.clone().unwrap_or_default();
    assert!(words.contains("circuit breaker"), "{words}");
    let there = site.there(&site.name("breaker-a")).await;
    assert_eq!(there.len(), 2, "a service and the revision before are left");
    let status = handle.status().await.expect("a status");
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    assert_eq!(site.running("breaker-a").await.len(), 1);
    destroyed(&engine, &site, "breaker-a").await;
}

impl Site {
    /// The tasks of a tenant that run.
    async fn running(&self, name: &str) -> Vec<String> {
        let list = self.client.list_tasks().cluster(&self.cluster).service_name(self.name(name));
        let found = list.desired_status(DesiredStatus::Running).send().await.expect("the emulator answers");
        let arns = found.task_arns.unwrap_or_default();
        if arns.is_empty() {
            return arns;
        }
        let tasks = self.tasks(arns).await;
        let running = tasks.into_iter().filter(|task| task.last_status() == Some("RUNNING"));
        running.filter_map(|task| task.task_arn).collect()
    }

    /// Where a task listens.
    async fn address(&self, arn: &str) -> String {
        let tasks = self.tasks(vec![arn.to_owned()]).await;
        let attachments = tasks.iter().flat_map(|task| task.attachments());
        let details = attachments.flat_map(|attachment| attachment.details());
        let mut addresses = details.filter(|detail| detail.name() == Some("privateIPv4Address"));
        addresses.next().and_then(|detail| detail.value()).expect("a task has an address").to_owned()
    }

    async fn tasks(&self, arns: Vec<String>) -> Vec<Task> {
        let described = self.client.describe_tasks().cluster(&self.cluster).set_tasks(Some(arns)).send();
        described.await.expect("the emulator answers").tasks.unwrap_or_default()
    }

    /// What a look shows in the end.
    async fn until<T>(&self, look: impl AsyncFn() -> Option<T>) -> T {
        let looks = async {
            loop {
                if let Some(seen) = look().await {
                    return seen;
                }
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), looks).await.expect("it comes to be so")
    }
}
