//! `list`: all living tenants, a line each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landlord_compute::machines::id::OperationId;
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::OperationKind;
use landlord_compute::store::{Reads, TenantFilter};
use landlord_compute::view::TenantView;
use landlord_store_sqlite::SqliteReader;
use serde_json::json;

use super::args::Format;
use super::attended::Attended;
use super::exit::Failure;
use super::place::Place;
use super::screen::{self, Screen};
use super::words;

/// How many tenants are read at a time.
const PAGE: usize = 500;

/// Lists the living tenants.
pub(crate) async fn list(screen: &Screen, place: &Place, filter: &TenantFilter) -> Result<(), Failure> {
    let look = place.look()?;
    let attended = Attended::from(look.attendance());
    let mut tenants = Vec::new();
    let mut after = None;
    loop {
        let page = look.list(filter, after, PAGE).await?;
        tenants.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let views: Vec<TenantView<'_>> = tenants.iter().map(|tenant| tenant.as_ref().into()).collect();
    if views.is_empty() {
        return none_listed(screen, place, filter, &attended);
    }
    let failed = failed(&look, &views).await?;
    screen.show(&json!({ "tenants": views, "engine": attended }), || {
        let now = Timestamp::now();
        let mut text = table(&views, &failed, &attended, now);
        // The column SETTLED says when each tenant was seen last by an operation.
        if let Some(note) = attended.note(now, None) {
            text += "\n";
            text += &screen::hanging("", &note);
            text += &screen::hanging("", "`landlord-compute status TENANT` asks the platform now;");
            text += &screen::hanging("", "`landlord-compute run` keeps looking, and repairs");
        }
        text
    })
}

/// Nobody is listed. What was asked for with a filter is not there: that is no success, and may be a typo.
fn none_listed(
    screen: &Screen,
    place: &Place,
    filter: &TenantFilter,
    attended: &Attended,
) -> Result<(), Failure> {
    // Of a provider that this program lacks there may be tenants, but there are none.
    if let Some(name) = &filter.provider {
        place.provider(name).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    let filters = [
        filter.state.map(|state| format!("is {state}")),
        filter.provider.as_ref().map(|provider| format!("is run by provider {provider}")),
    ];
    let filters: Vec<String> = filters.into_iter().flatten().collect();
    match screen.format() {
        Format::Json => screen.print(&json!({ "tenants": [], "engine": attended }).to_string())?,
        Format::Table if filters.is_empty() => {
            screen.print("no tenants; `landlord-compute provision -f FILE` makes one")?;
        }
        Format::Table => {}
    }
    match filters.as_slice() {
        [] => Ok(()),
        filters => Err(Failure::NoneListed(filters.join(" and "))),
    }
}

/// What the operations were that failed last.
async fn failed(
    look: &SqliteReader,
    views: &[TenantView<'_>],
) -> Result<BTreeMap<OperationId, OperationKind>, Failure> {
    let mut kinds = BTreeMap::new();
    for failure in views.iter().filter_map(|view| view.last_failure) {
        if let Some(operation) = look.operation(failure.operation).await? {
            kinds.insert(operation.id, operation.kind);
        }
    }
    Ok(kinds)
}

fn table(
    views: &[TenantView<'_>],
    failed: &BTreeMap<OperationId, OperationKind>,
    attended: &Attended,
    now: Timestamp,
) -> String {
    let rows = views.iter().map(|view| {
        let operation =
            view.operation.as_ref().map(|operation| format!("{}/{}", operation.id, operation.attempt));
        let settled = view.settled_at.map(|at| words::when(now, at));
        [
            view.tenant_id.to_string(),
            view.state.to_string(),
            health(view.health, attended),
            view.provider.to_string(),
            view.spec.map_or("-".to_owned(), |spec| spec.to_string()),
            operation.unwrap_or_else(|| "-".to_owned()),
            settled.unwrap_or_else(|| "-".to_owned()),
            remark(view, failed, now),
        ]
    });
    screen::list_with_remarks(
        ["TENANT", "STATE", "HEALTH", "PROVIDER", "SPEC", "OPERATION", "SETTLED", "REMARK"],
        rows.collect(),
    )
}

/// Where nobody looks, health is what it was.
fn health(health: Health, attended: &Attended) -> String {
    match (health, attended.now()) {
        (Health::Unknown, _) | (_, true) => words::health(health).to_owned(),
        (Health::Healthy | Health::Unhealthy, false) => format!("was {}", words::health(health)),
    }
}

/// What is special about a tenant, most important first.
fn remark(view: &TenantView<'_>, failed: &BTreeMap<OperationId, OperationKind>, now: Timestamp) -> String {
    let mut remarks = Vec::new();
    if view.paused.is_some() {
        remarks.push("paused".to_owned());
    }
    if view.protected {
        remarks.push("protected".to_owned());
    }
    remarks.extend(view.operation.as_ref().map(|operation| words::operation(operation, now)));
    remarks.extend(view.repair_due.map(|due| format!("repair due {}", words::when(now, due))));
    if let Some(failure) = view.last_failure {
        match view.operation.as_ref().filter(|operation| operation.id == failure.operation) {
            // What it waits for now says more than why it was tried again, and often the same.
            Some(operation) if operation.waits.is_some() => {}
            // Why it is tried again.
            Some(_) => remarks.push(words::reason(&failure.error)),
            None => {
                let kind = failed.get(&failure.operation).copied();
                remarks.push(words::last_failure(failure, kind, now));
            }
        }
    }
    remarks.join("; ")
}
