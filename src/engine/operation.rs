//! An operation to wait for.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use landlord_state_machines::id::{OperationId, Revision};
use landlord_state_machines::tenant::Settled;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::core::{Core, TenantCore};
use super::error::WaitError;

/// What a command began, or is part of. Await it for its end; dropping it cancels nothing.
pub struct OperationHandle {
    core: Arc<TenantCore>,
    asked: Asked,
}

/// What a command led to.
pub(crate) enum Asked {
    /// What was asked for was so already, at this revision.
    Already(Revision),
    /// An operation.
    Operation(OperationId, End),
}

/// What is known of an operation's end.
pub(crate) enum End {
    /// It will be sent here. The channel closes when its sender is lost.
    Announced(oneshot::Receiver<Settled>),
    /// It has to be looked up.
    Unknown,
    Known(Settled),
}

impl OperationHandle {
    pub(crate) fn new(core: Arc<TenantCore>, asked: Asked) -> Self {
        Self { core, asked }
    }

    pub(crate) async fn find(core: &Arc<Core>, id: OperationId) -> Result<Self, WaitError> {
        match core.store.operation(id).await? {
            Some(operation) => {
                let end = operation.settled.map_or(End::Unknown, End::Known);
                Ok(Self::new(TenantCore::of(core, operation.tenant), Asked::Operation(id, end)))
            }
            None => Err(WaitError::Unknown(id)),
        }
    }

    /// The operation's id, to find it again with [`crate::Engine::operation`], also after a restart. None when what was
    /// asked for was so already: then there is nothing to find.
    pub fn id(&self) -> Option<OperationId> {
        match self.asked {
            Asked::Already(_) => None,
            Asked::Operation(id, _) => Some(id),
        }
    }

    /// The tenant's revision when what was asked for was so already. None when there is an operation.
    pub fn already(&self) -> Option<Revision> {
        match self.asked {
            Asked::Already(revision) => Some(revision),
            Asked::Operation(..) => None,
        }
    }

    /// Returns when the operation has settled; at once, and done, when what was asked for was so already. Cancelling
    /// this cancels only the waiting.
    ///
    /// # Errors
    /// [`WaitError::Closed`] when the engine ends first; [`WaitError::Store`].
    pub async fn settled(&mut self) -> Result<Settled, WaitError> {
        match &mut self.asked {
            Asked::Already(_) => Ok(Settled::Done),
            Asked::Operation(id, end) => end.settled(&self.core, *id).await,
        }
    }
}

impl End {
    async fn settled(&mut self, core: &Core, id: OperationId) -> Result<Settled, WaitError> {
        loop {
            match self {
                Self::Known(settled) => return Ok(settled.clone()),
                Self::Announced(announced) => {
                    let settled = tokio::select! {
                        biased;
                        settled = announced => settled.ok(),
                        _ = core.closing.closed() => None,
                    };
                    *self = settled.map_or(Self::Unknown, Self::Known);
                }
                Self::Unknown => {
                    if let Some(why) = core.closing.why() {
                        return Err(WaitError::Closed { id, why });
                    }
                    // Register first, then look: so a settlement in between is not missed.
                    let mut waiting = Waiting::for_end(core, id);
                    let found = core.store.operation(id).await?;
                    *self = match found.ok_or(WaitError::Unknown(id))?.settled {
                        Some(settled) => Self::Known(settled),
                        None => waiting.settled.take().map_or(Self::Unknown, Self::Announced),
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
            if let Asked::Operation(_, end) = &mut operation.asked
                && let End::Announced(announced) = end
            {
                match announced.try_recv() {
                    Ok(settled) => return Poll::Ready(Ok(settled)),
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Closed) => *end = End::Unknown,
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
        f.debug_struct("OperationHandle").field("id", &self.id()).finish_non_exhaustive()
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
