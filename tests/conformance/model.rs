//! A small provider that keeps the whole contract, and can be broken in one way at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use landlord_compute::clock::Clock;
use landlord_compute::conformance::{Harm, Limits, Platform, Resource, Unable, Variant};
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{Incarnation, ProviderName, TenantId};
use landlord_compute::machines::ledger::Ledger;
use landlord_compute::machines::observation::{Observation, Seen};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::result::{
    ComputeState, ComputeStatus, ContainerStatus, Health, ProvisionResult, ProvisionStatus, UpdateResult,
    UpdateStatus,
};
use landlord_compute::machines::spec::{
    ContainerSpec, Invalid, Problem, ResourceRequirements, SecretReference, Spec, TenantComputeSpec, changes,
};
use landlord_compute::provider::{Capabilities, Context, OwnedTenant, Provider, UndoBy};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::cloud::{Cloud, LONGEST_NAME, Life, Mood, Part, Row, image, variant};
use super::defects::Defect;

/// How long one call of the platform's API takes.
const LATENCY: Duration = Duration::from_millis(10);
/// How long an app may take to become healthy.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most processor that there is, in millicores.
const LARGEST: i64 = 64_000;

/// The platform with the provider that is tried on it.
pub(super) struct ModelPlatform {
    cloud: Cloud,
    defect: Option<Defect>,
    secret: String,
    /// The provider that was made last.
    last: Mutex<Weak<Model>>,
}

impl ModelPlatform {
    pub(super) fn new(defect: Option<Defect>) -> Self {
        Self {
            cloud: Cloud::default(),
            defect,
            secret: "hunter2-0123456789abcdef".to_owned(),
            last: Mutex::default(),
        }
    }
}

#[async_trait]
impl Platform for ModelPlatform {
    fn provider(&self) -> Arc<dyn Provider> {
        let mut last = self.last.lock().expect("no panic in here");
        let model = Arc::new(Model {
            cloud: self.cloud.clone(),
            defect: self.defect,
            secret: self.secret.clone(),
            second: last.upgrade().is_some(),
            asked_for_name: AtomicU32::new(0),
            cached: Mutex::default(),
            busy: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        });
        *last = Arc::downgrade(&model);
        model
    }

    fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable> {
        let secret = SecretReference {
            name: "db".to_owned(),
            source: "model".to_owned(),
            key: "db".to_owned(),
            env_var: Some("DB".to_owned()),
        };
        let has_secret = matches!(variant, Variant::Secret | Variant::SecretFailing);
        Ok(TenantComputeSpec {
            tenant_id: tenant.to_string(),
            provider_type: "model".to_owned(),
            containers: vec![ContainerSpec {
                name: "web".to_owned(),
                image: image(variant).to_owned(),
                ..ContainerSpec::default()
            }],
            resources: ResourceRequirements {
                cpu: if variant == Variant::TooLarge { LARGEST + 1 } else { 128 },
                memory: 128,
                storage: None,
            },
            secrets: if has_secret { vec![secret] } else { Vec::new() },
            ..TenantComputeSpec::default()
        })
    }

    async fn resources(&self, tenant: &TenantId) -> Vec<Resource> {
        self.cloud.resources(tenant)
    }

    async fn serves(&self, tenant: &TenantId) -> Result<bool, Unable> {
        Ok(self.cloud.serves(tenant))
    }

    async fn harm(&self, tenant: &TenantId, harm: Harm) -> Result<(), Unable> {
        self.cloud.harm(tenant, harm);
        Ok(())
    }

    async fn heal(&self, tenant: &TenantId) {
        self.cloud.heal(tenant);
    }

    async fn plant(&self, subject: &Subject) -> Result<(), Unable> {
        let name = name(&subject.tenant, Part::Net, false);
        self.cloud.create(&subject.tenant, name, Part::Net, None, None, Vec::new());
        Ok(())
    }

    fn secret(&self) -> Result<String, Unable> {
        Ok(self.secret.clone())
    }

