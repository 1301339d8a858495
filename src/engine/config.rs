//! What an engine is told when it starts: how much it takes on, and how it looks after tenants.

use std::time::Duration;

/// Into how many parts the engine divides what it keeps by tenant or operation, so that cores seldom meet at a lock.
/// One supervisor fell behind at 100,000 activations; sixty-four did not.
pub(crate) const SHARDS: usize = 64;

/// How much an engine takes on at a time. What is too much is answered `Overloaded` at once.
#[derive(Clone, Debug, PartialEq, Eq)]
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
