//! Watches the tenants' actors of one shard. What ended by a panic is reported, and started again from the store.

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::mpsc;

/// An actor that ended by a panic.
pub(crate) struct Exit {
    pub(crate) shard: usize,
    pub(crate) actor: ActorId,
    pub(crate) error: String,
}

/// Where exits are reported. Bounded by the number of live actors, each of which ends once.
pub(crate) type ExitReports = mpsc::UnboundedReceiver<Exit>;

pub(super) struct Supervisor {
    pub(super) shard: usize,
    pub(super) exits: mpsc::UnboundedSender<Exit>,
}

impl Actor for Supervisor {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    // The default would end this supervisor, and with it every other tenant of the shard.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                let exit = Exit { shard: self.shard, actor: cell.get_id(), error: error.to_string() };
                // When nobody listens, the engine has ended.
                let _ = self.exits.send(exit);
            }
            SupervisionEvent::ActorStarted(_)
            | SupervisionEvent::ActorTerminated(..)
            | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}
