//! Reading: one statement each, and so one moment.

mod documents;
mod events;
mod list;
mod operations;
mod rows;
mod tenants;

use std::sync::Arc;

use landlord_store_rows::BadColumn;

use landlord_compute::store::StoreError;

use super::error::{self, Failed};
use super::link::Links;
use super::session::{column, one};

pub(crate) use documents::{document, documents};
pub(crate) use events::{events, head};
pub(crate) use list::list;
pub(crate) use operations::{oldest_operations, operation, request};
pub(crate) use tenants::{Loaded, absent, counts, due, in_flight, load, spec, survey};

/// Why something could not be read.
enum Unreadable {
    Failed(Failed),
    Column(BadColumn),
}

impl From<Failed> for Unreadable {
    fn from(cause: Failed) -> Self {
        Self::Failed(cause)
    }
}

impl From<BadColumn> for Unreadable {
    fn from(cause: BadColumn) -> Self {
        Self::Column(cause)
    }
}

impl From<tokio_postgres::Error> for Unreadable {
    fn from(cause: tokio_postgres::Error) -> Self {
        Self::Failed(Failed::Postgres(cause))
    }
}

impl Unreadable {
    fn told(self, place: &str) -> StoreError {
        match self {
            Self::Failed(failed) => failed.told(place, "read"),
            Self::Column(cause) => error::row(place, "a row", cause),
        }
    }
}

/// What the store is called in ownership tags.
pub(crate) async fn engine(links: &Arc<Links>) -> Result<Arc<str>, StoreError> {
    let found = links.read("SELECT engine FROM landlord.meta", &[]).await?;
    let place = links.server().place();
    Ok(column::<&str>(place, one(place, &found)?, 0)?.into())
}

/// The part of a text before a NUL character. No stored text has one, so what comes after the whole comes after the part.
fn until_nul(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_text_with_a_nul_comes_after_its_beginning() {
        for (text, part) in [("a\0b", "a"), ("\0", ""), ("ab", "ab")] {
            assert_eq!(until_nul(text), part);
            for stored in ["", "a", "aa", "ab", "b"] {
                assert_eq!(stored > text, stored > part, "{stored:?} {text:?}");
            }
        }
    }
}
