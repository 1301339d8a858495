//! The conformance kit over an emulator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ecs::types::{ContainerDefinition, LaunchType};
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{
    ContainerSpec, PortMapping, ResourceRequirements, SecretReference, TenantComputeSpec,
};
use landlord_compute::provider::Provider;
use landlord_testing::conformance::{
    ConformanceReport, Harm, Patience, Platform, Resource, Unable, Variant, run,
};
use serde_json::json;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::site::Site;
use crate::emulators::{Fault, Kind, Rule, Rules, When};

/// The variable that says which variant a definition was made from.
const VARIANT: &str = "CONFORMANCE_VARIANT";

const VARIANTS: [(&str, Variant); 5] = [
    ("first", Variant::First),
    ("changed", Variant::Changed),
    ("failing", Variant::Failing),
    ("unhealthy", Variant::Unhealthy),
    ("secret", Variant::Secret),
];

/// An emulator with the provider for it.
struct Emulated {
    kind: Kind,
    site: Site,
    /// What goes wrong with the calls of a tenant.
    wrong: Mutex<BTreeMap<TenantId, Rules<'static>>>,
}

impl Emulated {
    async fn new(kind: Kind) -> Self {
        let cluster = match kind {
            Kind::MiniStack => "kit-ministack",
            Kind::MiniStackWithEngine => "kit-engine",
            Kind::Moto => "kit-moto",
        };
        Self { kind, site: Site::new(kind, cluster).await, wrong: Mutex::default() }
    }

    fn goes_wrong(&self, tenant: &TenantId, rules: &[Rule]) {
        let rules = self.site.emulator.rules(&self.site.name(tenant.as_str()), rules);
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), rules);
    }
}

#[async_trait]
impl Platform for Emulated {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(self.site.provider())
    }

    fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable> {
        let image = match (variant, self.kind) {
            (Variant::Failing | Variant::Unhealthy, Kind::MiniStack) => {
                return Err(Unable::new(
                    "without an engine MiniStack's tasks run at once, whatever they are",
                ));
            }
            (Variant::SecretFailing, _) => {
                return Err(Unable::new(
                    "ECS fetches secrets itself: what a program tells of one stays in its log",
                ));
            }
            (Variant::Failing, Kind::Moto | Kind::MiniStackWithEngine) => "registry.test/app/crash:1",
            (Variant::Unhealthy, Kind::Moto | Kind::MiniStackWithEngine) => {
                "registry.test/app/never-healthy:1"
            }
            (Variant::AddressTaken, _) => return Err(Unable::new("each task has an address of its own")),
            (Variant::BadImage, _) => "Not An Image",
            (
                Variant::First | Variant::Changed | Variant::Secret | Variant::Invalid | Variant::TooLarge,
                _,
            ) => "registry.test/app/fine:1",
        };
        let name = VARIANTS.iter().find(|(_, named)| *named == variant).map_or("other", |(name, _)| *name);
        let web = ContainerSpec {
            name: "web".to_owned(),
            image: image.to_owned(),
            env: BTreeMap::from([(VARIANT.to_owned(), name.to_owned())]),
            ports: vec![PortMapping {
                container_port: 80,
                protocol: "tcp".to_owned(),
                ..PortMapping::default()
            }],
            ..ContainerSpec::default()
        };
        let secret = SecretReference {
            name: "db".to_owned(),
            source: "aws-secrets-manager".to_owned(),
            key: "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-a1b2c3".to_owned(),
            env_var: Some("DB".to_owned()),
            ..SecretReference::default()
        };
        let role = "arn:aws:iam::123456789012:role/execution";
        let config = match variant {
            Variant::Secret => json!({ "execution_role_arn": role }),
            Variant::Invalid => json!({ "maximum_percent": 0 }),
            Variant::First
            | Variant::Changed
            | Variant::Failing
            | Variant::Unhealthy
            | Variant::TooLarge
            | Variant::BadImage
            | Variant::AddressTaken
            | Variant::SecretFailing => json!({}),
        };
        Ok(TenantComputeSpec {
            tenant_id: tenant.to_string(),
            provider_type: "ecs".to_owned(),
            containers: vec![web],
            resources: ResourceRequirements {
                cpu: 250,
                memory: if variant == Variant::TooLarge { 1_000_000 } else { 512 },
                storage: None,
                ..ResourceRequirements::default()
            },
            secrets: if variant == Variant::Secret { vec![secret] } else { Vec::new() },
            provider_config: Some(config),
            ..TenantComputeSpec::default()
        })
    }

    async fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
        let there = self.site.there(&self.site.name(tenant.as_str())).await;
        let resource = |there: super::site::There| {
            let named = there.environment.get(VARIANT).map(String::as_str);
            let made_from = VARIANTS.iter().find(|(name, _)| Some(*name) == named);
            Resource { id: there.arn, made_from: made_from.map(|(_, variant)| *variant) }
        };
        there.into_iter().map(resource).collect()
    }

    /// A task is its service's, which is named.
    fn named(&self, resources: &[Resource]) -> usize {
        resources.iter().filter(|resource| !resource.id.contains(":task/")).count()
    }

    async fn harm(&self, tenant: &TenantId, harm: Harm) -> Result<(), Unable> {
        let always = |fault| [Rule { operation: None, fault, when: When::Always }];
        match harm {
            Harm::Crash => return Err(Unable::new("ECS starts what has crashed again by itself")),
            Harm::Sicken | Harm::Hang => {
                return Err(Unable::new("its tasks cannot be made to fail their checks"));
            }
            Harm::Escape => return Err(Unable::new("a task ends with all its processes")),
            Harm::FullLogDisk => return Err(Unable::new("CloudWatch keeps what a task writes")),
            Harm::Remove => {
                let delete = self.site.client.delete_service().cluster(&self.site.cluster);
                let name = self.site.name(tenant.as_str());
                let delete = delete.service(name).force(true).send();
                delete.with_subscriber(NoSubscriber::default()).await.expect("the service goes");
            }
            Harm::Stall => self.goes_wrong(tenant, &always(Fault::Slow(Duration::from_secs(20)))),
            Harm::Outage => {
                let fault =
                    Fault::Error { status: 500, code: "ServerException", message: "Service Unavailable" };
                self.goes_wrong(tenant, &always(fault));
            }
            Harm::Obstruct => {
                let fault = Fault::Error {
                    status: 400,
                    code: "AccessDeniedException",
                    message: "User is not authorized to perform this",
                };
                let refused =
                    |operation| Rule { operation: Some(operation), fault: fault.clone(), when: When::Always };
                let operations = ["DeleteService", "DeregisterTaskDefinition", "DeleteTaskDefinitions"];
                self.goes_wrong(tenant, &operations.map(refused));
            }
        }
        Ok(())
    }

    async fn heal(&self, tenant: &TenantId) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    async fn plant(&self, subject: &Subject) -> Result<(), Unable> {
        let name = self.site.name(subject.tenant.as_str());
        let container = ContainerDefinition::builder().name("web").image("registry.test/app/theirs:1");
        let register = self.site.client.register_task_definition().family("somebody-elses");
        let register = register.container_definitions(container.memory(128).build());
        let register = register.send().with_subscriber(NoSubscriber::default());
        let definition = register.await.expect("a definition").task_definition;
        let definition = definition.and_then(|it| it.task_definition_arn).expect("its ARN");
        let create = self.site.client.create_service().cluster(&self.site.cluster).service_name(name);
        let create = create.task_definition(definition).desired_count(1).launch_type(LaunchType::Ec2);
        create.send().with_subscriber(NoSubscriber::default()).await.expect("a service");
        Ok(())
    }

    fn retaining(&self, _tenant: &TenantId) -> Result<TenantComputeSpec, Unable> {
        Err(Unable::new("a volume of EFS is its operator's: the provider neither makes nor removes it"))
    }

    fn secret(&self) -> Result<String, Unable> {
        Err(Unable::new("ECS fetches secrets itself: no value of one comes near the provider"))
    }

    fn limits(&self) -> Patience {
        Patience {
            // An emulator that works for other tests too may stand still for seconds.
            settle: Duration::from_secs(10),
            pause: Duration::from_millis(100),
            interruptions: 6,
            parallel: 4,
            ..Patience::default()
        }
    }
}

