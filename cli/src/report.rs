//! How an operation ended, in a few lines or as a document.

use std::time::Instant;

use jiff::Timestamp;
use landlord_api::{Code, TenantView};
use landlord_client::ClientError;
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{OperationKind, Retained, Settled};
use serde::Serialize;

use super::failure::Failure;
use super::place::Place;
use super::screen::Screen;
use super::words;

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
    /// When it settled, where it had before anybody waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<Timestamp>,
    /// How the tenant is now; absent when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantView>,
    /// What the provider says of what it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What was left on the platform when the tenant was abandoned, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left: Vec<String>,
    /// What it left on purpose, if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    retained: Option<Retained>,
    #[serde(skip)]
    waited: Waited,
}

/// Whether somebody waited for an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waited {
    /// From then on.
    Since(Instant),
    /// It had settled before.
    Not,
}

/// Says how an operation ended, and fails unless that is what was wanted. Without one, what was asked for was so already.
pub(crate) async fn report(
    screen: &Screen,
    place: &Place,
    tenant: &TenantId,
    id: Option<OperationId>,
    wanted: Wanted,
    waited: Waited,
) -> Result<(), Failure> {
    let look = place.look().await?;
    let operation = match id {
        Some(id) => Some(look.operation(id).await?),
        None => None,
    };
    let settled = match &operation {
        Some(operation) => operation.settled.clone().ok_or(Failure::Interrupted(operation.id))?,
        None => Settled::Done,
    };
    let (view, gone) = match look.tenant(tenant).await {
        Ok(document) => (Some(document.tenant), None),
        Err(ClientError::Problem(problem))
            if matches!(problem.code, Code::TenantGone | Code::TenantNotFound) =>
        {
            (None, Some(problem))
        }
        Err(error) => return Err(error.into()),
    };
    let left = match &settled {
        Settled::Abandoned { left } => left.clone(),
        // It was gone already, and may have been abandoned.
        Settled::Done if operation.is_none() => {
            gone.as_ref().map(|gone| gone.left.clone()).unwrap_or_default()
        }
        Settled::Done | Settled::Failed { .. } | Settled::Cancelled { .. } | Settled::Superseded { .. } => {
            Vec::new()
        }
    };
    let (seconds, settled_at) = match waited {
        Waited::Since(begun) => (begun.elapsed().as_millis() as f64 / 1000.0, None),
        Waited::Not => (0.0, operation.as_ref().and_then(|operation| operation.settled_at)),
    };
    let report = Report {
        tenant_id: tenant,
        operation: operation.as_ref().map(|operation| operation.id),
        kind: operation.as_ref().map(|operation| operation.kind),
        settled: &settled,
        seconds,
        settled_at,
        waited,
        tenant: view,
        message: operation.as_ref().and_then(|operation| operation.message.clone()),
        left,
        retained: gone.and_then(|gone| gone.retained),
    };
    let logs = report.tenant.as_ref().and_then(|view| place.logs(&view.provider, tenant));
    let shown = screen.show(&report, || report.text());
    match operation {
        Some(operation) if !wanted.is(&settled) => {
            Err(Failure::NotAsAsked { operation: operation.id, tenant: tenant.clone(), logs, settled })
        }
        Some(_) | None => shown,
    }
}

impl Report<'_> {
    fn text(&self) -> String {
        let Self { tenant_id, settled, .. } = self;
        let ended = match self.operation.zip(self.kind) {
            None if self.tenant.is_none() => format!("{tenant_id}: nothing to do, it is gone already"),
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
                format!("{tenant_id}: {kind} {ended} {} (operation {operation})", self.time())
            }
        };
        format!("{ended}\n  {}", self.tenant_text())
    }

    /// How long it took, or how long ago that was.
    fn time(&self) -> String {
        match (self.waited, self.settled_at) {
            (Waited::Since(_), _) => format!("in {:.1} s", self.seconds),
            (Waited::Not, Some(at)) => {
                format!("{}, at {}", words::when(Timestamp::now(), at), words::clock(at))
            }
            (Waited::Not, None) => "before the events that are kept".to_owned(),
        }
    }

    fn tenant_text(&self) -> String {
        let Some(tenant) = &self.tenant else { return self.left_text() };
        let is = match self.waited {
            Waited::Since(_) => "it is",
            Waited::Not => "now it is",
        };
        let mut text = match tenant.spec {
            Some(spec) => format!("{is} {}, spec {spec}, revision {}", tenant.state, tenant.revision),
            None => format!("{is} {}, revision {}", tenant.state, tenant.revision),
        };
        for endpoint in &tenant.endpoints {
            text += &format!("\n  {}", words::endpoint(endpoint));
        }
        if let Some(message) = &self.message {
            text += &format!("\n  {}", words::in_short(message, self.tenant_id));
        }
        text
    }

    fn left_text(&self) -> String {
        let text = self.left_behind_text();
        let Some(retained) = &self.retained else { return text };
        let mut text =
            format!("{text}, but for what its spec asks to retain, at provider {}:", retained.provider);
        for line in retained.lines() {
            text += &format!("\n    {line}");
        }
        text + &format!("\n  `landlord-compute release {}` removes that", self.tenant_id)
    }

    fn left_behind_text(&self) -> String {
        let abandoned = matches!(self.settled, Settled::Abandoned { .. });
        if self.left.is_empty() {
            // Whoever gives up a destroy gives up asking the platform, too.
            let left = if abandoned { "nothing of it was known" } else { "nothing of it is left" };
            return left.to_owned();
        }
        let mut text = "when it was abandoned, this was left:".to_owned();
        for left in &self.left {
            text += &format!("\n    {left}");
        }
        text + "\n  `landlord-compute sweep` shows what is still there; with --delete it removes that"
    }
}
