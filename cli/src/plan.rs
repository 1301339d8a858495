//! `plan`: what an update would change, and what that does to what runs.

use std::path::Path;

use landlord_compute::provider::{PlannedChange, PlannedEffect};
use serde_json::json;

use super::exit::Failure;
use super::place::{Place, asking, living};
use super::screen::Screen;
use super::validate;

/// Says what an update to a spec would change, without changing anything.
pub(crate) async fn plan(screen: &Screen, place: &Place, file: &Path) -> Result<(), Failure> {
    let spec = validate::checked(place, file).await?;
    let look = place.look()?;
    let tenant = living(&look, spec.tenant()).await?;
    let provider = place.provider(spec.provider()).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut cx = asking(&look, &tenant).await?;
    cx.applied = tenant.applied().map(|applied| applied.spec.clone());
    let changes = provider.plan(&cx, &tenant.id, &spec).await?;
    screen.show(&json!({ "tenant_id": tenant.id, "changes": changes }), || {
        text(spec.tenant().as_str(), &changes)
    })
}

fn text(tenant: &str, changes: &[PlannedChange]) -> String {
    if changes.is_empty() {
        return format!("{tenant}: an update would change nothing");
    }
    let mut text = format!("{tenant}: an update would change this:");
    for PlannedChange { change, effect } in changes {
        text += &format!("\n  {change} ({})", words(*effect));
    }
    text
}

fn words(effect: PlannedEffect) -> &'static str {
    match effect {
        PlannedEffect::InPlace => "in place",
        PlannedEffect::Replace => "the new one serves before the old one ends",
        PlannedEffect::StopFirst => "the old one ends before the new one starts",
    }
}
