//! What an engine is told when it starts: how much it takes on, and how it looks after tenants.

use std::time::Duration;

/// Into how many parts the engine divides what it keeps by tenant or operation, so that cores seldom meet at a lock.
/// One supervisor fell behind at 100,000 activations; sixty-four did not.
pub(crate) const SHARDS: usize = 64;

/// How long a store that cannot be read is left alone before it is asked again.
pub(crate) const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How much an engine takes on at a time. What is too much is answered `Overloaded` at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Commands that were not answered yet.
    pub commands: usize,
    /// Messages that wait for one tenant.
    pub per_tenant: u32,
    /// Provider calls that wait for their turn or run. A destroy is taken up to twice this number.
    pub calls: usize,
    /// Tenants with an actor, which is some 11 KB each; beyond this, idle ones are passivated at once, and the next
    /// command reads the store.
    pub live_tenants: usize,
    /// How long a tenant is idle before its actor is passivated.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            commands: 16_384,
            per_tenant: 64,
            calls: 200_000,
            live_tenants: 10_000,
            idle: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// With at most so many commands that were not answered yet.
    #[must_use]
    pub fn commands(mut self, commands: usize) -> Self {
        self.commands = commands;
        self
    }

    /// With at most so many messages that wait for one tenant.
    #[must_use]
    pub fn per_tenant(mut self, messages: u32) -> Self {
        self.per_tenant = messages;
        self
    }

    /// With at most so many provider calls that wait for their turn or run.
    #[must_use]
    pub fn calls(mut self, calls: usize) -> Self {
        self.calls = calls;
        self
    }

    /// With at most so many tenants that keep an actor while they are idle.
    #[must_use]
    pub fn live_tenants(mut self, tenants: usize) -> Self {
        self.live_tenants = tenants;
        self
    }

    /// With actors that are passivated after so long without a message.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }
}

/// How running tenants are looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObservePolicy {
    /// Not at all.
    Off,
    /// Platforms that report by themselves are listened to, and all running tenants are asked for in turn.
    On {
        /// The pause between two rounds through all tenants.
        every: Duration,
        /// How many tenants are asked for in a second, at most.
        per_second: u32,
    },
}

impl Default for ObservePolicy {
    fn default() -> Self {
        Self::On { every: Duration::from_secs(30), per_second: 200 }
    }
}
