//! Calls that are dropped, as a crash of the engine drops them.

use tokio::time::sleep;

use super::undo::{is_in_ledger, keeps_ledger};
use super::{Clause, must, section};
use crate::conformance::bench::{Bench, Tenant, succeeded};
use crate::conformance::steps::{counted, dropped, spread};
use crate::conformance::{Checked, Stop, Unable, Variant, expect};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "interrupted.provision",
        section::INTERRUPTED,
        "dropped at any step and called again, it reaches the spec",
        |bench| Box::pin(provision(bench)),
    ),
    must(
        "interrupted.update",
        section::INTERRUPTED,
        "dropped at any step and called again, it reaches the spec",
        |bench| Box::pin(update(bench)),
    ),
    must(
        "interrupted.destroy",
        section::INTERRUPTED,
        "dropped at any step and called again, it leaves nothing",
        |bench| Box::pin(destroy(bench)),
    ),
    must(
        "interrupted.intent",
        section::INTERRUPTED,
        "dropped at any step, its ledger names what it made",
        |bench| Box::pin(intent(bench)),
    ),
    must(
        "interrupted.found-again",
        section::ONLY_ID,
        "dropped at any step, all of it is found without a ledger",
        |bench| Box::pin(found_again(bench)),
    ),
];

/// How much a provision of the first spec makes, and at which of its steps to drop one.
async fn quiet_provision(bench: &Bench<'_>) -> Result<(usize, Vec<usize>), Stop> {
    let mut tenant = bench.tenant();
    let (count, pauses) = tenant.start_counting(Variant::First).await?;
    Ok((count, steps(bench, pauses)?))
}

fn steps(bench: &Bench<'_>, pauses: usize) -> Result<Vec<usize>, Stop> {
    match pauses {
        0 => Err(Unable::new("its call is done in one go: there is nothing to drop").into()),
        pauses => Ok(spread(1, pauses, bench.limits.interruptions)),
    }
}

/// A tenant whose provision was dropped at this step.
async fn half_provisioned<'b>(bench: &'b Bench<'_>, at: usize) -> Result<Tenant<'b>, Stop> {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::First)?;
    let cx = tenant.cx(UndoBy::Engine);
    let _ended = dropped(tenant.provision(&cx, &spec), at).await.transpose()?;
    Ok(tenant)
}

async fn provision(bench: &Bench<'_>) -> Checked {
    let (count, steps) = quiet_provision(bench).await?;
    bench
        .each(steps, |at| async move {
            let mut tenant = half_provisioned(bench, at).await?;
            tenant.restart();
            let spec = tenant.spec(Variant::First)?;
            let what = format!("a provision that was dropped at step {at} and called again");
            succeeded(&what, tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
            tenant.holds(count, Variant::First, &what).await?;
            tenant.is_well(&what).await?;
            Ok(())
        })
        .await
}

async fn update(bench: &Bench<'_>) -> Checked {
    let mut quiet = bench.tenant();
    let count = quiet.start(Variant::First).await?;
    let changed = quiet.spec(Variant::Changed)?;
    let cx = quiet.cx(UndoBy::Engine);
    let (updated, pauses) = counted(quiet.update(&cx, &changed)).await;
    succeeded("an update", updated?)?;
    bench
        .each(steps(bench, pauses)?, |at| async move {
            let mut tenant = bench.tenant();
            tenant.start(Variant::First).await?;
            let changed = tenant.spec(Variant::Changed)?;
            let cx = tenant.cx(UndoBy::Engine);
            let _ended = dropped(tenant.update(&cx, &changed), at).await.transpose()?;
            tenant.restart();
            let what = format!("an update that was dropped at step {at} and called again");
            succeeded(&what, tenant.update(&tenant.cx(UndoBy::Engine), &changed).await?)?;
            tenant.holds(count, Variant::Changed, &what).await?;
            tenant.is_well(&what).await?;
            Ok(())
        })
        .await
}

async fn destroy(bench: &Bench<'_>) -> Checked {
    let mut quiet = bench.tenant();
    quiet.start(Variant::First).await?;
    let cx = quiet.cx(UndoBy::Engine);
    let (destroyed, pauses) = counted(quiet.destroy(&cx)).await;
    succeeded("a destroy", destroyed?)?;
    bench
        .each(steps(bench, pauses)?, |at| async move {
            let mut tenant = bench.tenant();
            tenant.start(Variant::First).await?;
            let cx = tenant.cx(UndoBy::Engine);
            let _ended = dropped(tenant.destroy(&cx), at).await.transpose()?;
            tenant.restart();
            let what = format!("a destroy that was dropped at step {at} and called again");
            succeeded(&what, tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
            tenant.holds_nothing(&what).await?;
            Ok(())
        })
        .await
}

async fn intent(bench: &Bench<'_>) -> Checked {
    keeps_ledger(bench).await?;
    let (_, steps) = quiet_provision(bench).await?;
    bench
        .each(steps, |at| async move {
            let tenant = half_provisioned(bench, at).await?;
            is_in_ledger(&tenant, &format!("a provision that was dropped at step {at}")).await?;
            Ok(())
        })
        .await
}

async fn found_again(bench: &Bench<'_>) -> Checked {
    let (_, steps) = quiet_provision(bench).await?;
    let check = |at| async move {
        let what = format!("a provision that was dropped at step {at}");
        let mut tenant = half_provisioned(bench, at).await?;
        // What was on its way when the call was dropped comes until then. There is no condition for that.
        sleep(bench.limits.settle).await;
        tenant.restart();
        let held = tenant.held().await;
        let owned = tenant.owned().await?;
        let owned = succeeded("list_tenants", owned)?;
        let found = owned.iter().any(|owned| owned.tenant == *tenant.id());
        let lists = tenant.provider.capabilities().lists_tenants;
        expect(found || held.is_empty() || !lists, || {
            format!("after {what} list_tenants does not know of {}", held[0])
        })?;
        let destroy = format!("a destroy without a ledger, after {what}");
        succeeded(&destroy, tenant.destroy(&tenant.bare_cx()).await?)?;
        tenant.holds_nothing(&destroy).await?;
        // As above: nothing comes late.
        sleep(bench.limits.settle).await;
        tenant.holds_nothing(&format!("a while after {what}")).await
    };
    bench.each(steps, check).await
}
