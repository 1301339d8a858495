//! The one driver that turns any planner and its API into a provider's methods.
//!
//! A method asks the planner what to do next, does it, lets the planner learn what came back, and asks again. What
//! a write intends is durable before it goes out, and what it brought is durable before the next one. Under the
//! engine a method that fails or is stopped returns and leaves the ledger as it is; used alone it goes back first:
//! a provision to nothing, an update to the spec that ran before.

mod drive;
mod waits;

use std::time::Duration;

use landlord_state_machines::error::{ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::ProviderName;
use landlord_state_machines::planner::{CallError, Goal, Holdings, Kind, Means, Planner};
use landlord_state_machines::spec::{FieldChange, Spec};
use landlord_state_machines::status::{
    ComputeStatus, ProvisionResult, ProvisionStatus, UpdateResult, UpdateStatus,
};
use tracing::Instrument;

use super::{Context, Plan, PlannedChange, PlannedEffect, STATUS_WITHIN, UndoBy};
use drive::{Drive, Halt};

/// The pauses between the tries of an undo that nobody else would try again.
const UNDO_PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// A platform's API: makes one call that a planner asks for.
pub trait Api: Send + Sync + 'static {
    /// Who decides which calls to make.
    type Planner: Planner;

    /// Waits until a call that writes may go out, where its platform takes only so many. What the call intends is noted after
    /// this and right before it goes out: how long it may still happen counts from there. A call that only reads waits within
    /// [`call`](Self::call). Default: at once.
    fn turn(
        &self,
        _cx: &Context,
        _call: &<Self::Planner as Planner>::Call,
    ) -> impl Future<Output = Result<(), CallError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Makes the call once and says what came back. Never tries again by itself: that is the planner's to decide.
    /// When there is no answer it has to say [`CallError::Unknown`].
    fn call(
        &self,
        cx: &Context,
        call: &<Self::Planner as Planner>::Call,
    ) -> impl Future<Output = Result<<Self::Planner as Planner>::Reply, CallError>> + Send;
}

/// A shared API is an API.
impl<A: Api> Api for std::sync::Arc<A> {
    type Planner = A::Planner;

    async fn turn(&self, cx: &Context, call: &<Self::Planner as Planner>::Call) -> Result<(), CallError> {
        A::turn(self, cx, call).await
    }

    async fn call(
        &self,
        cx: &Context,
        call: &<Self::Planner as Planner>::Call,
    ) -> Result<<Self::Planner as Planner>::Reply, CallError> {
        A::call(self, cx, call).await
    }
}

/// The field-level changes from one spec to another, a line each.
pub type Changes = fn(&Spec, &Spec) -> Vec<String>;

/// A provider's methods over its [`Api`].
#[derive(Debug)]
pub struct Converge<A> {
    name: ProviderName,
    api: A,
    changes: Changes,
}

impl<A: Api> Converge<A> {
    /// The methods of the provider `name` over `api`; `changes` is what `update` lists.
    pub fn new(name: ProviderName, api: A, changes: Changes) -> Self {
        Self { name, api, changes }
    }

    /// The API itself, for what needs no plan.
    pub fn api(&self) -> &A {
        &self.api
    }

