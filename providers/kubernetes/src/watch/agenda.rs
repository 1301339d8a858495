//! The tenants that something happened to, until they are visited.
//!
//! A tenant that rolls out has dozens of events: those of a moment are one visit.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::kubernetes::ObjectKind;
use tokio::time::Instant;

use super::item::{Mark, News, Pods};

/// How long events are gathered.
pub(super) const MOMENT: Duration = Duration::from_millis(100);
/// How many objects of a tenant are looked at for what somebody did to them.
const SUSPECTS: usize = 8;

/// Why a tenant is visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    /// Where the tenant is.
    pub(super) namespace: String,
    /// Whether a method that waits wants to know.
    pub(super) news: News,
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
    /// The two are one visit.
    fn join(&mut self, other: Self) {
        if other.news == News::Some {
            self.news = News::Some;
        }
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
        match self.held.get_mut(&tenant) {
            None => drop(self.held.insert(tenant, visit)),
            Some(known) => known.join(visit),
        }
    }

    /// No method works on the tenant any more. What was held of it.
    pub(super) fn release(&mut self, tenant: &TenantId) -> Option<Visit> {
        self.held.remove(tenant)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use landlord_state_machines::id::TenantId;
    use landlord_state_machines::planner::kubernetes::ObjectKind;
    use tokio::time::Instant;

    use super::super::item::News;
    use super::{Agenda, SUSPECTS, Suspect, Suspicion, Visit};

    fn gone(uid: u64) -> Suspect {
        Suspect { kind: ObjectKind::Service, what: Suspicion::Gone { name: "web".to_owned(), uid } }
    }

    fn visit(news: News, suspects: Vec<Suspect>) -> Visit {
        Visit { namespace: "acme".to_owned(), news, suspects }
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
    fn a_tenant_has_so_many_suspects_at_most() {
        let mut agenda = Agenda::default();
        let id = TenantId::new("acme").unwrap();
        for uid in 0..100 {
            agenda.plan(id.clone(), Instant::now(), visit(News::None, vec![gone(uid)]));
        }
        assert_eq!(agenda.take(Instant::now())[0].1.suspects.len(), SUSPECTS);
    }
}
