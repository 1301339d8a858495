//! The conformance kit over the fake: all that a platform can do to a provider.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{SecretReference, TenantComputeSpec};
use landlord_compute::provider::Provider;
use landlord_testing::conformance::{Harm, Patience, Platform, Resource, Unable, Variant, run};
use serde_json::json;

use super::fake::{Fake, Found, Mishap, Pace, Refusal, Server, Trap};
use super::provider::{provider_over_http, spec};

/// The image of each variant that runs.
const IMAGES: [(&str, Variant); 5] = [
    ("registry.test/first:1", Variant::First),
    ("registry.test/changed:1", Variant::Changed),
    ("registry.test/crash:1", Variant::Failing),
    ("registry.test/never-healthy:1", Variant::Unhealthy),
    ("registry.test/secret:1", Variant::Secret),
];

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf";

struct Cloud {
    fake: Fake,
    server: Server,
}

/// What the service and the family of a tenant are called.
fn name(tenant: &TenantId) -> String {
    format!("landlord-{tenant}")
}

fn resource(found: Found) -> Resource {
    let variant =
        |image: &String| IMAGES.iter().find(|(named, _)| named == image).map(|(_, variant)| *variant);
    Resource { id: found.id, made_from: found.images.iter().find_map(variant) }
}

#[async_trait]
impl Platform for Cloud {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(provider_over_http(&self.server))
    }

    fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable> {
        let image = match variant {
            Variant::BadImage => "registry.test/No Such Image",
            Variant::SecretFailing => {
                return Err(Unable::new("what ECS fetches for a task is in none of its words"));
            }
            Variant::AddressTaken => return Err(Unable::new("each task has an address of its own")),
            Variant::Invalid | Variant::TooLarge => "registry.test/first:1",
            Variant::First | Variant::Changed | Variant::Failing | Variant::Unhealthy | Variant::Secret => {
                IMAGES.iter().find(|(_, named)| *named == variant).map_or("", |(image, _)| image)
            }
        };
        let secret = SecretReference {
            name: "db".to_owned(),
            source: "aws-secrets-manager".to_owned(),
            key: SECRET.to_owned(),
            env_var: Some("DB".to_owned()),
            ..SecretReference::default()
        };
        let invalid = json!({ "tags": { "landlord.owner": "me" } });
        let mut spec = spec(tenant.as_str(), "first");
        spec.containers[0].image = image.to_owned();
        spec.containers[0].env.insert("COLOUR".to_owned(), "red".to_owned());
        spec.provider_config = (variant == Variant::Invalid).then_some(invalid);
        if variant == Variant::TooLarge {
            spec.resources.cpu = 1_000_000;
        }
        if variant == Variant::Secret {
            spec.secrets.push(secret);
        }
        Ok(spec)
    }

    async fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
        self.fake.find(&name(tenant)).into_iter().map(resource).collect()
    }

    /// A task is its service's, which is named.
    fn named(&self, resources: &[Resource]) -> usize {
        resources.iter().filter(|resource| !resource.id.starts_with("task ")).count()
    }

    fn retaining(&self, _tenant: &TenantId) -> Result<TenantComputeSpec, Unable> {
        Err(Unable::new("a volume of EFS is its operator's: the provider neither makes nor removes it"))
    }

    async fn replicas(&self, tenant: &TenantId) -> Result<usize, Unable> {
        let found = self.fake.find(&name(tenant));
        Ok(found.iter().filter(|found| found.id.starts_with("task ")).count())
    }

    async fn serves(&self, tenant: &TenantId) -> Result<bool, Unable> {
        Ok(self.fake.serves(&name(tenant)))
    }

    async fn harm(&self, tenant: &TenantId, harm: Harm) -> Result<(), Unable> {
        let name = name(tenant);
        let trap = |api, mishap| {
            self.fake.trap(Trap { api, name: Some(name.clone()), times: None, mishap });
        };
        match harm {
            // ECS replaces a task that dies, unless somebody scaled the service to nothing.
            Harm::Crash => self.fake.scale_to_nothing(&name),
            Harm::Sicken => self.fake.sicken(&name, true),
            Harm::Hang => return Err(Unable::new("ECS replaces a task that fails its check by itself")),
            Harm::Escape => return Err(Unable::new("a task ends with all its processes")),
            Harm::FullLogDisk => return Err(Unable::new("CloudWatch keeps what a task writes")),
            Harm::Remove => self.fake.remove_service(&name),
            Harm::Stall => trap(None, Mishap::Hang { done: false }),
            Harm::Outage => trap(None, Mishap::Refuse(Refusal::server())),
            Harm::Obstruct => {
                for api in ["DeleteService", "DeregisterTaskDefinition", "DeleteTaskDefinitions"] {
                    let user = "arn:aws:iam::123456789012:user/test";
                    trap(Some(api), Mishap::Refuse(Refusal::denied(user, api, &name)));
                }
            }
        }
        Ok(())
    }

    async fn heal(&self, tenant: &TenantId) {
        self.fake.clear_traps(&name(tenant));
        self.fake.sicken(&name(tenant), false);
    }

    async fn plant(&self, subject: &Subject) -> Result<(), Unable> {
        self.fake.plant(&name(&subject.tenant));
        Ok(())
    }

    /// Only ECS reads it.
    fn secret(&self) -> Result<String, Unable> {
        Ok(format!("{:032x}", u128::from_le_bytes(*b"what ECS fetches")))
    }

    fn limits(&self) -> Patience {
        let s = Duration::from_secs;
        Patience {
            call: s(1_800),
            status: s(5),
            prompt: s(180),
            soon: s(30),
            settle: s(60),
            pause: s(1),
            interruptions: 6,
            parallel: 4,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_ecs_provider_keeps_the_contract() {
    let fake = Fake::new(Pace::real()).without_quotas();
    let server = fake.serve().await;
    let cloud = Cloud { fake, server };
    let report = run(&cloud).await;
    report.assert_held();
    println!("{report}");
    let unsaid: Vec<&str> = report.not_applicable().map(|row| row.clause).collect();
    let by_itself = ["provision.address-taken", "update.hang", "update.escaped", "destroy.escaped"];
    assert_eq!(unsaid[..4], by_itself, "ECS sees to these");
    let retained = [
        "destroy.retains",
        "destroy.retains-again",
        "release.everything",
        "release.idempotent",
        "release.next-life",
        "list.retained",
    ];
    assert_eq!(unsaid[4..10], retained, "what is on EFS is not its own");
    assert_eq!(unsaid[10..12], ["logs.disk-full", "logs.lost-lines"], "CloudWatch has the logs");
    assert_eq!(
        unsaid[12..],
        ["secrets.observations", "describes.observe"],
        "it tells nothing of its own accord"
    );
}
