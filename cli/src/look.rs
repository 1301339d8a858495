//! `list`, `describe` and `status`: looking, which is possible beside a running engine.

use std::sync::Arc;

use jiff::Timestamp;
use landlord_compute::Delivery;
use landlord_compute::clock::SystemClock;
use landlord_compute::machines::error::{ProviderError, Remedy};
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::tenant::Tenant;
use landlord_compute::provider::{Context, STATUS_WITHIN};
use landlord_compute::store::{Position, Reads, Scope, TenantFilter};
use serde_json::json;

use super::args::Format;
use super::events::Reader;
use super::exit::Failure;
use super::place::{Place, living};
use super::screen::{Screen, pairs, table};
use super::words;
use landlord_compute::view::{Doing, TenantView, containers};

/// How many tenants are read at a time.
const PAGE: usize = 500;
/// How many of a tenant's latest events `describe` shows.
const LATEST: usize = 10;

/// Lists the living tenants.
pub(crate) async fn list(screen: &Screen, place: &Place, filter: &TenantFilter) -> Result<(), Failure> {
    let look = place.look()?;
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
        return none_listed(screen, place, filter);
    }
    screen.show(&json!({ "tenants": views }), || list_table(&views))
}

/// Nobody is listed. What was asked for with a filter is not there: that is no success, and may be a typo.
fn none_listed(screen: &Screen, place: &Place, filter: &TenantFilter) -> Result<(), Failure> {
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
        Format::Json => screen.print(&json!({ "tenants": [] }).to_string())?,
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

fn list_table(views: &[TenantView<'_>]) -> String {
    let now = Timestamp::now();
    let rows = views.iter().map(|view| {
        let operation =
            view.operation.as_ref().map(|operation| format!("{}/{}", operation.id, operation.attempt));
        let settled = view.settled_at.map(|at| words::when(now, at));
        [
            view.tenant_id.to_string(),
            view.state.to_string(),
            words::health(view.health).to_owned(),
            view.provider.to_string(),
            view.spec.map_or("-".to_owned(), |spec| spec.to_string()),
            operation.unwrap_or_else(|| "-".to_owned()),
            settled.unwrap_or_else(|| "-".to_owned()),
            remark(view, now),
        ]
    });
    table(["TENANT", "STATE", "HEALTH", "PROVIDER", "SPEC", "OPERATION", "SETTLED", "REMARK"], rows)
}

/// What is special about a tenant, most important first.
fn remark(view: &TenantView<'_>, now: Timestamp) -> String {
    let mut remarks = Vec::new();
    if view.paused.is_some() {
        remarks.push("paused".to_owned());
    }
    remarks.extend(view.operation.as_ref().map(|operation| words::operation(operation, now)));
    if let Some(failure) = view.last_failure {
        remarks.push(failure.error.message.lines().next().unwrap_or_default().to_owned());
    }
    remarks.join("; ")
}

/// Shows all that is known of a tenant.
pub(crate) async fn describe(screen: &Screen, place: &Place, id: &TenantId) -> Result<(), Failure> {
    let look = place.look()?;
    let tenant = living(&look, id).await?;
    let events = Reader::new(&look, Scope::Tenant(id.clone()), Position(0)).last(LATEST).await?;
    let events: Vec<_> = events
        .iter()
        .filter_map(|delivery| match delivery {
            Delivery::Event { event, .. } => Some(event.as_ref()),
            Delivery::Gap { .. } => None,
        })
        .collect();
    let view = TenantView::from(tenant.as_ref());
    let document = json!({
        "tenant": view,
        "containers": containers(&tenant),
        "logs": place.logs(id),
        "not_enforced": not_enforced(&tenant, place),
        "events": events,
    });
    screen.show(&document, || {
        let mut text = facts(&tenant, &view, place);
        text += "\nEVENTS, the latest\n";
        text += &table(
            ["  AT", "REVISION", "STATE", "WHAT"],
            events.iter().map(|event| {
                [
                    format!("  {}", event.at.strftime("%Y-%m-%dT%H:%M:%SZ")),
                    event.revision.to_string(),
                    event.to.map_or("gone", |state| state.as_str()).to_owned(),
                    words::event(event),
                ]
            }),
        );
        text
    })
}

/// What is known of a tenant, a line each.
fn facts(tenant: &Tenant, view: &TenantView<'_>, place: &Place) -> String {
    let now = Timestamp::now();
    let mut lines: Vec<(&str, String)> = vec![
        ("tenant", view.tenant_id.to_string()),
        ("state", view.state.to_string()),
        ("health", words::health(view.health).to_owned()),
        ("provider", view.provider.to_string()),
        ("life", view.incarnation.to_string()),
        ("revision", view.revision.to_string()),
        ("spec", view.spec.map_or("none runs".to_owned(), |spec| spec.to_string())),
    ];
    for container in containers(tenant) {
        let ports = container.ports.iter().map(|port| format!(" :{}", port.container_port));
        lines.push((
            "container",
            format!("{} ({}){}", container.name, container.image, ports.collect::<String>()),
        ));
    }
    if let Some(operation) = &view.operation {
        let mut line =
            format!("{}, try {}, {}", operation.id, operation.attempt, words::operation(operation, now));
        if let Some(deadline) = operation.deadline {
            line += &format!(", deadline {}", words::when(now, deadline));
        }
        lines.push(("operation", line));
    }
    if let Some(next) = &view.next {
        lines.push(("queued", format!("update {} to spec {}", next.id, next.target)));
    }
    if let Some(paused) = view.paused {
        let resume = format!("`landlord-compute resume {}` lets it go on", view.tenant_id);
        lines.push(("paused", format!("{}; {resume}", words::when(now, paused))));
    }
    if let Some(due) = view.repair_due {
        lines.push(("repair", format!("due {}; `landlord-compute run` makes it", words::when(now, due))));
    }
    for endpoint in view.endpoints {
        lines.push(("endpoint", words::endpoint(endpoint)));
    }
    for (name, id) in view.resources.into_iter().flatten() {
        lines.push(("resource", format!("{name}: {id}")));
    }
    if let Some(failure) = view.last_failure {
        let when = words::when(now, failure.at);
        lines.push(("failure", format!("{when}, operation {}: {}", failure.operation, failure.error)));
        lines.push(("", format!("next: {}", advice(&failure.error, view))));
    }
    lines.extend(not_enforced(tenant, place).into_iter().map(|limit| ("limits", limit.to_owned())));
    lines.push(("logs", place.logs(view.tenant_id).display().to_string()));
    pairs(lines.into_iter().map(|(name, value)| [name.to_owned(), value]))
}

/// Limits of its spec that its provider does not keep.
fn not_enforced(tenant: &Tenant, place: &Place) -> Vec<&'static str> {
    place.provider(&tenant.provider).map(|provider| provider.capabilities().not_enforced).unwrap_or_default()
}

/// What to do about a failure.
fn advice(error: &ProviderError, view: &TenantView<'_>) -> String {
    let tenant = view.tenant_id;
    let waits = view.operation.as_ref().is_some_and(|operation| operation.run == Doing::Waiting);
    match (error.remedy, waits) {
        (_, true) => format!("it is tried again by itself; `landlord-compute retry {tenant}` does it now"),
        (Remedy::Retry, false) => "it may pass; look at the logs, then ask for it again".to_owned(),
        (Remedy::Permanent, false) => "look at the logs, change the spec, then ask for it again".to_owned(),
        (Remedy::NeedsPerson, false) => "change what the platform refuses, then ask for it again".to_owned(),
    }
}

/// Asks the tenant's platform how it is now.
pub(crate) async fn status(screen: &Screen, place: &Place, id: &TenantId) -> Result<(), Failure> {
    let look = place.look()?;
    let tenant = living(&look, id).await?;
    let Ok(provider) = place.provider(&tenant.provider) else {
        let provider = tenant.provider.to_string();
        return Err(Failure::NoProvider { tenant: id.clone(), provider });
    };
    let engine = look.engine().await?;
    let subject = Subject {
        engine,
        provider: tenant.provider.clone(),
        tenant: id.clone(),
        incarnation: tenant.incarnation,
    };
    let cx = Context::alone(subject, Arc::new(SystemClock)).with_ledger(tenant.ledger.clone());
    let status = tokio::time::timeout(STATUS_WITHIN, provider.get_status(&cx, id))
        .await
        .unwrap_or_else(|_elapsed| Err(ProviderError::status_timeout(id)))?;
    screen.show(&status, || {
        let rows = status.containers.iter().map(|container| {
            [
                container.name.clone(),
                words::compute_state(container.state).to_owned(),
                if container.ready { "yes" } else { "no" }.to_owned(),
                container.restart_count.to_string(),
                container.message.clone().unwrap_or_default(),
            ]
        });
        let (state, health) = (words::compute_state(status.state), words::health(status.health));
        let table = table(["CONTAINER", "STATE", "READY", "RESTARTS", "MESSAGE"], rows);
        format!("{id}: {state}, {health} (asked {} just now)\n{table}", status.provider_type)
    })
}