    fn limits(&self) -> Limits {
        Limits {
            call: Duration::from_secs(300),
            pause: Duration::from_millis(10),
            interruptions: 32,
            parallel: 1,
            ..Limits::default()
        }
    }
}

/// The name of a tenant's resource: cut where it is too long, with a hash of the whole.
fn name(tenant: &TenantId, part: Part, only_cut: bool) -> String {
    let part = match part {
        Part::Net => "net",
        Part::App => "app",
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

/// Why a way ended before its goal.
enum Halt {
    Failed(ProviderError),
    Cancelled,
    Late,
}

impl From<ProviderError> for Halt {
    fn from(error: ProviderError) -> Self {
        Self::Failed(error)
    }
}

/// What ends a way besides its goal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Stopped,
    Reached,
}

/// A way to a spec: what was done on it so far.
struct Way<'a> {
    cx: &'a Context,
    kind: ErrorKind,
    until: Until,
    wrote: bool,
    /// Whether something ran before.
    ran: bool,
}

impl Way<'_> {
    fn may_go_on(&self) -> Result<(), Halt> {
        let late = self.cx.undo == UndoBy::Provider
            && self.cx.deadline.is_some_and(|deadline| self.cx.now() >= deadline);
        match self.until {
            Until::Reached => Ok(()),
            Until::Stopped if self.cx.cancel.is_cancelled() => Err(Halt::Cancelled),
            Until::Stopped if late => Err(Halt::Late),
            Until::Stopped => Ok(()),
        }
    }
}

/// Counts a call while it runs.
struct Busy<'a>(&'a Model, TenantId);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.lock().expect("no panic in here").remove(&self.1);
    }
}

impl Model {
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

    /// Makes durable what is there, or is going to be.
    async fn remember(&self, way: &Way<'_>, spec: &Spec, step: &str) {
        if way.cx.undo == UndoBy::Engine || way.cx.ledger().is_none() {
            self.remember_as(way.cx, spec, step, BTreeMap::from([("net", "net"), ("app", "app")])).await;
        }
    }

    async fn remember_as(&self, cx: &Context, spec: &Spec, step: &str, resources: BTreeMap<&str, &str>) {
        let facts = match self.is(Defect::LedgerKeepsSecrets) {
            true => serde_json::to_string(&spec.containers[0].env).expect("a map of strings"),
            false => "null".to_owned(),
        };
        let step = match self.is(Defect::StepShowsSecrets) {
            true => format!("{step} {:?}", spec.containers[0].env),
            false => step.to_owned(),
        };
        let owned = resources.into_iter().map(|(name, id)| (name.to_owned(), id.to_owned())).collect();
        let facts = serde_json::value::RawValue::from_string(facts).expect("valid JSON");
        let ledger = Ledger { version: 1, resources: owned, endpoints: Vec::new(), facts };
        cx.checkpoint(ledger, &step).await.expect("a journal that works");
    }

