#![doc = include_str!("../README.md")]
//!
//! # Guarantees
//! - A request is made once. What is tried again, and when, the planner and the engine decide.
//! - Errors carry AWS's code, its words and the id of the request, and their class comes from the code.
//! - No more is asked of an account in a region than AWS's quotas take. Tenants take turns, and what people wait for
//!   comes before what the engine does by itself.
//! - Services that are described at the same time share a request.
//!
//! # Credentials and secrets
//! - Credentials come from the SDK's default chain (environment, profile, the role of the machine). A tenant's
//!   `assume_role` is taken in their name; its session is kept in memory and renewed.
//! - Environments and credentials are in no event, span, error or ledger. An external id, which is no secret to AWS, is
//!   in the spec and in the ledger, as whoever destroys needs it; it is in no event, span or error.
//!
//! # Assumptions
//! - Two engines that share a cluster have different engine ids.
//! - A tenant whose record was lost is looked for in the cluster, the account and the region that the operator's
//!   configuration names, and not elsewhere.
//!
//! # Caveats
//! - [`Capabilities::not_enforced`] lists the limits of a spec that ECS does not enforce.
//! - Requests that others make in the account count against the same quotas. The provider then slows down until AWS
//!   stops throttling.
//! - The search for a tenant that has no record lists the whole cluster: about one request for every ten services.

mod answer;
mod api;
mod batch;
mod budget;
mod clients;
mod error;
#[cfg(any(test, feature = "testing"))]
pub mod faults;
mod find;
mod https;
mod logs;
mod looks;
mod reads;
mod request;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{ProviderName, TenantId};
use landlord_state_machines::planner::ecs::diagram;
use landlord_state_machines::planner::ecs::{
    Deploys, EcsConfig, EcsConfigError, NOT_ENFORCED, Place, check, deploys, support,
};
use landlord_state_machines::spec::{Field, FieldChange, Spec, Support, changes};
use landlord_state_machines::status::{ComputeStatus, ProvisionResult, UpdateResult};
use schemars::generate::SchemaSettings;
use serde_json::Value;
use tokio::time::Instant;

use api::Ecs;
use clients::Clients;
use error::Failure;
use landlord_compute::provider::converge::Converge;
use landlord_compute::provider::{
    Budget, Capabilities, Context, Destroyed, Lease, LogLine, LogQuery, LogRun, Looked, OwnedTenant, Plan,
    PlannedEffect, Provider, ProviderKind, Quotas, Setup, SetupError,
};
use reads::Cluster;

/// For how long a cluster that was seen to be usable counts as usable.
const CLUSTER_SEEN: Duration = Duration::from_secs(60);
/// How many clusters are remembered.
const CLUSTERS: usize = 256;

/// The name of this kind of provider, and the default name of a provider.
const KIND: &str = "ecs";

/// The log targets of AWS's SDK and what is below it. At `debug` and `trace` they print whole requests, with the
/// environments of tasks and with keys. A program that logs keeps them at `warn`; what is worth logging of a request,
/// this crate logs itself.
pub const SECRET_TARGETS: [&str; 8] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_cloudwatchlogs",
    "aws_sdk_ecs",
    "aws_sdk_sts",
    "aws_sigv4",
    "aws_smithy_runtime",
    "hyper_util",
];

/// How the engine's operator sets this provider up.
#[derive(Clone)]
#[non_exhaustive]
pub struct EcsOptions {
    /// The provider's name, which specs give as their `provider_type`. It is in the tags of everything that the
    /// provider makes: under another name it finds none of it. Default: `ecs`.
    pub name: ProviderName,
    /// The configuration that lies under every tenant's `provider_config`; an object, or nothing (`null`).
    pub defaults: Value,
    /// Who the engine is at AWS. None: as the SDK's default chain says, which looks at the environment, the profile and
    /// the machine's role.
    pub credentials: Option<SharedCredentialsProvider>,
    /// What makes the HTTP requests. None: HTTP over rustls with the system's certificates, through the proxy that the
    /// environment names. Of an engine that shares its store, that sends nothing once the engine's lease has ended; another
    /// client does not look at it.
    pub http_client: Option<SharedHttpClient>,
    /// How many times AWS's default quotas the accounts have: 1, unless they were raised. Emulators have none; 1,000
    /// is as good as none.
    pub quota_factor: u32,
}

