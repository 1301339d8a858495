//! `validate`: a spec is checked, nothing is changed.

use std::path::Path;
use std::sync::Arc;

use landlord_compute::clock::SystemClock;
use landlord_compute::machines::error::ErrorKind;
use landlord_compute::machines::id::Incarnation;
use landlord_compute::machines::planner::Subject;
use landlord_compute::provider::Context;
use serde_json::json;

use super::exit::Failure;
use super::place::Place;
use super::screen::Screen;
use super::spec_file;

/// Checks a spec by the rules for all providers, and by its own provider's.
pub(crate) async fn validate(screen: &Screen, place: &Place, file: &Path) -> Result<(), Failure> {
    let spec = spec_file::read(file)?;
    let provider = place.provider(spec.provider()).map_err(|error| Failure::Unfit {
        file: file.display().to_string(),
        message: format!("provider_type: {error}"),
    })?;
    // The name appears nowhere: a check does nothing on the platform.
    let subject = Subject {
        engine: "validate".into(),
        provider: spec.provider().clone(),
        tenant: spec.tenant().clone(),
        incarnation: Incarnation(1),
    };
    let cx = Context::alone(subject, Arc::new(SystemClock));
    provider.validate(&cx, &spec).await.map_err(|error| match error.kind {
        ErrorKind::InvalidSpec => Failure::Unfit { file: file.display().to_string(), message: error.message },
        // The platform could not be asked.
        ErrorKind::ProvisionFailed
        | ErrorKind::TenantNotFound
        | ErrorKind::UpdateFailed
        | ErrorKind::DestroyFailed
        | ErrorKind::StatusFailed => Failure::Platform(error),
    })?;
    let not_enforced = provider.capabilities().not_enforced;
    let document = json!({
        "valid": true,
        "tenant_id": spec.tenant(),
        "provider_type": spec.provider(),
        "not_enforced": not_enforced,
    });
    screen.show(&document, || {
        let mut text = format!("valid: tenant {}, provider {}", spec.tenant(), spec.provider());
        for limit in &not_enforced {
            text += &format!("\n  not enforced by the provider: {limit}");
        }
        text
    })
}
