//! A small provider that keeps the whole contract, and can be broken in one way at a time.

mod drive;
mod platform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use landlord_compute::clock::Clock;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{Incarnation, ProviderName, TenantId};
use landlord_compute::machines::observation::{Observation, Seen};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{
    Difference, Field, FieldChange, Invalid, Problem, Spec, Support, changes,
};
use landlord_compute::machines::status::{
    ComputeState, ComputeStatus, ContainerStatus, Health, ProvisionResult, ProvisionStatus, UpdateResult,
    UpdateStatus,
};
use landlord_compute::provider::{
    Capabilities, Context, Destroyed, LogLine, LogQuery, OwnedTenant, Plan, PlannedChange, PlannedEffect,
    Provider, Released, Source, UndoBy,
};
use landlord_testing::conformance::Variant;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::cloud::{Cloud, LONGEST_NAME, Life, Mood, Part, Row, image, variant};
use super::defects::Defect;

pub(super) use platform::ModelPlatform;

/// How long one call of the platform's API takes.
const LATENCY: Duration = Duration::from_millis(10);
/// The most processor that there is, in millicores.
const LARGEST: i64 = 64_000;
/// The name of a tenant's resource: cut where it is too long, with a hash of the whole.
fn name(tenant: &TenantId, part: Part, only_cut: bool) -> String {
    let part = match part {
        Part::Net => "net",
        Part::App => "app",
        Part::Child => "child",
    };
    let room = LONGEST_NAME - part.len() - 1;
    let id = tenant.as_str();
    if id.len() <= room {
        return format!("{id}-{part}");
    }
    if only_cut {
        return format!("{}-{part}", &id[..room]);
    }
    let hash = id.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
    format!("{}-{hash:08x}-{part}", &id[..room - 9])
}
/// Whether the spec asks to retain something.
fn retains(spec: &Spec) -> bool {
    spec.volumes.iter().any(|volume| volume.retain)
}

/// The provider.
pub(super) struct Model {
    cloud: Cloud,
    defect: Option<Defect>,
    secret: String,
    /// Whether another one lived when it was made.
    second: bool,
    asked_for_name: AtomicU32,
    cached: Mutex<BTreeMap<TenantId, ComputeStatus>>,
    busy: Mutex<BTreeSet<TenantId>>,
    turn: tokio::sync::Mutex<()>,
}
/// Counts a call while it runs.
struct Busy<'a>(&'a Model, TenantId);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.lock().expect("no panic in here").remove(&self.1);
    }
}

