//! The provider's methods.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use landlord_compute::clock::Clock;
#[cfg(feature = "testing")]
use landlord_compute::provider::converge::Api;
use landlord_compute::provider::converge::Converge;
use landlord_compute::provider::{
    self, Capabilities, Context, Destroyed, Lease, LogLine, LogQuery, Looked, OwnedTenant, Plan,
    PlannedEffect, Provider, STATUS_WITHIN,
};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{ProviderName, TenantId};
use landlord_state_machines::observation::Observation;
#[cfg(feature = "testing")]
use landlord_state_machines::planner::kubernetes::KubernetesPlanner;
use landlord_state_machines::planner::kubernetes::{
    KubernetesConfig, NOT_ENFORCED, ObjectKind, Wanted, check, support,
};
use landlord_state_machines::spec::{Field, FieldChange, Spec, Support, changes};
use landlord_state_machines::status::{ComputeStatus, ProvisionResult, UpdateResult};
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::KIND;
use super::api::Kubernetes;
use super::budget::Budget;
use super::cluster::Cluster;
use super::error::Failure;
use super::logs;
use super::options::{self, KubernetesOptions, KubernetesOptionsError};
use super::preview;
use super::statuses;
use super::validate::{self, Allowed};
use super::watch;
use super::working::Method;

/// Runs tenants as objects of a Kubernetes cluster.
pub struct KubernetesProvider {
    name: ProviderName,
    methods: Converge<Arc<Kubernetes>>,
    /// The operator's configuration, as it was given.
    defaults: Value,
    allowed: Allowed,
}

impl fmt::Debug for KubernetesProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesProvider").field("name", &self.name).finish_non_exhaustive()
    }
}

impl KubernetesProvider {
    /// A provider over a cluster. Nothing is asked before the first call; a kubeconfig, a context or an exec plugin that is not
    /// there is told at once.
    ///
    /// # Errors
    /// [`KubernetesOptionsError`] with all that is wrong with the defaults, and when they lead to no cluster.
    pub fn new(options: KubernetesOptions) -> Result<Self, KubernetesOptionsError> {
        let KubernetesOptions { name, defaults, requests_per_second, request_timeout } = options;
        let (config, cluster) = options::read(&defaults)?;
        let cluster = Cluster::new(cluster, request_timeout, Budget::new(requests_per_second));
        let kubernetes = Arc::new(Kubernetes::new(cluster, config));
        let methods = Converge::new(name.clone(), kubernetes, changes);
        Ok(Self { name, methods, defaults, allowed: Allowed::default() })
    }

    /// The calls of the planner, for a program that tests a cluster.
    #[cfg(feature = "testing")]
    pub fn api(&self) -> Arc<impl Api<Planner = KubernetesPlanner> + use<>> {
        Arc::clone(self.kubernetes())
    }

    fn kubernetes(&self) -> &Arc<Kubernetes> {
        self.methods.api()
    }

    /// The spec with the operator's configuration under its own.
    fn merged(&self, spec: &Spec) -> Result<Spec, ProviderError> {
        match KubernetesConfig::merged_for(&self.defaults, spec) {
            Ok(config) => Ok(spec.with_provider_config(config)),
            Err(error) => Err(ProviderError::new(
                ErrorKind::InvalidSpec,
                Remedy::Permanent,
                ErrorCode::InvalidConfiguration,
                error.to_string(),
            )),
        }
    }

    /// What this spec asks for and does not get in this cluster, as a line for a person. It runs already, so where the cluster
    /// cannot be asked again, what it lacks is left out.
    async fn message(&self, cx: &Context, spec: &Spec) -> Option<String> {
        let found = self.kubernetes().at(cx).discovered().await.ok();
        let wanted =
            found.and_then(|found| Wanted::of(&cx.subject, spec, cx.rollout, &found.survey("")).ok());
        spec.asked_of(&support).not_enforced_beside(wanted.into_iter().flat_map(|it| it.not_enforced))
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
}

/// What an update does to the pods that run.
fn effect(new: &Wanted, applied: Option<&Wanted>) -> PlannedEffect {
    match applied.is_some_and(|old| old.template == new.template) {
        true => PlannedEffect::InPlace,
        false => replaced(new),
    }
}

/// How pods take the place of others.
fn replaced(wanted: &Wanted) -> PlannedEffect {
    let workload = wanted.objects.iter().find(|make| make.id == wanted.workload);
    let strategy = workload.and_then(|make| make.body.pointer("/spec/strategy/type")?.as_str());
    // A StatefulSet ends each pod before the next one of its name comes.
    let alone = wanted.workload.kind == ObjectKind::StatefulSet && wanted.replicas.first() <= 1;
    match (strategy, alone) {
        (Some("Recreate"), _) | (_, true) => PlannedEffect::StopFirst,
        (_, false) => PlannedEffect::Replace,
    }
}

/// How the tenant is, is not known.
pub(super) fn unknown(failure: Failure) -> ProviderError {
    ProviderError { kind: ErrorKind::StatusFailed, ..failure.into_error() }
}

#[async_trait]
impl Provider for KubernetesProvider {
    fn name(&self) -> ProviderName {
        self.name.clone()
    }

