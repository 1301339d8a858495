//! Pages of tenants.

use std::ops::Bound;
use std::sync::Arc;

use landlord_state_machines::id::{ProviderName, TenantId};
use landlord_state_machines::tenant::{Record, Tenant};
use landlord_store_rows as rows;
use tokio_postgres::types::Type;

use landlord_compute::store::{Page, StoreError, TenantFilter};

use super::rows::{SPECS, cell, record, tenant_columns};
use super::{Unreadable, until_nul};
use crate::batch::{TENANT, is_storable};
use crate::link::{Links, Value};
use crate::session::{column, signed};

/// How many tenants a list looks at before it answers with what it found so far.
const SCAN: usize = 10_000;

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
    fn a_list_asks_only_for_what_is_filtered() {
        let provider = ProviderName::from_stored("noop");
        let filter = TenantFilter { provider: Some(provider), ..TenantFilter::default() };
        let sql = list_sql(&filter, &Bound::Unbounded);
        assert!(sql.contains("tenants.provider = $5"));
        assert!(!sql.contains("tenants.state = $4") && !sql.contains("tenants.health = $6"));
    }
}
