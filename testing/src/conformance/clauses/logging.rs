//! Logging.

use landlord_state_machines::error::{ProviderError, Remedy};
use tracing::Level;

use super::{Clause, section, should};
use crate::conformance::bench::{Bench, Tenant, failed, succeeded};
use crate::conformance::log::Line;
use crate::conformance::{Checked, Harm, Stop, Unable, Variant, broken, expect};
use landlord_compute::provider::UndoBy;

pub(super) const CLAUSES: &[Clause] = &[
    should("logging.success", section::LOGGING, "what succeeds is logged at INFO", |bench| {
        Box::pin(success(bench))
    }),
    should("logging.retryable", section::LOGGING, "what may work later is logged at WARN", |bench| {
        Box::pin(retryable(bench))
    }),
    should("logging.fatal", section::LOGGING, "what never will is logged at ERROR", |bench| {
        Box::pin(fatal(bench))
    }),
    should("logging.tenant", section::LOGGING, "each entry says which tenant it is about", |bench| {
        Box::pin(names_tenant(bench))
    }),
];

/// What is logged of the tenant while `call` runs.
async fn during<T>(
    bench: &Bench<'_>,
    tenant: &Tenant<'_>,
    call: impl Future<Output = Result<T, Stop>>,
) -> Result<(T, Vec<Line>), Stop> {
    let before = bench.lines().len();
    let done = call.await?;
    let ours = |line: &Line| line.text.contains(tenant.id().as_str());
    Ok((done, bench.lines().into_iter().skip(before).filter(ours).collect()))
}

fn logged(lines: &[Line], level: Level, what: &str) -> Checked {
    let levels: Vec<Level> = lines.iter().map(|line| line.level).collect();
    expect(levels.contains(&level), || format!("{what} is not logged at {level}, but at {levels:?}"))
}

async fn success(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let (first, changed) = (tenant.spec(Variant::First)?, tenant.spec(Variant::Changed)?);
    let cx = tenant.cx(UndoBy::Engine);
    let (answer, lines) = during(bench, &tenant, tenant.provision(&cx, &first)).await?;
    succeeded("a provision", answer)?;
    logged(&lines, Level::INFO, "a provision")?;
    let mut cx = tenant.cx(UndoBy::Engine);
    cx.applied = Some(first);
    let (answer, lines) = during(bench, &tenant, tenant.update(&cx, &changed)).await?;
    succeeded("an update", answer)?;
    logged(&lines, Level::INFO, "an update")?;
    let cx = tenant.cx(UndoBy::Engine);
    let (answer, lines) = during(bench, &tenant, tenant.destroy(&cx)).await?;
    succeeded("a destroy", answer)?;
    logged(&lines, Level::INFO, "a destroy")
}

/// A provision that fails and says that it may work later.
async fn fails_for_now(
    bench: &Bench<'_>,
    tenant: &Tenant<'_>,
) -> Result<Option<(ProviderError, Vec<Line>)>, Stop> {
    let refused = tenant.harm(Harm::Outage).await.is_ok();
    let variant = if refused { Variant::First } else { Variant::Failing };
    let spec = tenant.spec(variant)?;
    let cx = tenant.cx(UndoBy::Engine);
    let (answer, lines) = during(bench, tenant, tenant.provision(&cx, &spec)).await?;
    let error = failed("a provision that fails", answer)?;
    Ok((error.remedy == Remedy::Retry).then_some((error, lines)))
}

async fn retryable(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    match fails_for_now(bench, &tenant).await? {
        Some((error, lines)) => logged(&lines, Level::WARN, &error.to_string()),
        None => Err(Unable::new("none of its failures may work later").into()),
    }
}

async fn fatal(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let changed = tenant.spec(Variant::Changed)?;
    let cx = tenant.cx(UndoBy::Engine);
    let (answer, lines) = during(bench, &tenant, tenant.provision(&cx, &changed)).await?;
    let error = failed("a provision of another spec", answer)?;
    match error.remedy {
        Remedy::Permanent | Remedy::NeedsPerson => logged(&lines, Level::ERROR, &error.to_string()),
        Remedy::Retry => Err(Unable::new("none of its failures is for good").into()),
    }
}

async fn names_tenant(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let changed = tenant.spec(Variant::Changed)?;
    succeeded("an update", tenant.update(&tenant.cx(UndoBy::Engine), &changed).await?)?;
    succeeded("a destroy", tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    let lines = bench.lines();
    if lines.is_empty() {
        return Err(Unable::new("it logs nothing").into());
    }
    let nameless = lines.iter().find(|line| line.level <= Level::INFO && !line.names_tenant);
    match nameless {
        None => Ok(()),
        Some(line) => broken(format!("without tenant_id:{}", line.text)),
    }
}
