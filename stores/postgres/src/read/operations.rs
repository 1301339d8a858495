//! Operations, and what callers call them.

use std::collections::BTreeMap;
use std::sync::Arc;

use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, SpecVersion, TenantId};
use landlord_state_machines::trace::TraceContext;
use landlord_store_rows::{self as rows, BadColumn};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use landlord_compute::store::{NotedRequest, OperationRecord, Requested, StoreError};

use super::Unreadable;
use crate::batch::is_storable;
use crate::link::Links;
use crate::session::{column, unsigned};

/// One row for each provider, of those that have a call in flight or wait for something: the others have no operation.
pub(crate) async fn oldest_operations(
    links: &Arc<Links>,
) -> Result<BTreeMap<ProviderName, OperationId>, StoreError> {
    // Operations are counted within an epoch.
    let sql = "SELECT DISTINCT ON (provider) provider, operation FROM (
            SELECT provider, operation, paused_at FROM landlord.tenants WHERE call IS NOT NULL
            UNION ALL
            SELECT provider, operation, paused_at FROM landlord.tenants WHERE wake_at IS NOT NULL AND call IS NULL
        ) AS busy
        WHERE operation IS NOT NULL AND paused_at IS NULL
        ORDER BY provider, split_part(operation, '-', 1)::bigint, split_part(operation, '-', 2)::bigint";
    let found = links.read(sql, &[]).await?;
    let place = links.server().place();
    let each = found.iter().map(|row| {
        let operation = rows::operation_id("operation", Some(column(place, row, 1)?));
        let operation = operation.map_err(|bad| Unreadable::from(bad).told(place))?;
        Ok((ProviderName::from_stored(column(place, row, 0)?), operation))
    });
    each.collect()
}

pub(super) const OPERATION: &str = "operations.id, operations.tenant, operations.incarnation, operations.kind, operations.target_spec,
    operations.accepted_at, operations.request_id, operations.reason, operations.traceparent, operations.tracestate,
    operations.settled_json, operations.asked";

/// The columns of [`OPERATION`] from this one on.
pub(super) fn operation_record(row: &Row, at: usize) -> Result<OperationRecord, Unreadable> {
    let target: Option<i64> = row.try_get(at + 4)?;
    let traceparent: Option<String> = row.try_get(at + 8)?;
    let tracestate = row.try_get(at + 9)?;
    let asked: Option<&str> = row.try_get(at + 11)?;
    Ok(OperationRecord {
        id: rows::operation_id("id", row.try_get(at)?)?,
        tenant: TenantId::from_stored(row.try_get(at + 1)?),
        incarnation: Incarnation(unsigned(row.try_get(at + 2)?)),
        kind: rows::name("kind", row.try_get(at + 3)?)?,
        target: target.map(|target| SpecVersion(unsigned(target))),
        accepted_at: row.try_get(at + 5)?,
        request_id: row.try_get(at + 6)?,
        reason: row.try_get(at + 7)?,
        trace: traceparent.map(|traceparent| TraceContext { traceparent, tracestate }),
        settled: rows::from_json("settled_json", row.try_get(at + 10)?)?,
        asked: asked.map(|asked| rows::fingerprint("asked", asked)).transpose()?,
    })
}

/// The same where no operation may have been found.
pub(super) fn found_operation(row: &Row, at: usize) -> Result<Option<OperationRecord>, Unreadable> {
    match row.try_get::<_, Option<&str>>(at)? {
        Some(_) => operation_record(row, at).map(Some),
        None => Ok(None),
    }
}

pub(crate) async fn operation(
    links: &Arc<Links>,
    id: OperationId,
) -> Result<Option<OperationRecord>, StoreError> {
    let sql = format!("SELECT {OPERATION} FROM landlord.operations WHERE id = $1");
    let found = links.read_often(&sql, &[(&rows::operation_text(id), Type::TEXT)]).await?;
    let record = found.first().map(|row| operation_record(row, 0)).transpose();
    record.map_err(|unreadable| unreadable.told(links.server().place()))
}

pub(crate) async fn request(
    links: &Arc<Links>,
    tenant: &TenantId,
    request_id: &str,
) -> Result<Option<Requested>, StoreError> {
    if !is_storable(request_id) || !is_storable(tenant.as_str()) {
        return Ok(None);
    }
    let sql = format!(
        "SELECT {OPERATION}, requests.began, requests.operation, requests.asked, requests.revision
        FROM landlord.requests
            LEFT JOIN landlord.operations ON requests.began AND operations.id = requests.operation
        WHERE requests.tenant = $1 AND requests.request_id = $2"
    );
    let id = tenant.as_str();
    let found = links.read(&sql, &[(&id, Type::TEXT), (&request_id, Type::TEXT)]).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let requested = || -> Result<Option<Requested>, Unreadable> {
        if row.try_get(12)? {
            // An operation that is gone has taken its name with it, but for a moment.
            return Ok(found_operation(row, 0)?.map(Requested::Began));
        }
        let operation: Option<&str> = row.try_get(13)?;
        let asked: Option<&str> = row.try_get(14)?;
        Ok(Some(Requested::Noted(NotedRequest {
            tenant: tenant.clone(),
            request_id: request_id.to_owned(),
            asked: rows::fingerprint("asked", asked.ok_or(BadColumn::missing("asked"))?)?,
            operation: operation.map(|text| rows::operation_id("operation", Some(text))).transpose()?,
            revision: Revision(unsigned(row.try_get(15)?)),
        })))
    };
    requested().map_err(|unreadable| unreadable.told(links.server().place()))
}
