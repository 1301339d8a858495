//! `status`: asks a tenant's platform how it is now.

use jiff::Timestamp;
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::status::ComputeStatus;
use landlord_compute::machines::tenant::OperationKind;
use landlord_compute::provider::STATUS_WITHIN;
use landlord_compute::store::Reads;
use landlord_compute::view::TenantView;
use serde::Serialize;

use super::attended::Attended;
use super::exit::Failure;
use super::place::{Place, asking, living};
use super::screen::{Screen, pairs, table};
use super::words;

/// The platform's answer, and what the record adds to it.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    status: &'a ComputeStatus,
    /// As it is recorded.
    tenant: TenantView<'a>,
    engine: Attended,
    #[serde(skip)]
    failed: Option<OperationKind>,
}

/// Asks the tenant's platform how it is now.
pub(crate) async fn status(screen: &Screen, place: &Place, id: &TenantId) -> Result<(), Failure> {
    let look = place.look()?;
    let tenant = living(&look, id).await?;
    let Ok(provider) = place.provider(&tenant.provider) else {
        let provider = tenant.provider.to_string();
        return Err(Failure::NoProvider { tenant: id.clone(), provider });
    };
    let cx = asking(&look, &tenant).await?;
    let status = tokio::time::timeout(STATUS_WITHIN, provider.get_status(&cx, id))
        .await
        .unwrap_or_else(|_elapsed| Err(ProviderError::status_timeout(id)))?;
    let failed = match &tenant.last_failure {
        Some(failure) => look.operation(failure.operation).await?.map(|operation| operation.kind),
        None => None,
    };
    let report = Report {
        status: &status,
        tenant: TenantView::from(tenant.as_ref()),
        engine: look.attendance().into(),
        failed,
    };
    screen.show(&report, || report.text())
}

impl Report<'_> {
    fn text(&self) -> String {
        let Self { status, tenant, .. } = self;
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
        let lines = self.lines(now);
        if !lines.is_empty() {
            text += "\n";
            text += &pairs(lines);
        }
        text
    }

    /// What the record adds, a line each.
    fn lines(&self, now: Timestamp) -> Vec<[String; 2]> {
        let Self { tenant, engine, failed, .. } = self;
        let mut lines: Vec<(&str, String)> =
            tenant.endpoints.iter().map(|endpoint| ("endpoint", words::endpoint(endpoint))).collect();
        if let Some(operation) = &tenant.operation {
            let way = words::operation(operation, now);
            lines.push(("operation", format!("{}, try {}, {way}", operation.id, operation.attempt)));
        }
        lines.extend(words::repair(tenant, engine.now(), now).map(|line| ("repair", line)));
        if let Some(failure) = tenant.last_failure {
            lines.push(("failure", words::last_failure(failure, *failed, now)));
        }
        lines.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
    }
}