impl EcsOptions {
    /// With this configuration under every tenant's.
    pub fn new(defaults: Value) -> Self {
        // A constant that is a valid name.
        #[expect(clippy::expect_used)]
        let name = ProviderName::new(KIND).expect("`ecs` is lowercase letters");
        Self { name, defaults, credentials: None, http_client: None, quota_factor: 1 }
    }

    /// Under this name: one engine may have several, each with its own account, region or cluster.
    #[must_use]
    pub fn name(mut self, name: ProviderName) -> Self {
        self.name = name;
        self
    }

    /// As this identity at AWS.
    #[must_use]
    pub fn credentials(mut self, credentials: SharedCredentialsProvider) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// With this HTTP client.
    #[must_use]
    pub fn http_client(mut self, client: SharedHttpClient) -> Self {
        self.http_client = Some(client);
        self
    }

    /// With accounts that have so many times AWS's default quotas.
    #[must_use]
    pub fn quota_factor(mut self, factor: u32) -> Self {
        self.quota_factor = factor;
        self
    }
}

/// The configuration may have an external id, which does not print.
impl fmt::Debug for EcsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcsOptions").field("quota_factor", &self.quota_factor).finish_non_exhaustive()
    }
}

/// What is wrong with an operator's configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EcsOptionsError {
    /// It cannot be read.
    #[error("the ECS provider's defaults: {0}")]
    EcsConfig(#[from] EcsConfigError),
    /// Every tenant would have the same service.
    #[error(
        "the ECS provider's defaults: service_name is one tenant's own and two tenants cannot share it; give \
         service_name_prefix instead"
    )]
    SharedName,
}

/// The kind of provider that runs tenants as services of AWS ECS.
#[derive(Clone, Copy, Debug)]
pub struct EcsKind;

impl ProviderKind for EcsKind {
    const KIND: &'static str = KIND;
    const PLATFORM: &'static str = "ECS";
    const NEEDS_CONFIG: bool = true;
    const SECRET_TARGETS: &'static [&'static str] = &SECRET_TARGETS;

    fn diagram() -> &'static str {
        diagram()
    }

    fn start(setup: Setup) -> Result<Arc<dyn Provider>, SetupError> {
        match EcsProvider::new(EcsOptions::new(setup.config).name(setup.name)) {
            Ok(provider) => Ok(Arc::new(provider)),
            Err(error) => Err(SetupError::new(error)),
        }
    }
}

/// Runs tenants as services of AWS ECS.
pub struct EcsProvider {
    name: ProviderName,
    methods: Converge<Ecs>,
    /// The operator's configuration, as it was given.
    defaults: Value,
    /// When a cluster was last seen to be usable.
    clusters: Mutex<HashMap<Place, Instant>>,
}

impl fmt::Debug for EcsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcsProvider").field("defaults", &self.ecs().defaults).finish_non_exhaustive()
    }
}

impl EcsProvider {
    /// A provider over AWS. Nothing is asked before the first call: no credentials, no region.
    ///
    /// # Errors
    /// [`EcsOptionsError`] when the defaults cannot be every tenant's.
    pub fn new(options: EcsOptions) -> Result<Self, EcsOptionsError> {
        let EcsOptions { name, defaults, credentials, http_client, quota_factor } = options;
        let defaults = EcsConfig::merged(&Value::Null, &defaults)?;
        let config = EcsConfig::read(&defaults)?;
        if config.service_name.is_some() {
            return Err(EcsOptionsError::SharedName);
        }
        let ecs = Ecs { clients: Clients::new(credentials, http_client, quota_factor), defaults: config };
        let methods = Converge::new(name.clone(), ecs, changes);
        Ok(Self { name, methods, defaults, clusters: Mutex::default() })
    }

