//! The real files among the examples, each from its provision to its end on an emulator.
//!
//! MiniStack never says how a health check went, and what has a check is not ready until it has passed. So the examples
//! with checks run on moto.

use aws_sdk_ecs::types::{ContainerDefinition, ServiceField, Volume};
use futures_util::future::join_all;
use landlord_compute::machines::spec::TenantComputeSpec;
use landlord_compute::machines::status::{ComputeState, Health};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, ObservePolicy, Options};
use landlord_testing::fixtures::{memory, tenant};
use serde_json::json;

use super::site::Site;
use crate::emulators::Kind;

/// An example, for an operator who has an execution role, which secrets and logs need.
fn example(file: &str) -> TenantComputeSpec {
    let path = format!("{}/../../examples/specs/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("an example");
    let mut spec = TenantComputeSpec::from_yaml(&text).expect("a spec");
    let config = spec.provider_config.get_or_insert_with(|| json!({}));
    config["execution_role_arn"] = json!("arn:aws:iam::123456789012:role/execution");
    spec
}

/// Takes an example through its life, with another image for its first container on the way. What the emulator held.
async fn lived(engine: &Engine, site: &Site, file: &str) -> String {
    let mut spec = example(file);
    let id = spec.tenant_id.clone();
    let handle = engine.tenant(tenant(&id));
    let provision = handle.provision(spec.clone(), Options::default()).await.expect("accepted");
    assert_eq!(provision.await.expect("settles"), Settled::Done, "{file}");
    let status = handle.status().await.expect("a status");
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy), "{file}");
    let first = site.held(&id).await;
    assert!(handle.plan(spec.clone()).await.expect("it plans").is_empty(), "{file}: nothing has changed");

    let image = &mut spec.containers[0].image;
    let wanted = first.replacen(&*image, "registry.test/app/next:1", 1);
    "registry.test/app/next:1".clone_into(image);
    let update = handle.update(spec, Options::default()).await.expect("accepted");
    assert_eq!(update.await.expect("settles"), Settled::Done, "{file}");
    assert_eq!(site.held(&id).await, wanted, "{file}: its image has changed, and nothing else");

    let destroy = handle.destroy(Options::default()).await.expect("accepted");
    assert_eq!(destroy.await.expect("settles"), Settled::Done, "{file}");
    assert!(site.there(&site.name(&id)).await.is_empty(), "nothing of {file} is left");
    first
}

async fn all_lived(kind: Kind, cluster: &str, files: &[&str]) -> String {
    let site = Site::new(kind, cluster).await;
    let builder = Engine::builder(memory()).observe(ObservePolicy::Off);
    let engine = builder.provider(site.provider()).start().await.expect("an engine");
    join_all(files.iter().map(|file| lived(&engine, &site, file))).await.join("\n")
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn examples_without_checks_live_on_ministack() {
    let held = all_lived(Kind::MiniStack, "examples-mini", &["fly.yaml", "wildfly.yaml"]).await;
    insta::assert_snapshot!(held);
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn examples_with_checks_live_on_moto() {
    let files = ["compose.yaml", "nomad.yaml", "score.yaml"];
    let held = all_lived(Kind::Moto, "examples-moto", &files).await;
    insta::assert_snapshot!(held);
}

impl Site {
    /// What the emulator says of a tenant's service and of what its tasks are made from.
    async fn held(&self, id: &str) -> String {
        let described = self.client.describe_services().cluster(&self.cluster).services(self.name(id));
        let described = described.include(ServiceField::Tags).send().await.expect("the emulator answers");
        let service = described.services().first().expect("a service");
        let definition = service.task_definition().unwrap_or_default();
        let found = self.client.describe_task_definition().task_definition(definition).send().await;
        let definition = found.expect("the emulator answers").task_definition.expect("a definition");

        let network = service.network_configuration().and_then(|network| network.awsvpc_configuration());
        let public = network.and_then(|network| network.assign_public_ip());
        let public = public.map_or("not said", |public| public.as_str());
        let mut held = format!(
            "{id}: {} of {} run, of {} units and {} MiB, public address {public}\n",
            service.running_count(),
            service.desired_count(),
            definition.cpu().unwrap_or_default(),
            definition.memory().unwrap_or_default(),
        );
        let role = definition.execution_role_arn().unwrap_or_default();
        held.extend(["  role ", role, "\n"]);
        for volume in definition.volumes() {
            held.extend(["  volume ", &shown(volume), "\n"]);
        }
        for container in definition.container_definitions() {
            held.push_str(&of_container(container));
        }
        held
    }
}

fn shown(volume: &Volume) -> String {
    let name = volume.name().unwrap_or_default();
    let Some(efs) = volume.efs_volume_configuration() else { return name.to_owned() };
    format!("{name}: {} at {}", efs.file_system_id(), efs.root_directory().unwrap_or_default())
}

/// A line for each thing that a container says of itself.
fn of_container(container: &ContainerDefinition) -> String {
    let name = container.name().unwrap_or_default();
    let mut lines = vec![format!(
        "container {name}, {}: {}",
        if container.essential() == Some(false) { "a helper" } else { "essential" },
        container.image().unwrap_or_default()
    )];
    let mut line = |what: &str, text: Option<String>| {
        lines.extend(text.map(|text| format!("  {what} {text}")));
    };
    let words = |words: &[String]| (!words.is_empty()).then(|| format!("{words:?}"));
    line("entry point", words(container.entry_point()));
    line("command", words(container.command()));
    line("user", container.user().map(str::to_owned));
    let memory = (container.memory(), container.memory_reservation());
    line("memory", memory.0.map(|most| format!("{most} MiB")));
    line("reserved", memory.1.map(|least| format!("{least} MiB")));
    line("stops within", container.stop_timeout().map(|seconds| format!("{seconds} s")));
    let mut environment: Vec<String> = container
        .environment()
        .iter()
        .map(|pair| format!("{}={}", pair.name().unwrap_or_default(), pair.value().unwrap_or_default()))
        .collect();
    environment.sort();
    line("environment", words(&environment));
    for secret in container.secrets() {
        line("secret", Some(format!("{} from {}", secret.name(), secret.value_from())));
    }
    for port in container.port_mappings() {
        let (number, name) = (port.container_port().unwrap_or_default(), port.name().unwrap_or("none"));
        let spoken = port.app_protocol().map_or("none", |protocol| protocol.as_str());
        line("port", Some(format!("{number}, name {name}, protocol {spoken}")));
    }
    for mount in container.mount_points() {
        let (volume, path) =
            (mount.source_volume().unwrap_or_default(), mount.container_path().unwrap_or_default());
        line(
            "mount",
            Some(format!(
                "{volume} at {path}{}",
                if mount.read_only() == Some(true) { ", read-only" } else { "" }
            )),
        );
    }
    for before in container.depends_on() {
        line("waits for", Some(format!("{} {}", before.container_name(), before.condition().as_str())));
    }
    line(
        "check",
        container.health_check().map(|check| {
            let (interval, timeout) =
                (check.interval().unwrap_or_default(), check.timeout().unwrap_or_default());
            let retries = check.retries().unwrap_or_default();
            format!("{:?} every {interval} s within {timeout} s, {retries} times", check.command())
        }),
    );
    lines.iter().fold(String::new(), |text, line| text + "  " + line + "\n")
}
