//! What a tenant's platform says of it now.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use jiff::Timestamp;
use landlord_api::{
    Code, LogDocument, PlanDocument, PlannedAction, PlannedAnswer, PlannedChange, PlannedEffect,
    PlannedObject, Source, StatusDocument,
};
use landlord_compute::clock::SystemClock;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::planner::Subject;
use landlord_compute::provider::{self, Context, LogLine, LogQuery, LogRun, Provider, STATUS_WITHIN};
use landlord_compute::{ProviderError, Record, Tenant};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::access::Access;
use crate::asked::{Asked, Named, SpecBody};
use crate::refused::Refused;
use crate::served::Served;
use crate::tenants::{living, view};
use crate::verdict::{checked, fields_not_enforced, of};

/// Asks the platform how a tenant is now.
pub(crate) async fn status(
    State(served): State<Served>,
    Named(id): Named<TenantId>,
) -> Result<Json<StatusDocument>, Refused> {
    let tenant = living(&served, &id).await?;
    let provider = provider_of(&served, &tenant)?;
    let cx = asking(&served, &tenant);
    let status = tokio::time::timeout(STATUS_WITHIN, provider.get_status(&cx, &id))
        .await
        .unwrap_or_else(|_elapsed| Err(ProviderError::status_timeout(&id)))?;
    let tenant = view(&served, &tenant).await?;
    Ok(Json(StatusDocument { status, tenant, engine: served.attendance().await }))
}

/// Says what an update to a spec would change, without changing anything.
pub(crate) async fn plan(
    State(served): State<Served>,
    Named(id): Named<TenantId>,
    SpecBody(draft): SpecBody,
) -> Result<Json<PlanDocument>, Refused> {
    let spec = checked(&served, of(&id, draft)).await?;
    let provider = served.provider(spec.provider())?;
    let not_enforced = fields_not_enforced(&**provider, &spec);
    let tenant = match served.reads().load(&id).await? {
        Record::Live(tenant) => tenant,
        Record::Absent(_) | Record::Gone(_) => {
            let (changes, corrections, objects) = (Vec::new(), Vec::new(), Vec::new());
            return Ok(Json(PlanDocument {
                tenant_id: id,
                creates: true,
                changes,
                corrections,
                objects,
                not_enforced,
            }));
        }
    };
    let cx = asking(&served, &tenant).running(tenant.applied());
    let plan = provider::plan(&**provider, &cx, &id, &spec).await?;
    let not_enforced = not_enforced.into_iter().chain(plan.not_enforced).collect();
    let changes = plan.changes.into_iter().map(|planned| PlannedChange {
        change: planned.change,
        effect: match planned.effect {
            provider::PlannedEffect::InPlace => PlannedEffect::InPlace,
            provider::PlannedEffect::Replace => PlannedEffect::Replace,
            provider::PlannedEffect::StopFirst => PlannedEffect::StopFirst,
        },
    });
    Ok(Json(PlanDocument {
        tenant_id: id,
        creates: false,
        changes: changes.collect(),
        corrections: plan.corrections,
        objects: plan.objects.into_iter().map(planned).collect(),
        not_enforced,
    }))
}

fn planned(object: provider::PlannedObject) -> PlannedObject {
    let provider::PlannedObject { object, action, fields, answer } = object;
    let action = match action {
        provider::PlannedAction::Create => PlannedAction::Create,
        provider::PlannedAction::Change => PlannedAction::Change,
        provider::PlannedAction::Replace => PlannedAction::Replace,
        provider::PlannedAction::Delete => PlannedAction::Delete,
    };
    let (answer, words) = match answer {
        provider::PlannedAnswer::Accepted => (PlannedAnswer::Accepted, None),
        provider::PlannedAnswer::Refused(words) => (PlannedAnswer::Refused, Some(words)),
        provider::PlannedAnswer::NotAsked(why) => (PlannedAnswer::NotAsked, Some(why)),
    };
    PlannedObject { object, action, fields, answer, words }
}

/// Which lines of a tenant's logs are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogsQuery {
    /// Only those of this container.
    container: Option<String>,
    /// Only those from then on.
    since: Option<Timestamp>,
    /// Whether to go on with what is written from now on.
    #[serde(default)]
    follow: bool,
    /// Only those of the run of each container before the current one, where its provider tells runs apart. Nothing follows on them.
    #[serde(default)]
    previous: bool,
}

/// What a tenant's containers print, as JSON Lines. Where that breaks off, the last line is `{"problem": …}`.
pub(crate) async fn logs(
    State(served): State<Served>,
    access: Access,
    Named(id): Named<TenantId>,
    Asked(query): Asked<LogsQuery>,
) -> Result<Response, Refused> {
    let run = match (query.previous, query.follow) {
        (true, true) => {
            let detail = "previous and follow: a run that has ended writes nothing more; ask for one of them";
            return Err(Refused::new(Code::InvalidRequest, detail));
        }
        (true, false) => LogRun::Previous,
        (false, _) => LogRun::All,
    };
    let tenant = living(&served, &id).await?;
    let provider = provider_of(&served, &tenant)?;
    let cx = asking(&served, &tenant);
    let mut wanted = LogQuery::default();
    (wanted.container, wanted.since, wanted.follow) = (query.container, query.since, query.follow);
    wanted.run = run;
    let Some(lines) = provider.logs(&cx, &id, &wanted).await? else {
        let provider = &tenant.provider;
        let detail = match run {
            LogRun::All => format!(
                "provider {provider}, which runs tenant {id}, does not keep logs; ask the platform for them"
            ),
            LogRun::Previous => format!(
                "provider {provider}, which runs tenant {id}, does not tell the runs of a container apart; ask without previous"
            ),
        };
        return Err(Refused::new(Code::NotSupported, detail));
    };
    let lines = lines.take_until(access.revoked());
    let lines = lines.map(|line| Ok::<Bytes, std::convert::Infallible>(json_line(line)));
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines)).into_response())
}

fn json_line(line: Result<LogLine, ProviderError>) -> Bytes {
    let document = match line {
        Ok(line) => serde_json::to_vec(&LogDocument {
            at: line.at,
            container: line.container,
            source: match line.source {
                provider::Source::Stdout => Source::Stdout,
                provider::Source::Stderr => Source::Stderr,
            },
            text: line.text,
        }),
        Err(error) => serde_json::to_vec(&json!({ "problem": Refused::from(error).problem() })),
    };
    // Texts, numbers and names are always JSON.
    let mut line = document.unwrap_or_default();
    line.push(b'\n');
    line.into()
}

fn provider_of<'s>(served: &'s Served, tenant: &Tenant) -> Result<&'s Arc<dyn Provider>, Refused> {
    served.provider(&tenant.provider).map_err(|_| {
        let (tenant, provider) = (&tenant.id, &tenant.provider);
        let detail =
            format!("tenant {tenant} is run by provider {provider}, which this program does not have");
        Refused::new(Code::NotSupported, detail)
    })
}

/// What a provider needs to know to be asked about a tenant, beside any operation.
fn asking(served: &Served, tenant: &Tenant) -> Context {
    let subject = Subject {
        engine: Arc::clone(served.store_name()),
        provider: tenant.provider.clone(),
        tenant: tenant.id.clone(),
        incarnation: tenant.incarnation,
    };
    Context::alone(subject, Arc::new(SystemClock)).with_ledger(tenant.ledger.clone())
}