    fn ecs(&self) -> &Ecs {
        self.methods.api()
    }

    /// The spec with the operator's configuration under its own.
    fn merged(&self, spec: &Spec) -> Result<Spec, ProviderError> {
        match EcsConfig::merged_for(&self.defaults, spec) {
            Ok(config) => Ok(spec.with_provider_config(config)),
            Err(error) => Err(invalid(Remedy::Permanent, ErrorCode::InvalidConfiguration, error.to_string())),
        }
    }

    /// The spec as the planner gets it, and a context in which the spec that ran before is such a one too.
    fn prepared(&self, cx: &Context, spec: &Spec) -> Result<(Context, Spec), ProviderError> {
        let spec = self.merged(spec)?;
        check(&spec)?;
        // What ran before may not fit the operator's configuration of today; then nothing is known of it.
        let mut cx = cx.clone();
        cx.applied = cx.applied.and_then(|applied| self.merged(&applied).ok());
        Ok((cx, spec))
    }

    /// Whether what the spec refers to is there.
    async fn look(&self, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        let unasked = |failure: Failure| ProviderError {
            kind: match cx.applied {
                Some(_) => ErrorKind::UpdateFailed,
                None => ErrorKind::ProvisionFailed,
            },
            ..failure.into_error()
        };
        // It was checked before, so it can be read.
        let Ok(config) = EcsConfig::of(spec) else { return Ok(()) };
        let place = Place::of(&config);
        let at = self.ecs().at(&place, cx).await;
        if !self.seen_lately(&place) {
            match at.describe_cluster().await.map_err(unasked)? {
                Cluster::Active => self.seen(place),
                Cluster::Not(state) => {
                    let what = format!(
                        "provider_config.cluster: {} is {state}; name one that is ACTIVE",
                        config.cluster
                    );
                    return Err(invalid(Remedy::NeedsPerson, ErrorCode::ResourceNotFound, what));
                }
                Cluster::Missing => {
                    let region = at.account.region.as_deref().unwrap_or("no region");
                    let what = format!(
                        "provider_config.cluster: there is no {} in {region}; make it, or correct the name or the \
                         region",
                        config.cluster
                    );
                    return Err(invalid(Remedy::NeedsPerson, ErrorCode::ResourceNotFound, what));
                }
            }
        }
        if let Some(definition) = &config.task_definition_arn
            && at.describe_definition(definition).await.map_err(unasked)?.is_none()
        {
            let what = format!("provider_config.task_definition_arn: there is no {definition}; correct it");
            return Err(invalid(Remedy::NeedsPerson, ErrorCode::ResourceNotFound, what));
        }
        Ok(())
    }

    fn seen_lately(&self, place: &Place) -> bool {
        let clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        clusters.get(place).is_some_and(|seen| seen.elapsed() < CLUSTER_SEEN)
    }

    fn seen(&self, place: Place) {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        if clusters.len() >= CLUSTERS {
            clusters.clear();
        }
        clusters.insert(place, Instant::now());
    }
}

/// What this spec asks for and does not get, as a line for a person.
fn not_enforced(spec: &Spec) -> Option<String> {
    spec.asked_of(&support).not_enforced_beside([])
}

fn invalid(remedy: Remedy, code: ErrorCode, what: String) -> ProviderError {
    ProviderError::new(ErrorKind::InvalidSpec, remedy, code, what)
}

#[async_trait]
impl Provider for EcsProvider {
    fn name(&self) -> ProviderName {
        self.name.clone()
    }

