//! Reading: one statement each, and so one moment.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use landlord_state_machines::id::{Incarnation, OperationId, ProviderName, Revision, SpecVersion, TenantId};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::{LifecycleEvent, Record, Tenant};
use landlord_state_machines::trace::TraceContext;
use landlord_store_rows::{self as rows, BadColumn, TenantRow};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use landlord_compute::store::{
    Document, DocumentKind, DocumentRevision, Events, NotedRequest, OperationRecord, Page, Position,
    Requested, Scope, Seen, Sort, StoreError, Survey, Surveyed, Surveyor, TenantFilter,
};

use super::batch::{EARLIEST, TENANT, is_storable};
use super::error::{self, Failed};
use super::link::{Links, Value};
use super::session::{column, one, signed, unsigned};

/// How many tenants a list looks at before it answers with what it found so far.
const SCAN: usize = 10_000;

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

fn cell<'r, T: FromSql<'r>>(row: &'r Row, number: usize) -> Result<T, BadColumn> {
    row.try_get(number).map_err(|cause| BadColumn::bad(name_of(number), cause))
}

/// What a column of a tenant is called.
fn name_of(number: usize) -> &'static str {
    TENANT.get(number).map_or("body_json", |(name, _)| *name)
}

fn count(row: &Row, number: usize) -> Result<Option<u64>, BadColumn> {
    Ok(cell::<Option<i64>>(row, number)?.map(unsigned))
}

fn small(row: &Row, number: usize) -> Result<Option<u32>, BadColumn> {
    Ok(cell::<Option<i64>>(row, number)?.and_then(|found| u32::try_from(found).ok()))
}

fn micros(row: &Row, number: usize) -> Result<Option<i64>, BadColumn> {
    Ok(cell::<Option<Timestamp>>(row, number)?.map(Timestamp::as_microsecond))
}

/// The columns of [`TENANT`], in their order.
fn tenant_row(row: &Row) -> Result<TenantRow<'_>, BadColumn> {
    let text = |number| cell::<Option<&str>>(row, number);
    let long = |number| Ok::<_, BadColumn>(cell::<Option<&str>>(row, number)?.map(Cow::Borrowed));
    let whole = |number: usize| -> Result<u64, BadColumn> {
        count(row, number)?.ok_or(BadColumn::missing(name_of(number)))
    };
    Ok(TenantRow {
        id: cell(row, 0)?,
        incarnation: whole(2)?,
        revision: whole(3)?,
        state: text(4)?,
        provider: text(5)?,
        health: text(6)?,
        applied_spec: count(row, 7)?,
        applied_rollout: count(row, 8)?,
        target_spec: count(row, 9)?,
        target_rollout: count(row, 10)?,
        latest_spec: count(row, 11)?,
        operation: long(12)?,
        attempt: small(row, 13)?,
        direction: text(14)?,
        deadline: micros(row, 15)?,
        undo_error_json: long(16)?,
        run: text(17)?,
        call: count(row, 18)?,
        method: text(19)?,
        stop_reason: text(20)?,
        stop_operation: long(21)?,
        until: micros(row, 22)?,
        wake_at: micros(row, 23)?,
        next_operation: long(24)?,
        next_spec: count(row, 25)?,
        next_deadline: micros(row, 26)?,
        paused_at: micros(row, 27)?,
        settled_at: micros(row, 28)?,
        repair_count: small(row, 29)?,
        repair_last: micros(row, 30)?,
        repair_due: micros(row, 31)?,
        last_failure_json: long(32)?,
        ledger_json: long(33)?,
        retained_json: long(34)?,
    })
}

/// The columns of a tenant, and after them the bodies of its specs: what runs, what is worked towards where that is another
/// one, and what waits.
fn tenant_columns() -> String {
    let columns: Vec<String> = TENANT.iter().map(|(name, _)| format!("tenants.{name}")).collect();
    format!("{}, applied.body_json, target.body_json, waiting.body_json", columns.join(", "))
}

const SPECS: &str = "LEFT JOIN landlord.specs AS applied
        ON applied.tenant = tenants.id AND applied.version = tenants.applied_spec
    LEFT JOIN landlord.specs AS target
        ON target.tenant = tenants.id AND target.version = tenants.target_spec
        AND tenants.target_spec IS DISTINCT FROM tenants.applied_spec
    LEFT JOIN landlord.specs AS waiting
        ON waiting.tenant = tenants.id AND waiting.version = tenants.next_spec
        AND tenants.next_spec IS DISTINCT FROM tenants.applied_spec
        AND tenants.next_spec IS DISTINCT FROM tenants.target_spec";