    /// Drives to the spec.
    async fn drive(&self, way: &mut Way<'_>, spec: &Spec) -> Result<BTreeMap<String, String>, Halt> {
        let subject = &way.cx.subject;
        let tenant = &subject.tenant;
        let provisions = way.kind == ErrorKind::ProvisionFailed;
        let heeds_start = !self.is(Defect::BeginsThoughCancelled);
        if heeds_start {
            way.may_go_on()?;
        }
        let rows = self.look(subject, way.kind).await?;
        let (ours, older): (Vec<Row>, Vec<Row>) = rows
            .into_iter()
            .partition(|row| row.tags.as_ref().is_some_and(|tags| tags.incarnation == subject.incarnation));
        let wants = |row: &&Row| row.part == Part::App && row.spec.as_ref() == Some(spec);
        let others = ours.iter().filter(|row| row.part == Part::App && !wants(row) && !row.crashed());
        way.ran = ours.iter().any(|row| row.part == Part::App && row.life() == Life::Well);
        if provisions && way.until == Until::Stopped && others.count() > 0 {
            let code = match self.is(Defect::ConflictWithoutCode) {
                true => ErrorCode::UnknownError,
                false => ErrorCode::Conflict,
            };
            let message = "another spec runs; use update to change it";
            return Err(ProviderError::new(way.kind, Remedy::Permanent, code, message).into());
        }
        if !provisions && ours.is_empty() && !self.is(Defect::UpdateProvisions) {
            return Err(self.not_found(tenant).into());
        }
        let only_cut = self.is(Defect::OnlyCutsNames);
        let foreign = |row: &Row| {
            [Part::Net, Part::App].into_iter().any(|part| row.name == name(tenant, part, only_cut))
                && row
                    .tags
                    .as_ref()
                    .is_none_or(|tags| tags.engine != subject.engine || tags.tenant != *tenant)
        };
        if self.cloud.rows().all.iter().any(foreign) {
            let message = format!("a resource of {tenant} belongs to somebody else; remove or rename it");
            return Err(ProviderError::new(way.kind, Remedy::Permanent, ErrorCode::Conflict, message).into());
        }
        if heeds_start {
            way.may_go_on()?;
        }
        if self.is(Defect::LedgerComesLate) {
            self.remember_as(way.cx, spec, "begin", BTreeMap::new()).await;
        } else {
            self.remember(way, spec, "begin").await;
        }
        if !self.is(Defect::KeepsOlderLives) {
            for row in older {
                self.remove(way, &row).await?;
            }
        }
        if self.is(Defect::RemovesOldFirst) {
            for row in ours.iter().filter(|row| row.part == Part::App && !wants(row)) {
                self.remove(way, row).await?;
            }
        }
        let net = match ours.iter().find(|row| row.part == Part::Net) {
            Some(net) => net.id,
            None => self.make(way, Part::Net, spec).await?,
        };
        way.may_go_on()?;
        let again = way.until == Until::Stopped && provisions && way.ran && self.is(Defect::ProvisionsAgain);
        let doubles = match provisions {
            true => self.is(Defect::ProvisionDoubles),
            false => self.is(Defect::UpdateDoubles),
        };
        let drifts = !provisions && self.is(Defect::IgnoresDrift);
        let usable = |row: &&Row| {
            wants(row) && (drifts || !row.crashed()) && !again && !(doubles && row.life() == Life::Starting)
        };
        let (app, kept) = match ours.iter().find(usable) {
            Some(app) => (app.id, app.crashed()),
            None => (self.make(way, Part::App, spec).await?, false),
        };
        if !kept {
            self.wait_until_well(way, app).await?;
        }
        let stays = |row: &Row| {
            let crashed = row.crashed() && self.is(Defect::UndoKeepsCrashed);
            let doubled = doubles && row.spec.as_ref() == Some(spec) && !row.crashed();
            row.id == app
                || (self.is(Defect::KeepsOldApp) && row.variant() == Some(Variant::First) && !row.crashed())
                || (crashed && way.cx.undo == UndoBy::Engine && !wants(&row))
                || doubled
        };
        let gone: Vec<&Row> = ours.iter().filter(|row| row.part == Part::App && !stays(row)).collect();
        for row in gone {
            way.may_go_on()?;
            self.remove(way, row).await?;
        }
        way.may_go_on()?;
        self.api(tenant, way.kind).await?;
        self.cloud.change(net, |row| {
            row.relabelled |= row.spec.as_ref() != Some(spec);
            row.spec = Some(spec.clone());
        });
        self.remember(way, spec, "done").await;
        Ok([("net", net), ("app", app)].map(|(name, id)| (name.to_owned(), id.to_string())).into())
    }

