//! Update(), and what the contract adds to it.

use landlord_state_machines::error::ErrorKind;
use landlord_state_machines::id::Rollout;
use landlord_state_machines::spec::{TenantComputeSpec, changes};
use landlord_state_machines::status::UpdateStatus;
use tokio::time::sleep;

use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, failed, listed, succeeded};
use crate::conformance::{Checked, Harm, Variant, broken, expect};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "update.applies",
        section::UPDATE,
        "afterwards the platform holds the new spec and nothing of the old",
        |bench| Box::pin(applies(bench)),
    ),
    must("update.idempotent", section::UPDATE, "the same spec changes nothing and says so", |bench| {
        Box::pin(idempotent(bench))
    }),
    must("update.no-downtime", section::UPDATE, "the tenant serves all the time", |bench| {
        Box::pin(no_downtime(bench))
    }),
    must(
        "update.rolls-back",
        section::UPDATE,
        "called alone, one that fails leaves what ran before",
        |bench| Box::pin(rolls_back(bench)),
    ),
    should("update.changes", section::UPDATE, "it lists every field that changed", |bench| {
        Box::pin(lists_changes(bench))
    }),
    must(
        "update.absent",
        section::UPDATE_ABSENT,
        "of a tenant that is not there is TenantNotFound",
        |bench| Box::pin(absent(bench)),
    ),
    must("update.drift", section::UPDATE_SAME, "with the same spec it repairs what broke", |bench| {
        Box::pin(drift(bench))
    }),
    must(
        "update.hang",
        section::UPDATE_SAME,
        "with the same spec it replaces what runs and fails its check",
        |bench| Box::pin(hang(bench)),
    ),
    must(
        "update.escaped",
        section::UPDATE,
        "what the old spec's programs left in the background goes with them",
        |bench| Box::pin(escaped(bench)),
    ),
    must(
        "update.restart",
        section::RESTART,
        "for another rollout of the same spec it replaces what runs, once",
        |bench| Box::pin(restart(bench)),
    ),
    must(
        "update.protection",
        section::PROVISION_AGAIN,
        "a spec that differs in deletion_protection alone is the same one",
        |bench| Box::pin(protection(bench)),
    ),
    must("update.ready", section::READY, "when it succeeds the tenant runs and is healthy", |bench| {
        Box::pin(ready(bench))
    }),
];

async fn applies(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    let changed = tenant.spec(Variant::Changed)?;
    let updated = succeeded("an update", tenant.update(&tenant.cx(UndoBy::Engine), &changed).await?)?;
    expect(updated.status == UpdateStatus::Success, || format!("it says {:?}", updated.status))?;
    tenant.holds(count, Variant::Changed, "an update").await
}

async fn idempotent(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let spec = tenant.spec(Variant::First)?;
    let held = tenant.settled().await?;
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let what = "an update with the same spec";
        let result = succeeded(what, tenant.update(&tenant.cx(by), &spec).await?)?;
        expect(result.status == UpdateStatus::NoChanges, || format!("{what} says {:?}", result.status))?;
        expect(result.changes.is_empty(), || format!("{what} lists {:?}", result.changes))?;
        tenant.still_holds(&held, &format!("after {what}")).await?;
    }
    Ok(())
}

async fn no_downtime(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let serves = || bench.platform.serves(tenant.id());
    expect(serves().await?, || "a tenant that was provisioned does not serve".to_owned())?;
    let changed = tenant.spec(Variant::Changed)?;
    let cx = tenant.cx(UndoBy::Engine);
    let watch = async {
        let mut looks = 0_u32;
        loop {
            looks += 1;
            match serves().await {
                Ok(true) => sleep(bench.limits.pause).await,
                Ok(false) => return broken(format!("it did not serve at look {looks} during an update")),
                Err(unable) => return Err(unable.into()),
            }
        }
    };
    tokio::select! {
        updated = tenant.update(&cx, &changed) => succeeded("an update", updated?)?,
        stop = watch => return stop,
    };
    expect(serves().await?, || "a tenant that was updated does not serve".to_owned())
}

async fn rolls_back(bench: &Bench<'_>) -> Checked {
    bench.undoes_alone()?;
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    let failing = tenant.spec(Variant::Failing)?;
    let cx = tenant.cx(UndoBy::Provider);
    failed("an update to a spec that fails", tenant.update(&cx, &failing).await?)?;
    tenant.holds(count, Variant::First, "an update that failed").await?;
    tenant.is_well("an update that failed").await
}

async fn lists_changes(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let (first, changed) = (tenant.spec(Variant::First)?, tenant.spec(Variant::Changed)?);
    let result = succeeded("an update", tenant.update(&tenant.cx(UndoBy::Engine), &changed).await?)?;
    unlisted(&changes(&first, &changed), &result.changes)
}

