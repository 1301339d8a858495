//! Small named documents, and requests that change nothing: statements of their own, beside the commits.

use std::time::Duration;

use landlord_store_rows as rows;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use landlord_compute::store::{
    DocumentMismatch, DocumentRevision, DocumentWrite, Epoch, NotedRequest, StoreError, WriteError,
};

use super::batch::{self, is_key, is_storable};
use super::error::{Failed, Verdict};
use super::link::Value;
use super::session::{Session, column, one, signed, unsigned};
use super::statement::LIVES;

/// Whether this engine still has the store, for as long as the statement takes.
fn me(guard: &str) -> String {
    format!(
        "me AS MATERIALIZED (
    SELECT epoch FROM landlord.engines WHERE epoch = $1 AND {LIVES}{guard} FOR SHARE
)"
    )
}

/// How often a statement is tried again that met another one.
const TRIES: u32 = 10;
/// The longest pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(20);

impl Session {
    /// Asks for something that is written; it is tried again as long as it meets others.
    async fn write(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Failed> {
        let mut tries = 0;
        loop {
            let answer = self.others.ask(sql, values).await;
            match &answer {
                Err(failed) if failed.verdict() == Verdict::Again && tries < TRIES => tries += 1,
                Ok(_) | Err(_) => return answer,
            }
            tokio::time::sleep(PAUSE.mul_f64(fastrand::f64())).await;
        }
    }

    /// Writes or removes a document, if it is at the revision that is expected.
    pub(crate) async fn put_document(
        &self,
        epoch: Epoch,
        write: &DocumentWrite,
    ) -> Result<Result<DocumentRevision, DocumentMismatch>, StoreError> {
        self.check(epoch)?;
        let DocumentWrite { kind, name, expected, json, reads_from } = write;
        if !is_key(name) || !is_storable(name) || !json.as_deref().is_none_or(is_storable) {
            return Err(StoreError::Unavailable {
                message: format!(
                    "{name:?} is no document that PostgreSQL can keep: it is too long, or has a NUL character"
                ),
                source: None,
            });
        }
        let (kind, at, read) = (kind.as_str(), signed(expected.0), reads_from.map(|read| signed(read.0)));
        let mut values: Vec<Value<'_>> =
            vec![(&self.epoch, Type::INT8), (&kind, Type::TEXT), (name, Type::TEXT), (&at, Type::INT8)];
        if json.is_some() {
            values.push((json, Type::TEXT));
            values.push((&read, Type::INT8));
        }
        let sql = put(json.is_some(), *expected, self.guard());
        loop {
            let told = |failed: Failed| failed.told(self.place(), "write a document in");
            let answer = self.write(&sql, &values).await.map_err(told)?;
            let row = one(self.place(), &answer)?;
            if column::<i64>(self.place(), row, 0)? == 0 {
                return Err(self.why_not().await);
            }
            if let Some(revision) = column::<Option<i64>>(self.place(), row, 1)? {
                return Ok(Ok(DocumentRevision(unsigned(revision))));
            }
            // In a statement of its own, which sees what came between.
            let sql = "SELECT revision FROM landlord.documents WHERE kind = $1 AND name = $2";
            let found = self.others.read(sql, &[(&kind, Type::TEXT), (name, Type::TEXT)]).await?;
            let actual = match found.first() {
                Some(row) => DocumentRevision(unsigned(column(self.place(), row, 0)?)),
                None => DocumentRevision::ABSENT,
            };
            if actual != *expected {
                return Ok(Err(DocumentMismatch { expected: *expected, actual }));
            }
            // It was there for a moment, and is not any more.
        }
    }

    /// Keeps a request that changes nothing.
    pub(crate) async fn note_request(
        &self,
        epoch: Epoch,
        request: &NotedRequest,
    ) -> Result<Result<(), WriteError>, StoreError> {
        self.check(epoch)?;
        let NotedRequest { tenant, request_id, asked, operation, revision } = request;
        if !is_key(request_id) || !is_storable(request_id) {
            let message = "its name is too long for PostgreSQL, or has a NUL character".to_owned();
            return Ok(Err(WriteError::Invalid(message)));
        }
        let Ok(revision) = batch::signed("revision", revision.0) else {
            return Ok(Err(WriteError::Invalid(format!("{revision} is no revision"))));
        };
        let me = me(self.guard());
        let sql = format!(
            "WITH {me}, noted AS (
                INSERT INTO landlord.requests (tenant, request_id, began, operation, asked, revision, position)
                SELECT $2, $3, false, $4, $5, $6, head.position FROM landlord.head WHERE EXISTS (SELECT FROM me)
                ON CONFLICT (tenant, request_id) DO NOTHING
                RETURNING 1
            )
            SELECT (SELECT count(*) FROM me), (SELECT count(*) FROM noted)"
        );
        let (tenant, asked, operation) =
            (tenant.as_str(), asked.to_string(), operation.map(rows::operation_text));
        let values: [Value<'_>; 6] = [
            (&self.epoch, Type::INT8),
            (&tenant, Type::TEXT),
            (request_id, Type::TEXT),
            (&operation, Type::TEXT),
            (&asked, Type::TEXT),
            (&revision, Type::INT8),
        ];
        let told = |failed: Failed| failed.told(self.place(), "write a request in");
        let answer = self.write(&sql, &values).await.map_err(told)?;
        let row = one(self.place(), &answer)?;
        match (column::<i64>(self.place(), row, 0)?, column::<i64>(self.place(), row, 1)?) {
            (0, _) => Err(self.why_not().await),
            (_, 0) => Ok(Err(WriteError::Invalid("there is a request of this name already".to_owned()))),
            (_, _) => Ok(Ok(())),
        }
    }
}

