//! Tenants: one by its id, those that something is due of, and all of them at a glance.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use landlord_state_machines::id::{ProviderName, SpecVersion, TenantId};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::Record;
use landlord_store_rows as rows;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use landlord_compute::store::{OperationRecord, Seen, Sort, StoreError, Survey, Surveyed, Surveyor};

use super::operations::{OPERATION, found_operation};
use super::rows::{SPECS, WIDTH, record, tenant_columns};
use super::{Unreadable, until_nul};
use crate::batch::{EARLIEST, is_storable};
use crate::link::{Links, Value};
use crate::session::{column, signed, unsigned};
use crate::statement::LOOKED_UP;

/// A tenant's record, and the operation that is on its way.
pub(crate) type Loaded = (Record, Option<OperationRecord>);

/// What is kept under these ids, in their order.
pub(crate) async fn load(links: &Arc<Links>, tenants: &[TenantId]) -> Result<Vec<Loaded>, StoreError> {
    let sql = format!(
        "SELECT {}, {OPERATION} FROM unnest($1) AS asked (id) CROSS JOIN LATERAL (
            SELECT * FROM landlord.tenants WHERE tenants.id = asked.id {LOOKED_UP}
        ) AS tenants {SPECS} LEFT JOIN LATERAL (
            SELECT * FROM landlord.operations WHERE operations.id = tenants.operation {LOOKED_UP}
        ) AS operations ON true",
        tenant_columns()
    );
    let ids: Vec<&str> = tenants.iter().map(TenantId::as_str).filter(|id| is_storable(id)).collect();
    let found = links.read_often(&sql, &[(&ids, Type::TEXT_ARRAY)]).await?;
    let told = |unreadable: Unreadable| unreadable.told(links.server().place());
    let mut loaded: HashMap<TenantId, Loaded> = HashMap::with_capacity(found.len());
    for row in &found {
        let record = record(row).map_err(told)?;
        let operation = found_operation(row, WIDTH).map_err(told)?;
        loaded.insert(record.id().clone(), (record, operation));
    }
    // The same id may be asked for twice.
    let of = |id: &TenantId| loaded.get(id).cloned().unwrap_or_else(|| absent(id));
    Ok(tenants.iter().map(of).collect())
}

/// What nothing is kept under.
pub(crate) fn absent(id: &TenantId) -> Loaded {
    (Record::Absent(id.clone()), None)
}

/// Of some shards, or of all.
pub(crate) async fn due(
    links: &Arc<Links>,
    of: Option<&[i16]>,
    before: Timestamp,
    after: Option<&(Timestamp, TenantId)>,
    limit: usize,
) -> Result<Vec<(Timestamp, TenantId)>, StoreError> {
    let (before, limit) = (before.max(EARLIEST), signed(limit));
    let (time, id) = match after {
        Some((time, id)) => ((*time).max(EARLIEST), until_nul(id.as_str())),
        None => (EARLIEST, ""),
    };
    let sql = "SELECT wake_at, id FROM landlord.tenants
        WHERE wake_at IS NOT NULL AND wake_at <= $1 AND (wake_at, id) > ($2, $3)
            AND ($5 IS NULL OR shard = ANY($5)) ORDER BY wake_at, id LIMIT $4";
    let values: [Value<'_>; 5] = [
        (&before, Type::TIMESTAMPTZ),
        (&time, Type::TIMESTAMPTZ),
        (&id, Type::TEXT),
        (&limit, Type::INT8),
        (&of, Type::INT2_ARRAY),
    ];
    let found = links.read(sql, &values).await?;
    let place = links.server().place();
    found.iter().map(|row| Ok((column(place, row, 0)?, tenant_id(place, row, 1)?))).collect()
}

