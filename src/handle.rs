//! What callers hold: a tenant to command and look at, and an operation to wait for.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{OperationId, ProviderName, Revision, TenantId};
use landlord_state_machines::result::ComputeStatus;
use landlord_state_machines::spec::{Invalid, Problem, Spec, TenantComputeSpec};
use landlord_state_machines::sweep::Orphaned;
use landlord_state_machines::tenant::{Command, Record, Rejection, Request, Settled, after};
use landlord_state_machines::trace::TraceContext;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tracing::Span;

use crate::actor::{Answer, CommandMessage, Message, Refusal};
use crate::closing::Closed;
use crate::count::{Count, Counted};
use crate::engine::{Core, TenantCore};
use crate::provider::Asker;
use crate::provider::registry::RegistryError;
use crate::store::StoreError;
use crate::sweep::Orphan;
use crate::telemetry;

/// How often a command is sent again to a tenant whose actor panicked over it.
const RESENDS: u32 = 2;
/// How long a status may take (specification, "GetStatus()").
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// What goes with a command.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How long the operation may take before it is undone, from now. None: as long as its retries take.
    pub deadline: Option<Duration>,
    /// Refuse the command unless the tenant is at this revision.
    pub expected_revision: Option<Revision>,
    /// The caller's own name for the request: the same request of a tenant twice is the same operation.
    pub request_id: Option<String>,
    /// Why, for the audit.
    pub reason: Option<String>,
    /// The caller's trace; the operation's calls are part of it, also after a restart. With the feature
    /// `opentelemetry` it is taken from the current span when it is not given.
    pub trace: Option<TraceContext>,
}

