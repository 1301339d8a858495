//! What a provider knows and intends about a tenant's resources, persisted between its calls.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{CallId, Epoch};
use crate::status::Endpoint;

/// Persisted for the provider, and opaque to the engine but for the part that people want to see.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger {
    /// Which shape `facts` has; the provider reads what its older versions wrote.
    pub version: u32,
    /// What exists or may exist on the platform, a name for each and the platform's id or state.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Where the tenant answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// What the call that wrote it waits for; none while it does something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waiting>,
    /// Which engine wrote it. What another one intended may still be on its way. None where no engine did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Epoch>,
    /// The provider's own facts, as JSON.
    pub facts: Box<RawValue>,
}

/// What a call waits for on its platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The call. What another one waited for is over.
    pub call: CallId,
    /// What has to become true, as it follows "waits until": `the rollout completes: 0 of 1 running`. Holds nothing that
    /// a tenant wrote.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
}

impl Ledger {
    /// The resources as lines for a person: `web process: pid 4711`.
    pub fn left(&self) -> Vec<String> {
        self.resources.iter().map(|(name, id)| format!("{name}: {id}")).collect()
    }
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
            && self.resources == other.resources
            && self.endpoints == other.endpoints
            && self.waits == other.waits
            && self.engine == other.engine
            && self.facts.get() == other.facts.get()
    }
}
impl Eq for Ledger {}
