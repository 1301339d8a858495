//! Small named documents.

use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use landlord_compute::store::{Document, DocumentKind, DocumentRevision, StoreError};

use super::until_nul;
use crate::batch::is_storable;
use crate::link::{Links, Value};
use crate::session::{column, signed, unsigned};

pub(crate) async fn documents(
    links: &Arc<Links>,
    kind: DocumentKind,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Document>, StoreError> {
    // Nothing is before the empty name, which may be one.
    let (compare, from) = match after {
        Some(after) => (">", until_nul(after)),
        None => (">=", ""),
    };
    let sql = format!(
        "SELECT name, revision, body_json FROM landlord.documents WHERE kind = $1 AND name {compare} $2
        ORDER BY name LIMIT $3"
    );
    let (named, limit) = (kind.as_str(), signed(limit));
    let values: [Value<'_>; 3] = [(&named, Type::TEXT), (&from, Type::TEXT), (&limit, Type::INT8)];
    let found = links.read(&sql, &values).await?;
    found.iter().map(|row| document_of(links.server().place(), kind, row)).collect()
}

pub(crate) async fn document(
    links: &Arc<Links>,
    kind: DocumentKind,
    name: &str,
) -> Result<Option<Document>, StoreError> {
    if !is_storable(name) {
        return Ok(None);
    }
    let sql = "SELECT name, revision, body_json FROM landlord.documents WHERE kind = $1 AND name = $2";
    let named = kind.as_str();
    let found = links.read(sql, &[(&named, Type::TEXT), (&name, Type::TEXT)]).await?;
    found.first().map(|row| document_of(links.server().place(), kind, row)).transpose()
}

fn document_of(place: &str, kind: DocumentKind, row: &Row) -> Result<Document, StoreError> {
    Ok(Document {
        kind,
        name: column(place, row, 0)?,
        revision: DocumentRevision(unsigned(column(place, row, 1)?)),
        json: column(place, row, 2)?,
    })
}
