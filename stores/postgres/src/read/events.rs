//! What happened.

use std::sync::Arc;

use landlord_state_machines::id::{Incarnation, Revision, TenantId};
use landlord_state_machines::tenant::LifecycleEvent;
use landlord_store_rows::{self as rows, BadColumn};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use landlord_compute::store::{Events, Position, Scope, StoreError};

use super::Unreadable;
use crate::batch::is_storable;
use crate::link::{Asked, Links, Value};
use crate::session::{column, one, signed, unsigned};

/// The position of the last event.
pub(crate) async fn head(links: &Arc<Links>) -> Result<Position, StoreError> {
    let found = links.read("SELECT position FROM landlord.head", &[]).await?;
    let place = links.server().place();
    Ok(Position(unsigned(column(place, one(place, &found)?, 0)?)))
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
    let mut asked = Asked::Seldom;
    let whose = match scope {
        // Each of several engines reads the end of the log again and again.
        Scope::All => {
            asked = Asked::Often;
            ""
        }
        Scope::Tenant(id) if is_storable(id.as_str()) => {
            tenant = id.as_str();
            values.push((&tenant, Type::TEXT));
            "AND tenant = $3"
        }
        Scope::Tenant(_) => "AND false",
    };
    // The mark and the events are of one moment. That there is one mark is said for the planner.
    let sql = format!(
        "SELECT head.trimmed, page.* FROM (SELECT trimmed FROM landlord.head LIMIT 1) AS head LEFT JOIN LATERAL (
            SELECT position, tenant, incarnation, revision, at, from_state, to_state, operation, attempt, what_json,
                settled_json
            FROM landlord.events WHERE position > $1 {whose} ORDER BY position LIMIT $2
        ) AS page ON head.trimmed <= $1"
    );
    let found = links.read_as(asked, &sql, &values).await?;
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
