//! A page of a list, whose things are read one after the other: as values all of them are much larger than their text.

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
    use super::super::request::Ask;
    use super::Page;

    #[test]
    fn a_list_of_nothing_has_no_pages_after_it() {
        for text in [r#"{"metadata":{},"items":null}"#, r#"{"metadata":{"continue":""},"items":[]}"#] {
            let ask = Ask::path("/api/v1/pods");
            let page = Page::read(&ask, text.as_bytes()).unwrap();
            assert!(page.items().next().is_none() && page.next(&ask).is_none(), "{text}");
        }
    }
}
