//! What a call that failed or was cancelled leaves, and who undoes it.

use tokio::time::sleep;

use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, Tenant, failed, listed, succeeded};
use crate::conformance::steps::{cancelled, counted, spread};
use crate::conformance::{Checked, Harm, Stop, Unable, Variant, expect};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "undo.provision",
        section::UNDO,
        "under the engine, a destroy undoes a provision that failed",
        |bench| Box::pin(provision(bench)),
    ),
    must(
        "undo.update",
        section::UNDO,
        "under the engine, an update to the applied spec undoes one that failed",
        |bench| Box::pin(update(bench)),
    ),
    must(
        "undo.ledger",
        section::UNDO,
        "under the engine, what a call that failed left is in its ledger",
        |bench| Box::pin(ledger(bench)),
    ),
    must("undo.itemised", section::UNDO, "called alone, what could not be undone is in the error", |bench| {
        Box::pin(itemised(bench))
    }),
    should(
        "cancelled.provision",
        section::CANCELLATION,
        "cancelled at any step, alone: it is done, or nothing is left",
        |bench| Box::pin(cancelled_provision(bench)),
    ),
    must(
        "cancelled.update",
        section::CANCELLATION,
        "cancelled at any step, alone: it is done, or as before",
        |bench| Box::pin(cancelled_update(bench)),
    ),
    must(
        "cancelled.engine",
        section::CANCELLATION,
        "cancelled at any step under the engine, it is undone",
        |bench| Box::pin(cancelled_by_engine(bench)),
    ),
];

async fn provision(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let spec = tenant.spec(Variant::Failing)?;
    failed("a provision that fails", tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    tenant.restart();
    let what = "a destroy that undoes a provision";
    succeeded(what, tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    tenant.holds_nothing(what).await
}

async fn update(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    let failing = tenant.spec(Variant::Failing)?;
    failed("an update that fails", tenant.update(&tenant.cx(UndoBy::Engine), &failing).await?)?;
    tenant.restart();
    back(&tenant, count).await
}

/// Updates to the first spec, as the engine does to undo.
async fn back(tenant: &Tenant<'_>, count: usize) -> Checked {
    let what = "an update that undoes another";
    let first = tenant.spec(Variant::First)?;
    succeeded(what, tenant.update(&tenant.cx(UndoBy::Engine), &first).await?)?;
    tenant.holds(count, Variant::First, what).await?;
    tenant.is_well(what).await
}

/// Whether it keeps a ledger at all, as a provision that succeeds shows.
pub(super) async fn keeps_ledger(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    match tenant.kept.last() {
        Some(_) => Ok(()),
        None => Err(Unable::new("it keeps no ledger: its tags tell everything").into()),
    }
}

/// What the platform holds, the ledger as it was kept names.
pub(super) async fn is_in_ledger(tenant: &Tenant<'_>, what: &str) -> Checked {
    let held = tenant.held().await;
    let named = tenant.kept.last().map_or(0, |ledger| ledger.resources.len());
    expect(named >= tenant.bench.platform.named(&held), || {
        format!("after {what} the platform holds {}, and its ledger names {named} of them", listed(&held))
    })
}

async fn ledger(bench: &Bench<'_>) -> Checked {
    keeps_ledger(bench).await?;
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::Failing)?;
    failed("a provision that fails", tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    is_in_ledger(&tenant, "a provision that failed").await
}

async fn itemised(bench: &Bench<'_>) -> Checked {
    bench.undoes_alone()?;
    keeps_ledger(bench).await?;
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::Unhealthy)?;
    let cx = tenant.cx(UndoBy::Provider);
    let obstruct = async {
        sleep(bench.limits.soon).await;
        let harmed = tenant.harm(Harm::Obstruct).await;
        cx.cancel.cancel();
        harmed
    };
    let (answer, harmed) = tokio::join!(tenant.provision(&cx, &spec), obstruct);
    harmed?;
    let error = failed("a provision that was cancelled", answer?)?;
    let left = tenant.held().await;
    expect(!left.is_empty(), || "it was undone although the platform refuses that".to_owned())?;
    let known = tenant.kept.last().map(|ledger| ledger.resources.clone()).unwrap_or_default();
    let named = known.iter().any(|(name, id)| error.message.contains(name) || error.message.contains(id));
    expect(named, || format!("{} is left, and it says: {error}", listed(&left)))?;
    bench.platform.heal(tenant.id()).await;
    let what = "a destroy of what was left";
    succeeded(what, tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    tenant.holds_nothing(what).await
}

async fn cancelled_provision(bench: &Bench<'_>) -> Checked {
    bench.undoes_alone()?;
    let mut quiet = bench.tenant();
    let (count, pauses) = quiet.start_counting(Variant::First).await?;
    bench
        .each(spread(0, pauses, bench.limits.interruptions), |at| async move {
            let tenant = bench.tenant();
            let spec = tenant.spec(Variant::First)?;
            let cx = tenant.cx(UndoBy::Provider);
            let what = format!("a provision that was cancelled at step {at} of {pauses}");
            match cancelled(tenant.provision(&cx, &spec), &cx.cancel, at).await? {
                Ok(_) => tenant.holds(count, Variant::First, &what).await?,
                Err(_) => tenant.holds_nothing(&what).await?,
            }
            Ok(())
        })
        .await
}

/// A tenant that runs the first spec, how much that is, and how often an update of it pauses.
async fn quiet_update(bench: &Bench<'_>) -> Result<(usize, usize), Stop> {
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    let changed = tenant.spec(Variant::Changed)?;
    let cx = tenant.cx(UndoBy::Engine);
    let (updated, pauses) = counted(tenant.update(&cx, &changed)).await;
    succeeded("an update", updated?)?;
    Ok((count, pauses))
}

async fn cancelled_update(bench: &Bench<'_>) -> Checked {
    bench.undoes_alone()?;
    let (count, pauses) = quiet_update(bench).await?;
    bench
        .each(spread(0, pauses, bench.limits.interruptions), |at| async move {
            let mut tenant = bench.tenant();
            tenant.start(Variant::First).await?;
            let changed = tenant.spec(Variant::Changed)?;
            let cx = tenant.cx(UndoBy::Provider);
            let what = format!("an update that was cancelled at step {at} of {pauses}");
            match cancelled(tenant.update(&cx, &changed), &cx.cancel, at).await? {
                Ok(_) => tenant.holds(count, Variant::Changed, &what).await?,
                Err(_) => tenant.holds(count, Variant::First, &what).await?,
            }
            tenant.is_well(&what).await?;
            Ok(())
        })
        .await
}

async fn cancelled_by_engine(bench: &Bench<'_>) -> Checked {
    let (count, pauses) = quiet_update(bench).await?;
    bench
        .each(spread(0, pauses, bench.limits.interruptions), |at| async move {
            let mut tenant = bench.tenant();
            let spec = tenant.spec(Variant::First)?;
            let cx = tenant.cx(UndoBy::Engine);
            // Cancelled also where success came first: the engine undoes it all the same.
            let _answer = cancelled(tenant.provision(&cx, &spec), &cx.cancel, at).await?;
            let what = format!("a provision that was cancelled at step {at}, and undone");
            succeeded(&what, tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
            tenant.holds_nothing(&what).await?;
            tenant.reborn();
            tenant.start(Variant::First).await?;
            let changed = tenant.spec(Variant::Changed)?;
            let cx = tenant.cx(UndoBy::Engine);
            let _answer = cancelled(tenant.update(&cx, &changed), &cx.cancel, at).await?;
            back(&tenant, count).await?;
            Ok(())
        })
        .await
}
