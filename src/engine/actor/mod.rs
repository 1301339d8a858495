//! The actors: one a tenant that is busy, under sharded supervisors. No type of the actor library leaves here.

mod begun;
mod calling;
mod directory;
mod mailbox;
mod own;
mod step;
mod supervisor;
mod tenant;

pub(crate) use directory::{Directory, restart};
pub(crate) use supervisor::ExitReports;

use std::sync::Arc;

use landlord_state_machines::id::{CallId, OperationId, Revision};
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::observation::Observation;
use landlord_state_machines::tenant::{Command, Outcome, Rejection, Settled};
use landlord_state_machines::trace::TraceContext;
use tokio::sync::oneshot;
use tracing::Span;

use crate::engine::closing::Closed;
use crate::provider::CheckpointError;
use crate::store::{Fingerprint, Position, StoreError};

/// What a tenant's actor can be told.
pub(crate) enum Message {
    /// A caller asks for something.
    Command(Box<CommandMessage>),
    /// A call is over. Its outcome is in its slot too, until it is committed.
    CallEnded { call: CallId, outcome: Outcome },
    /// A call wants its ledger kept.
    Progressed {
        call: CallId,
        ledger: Arc<Ledger>,
        step: String,
        reply: oneshot::Sender<Result<(), CheckpointError>>,
    },
    /// The tenant's time may have come.
    Wake,
    /// The tenant was looked at.
    Observed(Observation),
    /// Load the tenant, and take up what is on its way.
    Activate,
    /// The tenant has become this engine's in order: take up what was committed since.
    Inherited,
    /// Another engine has committed this.
    Changed { position: Position, revision: Revision },
    /// The tenant is no longer this engine's: end what is on its way, and say when it has ended.
    HandOver(oneshot::Sender<()>),
    /// End, if there is nothing to do.
    Passivate,
}

/// A command, and who asked.
pub(crate) struct CommandMessage {
    pub(crate) command: Command,
    /// The id of the operation that the command may begin.
    pub(crate) operation: OperationId,
    /// Whether it was sent before, to an actor that was lost.
    pub(crate) again: bool,
    pub(crate) request_id: Option<String>,
    /// What is asked for under that name.
    pub(crate) asked: Option<Fingerprint>,
    pub(crate) reason: Option<String>,
    pub(crate) trace: Option<TraceContext>,
    /// The span that it is handled in.
    pub(crate) span: Span,
    /// The span in which it waits to be handled.
    pub(crate) admission: Span,
    /// Who waits for the end of the operation.
    pub(crate) settled: Option<oneshot::Sender<Settled>>,
    pub(crate) reply: oneshot::Sender<Result<Answer, Refusal>>,
}

/// What a durable command is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// The operation that it is, or is part of. None: what it wants is so.
    pub(crate) operation: Option<OperationId>,
    /// The tenant's revision then.
    pub(crate) revision: Revision,
}

/// Why a command was not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    Rejected(Rejection),
    /// Another request has the same name, which is, or is part of, this operation.
    NameTaken(Option<OperationId>),
    Store(Arc<StoreError>),
    Closed(Closed),
}
