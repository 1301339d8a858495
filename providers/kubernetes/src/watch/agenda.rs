//! The tenants that something happened to, until they are visited.
//!
//! A tenant that rolls out has dozens of events: those of a moment are one visit.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::kubernetes::ObjectKind;
use tokio::time::Instant;

use super::item::{Mark, News, Pods};

/// How long events are gathered.
pub(super) const MOMENT: Duration = Duration::from_millis(100);
/// How long a tenant at rest that was visited is left alone: what follows from the first event is one more visit.
const PAUSE: Duration = Duration::from_secs(1);
/// How many objects of a tenant are looked at for what somebody did to them.
const SUSPECTS: usize = 8;

/// Why a tenant is visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    /// Where the tenant is.
    pub(super) namespace: String,
    /// Whether a method that waits wants to know.
    pub(super) news: News,
    /// When the last of it was told.
    pub(super) told: Instant,
    /// Objects that somebody may have altered.
    pub(super) suspects: Vec<Suspect>,
}

/// An object that somebody may have altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    pub(super) kind: ObjectKind,
    pub(super) what: Suspicion,
}

/// What may have been done to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// A list does not show it any more. It had no other name than its uid.
    Unlisted { uid: u64 },
    /// It is told to be gone.
    Gone { name: String, uid: u64 },
    /// It is told to have no pods.
    Stopped { name: String, uid: u64, pods: Pods },
    /// Others have fields of it that the engine had; it had this mark before.
    Lost { name: String, uid: u64, before: Mark },
}

impl Visit {
    /// Whether a look that began then has seen all that it is made for.
    pub(super) fn is_made_by(&self, looked: Instant) -> bool {
        self.suspects.is_empty() && self.told < looked
    }

    /// The two are one visit.
    fn join(&mut self, other: Self) {
        if other.news == News::Some {
            self.news = News::Some;
        }
        self.told = self.told.max(other.told);
        let new = other.suspects.into_iter().filter(|one| !self.suspects.contains(one));
        let new: Vec<Suspect> = new.collect();
        self.suspects.extend(new);
        self.suspects.truncate(SUSPECTS);
    }
}

/// The visits that are to be made.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    visits: HashMap<TenantId, (Instant, Visit)>,
    due: BTreeSet<(Instant, TenantId)>,
    /// Those of tenants that a method works on.
    held: HashMap<TenantId, Visit>,
    /// Those that were due while too many looks were on their way.
    waiting: HashMap<TenantId, Visit>,
    /// Until when tenants that were visited are left alone, in that order.
    pauses: VecDeque<(Instant, TenantId)>,
    paused: HashMap<TenantId, Instant>,
}

impl Agenda {
    /// Something happened to a tenant. It is visited at this time, unless that is planned for an earlier one.
    pub(super) fn plan(&mut self, tenant: TenantId, at: Instant, visit: Visit) {
        match self.visits.get_mut(&tenant) {
            None => {
                self.due.insert((at, tenant.clone()));
                self.visits.insert(tenant, (at, visit));
            }
            Some((planned, known)) => {
                known.join(visit);
                if at < *planned {
                    self.due.remove(&(*planned, tenant.clone()));
                    *planned = at;
                    self.due.insert((at, tenant));
                }
            }
        }
    }

    /// A method works on the tenant. It is visited when that has ended.
    pub(super) fn hold(&mut self, tenant: TenantId, visit: Visit) {
        gather(&mut self.held, tenant, visit);
    }

    /// Too many looks are on their way. It is visited when one has ended.
    pub(super) fn wait(&mut self, tenant: TenantId, visit: Visit) {
        gather(&mut self.waiting, tenant, visit);
    }

    /// A look has ended: whoever waits for that is due now, all at once.
    pub(super) fn go_on(&mut self, now: Instant) {
        for (tenant, visit) in std::mem::take(&mut self.waiting) {
            self.plan(tenant, now, visit);
        }
    }

    /// No method works on the tenant any more. What was held of it.
    pub(super) fn release(&mut self, tenant: &TenantId) -> Option<Visit> {
        self.held.remove(tenant)
    }

    /// Until when a tenant at rest is left alone; none, where it may be visited.
    pub(super) fn pause_of(&self, tenant: &TenantId, now: Instant) -> Option<Instant> {
        self.paused.get(tenant).copied().filter(|until| *until > now)
    }

    /// How many tenants are left alone, as they were visited a moment ago.
    pub(super) fn pauses(&mut self, now: Instant) -> usize {
        while let Some((until, tenant)) = self.pauses.pop_front_if(|(until, _)| *until <= now) {
            if self.paused.get(&tenant) == Some(&until) {
                self.paused.remove(&tenant);
            }
        }
        self.paused.len()
    }

    /// Visits of these tenants have begun.
    pub(super) fn pause(&mut self, tenants: Vec<TenantId>, now: Instant) {
        for tenant in tenants {
            self.paused.insert(tenant.clone(), now + PAUSE);
            self.pauses.push_back((now + PAUSE, tenant));
        }
    }

    /// When the next visit is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The visits that are due.
    pub(super) fn take(&mut self, now: Instant) -> Vec<(TenantId, Visit)> {
        let mut taken = Vec::new();
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, tenant)) = self.due.pop_first()
                && let Some((_, visit)) = self.visits.remove(&tenant)
            {
                taken.push((tenant, visit));
            }
        }
        taken
    }
}

