//! Where the subjects without an engine publish their transitions: as their users would, without losing any.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::sync::broadcast;

use super::toy::Phase;

/// A transition of a tenant.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) tenant: usize,
    pub(crate) from: Phase,
    pub(crate) to: Phase,
}

impl Event {
    /// What every reader does with it at least.
    pub(crate) fn read(&self) {
        std::hint::black_box((self.tenant, self.from, self.to));
    }
}

/// Who is told.
#[derive(Clone)]
pub(crate) enum Publisher {
    Nobody,
    /// All receivers of a channel.
    Channel(broadcast::Sender<Arc<Event>>),
    /// These actors, a message each.
    Actors(Arc<[ActorRef<Arc<Event>>]>),
}

impl Publisher {
    pub(crate) fn publish(&self, tenant: usize, from: Phase, to: Phase) {
        match self {
            Self::Nobody => {}
            Self::Channel(channel) => {
                // Without receivers it is lost, as it should be.
                let _ = channel.send(Arc::new(Event { tenant, from, to }));
            }
            Self::Actors(actors) => {
                let event = Arc::new(Event { tenant, from, to });
                for actor in actors.iter() {
                    actor.cast(Arc::clone(&event)).expect("it lives");
                }
            }
        }
    }
}
