//! Which tenants somebody works on, and what was written of them: those objects change because the engine changes them.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landlord_state_machines::id::TenantId;
use tokio::sync::Notify;
use tokio::time::Instant;

/// For how long after the end of a method what it did may still be told.
pub(super) const ECHO: Duration = Duration::from_secs(2);
/// For how long after the end of a method it is known what it wrote: a watch that broke tells of it late.
const KEPT: Duration = Duration::from_secs(60);

/// What is done with a tenant now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Nothing: whoever changes its objects is somebody else.
    Nothing,
    /// A method works on it.
    Work,
    /// A method ended a moment ago; from this time on that is over.
    Echo(Instant),
}

/// What a method does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// It makes the tenant what its spec says.
    Make,
    /// It removes the tenant.
    Remove,
}

/// The tenants that methods work on.
#[derive(Debug, Default)]
pub(super) struct Working {
    known: Mutex<Known>,
    /// Rings when a method has ended.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Known {
    tenants: HashMap<TenantId, State>,
    /// When methods ended, in that order.
    ended: VecDeque<(Instant, TenantId)>,
    /// Those of which nobody asked yet what is to be done now.
    unasked: Vec<TenantId>,
}

#[derive(Debug, Default)]
struct State {
    methods: u32,
    /// When the last one ended.
    ended: Option<Instant>,
    after: After,
    /// When the last look at what runs began that was answered.
    looked: Option<Instant>,
    /// The same of the last method, where that ended well: it was content with what it saw.
    content: Option<Instant>,
    /// What was written, by a hash of the object's uid.
    wrote: HashMap<u64, Wrote>,
}

/// What a method does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    /// It changes it.
    Change,
    /// It deletes it.
    Deletion,
}

/// What comes after the methods that work on a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum After {
    #[default]
    Nothing,
    /// A look at it.
    Look,
    /// What was told of it is forgotten.
    Forget,
}

/// What is to be done with what was told of a tenant while a method worked on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The tenant is looked at, at this time.
    Look(Instant),
    /// It was removed.
    Forget,
}

