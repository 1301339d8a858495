//! `list`: all living tenants, a line each.

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use landlord_api::{Attended, LabelSelector, TenantView, TenantsDocument};
use landlord_client::{Client, ListQuery};
use landlord_compute::machines::id::ProviderName;
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::StateName;
use serde_json::json;

use super::args::Format;
use super::attended::note;
use super::failure::Failure;
use super::place::Place;
use super::screen::{self, Screen};
use super::values;
use super::words;

/// Which tenants are listed, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Listing {
    /// Only those in this state: pending, provisioning, running, updating, destroying.
    #[arg(long, value_parser = values::state_name)]
    pub(crate) state: Option<StateName>,
    /// Only those of this provider.
    #[arg(long, value_parser = ProviderName::new)]
    pub(crate) provider: Option<ProviderName>,
    /// Only those that were last seen like this: healthy, unhealthy, unknown.
    #[arg(long, value_parser = values::health)]
    pub(crate) health: Option<Health>,
    /// Only those whose labels fulfil all of this: team=blue,tier!=free,canary,!legacy.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<LabelSelector>,
    /// The order.
    #[arg(long, value_enum, default_value_t = Sort::Tenant, value_name = "COLUMN")]
    sort: Sort,
    /// Go on with what changes, until Ctrl-C: a list that is kept up to date in a terminal, else a line for each tenant that
    /// changed. A tenant that is gone, or that the filters no longer ask for, is said to be gone.
    #[arg(short, long)]
    pub(crate) watch: bool,
}

/// By what a list is sorted, and by the tenant's name after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    Tenant,
    State,
    /// What is unhealthy first.
    Health,
    Provider,
    /// What settled longest ago first.
    Settled,
}

impl Listing {
    /// What the server is asked for.
    pub(crate) fn query(&self) -> ListQuery {
        let mut query = ListQuery::default();
        (query.state, query.provider) = (self.state, self.provider.clone());
        (query.health, query.label) = (self.health, self.selector.clone());
        query
    }

    /// All that there are, in their order.
    pub(crate) async fn of(&self, look: &Client) -> Result<Listed, Failure> {
        let mut listed = all(look, self.query()).await?;
        let tenants = &mut listed.tenants;
        match self.sort {
            // So they come.
            Sort::Tenant => {}
            Sort::State => tenants.sort_by_key(|view| view.state.as_str()),
            Sort::Health => tenants.sort_by_key(|view| match view.health {
                Health::Unhealthy => 0,
                Health::Unknown => 1,
                Health::Healthy => 2,
            }),
            Sort::Provider => tenants.sort_by(|one, other| one.provider.cmp(&other.provider)),
            Sort::Settled => tenants.sort_by_key(|view| view.settled_at),
        }
        Ok(listed)
    }

