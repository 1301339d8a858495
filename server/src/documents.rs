//! Documents of the store that requests make, change and remove.

use landlord_api::Code;
use landlord_compute::DocumentError;
use landlord_compute::store::{
    Document, DocumentKind, DocumentRevision, DocumentWrite, Position, StoreError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::refused::Refused;
use crate::served::Served;

/// How many are read at a time.
const PAGE: usize = 100;

/// What becomes of a document.
pub(crate) enum Change {
    /// Nothing: it is as it should be.
    Keep,
    /// This content, of a reader that has read so far.
    Write(String, Position),
    Remove,
}

impl Change {
    /// What makes a document have this content, of a reader that has read so far.
    pub(crate) fn to(
        found: Option<&Document>,
        content: &impl Serialize,
        read: Position,
    ) -> Result<Self, Refused> {
        let text = text(content)?;
        Ok(if found.is_some_and(|found| found.json == text) { Self::Keep } else { Self::Write(text, read) })
    }
}

/// A page of a kind's documents, by name, and after which name the next one begins.
pub(crate) async fn page(
    served: &Served,
    kind: DocumentKind,
    after: Option<String>,
) -> Result<(Vec<Document>, Option<String>), StoreError> {
    let page = served.reads().documents(kind, after, PAGE).await?;
    let next = page.last().filter(|_| page.len() == PAGE).map(|last| last.name.clone());
    Ok((page, next))
}

/// All documents of a kind, by name.
pub(crate) async fn all(served: &Served, kind: DocumentKind) -> Result<Vec<Document>, StoreError> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let (documents, next) = page(served, kind, after).await?;
        all.extend(documents);
        match next {
            None => return Ok(all),
            next => after = next,
        }
    }
}

/// Changes a document by what it is now; again where somebody else has changed it meanwhile.
pub(crate) async fn change<T>(
    served: &Served,
    kind: DocumentKind,
    name: &str,
    mut next: impl FnMut(Option<&Document>) -> Result<(Change, T), Refused>,
) -> Result<T, Refused> {
    let documents = served.commands()?.documents();
    loop {
        let found = served.reads().document(kind, name).await?;
        let (change, answer) = next(found.as_ref())?;
        let (json, reads_from) = match change {
            Change::Keep => return Ok(answer),
            Change::Write(json, read) => (Some(json), Some(read)),
            Change::Remove => (None, None),
        };
        let expected = found.map_or(DocumentRevision::ABSENT, |found| found.revision);
        let write = DocumentWrite { kind, name: name.to_owned(), expected, json, reads_from };
        match documents.put(&write).await {
            Ok(_) => return Ok(answer),
            Err(DocumentError::Mismatch(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The content of a document, which this program or another version of it has written.
pub(crate) fn read<T: DeserializeOwned>(document: &Document) -> Result<T, Refused> {
    serde_json::from_str(&document.json).map_err(|error| {
        let kind = document.kind.as_str();
        Refused::new(Code::Store, format!("{kind} {} cannot be read: {error}", document.name))
    })
}

pub(crate) fn text(content: &impl Serialize) -> Result<String, Refused> {
    serde_json::to_string(content).map_err(|error| Refused::new(Code::Defect, error.to_string()))
}
