//! Watches a cluster: one watch of each kind for all tenants of a provider.
//!
//! What is told is a hint to look, and no answer. A method that works on the tenant is woken, and looks by itself. A tenant at rest
//! is looked at here: how its pods are, and whether somebody altered an object of it. Secrets are not watched, as nobody may list
//! them.
//!
//! - `feed` lists and watches one kind, `item` reads what it shows, by the parts in `shown`; `index` says what changed.
//! - `agenda` gathers the events of a moment, `visit` looks at the tenants, `visits` at not too many at a time.

mod agenda;
mod feed;
mod index;
mod item;
mod shown;
mod visit;
mod visits;

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, SelectAll};
use landlord_compute::clock::Clock;
use landlord_state_machines::id::{ProviderName, TenantId};
use landlord_state_machines::observation::{Observation, Seen};
use landlord_state_machines::planner::kubernetes::{Namespaces, ObjectKind};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until};

use super::api::Kubernetes;
use super::budget::Rank;
use super::error::Failure;
use super::fleet::By;
use super::reads::{self, At, Writes};
use super::working::{Doing, Then};
use agenda::{Agenda, MOMENT, Suspect, Suspicion, Visit};
use feed::{Feed, Told};
use index::{Change, Gone, Index};
use item::{Item, News, Watched};
use visit::{Visited, Visitor};
use visits::Visits;

/// The pause after a look at the cluster that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// How many pages of all lists are read at a time: each may have megabytes. With one alone, a kind that does not answer would keep
/// the others waiting.
const PAGES: usize = 2;

/// What is going on in a cluster.
struct Watch {
    visitor: Arc<Visitor>,
    feeds: SelectAll<BoxStream<'static, (Watched, Told)>>,
    index: Index,
    agenda: Agenda,
    visits: Visits,
    /// Which cluster it is, since the first list.
    cluster: Option<String>,
    /// The kinds of which changes are told.
    live: BTreeSet<Watched>,
    /// Whether it was said that something may not be watched.
    warned: bool,
    /// What was seen and nobody took yet.
    pending: VecDeque<Observation>,
}

/// Whether a watch goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    /// It is another cluster: whoever observes begins anew.
    Over,
}

/// What happens to all tenants of a provider of an engine.
pub(super) fn observe(
    kubernetes: Arc<Kubernetes>,
    engine: &str,
    provider: ProviderName,
    clock: Arc<dyn Clock>,
) -> BoxStream<'static, Observation> {
    let namespace = match &kubernetes.defaults.namespaces {
        Namespaces::Own => None,
        Namespaces::Shared { name } => Some(name.clone()),
    };
    let visitor = Arc::new(Visitor { kubernetes, clock, engine: engine.to_owned(), provider, namespace });
    stream::once(Watch::begin(visitor)).flat_map(Watch::observations).boxed()
}

impl Watch {
    /// Finds out what there is to be watched.
    async fn begin(visitor: Arc<Visitor>) -> Self {
        let feeds = loop {
            match feeds(&visitor).await {
                Ok(feeds) => break feeds,
                Err(failure) => {
                    let error = failure.into_error();
                    let provider = &visitor.provider;
                    tracing::debug!(%provider, %error, "the cluster cannot be watched yet; trying again");
                    sleep(AGAIN.mul_f64(0.5 + fastrand::f64())).await;
                }
            }
        };
        Self {
            visitor,
            feeds: feeds.into_iter().map(Feed::told).collect(),
            index: Index::default(),
            agenda: Agenda::default(),
            visits: Visits::default(),
            cluster: None,
            live: BTreeSet::new(),
            warned: false,
            pending: VecDeque::new(),
        }
    }

