//! What a spec asks to retain, and Release().

use landlord_state_machines::spec::{Field, Spec, Support};

use super::{Clause, must, section};
use crate::conformance::bench::{Bench, Tenant, listed, succeeded};
use crate::conformance::{Checked, Stop, Unable, broken, expect};
use landlord_compute::provider::{Destroyed, UndoBy};

pub(super) const CLAUSES: &[Clause] = &[
    must("destroy.retains", section::DESTROY, "what its spec asks to retain stays, and is named", |bench| {
        Box::pin(retains(bench))
    }),
    must(
        "destroy.retains-again",
        section::DESTROY,
        "a destroy again names what is retained again",
        |bench| Box::pin(retains_again(bench)),
    ),
    must(
        "release.everything",
        section::RELEASE,
        "what is retained is removed without a ledger, and named",
        |bench| Box::pin(everything(bench)),
    ),
    must("release.idempotent", section::RELEASE, "where nothing is retained it is no error", |bench| {
        Box::pin(idempotent(bench))
    }),
    must(
        "release.next-life",
        section::RELEASE,
        "the next life takes up what is retained, or is refused by name",
        |bench| Box::pin(next_life(bench)),
    ),
    must("list.retained", section::LIST, "what is retained is listed as that alone", |bench| {
        Box::pin(lists_retained(bench))
    }),
];

/// A tenant that was destroyed and has retained something, and what the destroy said.
async fn retained<'b>(bench: &'b Bench<'_>) -> Result<(Tenant<'b>, Destroyed), Stop> {
    match bench.platform.provider().support(Field::VolumeRetain) {
        Support::Mapped => {}
        Support::NotEnforced(why) | Support::Refused(why) => {
            return Err(Unable::new(format!("it retains nothing: {why}")).into());
        }
    }
    let mut tenant = bench.tenant();
    let spec = retaining(&tenant)?;
    succeeded(
        "a provision of a spec that retains",
        tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?,
    )?;
    tenant.applied = Some(spec);
    let destroyed = succeeded("a destroy", tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    retains_something(&tenant, "a destroy").await?;
    Ok((tenant, destroyed))
}

fn retaining(tenant: &Tenant<'_>) -> Result<Spec, Stop> {
    let spec = tenant.bench.platform.retaining(tenant.id())?.check();
    spec.or_else(|invalid| {
        broken(format!("the spec that retains breaks the rules of all providers: {invalid}"))
    })
}

async fn retains_something(tenant: &Tenant<'_>, after: &str) -> Checked {
    let held = tenant.bench.platform.retained(tenant.id()).await?;
    expect(!held.is_empty(), || format!("after {after} nothing is there of what should be retained"))
}

async fn retains_nothing(tenant: &Tenant<'_>, after: &str) -> Checked {
    let look = async || match tenant.bench.platform.retained(tenant.id()).await {
        Ok(held) if held.is_empty() => Ok(()),
        Ok(held) => Err(format!("after {after} there is still {}", listed(&held))),
        Err(why) => Err(why.to_string()),
    };
    tenant.bench.until(look).await
}

async fn retains(bench: &Bench<'_>) -> Checked {
    let (tenant, destroyed) = retained(bench).await?;
    expect(!destroyed.retained.is_empty(), || "a destroy does not say what it retained".to_owned())?;
    tenant.holds_nothing("a destroy that retained something").await
}

async fn retains_again(bench: &Bench<'_>) -> Checked {
    let (mut tenant, _) = retained(bench).await?;
    tenant.restart();
    let again = succeeded("a second destroy", tenant.destroy(&tenant.bare_cx()).await?)?;
    expect(!again.retained.is_empty(), || "a second destroy does not say what is retained".to_owned())?;
    retains_something(&tenant, "a second destroy").await
}

async fn everything(bench: &Bench<'_>) -> Checked {
    let (mut tenant, _) = retained(bench).await?;
    tenant.restart();
    let released = succeeded("a release", tenant.release(&tenant.bare_cx()).await?)?;
    expect(!released.removed.is_empty(), || "a release does not say what it removed".to_owned())?;
    retains_nothing(&tenant, "a release").await
}

async fn idempotent(bench: &Bench<'_>) -> Checked {
    let never = bench.tenant();
    succeeded("a release of a tenant that never was", never.release(&never.bare_cx()).await?)?;
    let (tenant, _) = retained(bench).await?;
    for what in ["a release", "a second release"] {
        succeeded(what, tenant.release(&tenant.cx(UndoBy::Engine)).await?)?;
        retains_nothing(&tenant, what).await?;
    }
    Ok(())
}

async fn next_life(bench: &Bench<'_>) -> Checked {
    let (mut tenant, _) = retained(bench).await?;
    tenant.reborn();
    let spec = retaining(&tenant)?;
    match tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await? {
        Ok(_) => retains_nothing(&tenant, "a life that took up what was retained").await,
        Err(error) => {
            expect(error.message.contains("release"), || {
                format!("a next life is refused, and does not say that a release helps: {error}")
            })?;
            retains_something(&tenant, "a life that was refused").await
        }
    }
}

async fn lists_retained(bench: &Bench<'_>) -> Checked {
    let (tenant, _) = retained(bench).await?;
    if !tenant.provider.capabilities().lists_tenants {
        return Err(Unable::new("it lists nothing").into());
    }
    let owned = succeeded("list_tenants", tenant.owned().await?)?;
    let ours: Vec<_> = owned.iter().filter(|owned| owned.tenant == *tenant.id()).collect();
    let right = ours.iter().any(|owned| !owned.retained.is_empty())
        && ours.iter().all(|owned| owned.resources.is_empty());
    expect(right, || format!("what is retained is listed as {ours:?}"))
}
