//! `apply`, and every command for the specs of several tenants: read all, check all, send all, say how each ended.

mod board;
mod fleet;
mod prune;
mod summary;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures_util::stream::{self, StreamExt};
use landlord_api::LabelSelector;
use landlord_client::{Command, CommandOptions, SpecText};
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::spec::Draft;

use super::failure::Failure;
use super::operate::With;
use super::patience::Patience;
use super::place::{Missing, Place};
use super::screen::Screen;
use super::spec_file::{self, Document, Origin, Specs};
use super::values;
use fleet::{Job, Work};

/// How many operations are on their way at a time, unless it is said.
const AT_A_TIME: u16 = 64;

/// What `apply` applies, and how.
#[derive(Debug, Args)]
pub(crate) struct Applying {
    /// The specs: files of .json or YAML, which may have several documents, and directories, of which the files count that are
    /// named .yaml, .yml or .json. `-` is stdin.
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
    file: Vec<PathBuf>,
    /// Destroy what no file has: of the tenants that -l selects, or of all. Protected tenants stay.
    #[arg(long, requires = "which")]
    prune: bool,
    /// With --prune: only tenants whose labels fulfil all of this: team=blue,tier!=free.
    #[arg(short = 'l', long, value_name = "SELECTOR", group = "which", requires = "prune")]
    selector: Option<LabelSelector>,
    /// With --prune: all tenants of the store.
    #[arg(long, group = "which", requires = "prune")]
    all_tenants: bool,
    /// With --prune: do not ask.
    #[arg(long, requires = "prune")]
    yes: bool,
    /// How many tenants are on their way at a time.
    #[arg(long, value_name = "N", default_value_t = AT_A_TIME, value_parser = clap::value_parser!(u16).range(1..=1024))]
    parallel: u16,
    /// Undo what is not done within this time, such as 90s or 5m, counted for each tenant.
    #[arg(long, value_parser = values::duration, value_name = "TIME")]
    deadline: Option<Duration>,
    /// Why, for the audit.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

/// Makes tenants run the specs in files, and destroys what no file has where that is asked for.
pub(crate) async fn apply(screen: &Screen, place: &Place, asked: Applying) -> Result<(), Failure> {
    let mut options = CommandOptions::default();
    (options.deadline, options.reason) = (asked.deadline, asked.reason.clone());
    let specs = checked(place, spec_file::documents(&asked.file)).await?;
    let named = specs.iter().map(|(tenant, _)| tenant);
    let pruned = match asked.prune {
        true => prune::find(place, asked.selector.as_ref(), named).await?,
        false => Vec::new(),
    };
    prune::confirm(screen, &pruned, asked.yes)?;
    let sent = specs.into_iter().map(|(tenant, spec)| Job { tenant, work: Work::Send(spec, Command::Put) });
    let removed = pruned.into_iter().map(|tenant| Job { tenant, work: Work::Destroy });
    let jobs = sent.chain(removed).collect();
    all(screen, place, Missing::Create, jobs, options, asked.patience, asked.parallel.into()).await
}

/// Sends each of several specs as `provision` and `update` do.
pub(crate) async fn each(
    screen: &Screen,
    place: &Place,
    specs: Specs,
    command: fn(SpecText) -> Command,
    missing: Missing,
    with: impl Into<(CommandOptions, Patience)>,
) -> Result<(), Failure> {
    let (options, patience) = with.into();
    if options.expected_revision.is_some() {
        let message = "--expect-revision is for one tenant, and there are several specs";
        return Err(Failure::Usage(message.to_owned()));
    }
    let jobs = checked(place, specs).await?.into_iter();
    let jobs = jobs.map(|(tenant, spec)| Job { tenant, work: Work::Send(spec, command) }).collect();
    all(screen, place, missing, jobs, options, patience, AT_A_TIME.into()).await
}

async fn all(
    screen: &Screen,
    place: &Place,
    missing: Missing,
    jobs: Vec<Job>,
    options: CommandOptions,
    patience: Patience,
    parallel: usize,
) -> Result<(), Failure> {
    let mut with = With::engine(screen, place, missing).await?;
    let attended = with.is_others();
    let ended = fleet::run(screen, &mut with, jobs, &options, patience, parallel).await;
    let ended = match ended {
        // What is on its way is left to the next engine.
        Ok(ended) if ended.is_left() => with.end_with(Duration::ZERO).await.map(|()| ended),
        ended => with.end(ended).await,
    }?;
    summary::show(screen, ended, attended)
}

/// The specs with their tenants.
///
/// # Errors
/// Everything that is wrong with any of them. Nothing is changed then.
pub(crate) async fn checked(place: &Place, specs: Specs) -> Result<Vec<(TenantId, Document)>, Failure> {
    let look = place.look_if_there().await;
    let Specs { documents, mut failures } = specs;
    let of = documents.len() + failures.len();
    failures.extend(twice(&documents));
    let verdicts = documents.into_iter().map(|spec| {
        let look = look.clone();
        async move {
            let verdict = look.check(spec.spec()).await;
            (verdict.map_err(|error| spec.refused(error)), spec)
        }
    });
    let mut verdicts = stream::iter(verdicts).buffered(AT_A_TIME.into());
    let mut tenants = Vec::new();
    while let Some((verdict, spec)) = verdicts.next().await {
        match verdict {
            Ok(verdict) => tenants.push((verdict.tenant_id, spec)),
            Err(failure @ Failure::Spec { .. }) => failures.push(failure),
            // Whoever checks cannot be asked; the others would say the same.
            Err(other) => return Err(other),
        }
    }
    match failures.len() {
        0 if of == 0 => Err(Failure::Usage("there is no spec to read".to_owned())),
        0 => Ok(tenants),
        1 if of == 1 => Err(failures.remove(0)),
        _ => Err(Failure::Several {
            failures,
            of,
            what: "specs and files are not valid, and nothing was sent",
        }),
    }
}

/// Which specs are of a tenant that another one is of, also where they are not valid.
pub(crate) fn twice(documents: &[Document]) -> Vec<Failure> {
    let mut known: BTreeMap<TenantId, Origin> = BTreeMap::new();
    let mut failures = Vec::new();
    for Document { origin, text, format } in documents {
        let named =
            Draft::read(text, *format).map(|draft| TenantId::new(draft.for_checks().tenant_id.as_str()));
        let Ok(Ok(tenant)) = named else { continue };
        match known.get(&tenant) {
            Some(before) => {
                let (origin, before) = (origin.clone(), before.clone());
                failures.push(Failure::Twice { origin, before, tenant });
            }
            None => drop(known.insert(tenant, origin.clone())),
        }
    }
    failures
}
