//! Tenants, as they are recorded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use landlord_api::{
    LabelSelector, OperationDocument, TenantDocument, TenantView, TenantsDocument, containers, labels, spec,
};
use landlord_compute::machines::id::{OperationId, ProviderName, TenantId};
use landlord_compute::machines::members::{Shard, View};
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent, Past, StateName, explain};
use landlord_compute::store::{Position, Scope, TenantFilter};
use landlord_compute::{Record, Tenant};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::Access;
use crate::asked::{Asked, Named};
use crate::events::walk;
use crate::operations::{document, message};
use crate::refused::Refused;
use crate::served::Served;

/// How many of a tenant's latest events are told.
const LATEST: usize = 10;
/// How many tenants are listed at a time.
const LISTED: usize = 500;

/// How often the store is asked for one page.
const LOOKS: usize = 8;

/// Which tenants are listed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Only those in this state.
    state: Option<StateName>,
    /// Only those of this provider.
    provider: Option<ProviderName>,
    /// Only those of this health, as it was last seen.
    health: Option<Health>,
    /// Only those whose id begins with this.
    #[serde(default)]
    #[schemars(length(max = 63))]
    prefix: String,
    /// Only those whose labels fulfil this: `team=blue,tier!=free,canary`.
    label: Option<LabelSelector>,
    /// Only those after this one, as `next` of the page before says.
    after: Option<TenantId>,
    /// How many, at most 500.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
}

impl ListQuery {
    /// Whether a tenant passes what the store does not look at.
    fn wants(&self, tenant: &Tenant) -> bool {
        self.label.as_ref().is_none_or(|wanted| match labels(tenant) {
            Some(labels) => wanted.wants(labels),
            None => wanted.wants(&BTreeMap::new()),
        })
    }
}

/// The living tenants, page by page. A page ends when it is full or after a bounded amount of work.
pub(crate) async fn list(
    State(served): State<Served>,
    access: Access,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<TenantsDocument>, Refused> {
    // What it may not know of is not read.
    let beginning = access.beginning();
    let prefix = if beginning.starts_with(&query.prefix) { beginning } else { &query.prefix };
    let filter = TenantFilter {
        state: query.state,
        provider: query.provider.clone(),
        health: query.health,
        prefix: prefix.to_owned(),
    };
    // A tenant of a provider that is not here is listed all the same; a filter by such a name may be a typo.
    if let Some(name) = &filter.provider {
        served.provider(name)?;
    }
    let limit = query.limit.unwrap_or(LISTED).clamp(1, LISTED);
    // Of what only this side can judge, few may pass.
    let at_a_time = if query.label.is_some() || !access.sees_all() { LISTED } else { limit };
    let (mut tenants, mut after, mut looks) = (Vec::new(), query.after.clone(), 0);
    let next = 'pages: loop {
        let page = served.reads().list(&filter, after, at_a_time).await?;
        for tenant in page.items.iter().filter(|tenant| access.sees(&tenant.id) && query.wants(tenant)) {
            if tenants.len() == limit {
                break 'pages tenants.last().map(|last: &TenantView| last.tenant_id.clone());
            }
            tenants.push(view(&served, tenant).await?);
        }
        looks += 1;
        match page.next {
            Some(next) if tenants.len() < limit && looks < LOOKS => after = Some(next),
            next => break next,
        }
    };
    let owners = owners(&served).await?;
    for tenant in &mut tenants {
        tenant.owner = owners.of(&tenant.tenant_id);
    }
    Ok(Json(TenantsDocument { tenants, engine: served.attendance().await, next }))
}

/// All that is known of a tenant.
pub(crate) async fn tenant(
    State(served): State<Served>,
    Named(id): Named<TenantId>,
) -> Result<Json<TenantDocument>, Refused> {
    let tenant = living(&served, &id).await?;
    let latest = latest(&served, &id).await?;
    let mut view = view(&served, &tenant).await?;
    view.owner = owners(&served).await?.of(&id);
    let operations = operations(&served, &view, &latest.events).await?;
    let limits = served.provider(&tenant.provider).map(|provider| provider.capabilities().not_enforced);
    let engine = served.attendance().await;
    Ok(Json(TenantDocument {
        spec: spec(&tenant),
        containers: containers(&tenant),
        not_enforced: limits.unwrap_or_default().into_iter().map(str::to_owned).collect(),
        explanation: explain(&Record::Live(tenant), &latest.past, served.attention().await),
        engine,
        operations,
        events: latest.events.into(),
        cursor: served.cursor(latest.position),
        message: latest.message,
        tenant: view,
    }))
}

