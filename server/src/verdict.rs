//! The verdict on a spec, by every rule there is: when it is asked for, and before a spec changes anything.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use landlord_api::Verdict;
use landlord_compute::clock::SystemClock;
use landlord_compute::machines::id::{Incarnation, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{Draft, Problem};
use landlord_compute::provider::{Context, Provider};
use landlord_compute::{ErrorKind, Invalid, ProviderError, Record, Spec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::Access;
use crate::asked::{Asked, SpecBody};
use crate::refused::Refused;
use crate::served::Served;

/// How a spec is checked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValidateQuery {
    /// As before a command: what runs already needs no check, and a platform that cannot be asked is no reason to refuse a
    /// spec. Default: false.
    #[serde(default)]
    command: bool,
}

/// Checks a spec, and says what it found.
pub(crate) async fn validate(
    State(served): State<Served>,
    access: Access,
    Asked(query): Asked<ValidateQuery>,
    SpecBody(draft): SpecBody,
) -> Result<Json<Verdict>, Refused> {
    // Of what is no tenant's id the rules say so.
    if let Ok(tenant) = TenantId::new(draft.for_checks().tenant().as_str()) {
        access.must_see(&tenant)?;
    }
    let spec = if query.command { checked(&served, draft).await? } else { whole(&served, draft).await? };
    let provider = served.provider(spec.provider())?;
    let fields = fields_not_enforced(provider.as_ref(), &spec);
    let limits = provider.capabilities().not_enforced.into_iter().map(str::to_owned);
    Ok(Json(Verdict {
        valid: true,
        tenant_id: spec.tenant().clone(),
        provider_type: spec.provider().clone(),
        not_enforced: fields.into_iter().chain(limits).collect(),
        remarks: provider.remarks(&spec),
    }))
}

/// The fields of a spec that its provider does not enforce, each with the reason.
pub(crate) fn fields_not_enforced(provider: &dyn Provider, spec: &Spec) -> Vec<String> {
    spec.asked_of(&|field| provider.support(field)).not_enforced.iter().map(Problem::to_string).collect()
}

/// A spec that is valid by every rule.
async fn whole(served: &Served, mut draft: Draft) -> Result<Spec, Refused> {
    let asked = ask_provider(served, &mut draft).await;
    let spec = draft.check()?;
    // Only where nothing is wrong is it of interest that the platform could not be asked.
    asked?;
    Ok(spec)
}

/// A spec for a command, refused for whatever [`validate`] would refuse it for. What runs already needs no check. A
/// platform that cannot be asked is no reason: the engine asks it again.
pub(crate) async fn checked(served: &Served, mut draft: Draft) -> Result<Spec, Refused> {
    if let Ok(spec) = draft.clone().check()
        && runs_already(served, &spec).await
    {
        return Ok(spec);
    }
    // That the platform could not be asked is nothing to say here.
    let _ = ask_provider(served, &mut draft).await;
    Ok(draft.check()?)
}

/// A spec for this tenant; that it names another one is one of its problems.
pub(crate) fn of(tenant: &TenantId, mut draft: Draft) -> Draft {
    let named = draft.for_checks().tenant().clone();
    if named != *tenant {
        let other = format!("names {named}, but the request is for {tenant}");
        add(&mut draft, vec![Problem::new("tenant_id", other)]);
    }
    draft
}

/// Whether a tenant runs this very spec. Where that cannot be read, the command says why.
async fn runs_already(served: &Served, spec: &Spec) -> bool {
    match served.reads().load(spec.tenant()).await {
        Ok(Record::Live(tenant)) => tenant.applied().is_some_and(|applied| applied.spec == *spec),
        Ok(Record::Absent(_) | Record::Gone(_)) | Err(_) => false,
    }
}

/// Adds what the spec's provider finds.
///
/// # Errors
/// The provider's, where the platform could not be asked.
async fn ask_provider(served: &Served, draft: &mut Draft) -> Result<(), ProviderError> {
    let named = draft.provider_type().to_owned();
    let spec = draft.for_checks();
    let provider = match served.provider(spec.provider()) {
        Ok(provider) => provider,
        // That it names none was said.
        Err(_) if named.is_empty() => return Ok(()),
        Err(error) => {
            add(draft, vec![Problem::new("provider_type", error.to_string())]);
            return Ok(());
        }
    };
    if provider.capabilities().oci_images
        && let Err(invalid) = spec.check_images()
    {
        draft.add(invalid);
    }
    match provider_says(provider.as_ref(), &spec).await {
        Ok(()) => Ok(()),
        Err(error) => match error.kind {
            ErrorKind::InvalidSpec => {
                draft.add(Invalid::from(&error));
                Ok(())
            }
            // The platform could not be asked.
            ErrorKind::ProvisionFailed
            | ErrorKind::TenantNotFound
            | ErrorKind::UpdateFailed
            | ErrorKind::DestroyFailed
            | ErrorKind::StatusFailed => Err(error),
        },
    }
}

async fn provider_says(provider: &dyn Provider, spec: &Spec) -> Result<(), ProviderError> {
    // The name appears nowhere: a check does nothing on the platform.
    let subject = Subject {
        engine: "validate".into(),
        provider: spec.provider().clone(),
        tenant: spec.tenant().clone(),
        incarnation: Incarnation(1),
    };
    let cx = Context::alone(subject, Arc::new(SystemClock));
    landlord_compute::provider::check(provider, &cx, spec).await
}

fn add(draft: &mut Draft, problems: Vec<Problem>) {
    if let Err(invalid) = Invalid::unless_empty(problems) {
        draft.add(invalid);
    }
}
