//! The specs that a tenant runs and ran.

use axum::Json;
use axum::extract::State;
use landlord_api::{Code, SpecDocument};
use landlord_compute::machines::id::{SpecVersion, TenantId};

use crate::asked::Named;
use crate::refused::Refused;
use crate::served::Served;
use crate::tenants::living;

/// One of a living tenant's specs, as it was sent.
pub(crate) async fn spec(
    State(served): State<Served>,
    Named((tenant, version)): Named<(TenantId, SpecVersion)>,
) -> Result<Json<SpecDocument>, Refused> {
    living(&served, &tenant).await?;
    let spec = served.reads().spec(&tenant, version).await?;
    let spec = spec.ok_or_else(|| {
        let detail = format!("tenant {tenant} has no spec {version}, or it is no longer kept");
        Refused::new(Code::SpecNotFound, detail)
    })?;
    let spec = serde_json::to_value(&spec).map_err(|error| Refused::new(Code::Defect, error.to_string()))?;
    Ok(Json(SpecDocument { tenant_id: tenant, version, spec }))
}
