//! Values of secrets and of the environment show nowhere.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::StreamExt;
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::spec::{Spec, TenantComputeSpec};
use serde::Serialize;
use tokio::time::timeout;

use super::name::engine;
use super::{Clause, must, section};
use crate::conformance::bench::{Answer, Bench, Tenant, failed, succeeded};
use crate::conformance::{Checked, Harm, Stop, Unable, Variant, broken, expect};
use landlord_compute::provider::UndoBy;
use landlord_compute::store::{Position, Scope};
use landlord_compute::{CommandError, Delivery, OperationHandle, Options};

pub(super) const CLAUSES: &[Clause] = &[
    must("secrets.results", section::SECRETS, "no result, status, plan or list shows a secret", |bench| {
        Box::pin(results(bench))
    }),
    must(
        "secrets.errors",
        section::SECRETS,
        "no error shows a secret, nor its cause, nor its Debug",
        |bench| Box::pin(errors(bench)),
    ),
    must("secrets.ledger", section::SECRETS, "no ledger keeps a secret", |bench| Box::pin(ledgers(bench))),
    must("secrets.observations", section::SECRETS, "no observation shows a secret", |bench| {
        Box::pin(observations(bench))
    }),
    must("secrets.events", section::SECRETS, "no event of an engine shows a secret", |bench| {
        Box::pin(events(bench))
    }),
    must("secrets.logs", section::SECRETS, "no log shows a secret, at any level", |bench| {
        Box::pin(logs(bench))
    }),
];

/// The variable that carries a secret value in every container.
const VARIABLE: &str = "LL_CONFORMANCE_SECRET";

/// How much of what led to a secret is shown.
const LED_TO_IT: usize = 120;

/// Values that must show nowhere.
struct Hidden {
    values: Vec<String>,
}

impl Hidden {
    /// A value for an environment, and the platform's own secret where it has one.
    fn on(bench: &Bench<'_>) -> Self {
        let value = format!("sentinel{:032x}", fastrand::u128(..));
        Self { values: [value].into_iter().chain(bench.platform.secret()).collect() }
    }

    /// The spec with the value in the environment of each container. `plain` stands in for `secret` on a platform
    /// that has no secrets.
    fn spec(&self, tenant: &Tenant<'_>, secret: Variant, plain: Variant) -> Result<Spec, Stop> {
        let with_value = |spec: &mut TenantComputeSpec| {
            for container in &mut spec.containers {
                container.env.insert(VARIABLE.to_owned(), self.values[0].clone());
            }
        };
        match tenant.spec(secret) {
            Ok(_) => tenant.spec_with(secret, with_value),
            Err(Stop::NotApplicable(_)) => tenant.spec_with(plain, with_value),
            Err(stop @ Stop::Broken(_)) => Err(stop),
        }
    }

    fn text(&self, what: &str, text: &str) -> Checked {
        let shown = self.values.iter().find_map(|value| text.split_once(value.as_str()));
        match shown {
            None => Ok(()),
            // The value itself would now be in a report. What led to it helps to find it.
            Some((before, _)) => {
                let from = before.char_indices().rev().nth(LED_TO_IT).map_or(0, |(at, _)| at);
                broken(format!("{what} shows a secret, after: {}", &before[from..]))
            }
        }
    }

    fn all_of<T: Debug + Serialize>(&self, what: &str, shown: &T) -> Checked {
        self.text(what, &format!("{shown:?}"))?;
        self.text(what, &serde_json::to_string(shown).unwrap_or_default())
    }

    fn error(&self, what: &str, error: &ProviderError) -> Checked {
        self.all_of(what, error)?;
        self.text(what, &error.to_string())?;
        let mut cause = error.source();
        while let Some(next) = cause {
            self.text(&format!("the cause of {what}"), &format!("{next} {next:?}"))?;
            cause = next.source();
        }
        Ok(())
    }

    fn answer<T: Debug + Serialize>(&self, what: &str, answer: Answer<T>) -> Checked {
        let shown = succeeded(what, answer)?;
        self.all_of(what, &shown)
    }
}

