//! A tenant's columns, and the bodies of its specs after them.

use std::borrow::Cow;

use jiff::Timestamp;
use landlord_state_machines::spec::Spec;
use landlord_state_machines::tenant::Record;
use landlord_store_rows::{self as rows, BadColumn, TenantRow};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::Unreadable;
use crate::batch::TENANT;
use crate::session::unsigned;

pub(super) fn cell<'r, T: FromSql<'r>>(row: &'r Row, number: usize) -> Result<T, BadColumn> {
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
pub(super) fn tenant_columns() -> String {
    let columns: Vec<String> = TENANT.iter().map(|(name, _)| format!("tenants.{name}")).collect();
    format!("{}, applied.body_json, target.body_json, waiting.body_json", columns.join(", "))
}

/// How many columns these are.
pub(super) const WIDTH: usize = TENANT.len() + 3;

/// Joins those bodies to the tenants. Each is looked up by its key ([`LOOKED_UP`](crate::statement::LOOKED_UP)).
pub(super) const SPECS: &str = "LEFT JOIN LATERAL (
        SELECT body_json FROM landlord.specs
        WHERE specs.tenant = tenants.id AND specs.version = tenants.applied_spec LIMIT 1
    ) AS applied ON true LEFT JOIN LATERAL (
        SELECT body_json FROM landlord.specs
        WHERE specs.tenant = tenants.id AND specs.version = tenants.target_spec
            AND tenants.target_spec IS DISTINCT FROM tenants.applied_spec LIMIT 1
    ) AS target ON true LEFT JOIN LATERAL (
        SELECT body_json FROM landlord.specs
        WHERE specs.tenant = tenants.id AND specs.version = tenants.next_spec
            AND tenants.next_spec IS DISTINCT FROM tenants.applied_spec
            AND tenants.next_spec IS DISTINCT FROM tenants.target_spec LIMIT 1
    ) AS waiting ON true";

/// A row of [`tenant_columns`].
pub(super) fn record(row: &Row) -> Result<Record, Unreadable> {
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
