//! Error handling, and how errors are classified.

use landlord_state_machines::error::{ErrorCode, ErrorKind, Remedy};

use super::{Clause, must, section};
use crate::conformance::bench::{Bench, failed, succeeded};
use crate::conformance::{Checked, Harm, Variant, expect};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "errors.invalid-spec",
        section::ERRORS,
        "a spec that it cannot take is InvalidSpec, for good",
        |bench| Box::pin(invalid_spec(bench)),
    ),
    must("errors.provision-failed", section::ERRORS, "a provision that fails is ProvisionFailed", |bench| {
        Box::pin(provision_failed(bench))
    }),
    must("errors.update-failed", section::ERRORS, "an update that fails is UpdateFailed", |bench| {
        Box::pin(update_failed(bench))
    }),
    must(
        "errors.destroy-failed",
        section::ERRORS,
        "a destroy that fails is DestroyFailed, and works later",
        |bench| Box::pin(destroy_failed(bench)),
    ),
    must(
        "errors.tenant-not-found",
        section::ERRORS,
        "a tenant that is not there is RESOURCE_NOT_FOUND",
        |bench| Box::pin(tenant_not_found(bench)),
    ),
    must("errors.retryable", section::ERRORS, "what may work later is said to be retryable", |bench| {
        Box::pin(retryable(bench))
    }),
    must("errors.platform-words", section::READY, "a failure carries the platform's own words", |bench| {
        Box::pin(platform_words(bench))
    }),
];

async fn invalid_spec(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::Invalid)?;
    let error = failed("validate of an invalid spec", tenant.validate(&spec).await?)?;
    let class = (error.kind, error.code, error.remedy);
    let wanted = (ErrorKind::InvalidSpec, ErrorCode::InvalidConfiguration, Remedy::Permanent);
    expect(class == wanted, || format!("it is {class:?}, not {wanted:?}: {error}"))
}

async fn provision_failed(bench: &Bench<'_>) -> Checked {
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let tenant = bench.tenant();
        let spec = tenant.spec(Variant::Failing)?;
        let error = failed("a provision that fails", tenant.provision(&tenant.cx(by), &spec).await?)?;
        expect(error.kind == ErrorKind::ProvisionFailed, || format!("it is {:?}: {error}", error.kind))?;
        expect(!error.message.is_empty(), || "it does not say what happened".to_owned())?;
    }
    Ok(())
}

async fn update_failed(bench: &Bench<'_>) -> Checked {
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let mut tenant = bench.tenant();
        tenant.start(Variant::First).await?;
        let spec = tenant.spec(Variant::Failing)?;
        let error = failed("an update that fails", tenant.update(&tenant.cx(by), &spec).await?)?;
        expect(error.kind == ErrorKind::UpdateFailed, || format!("it is {:?}: {error}", error.kind))?;
    }
    Ok(())
}

async fn destroy_failed(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    tenant.harm(Harm::Obstruct).await?;
    let refused = tenant.destroy(&tenant.cx(UndoBy::Engine)).await?;
    let error = failed("a destroy that the platform refuses", refused)?;
    expect(error.kind == ErrorKind::DestroyFailed, || format!("it is {:?}: {error}", error.kind))?;
    bench.platform.heal(tenant.id()).await;
    succeeded("the same destroy later", tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    tenant.holds_nothing("a destroy that first failed").await
}

async fn tenant_not_found(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let error = failed("get_status of a tenant that is not there", tenant.status_in_the_end().await?)?;
    let class = (error.code, error.remedy);
    expect(class == (ErrorCode::ResourceNotFound, Remedy::Permanent), || format!("it is {class:?}: {error}"))
}

async fn retryable(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::First)?;
    tenant.harm(Harm::Outage).await?;
    let refused = tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?;
    let error = failed("a provision while the platform refuses everything", refused)?;
    expect(error.remedy == Remedy::Retry, || format!("it is {:?}: {error}", error.remedy))?;
    bench.platform.heal(tenant.id()).await;
    succeeded("the same provision later", tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    tenant.is_well("a provision that first failed").await
}

async fn platform_words(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = tenant.spec(Variant::Failing)?;
    let error = failed("a provision that fails", tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    expect(error.platform.as_ref().is_some_and(|words| !words.is_empty()), || format!("it has none: {error}"))
}
