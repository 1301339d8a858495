//! Copies of a tenant's containers.

use landlord_state_machines::spec::{Field, Replicas, Spec, Support};

use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, Tenant, listed, succeeded};
use crate::conformance::{Checked, Stop, Unable, Variant, expect};
use landlord_compute::provider::{PlannedEffect, UndoBy};

pub(super) const CLAUSES: &[Clause] = &[
    must("replicas.run", section::REPLICAS, "as many as the spec says run, are found, and go", |bench| {
        Box::pin(run(bench))
    }),
    should(
        "replicas.kept",
        section::REPLICAS,
        "an update of their number alone keeps those that stay",
        |bench| Box::pin(kept(bench)),
    ),
];

/// The first spec, so many times.
fn spec(tenant: &Tenant<'_>, count: i64) -> Result<Spec, Stop> {
    match tenant.provider.support(Field::Replicas) {
        Support::Mapped => {}
        Support::NotEnforced(why) | Support::Refused(why) => {
            return Err(Unable::new(format!("it runs one of each: {why}")).into());
        }
    }
    tenant.spec_with(Variant::First, |spec| spec.replicas = Some(Replicas::Count(count)))
}

async fn there_are(tenant: &Tenant<'_>, count: usize, after: &str) -> Checked {
    let look = async || match tenant.bench.platform.replicas(tenant.id()).await {
        Ok(found) if found == count => Ok(Ok(())),
        Ok(found) => Err(format!("after {after} {found} replicas run, not {count}")),
        Err(unable) => Ok::<Checked, String>(Err(unable.into())),
    };
    tenant.bench.until(look).await?
}

/// Updates to so many, which then run and are well.
async fn scale(tenant: &mut Tenant<'_>, count: i64, replicas: usize) -> Checked {
    let spec = spec(tenant, count)?;
    let what = format!("an update to {count} replicas");
    succeeded(&what, tenant.update(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    tenant.applied = Some(spec);
    there_are(tenant, replicas, &what).await?;
    tenant.is_well(&what).await
}

async fn run(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let three = spec(&tenant, 3)?;
    let what = "a provision of 3 replicas";
    succeeded(what, tenant.provision(&tenant.cx(UndoBy::Engine), &three).await?)?;
    tenant.applied = Some(three);
    there_are(&tenant, 3, what).await?;
    tenant.is_well(what).await?;
    scale(&mut tenant, 1, 1).await?;
    scale(&mut tenant, 2, 2).await?;
    tenant.restart();
    let what = "a destroy of 2 replicas without the ledger";
    succeeded(what, tenant.destroy(&tenant.bare_cx()).await?)?;
    tenant.holds_nothing(what).await
}

async fn kept(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let one = spec(&tenant, 1)?;
    succeeded("a provision", tenant.provision(&tenant.cx(UndoBy::Engine), &one).await?)?;
    tenant.applied = Some(one);
    let one = tenant.settled().await?;
    let three = spec(&tenant, 3)?;
    let planned = succeeded("plan", tenant.plan(&tenant.cx(UndoBy::Engine), &three).await?)?;
    let other = planned.changes.iter().find(|planned| planned.effect != PlannedEffect::InPlace);
    expect(other.is_none(), || format!("for more replicas it plans {other:?}"))?;
    scale(&mut tenant, 3, 3).await?;
    let three = tenant.settled().await?;
    expect(one.iter().all(|resource| three.contains(resource)), || {
        format!("with 3 replicas there are {}, with one there were {}", listed(&three), listed(&one))
    })?;
    scale(&mut tenant, 2, 2).await?;
    let two = tenant.settled().await?;
    expect(two.iter().all(|resource| three.contains(resource)), || {
        format!("with 2 replicas there are {}, with 3 there were {}", listed(&two), listed(&three))
    })
}
