//! Named readers of events: the server keeps how far each has read.

use jiff::Timestamp;
use landlord_state_machines::id::TenantId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CloudEvent, Cursor, Gap};

/// Which events are wanted; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// Only those of this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// Only those of these kinds, as `data.what.kind` of an event has them: `began`, `succeeded`. Empty: of every kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub kinds: Vec<String>,
}

/// A subscription, as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionRequest {
    /// Which events.
    #[serde(default)]
    pub filter: EventFilter,
    /// Only those after this cursor; `start`: all that are kept. Without it what happens from now on. It counts when the
    /// subscription is made; one that exists stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionDocument {
    /// What it is called.
    pub name: String,
    /// Which events.
    pub filter: EventFilter,
    /// The last event that was acknowledged: the next one comes after it.
    pub acknowledged: Cursor,
    /// How many events there are after that, whether they pass the filter or not.
    pub behind: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A page of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionsDocument {
    /// By name.
    pub subscriptions: Vec<SubscriptionDocument>,
    /// `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What a subscription has not acknowledged. It comes again until it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventBatch {
    /// Before these events others are missing, which are no longer kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// In order, each tenant's without holes. An event's `id` tells it from every other.
    pub events: Vec<CloudEvent>,
    /// What to acknowledge once these are dealt with, also where there are none: what the filter does not let through is
    /// passed over with it.
    pub cursor: Cursor,
}

/// Everything up to a cursor is dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// Up to where: of a batch, or of an event in it.
    pub cursor: Cursor,
}