    /// What is asked for, as it follows "no tenant".
    fn filters(&self) -> String {
        let filters = [
            self.state.map(|state| format!("is {state}")),
            self.health.map(|health| format!("was last seen {}", words::health(health))),
            self.provider.as_ref().map(|provider| format!("is run by provider {provider}")),
            self.selector.as_ref().map(|labels| format!("has the labels {labels}")),
        ];
        filters.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// All tenants that a filter asks for.
pub(crate) struct Listed {
    pub(crate) tenants: Vec<TenantView>,
    pub(crate) engine: Attended,
}

/// Reads a list, page by page.
pub(crate) async fn all(look: &Client, mut query: ListQuery) -> Result<Listed, Failure> {
    let mut tenants = Vec::new();
    loop {
        let TenantsDocument { tenants: page, engine, next } = look.tenants(&query).await?;
        tenants.extend(page);
        match next {
            Some(next) => query.after = Some(next),
            None => return Ok(Listed { tenants, engine }),
        }
    }
}

/// Lists the living tenants.
pub(crate) async fn list(screen: &Screen, place: &Place, asked: &Listing) -> Result<(), Failure> {
    let listed = asked.of(&place.look().await?).await?;
    let filters = asked.filters();
    let document = json!({ "tenants": listed.tenants, "engine": listed.engine });
    match (listed.tenants.as_slice(), screen.is_for_programs()) {
        // What was asked for with a filter is not there: that is no success, and may be a typo.
        ([], programs) if !filters.is_empty() => {
            if programs {
                screen.show(&document, String::new)?;
            }
            Err(Failure::NoneListed(filters))
        }
        ([], false) if screen.format() == Format::Name => Ok(()),
        ([..], _) => screen.show(&document, || text(&listed, screen.format(), Timestamp::now())),
    }
}

/// A list for people, and how old it is.
pub(crate) fn text(listed: &Listed, format: Format, now: Timestamp) -> String {
    let Listed { tenants, engine } = listed;
    if format == Format::Name {
        return tenants.iter().map(|view| format!("{}\n", view.tenant_id)).collect();
    }
    if tenants.is_empty() {
        return "no tenants; `landlord-compute provision -f FILE` makes one".to_owned();
    }
    let mut text = match format {
        Format::Wide => wide(tenants, engine, now),
        Format::Table | Format::Name | Format::Json | Format::Yaml => table(tenants, engine, now),
    };
    // The column SETTLED says when each tenant was seen last by an operation.
    if let Some(note) = note(engine, now, None) {
        text += "\n";
        text += &screen::hanging("", &note);
        text += &screen::hanging("", "`landlord-compute status TENANT` asks the platform now;");
        text += &screen::hanging("", "`landlord-compute run` keeps looking, and repairs");
    }
    text
}

fn table(views: &[TenantView], attended: &Attended, now: Timestamp) -> String {
    let rows = views.iter().map(|view| row(view, attended, now));
    screen::list_with_remarks(
        ["TENANT", "STATE", "HEALTH", "PROVIDER", "SPEC", "OPERATION", "SETTLED", "REMARK"],
        rows.collect(),
    )
}

/// With where they answer, their labels, and the engine that makes their calls where several share the store.
fn wide(views: &[TenantView], attended: &Attended, now: Timestamp) -> String {
    let rows = views.iter().map(|view| {
        let [tenant, state, health, provider, spec, operation, settled, remark] = row(view, attended, now);
        let answers: Vec<String> =
            view.endpoints.iter().map(|endpoint| words::url(&endpoint.endpoint)).collect();
        let labels: Vec<String> = view.labels.iter().map(label).collect();
        [
            tenant,
            state,
            health,
            provider,
            spec,
            view.revision.to_string(),
            or_none(view.owner.map(|engine| engine.to_string()).unwrap_or_default()),
            operation,
            settled,
            or_none(answers.join(",")),
            or_none(labels.join(",")),
            remark,
        ]
    });
    let head = [
        "TENANT",
        "STATE",
        "HEALTH",
        "PROVIDER",
        "SPEC",
        "REVISION",
        "ENGINE",
        "OPERATION",
        "SETTLED",
        "ANSWERS",
        "LABELS",
        "REMARK",
    ];
    screen::list_with_remarks(head, rows.collect())
}

fn label((name, value): (&String, &String)) -> String {
    if value.is_empty() { name.clone() } else { format!("{name}={value}") }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn row(view: &TenantView, attended: &Attended, now: Timestamp) -> [String; 8] {
    let operation =
        view.operation.as_ref().map(|operation| format!("{}/{}", operation.id, operation.attempt));
    let settled = view.settled_at.map(|at| words::when(now, at));
    [
        view.tenant_id.to_string(),
        view.state.to_string(),
        health(view.health, attended),
        view.provider.to_string(),
        or_none(view.spec.map(|spec| spec.to_string()).unwrap_or_default()),
        or_none(operation.unwrap_or_default()),
        or_none(settled.unwrap_or_default()),
        remark(view, now),
    ]
}

/// Where nobody looks, health is what it was.
fn health(health: Health, attended: &Attended) -> String {
    match (health, attended.now()) {
        (Health::Unknown, _) | (_, true) => words::health(health).to_owned(),
        (Health::Healthy | Health::Unhealthy, false) => format!("was {}", words::health(health)),
    }
}

/// What is special about a tenant, most important first.
pub(crate) fn remark(view: &TenantView, now: Timestamp) -> String {
    let mut remarks = Vec::new();
    if view.paused.is_some() {
        remarks.push("paused".to_owned());
    }
    if view.protected {
        remarks.push("protected".to_owned());
    }
    remarks.extend(view.operation.as_ref().map(|operation| words::operation(operation, now)));
    remarks.extend(view.repair_due.map(|due| format!("repair due {}", words::when(now, due))));
    if let Some(failure) = &view.last_failure {
        match view.operation.as_ref().filter(|operation| operation.id == failure.operation) {
            // What it waits for now says more than why it was tried again, and often the same.
            Some(operation) if operation.waits.is_some() => {}
            // Why it is tried again.
            Some(_) => remarks.push(failure.error.words()),
            None => remarks.push(words::last_failure(failure, now)),
        }
    }
    remarks.join("; ")
}
