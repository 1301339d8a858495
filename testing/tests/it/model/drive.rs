//! The model's way to a spec, and back.

use std::collections::BTreeMap;
use std::time::Duration;

use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::Rollout;
use landlord_compute::machines::ledger::Ledger;
use landlord_compute::machines::spec::{Replicas, Spec, TenantComputeSpec};
use landlord_compute::provider::{CheckpointError, Context, UndoBy};
use landlord_testing::conformance::Variant;
use tokio::time::{sleep, timeout};

use super::super::cloud::{Life, Part, Row, variant};
use super::super::defects::Defect;
use super::{Model, name};

/// How long an app may take to become healthy.
const PATIENCE: Duration = Duration::from_secs(120);
/// From one look at it to the next.
const PAUSE: Duration = Duration::from_millis(40);

/// Why a way ended before its goal.
enum Halt {
    Failed(ProviderError),
    Cancelled,
    Late,
    Fenced(CheckpointError),
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
    /// For which rollout of the spec.
    rollout: Rollout,
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
impl Model {
    /// Makes durable what is there, or is going to be.
    async fn remember(&self, way: &Way<'_>, spec: &Spec, step: &str) -> Result<(), Halt> {
        let tenant = &way.cx.subject.tenant;
        let named = [("net", Part::Net), ("app", Part::App)];
        let most = if self.is(Defect::LedgerNamesOneOfTwo) { 1 } else { named.len() };
        let named = named.map(|(part, which)| (part.to_owned(), name(tenant, which, false)));
        self.remember_as(way.cx, spec, step, named.into_iter().take(most).collect()).await
    }

    async fn remember_as(
        &self,
        cx: &Context,
        spec: &Spec,
        step: &str,
        resources: BTreeMap<String, String>,
    ) -> Result<(), Halt> {
        let facts = match self.is(Defect::LedgerKeepsSecrets) {
            true => serde_json::to_string(&spec.containers[0].env).expect("a map of strings"),
            false => "null".to_owned(),
        };
        let step = match self.is(Defect::StepShowsSecrets) {
            true => format!("{step} {:?}", spec.containers[0].env),
            false => step.to_owned(),
        };
        let facts = serde_json::value::RawValue::from_string(facts).expect("valid JSON");
        let ledger =
            Ledger { version: 1, resources, endpoints: Vec::new(), waits: None, engine: None, facts };
        match cx.checkpoint(ledger, &step).await {
            Err(_) if self.is(Defect::IgnoresFence) => Ok(()),
            stored => stored.map_err(Halt::Fenced),
        }
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
        let runs_it = |row: &&Row| {
            row.part == Part::App && row.spec.as_ref().is_some_and(|of| self.runs_the_same(of, spec))
        };
        let rollout = way.rollout;
        let wants = |row: &&Row| runs_it(row) && (row.rollout == rollout || self.is(Defect::IgnoresRollout));
        let others = ours.iter().filter(|row| row.part == Part::App && !runs_it(row) && !row.crashed());
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
        if variant(spec) == Some(Variant::AddressTaken) && !self.is(Defect::IgnoresAddresses) {
            let message = "its address belongs to somebody else; give it another one";
            return Err(ProviderError::new(way.kind, Remedy::Permanent, ErrorCode::Conflict, message).into());
        }
        if heeds_start {
            way.may_go_on()?;
        }
        if self.is(Defect::LedgerComesLate) {
            self.remember_as(way.cx, spec, "begin", BTreeMap::new()).await?;
        } else {
            self.remember(way, spec, "begin").await?;
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
            let works = row.life() != Life::Sick || self.is(Defect::KeepsWhatHangs);
            let lives = drifts || !row.crashed();
            wants(row) && works && lives && !again && !(doubles && row.life() == Life::Starting)
        };
        let mut apps: Vec<(u64, bool)> = Vec::new();
        for app in ours.iter().filter(usable).take(self.replicas(spec)) {
            apps.push((app.id, app.crashed() || app.life() == Life::Sick));
        }
        while apps.len() < self.replicas(spec) {
            apps.push((self.make(way, Part::App, spec).await?, false));
        }
        for (app, _) in apps.iter().filter(|(_, kept)| !kept) {
            self.wait_until_well(way, *app).await?;
        }
        let is_wanted = |row: &Row| apps.iter().any(|(app, _)| row.id == *app);
        let stays = |row: &Row| {
            let crashed = row.crashed() && self.is(Defect::UndoKeepsCrashed);
            let doubled = doubles && row.spec.as_ref() == Some(spec) && !row.crashed();
            is_wanted(row)
                || (self.is(Defect::KeepsOldApp) && row.variant() == Some(Variant::First) && !row.crashed())
                || (crashed && way.cx.undo == UndoBy::Engine && !wants(&row))
                || doubled
        };
        let is_new = !ours.iter().any(is_wanted);
        let goes = |row: &&Row| match row.part {
            Part::Net => false,
            Part::App => !stays(row),
            Part::Child => is_new && !self.is(Defect::UpdateKeepsChildren),
        };
        let gone: Vec<&Row> = ours.iter().filter(goes).collect();
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
        self.remember(way, spec, "done").await?;
        let apps = (1..).zip(&apps).map(|(number, (app, _))| match number {
            1 => ("app".to_owned(), *app),
            other => (format!("app {other}"), *app),
        });
        let named = [("net".to_owned(), net)].into_iter().chain(apps);
        Ok(named.map(|(name, id)| (name, id.to_string())).collect())
    }