/// A row of [`tenant_columns`].
fn record(row: &Row) -> Result<Record, Unreadable> {
    let tenant = tenant_row(row)?;
    let mut known: Vec<(u64, Spec)> = Vec::new();
    let versions = [tenant.applied_spec, tenant.target_spec, tenant.next_spec];
    for (version, number) in versions.into_iter().zip(TENANT.len()..) {
        if let (Some(version), Some(body)) = (version, cell::<Option<&str>>(row, number)?) {
            known.push((version, rows::spec_from_json(body)?));
        }
    }
    rows::decode(&tenant, |version| {
        let found = known.iter().find(|(known, _)| *known == version.0);
        found.map(|(_, spec)| spec.clone()).ok_or_else(|| {
            let problem = format!("spec {version} of tenant {} is missing", tenant.id);
            BadColumn::bad("body_json", problem).into()
        })
    })
}

/// What is kept under these ids, in their order.
pub(crate) async fn load(links: &Arc<Links>, tenants: &[TenantId]) -> Result<Vec<Record>, StoreError> {
    let sql =
        format!("SELECT {} FROM landlord.tenants {SPECS} WHERE tenants.id = ANY ($1)", tenant_columns());
    let ids: Vec<&str> = tenants.iter().map(TenantId::as_str).filter(|id| is_storable(id)).collect();
    let found = links.read(&sql, &[(&ids, Type::TEXT_ARRAY)]).await?;
    let told = |unreadable: Unreadable| unreadable.told(links.server().place());
    let mut records = HashMap::with_capacity(found.len());
    for row in &found {
        let record = record(row).map_err(told)?;
        records.insert(record.id().clone(), record);
    }
    // The same id may be asked for twice.
    let of = |id: &TenantId| records.get(id).cloned().unwrap_or_else(|| Record::Absent(id.clone()));
    Ok(tenants.iter().map(of).collect())
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

/// The part of a text before a NUL character. No stored text has one, so what comes after the whole comes after the part.
fn until_nul(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

/// The least text that comes after all that begin with this one. None where there is none.
fn beyond(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // The code points of surrogates are no characters.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// What a page of a list asks. The rows are looked at in the order of ids, at most [`SCAN`] of them. Each answer has the id
/// of the last of these where there are more, also where no tenant passes the filter.
fn list_sql(filter: &TenantFilter, begins: &Bound<TenantId>) -> String {
    let compare = match begins {
        Bound::Included(id) if is_storable(id.as_str()) => ">=",
        Bound::Included(_) | Bound::Excluded(_) => ">",
        Bound::Unbounded => ">=",
    };
    let mut range = format!("id {compare} $1");
    if beyond(&filter.prefix).is_some() {
        range += " AND id < $2";
    } else {
        range += " AND $2::text IS NULL";
    }
    let mut wanted = vec!["tenants.state IS NOT NULL"];
    for (filtered, condition) in [
        (filter.state.is_some(), "tenants.state = $4"),
        (filter.provider.is_some(), "tenants.provider = $5"),
        (filter.health.is_some(), "tenants.health = $6"),
    ] {
        if filtered {
            wanted.push(condition);
        }
    }
    format!(
        "SELECT {}, page.last FROM (
            SELECT (SELECT id FROM landlord.tenants WHERE {range} ORDER BY id OFFSET {} LIMIT 1) AS last
        ) AS page LEFT JOIN (
            SELECT * FROM (
                SELECT * FROM landlord.tenants WHERE {range} ORDER BY id LIMIT {SCAN}
            ) AS tenants WHERE {} ORDER BY id LIMIT $3
        ) AS tenants ON true {SPECS} ORDER BY tenants.id",
        tenant_columns(),
        SCAN - 1,
        wanted.join(" AND ")
    )
}

pub(crate) async fn list(
    links: &Arc<Links>,
    filter: &TenantFilter,
    after: Option<TenantId>,
    limit: usize,
) -> Result<Page<Arc<Tenant>>, StoreError> {
    let nobody = Page { items: Vec::new(), next: None };
    if !is_storable(&filter.prefix) {
        return Ok(nobody);
    }
    let limit = limit.max(1);
    let begins = filter.begins(after);
    let first = match &begins {
        Bound::Included(id) | Bound::Excluded(id) => until_nul(id.as_str()),
        Bound::Unbounded => "",
    };
    // Beyond what the filter lets through, there is nobody.
    let end = beyond(&filter.prefix);
    if end.as_deref().is_some_and(|end| first >= end) {
        return Ok(nobody);
    }
    // One more than fit, to know whether it is the last page.
    let most = signed(limit + 1);
    let state = filter.state.map(|state| state.as_str());
    let provider = filter.provider.as_ref().map(ProviderName::as_str);
    let health = filter.health.map(rows::health_name);
    let values: [Value<'_>; 6] = [
        (&first, Type::TEXT),
        (&end, Type::TEXT),
        (&most, Type::INT8),
        (&state, Type::TEXT),
        (&provider, Type::TEXT),
        (&health, Type::TEXT),
    ];
    let found = links.read(&list_sql(filter, &begins), &values).await?;
    let place = links.server().place();
    let mut scanned_to = None;
    let mut items = Vec::new();
    for row in &found {
        scanned_to = column::<Option<&str>>(place, row, TENANT.len() + 3)?.map(TenantId::from_stored);
        if cell::<Option<&str>>(row, 0).map_err(|bad| Unreadable::from(bad).told(place))?.is_none() {
            continue;
        }
        if items.len() == limit {
            let last: Option<&Arc<Tenant>> = items.last();
            let next = last.map(|tenant| tenant.id.clone());
            return Ok(Page { items, next });
        }
        match record(row).map_err(|unreadable| unreadable.told(place))? {
            Record::Live(tenant) => items.push(tenant),
            Record::Absent(_) | Record::Gone(_) => {}
        }
    }
    Ok(Page { items, next: scanned_to })
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
            sort: Sort {
                provider: ProviderName::from_stored(row.try_get::<_, Option<&str>>(1)?.unwrap_or_default()),
                state: rows::name("state", row.try_get(2)?)?,
                health: rows::name("health", row.try_get(3)?)?,
            },
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

const OPERATION: &str = "operations.id, operations.tenant, operations.incarnation, operations.kind, operations.target_spec,
    operations.accepted_at, operations.request_id, operations.reason, operations.traceparent, operations.tracestate,
    operations.settled_json, operations.asked";

fn operation_record(row: &Row) -> Result<OperationRecord, Unreadable> {
    let target: Option<i64> = row.try_get(4)?;
    let traceparent: Option<String> = row.try_get(8)?;
    let tracestate = row.try_get(9)?;
    let asked: Option<&str> = row.try_get(11)?;
    Ok(OperationRecord {
        id: rows::operation_id("id", row.try_get(0)?)?,
        tenant: TenantId::from_stored(row.try_get(1)?),
        incarnation: Incarnation(unsigned(row.try_get(2)?)),
        kind: rows::name("kind", row.try_get(3)?)?,
        target: target.map(|target| SpecVersion(unsigned(target))),
        accepted_at: row.try_get(5)?,
        request_id: row.try_get(6)?,
        reason: row.try_get(7)?,
        trace: traceparent.map(|traceparent| TraceContext { traceparent, tracestate }),
        settled: rows::from_json("settled_json", row.try_get(10)?)?,
        asked: asked.map(|asked| rows::fingerprint("asked", asked)).transpose()?,
    })
}

pub(crate) async fn operation(
    links: &Arc<Links>,
    id: OperationId,
) -> Result<Option<OperationRecord>, StoreError> {
    let sql = format!("SELECT {OPERATION} FROM landlord.operations WHERE id = $1");
    let id = rows::operation_text(id);
    let found = links.read(&sql, &[(&id, Type::TEXT)]).await?;
    let record = found.first().map(operation_record).transpose();
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
            let is_there = row.try_get::<_, Option<&str>>(0)?.is_some();
            return match is_there {
                true => Ok(Some(Requested::Began(operation_record(row)?))),
                false => Ok(None),
            };
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

/// The position of the last event.
pub(crate) async fn head(links: &Arc<Links>) -> Result<Position, StoreError> {
    let found = links.read("SELECT position FROM landlord.head", &[]).await?;
    let place = links.server().place();
    Ok(Position(unsigned(column(place, one(place, &found)?, 0)?)))
}

/// What the store is called in ownership tags.
pub(crate) async fn engine(links: &Arc<Links>) -> Result<Arc<str>, StoreError> {
    let found = links.read("SELECT engine FROM landlord.meta", &[]).await?;
    let place = links.server().place();
    Ok(column::<&str>(place, one(place, &found)?, 0)?.into())
}

pub(crate) async fn events(
    links: &Arc<Links>,
    after: Position,
    scope: &Scope,
    limit: usize,
) -> Result<Events, StoreError> {
    let (after, limit) = (signed(after.0), signed(limit));
    let tenant;
    let mut values: Vec<Value<'_>> = vec![(&after, Type::INT8), (&limit, Type::INT8)];
    let whose = match scope {
        Scope::All => "",
        Scope::Tenant(id) if is_storable(id.as_str()) => {
            tenant = id.as_str();
            values.push((&tenant, Type::TEXT));
            "AND tenant = $3"
        }
        Scope::Tenant(_) => "AND false",
    };
    // The mark and the events are of one moment.
    let sql = format!(
        "SELECT head.trimmed, page.* FROM landlord.head LEFT JOIN LATERAL (
            SELECT position, tenant, incarnation, revision, at, from_state, to_state, operation, attempt, what_json,
                settled_json
            FROM landlord.events WHERE position > $1 {whose} ORDER BY position LIMIT $2
        ) AS page ON head.trimmed <= $1"
    );
    let found = links.read(&sql, &values).await?;
    let place = links.server().place();
    let trimmed: i64 = column(place, one(place, &found)?, 0)?;
    if after < trimmed {
        return Ok(Events::Gap { resume: Position(unsigned(trimmed)) });
    }
    let mut page = Vec::with_capacity(found.len());
    for row in &found {
        if let Some(position) = column::<Option<i64>>(place, row, 1)? {
            let event = event(row).map_err(|unreadable| unreadable.told(place))?;
            page.push((Position(unsigned(position)), Arc::new(event)));
        }
    }
    page.sort_unstable_by_key(|(position, _)| *position);
    Ok(Events::Page(page))
}

fn event(row: &Row) -> Result<LifecycleEvent, Unreadable> {
    let to: Option<&str> = row.try_get(7)?;
    let operation: Option<&str> = row.try_get(8)?;
    let attempt: Option<i64> = row.try_get(9)?;
    Ok(LifecycleEvent {
        tenant_id: TenantId::from_stored(row.try_get(2)?),
        incarnation: Incarnation(unsigned(row.try_get(3)?)),
        revision: Revision(unsigned(row.try_get(4)?)),
        at: row.try_get(5)?,
        from: rows::name("from_state", row.try_get(6)?)?,
        to: to.map(|to| rows::name("to_state", Some(to))).transpose()?,
        operation: operation.map(|text| rows::operation_id("operation", Some(text))).transpose()?,
        attempt: attempt.and_then(|attempt| u32::try_from(attempt).ok()),
        what: rows::from_json("what_json", row.try_get(10)?)?.ok_or(BadColumn::missing("what_json"))?,
        settled: rows::from_json("settled_json", row.try_get(11)?)?.unwrap_or_default(),
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_text() {
        for (prefix, end) in [
            ("t", Some("u")),
            ("t4", Some("t5")),
            ("", None),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("\u{d7ff}", Some("\u{e000}")),
        ] {
            assert_eq!(beyond(prefix).as_deref(), end, "{prefix:?}");
        }
    }

    #[test]
    fn what_comes_after_a_text_with_a_nul_comes_after_its_beginning() {
        for (text, part) in [("a\0b", "a"), ("\0", ""), ("ab", "ab")] {
            assert_eq!(until_nul(text), part);
            for stored in ["", "a", "aa", "ab", "b"] {
                assert_eq!(stored > text, stored > part, "{stored:?} {text:?}");
            }
        }
    }

    #[test]
    fn a_list_asks_only_for_what_is_filtered() {
        let provider = ProviderName::from_stored("noop");
        let filter = TenantFilter { provider: Some(provider), ..TenantFilter::default() };
        let sql = list_sql(&filter, &Bound::Unbounded);
        assert!(sql.contains("tenants.provider = $5"));
        assert!(!sql.contains("tenants.state = $4") && !sql.contains("tenants.health = $6"));
    }
}