/// A uid as it is kept.
pub(super) fn uid(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A method at work. Dropped, it has ended.
pub(super) struct Worker {
    working: Arc<Working>,
    tenant: TenantId,
    method: Method,
}

impl Working {
    /// A method begins.
    pub(super) fn begin(self: &Arc<Self>, tenant: &TenantId, method: Method) -> Worker {
        let mut known = self.lock();
        let state = known.tenants.entry(tenant.clone()).or_default();
        state.methods += 1;
        (state.looked, state.content) = (None, None);
        drop(known);
        Worker { working: Arc::clone(self), tenant: tenant.clone(), method }
    }

    /// The method that works on a tenant has seen what runs, by a look that began then.
    pub(super) fn looked(&self, tenant: &TenantId, begun: Instant) {
        if let Some(state) = self.lock().tenants.get_mut(tenant) {
            state.looked = state.looked.max(Some(begun));
        }
    }

    /// A method that ended well lately has seen what had happened to the pods of a tenant before this.
    pub(super) fn content(&self, tenant: &TenantId) -> Option<Instant> {
        self.lock().tenants.get(tenant)?.content
    }

    /// The method that works on a tenant is about to write the object with this uid.
    pub(super) fn writes(&self, tenant: &TenantId, object: &str, how: Wrote) {
        if let Some(state) = self.lock().tenants.get_mut(tenant) {
            state.wrote.insert(uid(object), how);
        }
    }

    /// What the engine did last to an object, where that was lately.
    pub(super) fn wrote(&self, tenant: &TenantId, object: u64) -> Option<Wrote> {
        self.lock().tenants.get(tenant)?.wrote.get(&object).copied()
    }

    /// What is done with a tenant now.
    pub(super) fn doing(&self, tenant: &TenantId) -> Doing {
        match self.lock().tenants.get(tenant) {
            None => Doing::Nothing,
            Some(State { methods: 1.., .. }) => Doing::Work,
            Some(State { methods: 0, ended, .. }) => match ended.map(|ended| ended + ECHO) {
                Some(until) if until > Instant::now() => Doing::Echo(until),
                Some(_) | None => Doing::Nothing,
            },
        }
    }

    /// Whether no method works on a tenant.
    pub(super) fn is_idle(&self, tenant: &TenantId) -> bool {
        self.doing(tenant) != Doing::Work
    }

    /// The same as `doing`; a tenant that is worked on is looked at when that is over, as whoever is woken now may not listen any more.
    pub(super) fn wake(&self, tenant: &TenantId) -> Doing {
        if let Some(state) = self.lock().tenants.get_mut(tenant)
            && state.methods > 0
        {
            state.after = After::Look;
            return Doing::Work;
        }
        self.doing(tenant)
    }

    /// Waits until a method has ended.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// The tenants that something was told of and nobody works on any more.
    pub(super) fn take_ended(&self) -> Vec<(TenantId, Then)> {
        let mut known = self.lock();
        let unasked = std::mem::take(&mut known.unasked);
        unasked.into_iter().filter_map(|tenant| known.then(&tenant).map(|then| (tenant, then))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Forgets the tenants whose methods ended long ago.
    fn forget(&mut self, now: Instant) {
        while self.ended.front().is_some_and(|(ended, _)| *ended + KEPT <= now) {
            if let Some((ended, tenant)) = self.ended.pop_front()
                && self.tenants.get(&tenant).is_some_and(|it| it.methods == 0 && it.ended == Some(ended))
            {
                self.tenants.remove(&tenant);
            }
        }
    }

    /// What is to be done with a tenant that nobody works on any more.
    fn then(&mut self, tenant: &TenantId) -> Option<Then> {
        // Another method that has begun is asked about when it ends.
        let state = self.tenants.get_mut(tenant).filter(|state| state.methods == 0)?;
        match (std::mem::take(&mut state.after), state.ended) {
            (After::Look, Some(ended)) => Some(Then::Look(ended + ECHO)),
            (After::Forget, _) | (After::Look, None) => Some(Then::Forget),
            (After::Nothing, _) => None,
        }
    }
}

impl Worker {
    /// The method did what it was asked.
    pub(super) fn done(self) {
        if let Some(state) = self.working.lock().tenants.get_mut(&self.tenant) {
            state.content = state.looked;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut known = self.working.lock();
        known.forget(now);
        let Known { tenants, ended, unasked } = &mut *known;
        if let Some(state) = tenants.get_mut(&self.tenant) {
            state.methods = state.methods.saturating_sub(1);
            state.ended = Some(now);
            if self.method == Method::Remove && state.after == After::Look {
                state.after = After::Forget;
            }
            ended.push_back((now, self.tenant.clone()));
            if state.methods == 0 && state.after != After::Nothing {
                unasked.push(self.tenant.clone());
            }
        }
        drop(known);
        self.working.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use landlord_state_machines::id::TenantId;
    use tokio::time::{Instant, advance};

    use super::{Doing, ECHO, KEPT, Method, Then, Working, Wrote, uid};

    #[tokio::test(start_paused = true)]
    async fn what_a_method_did_echoes_for_a_while() {
        let (working, acme) = (Arc::new(Working::default()), TenantId::new("acme").unwrap());
        let (first, second) = (working.begin(&acme, Method::Make), working.begin(&acme, Method::Make));
        drop(first);
        assert_eq!(working.wake(&acme), Doing::Work, "the other one goes on");
        assert_eq!(working.take_ended(), []);
        drop(second);
        working.ended().await;
        let until = Instant::now() + ECHO;
        assert_eq!((working.doing(&acme), working.wake(&acme)), (Doing::Echo(until), Doing::Echo(until)));
        let then = (acme.clone(), Then::Look(until));
        assert_eq!(working.take_ended(), [then], "it was woken, so it is looked at");
        assert_eq!(working.take_ended(), []);
        advance(ECHO + Duration::from_millis(1)).await;
        assert_eq!(working.doing(&acme), Doing::Nothing);
        advance(KEPT).await;
        let globex = TenantId::new("globex").unwrap();
        drop(working.begin(&globex, Method::Make));
        let known: Vec<TenantId> = working.lock().tenants.keys().cloned().collect();
        assert_eq!((known, working.lock().ended.len()), (vec![globex], 1), "it is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_method_saw_that_ended_well_is_known() {
        let (working, acme) = (Arc::new(Working::default()), TenantId::new("acme").unwrap());
        let looked = Instant::now();
        let fails = working.begin(&acme, Method::Make);
        working.looked(&acme, looked);
        drop(fails);
        assert_eq!(working.content(&acme), None, "it was not content");
        let makes = working.begin(&acme, Method::Make);
        working.looked(&acme, looked);
        assert_eq!(working.content(&acme), None, "it goes on");
        makes.done();
        assert_eq!(working.content(&acme), Some(looked));
        let again = working.begin(&acme, Method::Make);
        again.done();
        assert_eq!(working.content(&acme), None, "it saw nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_was_removed_is_not_looked_at() {
        let (working, acme) = (Arc::new(Working::default()), TenantId::new("acme").unwrap());
        let removes = working.begin(&acme, Method::Remove);
        assert_eq!(working.wake(&acme), Doing::Work);
        drop(removes);
        assert_eq!(working.take_ended(), [(acme, Then::Forget)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_engine_wrote_is_known_for_a_while() {
        let (working, acme) = (Arc::new(Working::default()), TenantId::new("acme").unwrap());
        let makes = working.begin(&acme, Method::Make);
        working.writes(&acme, "service", Wrote::Change);
        working.writes(&acme, "service", Wrote::Deletion);
        drop(makes);
        advance(ECHO * 2).await;
        let globex = TenantId::new("globex").unwrap();
        drop(working.begin(&globex, Method::Make));
        let wrote = |object| working.wrote(&acme, uid(object));
        assert_eq!((wrote("service"), wrote("claim")), (Some(Wrote::Deletion), None));
        advance(KEPT).await;
        drop(working.begin(&globex, Method::Make));
        assert_eq!(wrote("service"), None);
    }
}
