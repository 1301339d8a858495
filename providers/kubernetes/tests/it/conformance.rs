//! The conformance kit over the fake: all that a platform can do to a provider.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use landlord_compute::provider::Provider;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::Subject;
use landlord_state_machines::planner::kubernetes::tags;
use landlord_state_machines::spec::{
    ContainerSpec, HealthCheckConfig, PortMapping, ResourceRequirements, SecretReference, TenantComputeSpec,
};
use landlord_testing::conformance::{Harm, Patience, Platform, Resource, Unable, Variant, run};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fake::{Fake, Kind, Mishap, Refusal, Settings, Trap, User, Verb};
use super::site::{TOKEN, provider, write_kubeconfig};

/// The image of each variant that runs.
const IMAGES: [(&str, Variant); 6] = [
    ("registry.test/first:1", Variant::First),
    ("registry.test/changed:1", Variant::Changed),
    ("registry.test/crash:1", Variant::Failing),
    ("registry.test/never-ready:1", Variant::Unhealthy),
    ("registry.test/secret:1", Variant::Secret),
    ("registry.test/secret-crash:1", Variant::SecretFailing),
];
/// Where the secrets are that are copied.
const SECRETS: &str = "secrets";
/// What a tenant has of its own accord, by its names.
const NAMED: [Kind; 8] = [
    Kind::ServiceAccount,
    Kind::ResourceQuota,
    Kind::LimitRange,
    Kind::NetworkPolicy,
    Kind::Secret,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::Service,
];

struct Cluster {
    fake: Fake,
    dir: TempDir,
}

/// What the namespace of a tenant is called whose id is not too long for that.
fn usual(tenant: &TenantId) -> String {
    format!("landlord-{tenant}")
}

impl Cluster {
    fn start() -> Self {
        let mut settings = Settings::new_cluster();
        settings.users.insert(TOKEN.to_owned(), User::admin("engine"));
        let fake = Fake::start(settings);
        let dir = tempfile::tempdir().expect("a directory");
        write_kubeconfig(&dir, &fake.url(), &json!({ "token": TOKEN }));
        fake.plant(Kind::Namespace, "", json!({ "metadata": { "name": SECRETS } })).expect("a namespace");
        let value: Value = json!({ "metadata": { "name": "db" }, "stringData": { "password": secret() } });
        fake.plant(Kind::Secret, SECRETS, value).expect("a secret");
        Self { fake, dir }
    }

    /// What the tenant's namespace is called.
    fn namespace(&self, tenant: &TenantId) -> String {
        let namespaces = self.fake.objects(Kind::Namespace, "");
        let label =
            |one: &Value| one.pointer("/metadata/labels").and_then(|it| it.get(tags::TENANT)).cloned();
        let its = namespaces.iter().find(|one| label(one) == Some(json!(tenant.as_str())));
        its.map_or_else(|| usual(tenant), |one| text(one, "/metadata/name").to_owned())
    }

    fn pods(&self, tenant: &TenantId) -> Vec<String> {
        self.fake.pods(&self.namespace(tenant)).into_keys().collect()
    }
}

fn secret() -> String {
    format!("{:032x}", u128::from_le_bytes(*b"what a pod gets "))
}

