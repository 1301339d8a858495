//! `sweep`: what the platforms hold, compared with the records.

use std::collections::BTreeMap;

use landlord_api::{Accepted, Code, Missing, OnPurpose, Orphan, Problem, SweepDocument};
use landlord_client::{Client, ClientError, CommandOptions, EventsQuery};
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::sweep::Orphaned;
use landlord_compute::machines::tenant::Settled;
use serde::Serialize;

use super::failure::Failure;
use super::operate::With;
use super::patience::Until;
use super::place::{Missing as MissingStore, Place};
use super::screen::{Screen, table};

/// What became of an orphan.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "as")]
enum Fate {
    /// It was listed only: `--delete` was not given.
    Left,
    Removed,
    /// It could not be removed.
    Kept {
        why: String,
    },
}

impl Fate {
    fn text(&self) -> String {
        match self {
            Self::Left => "left".to_owned(),
            Self::Removed => "removed".to_owned(),
            Self::Kept { why } => format!("kept: {why}"),
        }
    }

    fn is_removed(&self) -> bool {
        match self {
            Self::Removed => true,
            Self::Left | Self::Kept { .. } => false,
        }
    }
}

#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    orphan: Orphan,
    fate: Fate,
}

/// What was found at one provider.
#[derive(Debug, Serialize)]
struct Swept {
    provider: ProviderName,
    /// Whose resources were looked at.
    engine: String,
    listed: usize,
    orphans: Vec<Found>,
    /// What is there on purpose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retained: Vec<OnPurpose>,
    missing: Vec<Missing>,
    unsettled: Vec<TenantId>,
}

/// A provider that was asked.
enum Asked {
    Swept(Swept),
    /// It did not answer.
    Failed(ProviderName, Box<Problem>),
}

/// Looks, and with `delete` removes what no tenant owns. Without a provider, at all that can say what they hold.
pub(crate) async fn sweep(
    screen: &Screen,
    place: &Place,
    provider: Option<ProviderName>,
    delete: bool,
) -> Result<(), Failure> {
    let asked = if delete {
        let mut with = With::engine(screen, place, MissingStore::Refuse).await?;
        let outcome = remove_all(&mut with, &provider).await;
        with.end(outcome).await?
    } else {
        look_at_all(&place.look().await?, &provider).await?
    };
    show(screen, asked, provider, delete)
}

/// Whom to ask: the one that is named, or all that can list.
async fn names(client: &Client, provider: &Option<ProviderName>) -> Result<Vec<ProviderName>, Failure> {
    if let Some(name) = provider {
        return Ok(vec![name.clone()]);
    }
    let all = client.providers().await?.providers.into_iter();
    Ok(all.filter(|provider| provider.capabilities.lists_tenants).map(|provider| provider.name).collect())
}

async fn look_at_all(client: &Client, provider: &Option<ProviderName>) -> Result<Vec<Asked>, Failure> {
    let mut asked = Vec::new();
    for name in names(client, provider).await? {
        asked.push(match look_at(client, name).await? {
            Ok(sweep) => {
                let fates = sweep.orphans.iter().map(|_| Fate::Left).collect();
                Asked::Swept(Swept::of(sweep, fates))
            }
            Err(failed) => failed,
        });
    }
    Ok(asked)
}

async fn remove_all(with: &mut With<'_>, provider: &Option<ProviderName>) -> Result<Vec<Asked>, Failure> {
    let mut asked = Vec::new();
    for name in names(&with.client, provider).await? {
        asked.push(match look_at(&with.client, name).await? {
            Ok(sweep) => {
                let fates = remove(with, &sweep).await?;
                Asked::Swept(Swept::of(sweep, fates))
            }
            Err(failed) => failed,
        });
    }
    Ok(asked)
}

/// A platform that does not answer keeps the others from nothing. Any other trouble ends the command.
async fn look_at(client: &Client, name: ProviderName) -> Result<Result<SweepDocument, Asked>, Failure> {
    match client.sweep(&name).await {
        Ok(sweep) => Ok(Ok(sweep)),
        Err(ClientError::Problem(problem)) if problem.code == Code::Platform => {
            Ok(Err(Asked::Failed(name, problem)))
        }
        Err(other) => Err(other.into()),
    }
}

/// Removes every orphan, all at a time, and waits for each.
async fn remove(with: &mut With<'_>, sweep: &SweepDocument) -> Result<Vec<Fate>, Failure> {
    let mut options = CommandOptions::default();
    options.reason = Some("a sweep found it".to_owned());
    let mut begun = Vec::new();
    for orphan in &sweep.orphans {
        let events = with.client.events(Some(&orphan.tenant_id), &EventsQuery::default()).await?;
        begun.push((events, with.client.reclaim(orphan, &options).await));
    }
    let mut fates = Vec::new();
    for (orphan, (events, begun)) in sweep.orphans.iter().zip(begun) {
        fates.push(match begun {
            Err(error @ ClientError::Problem(_)) => Fate::Kept { why: error.to_string() },
            Err(error) => return Err(error.into()),
            Ok(Accepted { operation: None, .. }) => Fate::Removed,
            Ok(Accepted { operation: Some(id), .. }) => {
                match with.watch(&orphan.tenant_id, events, id, Until::within(None)).await? {
                    Settled::Done => Fate::Removed,
                    other @ (Settled::Failed { .. }
                    | Settled::Cancelled { .. }
                    | Settled::Superseded { .. }
                    | Settled::Abandoned { .. }) => Fate::Kept { why: other.to_string() },
                }
            }
        });
    }
    Ok(fates)
}

