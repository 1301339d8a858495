//! `plan`: what an update would change, and what that does to what runs.

use std::path::Path;

use landlord_compute::provider::{Plan, PlannedChange, PlannedEffect};
use serde_json::json;

use super::exit::{Exit, Failure};
use super::place::{Place, asking, living};
use super::screen::Screen;
use super::validate;

/// Says what an update to a spec would change, without changing anything; the exit code says whether there is something.
pub(crate) async fn plan(screen: &Screen, place: &Place, file: &Path) -> Result<Exit, Failure> {
    let spec = validate::checked(place, file).await?;
    let look = place.look()?;
    let tenant = living(&look, spec.tenant()).await?;
    let provider = place.provider(spec.provider()).map_err(|error| Failure::Usage(error.to_string()))?;
    let cx = asking(&look, &tenant).await?.running(tenant.applied());
    let plan = provider.plan(&cx, &tenant.id, &spec).await?;
    let Plan { changes, corrections } = &plan;
    let json = json!({ "tenant_id": tenant.id, "changes": changes, "corrections": corrections });
    screen.show(&json, || text(spec.tenant().as_str(), &plan))?;
    Ok(if plan.is_empty() { Exit::Done } else { Exit::WouldChange })
}

fn text(tenant: &str, plan: &Plan) -> String {
    if plan.is_empty() {
        return format!("{tenant}: an update would change nothing");
    }
    let mut text = format!("{tenant}: an update would change this:");
    for PlannedChange { change, effect } in &plan.changes {
        text += &format!("\n  {change} ({})", words(*effect));
    }
    for correction in &plan.corrections {
        text += &format!("\n  the platform is not as the spec that runs has it: {correction}");
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