fn gather(visits: &mut HashMap<TenantId, Visit>, tenant: TenantId, visit: Visit) {
    match visits.get_mut(&tenant) {
        None => drop(visits.insert(tenant, visit)),
        Some(known) => known.join(visit),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use landlord_state_machines::id::TenantId;
    use landlord_state_machines::planner::kubernetes::ObjectKind;
    use tokio::time::Instant;

    use super::super::item::News;
    use super::{Agenda, PAUSE, SUSPECTS, Suspect, Suspicion, Visit};

    static TOLD: LazyLock<Instant> = LazyLock::new(Instant::now);

    fn gone(uid: u64) -> Suspect {
        Suspect { kind: ObjectKind::Service, what: Suspicion::Gone { name: "web".to_owned(), uid } }
    }

    fn visit(news: News, suspects: Vec<Suspect>) -> Visit {
        Visit { namespace: "acme".to_owned(), news, told: *TOLD, suspects }
    }

    #[test]
    fn a_look_sees_what_was_told_before_it_of_pods_alone() {
        let (now, s) = (Instant::now(), Duration::from_secs);
        let told = |told, suspects| Visit { told, ..visit(News::Some, suspects) };
        let mut agenda = Agenda::default();
        let acme = TenantId::new("acme").unwrap();
        agenda.hold(acme.clone(), told(now, vec![]));
        agenda.hold(acme.clone(), told(now + s(2), vec![]));
        let held = agenda.release(&acme).unwrap();
        assert!(!held.is_made_by(now + s(1)) && held.is_made_by(now + s(3)), "the last of it counts");
        assert!(!told(now, vec![gone(1)]).is_made_by(now + s(3)), "it does not see other objects");
    }

    #[test]
    fn what_happens_in_a_moment_is_one_visit() {
        let (now, s) = (Instant::now(), Duration::from_secs);
        let id = |name: &str| TenantId::new(name).unwrap();
        let mut agenda = Agenda::default();
        agenda.plan(id("acme"), now + s(2), visit(News::None, vec![gone(1)]));
        agenda.plan(id("globex"), now + s(3), visit(News::None, vec![]));
        agenda.plan(id("acme"), now + s(1), visit(News::Some, vec![gone(1), gone(2)]));
        agenda.plan(id("acme"), now + s(9), visit(News::None, vec![]));
        assert_eq!((agenda.next(), agenda.take(now).len()), (Some(now + s(1)), 0));
        let visits = agenda.take(now + s(1));
        assert_eq!(visits, [(id("acme"), visit(News::Some, vec![gone(1), gone(2)]))]);
        assert_eq!((agenda.take(now + s(9)).len(), agenda.next()), (1, None));
    }

    #[test]
    fn a_tenant_that_was_visited_is_left_alone_for_a_while() {
        let (now, ms) = (Instant::now(), Duration::from_millis);
        let id = |name: &str| TenantId::new(name).unwrap();
        let mut agenda = Agenda::default();
        assert_eq!(agenda.pause_of(&id("acme"), now), None, "the first event tells at once");
        agenda.pause(vec![id("acme")], now);
        assert_eq!(agenda.pause_of(&id("acme"), now + ms(1)), Some(now + PAUSE));
        assert_eq!(agenda.pause_of(&id("globex"), now + ms(1)), None);
        assert_eq!(agenda.pause_of(&id("acme"), now + PAUSE), None);
        agenda.pause(vec![id("acme"), id("globex")], now + ms(500));
        assert_eq!(agenda.pauses(now + PAUSE), 2);
        assert_eq!(agenda.pause_of(&id("acme"), now + PAUSE), Some(now + PAUSE + ms(500)));
        assert_eq!(
            (agenda.pauses(now + PAUSE * 2), agenda.pauses.len()),
            (0, 0),
            "what is over is forgotten"
        );
    }

    #[test]
    fn what_happens_while_a_method_works_is_one_visit_afterwards() {
        let id = TenantId::new("acme").unwrap();
        let mut agenda = Agenda::default();
        agenda.hold(id.clone(), visit(News::Some, vec![gone(1)]));
        agenda.hold(id.clone(), visit(News::None, vec![gone(2)]));
        assert_eq!(agenda.next(), None);
        assert_eq!(agenda.release(&id), Some(visit(News::Some, vec![gone(1), gone(2)])));
        assert_eq!(agenda.release(&id), None);
    }

    #[test]
    fn what_waits_for_a_look_is_due_together_when_one_has_ended() {
        let (now, ms) = (Instant::now(), Duration::from_millis);
        let id = |name: &str| TenantId::new(name).unwrap();
        let mut agenda = Agenda::default();
        agenda.wait(id("acme"), visit(News::Some, vec![gone(1)]));
        agenda.wait(id("acme"), visit(News::Some, vec![gone(2)]));
        agenda.wait(id("globex"), visit(News::Some, vec![]));
        agenda.plan(id("globex"), now + ms(50), visit(News::Some, vec![gone(3)]));
        assert_eq!(agenda.take(now).len(), 0);
        agenda.go_on(now);
        let due = agenda.take(now);
        assert_eq!(due.iter().map(|(_, visit)| visit.suspects.len()).sum::<usize>(), 3, "{due:?}");
        assert_eq!((due.len(), agenda.next()), (2, None));
    }

    #[test]
    fn a_tenant_has_so_many_suspects_at_most() {
        let mut agenda = Agenda::default();
        let id = TenantId::new("acme").unwrap();
        for uid in 0..100 {
            agenda.plan(id.clone(), Instant::now(), visit(News::None, vec![gone(uid)]));
        }
        assert_eq!(agenda.take(Instant::now())[0].1.suspects.len(), SUSPECTS);
    }
}
