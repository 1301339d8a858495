//! What a tenant's actor knows of its own doings, where several engines share a store and another one may have the tenant.

use landlord_state_machines::error::Remedy;
use landlord_state_machines::id::{CallId, Revision};
use landlord_state_machines::tenant::Outcome;
use tokio::sync::oneshot;

use crate::store::Position;

/// What an actor knows of its own doings. Only of use where a store is shared.
#[derive(Default)]
pub(super) struct Own {
    /// Whether the record was loaded since the command came that is being handled.
    pub(super) is_fresh: bool,
    /// Since when the tenant was this engine's when the record was loaded, and so taken up. None: it was another engine's.
    pub(super) taken_up: Option<Position>,
    /// From this revision on nobody but this engine has made the tenant's calls, since it has had the tenant from that
    /// position on.
    sure: Option<(Position, Revision)>,
    /// The last call that was made.
    pub(super) made: Option<CallId>,
    /// Who waits for the end of the call of a tenant that is another engine's by now.
    pub(super) handing_over: Vec<oneshot::Sender<()>>,
}

impl Own {
    /// A transition was committed at `position`, while the tenant is this engine's since `since`.
    pub(super) fn sure(&mut self, since: Position, position: Position, revision: Revision) {
        if position > since && self.sure.is_none_or(|(earlier, _)| earlier != since) {
            self.sure = Some((since, revision));
        }
    }

    /// Whether a call that is in no slot was not begun by anybody: another engine committed it, or a commit of this one was in
    /// doubt. Any other may have been begun, and is taken up.
    pub(super) fn is_to_be_made(&self, since: Position, call: CallId) -> bool {
        let made = self.made == Some(call);
        !made && self.sure.is_some_and(|(known, from)| known == since && from.0 <= call.0)
    }
}

/// Whether what a call came back with would be the same another time.
pub(super) fn is_final(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Succeeded { .. } => true,
        Outcome::Failed(error) => error.remedy == Remedy::Permanent,
        Outcome::TimedOut(_) | Outcome::Lost(_) | Outcome::Held(_) => false,
    }
}