    fn observations(self) -> BoxStream<'static, Observation> {
        stream::unfold(self, async |mut watch| {
            loop {
                if let Some(observation) = watch.pending.pop_front() {
                    return Some((observation, watch));
                }
                match watch.go_on().await {
                    Goes::On => {}
                    Goes::Over => return None,
                }
            }
        })
        .boxed()
    }

    async fn go_on(&mut self) -> Goes {
        let due = self.agenda.next();
        let due = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        let working = Arc::clone(&self.visitor.kubernetes.working);
        tokio::select! {
            Some((watched, told)) = self.feeds.next() => return self.take(watched, told),
            () = due => self.visit(),
            visited = self.visits.next() => self.visited(visited),
            () = working.ended() => {
                for (tenant, then) in working.take_ended() {
                    match (self.agenda.release(&tenant), then) {
                        (Some(visit), Then::Look(at)) => self.visit_after(tenant, at, visit),
                        (None, Then::Look(_)) | (_, Then::Forget) => {}
                    }
                }
            }
        }
        Goes::On
    }

    /// Takes in what is told of a kind.
    fn take(&mut self, watched: Watched, told: Told) -> Goes {
        match told {
            Told::Begins(cluster) => {
                if self.cluster.as_ref().is_some_and(|known| *known != cluster) {
                    let provider = &self.visitor.provider;
                    tracing::warn!(%provider, "the configuration leads to another cluster now; watching that");
                    return Goes::Over;
                }
                self.cluster = Some(cluster);
                self.index.begin(watched);
            }
            Told::Page(items) => items.iter().for_each(|item| self.is(watched, item)),
            Told::Ends => {
                for (uid, gone) in self.index.end(watched) {
                    self.gone(watched, gone, Suspicion::Unlisted { uid });
                }
            }
            Told::Watches => {
                self.live.insert(watched);
                self.say_live();
            }
            Told::Is(item) => self.is(watched, &item),
            Told::Gone(item) => {
                if let Some(gone) = self.index.remove(watched, item.uid) {
                    self.gone(watched, gone, Suspicion::Gone { name: item.name, uid: item.uid });
                }
            }
            Told::Pauses => {
                self.live.remove(&watched);
                self.say_live();
            }
            Told::Denied(why) => {
                self.live.remove(&watched);
                self.say_live();
                let provider = &self.visitor.provider;
                let is_others = matches!(watched, Watched::Objects(kind) if reads::is_others(kind));
                if self.warned || is_others {
                    tracing::debug!(%provider, why, "not watched; polling instead");
                } else {
                    tracing::warn!(%provider, why, "not everything may be watched; polling instead");
                    self.warned = true;
                }
            }
        }
        Goes::On
    }

    /// Whoever waits for a rollout need not look often while all that tells of it is watched.
    fn say_live(&self) {
        let tells = [
            Watched::Pods,
            Watched::Objects(ObjectKind::Deployment),
            Watched::Objects(ObjectKind::StatefulSet),
        ];
        let live = tells.iter().all(|watched| self.live.contains(watched));
        self.visitor.kubernetes.watching.store(live, Ordering::Relaxed);
    }

    /// An object is there, so.
    fn is(&mut self, watched: Watched, item: &Item) {
        let change = self.index.put(watched, item);
        let (news, suspect) = match (change, watched) {
            (Change::None, _) => return,
            (Change::State(news), _) => (news, None),
            // Whoever wrote it looks by itself.
            (Change::Ours, _) | (Change::Lost(_) | Change::Stopped(_), Watched::Pods) => (News::None, None),
            (Change::Stopped(pods), Watched::Objects(kind)) => {
                let what = Suspicion::Stopped { name: item.name.clone(), uid: item.uid, pods };
                (item.state.news, Some(Suspect { kind, what }))
            }
            (Change::Lost(before), Watched::Objects(kind)) => {
                let what = Suspicion::Lost { name: item.name.clone(), uid: item.uid, before };
                (item.state.news, Some(Suspect { kind, what }))
            }
        };
        // That others write how an object is that has no pods matters to whoever waits for it alone.
        let is_at_rest = self.visitor.kubernetes.working.doing(&item.tenant) == Doing::Nothing;
        if is_at_rest && suspect.is_none() && !watched.tells_of_rollouts() {
            return;
        }
        let suspects = suspect.into_iter().collect();
        let (namespace, told) = (item.namespace.clone(), Instant::now());
        self.plan(item.tenant.clone(), Visit { namespace, news, told, suspects });
    }

    /// An object is not there any more.
    fn gone(&mut self, watched: Watched, gone: Gone, what: Suspicion) {
        let suspects = match watched {
            Watched::Pods => Vec::new(),
            Watched::Objects(kind) => vec![Suspect { kind, what }],
        };
        let Gone { tenant, namespace } = gone;
        self.plan(tenant, Visit { namespace, news: News::Some, told: Instant::now(), suspects });
    }

    fn plan(&mut self, tenant: TenantId, visit: Visit) {
        self.agenda.plan(tenant, Instant::now() + MOMENT, visit);
    }

    /// Wakes the methods of the tenants that are due, and looks at those that nobody works on.
    fn visit(&mut self) {
        let kubernetes = Arc::clone(&self.visitor.kubernetes);
        let (now, mut at_rest) = (Instant::now(), Vec::new());
        for (tenant, visit) in self.agenda.take(now) {
            match kubernetes.working.wake(&tenant) {
                Doing::Work => {
                    if visit.news == News::Some {
                        let (tenant, begun, seen) = (tenant.clone(), self.visitor.clock.now(), Seen::Unclear);
                        self.pending.push_back(Observation { tenant, begun, seen });
                    }
                    self.agenda.hold(tenant, visit);
                }
                // What the method did may be told only now.
                Doing::Echo(until) => self.visit_after(tenant, until, visit),
                Doing::Nothing => at_rest.push((tenant, visit)),
            }
        }
        self.visit_at_rest(at_rest, now);
    }

    /// Looks at tenants that nobody works on.
    fn visit_at_rest(&mut self, due: Vec<(TenantId, Visit)>, now: Instant) {
        // Where much happens, those that were visited a moment ago count: one after the other they are many, too.
        let by = By::of(due.len() + self.agenda.pauses(now), self.index.tenants());
        let mut at_rest = Vec::with_capacity(due.len());
        for (tenant, visit) in due {
            match (by, self.agenda.pause_of(&tenant, now)) {
                (By::Each, Some(until)) => self.agenda.plan(tenant, until, visit),
                // The lists show it with all others.
                (By::Lists, Some(_)) | (_, None) => at_rest.push((tenant, visit)),
            }
        }
        if at_rest.is_empty() {
            return;
        }
        let tenants = at_rest.iter().map(|(tenant, _)| tenant.clone()).collect();
        let Some(cluster) = &self.cluster else {
            return at_rest.into_iter().for_each(|(tenant, visit)| self.plan(tenant, visit));
        };
        match self.visits.begin(&self.visitor, cluster, at_rest, by) {
            Ok(()) => self.agenda.pause(tenants, now),
            Err(at_rest) => at_rest.into_iter().for_each(|(tenant, visit)| self.agenda.wait(tenant, visit)),
        }
    }

    /// A method has ended. What it did not see is visited at this time.
    fn visit_after(&mut self, tenant: TenantId, at: Instant, visit: Visit) {
        let seen = self.visitor.kubernetes.working.content(&tenant);
        if seen.is_none_or(|looked| !visit.is_made_by(looked)) {
            self.agenda.plan(tenant, at, visit);
        }
    }

    fn visited(&mut self, visited: Visited) {
        self.agenda.go_on(Instant::now());
        match visited {
            Visited::Seen(seen) => self.pending.extend(seen),
            Visited::Overtaken(visits) => {
                visits.into_iter().for_each(|(tenant, visit)| self.plan(tenant, visit));
            }
            Visited::Failed(visits) => {
                let at = Instant::now() + AGAIN.mul_f64(0.5 + fastrand::f64());
                for (tenant, visit) in visits {
                    self.agenda.plan(tenant, at, visit);
                }
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.visitor.kubernetes.watching.store(false, Ordering::Relaxed);
    }
}

/// A feed of each kind that a tenant can have something of, where it can be listed.
async fn feeds(visitor: &Visitor) -> Result<Vec<Feed>, Failure> {
    let at = At { cluster: &visitor.kubernetes.cluster, rank: Rank::Read, writes: Writes::Kept };
    let found = at.discovered().await?;
    let is_watched = |kind: ObjectKind| match kind {
        // Nobody lists secrets.
        ObjectKind::Secret => false,
        ObjectKind::Namespace => visitor.namespace.is_none(),
        ObjectKind::ServiceAccount
        | ObjectKind::ResourceQuota
        | ObjectKind::LimitRange
        | ObjectKind::NetworkPolicy
        | ObjectKind::ExternalSecret
        | ObjectKind::ConfigMap
        | ObjectKind::PersistentVolumeClaim
        | ObjectKind::Deployment
        | ObjectKind::StatefulSet
        | ObjectKind::Service
        | ObjectKind::PodDisruptionBudget
        | ObjectKind::Ingress
        | ObjectKind::HttpRoute => true,
    };
    let kinds = found.kinds.iter().filter(|(kind, _)| is_watched(**kind));
    let kinds = kinds.map(|(kind, version)| (Watched::Objects(*kind), version.clone()));
    let kinds = kinds.chain([(Watched::Pods, "v1".to_owned())]);
    let pages = Arc::new(Semaphore::new(PAGES));
    let feed = |kind| {
        let kubernetes = Arc::clone(&visitor.kubernetes);
        Feed::new(kubernetes, kind, visitor.namespace.clone(), visitor.labels(), Arc::clone(&pages))
    };
    Ok(kinds.map(feed).collect())
}
