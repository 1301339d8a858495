//! The engines that share a store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The engines that share the store, as the one that is asked sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnginesDocument {
    /// Whether several engines may share the store. Otherwise the one that is asked is the only one.
    pub shared: bool,
    /// Those that have not ended, in the order in which they opened the store.
    pub engines: Vec<EngineDocument>,
    /// Of how many shards none of them has a claim. They are taken within seconds.
    pub unclaimed: u16,
    /// How many events the engine that is asked has yet to read. More than a few for long: it does not keep up.
    pub behind: u64,
}

/// One of the engines that share a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineDocument {
    /// Its number: how many engines had opened the store when it did.
    pub epoch: u64,
    /// Its process, program and host, and since when.
    pub owner: String,
    /// Whether it stays.
    pub standing: EngineStanding,
    /// Of how many of the 1,024 shards it makes the tenants' calls.
    pub shards: u16,
    /// Counts up once a second while it lives. Absent: it has never said anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beat: Option<u64>,
    /// Whether it is the one that is asked.
    pub answers: bool,
}

/// Whether an engine stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineStanding {
    /// It takes shards.
    Open,
    /// It takes shards, and no other engine may share the store: its tenants are reached from its machine alone.
    Alone,
    /// It hands over what it has, and ends.
    Leaving,
}
