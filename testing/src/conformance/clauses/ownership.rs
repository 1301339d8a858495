//! Whose resources are whose.

use landlord_state_machines::error::{ErrorCode, ErrorKind};

use super::{Clause, must, section};
use crate::conformance::bench::{Bench, failed, succeeded};
use crate::conformance::{Checked, Unable, Variant, expect};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "ownership.foreign",
        section::OWNERSHIP,
        "what has the name and not the tags is a conflict, never touched",
        |bench| Box::pin(foreign(bench)),
    ),
    must("ownership.engines", section::OWNERSHIP, "what another engine made is not touched", |bench| {
        Box::pin(engines(bench))
    }),
    must(
        "ownership.listed",
        section::LIST,
        "list_tenants finds by tags who has something, and which life",
        |bench| Box::pin(list(bench)),
    ),
    must(
        "ownership.sweepable",
        section::LIST,
        "a provider that can list says so, or it is never swept for leaks",
        |bench| Box::pin(sweepable(bench)),
    ),
];

async fn foreign(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    bench.platform.plant(&tenant.subject).await?;
    let planted = tenant.settled().await?;
    let untouched = async |after: &str| tenant.still_holds(&planted, after).await;
    let spec = tenant.spec(Variant::First)?;
    let refused = tenant.provision(&tenant.cx(UndoBy::Provider), &spec).await?;
    untouched("after a provision").await?;
    let error = failed("a provision over a resource of somebody else", refused)?;
    expect(error.code == ErrorCode::Conflict, || format!("it is no conflict: {error}"))?;
    // What it says is another clause; what it does is this one.
    let _said = tenant.update(&tenant.cx(UndoBy::Provider), &spec).await?;
    untouched("after an update").await?;
    let _said = tenant.destroy(&tenant.bare_cx()).await?;
    untouched("after a destroy").await?;
    let owned = succeeded("list_tenants", tenant.owned().await?)?;
    expect(owned.is_empty(), || format!("list_tenants takes it for its own: {owned:?}"))
}

async fn engines(bench: &Bench<'_>) -> Checked {
    let mut ours = bench.tenant();
    ours.start(Variant::First).await?;
    let held = ours.settled().await?;
    let mut theirs = bench.tenant();
    theirs.subject.tenant = ours.id().clone();
    theirs.subject.engine = format!("{}-2", bench.engine()).into();
    let error = failed("get_status by another engine", theirs.status_in_the_end().await?)?;
    expect(error.kind == ErrorKind::TenantNotFound, || format!("get_status by another engine: {error}"))?;
    let listed_there = theirs.owned().await?;
    let listed_there = succeeded("list_tenants for another engine", listed_there)?;
    expect(listed_there.is_empty(), || format!("list_tenants for another engine names {listed_there:?}"))?;
    succeeded("a destroy by another engine", theirs.destroy(&theirs.bare_cx()).await?)?;
    ours.still_holds(&held, "after a destroy by another engine").await?;
    ours.is_well("a destroy by another engine").await
}

async fn list(bench: &Bench<'_>) -> Checked {
    if !bench.platform.provider().capabilities().lists_tenants {
        return Err(Unable::new("it cannot list tenants, and says so").into());
    }
    let mut tenants = vec![bench.tenant(), bench.tenant()];
    for tenant in &mut tenants {
        tenant.start(Variant::First).await?;
    }
    // One that has never called anything.
    let list = async || succeeded("list_tenants", bench.tenant().owned().await?);
    let mut wanted: Vec<_> =
        tenants.iter().map(|tenant| (tenant.id().clone(), tenant.subject.incarnation)).collect();
    wanted.sort();
    let owned = list().await?;
    let mut named: Vec<_> = owned.iter().map(|owned| (owned.tenant.clone(), owned.incarnation)).collect();
    named.sort();
    expect(named == wanted, || format!("{wanted:?} have something, it names {named:?}"))?;
    expect(owned.iter().all(|owned| !owned.resources.is_empty()), || {
        format!("it does not say what they have: {owned:?}")
    })?;
    for tenant in &tenants {
        succeeded("a destroy", tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    }
    let owned = list().await?;
    expect(owned.is_empty(), || format!("they were destroyed, it names {owned:?}"))
}

async fn sweepable(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let lists = !succeeded("list_tenants", tenant.owned().await?)?.is_empty();
    let says = tenant.provider.capabilities().lists_tenants;
    expect(lists == says, || format!("it lists tenants: {lists}; capabilities().lists_tenants: {says}"))
}