impl Model {
    fn new(cloud: Cloud, defect: Option<Defect>, secret: String, second: bool) -> Self {
        Self {
            cloud,
            defect,
            secret,
            second,
            asked_for_name: AtomicU32::new(0),
            cached: Mutex::default(),
            busy: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn is(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// One call of the API.
    async fn api(&self, tenant: &TenantId, kind: ErrorKind) -> Result<(), ProviderError> {
        sleep(LATENCY).await;
        match self.cloud.mood(tenant) {
            Mood::Answers => Ok(()),
            Mood::Stalls => std::future::pending().await,
            Mood::Refuses => {
                let remedy =
                    if self.is(Defect::OutageIsPermanent) { Remedy::Permanent } else { Remedy::Retry };
                let message = "the platform refuses; try again later";
                Err(ProviderError::new(kind, remedy, ErrorCode::ProviderUnavailable, message))
            }
        }
    }

    /// The tenant's rows of all lives, found by their tags.
    async fn look(&self, subject: &Subject, kind: ErrorKind) -> Result<Vec<Row>, ProviderError> {
        self.api(&subject.tenant, kind).await?;
        let ours = |row: &&Row| {
            row.tags
                .as_ref()
                .is_some_and(|tags| tags.engine == subject.engine && tags.tenant == subject.tenant)
        };
        Ok(self.cloud.rows().all.iter().filter(ours).cloned().collect())
    }

    fn check(&self, spec: &Spec) -> Result<(), ProviderError> {
        let mut problems = Vec::new();
        if let Some(Value::Object(fields)) = &spec.provider_config
            && !self.is(Defect::IgnoresConfig)
        {
            for field in fields.keys().filter(|field| *field != "size") {
                problems.push(Problem::new(format!("provider_config.{field}"), "there is no such field"));
            }
        }
        if spec.resources.cpu > LARGEST && !self.is(Defect::IgnoresLimits) {
            problems.push(Problem::new("resources.cpu", format!("at most {LARGEST}")));
        }
        for container in &spec.containers {
            if container.image.contains(' ') && !self.is(Defect::IgnoresImages) {
                problems.push(Problem::new("containers[0].image", "an image has no spaces"));
            }
            if container.image == image(Variant::Invalid) {
                problems.push(Problem::new("containers[0].image", "this one is forbidden"));
            }
        }
        if self.is(Defect::TellsOneProblem) {
            problems.truncate(1);
        }
        let invalid = Invalid::unless_empty(problems);
        invalid.map_err(|invalid| {
            let error = ProviderError::from(invalid);
            let remedy = if self.is(Defect::InvalidIsRetryable) { Remedy::Retry } else { error.remedy };
            ProviderError { remedy, ..error }
        })
    }

    fn not_found(&self, tenant: &TenantId) -> ProviderError {
        let error = ProviderError::tenant_not_found(tenant);
        let code = if self.is(Defect::NotFoundWithoutCode) { ErrorCode::UnknownError } else { error.code };
        ProviderError { code, ..error }
    }
    /// One call, and its end in the log.
    async fn logged<T>(
        &self,
        cx: &Context,
        method: &str,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let result = call.await;
        let tenant_id = &cx.subject.tenant;
        let fatal_as_warning = self.is(Defect::FatalIsWarning);
        match &result {
            Ok(_) if self.is(Defect::LogsNoSuccess) => tracing::debug!(%tenant_id, "{method} done"),
            Ok(_) if self.is(Defect::LogsWithoutTenantId) => tracing::info!("{method} of {tenant_id} done"),
            Ok(_) if self.is(Defect::LogsOutsideSpan) => {
                tracing::info!(parent: None, %tenant_id, "{method} done");
            }
            Ok(_) => tracing::info!(%tenant_id, "{method} done"),
            Err(error) if error.remedy == Remedy::Retry && !self.is(Defect::RetryableIsDebug) => {
                tracing::warn!(%tenant_id, %error, "{method} failed, may be tried again");
            }
            Err(error) if error.remedy == Remedy::Retry => tracing::debug!(%tenant_id, %error, "{method}"),
            Err(error) if fatal_as_warning => tracing::warn!(%tenant_id, %error, "{method} failed"),
            Err(error) => tracing::error!(%tenant_id, %error, "{method} failed"),
        }
        result
    }

    fn begin(&self, tenant: &TenantId) -> Busy<'_> {
        self.busy.lock().expect("no panic in here").insert(tenant.clone());
        Busy(self, tenant.clone())
    }

    async fn remove_all(&self, cx: &Context) -> Result<(), ProviderError> {
        let kind = match self.is(Defect::DestroyFailsAsProvision) {
            true => ErrorKind::ProvisionFailed,
            false => ErrorKind::DestroyFailed,
        };
        let tenant = &cx.subject.tenant;
        let mut rows = self.look(&cx.subject, kind).await?;
        // The app first: what is left of a destroy is never more than what is left of a provision.
        rows.sort_by_key(|row| row.part == Part::Net);
        let has = |part| rows.iter().any(|row| row.part == part);
        let was_destroyed = self.cloud.rows().destroyed.contains(tenant);
        let failed = |message: &str| {
            Err(ProviderError::new(kind, Remedy::Permanent, ErrorCode::ResourceNotFound, message))
        };
        if rows.is_empty() && was_destroyed && self.is(Defect::DestroysOnce) {
            return failed("it was destroyed already");
        }
        if rows.is_empty() && !was_destroyed && self.is(Defect::AbsentIsAnError) {
            return failed("there is no such tenant");
        }
        if has(Part::App) && !has(Part::Net) && self.is(Defect::PartlyGoneIsAnError) {
            return failed("a part of it is gone");
        }
        if self.is(Defect::NeedsLedger) && cx.ledger().is_none() {
            return Ok(());
        }
        if self.is(Defect::HalfIsNothing) && !has(Part::App) && cx.ledger().is_some() {
            return Ok(());
        }
        {
            let all = self.cloud.rows();
            let tenant_of = |row: &Row| row.tags.as_ref().map(|tags| tags.tenant.clone());
            let engine_of = |row: &Row| row.tags.as_ref().map(|tags| tags.engine.clone());
            let too = all.all.iter().filter(|row| match self.defect {
                Some(Defect::DestroysByPrefix) => {
                    engine_of(row).as_ref() == Some(&cx.subject.engine)
                        && tenant_of(row).is_some_and(|other| other.as_str().starts_with(tenant.as_str()))
                }
                Some(Defect::DestroysForeign) => {
                    row.tags.is_none() && row.name == name(tenant, Part::Net, false)
                }
                Some(Defect::DestroysForAllEngines) => tenant_of(row).as_ref() == Some(tenant),
                _ => false,
            });
            let too: Vec<Row> =
                too.filter(|row| !rows.iter().any(|ours| ours.id == row.id)).cloned().collect();
            drop(all);
            rows.extend(too);
        }
        for row in rows {
            if self.is(Defect::DestroyIsCancelled) && cx.cancel.is_cancelled() {
                return failed("cancelled");
            }
            let skipped = match self.defect {
                Some(Defect::DestroyKeepsRelabelled) => row.relabelled,
                Some(Defect::DestroyKeepsCrashed) => row.crashed(),
                Some(Defect::DestroyKeepsChildren) => row.part == Part::Child,
                _ => false,
            };
            if !skipped {
                self.api(tenant, kind).await?;
                if row.spec.as_ref().is_some_and(retains) {
                    self.cloud.rows().retained.insert(tenant.clone(), cx.subject.clone());
                }
                self.cloud.delete(row.id);
            }
        }
        self.cloud.rows().destroyed.insert(tenant.clone());
        Ok(())
    }

    async fn state(&self, cx: &Context) -> Result<ComputeStatus, ProviderError> {
        let tenant = &cx.subject.tenant;
        let rows = self.look(&cx.subject, ErrorKind::StatusFailed).await?;
        let app = rows.iter().filter(|row| row.part == Part::App).max_by_key(|row| row.life() == Life::Well);
        let part_gone = !rows.iter().any(|row| row.part == Part::Net);
        let Some(row) = app.or(rows.first()) else {
            let forgets = self.is(Defect::DestroyedIsUnclear) && self.cloud.rows().destroyed.contains(tenant);
            return Err(match forgets {
                true => ProviderError::status_timeout(tenant),
                false => self.not_found(tenant),
            });
        };
        let life =
            if self.is(Defect::SickLooksWell) && row.life() == Life::Sick { Life::Well } else { row.life() };
        let (state, health, message) = match life {
            _ if part_gone => (ComputeState::Failed, Health::Unhealthy, Some("its net is gone".to_owned())),
            Life::Well => (ComputeState::Running, Health::Healthy, None),
            Life::Starting => (ComputeState::Starting, Health::Unknown, None),
            Life::Sick => (ComputeState::Running, Health::Unhealthy, Some("its check fails".to_owned())),
            Life::Crashed { .. } => (ComputeState::Failed, Health::Unhealthy, Some("it crashed".to_owned())),
        };
        let named = if self.is(Defect::ContainersHaveOtherNames) { "main" } else { "web" };
        Ok(ComputeStatus {
            tenant_id: tenant.clone(),
            provider_type: ProviderName::new("model").expect("a valid name"),
            state,
            containers: vec![ContainerStatus {
                name: named.to_owned(),
                state,
                ready: health == Health::Healthy,
                restart_count: 0,
                message,
            }],
            health,
            last_updated: cx.now(),
            metadata: BTreeMap::new(),
        })
    }
}

impl Model {
    /// What the tenant has left there on purpose: a name for each, and where it is.
    fn retained(&self, subject: &Subject) -> BTreeMap<String, String> {
        let rows = self.cloud.rows();
        let ours = rows.retained.get(&subject.tenant).filter(|tags| tags.engine == subject.engine);
        ours.map(|tags| BTreeMap::from([("volume".to_owned(), tags.tenant.to_string())])).unwrap_or_default()
    }

    /// What a provision says that it made.
    fn named(&self, mut ids: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if self.is(Defect::NamesNoResources) {
            ids.clear();
        }
        if self.is(Defect::NamesOneOfTwo) {
            ids.pop_last();
        }
        ids
    }
}

#[async_trait]
impl Provider for Model {
    fn name(&self) -> ProviderName {
        let asked = self.asked_for_name.fetch_add(1, Ordering::Relaxed);
        let name = match self.defect {
            Some(Defect::NameChanges) if asked > 0 => "model2",
            Some(Defect::NameOfTheSecondDiffers) if self.second => "model2",
            _ => "model",
        };
        ProviderName::new(name).expect("a valid name")
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        let call = async {
            let _turn = match self.is(Defect::OneAtATime) {
                true => Some(self.turn.lock().await),
                false => None,
            };
            let _busy = self.begin(&cx.subject.tenant);
            if !self.is(Defect::ProvisionDoesNotValidate) {
                self.check(spec)?;
            }
            if self.is(Defect::KnowsOneEngine) && !cx.subject.engine.starts_with("kit-") {
                let message = "an engine's name begins with kit-";
                let code = ErrorCode::InvalidConfiguration;
                return Err(ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Permanent, code, message));
            }
            let (ids, wrote) = self.forward(cx, spec, ErrorKind::ProvisionFailed).await?;
            if retains(spec) && !self.is(Defect::TakesNothingUp) {
                self.cloud.rows().retained.remove(&cx.subject.tenant);
            }
            let unfinished = self.is(Defect::AloneIsUnfinished) && cx.undo == UndoBy::Provider && wrote;
            let other = self.is(Defect::ResultNamesAnother);
            let shows = self.is(Defect::ResultShowsSecrets);
            Ok(ProvisionResult {
                tenant_id: cx.subject.tenant.clone(),
                provider_type: ProviderName::new(if other { "other" } else { "model" })
                    .expect("a valid name"),
                status: if unfinished { ProvisionStatus::InProgress } else { ProvisionStatus::Success },
                resource_ids: self.named(ids),
                endpoints: Vec::new(),
                message: shows.then(|| format!("runs with {:?}", spec.containers[0].env)),
                provisioned_at: cx.now(),
            })
        };
        self.logged(cx, "provision", call).await
    }

    async fn update(
        &self,
        cx: &Context,
        tenant_id: &TenantId,
        spec: &Spec,
    ) -> Result<UpdateResult, ProviderError> {
        let call = async {
            let _busy = self.begin(tenant_id);
            self.check(spec)?;
            let (_, wrote) = self.forward(cx, spec, ErrorKind::UpdateFailed).await?;
            let mut changes = cx.applied.as_ref().map(|old| changes(old, spec)).unwrap_or_default();
            if changes.is_empty() && (wrote || self.is(Defect::UpdateAlwaysChanges)) {
                changes.push("corrected: app".to_owned());
            }
            let status = if changes.is_empty() { UpdateStatus::NoChanges } else { UpdateStatus::Success };
            if self.is(Defect::ListsNoChanges) {
                changes.clear();
            }
            Ok(UpdateResult {
                tenant_id: tenant_id.clone(),
                provider_type: ProviderName::new("model").expect("a valid name"),
                status,
                changes,
                message: None,
                updated_at: cx.now(),
            })
        };
        self.logged(cx, "update", call).await
    }

    async fn destroy(&self, cx: &Context, _tenant_id: &TenantId) -> Result<Destroyed, ProviderError> {
        let before = !self.retained(&cx.subject).is_empty();
        self.logged(cx, "destroy", self.remove_all(cx)).await?;
        let hides = match self.defect {
            Some(Defect::HidesWhatItRetains) => !before,
            Some(Defect::NamesRetainedOnce) => before,
            _ => false,
        };
        let retained = if hides { BTreeMap::new() } else { self.retained(&cx.subject) };
        Ok(Destroyed::default().retained(retained))
    }

    async fn release(&self, cx: &Context, tenant_id: &TenantId) -> Result<Released, ProviderError> {
        if self.is(Defect::ReleaseNeedsLedger) && cx.ledger().is_none() {
            return Ok(Released::default());
        }
        let kind = ErrorKind::DestroyFailed;
        self.api(tenant_id, kind).await?;
        let removed = self.retained(&cx.subject);
        if removed.is_empty() && self.is(Defect::ReleasesOnce) {
            let (remedy, code) = (Remedy::Permanent, ErrorCode::ResourceNotFound);
            return Err(ProviderError::new(kind, remedy, code, "nothing is retained"));
        }
        if !removed.is_empty() {
            self.cloud.rows().retained.remove(tenant_id);
        }
        Ok(Released::default().removed(removed))
    }

    async fn get_status(&self, cx: &Context, tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        if self.is(Defect::OneCallATenant) && self.busy.lock().expect("no panic in here").contains(tenant_id)
        {
            return Err(ProviderError::status_timeout(tenant_id));
        }
        assert!(!self.is(Defect::StatusPanics), "the status of a tenant");
        if self.is(Defect::StatusNeedsLedger) && cx.ledger().is_none() {
            return Err(self.not_found(tenant_id));
        }
        if self.is(Defect::StatusIsSlow) {
            sleep(Duration::from_secs(6)).await;
        }
        if self.is(Defect::StatusIsCached)
            && let Some(status) = self.cached.lock().expect("no panic in here").get(tenant_id)
        {
            return Ok(status.clone());
        }
        if self.is(Defect::StatusWaitsForEver) {
            return self.state(cx).await;
        }
        let status = timeout(Duration::from_secs(5), self.state(cx)).await;
        let status = status.unwrap_or_else(|_| Err(ProviderError::status_timeout(tenant_id)))?;
        self.cached.lock().expect("no panic in here").insert(tenant_id.clone(), status.clone());
        Ok(status)
    }

    async fn validate(&self, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        let tenant = &cx.subject.tenant;
        match (self.defect, variant(spec)) {
            (Some(Defect::ValidateRefusesTheGood), Some(Variant::Changed)) => {
                Err(Invalid::unless_empty(vec![Problem::new("containers", "not today")])
                    .expect_err("a problem"))?
            }
            (Some(Defect::ValidateCreates), Some(Variant::Failing)) => {
                let tags = Some(cx.subject.clone());
                let name = name(tenant, Part::Net, false);
                self.cloud.create(tenant, name, Part::Net, tags, None, Vec::new());
            }
            _ => {}
        }
        self.check(spec)
    }

    fn config_schema(&self) -> Value {
        let draft = if self.is(Defect::OldSchema) { "draft-07/schema#" } else { "draft/2020-12/schema" };
        json!({
            "$schema": format!("https://json-schema.org/{draft}"),
            "type": "object",
            "properties": { "size": { "type": "string" } },
            "additionalProperties": false,
        })
    }

    fn config_defaults(&self) -> Value {
        json!({ "size": "small" })
    }

    fn capabilities(&self) -> Capabilities {
        let calls = if self.is(Defect::NoRoomForCalls) { 0 } else { 64 };
        let capabilities = Capabilities::default().max_concurrent_calls(calls);
        if self.is(Defect::HidesThatItLists) { capabilities } else { capabilities.lists_tenants() }
    }

    fn support(&self, field: Field) -> Support {
        let mapped = [Field::Replicas, Field::VolumeName, Field::VolumePersistent, Field::VolumeRetain];
        if mapped.contains(&field) { Support::Mapped } else { field.of_a_provider_that_does_not_say() }
    }

    async fn plan(&self, cx: &Context, _: &TenantId, spec: &Spec) -> Result<Plan, ProviderError> {
        let effect = PlannedEffect::InPlace;
        let planned = |old| PlannedChange::all(old, spec, effect);
        let mut plan = Plan::of(cx.applied.as_ref().map(planned).unwrap_or_default());
        if self.is(Defect::PlansForNothing) {
            let change = FieldChange { path: "containers".to_owned(), difference: Difference::Changed };
            plan.changes.push(PlannedChange { change, effect });
        }
        Ok(plan)
    }

    async fn logs(
        &self,
        _cx: &Context,
        tenant_id: &TenantId,
        _query: &LogQuery,
    ) -> Result<Option<BoxStream<'static, Result<LogLine, ProviderError>>>, ProviderError> {
        let line = |text| Ok(LogLine { at: None, container: "web".to_owned(), source: Source::Stdout, text });
        Ok(Some(stream::iter(self.cloud.log(tenant_id).into_iter().map(line)).boxed()))
    }

