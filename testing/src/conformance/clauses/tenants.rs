//! Many tenants at a time, and none of another's business.

use futures_util::future::{join_all, try_join_all};
use landlord_state_machines::error::ErrorKind;
use tokio::time::timeout;

use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, Tenant, succeeded};
use crate::conformance::{Checked, Stop, Variant, broken, expect};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must("tenants.concurrent", section::CONCURRENCY, "it is safe for concurrent use", |bench| {
        Box::pin(concurrent(bench))
    }),
    should(
        "tenants.parallel",
        section::CONCURRENCY,
        "a tenant that takes its time holds up no other",
        |bench| Box::pin(parallel(bench)),
    ),
    must("tenants.apart", section::OWNERSHIP, "what is done to one tenant is not done to another", |bench| {
        Box::pin(apart(bench))
    }),
    must(
        "tenants.long-names",
        section::OWNERSHIP,
        "ids that differ in their last letter stay apart",
        |bench| Box::pin(long_names(bench)),
    ),
    must("tenants.lives", section::CREATES, "a new life of a tenant has nothing of the last one", |bench| {
        Box::pin(lives(bench))
    }),
];

async fn concurrent(bench: &Bench<'_>) -> Checked {
    let lives = (0..bench.limits.parallel.max(2)).map(|_| async {
        let mut tenant = bench.tenant();
        let spec = tenant.spec(Variant::First)?;
        let cx = tenant.cx(UndoBy::Engine);
        // Looks are made beside a call, and of all tenants at a time.
        let looks = async {
            join_all((0..4).map(|_| async {
                succeeded("validate", tenant.validate(&spec).await?)?;
                match tenant.status().await? {
                    Ok(_) => Ok(()),
                    Err(error) if error.kind == ErrorKind::TenantNotFound => Ok(()),
                    Err(error) => broken(format!("get_status beside a provision: {error}")),
                }
            }))
            .await
            .into_iter()
            .collect::<Checked>()
        };
        let (provisioned, looked) = tokio::join!(tenant.provision(&cx, &spec), looks);
        looked?;
        succeeded("one of several provisions", provisioned?)?;
        let count = tenant.settled().await?.len();
        tenant.is_well("one of several provisions").await?;
        tenant.applied = Some(spec);
        let changed = tenant.spec(Variant::Changed)?;
        let cx = tenant.cx(UndoBy::Engine);
        succeeded("one of several updates", tenant.update(&cx, &changed).await?)?;
        tenant.holds(count, Variant::Changed, "one of several updates").await?;
        succeeded("one of several destroys", tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
        tenant.holds_nothing("one of several destroys").await
    });
    try_join_all(lives).await?;
    Ok(())
}

async fn parallel(bench: &Bench<'_>) -> Checked {
    let slow = bench.tenant();
    // One provider for both: what holds the other up may be in its memory.
    let mut other = bench.tenant();
    other.provider = slow.provider.clone();
    let spec = slow.spec(Variant::Unhealthy)?;
    let cx = slow.cx(UndoBy::Engine);
    let mut slow_call = Box::pin(slow.provision(&cx, &spec));
    if timeout(bench.limits.soon, &mut slow_call).await.is_ok() {
        return broken("a provision of a tenant that is not healthy ended at once");
    }
    tokio::select! {
        biased;
        started = other.start(Variant::First) => started?,
        _ended = &mut slow_call => return broken("a provision waited for that of another tenant to end"),
    };
    Ok(())
}

/// Two tenants that run, beside each other.
async fn pair<'b>(mut one: Tenant<'b>, mut other: Tenant<'b>) -> Result<[Tenant<'b>; 2], Stop> {
    one.start(Variant::First).await?;
    other.start(Variant::First).await?;
    Ok([one, other])
}

/// What happens to `one` leaves `other` as it is.
async fn leave_each_other_alone(one: &Tenant<'_>, other: &Tenant<'_>) -> Checked {
    let before = other.settled().await?;
    let changed = one.spec(Variant::Changed)?;
    succeeded("an update", one.update(&one.cx(UndoBy::Engine), &changed).await?)?;
    other.still_holds(&before, "after an update of another tenant").await?;
    succeeded("a destroy", one.destroy(&one.cx(UndoBy::Engine)).await?)?;
    other.still_holds(&before, "after a destroy of another tenant").await?;
    other.is_well("a destroy of another tenant").await
}

async fn apart(bench: &Bench<'_>) -> Checked {
    // The name of one begins with that of the other.
    let one = bench.tenant_named(|own, _| own.to_owned());
    let other = bench.tenant_named(|own, _| format!("{own}-b"));
    let [one, other] = pair(one, other).await?;
    leave_each_other_alone(&one, &other).await
}

async fn long_names(bench: &Bench<'_>) -> Checked {
    let long = |own: &str, last: char| format!("{own:a<62}{last}");
    let one = bench.tenant_named(|own, _| long(own, 'x'));
    let other = bench.tenant_named(|own, _| long(own, 'y'));
    let [one, other] = pair(one, other).await?;
    leave_each_other_alone(&one, &other).await
}

async fn lives(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let count = tenant.start(Variant::First).await?;
    // The last life ended without a destroy: its store was lost.
    tenant.reborn();
    tenant.restart();
    let changed = tenant.spec(Variant::Changed)?;
    let what = "a provision of a new life";
    succeeded(what, tenant.provision(&tenant.cx(UndoBy::Engine), &changed).await?)?;
    tenant.holds(count, Variant::Changed, what).await?;
    let owned = tenant.owned().await?;
    let owned = succeeded("list_tenants", owned)?;
    let stale = owned
        .iter()
        .find(|owned| owned.tenant == *tenant.id() && owned.incarnation != tenant.subject.incarnation);
    expect(stale.is_none(), || format!("after {what} it lists {owned:?}"))
}