/// What was found at all providers together, and at each.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// Absent where several were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a ProviderName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'a str>,
    listed: usize,
    orphans: Vec<&'a Found>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retained: Vec<&'a OnPurpose>,
    missing: Vec<&'a Missing>,
    unsettled: Vec<&'a TenantId>,
    providers: Vec<&'a Swept>,
    /// Who did not answer, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unanswered: Vec<Unanswered>,
}

#[derive(Debug, Serialize)]
struct Unanswered {
    provider: ProviderName,
    error: String,
}

fn show(
    screen: &Screen,
    asked: Vec<Asked>,
    provider: Option<ProviderName>,
    delete: bool,
) -> Result<(), Failure> {
    let (mut swept, mut failed) = (Vec::new(), Vec::new());
    for asked in asked {
        match asked {
            Asked::Swept(found) => swept.push(found),
            Asked::Failed(name, error) => failed.push((name, error)),
        }
    }
    // With nobody else to tell of, its failure is the command's.
    if swept.is_empty()
        && let Some((_, error)) = failed.pop()
    {
        return Err(Failure::Refused(error));
    }
    let report = Report {
        provider: match swept.as_slice() {
            [only] => Some(&only.provider),
            _ => None,
        },
        engine: swept.first().map(|swept| &*swept.engine),
        listed: swept.iter().map(|swept| swept.listed).sum(),
        orphans: swept.iter().flat_map(|swept| &swept.orphans).collect(),
        retained: swept.iter().flat_map(|swept| &swept.retained).collect(),
        missing: swept.iter().flat_map(|swept| &swept.missing).collect(),
        unsettled: swept.iter().flat_map(|swept| &swept.unsettled).collect(),
        providers: swept.iter().collect(),
        unanswered: failed
            .iter()
            .map(|(provider, error)| Unanswered { provider: provider.clone(), error: error.to_string() })
            .collect(),
    };
    screen.show(&report, || report.text())?;
    let orphans = report.orphans.iter().filter(|found| !found.fate.is_removed()).count();
    let missing = report.missing.len();
    if orphans + missing > 0 {
        return Err(Failure::Unclean { orphans, missing, delete, provider });
    }
    match failed.pop() {
        Some((_, error)) => Err(Failure::Refused(error)),
        None => Ok(()),
    }
}

impl Report<'_> {
    fn text(&self) -> String {
        if self.providers.is_empty() {
            return "no provider can list what it holds; look at their platforms by hand".to_owned();
        }
        let swept: Vec<String> = self.providers.iter().map(|swept| swept.text()).collect();
        let failed = self.unanswered.iter().map(|it| format!("{}\n", it.error));
        swept.into_iter().chain(failed).collect::<Vec<_>>().join("\n")
    }
}

impl Swept {
    fn of(sweep: SweepDocument, fates: Vec<Fate>) -> Self {
        let SweepDocument { provider, engine, listed, orphans, retained, missing, unsettled } = sweep;
        let orphans = orphans.into_iter().zip(fates).map(|(orphan, fate)| Found { orphan, fate }).collect();
        Self { provider, engine, listed, orphans, retained, missing, unsettled }
    }

    fn text(&self) -> String {
        let Self { provider, listed, retained, missing, unsettled, .. } = self;
        let mut text = format!(
            "{provider}: holds something of {listed} tenants' lives; {} orphans, {} missing\n",
            self.orphans.len(),
            missing.len()
        );
        if !self.orphans.is_empty() {
            text += "\n";
            text += &table(["ORPHAN", "LIFE", "WHY", "HOLDS", "NOW"], self.orphans.iter().map(row));
        }
        if !retained.is_empty() {
            text += "\n";
            text += &table(
                ["RETAINED", "LIFE", "HOLDS"],
                retained.iter().map(|OnPurpose { tenant_id, incarnation, resources }| {
                    [tenant_id.to_string(), incarnation.to_string(), held(resources)]
                }),
            );
            text += &format!(
                "that is so on purpose; `landlord-compute release TENANT --provider {provider}` removes it\n"
            );
        }
        if !missing.is_empty() {
            text += "\n";
            text += &table(
                ["MISSING", "LIFE", "WHY"],
                missing.iter().map(|Missing { tenant_id, incarnation, .. }| {
                    [tenant_id.to_string(), incarnation.to_string(), "it runs, and holds nothing".to_owned()]
                }),
            );
        }
        if !unsettled.is_empty() {
            let names: Vec<&str> = unsettled.iter().map(|tenant| tenant.as_str()).collect();
            text += &format!("\nnot judged, something is on its way: {}\n", names.join(", "));
        }
        text
    }
}

fn row(found: &Found) -> [String; 5] {
    let Found { orphan: Orphan { tenant_id, incarnation, resources, why, .. }, fate } = found;
    let why = match why {
        Orphaned::NoTenant => "no such tenant lives".to_owned(),
        Orphaned::AnotherLife { living } => format!("the tenant is in its life {living}"),
        Orphaned::AnotherProvider { living } => format!("the tenant is run by {living}"),
    };
    [tenant_id.to_string(), incarnation.to_string(), why, held(resources), fate.text()]
}

fn held(resources: &BTreeMap<String, String>) -> String {
    let held: Vec<String> = resources.iter().map(|(name, id)| format!("{name}: {id}")).collect();
    held.join(", ")
}