    fn kind(&self) -> Cow<'static, str> {
        KIND.into()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        let (cx, spec) = self.prepared(cx, spec)?;
        let working = self.kubernetes().begin(&cx, Method::Make);
        let done = self.methods.provision(&cx, &spec).await?;
        working.done();
        Ok(ProvisionResult { message: self.message(&cx, &spec).await, ..done })
    }

    async fn update(
        &self,
        cx: &Context,
        _tenant_id: &TenantId,
        spec: &Spec,
    ) -> Result<UpdateResult, ProviderError> {
        let (cx, spec) = self.prepared(cx, spec)?;
        let working = self.kubernetes().begin(&cx, Method::Make);
        let done = self.methods.update(&cx, &spec).await?;
        working.done();
        Ok(UpdateResult { message: self.message(&cx, &spec).await, ..done })
    }

    async fn destroy(&self, cx: &Context, _tenant_id: &TenantId) -> Result<Destroyed, ProviderError> {
        let _working = self.kubernetes().begin(cx, Method::Remove);
        self.methods.destroy(cx).await?;
        Ok(Destroyed::default())
    }

    async fn get_status(&self, cx: &Context, _tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        let status = self.methods.get_status(cx).await?;
        Ok(self.kubernetes().drifted.shown_in(status))
    }

    fn statuses<'a>(&'a self, tenants: BoxStream<'a, Context>) -> Option<BoxStream<'a, Looked>> {
        Some(statuses::all(&self.methods, tenants))
    }

    async fn validate(&self, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        let (cx, spec) = self.prepared(cx, spec)?;
        validate::look(self.kubernetes(), &self.allowed, &cx, &spec).await
    }

    fn config_schema(&self) -> Value {
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<KubernetesConfig>().to_value()
    }

    /// The operator's configuration, without the way to the cluster, which is no tenant's affair.
    fn config_defaults(&self) -> Value {
        let mut defaults = self.defaults.clone();
        if let Some(fields) = defaults.as_object_mut() {
            fields.remove("cluster");
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
        self.kubernetes().cluster.leased(lease);
    }

    fn budgets(&self) -> Vec<provider::Budget> {
        vec![self.kubernetes().cluster.budget.told()]
    }

    fn support(&self, field: Field) -> Support {
        support(field)
    }

    async fn plan(&self, cx: &Context, _tenant_id: &TenantId, spec: &Spec) -> Result<Plan, ProviderError> {
        let (cx, spec) = self.prepared(cx, spec)?;
        let Some(applied) = &cx.applied else { return Ok(Plan::default()) };
        let at = self.kubernetes().at(&cx);
        let survey = tokio::time::timeout(STATUS_WITHIN, at.survey()).await;
        let survey =
            survey.map_err(|_| ProviderError::status_timeout(&cx.subject.tenant))?.map_err(unknown)?;
        let wanted = Wanted::of(&cx.subject, &spec, cx.rollout, &survey)?;
        // What ran before may not fit what the cluster has today.
        let applied = Wanted::of(&cx.subject, applied, cx.rollout, &survey).ok();
        let effect = effect(&wanted, applied.as_ref());
        // These change the workload beside its pods.
        let of_the_workload = [Field::Replicas.path(), Field::Labels.path()];
        let effect = |change: &FieldChange| match of_the_workload.iter().any(|of| change.path.starts_with(of))
        {
            true => PlannedEffect::InPlace,
            false => effect,
        };
        let plan = self.methods.plan(&cx, &spec, effect).await?;
        let plan = Plan { not_enforced: wanted.not_enforced.clone(), ..plan };
        if plan.is_empty() {
            return Ok(plan);
        }
        let facts = self.methods.facts(&cx)?;
        let update = preview::Update {
            cx: &cx,
            survey: &survey,
            wanted: &wanted,
            applied: applied.as_ref(),
            facts: &facts,
        };
        let objects = preview::objects(at, update).await?;
        Ok(Plan { objects, ..plan })
    }

    async fn logs(
        &self,
        cx: &Context,
        _tenant_id: &TenantId,
        query: &LogQuery,
    ) -> Result<Option<BoxStream<'static, Result<LogLine, ProviderError>>>, ProviderError> {
        let lines = logs::lines(Arc::clone(self.kubernetes()), cx, query).await?;
        Ok(Some(lines))
    }

    async fn list_tenants(&self, engine: &str) -> Result<Vec<OwnedTenant>, ProviderError> {
        self.kubernetes().list(engine, self.name.as_str()).await.map_err(unknown)
    }

    fn observe(&self, engine: &str, clock: Arc<dyn Clock>) -> Option<BoxStream<'static, Observation>> {
        Some(watch::observe(Arc::clone(self.kubernetes()), engine, self.name.clone(), clock))
    }
}