/// Each of these changes has a line that begins with its path.
pub(super) fn unlisted(made: &[String], lines: &[String]) -> Checked {
    let path = |change: &str| change.split(": ").next().unwrap_or_default().to_owned();
    let missing = made.iter().find(|change| !lines.iter().any(|line| line.starts_with(&path(change))));
    match missing {
        None => Ok(()),
        Some(change) => broken(format!("{change:?} is not listed; listed are {lines:?}")),
    }
}

async fn absent(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::First)?;
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let error =
            failed("an update of a tenant that is not there", tenant.update(&tenant.cx(by), &spec).await?)?;
        expect(error.kind == ErrorKind::TenantNotFound, || format!("it says: {error}"))?;
        tenant.holds_nothing("an update of a tenant that is not there").await?;
    }
    Ok(())
}

async fn drift(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    tenant.harm(Harm::Crash).await?;
    let spec = tenant.spec(Variant::First)?;
    let what = "an update with the same spec after a crash";
    let result = succeeded(what, tenant.update(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    expect(matches!(result.status, UpdateStatus::NoChanges | UpdateStatus::Success), || {
        format!("{what} says {:?}", result.status)
    })?;
    tenant.is_well(what).await?;
    tenant.holds(count, Variant::First, what).await
}

async fn hang(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    tenant.harm(Harm::Hang).await?;
    let spec = tenant.spec(Variant::First)?;
    let what = "an update with the same spec of what hangs";
    succeeded(what, tenant.update(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    tenant.is_well(what).await?;
    tenant.holds(count, Variant::First, what).await
}

async fn escaped(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    tenant.escape(count).await?;
    let changed = tenant.spec(Variant::Changed)?;
    let what = "an update of programs that left a child in the background";
    succeeded(what, tenant.update(&tenant.cx(UndoBy::Engine), &changed).await?)?;
    tenant.holds(count, Variant::Changed, what).await
}

async fn restart(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    let spec = tenant.spec(Variant::First)?;
    let before = tenant.settled().await?;
    let mut cx = tenant.cx(UndoBy::Engine);
    cx.rollout = Rollout(7);
    succeeded("a restart", tenant.update(&cx, &spec).await?)?;
    tenant.rollout = cx.rollout;
    tenant.holds(count, Variant::First, "a restart").await?;
    tenant.is_well("a restart").await?;
    let after = tenant.settled().await?;
    expect(after.iter().any(|resource| !before.contains(resource)), || {
        format!("after a restart the platform holds {}, as before", listed(&after))
    })?;
    let what = "the same restart again";
    succeeded(what, tenant.update(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    tenant.still_holds(&after, &format!("after {what}")).await
}

async fn protection(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let protects = |protects| move |spec: &mut TenantComputeSpec| spec.deletion_protection = protects;
    let protected = tenant.spec_with(Variant::First, protects(true))?;
    let lifted = tenant.spec_with(Variant::First, protects(false))?;
    let cx = tenant.cx(UndoBy::Engine);
    succeeded("a provision of a protected tenant", tenant.provision(&cx, &protected).await?)?;
    tenant.applied = Some(protected);
    let held = tenant.settled().await?;
    let planned = succeeded("plan", tenant.plan(&tenant.cx(UndoBy::Engine), &lifted).await?)?;
    expect(planned.is_empty(), || format!("where only protection is lifted it plans {planned:?}"))?;
    let what = "a provision that only lifts protection";
    succeeded(what, tenant.provision(&tenant.cx(UndoBy::Engine), &lifted).await?)?;
    tenant.still_holds(&held, &format!("after {what}")).await?;
    let what = "an update that only lifts protection";
    succeeded(what, tenant.update(&tenant.cx(UndoBy::Engine), &lifted).await?)?;
    tenant.still_holds(&held, &format!("after {what}")).await
}

async fn ready(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let unhealthy = tenant.spec(Variant::Unhealthy);
    let changed = tenant.spec(Variant::Changed)?;
    succeeded("an update", tenant.update(&tenant.cx(UndoBy::Engine), &changed).await?)?;
    tenant.applied = Some(changed);
    tenant.is_well("an update").await?;
    // Where there is no such spec the rest stays unsaid.
    let Ok(unhealthy) = unhealthy else { return Ok(()) };
    let cx = tenant.cx(UndoBy::Engine);
    match tokio::time::timeout(bench.limits.soon, tenant.update(&cx, &unhealthy)).await {
        Err(_) => Ok(()),
        Ok(answer) => {
            failed("an update to a spec that is not healthy", answer?)?;
            Ok(())
        }
    }
}
