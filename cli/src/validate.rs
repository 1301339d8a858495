//! The verdict on a spec, by every rule there is: for `validate`, and before `provision` and `update` change anything.

use std::path::Path;
use std::sync::Arc;

use landlord_compute::clock::SystemClock;
use landlord_compute::machines::error::{ErrorKind, ProviderError};
use landlord_compute::machines::id::Incarnation;
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{Draft, Invalid, Problem, Spec};
use landlord_compute::machines::tenant::Record;
use landlord_compute::provider::{Context, Provider};
use landlord_compute::store::Reads;
use serde_json::json;

use super::exit::Failure;
use super::place::Place;
use super::screen::Screen;
use super::spec_file::{self, SpecDraft};

/// Checks a spec, and says what it found.
pub(crate) async fn validate(screen: &Screen, place: &Place, file: &Path) -> Result<(), Failure> {
    let SpecDraft { file, mut draft } = spec_file::read(file)?;
    let asked = ask_provider(place, &mut draft).await;
    let spec = draft.check().map_err(|invalid| Failure::Spec { file, source: invalid.into() })?;
    // Only where nothing is wrong is it of interest that the platform could not be asked.
    asked?;
    let provider = place.provider(spec.provider()).map_err(|error| Failure::Usage(error.to_string()))?;
    let fields = spec.asked_of(&|field| provider.support(field)).not_enforced;
    let limits = provider.capabilities().not_enforced.into_iter().map(str::to_owned);
    let not_enforced: Vec<String> = fields.iter().map(Problem::to_string).chain(limits).collect();
    let remarks = provider.remarks(&spec);
    let document = json!({
        "valid": true,
        "tenant_id": spec.tenant(),
        "provider_type": spec.provider(),
        "not_enforced": not_enforced,
        "remarks": remarks,
    });
    screen.show(&document, || {
        let mut text = format!("valid: tenant {}, provider {}", spec.tenant(), spec.provider());
        for limit in &not_enforced {
            text += &format!("\n  not enforced by the provider: {limit}");
        }
        for remark in &remarks {
            text += &format!("\n  {remark}");
        }
        text
    })
}

/// A spec for a command, refused for whatever `validate` would refuse it for. What runs already needs no check. A
/// platform that cannot be asked is no reason: the engine asks it again.
pub(crate) async fn checked(place: &Place, file: &Path) -> Result<Spec, Failure> {
    let SpecDraft { file, mut draft } = spec_file::read(file)?;
    let refuse = |invalid: Invalid| Failure::Spec { file: file.clone(), source: invalid.into() };
    if let Ok(spec) = draft.clone().check()
        && runs_already(place, &spec).await
    {
        return Ok(spec);
    }
    // That the platform could not be asked is nothing to say here.
    let _ = ask_provider(place, &mut draft).await;
    draft.check().map_err(refuse)
}

/// Whether a tenant runs this very spec. Where that cannot be read, opening the store says why.
async fn runs_already(place: &Place, spec: &Spec) -> bool {
    let Ok(look) = place.look() else { return false };
    match look.load(spec.tenant()).await {
        Ok(Record::Live(tenant)) => tenant.applied().is_some_and(|applied| applied.spec == *spec),
        Ok(Record::Absent(_) | Record::Gone(_)) | Err(_) => false,
    }
}

/// Adds what the spec's provider finds.
///
/// # Errors
/// The provider's, where the platform could not be asked.
async fn ask_provider(place: &Place, draft: &mut Draft) -> Result<(), Failure> {
    let named = draft.provider_type().to_owned();
    let spec = draft.for_checks();
    let provider = match place.provider(spec.provider()) {
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
            | ErrorKind::StatusFailed => Err(Failure::Platform(error)),
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
