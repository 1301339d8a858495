//! Destroy().

use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, Tenant, succeeded};
use crate::conformance::steps::{cancelled, counted, spread};
use crate::conformance::{Checked, Harm, Stop, Variant};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must("destroy.idempotent", section::DESTROY, "a tenant that was destroyed is destroyed again", |bench| {
        Box::pin(idempotent(bench))
    }),
    must("destroy.everything", section::DESTROY, "nothing that provision and update made is left", |bench| {
        Box::pin(everything(bench))
    }),
    must("destroy.absent", section::DESTROY, "a tenant that never was is no error", |bench| {
        Box::pin(absent(bench))
    }),
    should("destroy.partly-gone", section::DESTROY, "what is gone already does not make it fail", |bench| {
        Box::pin(partly_gone(bench))
    }),
    must(
        "destroy.escaped",
        section::DESTROY,
        "what its programs left in the background goes with them",
        |bench| Box::pin(escaped(bench)),
    ),
    should(
        "destroy.not-cancelled",
        section::DESTROY,
        "cancelled at any step, it goes on to its end",
        |bench| Box::pin(not_cancelled(bench)),
    ),
    must(
        "destroy.lost-ledger",
        section::ONLY_ID,
        "without a ledger it finds everything by its tags",
        |bench| Box::pin(lost_ledger(bench)),
    ),
];

async fn started<'b>(bench: &'b Bench<'_>) -> Result<Tenant<'b>, Stop> {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    Ok(tenant)
}

async fn idempotent(bench: &Bench<'_>) -> Checked {
    let mut tenant = started(bench).await?;
    for what in ["a destroy", "a second destroy", "a destroy after a restart"] {
        succeeded(what, tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
        tenant.restart();
    }
    Ok(())
}

async fn everything(bench: &Bench<'_>) -> Checked {
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let mut tenant = started(bench).await?;
        let changed = tenant.spec(Variant::Changed)?;
        succeeded("an update", tenant.update(&tenant.cx(by), &changed).await?)?;
        tenant.applied = Some(changed);
        succeeded("a destroy", tenant.destroy(&tenant.cx(by)).await?)?;
        tenant.holds_nothing("a destroy").await?;
    }
    Ok(())
}

async fn absent(bench: &Bench<'_>) -> Checked {
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let tenant = bench.tenant();
        succeeded("a destroy of a tenant that never was", tenant.destroy(&tenant.cx(by)).await?)?;
    }
    Ok(())
}

async fn partly_gone(bench: &Bench<'_>) -> Checked {
    let tenant = started(bench).await?;
    tenant.harm(Harm::Remove).await?;
    let what = "a destroy of what is partly gone";
    succeeded(what, tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    tenant.holds_nothing(what).await
}

async fn escaped(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    tenant.escape(count).await?;
    let what = "a destroy of programs that left a child in the background";
    succeeded(what, tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    tenant.holds_nothing(what).await
}

async fn not_cancelled(bench: &Bench<'_>) -> Checked {
    let quiet = started(bench).await?;
    let cx = quiet.cx(UndoBy::Engine);
    let (destroyed, pauses) = counted(quiet.destroy(&cx)).await;
    succeeded("a destroy", destroyed?)?;
    bench
        .each(spread(0, pauses, bench.limits.interruptions), |at| async move {
            let tenant = started(bench).await?;
            let cx = tenant.cx(UndoBy::Engine);
            let what = format!("a destroy that was cancelled at step {at} of {pauses}");
            succeeded(&what, cancelled(tenant.destroy(&cx), &cx.cancel, at).await?)?;
            tenant.holds_nothing(&what).await?;
            Ok(())
        })
        .await
}

async fn lost_ledger(bench: &Bench<'_>) -> Checked {
    let mut tenant = started(bench).await?;
    tenant.restart();
    let what = "a destroy without the ledger";
    succeeded(what, tenant.destroy(&tenant.bare_cx()).await?)?;
    tenant.holds_nothing(what).await
}
