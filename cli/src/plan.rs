//! `plan`: what an update would change, and what that does to what runs.

use landlord_api::{PlanDocument, PlannedAction, PlannedAnswer, PlannedChange, PlannedEffect, PlannedObject};
use serde_json::json;

use super::apply;
use super::exit::Exit;
use super::failure::Failure;
use super::place::Place;
use super::screen::Screen;
use super::spec_file::Specs;

/// Says what updates to specs would change, without changing anything; the exit code says whether there is something.
pub(crate) async fn plan(screen: &Screen, place: &Place, specs: Specs) -> Result<Exit, Failure> {
    let tenants = apply::checked(place, specs).await?;
    let look = place.look().await?;
    let mut plans = Vec::new();
    for (tenant, spec) in &tenants {
        plans.push(look.plan(tenant, spec.spec()).await.map_err(|error| spec.refused(error))?);
    }
    match plans.as_slice() {
        [plan] => screen.show(plan, || text(plan))?,
        plans => {
            let lines = || plans.iter().map(|plan| text(plan) + "\n").collect();
            screen.show(&json!({ "plans": plans }), lines)?;
        }
    }
    Ok(if plans.iter().all(PlanDocument::is_empty) { Exit::Done } else { Exit::WouldChange })
}

fn text(plan: &PlanDocument) -> String {
    let limits = plan.not_enforced.iter();
    changes(plan)
        + &limits.map(|limit| format!("\n  not enforced by the provider: {limit}")).collect::<String>()
}

fn changes(plan: &PlanDocument) -> String {
    let tenant = &plan.tenant_id;
    if plan.is_empty() {
        return format!("{tenant}: an update would change nothing");
    }
    if plan.creates {
        return format!("{tenant}: it is not there; a provision would make it");
    }
    let mut text = format!("{tenant}: an update would change this:");
    for PlannedChange { change, effect } in &plan.changes {
        text += &format!("\n  {change} ({})", words(*effect));
    }
    for correction in &plan.corrections {
        text += &format!("\n  the platform is not as the spec that runs has it: {correction}");
    }
    text + &plan.objects.iter().map(object).collect::<String>()
}

/// What the platform says about an object, and the fields of it that would change.
fn object(planned: &PlannedObject) -> String {
    let PlannedObject { object, action, fields, answer, words } = planned;
    let action = match action {
        PlannedAction::Create => "is made",
        PlannedAction::Change => "is changed",
        PlannedAction::Replace => "is deleted and made anew",
        PlannedAction::Delete => "is deleted",
    };
    let words = words.as_deref().unwrap_or_default();
    let answer = match answer {
        PlannedAnswer::Accepted => String::new(),
        PlannedAnswer::Refused => format!("; the platform refuses it: {words}"),
        PlannedAnswer::NotAsked => format!("; the platform was not asked: {words}"),
    };
    let fields = fields.iter().map(|field| format!("\n    {field}"));
    format!("\n  {object} {action}{answer}") + &fields.collect::<String>()
}

fn words(effect: PlannedEffect) -> &'static str {
    match effect {
        PlannedEffect::InPlace => "in place",
        PlannedEffect::Replace => "the new one serves before the old one ends",
        PlannedEffect::StopFirst => "the old one ends before the new one starts",
    }
}