    async fn list_tenants(&self, engine: &str) -> Result<Vec<OwnedTenant>, ProviderError> {
        if self.is(Defect::ListsNobody) {
            return Ok(Vec::new());
        }
        let mut owned: BTreeMap<(TenantId, Incarnation), BTreeMap<String, String>> = BTreeMap::new();
        for row in &self.cloud.rows().all {
            let Some(tags) = row.tags.as_ref().filter(|tags| *tags.engine == *engine) else { continue };
            let resources = owned.entry((tags.tenant.clone(), tags.incarnation)).or_default();
            resources.insert(row.name.clone(), row.id.to_string());
        }
        let owned = owned.into_iter();
        let owned =
            owned.map(|((tenant, incarnation), resources)| OwnedTenant::new(tenant, incarnation, resources));
        let kept: Vec<Subject> = self.cloud.rows().retained.values().cloned().collect();
        let kept = kept.into_iter().filter(|tags| *tags.engine == *engine).map(|tags| {
            let (nothing, named) = (BTreeMap::new(), self.retained(&tags));
            match self.is(Defect::ListsRetainedAsHeld) {
                true => OwnedTenant::new(tags.tenant, tags.incarnation, named),
                false => OwnedTenant::new(tags.tenant, tags.incarnation, nothing).retained(named),
            }
        });
        Ok(owned.chain(kept).collect())
    }

