//! What a pod does, step by step.

use std::time::Duration;

use tokio::time::Instant;

/// A pod's life.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) placed: Placed,
    /// Those that run before the others first.
    pub(super) containers: Vec<Container>,
    /// When it is gone, once it was told to go.
    pub(super) gone: Option<Instant>,
    /// Since when it takes requests.
    pub(super) ready: Option<Instant>,
    /// Why it is over.
    pub(super) over: Option<String>,
    /// Somebody broke it: its containers take no requests.
    pub(super) sick: bool,
    /// The number of its address.
    pub(super) address: u32,
}

/// Whether it has a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// The scheduler has not looked yet.
    New { due: Instant },
    /// No node takes it, in the scheduler's words.
    Nowhere { why: String, due: Instant },
    /// It has one since then.
    Node { since: Instant },
}

/// A container.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) state: State,
    /// When the next thing happens to it.
    pub(super) due: Option<Instant>,
    pub(super) ready: bool,
    pub(super) restarts: u32,
    /// How often it has failed: the next back-off is longer.
    pub(super) failures: u32,
    pub(super) last: Option<Ended>,
}

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// With the others.
    Main,
    /// Before them, to its end.
    Before,
    /// From before them on.
    Sidecar,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is not its turn.
    Idle,
    /// Its image is pulled, its volumes are looked for.
    Creating,
    /// It waits, for this reason.
    Waiting {
        reason: String,
        message: String,
    },
    Running {
        since: Instant,
    },
    /// It ended, and is started again or not.
    Ended(Ended),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) code: u32,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) began: Instant,
    pub(super) at: Instant,
}

impl Container {
    pub(super) fn new(name: &str, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            role,
            state: State::Idle,
            due: None,
            ready: false,
            restarts: 0,
            failures: 0,
            last: None,
        }
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Whether it ended well, for good.
    pub(super) fn is_done(&self) -> bool {
        matches!(&self.state, State::Ended(ended) if ended.code == 0)
    }

    /// Whether the next ones may begin.
    pub(super) fn lets_go(&self) -> bool {
        match self.role {
            Role::Main => true,
            Role::Before => self.is_done(),
            Role::Sidecar => self.runs(),
        }
    }

    pub(super) fn wait(&mut self, reason: &str, message: String) {
        self.ready = false;
        self.state = State::Waiting { reason: reason.to_owned(), message };
    }

    /// How long it waits before it is tried again.
    pub(super) fn back_off(&mut self, first: Duration) -> Duration {
        self.failures += 1;
        first * 2_u32.pow((self.failures - 1).min(4))
    }
}

impl Life {
    pub(super) fn runs(&self, container: &str) -> bool {
        self.containers.iter().any(|one| one.name == container && one.runs())
    }

    /// When the next thing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.over.is_some() {
            return self.gone;
        }
        let placed = match &self.placed {
            Placed::New { due } | Placed::Nowhere { due, .. } => Some(*due),
            Placed::Node { .. } => None,
        };
        let containers = self.containers.iter().filter_map(|container| container.due);
        containers.chain(placed).chain(self.gone).min()
    }
}