fn judged(report: &ConformanceReport, unsaid: &[&str]) {
    report.assert_held();
    let found: BTreeSet<&str> = report.not_applicable().map(|row| row.clause).collect();
    assert_eq!(found, unsaid.iter().copied().collect(), "{report}");
}

/// What no emulator of ECS can be asked.
const NO_HARM: [&str; 19] = [
    "provision.address-taken",
    "update.no-downtime",
    "update.drift",
    "update.hang",
    "update.escaped",
    "replicas.run",
    "replicas.kept",
    "destroy.escaped",
    "destroy.retains",
    "destroy.retains-again",
    "release.everything",
    "release.idempotent",
    "release.next-life",
    "list.retained",
    "status.current",
    "logs.disk-full",
    "logs.lost-lines",
    "secrets.observations",
    "describes.observe",
];

/// What a tenant that fails or takes its time is needed for.
const NO_FAILURE: [&str; 14] = [
    "provision.atomic",
    "provision.waits",
    "provision.fails-early",
    "update.rolls-back",
    "errors.provision-failed",
    "errors.update-failed",
    "errors.platform-words",
    "context.cancelled",
    "context.deadline",
    "tenants.parallel",
    "undo.provision",
    "undo.update",
    "undo.ledger",
    "undo.itemised",
];

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn the_provider_keeps_the_contract_on_ministack() {
    let report = run(&Emulated::new(Kind::MiniStack).await).await;
    println!("{report}");
    judged(&report, &[&NO_HARM[..], &NO_FAILURE].concat());
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn the_provider_keeps_the_contract_on_moto() {
    let report = run(&Emulated::new(Kind::Moto).await).await;
    println!("{report}");
    judged(&report, &NO_HARM);
}
