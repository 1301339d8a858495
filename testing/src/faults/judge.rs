//! What has to be so when everything has settled.

use std::sync::Arc;

use landlord_state_machines::id::Rollout;
use landlord_state_machines::ledger::Ledger;
use landlord_state_machines::planner::{Planner, Subject};
use landlord_state_machines::spec::Spec;

use super::Model;
use super::world::{Faulty, Shared, lock};
use landlord_compute::clock::Clock;
use landlord_compute::provider::Context;
use landlord_compute::provider::converge::Converge;

/// I1, I3, and that the ledger and the platform say the same.
pub(super) async fn judge<M: Model>(
    world: &Shared<M>,
    provider: &Converge<Faulty<M>>,
    subject: &Subject,
    clock: &Arc<dyn Clock>,
    (applied, rollout): (Option<&Spec>, Rollout),
    ledger: Option<Arc<Ledger>>,
) -> Result<(), String> {
    let known = {
        let now = clock.now();
        let mut world = lock(world);
        world.calm(subject, now);
        world.store(ledger);
        if let Some(breach) = world.breach.take() {
            return Err(breach);
        }
        world.platform.holds_exactly(subject, applied, now).map_err(|what| format!("I3: {what}"))?;
        if applied.is_some() {
            world.platform.runs_for(rollout)?;
        }
        M::Planner::holdings(&world.known()?).resources
    };
    let bare = Context::alone(subject.clone(), Arc::clone(clock));
    let seen = provider.holdings(&bare).await.map_err(|error| error.to_string())?;
    match known == seen.resources {
        true => Ok(()),
        false => Err(format!("the ledger says {known:?}, the platform {:?}", seen.resources)),
    }
}
