//! Commands for a tenant.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use landlord_api::{Accepted, Code};
use landlord_compute::machines::id::{OperationId, ProviderName, Revision, TenantId};
use landlord_compute::machines::tenant::{self, Change, Direction};
use landlord_compute::{OperationHandle, Options, Record, Spec, Tenant, TenantHandle};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::asked::{Asked, CommandQuery, Named, SpecBody, options};
use crate::refused::Refused;
use crate::served::Served;
use crate::verdict::{checked, of};

/// What a command is answered.
type Answered = Result<Response, Refused>;

/// A command for a tenant: for whom, and what goes with it.
pub(crate) struct Commanded {
    handle: TenantHandle,
    options: Options,
}

impl FromRequestParts<Served> for Commanded {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, served: &Served) -> Result<Self, Refused> {
        let Named(tenant) = Named::<TenantId>::from_request_parts(parts, served).await?;
        let Asked(query) = Asked::<CommandQuery>::from_request_parts(parts, served).await?;
        Ok(Self { handle: served.commands()?.tenant(tenant), options: options(query, &parts.headers)? })
    }
}

/// Makes a tenant run a spec, whether it exists or not.
pub(crate) async fn put(
    State(served): State<Served>,
    Commanded { handle, options }: Commanded,
    SpecBody(draft): SpecBody,
) -> Answered {
    let spec = checked(&served, of(handle.id(), draft)).await?;
    let operation = match handle.snapshot().await? {
        Record::Live(tenant) if !is_provisioned(&tenant, &spec) => handle.update(spec, options).await?,
        // Of what runs already, or is on its way to that, a provision says so.
        Record::Live(_) | Record::Absent(_) | Record::Gone(_) => handle.provision(spec, options).await?,
    };
    Ok(accepted(&handle, &operation))
}

/// Whether a provision leads a living tenant to this spec: it runs nothing, or it runs this very spec, or is on its way to
/// that for the first time.
fn is_provisioned(tenant: &Tenant, spec: &Spec) -> bool {
    match &tenant.state {
        tenant::State::Pending => true,
        tenant::State::Provisioning(Change { direction: Direction::Forward { .. }, target, .. }) => {
            target.spec == *spec
        }
        tenant::State::Running { applied } => applied.spec == *spec,
        tenant::State::Provisioning(_) | tenant::State::Updating { .. } | tenant::State::Destroying(_) => {
            false
        }
    }
}

/// Makes a tenant run a spec that runs nothing, or this very spec.
pub(crate) async fn provision(
    State(served): State<Served>,
    Commanded { handle, options }: Commanded,
    SpecBody(draft): SpecBody,
) -> Answered {
    let spec = checked(&served, of(handle.id(), draft)).await?;
    Ok(accepted(&handle, &handle.provision(spec, options).await?))
}

/// Makes a tenant that runs something run another spec.
pub(crate) async fn update(
    State(served): State<Served>,
    Commanded { handle, options }: Commanded,
    SpecBody(draft): SpecBody,
) -> Answered {
    let spec = checked(&served, of(handle.id(), draft)).await?;
    Ok(accepted(&handle, &handle.update(spec, options).await?))
}

/// Starts anew what a tenant runs.
pub(crate) async fn restart(Commanded { handle, options }: Commanded) -> Answered {
    Ok(accepted(&handle, &handle.restart(options).await?))
}

/// Removes everything of a tenant.
pub(crate) async fn destroy(Commanded { handle, options }: Commanded) -> Answered {
    known(&handle).await?;
    Ok(accepted(&handle, &handle.destroy(options).await?))
}

/// Stops what is on its way for a tenant, and undoes it.
pub(crate) async fn cancel(Commanded { handle, options }: Commanded) -> Answered {
    known(&handle).await?;
    Ok(accepted(&handle, &handle.cancel(options).await?))
}

/// Tries again now what waits to be tried again.
pub(crate) async fn retry(Commanded { handle, options }: Commanded) -> Answered {
    known(&handle).await?;
    Ok(accepted(&handle, &handle.retry(options).await?))
}

/// Gives up a destroy or a release that never ends.
pub(crate) async fn abandon(Commanded { handle, options }: Commanded) -> Answered {
    known(&handle).await?;
    if options.reason.is_none() {
        return Err(Refused::new(
            Code::InvalidRequest,
            "say why with ?reason=…; the operation's end names it",
        ));
    }
    Ok(accepted(&handle, &handle.abandon(options).await?))
}

/// What a release needs to know.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseQuery {
    /// Where; without it, where the last life retained something.
    provider: Option<ProviderName>,
    /// Why, for the audit.
    #[schemars(length(max = 1024))]
    reason: Option<String>,
}

/// Removes what a tenant that is gone has retained.
pub(crate) async fn release(
    State(served): State<Served>,
    Named(tenant): Named<TenantId>,
    Asked(query): Asked<ReleaseQuery>,
    headers: HeaderMap,
) -> Answered {
    let ReleaseQuery { provider, reason } = query;
    let handle = served.commands()?.tenant(tenant);
    let options = options(CommandQuery { reason, deadline: None }, &headers)?;
    known(&handle).await?;
    Ok(accepted(&handle, &handle.release(provider, options).await?))
}

/// Begins nothing for a tenant until it is resumed.
pub(crate) async fn pause(Commanded { handle, options }: Commanded) -> Answered {
    let revision = handle.pause(options).await?;
    Ok(is_so(&handle, revision))
}

/// Lets a tenant go on after a pause.
pub(crate) async fn resume(Commanded { handle, options }: Commanded) -> Answered {
    let revision = handle.resume(options).await?;
    Ok(is_so(&handle, revision))
}

/// For the engine a tenant that it never knew is as gone as one that was destroyed. A caller mistyped it.
async fn known(handle: &TenantHandle) -> Result<(), Refused> {
    match handle.snapshot().await? {
        Record::Absent(id) => Err(Refused::no_tenant(&id)),
        Record::Gone(_) | Record::Live(_) => Ok(()),
    }
}

/// What a command led to.
pub(crate) fn accepted(handle: &TenantHandle, operation: &OperationHandle) -> Response {
    match operation.id() {
        Some(id) => began(handle.id(), id),
        None => is_so(handle, operation.already().unwrap_or_default()),
    }
}

fn began(tenant: &TenantId, id: OperationId) -> Response {
    let body = Accepted { tenant_id: tenant.clone(), operation: Some(id), revision: None };
    (StatusCode::ACCEPTED, [(header::LOCATION, format!("/v1/operations/{id}"))], Json(body)).into_response()
}

/// Nothing is on its way for it.
fn is_so(handle: &TenantHandle, revision: Revision) -> Response {
    let body = Accepted { tenant_id: handle.id().clone(), operation: None, revision: Some(revision) };
    Json(body).into_response()
}
