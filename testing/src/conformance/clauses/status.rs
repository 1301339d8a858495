//! GetStatus(), and what the contract adds to it.

use landlord_state_machines::error::{ErrorCode, ErrorKind};
use landlord_state_machines::status::Health;
use tokio::time::timeout;

use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, failed, is_well, shown, succeeded};
use crate::conformance::{Checked, Harm, Stop, Variant, broken, expect};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "status.current",
        section::STATUS,
        "it asks the platform each time: a crash shows at once",
        |bench| Box::pin(current(bench)),
    ),
    must("status.not-found", section::STATUS, "of a tenant that is not there is TenantNotFound", |bench| {
        Box::pin(not_found(bench))
    }),
    should("status.fast", section::STATUS, "it takes less than 5 s", |bench| Box::pin(fast(bench))),
    should(
        "status.health",
        section::STATUS,
        "it says of each container, and of all, whether checks pass",
        |bench| Box::pin(health(bench)),
    ),
    must(
        "status.lost-ledger",
        section::ONLY_ID,
        "without a ledger it finds the tenant by its tags",
        |bench| Box::pin(lost_ledger(bench)),
    ),
    must(
        "status.timeout",
        section::STATUS,
        "where nobody answers it says PROVIDER_TIMEOUT after 5 s",
        |bench| Box::pin(times_out(bench)),
    ),
];

/// Waits until the status is no longer that of a tenant that is well.
async fn shows_harm(bench: &Bench<'_>, harm: Harm, what: &str) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    tenant.is_well("a provision").await?;
    tenant.harm(harm).await?;
    // Its own verdicts pass through the wait.
    let look = async || match tenant.status().await {
        Ok(Ok(status)) if is_well(&status) => Err(format!("{what} its status is still {}", shown(&status))),
        Ok(Ok(_)) => Ok(Ok(())),
        Ok(Err(error)) if error.kind == ErrorKind::TenantNotFound => Ok(Ok(())),
        Ok(Err(error)) => Err(format!("{what} its status is not known: {error}")),
        Err(stop) => Ok::<Checked, String>(Err(stop)),
    };
    bench.until(look).await?
}

async fn current(bench: &Bench<'_>) -> Checked {
    shows_harm(bench, Harm::Crash, "after a crash").await
}

async fn not_found(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let error = failed("get_status of a tenant that never was", tenant.status().await?)?;
    expect(error.kind == ErrorKind::TenantNotFound, || format!("of one that never was: {error}"))?;
    tenant.start(Variant::First).await?;
    succeeded("a destroy", tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    let error = failed("get_status of a tenant that was destroyed", tenant.status().await?)?;
    expect(error.kind == ErrorKind::TenantNotFound, || format!("of one that was destroyed: {error}"))
}

async fn fast(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let within = bench.limits.status;
    let slow = || Stop::Broken(format!("it takes longer than {within:?}"));
    let _absent = timeout(within, tenant.status()).await.map_err(|_| slow())?;
    tenant.start(Variant::First).await?;
    let _running = timeout(within, tenant.status()).await.map_err(|_| slow())?;
    Ok(())
}

async fn health(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let spec = tenant.spec(Variant::First)?;
    let status = succeeded("get_status", tenant.status().await?)?;
    expect(status.health == Health::Healthy, || format!("after a provision it is {}", shown(&status)))?;
    let mut named: Vec<&String> = status.containers.iter().map(|container| &container.name).collect();
    let mut wanted: Vec<&String> = spec.containers.iter().map(|container| &container.name).collect();
    named.sort();
    wanted.sort();
    expect(named == wanted, || format!("the containers are {wanted:?}, it shows {named:?}"))?;
    match shows_harm(bench, Harm::Sicken, "while its check fails").await {
        // A platform that cannot make one sick has shown all that it can.
        Err(Stop::NotApplicable(_)) | Ok(()) => Ok(()),
        Err(stop @ Stop::Broken(_)) => Err(stop),
    }
}

async fn lost_ledger(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    tenant.restart();
    let status = tenant.status_in(&tenant.bare_cx()).await?;
    let status = succeeded("get_status without the ledger", status)?;
    expect(is_well(&status), || format!("without the ledger it is {}", shown(&status)))
}

async fn times_out(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    tenant.harm(Harm::Stall).await?;
    let within = bench.limits.status + bench.limits.prompt;
    let answer = match timeout(within, tenant.status()).await {
        Ok(answer) => answer?,
        Err(_) => return broken(format!("nobody answers, and it says nothing within {within:?}")),
    };
    let error = match answer {
        Ok(status) => return broken(format!("while nobody answers it is {}", shown(&status))),
        Err(error) => error,
    };
    expect((error.kind, error.code) == (ErrorKind::StatusFailed, ErrorCode::ProviderTimeout), || {
        format!("while nobody answers it says: {error}")
    })
}
