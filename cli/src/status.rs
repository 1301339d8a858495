//! `status`: asks a tenant's platform how it is now.

use jiff::Timestamp;
use landlord_api::StatusDocument;
use landlord_compute::machines::id::TenantId;

use super::failure::Failure;
use super::place::Place;
use super::screen::{Screen, pairs, table};
use super::words;

/// Asks the tenant's platform how it is now.
pub(crate) async fn status(screen: &Screen, place: &Place, id: &TenantId) -> Result<(), Failure> {
    let report = place.look().await?.status(id).await?;
    screen.show(&report, || text(&report))
}

fn text(report: &StatusDocument) -> String {
    let StatusDocument { status, tenant, .. } = report;
    let now = Timestamp::now();
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
    let mut text = format!(
        "{}: {state}, {health} (asked {} just now)\n{}",
        tenant.tenant_id,
        status.provider_type,
        table(["CONTAINER", "STATE", "READY", "RESTARTS", "MESSAGE"], rows),
    );
    let lines = lines(report, now);
    if !lines.is_empty() {
        text += "\n";
        text += &pairs(lines);
    }
    text
}

/// What the record adds, a line each.
fn lines(report: &StatusDocument, now: Timestamp) -> Vec<[String; 2]> {
    let StatusDocument { tenant, engine, .. } = report;
    let mut lines: Vec<(&str, String)> =
        tenant.endpoints.iter().map(|endpoint| ("endpoint", words::endpoint(endpoint))).collect();
    if let Some(operation) = &tenant.operation {
        let way = words::operation(operation, now);
        lines.push(("operation", format!("{}, try {}, {way}", operation.id, operation.attempt)));
    }
    lines.extend(words::repair(tenant, engine.now(), now).map(|line| ("repair", line)));
    if let Some(failure) = &tenant.last_failure {
        lines.push(("failure", words::last_failure(failure, now)));
    }
    lines.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}
