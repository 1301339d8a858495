//! `rollback`: what a tenant ran before, again.

use futures_util::StreamExt;
use landlord_client::{Begin, Client, CommandOptions, EventsQuery, Message};
use landlord_compute::machines::id::{Incarnation, OperationId, SpecVersion, TenantId};
use landlord_compute::machines::spec::Format;
use landlord_compute::machines::tenant::{OperationKind, Settled};

use super::failure::Failure;
use super::operate::{self, Ask};
use super::patience::Patience;
use super::place::Place;
use super::screen::Screen;
use super::spec_file::{Document, Origin};

/// Updates a tenant to a spec that it had.
pub(crate) async fn rollback(
    screen: &Screen,
    place: &Place,
    tenant: TenantId,
    to: Option<SpecVersion>,
    with: impl Into<(CommandOptions, Patience)>,
) -> Result<(), Failure> {
    let look = place.look().await?;
    let view = look.tenant(&tenant).await?.tenant;
    let version = match to {
        Some(version) => version,
        None => {
            let runs = view.spec.ok_or_else(|| Failure::NoneRuns(tenant.clone()))?;
            let before = before(&look, &tenant, view.incarnation, runs).await?;
            before.ok_or_else(|| Failure::NothingEarlier(tenant.clone()))?
        }
    };
    let spec = look.spec(&tenant, version).await?.spec;
    screen.note(&format!("{tenant}: back to spec {version}"));
    let origin = Origin::Kept { tenant, version };
    let spec = Document { origin, text: spec.to_string(), format: Format::Json };
    operate::apply(screen, place, spec, Ask::Update, with).await
}

/// The spec that ran before the one that runs: that of the latest provision or update that was done and led to another one.
async fn before(
    look: &Client,
    tenant: &TenantId,
    life: Incarnation,
    runs: SpecVersion,
) -> Result<Option<SpecVersion>, Failure> {
    let whole = EventsQuery { begin: Begin::Start, follow: false };
    let mut events = look.events(Some(tenant), &whole).await?;
    let mut done: Vec<OperationId> = Vec::new();
    while let Some(message) = events.next().await {
        if let Message::Event(event) = message?
            && event.data.incarnation == life
        {
            let settled = event.data.settled.iter().filter(|one| matches!(one.settled, Settled::Done));
            done.extend(settled.map(|one| one.operation));
        }
    }
    for id in done.into_iter().rev() {
        let operation = look.operation(id).await?;
        let leads = match operation.kind {
            OperationKind::Provision | OperationKind::Update => operation.target,
            OperationKind::Restart
            | OperationKind::Repair
            | OperationKind::Destroy
            | OperationKind::Release => None,
        };
        if leads.is_some() && leads != Some(runs) {
            return Ok(leads);
        }
    }
    Ok(None)
}