/// What the object runs, as far as it shows.
fn made_from(object: &Value) -> Option<Variant> {
    let in_template = object.pointer("/spec/template/spec/containers/0/image");
    let image = in_template.or_else(|| object.pointer("/spec/containers/0/image"))?.as_str()?;
    IMAGES.iter().find(|(named, _)| *named == image).map(|(_, variant)| *variant)
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether Kubernetes has put it there.
fn is_clusters(object: &Value) -> bool {
    let name = text(object, "/metadata/name");
    name == "default" || name.starts_with("default-token-")
}

#[async_trait]
impl Platform for Cluster {
    fn provider(&self) -> Arc<dyn Provider> {
        let defaults = json!({
            "secrets": { "copy": { "namespace": SECRETS } }, "deadline_seconds": 120, "unschedulable_seconds": 2,
        });
        Arc::new(provider(&self.dir, &defaults))
    }

    fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable> {
        let image = match variant {
            Variant::BadImage => "registry.test/No Such Image",
            Variant::AddressTaken => return Err(Unable::new("each tenant has an address of its own")),
            Variant::TooLarge => return Err(Unable::new("what a cluster can give grows with its nodes")),
            Variant::Invalid => "registry.test/first:1",
            Variant::First
            | Variant::Changed
            | Variant::Failing
            | Variant::Unhealthy
            | Variant::Secret
            | Variant::SecretFailing => {
                IMAGES.iter().find(|(_, named)| *named == variant).map_or("", |(image, _)| image)
            }
        };
        let check = HealthCheckConfig {
            kind: "http".to_owned(),
            http_path: Some("/".to_owned()),
            port: Some(80),
            interval_seconds: 5,
            timeout_seconds: 1,
            healthy_threshold: 1,
            unhealthy_threshold: 1,
            ..HealthCheckConfig::default()
        };
        let web = ContainerSpec {
            name: "web".to_owned(),
            image: image.to_owned(),
            env: [("COLOUR".to_owned(), "red".to_owned())].into(),
            ports: vec![PortMapping { container_port: 80, ..PortMapping::default() }],
            health_check: Some(check),
            ..ContainerSpec::default()
        };
        let password = SecretReference {
            name: "db".to_owned(),
            source: "kubernetes-secret".to_owned(),
            key: "password".to_owned(),
            env_var: Some("DB".to_owned()),
            ..SecretReference::default()
        };
        let invalid = json!({ "labels": { "landlord.owner": "me" } });
        Ok(TenantComputeSpec {
            tenant_id: tenant.to_string(),
            provider_type: "kubernetes".to_owned(),
            containers: vec![web],
            resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
            secrets: vec![password],
            provider_config: (variant == Variant::Invalid).then_some(invalid),
            ..TenantComputeSpec::default()
        })
    }

    async fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
        let name = self.namespace(tenant);
        let namespaces = self.fake.objects(Kind::Namespace, "");
        let own = namespaces.into_iter().filter(|object| text(object, "/metadata/name") == name);
        let named = NAMED.iter().flat_map(|kind| self.fake.objects(*kind, &name));
        let pods = self.fake.pods(&name).into_values();
        let all = own.chain(named).chain(pods).filter(|object| !is_clusters(object));
        let resource = |object: Value| {
            let (kind, name) = (text(&object, "/kind"), text(&object, "/metadata/name"));
            let id = format!("{kind}/{name} {}", text(&object, "/metadata/uid"));
            Resource { id, made_from: made_from(&object) }
        };
        all.map(resource).collect()
    }

    /// A pod is its workload's, which is named.
    fn named(&self, resources: &[Resource]) -> usize {
        resources.iter().filter(|resource| !resource.id.starts_with("Pod/")).count()
    }

    fn retaining(&self, _tenant: &TenantId) -> Result<TenantComputeSpec, Unable> {
        Err(Unable::new("a volume goes with its tenant's namespace"))
    }

    async fn replicas(&self, tenant: &TenantId) -> Result<usize, Unable> {
        Ok(self.pods(tenant).len())
    }

    async fn serves(&self, tenant: &TenantId) -> Result<bool, Unable> {
        let slices = self.fake.objects(Kind::EndpointSlice, &self.namespace(tenant));
        let endpoints = slices.iter().filter_map(|slice| slice.get("endpoints")?.as_array()).flatten();
        let mut ready = endpoints.map(|one| one.pointer("/conditions/ready").and_then(Value::as_bool));
        Ok(ready.any(|ready| ready == Some(true)))
    }

    async fn harm(&self, tenant: &TenantId, harm: Harm) -> Result<(), Unable> {
        let name = self.namespace(tenant);
        let path = format!("/namespaces/{name}");
        let trap = |verb: Option<Verb>, mishap| {
            self.fake.trap(Trap { verb, path: Some(path.clone()), times: None, mishap });
        };
        match harm {
            // Kubernetes replaces a pod that dies, unless somebody scaled the workload to nothing.
            Harm::Crash => {
                let scaled = |object: &mut Value| object["spec"]["replicas"] = json!(0);
                let changed = self.fake.change(Kind::Deployment, &name, tenant.as_str(), scaled);
                changed.map_err(|_| Unable::new("there is no workload"))?;
            }
            Harm::Sicken => self.pods(tenant).iter().for_each(|pod| self.fake.sicken(&name, pod, true)),
            Harm::Hang => {
                return Err(Unable::new("Kubernetes starts a container that hangs again by itself"));
            }
            Harm::Escape => return Err(Unable::new("a pod ends with all its processes")),
            Harm::FullLogDisk => return Err(Unable::new("the node keeps what a pod prints")),
            Harm::Remove => self.fake.remove(Kind::Service, &name, tenant.as_str()),
            Harm::Stall => trap(None, Mishap::Hang { done: false }),
            Harm::Outage => trap(None, Mishap::Refuse(Refusal::unavailable())),
            Harm::Obstruct => {
                let denied = Refusal::status(
                    403,
                    "Forbidden",
                    "namespaces is forbidden: User \"engine\" cannot delete",
                );
                trap(Some(Verb::Delete), Mishap::Refuse(denied));
            }
        }
        Ok(())
    }

    async fn heal(&self, tenant: &TenantId) {
        let name = self.namespace(tenant);
        self.fake.clear_traps_on(&format!("/namespaces/{name}"));
        self.pods(tenant).iter().for_each(|pod| self.fake.sicken(&name, pod, false));
    }

    async fn plant(&self, subject: &Subject) -> Result<(), Unable> {
        let stranger = json!({ "metadata": { "name": usual(&subject.tenant) } });
        self.fake.plant(Kind::Namespace, "", stranger).map(drop).map_err(|_| Unable::new("it is there"))
    }

    fn secret(&self) -> Result<String, Unable> {
        Ok(secret())
    }

    fn limits(&self) -> Patience {
        let s = Duration::from_secs;
        Patience {
            call: s(300),
            status: s(5),
            prompt: s(40),
            soon: s(3),
            settle: s(15),
            pause: Duration::from_millis(100),
            interruptions: 4,
            parallel: 12,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kubernetes_provider_keeps_the_contract() {
    let report = run(&Cluster::start()).await;
    println!("{report}");
    report.assert_held();
}
