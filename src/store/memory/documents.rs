//! Small named documents.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::store::{Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite, Position};

/// Small named documents.
#[derive(Debug, Default)]
pub(super) struct Documents {
    kept: BTreeMap<(DocumentKind, String), Content>,
    /// The last revision that was given.
    last: u64,
    /// How far each reader of events has read.
    read: BTreeMap<(DocumentKind, String), Position>,
}

#[derive(Debug)]
struct Content {
    revision: DocumentRevision,
    json: String,
}

impl Documents {
    pub(super) fn get(&self, kind: DocumentKind, name: &str) -> Option<Document> {
        let (key, content) = self.kept.get_key_value(&(kind, name.to_owned()))?;
        Some(document(key, content))
    }

    pub(super) fn list(&self, kind: DocumentKind, after: Option<String>, limit: usize) -> Vec<Document> {
        let start = match after {
            Some(after) => Bound::Excluded((kind, after)),
            None => Bound::Included((kind, String::new())),
        };
        let found = self.kept.range((start, Bound::Unbounded));
        found
            .take_while(|((of, _), _)| *of == kind)
            .take(limit)
            .map(|(key, content)| document(key, content))
            .collect()
    }

    /// How far the slowest reader of events has read.
    pub(super) fn slowest(&self) -> Option<Position> {
        self.read.values().min().copied()
    }

    pub(super) fn put(&mut self, write: &DocumentWrite) -> Result<DocumentRevision, DocumentMismatch> {
        let key = (write.kind, write.name.clone());
        let actual = self.kept.get(&key).map_or(DocumentRevision::ABSENT, |content| content.revision);
        if actual != write.expected {
            return Err(DocumentMismatch { expected: write.expected, actual });
        }
        match write.json.as_ref().and(write.reads_from) {
            Some(read) => self.read.insert(key.clone(), read),
            None => self.read.remove(&key),
        };
        let Some(json) = &write.json else {
            self.kept.remove(&key);
            return Ok(DocumentRevision::ABSENT);
        };
        self.last += 1;
        let revision = DocumentRevision(self.last);
        self.kept.insert(key, Content { revision, json: json.clone() });
        Ok(revision)
    }
}

fn document((kind, name): &(DocumentKind, String), content: &Content) -> Document {
    Document { kind: *kind, name: name.clone(), revision: content.revision, json: content.json.clone() }
}
