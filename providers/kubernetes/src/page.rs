//! A page of a list, whose things are read one after the other: as values all of them are much larger than their text.

use std::borrow::Cow;

use landlord_state_machines::id::TenantId;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::Failure;
use super::request::Ask;

/// A page.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    pub(super) metadata: Metadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

/// What a page says of the list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    /// The version that the list is of.
    #[serde(default)]
    pub(super) resource_version: String,
    #[serde(default, rename = "continue")]
    after: Option<String>,
}

/// The labels of an object that say whose it is.
#[derive(Default, Deserialize)]
pub(super) struct Labels<'a> {
    /// As [`tags::TENANT`](landlord_state_machines::planner::kubernetes::tags::TENANT) says.
    #[serde(borrow, default, rename = "landlord.tenant_id")]
    pub(super) tenant: Cow<'a, str>,
}

/// The parts of an object that lead to them.
#[derive(Deserialize)]
struct Labelled<'a> {
    #[serde(borrow)]
    metadata: LabelledMetadata<'a>,
}

#[derive(Deserialize)]
struct LabelledMetadata<'a> {
    #[serde(borrow, default)]
    labels: Labels<'a>,
}

/// Whose a thing on a page is; none, where it is of no tenant. All else of it is skipped.
pub(super) fn tenant_of(item: &str) -> Option<TenantId> {
    let labelled: Labelled<'_> = serde_json::from_str(item).ok()?;
    TenantId::new(&labelled.metadata.labels.tenant).ok()
}

impl<'a> Page<'a> {
    /// Reads the answer to a question for a list.
    pub(super) fn read(ask: &Ask, answer: &'a [u8]) -> Result<Self, Failure> {
        serde_json::from_slice(answer).map_err(|error| Failure::unreadable(ask, error.to_string()))
    }

    /// What is on it, each as it is written. A list of nothing may have `null` there.
    pub(super) fn items(&self) -> impl Iterator<Item = &'a str> {
        self.items.iter().flatten().map(|item| item.get())
    }

    /// What to ask for the page after this one; none, where it was the last.
    pub(super) fn next(&self, ask: &Ask) -> Option<Ask> {
        let after = self.metadata.after.as_ref().filter(|after| !after.is_empty())?;
        Some(ask.following(after.clone()))
    }
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::planner::kubernetes::tags;
    use serde_json::json;

    use super::super::request::Ask;
    use super::{Page, tenant_of};

    #[test]
    fn whose_an_object_is_is_read_from_its_label() {
        let of = |labels| tenant_of(&json!({ "metadata": { "labels": labels }, "spec": {} }).to_string());
        assert_eq!(of(json!({ "app": "x", tags::TENANT: "acme" })).unwrap().as_str(), "acme");
        assert_eq!(of(json!({ "app": "x" })), None);
        assert_eq!(tenant_of(&json!({ "metadata": {} }).to_string()), None);
    }

    #[test]
    fn a_list_of_nothing_has_no_pages_after_it() {
        for text in [r#"{"metadata":{},"items":null}"#, r#"{"metadata":{"continue":""},"items":[]}"#] {
            let ask = Ask::path("/api/v1/pods");
            let page = Page::read(&ask, text.as_bytes()).unwrap();
            assert!(page.items().next().is_none() && page.next(&ask).is_none(), "{text}");
        }
    }
}
