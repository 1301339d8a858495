//! What a caller holds of a tenant: commands it, and looks at it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{ProviderName, Revision, TenantId};
use landlord_state_machines::spec::{Invalid, Problem, Spec};
use landlord_state_machines::status::ComputeStatus;
use landlord_state_machines::sweep::Orphaned;
use landlord_state_machines::tenant::{Command, Record, Request, Settled, Tenant, after};
use landlord_state_machines::trace::TraceContext;
use tokio::sync::oneshot;
use tracing::Span;

use super::actor::{Answer, CommandMessage, Message, Refusal};
use super::closing::Closed;
use super::core::{Core, TenantCore};
use super::count::{Count, Counted};
use super::error::{CommandError, StatusError};
use super::operation::{Asked, End, OperationHandle};
use super::{fingerprint, telemetry};
use crate::provider::{self, Initiator, Plan, STATUS_WITHIN};
use crate::store::StoreError;
use crate::sweep::Orphan;

/// How often a command is sent again to a tenant whose actor panicked over it.
const RESENDS: u32 = 2;

/// What goes with a command.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// How long the operation may take before it is undone, from now. None: as long as its retries take.
    pub deadline: Option<Duration>,
    /// Refuse the command unless the tenant is at this revision.
    pub expected_revision: Option<Revision>,
    /// The caller's own name for the request: the same request of a tenant twice is the same operation, or has the same answer
    /// where it began none, and another one under the same name is refused.
    pub request_id: Option<String>,
    /// Why, for the audit.
    pub reason: Option<String>,
    /// The caller's trace; the operation's calls are part of it, also after a restart. With the feature
    /// `opentelemetry` it is taken from the current span when it is not given.
    pub trace: Option<TraceContext>,
}

impl Options {
    /// Undo the operation when it has taken this long.
    #[must_use]
    pub fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// Refuse the command unless the tenant is at this revision.
    #[must_use]
    pub fn expected_revision(mut self, revision: Revision) -> Self {
        self.expected_revision = Some(revision);
        self
    }

    /// Under the caller's own name for the request.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// For this reason.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// As part of this trace.
    #[must_use]
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.trace = Some(trace);
        self
    }
}

/// One tenant, to command and to look at. Cheap to clone; dropping it cancels nothing.
#[derive(Clone)]
pub struct TenantHandle {
    core: Arc<TenantCore>,
}

impl TenantHandle {
    pub(crate) fn new(core: &Arc<Core>, id: TenantId) -> Self {
        Self { core: TenantCore::of(core, id) }
    }

    /// The tenant's id.
    pub fn id(&self) -> &TenantId {
        &self.core.tenant
    }

    /// Makes the tenant run `spec`: a checked [`Spec`], or a `TenantComputeSpec`, which is checked here. Returns once
    /// that is durable; the handle waits until it is so.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was recorded then, except where it says otherwise.
    pub async fn provision(
        &self,
        spec: impl TryInto<Spec, Error: Into<Invalid>>,
        options: Options,
    ) -> Result<OperationHandle, CommandError> {
        let (spec, provider) = self.check(spec.try_into().map_err(Into::into)?)?;
        let deadline = self.deadline(&options);
        self.operate(Request::Provision { spec, provider, deadline }, options).await
    }

    /// Makes the tenant, which runs something, run `spec` instead: checked, or checked here. Queued when something is
    /// on its way.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was recorded then, except where it says otherwise.
    pub async fn update(
        &self,
        spec: impl TryInto<Spec, Error: Into<Invalid>>,
        options: Options,
    ) -> Result<OperationHandle, CommandError> {
        let (spec, provider) = self.check(spec.try_into().map_err(Into::into)?)?;
        let deadline = self.deadline(&options);
        self.operate(Request::Update { spec, provider, deadline }, options).await
    }

    /// Starts anew what the tenant runs, from the same spec and with the values that its secrets have by then. Queued when
    /// something is on its way. It is undone when it fails, as an update is; where that is not possible either, it
    /// settles as failed and the tenant is repaired.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was recorded then, except where it says otherwise.
    pub async fn restart(&self, options: Options) -> Result<OperationHandle, CommandError> {
        let deadline = self.deadline(&options);
        self.operate(Request::Restart { deadline }, options).await
    }

    /// Removes everything of the tenant. Accepted in every state, unless the tenant is protected by the spec that runs, or,
    /// before anything ran, by the one that it is provisioned with; goes on until the platform says that nothing is left.
    /// A deadline does not apply.
    ///
    /// # Errors
    /// [`CommandError`]; of a protected tenant [`Rejection::Protected`](landlord_state_machines::tenant::Rejection);
    /// nothing was recorded then, except where it says otherwise.
    pub async fn destroy(&self, options: Options) -> Result<OperationHandle, CommandError> {
        self.operate(Request::Destroy, options).await
    }

    /// Stops the operation on its way and undoes it. The handle waits for its end.
    ///
    /// # Errors
    /// [`CommandError`]: there is nothing to cancel, or it is a destroy.
    pub async fn cancel(&self, options: Options) -> Result<OperationHandle, CommandError> {
        self.operate(Request::Cancel, options).await
    }

