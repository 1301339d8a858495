//! Operations, to look at and to wait for.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use landlord_api::OperationDocument;
use landlord_compute::machines::id::OperationId;
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent};
use landlord_compute::store::{OperationRecord, Scope};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::access::Access;
use crate::asked::{Asked, Named, duration};
use crate::events::walk;
use crate::refused::Refused;
use crate::served::Served;

/// The longest wait of one request.
pub(crate) const LONGEST: Duration = Duration::from_secs(300);
/// How often a store is looked at that another engine has.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// What an operation is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitQuery {
    /// How long to wait for its end, such as `30s`; at most 5 minutes. Without it the answer comes at once.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<String>")]
    wait: Option<Duration>,
}

/// An operation; with `wait`, once it has settled or the time is over.
pub(crate) async fn operation(
    State(served): State<Served>,
    access: Access,
    Named(id): Named<OperationId>,
    Asked(query): Asked<WaitQuery>,
) -> Result<Json<OperationDocument>, Refused> {
    // Another's operation is no operation.
    let known = served.reads().operation(id).await?.filter(|record| access.sees(&record.tenant));
    let mut record = known.ok_or_else(|| Refused::no_operation(id))?;
    if record.settled.is_none()
        && let Some(wait) = query.wait
    {
        let wait = wait.min(LONGEST);
        match served.any_engine() {
            Some(engine) => {
                let mut operation = engine.operation(id).await?;
                // Over or not, the record says how it stands.
                if let Ok(settled) = timeout(wait, operation.settled()).await {
                    settled?;
                }
            }
            None => look_until(&served, id, wait).await?,
        }
        record = served.reads().operation(id).await?.ok_or_else(|| Refused::no_operation(id))?;
    }
    let last = match record.settled {
        Some(_) => settling(&served, &record).await?,
        None => None,
    };
    let mut document = document(record);
    if let Some(event) = last {
        document.settled_at = Some(event.at);
        document.message = message(&event).map(str::to_owned);
    }
    Ok(Json(document))
}

/// Looks again and again until an operation has settled, or the time is over.
async fn look_until(served: &Served, id: OperationId, wait: Duration) -> Result<(), Refused> {
    let until = Instant::now() + wait;
    while Instant::now() < until {
        match served.reads().operation(id).await?.map(|record| record.settled) {
            Some(None) => sleep(LOOK).await,
            Some(Some(_)) | None => break,
        }
    }
    Ok(())
}

/// What is kept of an operation, for the wire.
pub(crate) fn document(record: OperationRecord) -> OperationDocument {
    OperationDocument {
        id: record.id,
        tenant_id: record.tenant,
        incarnation: record.incarnation,
        kind: record.kind,
        accepted_at: record.accepted_at,
        target: record.target,
        request_id: record.request_id,
        reason: record.reason,
        settled: record.settled,
        settled_at: None,
        message: None,
    }
}

/// What the provider said of what it did.
pub(crate) fn message(event: &LifecycleEvent) -> Option<&str> {
    if let EventKind::Succeeded { message, .. } = &event.what { message.as_deref() } else { None }
}

/// The event with which an operation settled, if it is still kept.
async fn settling(served: &Served, record: &OperationRecord) -> Result<Option<Arc<LifecycleEvent>>, Refused> {
    let scope = Scope::Tenant(record.tenant.clone());
    let mut settling = None;
    walk(served, &scope, |_, event| {
        if event.settled.iter().any(|settlement| settlement.operation == record.id) {
            settling = Some(event);
        }
    })
    .await?;
    Ok(settling)
}