/// Of some shards, or of all.
pub(crate) async fn in_flight(
    links: &Arc<Links>,
    of: Option<&[i16]>,
    after: Option<&TenantId>,
    limit: usize,
) -> Result<Vec<TenantId>, StoreError> {
    let (after, limit) = (until_nul(after.map_or("", TenantId::as_str)), signed(limit));
    let sql = "SELECT id FROM landlord.tenants
        WHERE call IS NOT NULL AND id > $1 AND ($3 IS NULL OR shard = ANY($3)) ORDER BY id LIMIT $2";
    let values: [Value<'_>; 3] = [(&after, Type::TEXT), (&limit, Type::INT8), (&of, Type::INT2_ARRAY)];
    let found = links.read(sql, &values).await?;
    found.iter().map(|row| tenant_id(links.server().place(), row, 0)).collect()
}

fn tenant_id(place: &str, row: &Row, number: usize) -> Result<TenantId, StoreError> {
    Ok(TenantId::from_stored(column(place, row, number)?))
}

/// How many living tenants there are of each sort.
pub(crate) async fn counts(links: &Arc<Links>) -> Result<BTreeMap<Sort, u64>, StoreError> {
    let sql = "SELECT provider, state, health, count(*) FROM landlord.tenants
        WHERE state IS NOT NULL GROUP BY provider, state, health";
    let place = links.server().place();
    let mut counts = BTreeMap::new();
    for row in links.read(sql, &[]).await? {
        let sort = sort(&row, 0).map_err(|unreadable| unreadable.told(place))?;
        counts.insert(sort, unsigned(column(place, &row, 3)?));
    }
    Ok(counts)
}

/// The provider, the state and the health that begin at this column.
fn sort(row: &Row, at: usize) -> Result<Sort, Unreadable> {
    Ok(Sort {
        provider: ProviderName::from_stored(row.try_get::<_, Option<&str>>(at)?.unwrap_or_default()),
        state: rows::name("state", row.try_get(at + 1)?)?,
        health: rows::name("health", row.try_get(at + 2)?)?,
    })
}

/// One pass over what is short in each row. What is long, such as ledgers, is not read.
pub(crate) async fn survey(links: &Arc<Links>, seen: &Seen, first: usize) -> Result<Survey, StoreError> {
    let sql = "SELECT id, provider, state, health, operation,
            coalesce(attempt > 1 OR run = 'waiting' OR direction = 'undo', false),
            repair_due IS NOT NULL, last_failure_json IS NOT NULL, settled_at
        FROM landlord.tenants WHERE state IS NOT NULL";
    let mut surveyor = Surveyor::new(first);
    let each = |row: &Row| -> Result<(), Unreadable> {
        let id = TenantId::from_stored(row.try_get(0)?);
        if !seen(&id) {
            return Ok(());
        }
        let operation: Option<&str> = row.try_get(4)?;
        let operation = operation.map(|text| rows::operation_id("operation", Some(text))).transpose()?;
        let settled_at: Option<Timestamp> = row.try_get(8)?;
        let tenant = Surveyed {
            sort: sort(row, 1)?,
            operation,
            troubled: row.try_get(5)?,
            repair_due: row.try_get(6)?,
            failed: row.try_get(7)?,
            settled_at: settled_at.map_or(0, Timestamp::as_microsecond),
        };
        surveyor.add(&id, tenant);
        Ok(())
    };
    let read = async { links.take().await?.stream(sql, &[], each).await };
    read.await.map_err(|unreadable: Unreadable| unreadable.told(links.server().place()))?;
    Ok(surveyor.survey())
}

pub(crate) async fn spec(
    links: &Arc<Links>,
    tenant: &TenantId,
    version: SpecVersion,
) -> Result<Option<Spec>, StoreError> {
    let (tenant, version) = (tenant.as_str(), signed(version.0));
    if !is_storable(tenant) {
        return Ok(None);
    }
    let sql = "SELECT body_json FROM landlord.specs WHERE tenant = $1 AND version = $2";
    let found = links.read(sql, &[(&tenant, Type::TEXT), (&version, Type::INT8)]).await?;
    let place = links.server().place();
    let Some(row) = found.first() else { return Ok(None) };
    let spec = rows::spec_from_json(column(place, row, 0)?);
    spec.map(Some).map_err(|bad| Unreadable::from(bad).told(place))
}
