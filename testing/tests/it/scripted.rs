//! The scripted provider, with nothing scripted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{
    ContainerSpec, ResourceRequirements, Spec, TenantComputeSpec, VolumeSpec,
};
use landlord_compute::machines::status::{ComputeStatus, Health, ProvisionResult, UpdateResult};
use landlord_compute::provider::{Capabilities, Context, Destroyed, Provider, UndoBy};
use landlord_testing::conformance::{Harm, Patience, Platform, Resource, Unable, Variant, run};
use landlord_testing::scripted::{Fate, Mood, Scripted};

use super::on_paused_time;

const NO_SECRETS: &str = "it has no secrets of its own";
const NO_PROGRAMS: &str = "it runs no programs";

/// A table in memory.
struct Table(Scripted);

const IMAGES: [(&str, Variant); 6] = [
    ("first", Variant::First),
    ("changed", Variant::Changed),
    ("failing", Variant::Failing),
    ("unhealthy", Variant::Unhealthy),
    ("invalid", Variant::Invalid),
    ("impossible", Variant::BadImage),
];

impl Table {
    fn new() -> Self {
        let scripted = Scripted::new(
            ProviderName::new("scripted").expect("a valid name"),
            Capabilities::default().lists_tenants(),
        );
        scripted.set_latency(Duration::from_millis(10));
        scripted.set_fate("failing", Fate::Crashes);
        scripted.set_fate("unhealthy", Fate::NeverHealthy);
        scripted.set_fate("invalid", Fate::Refused);
        scripted.set_fate("impossible", Fate::Refused);
        Self(scripted)
    }
}

#[async_trait]
impl Platform for Table {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(self.0.clone())
    }

    fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable> {
        let named = IMAGES.iter().find(|(_, named)| *named == variant);
        let Some((image, _)) = named else {
            return Err(Unable::new(match variant {
                Variant::TooLarge => "a table has room for everything",
                Variant::AddressTaken => "a row has no address",
                Variant::First
                | Variant::Changed
                | Variant::Failing
                | Variant::Unhealthy
                | Variant::Invalid
                | Variant::BadImage
                | Variant::Secret
                | Variant::SecretFailing => NO_SECRETS,
            }));
        };
        Ok(TenantComputeSpec {
            tenant_id: tenant.to_string(),
            provider_type: "scripted".to_owned(),
            containers: vec![ContainerSpec {
                name: "web".to_owned(),
                image: (*image).to_owned(),
                ..ContainerSpec::default()
            }],
            resources: ResourceRequirements { cpu: 128, memory: 128, ..ResourceRequirements::default() },
            ..TenantComputeSpec::default()
        })
    }

    async fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
        let row = self.0.running(tenant).map(|spec| {
            let made_from = IMAGES.iter().find(|(image, _)| *image == spec.containers[0].image);
            let rollout = self.0.rollout(tenant).unwrap_or_default();
            Resource {
                id: format!("row of rollout {rollout}"),
                made_from: made_from.map(|(_, variant)| *variant),
            }
        });
        let foreign = self.0.is_occupied(tenant);
        let foreign = foreign.then(|| Resource { id: "somebody else's row".to_owned(), made_from: None });
        row.into_iter().chain(foreign).collect()
    }

    fn retaining(&self, tenant: &TenantId) -> Result<TenantComputeSpec, Unable> {
        let data = VolumeSpec { name: "data".to_owned(), size_mb: None, persistent: true, retain: true };
        Ok(TenantComputeSpec { volumes: vec![data], ..self.spec(tenant, Variant::First)? })
    }

    async fn retained(&self, tenant: &TenantId) -> Result<Vec<Resource>, Unable> {
        let named = self.0.retained(tenant).into_values();
        Ok(named.map(|id| Resource { id, made_from: None }).collect())
    }

    async fn serves(&self, tenant: &TenantId) -> Result<bool, Unable> {
        Ok(self.0.running(tenant).is_some())
    }

    async fn harm(&self, tenant: &TenantId, harm: Harm) -> Result<(), Unable> {
        match harm {
            Harm::Crash => self.0.crash(tenant, jiff::Timestamp::now()),
            Harm::Sicken => self.0.set_health(tenant, Health::Unhealthy),
            Harm::Hang => return Err(Unable::new("its health is what it was last set to")),
            Harm::Escape => return Err(Unable::new(NO_PROGRAMS)),
            Harm::FullLogDisk => return Err(Unable::new(NO_PROGRAMS)),
            Harm::Remove => self.0.lose(tenant),
            Harm::Stall => self.0.set_mood(tenant, Mood::Silent),
            Harm::Outage | Harm::Obstruct => self.0.set_mood(tenant, Mood::Refuses),
        }
        Ok(())
    }

    async fn heal(&self, tenant: &TenantId) {
        self.0.set_mood(tenant, Mood::Answers);
    }

    async fn plant(&self, subject: &Subject) -> Result<(), Unable> {
        self.0.occupy(&subject.tenant);
        Ok(())
    }

    fn secret(&self) -> Result<String, Unable> {
        Err(Unable::new(NO_SECRETS))
    }

    fn limits(&self) -> Patience {
        Patience { pause: Duration::from_millis(10), ..Patience::default() }
    }
}

