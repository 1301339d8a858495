//! Small named documents, within a transaction that somebody else began.

use landlord_compute::store::{Document, DocumentKind, DocumentMismatch, DocumentRevision, DocumentWrite};
use rusqlite::{Connection, OptionalExtension, params};

use super::read::{Unreadable, signed};

/// The documents of a kind after a name.
pub(super) fn list(
    connection: &Connection,
    kind: DocumentKind,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<Document>, Unreadable> {
    // Nothing is before the empty name, which may be one.
    let (compare, from) = match after {
        Some(after) => (">", after),
        None => (">=", String::new()),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT name, revision, body_json FROM documents WHERE kind = ?1 AND name {compare} ?2 ORDER BY name LIMIT ?3"
    ))?;
    let found = statement.query_map(params![kind.as_str(), from, signed(limit)], |row| {
        Ok(Document { kind, name: row.get(0)?, revision: DocumentRevision(row.get(1)?), json: row.get(2)? })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn one(
    connection: &Connection,
    kind: DocumentKind,
    name: String,
) -> Result<Option<Document>, Unreadable> {
    let mut statement = connection
        .prepare_cached("SELECT revision, body_json FROM documents WHERE kind = ?1 AND name = ?2")?;
    let found =
        statement.query_row(params![kind.as_str(), name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(revision, json)| Document { kind, name, revision: DocumentRevision(revision), json }))
}

/// How far the slowest reader of events has read.
pub(super) fn slowest(connection: &Connection) -> Result<Option<u64>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT MIN(reads_from) FROM documents WHERE reads_from IS NOT NULL")?
        .query_row([], |row| row.get(0))
}

/// Writes or removes a document, if it is at the revision that is expected.
pub(super) fn put(
    connection: &Connection,
    write: &DocumentWrite,
) -> Result<Result<DocumentRevision, DocumentMismatch>, rusqlite::Error> {
    let DocumentWrite { kind, name, expected, json, reads_from } = write;
    let actual = connection
        .prepare_cached("SELECT revision FROM documents WHERE kind = ?1 AND name = ?2")?
        .query_row(params![kind.as_str(), name], |row| row.get(0))
        .optional()?
        .map_or(DocumentRevision::ABSENT, DocumentRevision);
    if actual != *expected {
        return Ok(Err(DocumentMismatch { expected: *expected, actual }));
    }
    let Some(json) = json else {
        connection
            .prepare_cached("DELETE FROM documents WHERE kind = ?1 AND name = ?2")?
            .execute(params![kind.as_str(), name])?;
        return Ok(Ok(DocumentRevision::ABSENT));
    };
    let revision: u64 = connection
        .prepare_cached("UPDATE meta SET documents = documents + 1 RETURNING documents")?
        .query_row([], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO documents (kind, name, revision, body_json, reads_from) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![kind.as_str(), name, revision, json, reads_from.map(|read| read.0)])?;
    Ok(Ok(DocumentRevision(revision)))
}