async fn results(bench: &Bench<'_>) -> Checked {
    let (old, new) = (Hidden::on(bench), Hidden::on(bench));
    let hides = |what: &str, answer| old.answer(what, answer);
    let mut tenant = bench.tenant();
    let spec = old.spec(&tenant, Variant::Secret, Variant::First)?;
    hides("the result of provision", tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    tenant.applied = Some(spec);
    let status = tenant.status().await?;
    old.answer("the status", status)?;
    let owned = tenant.owned().await?;
    old.answer("list_tenants", owned)?;
    let changed = new.spec(&tenant, Variant::Secret, Variant::First)?;
    let cx = tenant.cx(UndoBy::Engine);
    let planned = succeeded("plan", tenant.plan(&cx, &changed).await?)?;
    let updated = succeeded("an update", tenant.update(&cx, &changed).await?)?;
    for hidden in [&old, &new] {
        hidden.all_of("plan", &planned)?;
        hidden.all_of("the result of update", &updated)?;
    }
    Ok(())
}

async fn errors(bench: &Bench<'_>) -> Checked {
    let hidden = Hidden::on(bench);
    for by in [UndoBy::Engine, UndoBy::Provider] {
        let mut tenant = bench.tenant();
        let failing = hidden.spec(&tenant, Variant::SecretFailing, Variant::Failing);
        if let Ok(failing) = &failing {
            let answer = tenant.provision(&tenant.cx(by), failing).await?;
            hidden.error("the error of a provision", &failed("a provision that fails", answer)?)?;
            tenant.reborn();
        }
        tenant.start(Variant::First).await?;
        if let Ok(failing) = &failing {
            let answer = tenant.update(&tenant.cx(by), failing).await?;
            hidden.error("the error of an update", &failed("an update that fails", answer)?)?;
        }
        let other = hidden.spec(&tenant, Variant::Secret, Variant::Changed)?;
        // That there is one is another clause.
        if let Err(conflict) = tenant.provision(&tenant.cx(by), &other).await? {
            hidden.error("a conflict", &conflict)?;
        }
        if let Ok(invalid) = hidden.spec(&tenant, Variant::Invalid, Variant::Invalid) {
            let answer = tenant.validate(&invalid).await?;
            hidden.error("the error of validate", &failed("validate of an invalid spec", answer)?)?;
        }
    }
    Ok(())
}

/// A tenant runs with a secret, and, where the platform can fail one with a secret, an update of it fails.
async fn runs_and_fails(hidden: &Hidden, tenant: &mut Tenant<'_>, undo: UndoBy) -> Checked {
    let spec = hidden.spec(tenant, Variant::Secret, Variant::First)?;
    succeeded("a provision", tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    tenant.applied = Some(spec);
    if let Ok(failing) = hidden.spec(tenant, Variant::SecretFailing, Variant::Failing) {
        let answer = tenant.update(&tenant.cx(undo), &failing).await?;
        failed("an update that fails", answer)?;
    }
    Ok(())
}

async fn ledgers(bench: &Bench<'_>) -> Checked {
    let hidden = Hidden::on(bench);
    let mut tenant = bench.tenant();
    runs_and_fails(&hidden, &mut tenant, UndoBy::Engine).await?;
    let ledgers = tenant.kept.all();
    if ledgers.is_empty() {
        return Err(Unable::new("it keeps no ledger").into());
    }
    ledgers.iter().try_for_each(|ledger| hidden.all_of("a ledger", ledger))
}

async fn observations(bench: &Bench<'_>) -> Checked {
    let hidden = Hidden::on(bench);
    let tenant = bench.tenant();
    let spec = hidden.spec(&tenant, Variant::Secret, Variant::First)?;
    succeeded("a provision", tenant.provision(&tenant.cx(UndoBy::Engine), &spec).await?)?;
    let Some(mut stream) = tenant.provider.observe(&tenant.subject.engine, Arc::new(bench.clock)) else {
        return Err(Unable::new("it observes nothing by itself").into());
    };
    tenant.harm(Harm::Crash).await?;
    // Whether it tells of the crash is another clause.
    match timeout(bench.limits.prompt, stream.next()).await {
        Ok(Some(observation)) => hidden.all_of("an observation", &observation),
        Ok(None) | Err(_) => Err(Unable::new("it observed nothing").into()),
    }
}

async fn events(bench: &Bench<'_>) -> Checked {
    let hidden = Hidden::on(bench);
    let tenant = bench.tenant();
    let started = engine(bench).provider(Arc::clone(&tenant.provider)).start().await;
    let engine = started.or_else(|error| broken(format!("an engine does not start with it: {error}")))?;
    let handle = engine.tenant(tenant.id().clone());
    let body = |spec: Spec| TenantComputeSpec::clone(&spec);
    // Whether it is accepted, and how it settles, are other clauses.
    let settled = async |accepted: Result<OperationHandle, CommandError>| {
        if let Ok(operation) = accepted {
            let _ = timeout(bench.limits.call, operation).await;
        }
    };
    let first = hidden.spec(&tenant, Variant::Secret, Variant::First)?;
    settled(handle.provision(body(first), Options::default()).await).await;
    if let Ok(failing) = hidden.spec(&tenant, Variant::SecretFailing, Variant::Failing) {
        settled(handle.update(body(failing), Options::default()).await).await;
    }
    settled(handle.destroy(Options::default()).await).await;
    let head = engine.head();
    let mut stream = Box::pin(engine.subscribe(Position(0), Scope::Tenant(tenant.id().clone())));
    let mut seen = 0;
    loop {
        match timeout(bench.limits.prompt, stream.next()).await {
            Ok(Some(Ok(Delivery::Event { cursor, event }))) => {
                seen += 1;
                hidden.all_of("an event", &*event)?;
                if cursor >= head {
                    break;
                }
            }
            Ok(other) => return broken(format!("the engine's events end with {other:?}")),
            Err(_) => break,
        }
    }
    expect(seen > 0, || "the engine tells no events".to_owned())
}

async fn logs(bench: &Bench<'_>) -> Checked {
    let hidden = Hidden::on(bench);
    let mut tenant = bench.tenant();
    runs_and_fails(&hidden, &mut tenant, UndoBy::Provider).await?;
    succeeded("a destroy", tenant.destroy(&tenant.cx(UndoBy::Engine)).await?)?;
    let lines = bench.lines();
    if lines.is_empty() {
        return Err(Unable::new("it logs nothing").into());
    }
    lines.iter().try_for_each(|line| hidden.text("a log", &line.text))
}
