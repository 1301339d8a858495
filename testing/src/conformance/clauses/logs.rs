//! What becomes of the lines that a tenant's containers write.

use landlord_state_machines::id::Rollout;

use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, succeeded};
use crate::conformance::{Checked, Harm, Variant};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must("logs.disk-full", section::LOGS, "a full log disk keeps no other method from its end", |bench| {
        Box::pin(disk_full(bench))
    }),
    should(
        "logs.lost-lines",
        section::LOGS,
        "a line in the log says that others before it were lost",
        |bench| Box::pin(lost_lines(bench)),
    ),
];

async fn disk_full(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.harm(Harm::FullLogDisk).await?;
    let count = tenant.start(Variant::First).await?;
    tenant.is_well("a provision with a full log disk").await?;
    let changed = tenant.spec(Variant::Changed)?;
    let what = "an update with a full log disk";
    succeeded(what, tenant.update(&tenant.cx(UndoBy::Engine), &changed).await?)?;
    tenant.applied = Some(changed);
    tenant.holds(count, Variant::Changed, what).await?;
    tenant.is_well(what).await?;
    let what = "a destroy with a full log disk";
    succeeded(what, tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    tenant.holds_nothing(what).await
}

async fn lost_lines(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.harm(Harm::FullLogDisk).await?;
    tenant.start(Variant::First).await?;
    bench.platform.heal(tenant.id()).await;
    // What is started anew writes again.
    let spec = tenant.spec(Variant::First)?;
    let mut cx = tenant.cx(UndoBy::Engine);
    cx.rollout = Rollout(7);
    succeeded("a restart", tenant.update(&cx, &spec).await?)?;
    let look = async || match tenant.log().await {
        Ok(lines) if lines.iter().any(|line| line.contains("lost")) => Ok(Ok(())),
        Ok(lines) => Err(format!("none of the {} lines of its log says that others were lost", lines.len())),
        Err(stop) => Ok::<Checked, String>(Err(stop)),
    };
    bench.until(look).await?
}
