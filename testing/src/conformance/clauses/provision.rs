//! Provision(), and what the contract adds to it.

use landlord_state_machines::error::{ErrorCode, ErrorKind};
use landlord_state_machines::status::ProvisionStatus;

use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, failed, listed, succeeded};
use crate::conformance::{Checked, Variant, broken, expect};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "provision.idempotent",
        section::PROVISION,
        "the same spec again succeeds with the same resources",
        |bench| Box::pin(idempotent(bench)),
    ),
    must("provision.atomic", section::PROVISION, "called alone, one that fails leaves nothing", |bench| {
        Box::pin(atomic(bench))
    }),
    must("provision.resource-ids", section::PROVISION, "it names what it made, for cleanup", |bench| {
        Box::pin(resource_ids(bench))
    }),
    should(
        "provision.validates",
        section::PROVISION,
        "an invalid spec is refused before anything is made",
        |bench| Box::pin(validates(bench)),
    ),
    must(
        "provision.conflict",
        section::PROVISION_AGAIN,
        "another spec is a conflict that points at update",
        |bench| Box::pin(conflict(bench)),
    ),
    must("provision.ready", section::READY, "when it succeeds the tenant runs and is healthy", |bench| {
        Box::pin(ready(bench))
    }),
    must("provision.waits", section::READY, "it does not succeed while the tenant is not healthy", |bench| {
        Box::pin(waits(bench))
    }),
    must(
        "provision.fails-early",
        section::READY,
        "it does not wait for what the platform says has failed",
        |bench| Box::pin(fails_early(bench)),
    ),
    must(
        "provision.address-taken",
        section::PROVISION,
        "an address that somebody else has is a CONFLICT, before anything is made",
        |bench| Box::pin(address_taken(bench)),
    ),
];

async fn idempotent(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let spec = tenant.spec(Variant::First)?;
    let first = tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?;
    let first = succeeded("a provision", first)?;
    tenant.applied = Some(spec.clone());
    let held = tenant.settled().await?;
    for (what, by, restarted) in [
        ("the same provision again", UndoBy::Engine, false),
        ("the same provision again after a restart", UndoBy::Engine, true),
        ("the same provision again, alone", UndoBy::Provider, true),
    ] {
        if restarted {
            tenant.restart();
        }
        let again = succeeded(what, tenant.provision(&tenant.cx(by), &spec).await?)?;
        expect(again.status == ProvisionStatus::Success, || format!("{what} says {:?}", again.status))?;
        expect(again.resource_ids == first.resource_ids, || {
            format!("{what} names {:?}, the first one named {:?}", again.resource_ids, first.resource_ids)
        })?;
        tenant.still_holds(&held, &format!("after {what}")).await?;
    }
    Ok(())
}

async fn address_taken(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::AddressTaken)?;
    let what = "a provision at an address that somebody else has";
    // Undo is not the method's, so that whatever it made is still there.
    let error = failed(what, tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    expect(error.code == ErrorCode::Conflict, || format!("it is not called a conflict: {error}"))?;
    tenant.holds_nothing(what).await
}

async fn atomic(bench: &Bench<'_>) -> Checked {
    bench.undoes_alone()?;
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::Failing)?;
    let cx = tenant.cx(UndoBy::Provider);
    failed("a provision of a spec that fails", tenant.provision(&cx, &spec).await?)?;
    tenant.holds_nothing("a provision that failed").await
}

async fn resource_ids(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::First)?;
    let result = succeeded("a provision", tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    let ids = &result.resource_ids;
    let held = tenant.settled().await?;
    expect(ids.len() >= bench.platform.named(&held), || {
        format!("it made {}, and names {} of them: {ids:?}", listed(&held), ids.len())
    })?;
    expect(ids.iter().all(|(name, id)| !name.is_empty() && !id.is_empty()), || {
        format!("a name or an id is empty: {ids:?}")
    })
}

async fn validates(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::Invalid)?;
    // Undo is not the method's, so that whatever it made is still there.
    let error =
        failed("a provision of an invalid spec", tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    expect(error.kind == ErrorKind::InvalidSpec, || format!("an invalid spec is not called so: {error}"))?;
    let made = tenant.kept.last().filter(|ledger| !ledger.resources.is_empty());
    match made {
        None => tenant.holds_nothing("a provision of an invalid spec").await,
        Some(ledger) => broken(format!("before it was refused it made {:?}", ledger.resources)),
    }
}

async fn conflict(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let held = tenant.settled().await?;
    let changed = tenant.spec(Variant::Changed)?;
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let error = failed("a provision of another spec", tenant.provision(&tenant.cx(by), &changed).await?)?;
        expect(error.code == ErrorCode::Conflict, || format!("another spec is not a conflict: {error}"))?;
        expect(error.message.contains("update"), || format!("it does not point at update: {error}"))?;
        tenant.still_holds(&held, "after a conflict").await?;
    }
    tenant.is_well("a conflict").await
}

async fn ready(bench: &Bench<'_>) -> Checked {
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let tenant = bench.tenant();
        let spec = tenant.spec(Variant::First)?;
        let result = succeeded("a provision", tenant.provision(&tenant.cx(by), &spec).await?)?;
        expect(result.status == ProvisionStatus::Success, || format!("it says {:?}", result.status))?;
        tenant.is_well("a provision").await?;
    }
    Ok(())
}

async fn fails_early(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::Failing)?;
    let (cx, within) = (tenant.cx(UndoBy::Engine), bench.limits.prompt);
    match tokio::time::timeout(within, tenant.provision(&cx, &spec)).await {
        Err(_) => broken(format!("{within:?} after the platform said that it failed, it still waits")),
        Ok(answer) => failed("a provision of a spec that fails", answer?).map(drop),
    }
}

async fn waits(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::Unhealthy)?;
    let cx = tenant.cx(UndoBy::Engine);
    let call = tenant.provision(&cx, &spec);
    match tokio::time::timeout(bench.limits.soon, call).await {
        Err(_) => Ok(()),
        Ok(answer) => match answer? {
            Ok(result) => broken(format!("it says {:?} of a tenant that is not healthy", result.status)),
            // That early it cannot have been patient, but it did not claim that it is ready.
            Err(_) => Ok(()),
        },
    }
}
