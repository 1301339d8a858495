//! What all calls share: where files are, which ports are given, what was launched.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use landlord_state_machines::error::{ErrorKind, ProviderError};

use super::files::StateDir;
use super::find::{self, Seen, Whose};
use super::launches::Launches;
use super::ports::Ports;
use super::tags::Key;
use super::{blocking, problem};

/// This machine, as one provider uses it.
#[derive(Debug)]
pub(super) struct Machine {
    /// Where the files of launches are.
    pub(super) state: StateDir,
    /// The host ports that tenants get.
    pub(super) ports: Ports,
    /// What this engine launched.
    pub(super) launches: Arc<Launches>,
}

impl Machine {
    /// The machine with nothing launched.
    pub(super) fn new(state_dir: PathBuf, ports: RangeInclusive<u16>) -> Self {
        Self { state: StateDir::new(state_dir), ports: Ports::new(ports), launches: Arc::default() }
    }

    /// Looks at the machine now.
    pub(super) async fn look(&self, whose: Whose) -> Result<BTreeMap<Key, Seen>, ProviderError> {
        // A child that has ended is a zombie until its exit status is read.
        self.launches.reap();
        let state = self.state.clone();
        let seen =
            blocking::read("a look at the machine's processes", move || find::look(&state, &whose)).await?;
        let what = "looking at the machine's processes";
        seen.map_err(|error| problem::system(ErrorKind::ProvisionFailed, what, error))
    }
}