/// The statement that puts a document with a content, or without one. It answers whether this engine may write, and with
/// the revision that the document is at then; none where it was at another one.
fn put(has_content: bool, expected: DocumentRevision, guard: &str) -> String {
    let is_absent = expected == DocumentRevision::ABSENT;
    let put = match (has_content, is_absent) {
        (true, true) => {
            "INSERT INTO landlord.documents (kind, name, revision, body_json, reads_from)
            SELECT $2, $3, nextval('landlord.document_revisions'), $5, $6
            WHERE $4 = 0 AND EXISTS (SELECT FROM me)
            ON CONFLICT (kind, name) DO NOTHING
            RETURNING revision"
        }
        (true, false) => {
            "UPDATE landlord.documents
            SET revision = nextval('landlord.document_revisions'), body_json = $5, reads_from = $6
            WHERE kind = $2 AND name = $3 AND revision = $4 AND EXISTS (SELECT FROM me)
            RETURNING revision"
        }
        (false, true) => {
            "SELECT 0::bigint AS revision
            WHERE $4 = 0 AND NOT EXISTS (SELECT FROM landlord.documents WHERE kind = $2 AND name = $3)"
        }
        (false, false) => {
            "DELETE FROM landlord.documents
            WHERE kind = $2 AND name = $3 AND revision = $4 AND EXISTS (SELECT FROM me)
            RETURNING 0::bigint AS revision"
        }
    };
    let me = me(guard);
    format!("WITH {me}, put AS ({put}) SELECT (SELECT count(*) FROM me), (SELECT revision FROM put)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_put_a_document_asks_for_the_engine_and_the_revision() {
        for has_content in [true, false] {
            for expected in [DocumentRevision::ABSENT, DocumentRevision(3)] {
                let sql = put(has_content, expected, "");
                assert!(sql.contains("FROM me") && sql.contains("FOR SHARE") && sql.contains("$4"), "{sql}");
                assert_eq!(sql.contains("$5"), has_content, "{sql}");
            }
        }
    }
}
