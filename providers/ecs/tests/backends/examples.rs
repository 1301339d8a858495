//! The specs among the examples, run on an emulator. It is asked what it holds; what it does not check, such as
//! whether there is a file system, it takes as it is.

use std::path::PathBuf;

use aws_sdk_ecs::types::TaskDefinition;
use landlord_compute::machines::spec::{Condition, TenantComputeSpec};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, ObservePolicy, Options, Spec};
use landlord_testing::fixtures::{memory, tenant};
use serde_json::json;

use super::site::Site;
use crate::emulators::Kind;

/// Every example for ECS, with what the operator of an engine there has set.
fn examples() -> Vec<Spec> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/specs"));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("there").map(|entry| entry.expect("readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("readable");
        let spec = TenantComputeSpec::from_yaml(&text).and_then(|spec| Ok(spec.check()?));
        spec.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.into_iter().map(read).filter(|spec| spec.provider().as_str() == "ecs").collect()
}

/// With the role that reads the secrets of its tasks, and without health checks: the emulator's tasks have no health, so that
/// none would ever be ready. What waits for a healthy container waits for it to start.
fn for_the_emulator(spec: &Spec) -> Spec {
    let mut spec = TenantComputeSpec::clone(spec);
    for container in &mut spec.containers {
        container.health_check = None;
        for needed in &mut container.depends_on {
            needed.condition = Condition::Started;
        }
    }
    let config = spec.provider_config.get_or_insert_with(|| json!({}));
    config["execution_role_arn"] = json!("arn:aws:iam::123456789012:role/execution");
    spec.check().expect("valid")
}

/// What the emulator holds of a tenant, beside what it was asked for.
async fn is_as_asked(site: &Site, spec: &Spec) {
    let name = site.name(spec.tenant().as_str());
    let described = site.client.describe_services().cluster(&site.cluster).services(&name).send().await;
    let services = described.expect("the emulator answers");
    let [service] = services.services() else { panic!("{name}: one service") };
    assert_eq!(service.desired_count(), 1, "{name}");
    let definition = service.task_definition().expect("it has one");
    let definition = site.client.describe_task_definition().task_definition(definition).send().await;
    let definition = definition.expect("the emulator answers").task_definition.expect("it is there");
    for container in &spec.containers {
        let made =
            definition.container_definitions().iter().find(|made| made.name() == Some(&container.name));
        let made = made.unwrap_or_else(|| panic!("{name}: no container {}", container.name));
        assert_eq!(made.image(), Some(&*container.image));
        let mounts: Vec<_> = made.mount_points().iter().filter_map(|mount| mount.container_path()).collect();
        let asked: Vec<&str> = container.mounts.iter().map(|mount| &*mount.path).collect();
        assert_eq!(mounts, asked, "{name}, {}", container.name);
        let after: Vec<_> = made.depends_on().iter().map(|after| after.container_name()).collect();
        let asked: Vec<&str> = container.depends_on.iter().map(|after| &*after.container).collect();
        assert_eq!(after, asked, "{name}, {}", container.name);
    }
    assert_eq!(secrets(&definition), asked_secrets(spec), "{name}");
}

/// Container, variable and where the value comes from.
fn secrets(definition: &TaskDefinition) -> Vec<(String, String, String)> {
    let of = definition.container_definitions().iter().flat_map(|container| {
        container.secrets().iter().map(move |secret| {
            let name = container.name().unwrap_or_default().to_owned();
            (name, secret.name().to_owned(), secret.value_from().to_owned())
        })
    });
    of.collect()
}

fn asked_secrets(spec: &Spec) -> Vec<(String, String, String)> {
    let of = spec.containers.iter().flat_map(|container| {
        let own = spec.secrets.iter().filter(move |secret| secret.is_for(&container.name));
        own.filter_map(move |secret| {
            Some((container.name.clone(), secret.env_var.clone()?, secret.key.clone()))
        })
    });
    of.collect()
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn the_examples_run_are_updated_and_go() {
    let site = Site::new(Kind::MiniStack, "examples").await;
    let builder = Engine::builder(memory()).observe(ObservePolicy::Off);
    let engine = builder.provider(site.provider()).start().await.expect("an engine");
    let specs = examples();
    assert_eq!(specs.len(), 5);
    for spec in specs {
        let spec = for_the_emulator(&spec);
        let handle = engine.tenant(tenant(spec.tenant().as_str()));
        let provisioned = handle.provision(spec.clone(), Options::default()).await.expect("accepted");
        assert_eq!(provisioned.await.expect("settles"), Settled::Done, "{}", spec.tenant());
        is_as_asked(&site, &spec).await;
        assert!(handle.plan(spec.clone()).await.expect("it plans").is_empty(), "{}", spec.tenant());
        let mut other = TenantComputeSpec::clone(&spec);
        other.containers[0].image = "registry.test/app/other:2".to_owned();
        let other = other.check().expect("valid");
        let updated = handle.update(other.clone(), Options::default()).await.expect("accepted");
        assert_eq!(updated.await.expect("settles"), Settled::Done, "{}", spec.tenant());
        is_as_asked(&site, &other).await;
        let destroyed = handle.destroy(Options::default()).await.expect("accepted");
        assert_eq!(destroyed.await.expect("settles"), Settled::Done);
        assert!(site.there(&site.name(spec.tenant().as_str())).await.is_empty(), "{} is gone", spec.tenant());
    }
}