/// Why a command was not taken. Nothing was changed, except where it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The spec is not valid; every problem is named.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Its provider is not registered.
    #[error(transparent)]
    Provider(#[from] RegistryError),
    /// The tenant's state does not allow it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Too much is on its way already; try again later.
    #[error("overloaded: {0}; try again later")]
    Overloaded(&'static str),
    /// The store cannot be used now. The command may have been recorded: send it again with the same request id.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The engine has ended.
    #[error("{0}")]
    Closed(Closed),
    /// The tenant's actor panics over this command again and again; this is a defect.
    #[error("the command could not be handled; this is a defect of the engine, see its log")]
    Defect,
}

/// Why a tenant's status is not known.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The provider says so: not found, or no answer.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Its provider is not registered.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an operation's end is not known.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The store has no such operation.
    #[error("there is no operation {0}")]
    Unknown(OperationId),
    /// The engine has ended; the operation goes on at the next start, and can be waited for then.
    #[error("{why}; operation {id} goes on when the engine is started again")]
    Closed {
        /// The operation.
        id: OperationId,
        /// Why the engine ended.
        why: Closed,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
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

    /// Makes the tenant run `spec`. Returns once that is durable; the handle waits until it is so.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was recorded then, except where it says otherwise.
    pub async fn provision(
        &self,
        spec: TenantComputeSpec,
        options: Options,
    ) -> Result<OperationHandle, CommandError> {
        let (spec, provider) = self.check(spec)?;
        let deadline = self.deadline(&options);
        self.operate(Request::Provision { spec, provider, deadline }, options).await
    }

    /// Makes the tenant, which runs something, run `spec` instead. Queued when something is on its way.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was recorded then, except where it says otherwise.
    pub async fn update(
        &self,
        spec: TenantComputeSpec,
        options: Options,
    ) -> Result<OperationHandle, CommandError> {
        let (spec, provider) = self.check(spec)?;
        let deadline = self.deadline(&options);
        self.operate(Request::Update { spec, provider, deadline }, options).await
    }

    /// Removes everything of the tenant. Accepted in every state; goes on until the platform says that nothing is
    /// left. A deadline does not apply.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was recorded then, except where it says otherwise.
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
    /// destroy go on.
    ///
    /// # Errors
    /// [`CommandError`]: there is no such tenant, or it is being destroyed.
    pub async fn pause(&self, options: Options) -> Result<(), CommandError> {
        self.send(Request::Pause, options).await.map(|_| ())
    }

    /// Goes on after a pause.
    ///
    /// # Errors
    /// [`CommandError`]: there is no such tenant, or it is being destroyed.
    pub async fn resume(&self, options: Options) -> Result<(), CommandError> {
        self.send(Request::Resume, options).await.map(|_| ())
    }

    /// Gives up a destroy that its platform never answers, and leaves what is left; the operation's end names it.
    ///
    /// # Errors
    /// [`CommandError`]: the tenant is not being destroyed.
    pub async fn abandon(
        &self,
        reason: impl Into<String>,
        options: Options,
    ) -> Result<OperationHandle, CommandError> {
        self.operate(Request::Abandon { reason: reason.into() }, options).await
    }

    /// Removes what a sweep found, if the tenant is still as the sweep saw it.
    pub(crate) async fn reclaim(
        &self,
        orphan: &Orphan,
        options: Options,
    ) -> Result<OperationHandle, CommandError> {
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
        let tenant = match self.snapshot().await? {
            Record::Live(tenant) => tenant,
            Record::Absent(id) => return Err(ProviderError::tenant_not_found(id).into()),
            Record::Gone(tombstone) => return Err(ProviderError::tenant_not_found(tombstone.id).into()),
        };
        let registered = self.core.registry.get(tenant.provider.as_str())?;
        let cx = self.core.look_context(&tenant, Asker::Person);
        let status = registered.provider.get_status(&cx, self.id());
        match tokio::time::timeout(STATUS_TIMEOUT, status).await {
            Ok(status) => Ok(status?),
            Err(_elapsed) => Err(ProviderError::status_timeout(self.id()).into()),
        }
    }

    /// What is known of the tenant, as it was last committed. Asks neither its actor nor its provider.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn snapshot(&self) -> Result<Record, StoreError> {
        self.core.store.load(self.id()).await
    }

    /// All that can be said of a spec without asking a platform, before anything is recorded.
    fn check(&self, spec: TenantComputeSpec) -> Result<(Spec, ProviderName), CommandError> {
        let spec = spec.check()?;
        if spec.tenant_id != self.id().as_str() {
            let message = format!("names {}, but the command is for {}", spec.tenant_id, self.id());
            Invalid::unless_empty(vec![Problem::new("tenant_id", message)])?;
        }
        let registered = self.core.registry.get(&spec.provider_type)?;
        if registered.capabilities.oci_images {
            spec.check_images()?;
        }
        // The spec's own copy of the name: one that all tenants share would be counted by all cores at once.
        let provider = spec.provider().clone();
        Ok((spec, provider))
    }

    fn deadline(&self, options: &Options) -> Option<Timestamp> {
        options.deadline.map(|within| after(self.core.now(), within))
    }

    async fn operate(&self, request: Request, options: Options) -> Result<OperationHandle, CommandError> {
        Ok(match self.send(request, options).await? {
            (Answer::Operation(id), settled) => self.handle(id, End::Announced(settled)),
            (Answer::Already, _) => self.handle(self.core.mint(), End::Known(Settled::Done)),
        })
    }

    fn handle(&self, id: OperationId, end: End) -> OperationHandle {
        OperationHandle { core: Arc::clone(&self.core), id, end }
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
        let trace = options.trace.or_else(telemetry::current_trace);
        for resend in 0..=RESENDS {
            let (reply, answer) = oneshot::channel();
            let (settled, announced) = oneshot::channel();
            let message = Message::Command(Box::new(CommandMessage {
                command: command.clone(),
                operation,
                again: resend > 0,
                request_id: options.request_id.clone(),
                reason: options.reason.clone(),
                trace: trace.clone(),
                span: Span::none(),
                settled: Some(settled),
                reply,
            }));
            if core.directory.send(core, message, core.limits.per_tenant).is_err() {
                return Err(CommandError::Overloaded("too many commands wait for this tenant"));
            }
            match answer.await {
                Ok(Ok(answer)) => return Ok((answer, announced)),
                Ok(Err(Refusal::Rejected(rejection))) => return Err(rejection.into()),
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

/// Waits for the end of an operation. Where nobody takes over, the waiting ends with it.
struct Waiting<'a> {
    core: &'a Core,
    operation: OperationId,
    settled: Option<oneshot::Receiver<Settled>>,
}

impl<'a> Waiting<'a> {
    fn for_end(core: &'a Core, operation: OperationId) -> Self {
        Self { core, operation, settled: Some(core.waiters.wait(operation)) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(settled) = self.settled.take() {
            drop(settled);
            self.core.waiters.prune(self.operation);
        }
    }
}

impl std::fmt::Debug for TenantHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantHandle").field("id", self.id()).finish_non_exhaustive()
    }
}

/// One operation. Await it for its end; dropping it cancels nothing.
pub struct OperationHandle {
    core: Arc<TenantCore>,
    id: OperationId,
    end: End,
}

/// What is known of an operation's end.
enum End {
    /// Somebody tells, or is lost and does not.
    Announced(oneshot::Receiver<Settled>),
    /// It has to be looked up.
    Unknown,
    Known(Settled),
}

impl OperationHandle {
    pub(crate) async fn find(core: &Arc<Core>, id: OperationId) -> Result<Self, WaitError> {
        match core.store.operation(id).await? {
            Some(operation) => {
                let end = operation.settled.map_or(End::Unknown, End::Known);
                Ok(Self { core: TenantCore::of(core, operation.tenant), id, end })
            }
            None => Err(WaitError::Unknown(id)),
        }
    }

    /// Its id, to find it again with [`crate::Engine::operation`], also after a restart. When what was asked for
    /// was so already and nothing was recorded, there is nothing to find.
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// Returns when the operation has settled. Cancelling this cancels only the waiting.
    ///
    /// # Errors
    /// [`WaitError::Closed`] when the engine ends first; [`WaitError::Store`].
    pub async fn settled(&mut self) -> Result<Settled, WaitError> {
        loop {
            match &mut self.end {
                End::Known(settled) => return Ok(settled.clone()),
                End::Announced(announced) => {
                    let settled = tokio::select! {
                        biased;
                        settled = announced => settled.ok(),
                        _ = self.core.closing.closed() => None,
                    };
                    self.end = settled.map_or(End::Unknown, End::Known);
                }
                End::Unknown => {
                    if let Some(why) = self.core.closing.why() {
                        return Err(WaitError::Closed { id: self.id, why });
                    }
                    // Wait first, look then: it cannot settle in between unseen.
                    let mut waiting = Waiting::for_end(&self.core, self.id);
                    let found = self.core.store.operation(self.id).await?;
                    self.end = match found.ok_or(WaitError::Unknown(self.id))?.settled {
                        Some(settled) => End::Known(settled),
                        None => waiting.settled.take().map_or(End::Unknown, End::Announced),
                    };
                }
            }
        }
    }
}

impl IntoFuture for OperationHandle {
    type Output = Result<Settled, WaitError>;
    type IntoFuture = Settling;

    fn into_future(self) -> Settling {
        Settling(Wait::Begins(Some(self)))
    }
}

/// Returns when an operation has settled, as [`OperationHandle::settled`] does.
pub struct Settling(Wait);

enum Wait {
    /// Often it is known already how the operation ended; then nothing has to be set up.
    Begins(Option<OperationHandle>),
    Goes(Pin<Box<dyn Future<Output = Result<Settled, WaitError>> + Send>>),
}

impl Future for Settling {
    type Output = Result<Settled, WaitError>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        if let Wait::Begins(operation) = &mut self.0
            && let Some(mut operation) = operation.take()
        {
            if let End::Announced(announced) = &mut operation.end {
                match announced.try_recv() {
                    Ok(settled) => return Poll::Ready(Ok(settled)),
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Closed) => operation.end = End::Unknown,
                }
            }
            self.0 = Wait::Goes(Box::pin(async move { operation.settled().await }));
        }
        match &mut self.0 {
            Wait::Goes(settling) => settling.as_mut().poll(task),
            // It was over, and nothing more comes.
            Wait::Begins(_) => Poll::Pending,
        }
    }
}

impl std::fmt::Debug for OperationHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperationHandle").field("id", &self.id).finish_non_exhaustive()
    }
}
