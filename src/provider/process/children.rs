//! The processes that this engine is the parent of: read when they end, so that none stays as a zombie.

use std::collections::HashMap;
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};

use super::procfs::Identity;

/// Processes that were started here and are not known to have ended. After a restart of the engine its processes
/// belong to init, which reads them.
#[derive(Debug, Default)]
pub(super) struct Children(Mutex<Family>);

#[derive(Debug, Default)]
struct Family {
    alive: HashMap<Identity, Child>,
    /// How those ended that somebody may still ask for.
    ended: HashMap<Identity, ExitStatus>,
}

impl Children {
    /// Takes care of a started process.
    pub(super) fn adopt(&self, identity: Identity, child: Child) {
        self.lock().alive.insert(identity, child);
    }

    /// Reads how those ended that did. Costs one system call for each that runs.
    pub(super) fn reap(&self) {
        let mut family = self.lock();
        let Family { alive, ended } = &mut *family;
        alive.retain(|identity, child| match child.try_wait() {
            Ok(Some(status)) => {
                ended.insert(*identity, status);
                false
            }
            Ok(None) => true,
            // ECHILD: somebody else in this program has read it.
            Err(_) => false,
        });
    }

    /// How a process ended, where this engine was its parent.
    pub(super) fn ended(&self, identity: Identity) -> Option<ExitStatus> {
        self.lock().ended.get(&identity).copied()
    }
}
