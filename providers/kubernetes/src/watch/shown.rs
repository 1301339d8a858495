//! The parts of an object's JSON that a watch reads. All else is skipped, and nothing is copied that has no escapes in it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::page::Labels;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
    #[serde(default)]
    pub(super) spec: Spec,
    #[serde(borrow, default)]
    pub(super) status: Status<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) uid: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) resource_version: Cow<'a, str>,
    #[serde(default)]
    pub(super) generation: u64,
    #[serde(borrow, default)]
    pub(super) deletion_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) labels: Labels<'a>,
    #[serde(borrow, default)]
    pub(super) managed_fields: Vec<Managed<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Managed<'a> {
    #[serde(borrow, default)]
    pub(super) manager: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) subresource: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) time: Cow<'a, str>,
    #[serde(borrow, default, rename = "fieldsV1")]
    pub(super) fields: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
pub(super) struct Spec {
    #[serde(default)]
    pub(super) replicas: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status<'a> {
    #[serde(borrow, default)]
    pub(super) phase: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) conditions: Vec<Condition<'a>>,
    #[serde(borrow, default)]
    pub(super) init_container_statuses: Vec<Container<'a>>,
    #[serde(borrow, default)]
    pub(super) container_statuses: Vec<Container<'a>>,
    #[serde(default)]
    pub(super) observed_generation: u64,
    #[serde(default)]
    pub(super) replicas: u64,
    #[serde(default)]
    pub(super) ready_replicas: u64,
    #[serde(default)]
    pub(super) updated_replicas: u64,
    #[serde(default)]
    pub(super) available_replicas: u64,
    #[serde(borrow, default)]
    pub(super) current_revision: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) update_revision: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct Condition<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) status: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) reason: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container<'a> {
    #[serde(default)]
    pub(super) restart_count: u64,
    #[serde(borrow, default)]
    pub(super) state: State<'a>,
}

#[derive(Default, Deserialize)]
pub(super) struct State<'a> {
    #[serde(borrow, default)]
    pub(super) waiting: Option<Waiting<'a>>,
    #[serde(default)]
    pub(super) terminated: Option<Terminated>,
}

#[derive(Deserialize)]
pub(super) struct Waiting<'a> {
    #[serde(borrow, default)]
    pub(super) reason: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Terminated {
    #[serde(default)]
    pub(super) exit_code: i64,
}