    /// Tries an operation that waits again now, with a fresh budget. The handle waits for its end.
    ///
    /// # Errors
    /// [`CommandError`]: nothing waits.
    pub async fn retry(&self, options: Options) -> Result<OperationHandle, CommandError> {
        self.operate(Request::Retry, options).await
    }

    /// Begins nothing by itself from now on: no retry, no repair, no queued update. Calls in flight, undo and
    /// destroy go on. Answers the tenant's revision when it was paused.
    ///
    /// # Errors
    /// [`CommandError`]: there is no such tenant, or it is being destroyed.
    pub async fn pause(&self, options: Options) -> Result<Revision, CommandError> {
        self.send(Request::Pause, options).await.map(|(answer, _)| answer.revision)
    }

    /// Goes on after a pause. Answers the tenant's revision when it went on.
    ///
    /// # Errors
    /// [`CommandError`]: there is no such tenant, or it is being destroyed.
    pub async fn resume(&self, options: Options) -> Result<Revision, CommandError> {
        self.send(Request::Resume, options).await.map(|(answer, _)| answer.revision)
    }

    /// Gives up a destroy or a release that its platform never answers, and leaves what is left; the operation's end names it, with
    /// the reason in `options`.
    ///
    /// # Errors
    /// [`CommandError`]: the tenant is not being destroyed.
    pub async fn abandon(&self, options: Options) -> Result<OperationHandle, CommandError> {
        let reason = options.reason.clone().unwrap_or_else(|| "no reason was given".to_owned());
        self.operate(Request::Abandon { reason }, options).await
    }

    /// Removes what the tenant's lives have retained, while the tenant does not live; goes on until its platform says that
    /// nothing of that is left. `provider` says where; none: where the last life retained something, as its record says.
    /// A provision is refused meanwhile, as it may take up what is being removed. A deadline does not apply.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was recorded then, except where it says otherwise.
    pub async fn release(
        &self,
        provider: Option<ProviderName>,
        options: Options,
    ) -> Result<OperationHandle, CommandError> {
        if let Some(provider) = &provider {
            self.core.registry.get(provider.as_str())?;
        }
        self.operate(Request::Release { provider }, options).await
    }

    /// Removes what a sweep found, if the tenant is still as the sweep saw it.
    pub(crate) async fn reclaim(
        &self,
        orphan: &Orphan,
        options: Options,
    ) -> Result<OperationHandle, CommandError> {
        // Nobody could remove what is at a provider that is not here.
        self.core.registry.get(orphan.provider.as_str())?;
        let options = Options { expected_revision: Some(orphan.revision), ..options };
        let record = self.snapshot().await.map_err(|error| CommandError::Store(Arc::new(error)))?;
        let applied = match (&orphan.why, &record) {
            (Orphaned::AnotherLife { .. }, Record::Live(tenant)) => {
                tenant.applied().map(|it| it.spec.clone())
            }
            (Orphaned::AnotherLife { .. }, Record::Absent(_) | Record::Gone(_))
            | (Orphaned::NoTenant | Orphaned::AnotherProvider { .. }, _) => None,
        };
        let provider = orphan.provider.clone();
        let request = match applied {
            Some(spec) => Request::Update { spec, provider, deadline: None },
            None => Request::Reclaim { provider, incarnation: orphan.incarnation },
        };
        self.operate(request, options).await
    }

    /// Asks the tenant's provider for its state now.
    ///
    /// # Errors
    /// `TenantNotFound` when there is no such tenant; code `PROVIDER_TIMEOUT` after five seconds.
    pub async fn status(&self) -> Result<ComputeStatus, StatusError> {
        let tenant = self.living().await?;
        let registered = self.core.registry.get(tenant.provider.as_str())?;
        let cx = self.core.look_context(&tenant, Initiator::Person);
        let status = registered.provider.get_status(&cx, self.id());
        match tokio::time::timeout(STATUS_WITHIN, status).await {
            Ok(status) => Ok(status?),
            Err(_elapsed) => Err(ProviderError::status_timeout(self.id()).into()),
        }
    }

    /// What an update to `spec` would do, without doing anything: checked, or checked here. Asks the tenant's provider, which
    /// looks at its platform.
    ///
    /// # Errors
    /// `TenantNotFound` when there is no such tenant; [`StatusError`]; `InvalidSpec` names every problem.
    pub async fn plan(&self, spec: impl TryInto<Spec, Error: Into<Invalid>>) -> Result<Plan, StatusError> {
        let spec = spec.try_into().map_err(|invalid| ProviderError::from(invalid.into()))?;
        let tenant = self.living().await?;
        let registered = self.core.registry.get(tenant.provider.as_str())?;
        let cx = self.core.look_context(&tenant, Initiator::Person).running(tenant.applied());
        Ok(provider::plan(registered.provider.as_ref(), &cx, self.id(), &spec).await?)
    }