    fn kind(&self) -> Cow<'static, str> {
        KIND.into()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        let (cx, spec) = self.prepared(cx, spec)?;
        let done = self.methods.provision(&cx, &spec).await?;
        Ok(ProvisionResult { message: not_enforced(&spec), ..done })
    }

    async fn update(
        &self,
        cx: &Context,
        _tenant_id: &TenantId,
        spec: &Spec,
    ) -> Result<UpdateResult, ProviderError> {
        let (cx, spec) = self.prepared(cx, spec)?;
        let done = self.methods.update(&cx, &spec).await?;
        Ok(UpdateResult { message: not_enforced(&spec), ..done })
    }

    async fn destroy(&self, cx: &Context, _tenant_id: &TenantId) -> Result<Destroyed, ProviderError> {
        self.methods.destroy(cx).await?;
        Ok(Destroyed::default())
    }

    async fn get_status(&self, cx: &Context, _tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        self.methods.get_status(cx).await
    }

    fn statuses<'a>(&'a self, tenants: BoxStream<'a, Context>) -> Option<BoxStream<'a, Looked>> {
        Some(looks::all(&self.methods, tenants))
    }

    async fn validate(&self, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        let (cx, spec) = self.prepared(cx, spec)?;
        self.look(&cx, &spec).await
    }

    fn config_schema(&self) -> Value {
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<EcsConfig>().to_value()
    }

    /// The operator's configuration, without the external id, which is between two accounts.
    fn config_defaults(&self) -> Value {
        let mut defaults = self.defaults.clone();
        if let Some(Value::Object(role)) = defaults.get_mut("assume_role") {
            role.remove("external_id");
        }
        defaults
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
            .max_concurrent_calls(2_048)
            .call_timeout(Duration::from_secs(1_800))
            .lists_tenants()
            .oci_images()
            .not_enforced(NOT_ENFORCED)
    }

    fn leased(&self, lease: Lease) {
        self.ecs().clients.leased(lease);
    }

    fn rationed(&self, quotas: Arc<dyn Quotas>) {
        self.ecs().clients.ration(quotas, self.name());
    }

    fn budgets(&self) -> Vec<Budget> {
        self.ecs().clients.budgets()
    }

    fn support(&self, field: Field) -> Support {
        support(field)
    }

    async fn plan(&self, cx: &Context, _tenant_id: &TenantId, spec: &Spec) -> Result<Plan, ProviderError> {
        let (cx, spec) = self.prepared(cx, spec)?;
        let effect = match cx.applied.as_ref().map(|applied| deploys(applied, &spec)) {
            None | Some(Deploys::Nothing) => PlannedEffect::InPlace,
            Some(Deploys::InTurn) => PlannedEffect::Replace,
            Some(Deploys::StopFirst) => PlannedEffect::StopFirst,
        };
        // These change the service beside its tasks.
        let of_the_service = [Field::Replicas.path(), Field::Labels.path()];
        let effect = |change: &FieldChange| match of_the_service.iter().any(|of| change.path.starts_with(of))
        {
            true => PlannedEffect::InPlace,
            false => effect,
        };
        self.methods.plan(&cx, &spec, effect).await
    }

    async fn logs(
        &self,
        cx: &Context,
        _tenant_id: &TenantId,
        query: &LogQuery,
    ) -> Result<Option<BoxStream<'static, Result<LogLine, ProviderError>>>, ProviderError> {
        match query.run {
            LogRun::All => logs::lines(&self.methods, cx, query).await,
            // A task is not started again: another one comes, and all of them are in one log.
            LogRun::Previous => Ok(None),
        }
    }

    async fn list_tenants(&self, engine: &str) -> Result<Vec<OwnedTenant>, ProviderError> {
        let listed = self.ecs().list(engine, self.name.as_str()).await;
        listed.map_err(|failure| ProviderError { kind: ErrorKind::StatusFailed, ..failure.into_error() })
    }
}

#[cfg(any(test, feature = "testing"))]
impl landlord_testing::faults::Faulted for EcsKind {
    type Model = faults::Ecs;
}
