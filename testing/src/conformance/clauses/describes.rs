//! What a provider says of itself, and of its own accord.

use futures_util::StreamExt;
use landlord_state_machines::observation::Seen;
use serde_json::Value;
use tokio::time::timeout;

use super::update::unlisted;
use super::{Clause, must, section};
use crate::conformance::bench::{Bench, succeeded};
use crate::conformance::{Checked, Harm, Unable, Variant, broken, expect};
use landlord_compute::provider::{PlannedChange, UndoBy};
use std::sync::Arc;

pub(super) const CLAUSES: &[Clause] = &[
    must(
        "describes.schema",
        section::SCHEMA,
        "config_schema is JSON Schema 2020-12, config_defaults fit it",
        |bench| Box::pin(schema(bench)),
    ),
    must(
        "describes.capabilities",
        section::CAPABILITIES,
        "capabilities leave room for a call, and give their reasons",
        |bench| Box::pin(capabilities(bench)),
    ),
    must(
        "describes.plan",
        section::PLAN,
        "plan lists what an update would change, and changes nothing",
        |bench| Box::pin(plan(bench)),
    ),
    must("describes.observe", section::OBSERVE, "what it observes tells of a crash, and whose", |bench| {
        Box::pin(observe(bench))
    }),
];

async fn schema(bench: &Bench<'_>) -> Checked {
    const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
    let tenant = bench.tenant();
    let (schema, defaults) = (tenant.provider.config_schema(), tenant.provider.config_defaults());
    expect(schema["$schema"] == DRAFT, || format!("its $schema is {}, not {DRAFT:?}", schema["$schema"]))?;
    expect(schema["type"] == "object", || format!("it describes {}, not an object", schema["type"]))?;
    let Value::Object(fields) = &defaults else {
        return broken(format!("config_defaults is no object: {defaults}"));
    };
    let described = |name: &String| schema["properties"].get(name.as_str()).is_some();
    let unknown = fields.keys().find(|name| !described(name));
    expect(unknown.is_none(), || {
        format!("config_defaults has {unknown:?}, which the schema does not describe")
    })?;
    let spec = tenant.spec_with(Variant::First, |spec| spec.provider_config = Some(defaults.clone()))?;
    succeeded("validate of a spec with config_defaults", tenant.validate(&spec).await?)
}

async fn capabilities(bench: &Bench<'_>) -> Checked {
    let capabilities = bench.platform.provider().capabilities();
    expect(capabilities.max_concurrent_calls > 0, || "it takes no calls at all".to_owned())?;
    expect(!capabilities.call_timeout.is_zero(), || "its calls have no time".to_owned())?;
    let reasonless = capabilities.not_enforced.iter().find(|limit| {
        !limit.split_once(':').is_some_and(|(limit, why)| !limit.trim().is_empty() && !why.trim().is_empty())
    });
    expect(reasonless.is_none(), || format!("it does not say why it does not enforce {reasonless:?}"))
}

async fn plan(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let (first, changed) = (tenant.spec(Variant::First)?, tenant.spec(Variant::Changed)?);
    let before = tenant.settled().await?;
    let cx = tenant.cx(UndoBy::Engine);
    let planned = succeeded("plan", tenant.plan(&cx, &changed).await?)?;
    let nothing = succeeded("plan", tenant.plan(&cx, &first).await?)?;
    tenant.still_holds(&before, "after a plan").await?;
    expect(nothing.is_empty(), || format!("for the spec that runs it plans {nothing:?}"))?;
    if planned.is_empty() {
        return Err(Unable::new("it does not plan").into());
    }
    let made = landlord_state_machines::spec::changes(&first, &changed);
    let planned: Vec<String> = planned.changes.iter().map(PlannedChange::to_string).collect();
    unlisted(&made, &planned)
}

async fn observe(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    tenant.start(Variant::First).await?;
    let Some(mut stream) = tenant.provider.observe(&tenant.subject.engine, Arc::new(bench.clock)) else {
        return Err(Unable::new("it observes nothing by itself; the engine asks get_status").into());
    };
    tenant.harm(Harm::Crash).await?;
    let crash = async {
        loop {
            match stream.next().await {
                None => return broken("its observations ended"),
                Some(seen) if seen.tenant != *tenant.id() => {
                    return broken(format!("it tells of {}, who is not the engine's tenant", seen.tenant));
                }
                Some(seen) => match seen.seen {
                    Seen::Broken(_) => return Ok(()),
                    Seen::Healthy | Seen::Unhealthy(_) | Seen::Unclear => {}
                },
            }
        }
    };
    match timeout(bench.limits.prompt, crash).await {
        Ok(told) => told,
        Err(_) => broken(format!("it tells nothing of a crash within {:?}", bench.limits.prompt)),
    }
}
