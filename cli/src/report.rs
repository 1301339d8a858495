//! How an operation ended, in a few lines or as a document.

use std::time::Instant;

use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{OperationKind, Record, Settled};
use landlord_compute::store::Reads;
use serde::Serialize;

use super::exit::Failure;
use super::place::Place;
use super::screen::Screen;
use super::words;
use landlord_compute::view::TenantView;

/// The end of an operation that a command is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    Done,
    Cancelled,
    Abandoned,
}

impl Wanted {
    fn is(self, settled: &Settled) -> bool {
        match settled {
            Settled::Done => matches!(self, Self::Done),
            Settled::Cancelled { .. } => matches!(self, Self::Cancelled),
            Settled::Abandoned { .. } => matches!(self, Self::Abandoned),
            Settled::Failed { .. } | Settled::Superseded { .. } => false,
        }
    }
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    tenant_id: &'a TenantId,
    /// Absent when what was asked for was so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<OperationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<OperationKind>,
    settled: &'a Settled,
    /// How long was waited.
    seconds: f64,
    /// How the tenant is now; absent when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantView<'a>>,
}

/// Says how an operation ended, and fails unless that is what was wanted. Without one, what was asked for was so already.
pub(crate) async fn report(
    screen: &Screen,
    place: &Place,
    tenant: &TenantId,
    id: Option<OperationId>,
    wanted: Wanted,
    begun: Instant,
) -> Result<(), Failure> {
    let look = place.look()?;
    let record = look.load(tenant).await?;
    let operation = match id {
        Some(id) => Some(look.operation(id).await?.ok_or(Failure::NoOperation(id))?),
        None => None,
    };
    let settled = match &operation {
        Some(operation) => operation.settled.clone().ok_or(Failure::Interrupted(operation.id))?,
        None => Settled::Done,
    };
    let report = Report {
        tenant_id: tenant,
        operation: operation.as_ref().map(|operation| operation.id),
        kind: operation.as_ref().map(|operation| operation.kind),
        settled: &settled,
        seconds: begun.elapsed().as_millis() as f64 / 1000.0,
        tenant: match &record {
            Record::Live(tenant) => Some(TenantView::from(tenant.as_ref())),
            Record::Gone(_) | Record::Absent(_) => None,
        },
    };
    let shown = screen.show(&report, || report.text());
    match operation {
        Some(operation) if !wanted.is(&settled) => Err(Failure::NotAsAsked {
            operation: operation.id,
            tenant: tenant.clone(),
            logs: place.logs(tenant),
            settled,
        }),
        Some(_) | None => shown,
    }
}

impl Report<'_> {
    fn text(&self) -> String {
        let Self { tenant_id, settled, seconds, .. } = self;
        let ended = match self.operation.zip(self.kind) {
            None => format!("{tenant_id}: nothing to do, it is so already"),
            Some((operation, kind)) => {
                // What went wrong is in the error that follows.
                let ended = match settled {
                    Settled::Done => "done",
                    Settled::Failed { undone: true, .. } => "failed, and undone,",
                    Settled::Failed { undone: false, .. } => "failed",
                    Settled::Cancelled { .. } => "cancelled",
                    Settled::Superseded { .. } => "superseded",
                    Settled::Abandoned { .. } => "abandoned",
                };
                let kind = kind.name();
                format!("{tenant_id}: {kind} {ended} in {seconds:.1} s (operation {operation})")
            }
        };
        format!("{ended}\n  {}", self.tenant_text())
    }

    fn tenant_text(&self) -> String {
        let Some(tenant) = &self.tenant else { return "nothing of it is left".to_owned() };
        let mut text = match tenant.spec {
            Some(spec) => format!("it is {}, spec {spec}, revision {}", tenant.state, tenant.revision),
            None => format!("it is {}, revision {}", tenant.state, tenant.revision),
        };
        for endpoint in tenant.endpoints {
            text += &format!("\n  {}", words::endpoint(endpoint));
        }
        text
    }
}