    /// How many apps run a spec.
    fn replicas(&self, spec: &Spec) -> usize {
        match spec.replicas {
            Some(Replicas::Count(count)) if !self.is(Defect::RunsOneReplica) => {
                count.try_into().expect("a small number")
            }
            Some(Replicas::Count(_) | Replicas::Auto) | None => 1,
        }
    }

    /// Whether an app of one spec is an app of another. How many there are, and what the engine keeps, is nothing to it.
    fn runs_the_same(&self, one: &Spec, other: &Spec) -> bool {
        let app = |spec: &Spec| {
            let mut app = TenantComputeSpec::clone(spec);
            if !self.is(Defect::ReplacesReplicas) {
                app.replicas = None;
            }
            if !self.is(Defect::ReplacesForProtection) {
                app.deletion_protection = false;
            }
            app
        };
        app(one) == app(other)
    }

    async fn make(&self, way: &mut Way<'_>, part: Part, spec: &Spec) -> Result<u64, Halt> {
        let subject = &way.cx.subject;
        self.api(&subject.tenant, way.kind).await?;
        if self.is(Defect::StopsAtFullLog) && self.cloud.has_full_log(&subject.tenant) {
            let (remedy, code) = (Remedy::Retry, ErrorCode::ResourceExhausted);
            return Err(ProviderError::new(way.kind, remedy, code, "its log has no room").into());
        }
        let tags = Some(subject.clone());
        let name = match part {
            Part::Net => name(&subject.tenant, part, self.is(Defect::OnlyCutsNames)),
            // There may be two for a while.
            Part::App | Part::Child => format!("{}-{}", name(&subject.tenant, part, true), fastrand::u32(..)),
        };
        let secrets = match spec.secrets.is_empty() {
            true => Vec::new(),
            false => vec![self.secret.clone()],
        };
        let late = self.is(Defect::TagsLate) && part == Part::Net;
        let first = if late { None } else { tags.clone() };
        let id = self.cloud.create(&subject.tenant, name, part, first, Some(spec.clone()), secrets);
        self.cloud.change(id, |row| row.rollout = way.rollout);
        if part == Part::App {
            self.cloud.write(&subject.tenant, "begins", !self.is(Defect::LosesLinesSilently));
        }
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
                    Some(Life::Crashed { .. }) if self.is(Defect::WaitsForTheDead) => sleep(PAUSE).await,
                    Some(Life::Starting | Life::Sick) => sleep(PAUSE).await,
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
    pub(super) async fn forward(
        &self,
        cx: &Context,
        spec: &Spec,
        kind: ErrorKind,
    ) -> Result<(BTreeMap<String, String>, bool), ProviderError> {
        let (until, rollout) = (Until::Stopped, cx.rollout);
        let mut way = Way { cx, kind, until, rollout, wrote: false, ran: false };
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
            Halt::Fenced(why) => {
                let code = ErrorCode::UnknownError;
                return Err(ProviderError::new(kind, Remedy::Retry, code, why.to_string()).with_source(why));
            }
        };
        if self.is(Defect::LedgerComesLate) {
            let _ = self.remember(&way, spec, "failed").await;
        }
        match cx.undo {
            UndoBy::Engine => {
                // That it failed is worse than that this is not stored.
                if self.is(Defect::ForgetsOnFailure) {
                    let _ = self.remember_as(cx, spec, "failed", BTreeMap::new()).await;
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
            UndoBy::Provider => {
                if let Err(why) = self.go_back(way, updates).await
                    && !self.is(Defect::SaysNotWhatIsLeft)
                {
                    let left = cx.ledger().map(|ledger| ledger.left().join(", ")).unwrap_or_default();
                    let message = format!("{}; not undone: {why}; left: {left}", error.message);
                    return Err(ProviderError { message, ..error });
                }
            }
        }
        Err(error)
    }

    /// Goes back to what ran before.
    async fn go_back(&self, way: Way<'_>, updates: bool) -> Result<(), ProviderError> {
        let Way { cx, kind, ran, .. } = way;
        match (&cx.applied, updates) {
            (Some(applied), true) => {
                let mut back = Way { until: Until::Reached, rollout: cx.applied_rollout, ..way };
                self.drive(&mut back, applied).await.map(drop).map_err(|halt| match halt {
                    Halt::Failed(error) => error,
                    Halt::Cancelled | Halt::Late | Halt::Fenced(_) => self.not_found(&cx.subject.tenant),
                })
            }
            // A provision that repaired a tenant that ran must not take it down.
            (Some(_) | None, true | false) if ran => Ok(()),
            (Some(_) | None, true | false) => {
                for row in self.look(&cx.subject, kind).await? {
                    self.api(&cx.subject.tenant, kind).await?;
                    self.cloud.delete(row.id);
                }
                Ok(())
            }
        }
    }
}
