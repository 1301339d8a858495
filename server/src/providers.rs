//! Providers: what they can do, and what they hold.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use landlord_api::{
    CapabilitiesDocument, Missing, OnPurpose, Orphan, ProviderDocument, ProvidersDocument, SweepDocument,
};
use landlord_compute::machines::id::ProviderName;
use landlord_compute::provider::{Capabilities, Provider};

use crate::asked::{Asked, CommandQuery, JsonBody, Named, options};
use crate::commands::accepted;
use crate::refused::Refused;
use crate::served::Served;

/// The providers that tenants can run on.
pub(crate) async fn list(State(served): State<Served>) -> Json<ProvidersDocument> {
    Json(ProvidersDocument { providers: served.providers().iter().map(|it| in_short(&**it)).collect() })
}

/// A provider, with what its configuration may hold.
pub(crate) async fn provider(
    State(served): State<Served>,
    Named(name): Named<ProviderName>,
) -> Result<Json<ProviderDocument>, Refused> {
    let provider = served.provider(&name)?;
    let document = in_short(&**provider);
    Ok(Json(ProviderDocument {
        config_schema: Some(provider.config_schema()),
        config_defaults: Some(provider.config_defaults()),
        ..document
    }))
}

fn in_short(provider: &dyn Provider) -> ProviderDocument {
    let Capabilities {
        max_concurrent_calls,
        call_timeout,
        lists_tenants,
        undoes_alone,
        oci_images,
        not_enforced,
        ..
    } = provider.capabilities();
    ProviderDocument {
        name: provider.name(),
        capabilities: CapabilitiesDocument {
            max_concurrent_calls,
            call_timeout_seconds: call_timeout.as_secs(),
            lists_tenants,
            undoes_alone,
            oci_images,
            not_enforced: not_enforced.into_iter().map(str::to_owned).collect(),
        },
        config_schema: None,
        config_defaults: None,
    }
}

/// Compares what a provider holds with the records, without changing anything.
pub(crate) async fn sweep(
    State(served): State<Served>,
    Named(name): Named<ProviderName>,
) -> Result<Json<SweepDocument>, Refused> {
    let provider = Arc::clone(served.provider(&name)?);
    let sweep = landlord_compute::sweep(served.reads(), &*provider, served.store_name()).await?;
    served.swept().found(&sweep.provider, sweep.orphans.len());
    Ok(Json(SweepDocument {
        provider: sweep.provider,
        engine: sweep.engine.to_string(),
        listed: sweep.listed,
        orphans: sweep.orphans.into_iter().map(orphan).collect(),
        retained: sweep
            .retained
            .into_iter()
            .map(|it| OnPurpose {
                tenant_id: it.tenant_id,
                incarnation: it.incarnation,
                resources: it.resources,
            })
            .collect(),
        missing: sweep
            .missing
            .into_iter()
            .map(|it| Missing { tenant_id: it.tenant_id, incarnation: it.incarnation, revision: it.revision })
            .collect(),
        unsettled: sweep.unsettled,
    }))
}

fn orphan(orphan: landlord_compute::Orphan) -> Orphan {
    let landlord_compute::Orphan { tenant_id, incarnation, provider, resources, why, revision } = orphan;
    Orphan { tenant_id, incarnation, provider, resources, why, revision }
}

/// Removes what a sweep found, if its tenant is still as the sweep saw it.
pub(crate) async fn reclaim(
    State(served): State<Served>,
    Asked(query): Asked<CommandQuery>,
    headers: HeaderMap,
    JsonBody(found): JsonBody<Orphan>,
) -> Result<Response, Refused> {
    let Orphan { tenant_id, incarnation, provider, resources, why, revision } = found;
    let orphan = landlord_compute::Orphan { tenant_id, incarnation, provider, resources, why, revision };
    let engine = served.commands()?;
    let operation = engine.reclaim(&orphan, options(query, &headers)?).await?;
    Ok(accepted(&engine.tenant(orphan.tenant_id), &operation))
}