    async fn make(&self, way: &mut Way<'_>, part: Part, spec: &Spec) -> Result<u64, Halt> {
        let subject = &way.cx.subject;
        self.api(&subject.tenant, way.kind).await?;
        let tags = Some(subject.clone());
        let name = match part {
            Part::Net => name(&subject.tenant, part, self.is(Defect::OnlyCutsNames)),
            // There may be two for a while.
            Part::App => format!("{}-{}", name(&subject.tenant, part, true), fastrand::u32(..)),
        };
        let secrets = match spec.secrets.is_empty() {
            true => Vec::new(),
            false => vec![self.secret.clone()],
        };
        let late = self.is(Defect::TagsLate) && part == Part::Net;
        let first = if late { None } else { tags.clone() };
        let id = self.cloud.create(&subject.tenant, name, part, first, Some(spec.clone()), secrets);
        if late {
            self.api(&subject.tenant, way.kind).await?;
            self.cloud.change(id, |row| row.tags = tags);
        }
        way.wrote = true;
        Ok(id)
    }

    async fn remove(&self, way: &mut Way<'_>, row: &Row) -> Result<(), Halt> {
        self.api(&way.cx.subject.tenant, way.kind).await?;
        self.cloud.delete(row.id);
        way.wrote = true;
        Ok(())
    }

    async fn wait_until_well(&self, way: &Way<'_>, app: u64) -> Result<(), Halt> {
        let hurries = match way.kind == ErrorKind::ProvisionFailed {
            true => self.is(Defect::ProvisionHurries) && way.cx.undo == UndoBy::Engine,
            false => self.is(Defect::UpdateHurries),
        };
        let patience = if hurries { Duration::from_millis(500) } else { PATIENCE };
        let waited = timeout(patience, async {
            loop {
                match way.may_go_on() {
                    Err(Halt::Cancelled) if self.is(Defect::WaitsThoughCancelled) => {}
                    halted => halted?,
                }
                self.api(&way.cx.subject.tenant, way.kind).await?;
                let row = self.cloud.rows().all.iter().find(|row| row.id == app).cloned();
                match row.as_ref().map(Row::life) {
                    Some(Life::Well) => return Ok(()),
                    Some(Life::Starting | Life::Sick) => sleep(LATENCY).await,
                    Some(Life::Crashed { words }) => {
                        return Err(self.crash(way, row.as_ref(), &words).into());
                    }
                    None => return Err(self.crash(way, None, "it was removed").into()),
                }
            }
        });
        match waited.await {
            Ok(done) => done,
            Err(_) if hurries => Ok(()),
            Err(_) => Err(self.crash(way, None, "it did not become healthy").into()),
        }
    }

    /// An app that ended, in the platform's words without what they must not show.
    fn crash(&self, way: &Way<'_>, row: Option<&Row>, words: &str) -> ProviderError {
        let kind = match (self.defect, way.kind == ErrorKind::ProvisionFailed) {
            (Some(Defect::ProvisionFailsAsUpdate), true) => ErrorKind::UpdateFailed,
            (Some(Defect::UpdateFailsAsProvision), false) => ErrorKind::ProvisionFailed,
            (_, true | false) => way.kind,
        };
        let values = row.and_then(|row| row.spec.as_ref()).into_iter();
        let values = values.flat_map(|spec| spec.containers[0].env.values()).chain([&self.secret]);
        let shown = values.fold(words.to_owned(), |words, value| words.replace(value, "[secret]"));
        let message = "the app ended before it was healthy; look at its log";
        let error = ProviderError::new(kind, Remedy::Retry, ErrorCode::UnknownError, message);
        let error = match self.is(Defect::CauseShowsSecrets) {
            true => error.with_source(std::io::Error::other(words.to_owned())),
            false => error,
        };
        if self.is(Defect::NoPlatformWords) { error } else { error.with_platform(shown) }
    }