    async fn living(&self) -> Result<Arc<Tenant>, StatusError> {
        match self.snapshot().await? {
            Record::Live(tenant) => Ok(tenant),
            Record::Absent(id) => Err(ProviderError::tenant_not_found(id).into()),
            Record::Gone(tombstone) => Err(ProviderError::tenant_not_found(tombstone.id).into()),
        }
    }

    /// What is known of the tenant, as it was last committed. Asks neither its actor nor its provider.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn snapshot(&self) -> Result<Record, StoreError> {
        self.core.store.load(self.id()).await
    }

    /// All that can be said of a checked spec without asking a platform, before anything is recorded.
    fn check(&self, spec: Spec) -> Result<(Spec, ProviderName), CommandError> {
        if spec.tenant_id != self.id().as_str() {
            let message = format!("names {}, but the command is for {}", spec.tenant_id, self.id());
            Invalid::unless_empty(vec![Problem::new("tenant_id", message)])?;
        }
        let registered = self.core.registry.get(&spec.provider_type)?;
        if registered.capabilities.oci_images {
            spec.check_images()?;
        }
        // The spec's own copy of the name: a shared reference count would be contended by all cores.
        let provider = spec.provider().clone();
        Ok((spec, provider))
    }

    fn deadline(&self, options: &Options) -> Option<Timestamp> {
        options.deadline.map(|within| after(self.core.now(), within))
    }

    async fn operate(&self, request: Request, options: Options) -> Result<OperationHandle, CommandError> {
        let (Answer { operation, revision }, settled) = self.send(request, options).await?;
        let asked = match operation {
            Some(id) => Asked::Operation(id, End::Announced(settled)),
            None => Asked::Already(revision),
        };
        Ok(OperationHandle::new(Arc::clone(&self.core), asked))
    }

    /// Sends a command to the tenant's actor, and again when that actor panicked over it. Gives the answer, and where
    /// the end of the operation is announced if it began with this command and its actor lives as long.
    async fn send(
        &self,
        request: Request,
        options: Options,
    ) -> Result<(Answer, oneshot::Receiver<Settled>), CommandError> {
        let core = &self.core;
        let removes = matches!(request, Request::Destroy | Request::Abandon { .. });
        let _permit = self.admit(removes)?;
        let operation = core.mint();
        let command = Command { expected: options.expected_revision, request };
        let asked = fingerprint::of(&command.request, &options);
        let caller = options.trace.or_else(|| telemetry::trace_of(&Span::current()));
        let span = match core.watched.traces(operation, caller.as_ref()) {
            true => telemetry::command_span(self.id(), &command.request, operation, caller.as_ref()),
            false => Span::none(),
        };
        // What follows is part of the command, also after a restart.
        let trace = telemetry::trace_of(&span).or(caller);
        for resend in 0..=RESENDS {
            let (reply, answer) = oneshot::channel();
            let (settled, announced) = oneshot::channel();
            let message = Message::Command(Box::new(CommandMessage {
                command: command.clone(),
                operation,
                again: resend > 0,
                request_id: options.request_id.clone(),
                asked,
                reason: options.reason.clone(),
                trace: trace.clone(),
                span: span.clone(),
                admission: telemetry::admission_span(&span),
                settled: Some(settled),
                reply,
            }));
            if core.directory.send(core, message, core.limits.per_tenant).is_err() {
                return Err(CommandError::Overloaded("too many commands wait for this tenant"));
            }
            match answer.await {
                Ok(Ok(answer)) => return Ok((answer, announced)),
                Ok(Err(Refusal::Rejected(rejection))) => return Err(rejection.into()),
                Ok(Err(Refusal::NameTaken(by))) => {
                    let request_id = options.request_id.unwrap_or_default();
                    return Err(CommandError::RequestReused { request_id, by });
                }
                Ok(Err(Refusal::Store(error))) => return Err(CommandError::Store(error)),
                Ok(Err(Refusal::Closed(why))) => return Err(CommandError::Closed(why)),
                Err(_actor_lost) => {
                    if let Some(why) = core.closing.why() {
                        return Err(CommandError::Closed(why));
                    }
                }
            }
        }
        Err(CommandError::Defect)
    }

    /// Takes the command on, or says that it is too much.
    fn admit(&self, removes: bool) -> Result<Counted<&Count>, CommandError> {
        let core = &self.core;
        // Counted first: an engine that is shut down either waits for this command or is seen to be shut down.
        let unanswered = core.unanswered.one_of(core.limits.commands);
        if let Some(why) = core.closing.why() {
            return Err(CommandError::Closed(why));
        }
        if core.draining() {
            return Err(CommandError::Closed(Closed::ShutDown));
        }
        let calls = if removes { core.limits.calls.saturating_mul(2) } else { core.limits.calls };
        if core.calls.in_flight() >= calls {
            return Err(CommandError::Overloaded("too many operations are on their way"));
        }
        unanswered.ok_or(CommandError::Overloaded("too many commands wait for an answer"))
    }
}

impl std::fmt::Debug for TenantHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantHandle").field("id", self.id()).finish_non_exhaustive()
    }
}
