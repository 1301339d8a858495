//! The verdict on a spec, by every rule there is: for `validate`, and before `provision` and `update` change anything.

use landlord_api::Verdict;
use landlord_compute::machines::id::TenantId;
use serde_json::json;

use super::apply;
use super::failure::Failure;
use super::place::Place;
use super::screen::Screen;
use super::spec_file::{Document, Specs};

/// Checks specs, and says what it found.
pub(crate) async fn validate(screen: &Screen, place: &Place, specs: Specs) -> Result<(), Failure> {
    let look = place.look_if_there().await;
    let Specs { documents, mut failures } = match specs.one_or_more()? {
        Ok(spec) => {
            let verdict = look.validate(spec.spec()).await.map_err(|error| spec.refused(error))?;
            return screen.show(&verdict, || text(&verdict));
        }
        Err(several) => several,
    };
    let mut verdicts = Vec::new();
    let of = documents.len() + failures.len();
    failures.extend(apply::twice(&documents));
    for spec in &documents {
        match look.validate(spec.spec()).await.map_err(|error| spec.refused(error)) {
            Ok(verdict) => verdicts.push(verdict),
            Err(failure) => failures.push(failure),
        }
    }
    if !failures.is_empty() {
        return Err(Failure::Several { failures, of, what: "specs and files are not valid" });
    }
    let lines = || verdicts.iter().map(|verdict| text(verdict) + "\n").collect();
    screen.show(&json!({ "verdicts": verdicts }), lines)
}

fn text(verdict: &Verdict) -> String {
    let mut text = format!("valid: tenant {}, provider {}", verdict.tenant_id, verdict.provider_type);
    for limit in &verdict.not_enforced {
        text += &format!("\n  not enforced by the provider: {limit}");
    }
    for remark in &verdict.remarks {
        text += &format!("\n  {remark}");
    }
    text
}

/// The tenant of a spec for a command, which is refused for whatever `validate` would refuse it for. What runs already
/// needs no check, and a platform that cannot be asked is no reason: the engine asks it again.
pub(crate) async fn tenant(place: &Place, spec: &Document) -> Result<TenantId, Failure> {
    let look = place.look_if_there().await;
    let found = look.check(spec.spec()).await.map_err(|error| spec.refused(error))?;
    Ok(found.tenant_id)
}