    /// Drives to the spec, and goes back where it has to.
    async fn forward(
        &self,
        cx: &Context,
        spec: &Spec,
        kind: ErrorKind,
    ) -> Result<(BTreeMap<String, String>, bool), ProviderError> {
        let mut way = Way { cx, kind, until: Until::Stopped, wrote: false, ran: false };
        if self.is(Defect::LogsSecrets) {
            tracing::trace!(tenant_id = %cx.subject.tenant, "the environment is {:?}", spec.containers[0].env);
        }
        let deadline = if self.is(Defect::IgnoresDeadline) { None } else { cx.deadline };
        let cx_without;
        if deadline != cx.deadline {
            let mut without = cx.clone();
            without.deadline = None;
            cx_without = without;
            way.cx = &cx_without;
        }
        let halt = match self.drive(&mut way, spec).await {
            Ok(ids) => return Ok((ids, way.wrote)),
            Err(halt) => halt,
        };
        let updates = kind == ErrorKind::UpdateFailed;
        let (error, left) = match halt {
            Halt::Failed(error) if updates => (error, self.is(Defect::NoRollback)),
            Halt::Failed(error) => (error, self.is(Defect::LeavesNet)),
            Halt::Cancelled => {
                let left =
                    if updates { Defect::CancelledUpdateStays } else { Defect::CancelledProvisionStays };
                let message = "cancelled before it was done";
                (ProviderError::new(kind, Remedy::Retry, ErrorCode::UnknownError, message), self.is(left))
            }
            Halt::Late => {
                let message = "its deadline passed before it was done";
                (ProviderError::new(kind, Remedy::Retry, ErrorCode::ProviderTimeout, message), false)
            }
        };
        match cx.undo {
            UndoBy::Engine => {
                if self.is(Defect::LedgerComesLate) {
                    self.remember(&way, spec, "failed").await;
                }
                if self.is(Defect::ForgetsOnFailure) {
                    self.remember_as(cx, spec, "failed", BTreeMap::new()).await;
                }
                if self.is(Defect::OrphansWhenCancelled) && cx.cancel.is_cancelled() {
                    for row in &mut self.cloud.rows().all {
                        if row.tags.as_ref() == Some(&cx.subject) && row.part == Part::Net && !way.ran {
                            row.tags = None;
                        }
                    }
                }
            }
            UndoBy::Provider if !way.wrote || left => {}
            UndoBy::Provider => match (&cx.applied, updates) {
                (Some(applied), true) => {
                    let mut back = Way { until: Until::Reached, ..way };
                    // What cannot be undone is found by the next call.
                    let _ = self.drive(&mut back, applied).await;
                }
                _ if way.ran => {}
                _ => {
                    for row in self.look(&cx.subject, kind).await? {
                        self.cloud.delete(row.id);
                    }
                }
            },
        }
        Err(error)
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
                _ => false,
            };
            if !skipped {
                self.api(tenant, kind).await?;
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
            let unfinished = self.is(Defect::AloneIsUnfinished) && cx.undo == UndoBy::Provider && wrote;
            let other = self.is(Defect::ResultNamesAnother);
            let shows = self.is(Defect::ResultShowsSecrets);
            Ok(ProvisionResult {
                tenant_id: cx.subject.tenant.clone(),
                provider_type: ProviderName::new(if other { "other" } else { "model" })
                    .expect("a valid name"),
                status: if unfinished { ProvisionStatus::InProgress } else { ProvisionStatus::Success },
                resource_ids: if self.is(Defect::NamesNoResources) { BTreeMap::new() } else { ids },
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

    async fn destroy(&self, cx: &Context, _tenant_id: &TenantId) -> Result<(), ProviderError> {
        self.logged(cx, "destroy", self.remove_all(cx)).await
    }

    async fn get_status(&self, cx: &Context, tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        if self.is(Defect::OneCallATenant) && self.busy.lock().expect("no panic in here").contains(tenant_id)
        {
            return Err(ProviderError::status_timeout(tenant_id));
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
        Capabilities { max_concurrent_calls: calls, ..Capabilities::default() }
    }

    async fn plan(&self, cx: &Context, _: &TenantId, spec: &Spec) -> Result<Vec<String>, ProviderError> {
        let mut plan = cx.applied.as_ref().map(|old| changes(old, spec)).unwrap_or_default();
        if self.is(Defect::PlansForNothing) {
            plan.push("containers: restarted".to_owned());
        }
        Ok(plan)
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
        Ok(owned
            .map(|((tenant, incarnation), resources)| OwnedTenant { tenant, incarnation, resources })
            .collect())
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
