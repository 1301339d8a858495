//! `sweep`: what the platform holds, compared with the records.

use std::sync::Arc;

use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::sweep::Orphaned;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Missing, OperationHandle, Options, Orphan, Sweep, SweepError};
use serde::Serialize;

use super::exit::Failure;
use super::operate::With;
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

#[derive(Debug, Serialize)]
struct Report {
    provider: ProviderName,
    /// Whose resources were looked at.
    engine: Arc<str>,
    listed: usize,
    orphans: Vec<Found>,
    missing: Vec<Missing>,
    unsettled: Vec<TenantId>,
}

/// Looks, and with `delete` removes what no tenant owns.
pub(crate) async fn sweep(
    screen: &Screen,
    place: &Place,
    provider: Option<ProviderName>,
    delete: bool,
) -> Result<(), Failure> {
    let name = match provider {
        Some(name) => name,
        None => place.default_provider()?.name(),
    };
    let (sweep, fates) = if delete {
        let mut with = With::engine(screen, place, MissingStore::Refuse).await?;
        let outcome = remove(&mut with, &name).await;
        with.end(outcome).await?
    } else {
        let provider = place.provider(&name).map_err(SweepError::Registry)?;
        let look = place.look()?;
        let engine = look.engine().await?;
        let sweep = landlord_compute::sweep(&look, &*provider, &engine).await?;
        let fates = sweep.orphans.iter().map(|_| Fate::Left).collect();
        (sweep, fates)
    };
    show(screen, sweep, fates, delete)
}

/// Removes every orphan, all at a time, and waits for each.
async fn remove(with: &mut With<'_>, provider: &ProviderName) -> Result<(Sweep, Vec<Fate>), Failure> {
    let since = with.engine.head();
    let sweep = with.engine.sweep(provider).await?;
    let mut begun: Vec<Result<OperationHandle, String>> = Vec::new();
    for orphan in &sweep.orphans {
        let options = Options::default().reason("a sweep found it".to_owned());
        begun.push(with.engine.reclaim(orphan, options).await.map_err(|error| error.to_string()));
    }
    let mut fates = Vec::new();
    for (orphan, begun) in sweep.orphans.iter().zip(begun) {
        fates.push(match begun {
            Err(why) => Fate::Kept { why },
            Ok(operation) => match with.watch(&orphan.tenant_id, since, operation).await? {
                Settled::Done => Fate::Removed,
                other @ (Settled::Failed { .. }
                | Settled::Cancelled { .. }
                | Settled::Superseded { .. }
                | Settled::Abandoned { .. }) => Fate::Kept { why: other.to_string() },
            },
        });
    }
    Ok((sweep, fates))
}

fn show(screen: &Screen, sweep: Sweep, fates: Vec<Fate>, delete: bool) -> Result<(), Failure> {
    let Sweep { provider, engine, listed, orphans, missing, unsettled } = sweep;
    let orphans = orphans.into_iter().zip(fates).map(|(orphan, fate)| Found { orphan, fate }).collect();
    let report = Report { provider, engine, listed, orphans, missing, unsettled };
    screen.show(&report, || report.text())?;
    let left = report.orphans.iter().filter(|found| !found.fate.is_removed()).count();
    let missing = report.missing.len();
    if left + missing == 0 {
        return Ok(());
    }
    Err(Failure::Unclean { orphans: left, missing, delete })
}

impl Report {
    fn text(&self) -> String {
        let Self { provider, listed, missing, unsettled, .. } = self;
        let mut text = format!(
            "{provider}: holds something of {listed} tenants' lives; {} orphans, {} missing\n",
            self.orphans.len(),
            missing.len()
        );
        if !self.orphans.is_empty() {
            text += "\n";
            text += &table(["ORPHAN", "LIFE", "WHY", "HOLDS", "NOW"], self.orphans.iter().map(row));
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
    let holds: Vec<String> = resources.iter().map(|(name, id)| format!("{name}: {id}")).collect();
    [tenant_id.to_string(), incarnation.to_string(), why, holds.join(", "), fate.text()]
}