    /// [`Provider::provision`](super::Provider::provision).
    ///
    /// # Errors
    /// As there.
    pub async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.traced(cx, "provision", Kind::Write, async {
            let by = if cx.applied.as_ref() == Some(spec) { Means::Repair } else { Means::Provision };
            let goal = Goal::Present { spec, applied: cx.applied.as_ref(), rollout: cx.rollout, by };
            let kind = ErrorKind::ProvisionFailed;
            let drive = self.forward(cx, goal, kind, Some(Goal::Absent)).await?;
            let held = A::Planner::holdings(&drive.facts);
            Ok(ProvisionResult {
                tenant_id: cx.subject.tenant.clone(),
                provider_type: self.name.clone(),
                status: ProvisionStatus::Success,
                resource_ids: held.resources,
                endpoints: held.endpoints,
                message: None,
                provisioned_at: cx.now(),
            })
        })
        .await
    }

    /// [`Provider::update`](super::Provider::update).
    ///
    /// # Errors
    /// As there.
    pub async fn update(&self, cx: &Context, spec: &Spec) -> Result<UpdateResult, ProviderError> {
        self.traced(cx, "update", Kind::Write, async {
            let (applied, by) = (cx.applied.as_ref(), Means::Update);
            let goal = Goal::Present { spec, applied, rollout: cx.rollout, by };
            let back = applied.map(|spec| Goal::Present { spec, applied, rollout: cx.applied_rollout, by });
            let drive = self.forward(cx, goal, ErrorKind::UpdateFailed, back).await?;
            let mut changes = cx.applied.as_ref().map(|old| (self.changes)(old, spec)).unwrap_or_default();
            match (changes.is_empty() && !drive.written.is_empty(), cx.rollout == cx.applied_rollout) {
                (true, true) => changes.extend(drive.written.iter().map(|step| format!("corrected: {step}"))),
                (true, false) => changes.push("restarted".to_owned()),
                (false, true | false) => {}
            }
            Ok(UpdateResult {
                tenant_id: cx.subject.tenant.clone(),
                provider_type: self.name.clone(),
                status: if changes.is_empty() { UpdateStatus::NoChanges } else { UpdateStatus::Success },
                changes,
                message: None,
                updated_at: cx.now(),
            })
        })
        .await
    }

    /// [`Provider::destroy`](super::Provider::destroy).
    ///
    /// # Errors
    /// As there.
    pub async fn destroy(&self, cx: &Context) -> Result<(), ProviderError> {
        self.traced(cx, "destroy", Kind::Write, async {
            let kind = ErrorKind::DestroyFailed;
            let mut drive = Drive::load(&self.api, &self.name, cx).map_err(|error| as_kind(error, kind))?;
            drive.run(Goal::Absent, Until::Reached).await.map_err(|halt| as_kind(halt.into_error(kind), kind))
        })
        .await
    }

    /// [`Provider::get_status`](super::Provider::get_status).
    ///
    /// # Errors
    /// As there.
    pub async fn get_status(&self, cx: &Context) -> Result<ComputeStatus, ProviderError> {
        self.traced(cx, "get_status", Kind::Read, in_time(cx, self.look(cx))).await
    }

    /// The same, however long it takes.
    ///
    /// # Errors
    /// As there.
    pub async fn look(&self, cx: &Context) -> Result<ComputeStatus, ProviderError> {
        let mut drive = Drive::load(&self.api, &self.name, cx)?;
        let known = drive.run(Goal::Known, Until::Stopped).await;
        let kind = ErrorKind::StatusFailed;
        known.map_err(|halt| as_kind(halt.into_error(kind), kind))?;
        self.status(cx, &drive.facts)
    }

    /// [`Provider::plan`](super::Provider::plan): `effect` says what each field that differs does to what runs; where none
    /// does, the update is driven until it would write or wait for the first time.
    ///
    /// # Errors
    /// As `get_status`; as an update that fails before it writes.
    pub async fn plan(
        &self,
        cx: &Context,
        spec: &Spec,
        effect: impl Fn(&FieldChange) -> PlannedEffect,
    ) -> Result<Plan, ProviderError> {
        let Some(applied) = &cx.applied else { return Ok(Plan::default()) };
        let changes = PlannedChange::each(applied, spec, effect);
        if !changes.is_empty() {
            return Ok(Plan::of(changes));
        }
        let corrections = in_time(cx, async {
            let mut drive = Drive::load(&self.api, &self.name, cx)?;
            let applied = Some(applied);
            let goal = Goal::Present { spec, applied, rollout: cx.rollout, by: Means::Update };
            let first = drive.first_steps(goal).await;
            let kind = ErrorKind::StatusFailed;
            first.map_err(|halt| as_kind(halt.into_error(kind), kind))
        });
        let corrections = self.traced(cx, "plan", Kind::Read, corrections).await?.into_iter().collect();
        Ok(Plan { corrections, ..Plan::of(changes) })
    }

    /// What the ledger says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn facts(&self, cx: &Context) -> Result<<A::Planner as Planner>::Facts, ProviderError> {
        Ok(Drive::load(&self.api, &self.name, cx)?.facts)
    }

    /// What facts say of the tenant now.
    ///
    /// # Errors
    /// `TenantNotFound` when they say that it has nothing.
    pub fn status(
        &self,
        cx: &Context,
        facts: &<A::Planner as Planner>::Facts,
    ) -> Result<ComputeStatus, ProviderError> {
        let report = A::Planner::report(facts);
        let report = report.ok_or_else(|| ProviderError::tenant_not_found(&cx.subject.tenant))?;
        Ok(ComputeStatus {
            tenant_id: cx.subject.tenant.clone(),
            provider_type: self.name.clone(),
            state: report.state,
            containers: report.containers,
            health: report.health,
            last_updated: cx.now(),
            metadata: report.metadata,
        })
    }

    /// What the tenant holds, as a look at the platform and the ledger have it. Changes nothing; the base of
    /// `list_tenants` and of a comparison.
    ///
    /// # Errors
    /// As `get_status`; a tenant that holds nothing is no error.
    pub async fn holdings(&self, cx: &Context) -> Result<Holdings, ProviderError> {
        let mut drive = Drive::load(&self.api, &self.name, cx)?;
        let known = drive.run(Goal::Known, Until::Stopped).await;
        let kind = ErrorKind::StatusFailed;
        known.map_err(|halt| as_kind(halt.into_error(kind), kind))?;
        Ok(A::Planner::holdings(&drive.facts))
    }

    /// Drives to `goal`. When that fails or is stopped and nobody else undoes, drives to `back` before it returns
    /// the error.
    async fn forward<'a>(
        &'a self,
        cx: &'a Context,
        goal: Goal<'_>,
        kind: ErrorKind,
        back: Option<Goal<'_>>,
    ) -> Result<Drive<'a, A>, ProviderError> {
        let mut drive = Drive::load(&self.api, &self.name, cx).map_err(|error| as_kind(error, kind))?;
        let halt = match drive.run(goal, Until::Stopped).await {
            Ok(()) => return Ok(drive),
            Err(halt) => halt,
        };
        let undo = match (&halt, cx.undo) {
            (Halt::Failed(_) | Halt::Cancelled | Halt::Late, UndoBy::Provider) => !drive.written.is_empty(),
            (Halt::Failed(_) | Halt::Cancelled | Halt::Late, UndoBy::Engine)
            | (Halt::NotStored(_) | Halt::Lapsed, UndoBy::Provider | UndoBy::Engine) => false,
        };
        let error = as_kind(halt.into_error(kind), kind);
        if !undo {
            return Err(error);
        }
        // A provision that repaired a tenant that ran must not take it down.
        let kept = kind == ErrorKind::ProvisionFailed && drive.found_running;
        let undone = match back.filter(|_| !kept) {
            Some(back) => {
                Self::insist(&mut drive, back).await.map_err(|halt| halt.into_error(kind).to_string())
            }
            None if kept => Err("it ran before, so it was not removed".to_owned()),
            None => Err("the spec that ran before is not known".to_owned()),
        };
        Err(match undone {
            Ok(()) => error,
            Err(why) => {
                let left = A::Planner::holdings(&drive.facts).resources;
                let left: Vec<String> = left.iter().map(|(name, id)| format!("{name}: {id}")).collect();
                let message = format!("{}; not undone: {why}; left: {}", error.message, left.join(", "));
                ProviderError { message, ..error }
            }
        })
    }

    /// Drives back; tries again, since nobody else will.
    async fn insist(drive: &mut Drive<'_, A>, back: Goal<'_>) -> Result<(), Halt> {
        let mut pauses = UNDO_PAUSES.iter();
        loop {
            match (drive.run(back, Until::Reached).await, pauses.next()) {
                (Ok(()), Some(_) | None) => return Ok(()),
                (Err(Halt::Failed(_) | Halt::Cancelled | Halt::Late), Some(pause)) => {
                    tokio::time::sleep(*pause).await;
                }
                (Err(halt @ (Halt::NotStored(_) | Halt::Lapsed)), Some(_)) | (Err(halt), None) => {
                    return Err(halt);
                }
            }
        }
    }

    /// One method call as a span, and its end as an event: a method that changes nothing ends quietly.
    async fn traced<T>(
        &self,
        cx: &Context,
        method: &'static str,
        kind: Kind,
        work: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let (tenant_id, provider) = (&cx.subject.tenant, &self.name);
        let operation = cx.work.map(|work| tracing::field::display(work.operation));
        // As a number of OpenTelemetry, which has signed ones alone.
        let attempt = cx.work.map(|work| i64::from(work.attempt));
        let span = tracing::info_span!("provider", method, %tenant_id, %provider, operation, attempt);
        let result = work.instrument(span.clone()).await;
        span.in_scope(|| match (&result, kind) {
            (Ok(_), Kind::Write) => tracing::info!(%tenant_id, %provider, "{method} done"),
            (Ok(_), Kind::Read) => tracing::debug!(%tenant_id, %provider, "{method} done"),
            (Err(error), Kind::Read | Kind::Write) => match error.remedy {
                Remedy::Retry => {
                    tracing::warn!(%tenant_id, %provider, %error, "{method} failed, may be tried again");
                }
                Remedy::Permanent if kind == Kind::Read => {
                    tracing::debug!(%tenant_id, %provider, %error, "{method} failed");
                }
                Remedy::Permanent | Remedy::NeedsPerson => {
                    tracing::error!(%tenant_id, %provider, %error, "{method} failed");
                }
            },
        });
        result
    }
}

/// What ends a drive besides its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Cancellation, and alone the deadline too.
    Stopped,
    /// Nothing: a destroy and an undo go on.
    Reached,
}

/// The error as the method's own, unless it says more than that the method failed.
fn as_kind(error: ProviderError, kind: ErrorKind) -> ProviderError {
    match error.kind {
        ErrorKind::InvalidSpec | ErrorKind::TenantNotFound => error,
        ErrorKind::ProvisionFailed
        | ErrorKind::UpdateFailed
        | ErrorKind::DestroyFailed
        | ErrorKind::StatusFailed => ProviderError { kind, ..error },
    }
}

/// What is found about a tenant, or that it took too long.
async fn in_time<T>(
    cx: &Context,
    found: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let found = tokio::time::timeout(STATUS_WITHIN, found).await;
    found.unwrap_or_else(|_| Err(ProviderError::status_timeout(&cx.subject.tenant)))
}
