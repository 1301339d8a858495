//! Addresses that events are sent to.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cursor, EventFilter};

/// Where a secret is. The secret itself is nowhere in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// In a file on the server's machine, at this absolute path. It is read anew for each delivery.
    File(String),
    /// In this variable of the server's environment.
    Env(String),
}

/// A webhook, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookRequest {
    /// Where events are sent: `https://…`; `http://…` reaches private addresses alone. It is kept as it is, so it must not hold a
    /// secret.
    #[schemars(length(max = 2048))]
    pub url: String,
    /// Which events.
    #[serde(default)]
    pub filter: EventFilter,
    /// What deliveries are signed with: text, or `whsec_` and base64.
    pub secret: SecretSource,
    /// What they are signed with too, while receivers change from it to `secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<SecretSource>,
    /// Only events after this cursor; `start`: all that are kept. Without it what happens from now on. It counts when the
    /// webhook is made; one that exists stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookDocument {
    /// What it is called.
    pub name: String,
    /// Where events are sent.
    pub url: String,
    /// Which events.
    pub filter: EventFilter,
    /// What deliveries are signed with.
    pub secret: SecretSource,
    /// What they are signed with too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<SecretSource>,
    /// Everything up to there was delivered, or does not pass the filter.
    pub delivered: Cursor,
    /// How many events there are after that, whether they pass the filter or not.
    pub behind: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Why its last delivery failed; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<DeliveryTrouble>,
}

/// A delivery that fails, and is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryTrouble {
    /// Since when, of those that this server has tried.
    pub failing_since: Timestamp,
    /// Why the last try failed.
    pub error: String,
    /// When it is tried again.
    pub next_try: Timestamp,
}

/// A page of webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhooksDocument {
    /// By name.
    pub webhooks: Vec<WebhookDocument>,
    /// `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
