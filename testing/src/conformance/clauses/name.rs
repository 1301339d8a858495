//! Name().

use std::sync::Arc;

use landlord_state_machines::id::ProviderName;
use landlord_state_machines::spec::TenantComputeSpec;
use landlord_state_machines::tenant::{Backoff, Policy, Settled};

use super::{Clause, must, section};
use crate::conformance::bench::{Bench, Tenant, succeeded};
use crate::conformance::{Checked, Stop, Variant, broken, expect};
use landlord_compute::provider::{RegistryError, UndoBy};
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_compute::{
    CommandError, Engine, EngineBuilder, ObservePolicy, OperationHandle, Options, StartError, TenantHandle,
};

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "name.identifier",
        section::NAME,
        "the name is lowercase and alphanumeric, and the same whenever it is asked for",
        |bench| Box::pin(identifier(bench)),
    ),
    must("name.unique", section::NAME, "a second provider of the same name is not registered", |bench| {
        Box::pin(unique(bench))
    }),
    must(
        "name.provider-type",
        section::NAME,
        "its specs, its results and its name agree on the provider",
        |bench| Box::pin(provider_type(bench)),
    ),
    must(
        "name.engine",
        section::NAME,
        "an engine finds it by the spec's provider_type and runs a tenant on it",
        |bench| Box::pin(engine_runs_it(bench)),
    ),
];

async fn identifier(bench: &Bench<'_>) -> Checked {
    let provider = bench.platform.provider();
    let names = [provider.name(), provider.name(), provider.name()];
    expect(names.iter().all(|name| *name == names[0]), || format!("it changes: {names:?}"))?;
    let name = names[0].as_str();
    expect(ProviderName::new(name).is_ok(), || format!("{name:?} is not lowercase and alphanumeric"))
}

/// An engine over a store in memory.
pub(super) fn engine(bench: &Bench<'_>) -> EngineBuilder {
    let retry = Backoff { first: bench.limits.pause, cap: bench.limits.soon };
    Engine::builder(MemoryStore::new(MemoryOptions::default()))
        .policy(Policy { attempts: 2, retry, ..Policy::default() })
        .observe(ObservePolicy::Off)
        .clock(bench.clock)
}

async fn unique(bench: &Bench<'_>) -> Checked {
    let both = [bench.platform.provider(), bench.platform.provider()];
    let [first, second] = both;
    match engine(bench).provider(first).provider(second).start().await {
        Err(StartError::Registry(RegistryError::ProviderConflict(_))) => Ok(()),
        Err(other) => broken(format!("an engine with two of them says: {other}")),
        Ok(_) => broken("an engine took two of them"),
    }
}

async fn provider_type(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    let name = tenant.provider.name();
    let first = tenant.spec(Variant::First)?;
    expect(*first.provider() == name, || {
        format!("the specs are for {}, the provider's name is {name}", first.provider())
    })?;
    let provisioned = tenant.provision(&tenant.cx(UndoBy::Engine), &first).await?;
    let provisioned = succeeded("a provision", provisioned)?;
    tenant.applied = Some(first);
    let changed = tenant.spec(Variant::Changed)?;
    let updated = succeeded("an update", tenant.update(&tenant.cx(UndoBy::Engine), &changed).await?)?;
    let status = succeeded("get_status", tenant.status().await?)?;
    for (method, tenant_id, provider) in [
        ("provision", &provisioned.tenant_id, &provisioned.provider_type),
        ("update", &updated.tenant_id, &updated.provider_type),
        ("get_status", &status.tenant_id, &status.provider_type),
    ] {
        expect(*provider == name, || format!("the result of {method} names the provider {provider}"))?;
        expect(tenant_id == tenant.id(), || format!("the result of {method} names the tenant {tenant_id}"))?;
    }
    Ok(())
}

async fn engine_runs_it(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let started = engine(bench).provider(Arc::clone(&tenant.provider)).start().await;
    let engine = started.or_else(|error| broken(format!("an engine does not start with it: {error}")))?;
    let lived = live(bench, &tenant, &engine.tenant(tenant.id().clone())).await;
    // What is left of the engine ends with it.
    let _ = engine.shutdown(bench.limits.call).await;
    lived?;
    tenant.holds_nothing("a life under an engine").await
}

/// A life under an engine. The destroy is asked for whatever became of the rest.
async fn live(bench: &Bench<'_>, tenant: &Tenant<'_>, handle: &TenantHandle) -> Checked {
    let body = |variant| -> Result<TenantComputeSpec, Stop> {
        let spec = tenant.spec(variant)?;
        Ok(TenantComputeSpec::clone(&spec))
    };
    let (first, changed) = (body(Variant::First)?, body(Variant::Changed)?);
    let lived = async {
        settle(bench, "provision", handle.provision(first, Options::default()).await).await?;
        settle(bench, "update", handle.update(changed, Options::default()).await).await
    };
    let lived = lived.await;
    let destroyed = settle(bench, "destroy", handle.destroy(Options::default()).await).await;
    lived.and(destroyed)
}

async fn settle(bench: &Bench<'_>, what: &str, accepted: Result<OperationHandle, CommandError>) -> Checked {
    let operation =
        accepted.or_else(|error| broken(format!("{what} under an engine was not accepted: {error}")))?;
    let within = bench.limits.call;
    match tokio::time::timeout(within, operation).await {
        Ok(Ok(Settled::Done)) => Ok(()),
        Ok(Ok(other)) => broken(format!("{what} under an engine: {other}")),
        Ok(Err(error)) => broken(format!("{what} under an engine: {error}")),
        Err(_) => broken(format!("{what} under an engine did not settle within {within:?}")),
    }
}
