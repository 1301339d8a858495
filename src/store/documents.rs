//! Small named documents: what the engine's surroundings keep beside the tenants, such as tokens and subscriptions.

use serde::{Deserialize, Serialize};

use super::Position;

/// What a document is about. Documents of a kind that a newer program knows are left alone, and are in no list here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DocumentKind {
    /// Who may ask what, found by a token's hash.
    Token,
    /// A named reader of events, and how far it has read.
    Subscription,
    /// An address that events are sent to, and how far they were taken.
    Webhook,
    /// Where the tenants of a provider are, where only engines of that site reach them.
    Site,
}

impl DocumentKind {
    /// Every kind that this program knows.
    pub const ALL: [Self; 4] = [Self::Token, Self::Subscription, Self::Webhook, Self::Site];

    /// What it is called where it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Subscription => "subscription",
            Self::Webhook => "webhook",
            Self::Site => "site",
        }
    }
}

/// Which of its contents a document has; 0 is that it is not there. Two contents never have the same number, also not
/// when one is removed and another takes its name: revisions grow over all documents of a store, with holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentRevision(pub u64);

impl DocumentRevision {
    /// The document is not there.
    pub const ABSENT: Self = Self(0);
}

/// A document as it is stored. The store does not look into its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is about.
    pub kind: DocumentKind,
    /// What it is called; unique within its kind.
    pub name: String,
    /// Which content this is.
    pub revision: DocumentRevision,
    /// The content, as JSON.
    pub json: String,
}

/// A change of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentWrite {
    /// What it is about.
    pub kind: DocumentKind,
    /// What it is called.
    pub name: String,
    /// The revision that the document must be at; [`DocumentRevision::ABSENT`] where it must not be there.
    pub expected: DocumentRevision,
    /// The content, as JSON. None removes the document.
    pub json: Option<String>,
    /// Of a reader of events: it has read those up to here. Later ones wait for it, as long as the store's options say,
    /// also where they are beyond its history.
    pub reads_from: Option<Position>,
}

/// Somebody else has changed the document: it is at another revision, and nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document is at revision {}, not {}; read it again", actual.0, expected.0)]
pub struct DocumentMismatch {
    /// What the write expected.
    pub expected: DocumentRevision,
    /// What the store has.
    pub actual: DocumentRevision,
}