#[test]
fn the_scripted_provider_keeps_the_contract() {
    let report = on_paused_time(async || run(&Table::new()).await);
    report.assert_held();
    println!("{report}");
    let unsaid: Vec<&str> = report.not_applicable().map(|row| row.clause).collect();
    let no_ledger =
        ["context.fenced", "undo.ledger", "undo.itemised", "interrupted.intent", "secrets.ledger"];
    let no_programs = [
        "provision.address-taken",
        "update.hang",
        "update.escaped",
        "replicas.run",
        "replicas.kept",
        "destroy.escaped",
        "logs.disk-full",
        "logs.lost-lines",
    ];
    assert_eq!(unsaid[..8], no_programs);
    assert_eq!(unsaid[8], "validate.limits");
    assert_eq!(unsaid[9..], no_ledger);
}

/// A table without what is optional: it lists nobody, and undoes nothing by itself.
struct Modest {
    table: Table,
    capabilities: Capabilities,
}

struct ModestProvider {
    scripted: Scripted,
    capabilities: Capabilities,
}

impl ModestProvider {
    fn never_alone(&self, cx: &Context) -> Context {
        let mut cx = cx.clone();
        cx.undo = UndoBy::Engine;
        cx
    }
}

#[async_trait]
impl Provider for ModestProvider {
    fn name(&self) -> ProviderName {
        self.scripted.name()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.scripted.provision(&self.never_alone(cx), spec).await
    }

    async fn update(
        &self,
        cx: &Context,
        tenant_id: &TenantId,
        spec: &Spec,
    ) -> Result<UpdateResult, ProviderError> {
        self.scripted.update(&self.never_alone(cx), tenant_id, spec).await
    }

    async fn destroy(&self, cx: &Context, tenant_id: &TenantId) -> Result<Destroyed, ProviderError> {
        self.scripted.destroy(cx, tenant_id).await
    }

    async fn get_status(&self, cx: &Context, tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        self.scripted.get_status(cx, tenant_id).await
    }

    async fn validate(&self, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        self.scripted.validate(cx, spec).await
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }
}

#[async_trait]
impl Platform for Modest {
    fn provider(&self) -> Arc<dyn Provider> {
        let (scripted, capabilities) = (self.table.0.clone(), self.capabilities.clone());
        Arc::new(ModestProvider { scripted, capabilities })
    }

    fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable> {
        self.table.spec(tenant, variant)
    }

    async fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
        self.table.resources(tenant).await
    }

    fn limits(&self) -> Patience {
        self.table.limits()
    }
}

/// What the contract calls optional breaks no clause, where the provider says that it has it not.
#[test]
fn what_is_optional_may_be_missing() {
    let judge = |capabilities: Capabilities| {
        on_paused_time(async || run(&Modest { table: Table::new(), capabilities }).await)
    };
    let says_so = judge(Capabilities::default().leaves_undo_to_callers());
    says_so.assert_held();
    let unsaid: Vec<&str> = says_so.not_applicable().map(|row| row.clause).collect();
    let optional = ["provision.atomic", "update.rolls-back", "cancelled.provision", "ownership.listed"];
    assert!(optional.iter().all(|clause| unsaid.contains(clause)), "{says_so}");

    let says_nothing = judge(Capabilities::default().lists_tenants());
    let broken: Vec<&str> = says_nothing.broken().map(|row| row.clause).collect();
    for clause in ["provision.atomic", "ownership.listed", "ownership.sweepable"] {
        assert!(broken.contains(&clause), "{clause}: {says_nothing}");
    }
}