    fn observe(&self, engine: &str, clock: Arc<dyn Clock>) -> Option<BoxStream<'static, Observation>> {
        let (cloud, engine) = (self.cloud.clone(), engine.to_owned());
        let (blind, shows) = (self.is(Defect::SeesNothing), self.is(Defect::ObservationShowsSecrets));
        let told: BTreeSet<u64> = BTreeSet::new();
        let watch = stream::unfold(told, move |mut told| {
            let (cloud, engine, clock) = (cloud.clone(), engine.clone(), Arc::clone(&clock));
            async move {
                loop {
                    sleep(LATENCY).await;
                    let begun = clock.now();
                    let crashed = cloud.rows().all.iter().find_map(|row| {
                        let tags = row.tags.as_ref().filter(|tags| *tags.engine == *engine)?;
                        let new = row.crashed() && !told.contains(&row.id) && !blind;
                        new.then(|| (row.id, tags.tenant.clone(), row.spec.clone()))
                    });
                    if let Some((id, tenant, spec)) = crashed {
                        told.insert(id);
                        let env = spec.filter(|_| shows).map(|spec| spec.containers[0].env.clone());
                        let seen = Seen::Broken(format!("it crashed {}", json!(env)));
                        return Some((Observation { tenant, begun, seen }, told));
                    }
                }
            }
        });
        Some(watch.boxed())
    }
}
