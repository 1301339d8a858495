//! Whether a cluster can run a tenant: it has what the spec refers to, and the engine has its rights there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use landlord_compute::provider::Context;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::kubernetes::{Namespaces, ObjectKind, Place, Sharing, Wanted};
use landlord_state_machines::spec::Spec;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::api::Kubernetes;
use super::error::{Failure, Why};
use super::reads::At;
use super::request::{Part, Resource};
use super::rights::{self, Permission};

/// For how long a right that the engine has counts as given.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The rights that the engine was seen to have lately.
#[derive(Debug)]
pub(super) struct Allowed {
    known: Mutex<BTreeMap<Permission, Instant>>,
    /// Who asks: many tenants that begin together need the same answers.
    turn: Semaphore,
}

impl Default for Allowed {
    fn default() -> Self {
        Self { known: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl Allowed {
    fn unknown(&self, needed: &BTreeSet<Permission>) -> BTreeSet<Permission> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, seen| seen.elapsed() < REMEMBERED);
        needed.iter().filter(|permission| !known.contains_key(permission)).cloned().collect()
    }

    fn seen(&self, allowed: impl Iterator<Item = Permission>) {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(allowed.map(|permission| (permission, now)));
    }
}

/// Whether the cluster can run a spec that was checked by itself.
///
/// # Errors
/// `InvalidSpec` with what the cluster lacks, or with every right that is missing.
pub(super) async fn look(
    kubernetes: &Kubernetes,
    allowed: &Allowed,
    cx: &Context,
    spec: &Spec,
) -> Result<(), ProviderError> {
    let unasked = |failure: Failure| ProviderError {
        kind: match cx.applied {
            Some(_) => ErrorKind::UpdateFailed,
            None => ErrorKind::ProvisionFailed,
        },
        ..failure.into_error()
    };
    let at = kubernetes.at(cx);
    let survey = match at.survey().await {
        // Which cluster it is, is not known, but all that is missing is told at once.
        Err(failure) if failure.why == Why::Forbidden => {
            let found = at.discovered().await.ok().map(|found| found.survey(""));
            // One that may not look at anything does not see what the cluster has, either.
            let wanted = found.and_then(|survey| Wanted::of(&cx.subject, spec, cx.rollout, &survey).ok());
            let (place, kinds) = match &wanted {
                Some(wanted) => (wanted.place.clone(), kinds_of(wanted)),
                None => (somewhere(&kubernetes.defaults.namespaces), BTreeSet::new()),
            };
            may(&at, allowed, &place, &kinds).await.map_err(unasked)??;
            return Err(unasked(failure));
        }
        survey => survey.map_err(unasked)?,
    };
    let wanted = Wanted::of(&cx.subject, spec, cx.rollout, &survey)?;
    may(&at, allowed, &wanted.place, &kinds_of(&wanted)).await.map_err(unasked)??;
    namespace(&at, &wanted).await.map_err(unasked)??;
    secrets(&at, &wanted).await.map_err(unasked)?
}

fn kinds_of(wanted: &Wanted) -> BTreeSet<ObjectKind> {
    wanted.objects.iter().map(|make| make.id.kind).collect()
}

/// Whether the engine has its rights.
async fn may(
    at: &At<'_>,
    allowed: &Allowed,
    place: &Place,
    kinds: &BTreeSet<ObjectKind>,
) -> Result<Result<(), ProviderError>, Failure> {
    let needed = rights::needed(place, kinds);
    if allowed.unknown(&needed).is_empty() {
        return Ok(Ok(()));
    }
    // It is never closed. Whoever had the turn before may have asked for these too.
    let _turn = allowed.turn.acquire().await;
    let unknown = allowed.unknown(&needed);
    let missing = at.missing(unknown.clone()).await?;
    allowed.seen(unknown.into_iter().filter(|permission| !missing.contains(permission)));
    if missing.is_empty() {
        return Ok(Ok(()));
    }
    let place = match place.sharing {
        Sharing::Own => "in the cluster".to_owned(),
        Sharing::Shared => format!("in namespace {}", place.namespace),
    };
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let what = format!(
        "the engine may not do everything {place} that it needs to; allow it as ops/kubernetes/rbac.yaml does: {}",
        missing.join(", ")
    );
    Ok(Err(invalid(ErrorCode::PermissionDenied, what)))
}

/// Where some tenant is, whichever.
fn somewhere(namespaces: &Namespaces) -> Place {
    match namespaces {
        Namespaces::Own => Place { namespace: String::new(), sharing: Sharing::Own },
        Namespaces::Shared { name } => Place { namespace: name.clone(), sharing: Sharing::Shared },
    }
}

/// Whether the namespace that all share is there.
async fn namespace(at: &At<'_>, wanted: &Wanted) -> Result<Result<(), ProviderError>, Failure> {
    let name = &wanted.place.namespace;
    let is_there = match wanted.place.sharing {
        Sharing::Own => true,
        Sharing::Shared => at.get(Resource::namespace(name), Part::Metadata).await?.is_some(),
    };
    Ok(match is_there {
        true => Ok(()),
        false => {
            let what =
                format!("provider_config.namespaces: there is no namespace {name}; make it, or name another");
            Err(invalid(ErrorCode::ResourceNotFound, what))
        }
    })
}

/// Whether the secrets that are copied are there.
async fn secrets(at: &At<'_>, wanted: &Wanted) -> Result<Result<(), ProviderError>, Failure> {
    let mut missing = BTreeSet::new();
    for from in wanted.copies.values() {
        let secret = Resource::all("v1", ObjectKind::Secret.plural(), Some(&from.namespace));
        if at.get(secret.named(&from.name), Part::Metadata).await?.is_none() {
            missing.insert(format!("{}/{}", from.namespace, from.name));
        }
    }
    if missing.is_empty() {
        return Ok(Ok(()));
    }
    let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
    let what =
        format!("secrets: these Secrets are not there to copy; make them, or correct the names: {missing}");
    Ok(Err(invalid(ErrorCode::ResourceNotFound, what)))
}

fn invalid(code: ErrorCode, what: String) -> ProviderError {
    ProviderError::new(ErrorKind::InvalidSpec, Remedy::NeedsPerson, code, what)
}