/// The tenant as it is recorded, if it lives; else why it does not.
pub(crate) async fn living(served: &Served, id: &TenantId) -> Result<Arc<Tenant>, Refused> {
    let record = served.reads().load(id).await?;
    let (refused, past) = match &record {
        Record::Live(tenant) => return Ok(Arc::clone(tenant)),
        Record::Absent(id) => (Refused::no_tenant(id), Past::default()),
        Record::Gone(tombstone) => {
            let latest = latest(served, &tombstone.id).await?;
            let left = match latest.last().map(|event| &event.what) {
                Some(EventKind::Abandoned { left, .. }) => left.clone(),
                Some(_) | None => Vec::new(),
            };
            (Refused::gone(tombstone, left), latest.past)
        }
    };
    Err(refused.explained(explain(&record, &past, served.attention().await)))
}

/// A tenant's record, and what its last failed operation was.
pub(crate) async fn view(served: &Served, tenant: &Tenant) -> Result<TenantView, Refused> {
    let mut view = TenantView::from(tenant);
    if let Some(failure) = &mut view.last_failure {
        failure.kind = served.reads().operation(failure.operation).await?.map(|operation| operation.kind);
    }
    Ok(view)
}

/// Who has which tenants, where several engines share the store.
struct Owners(View);

impl Owners {
    fn of(&self, tenant: &TenantId) -> Option<u64> {
        let shard = Shard::of(tenant);
        self.0.engines.iter().find(|(_, member)| member.shards.has(shard)).map(|(engine, _)| engine.0)
    }
}

async fn owners(served: &Served) -> Result<Owners, Refused> {
    let sharing = match served.any_engine() {
        Some(engine) => engine.sharing().await?,
        None => None,
    };
    Ok(Owners(sharing.unwrap_or_default()))
}

/// The end of a tenant's history.
struct Latest {
    events: VecDeque<Arc<LifecycleEvent>>,
    /// Where the last one stands.
    position: Position,
    /// What the provider said when it last succeeded.
    message: Option<String>,
    /// What all of its events tell.
    past: Past,
}

impl Latest {
    fn last(&self) -> Option<&LifecycleEvent> {
        self.events.back().map(|event| &**event)
    }
}

async fn latest(served: &Served, id: &TenantId) -> Result<Latest, Refused> {
    let scope = Scope::Tenant(id.clone());
    let (mut events, mut said, mut past) = (VecDeque::new(), None, Past::default());
    let position = walk(served, &scope, |_, event| {
        past.note(&event);
        if matches!(event.what, EventKind::Succeeded { .. }) {
            said = message(&event).map(str::to_owned);
        }
        events.push_back(event);
        events.drain(..events.len().saturating_sub(LATEST));
    })
    .await?;
    Ok(Latest { events, position, message: said, past })
}

/// The operations that the events and the record name, oldest first.
async fn operations(
    served: &Served,
    view: &TenantView,
    events: &VecDeque<Arc<LifecycleEvent>>,
) -> Result<Vec<OperationDocument>, Refused> {
    let mut ids: BTreeSet<OperationId> = events.iter().filter_map(|event| event.operation).collect();
    ids.extend(events.iter().flat_map(|event| &event.settled).map(|settlement| settlement.operation));
    ids.extend(view.operation.as_ref().map(|operation| operation.id));
    ids.extend(view.next.as_ref().map(|next| next.id));
    ids.extend(view.last_failure.as_ref().map(|failure| failure.operation));
    let mut operations = Vec::new();
    for id in ids {
        operations.extend(served.reads().operation(id).await?.map(document));
    }
    operations.sort_by_key(|operation| operation.accepted_at);
    Ok(operations)
}
