//! Tells the watcher, where there is one. Without one each of these is a branch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, ProviderName};
use landlord_state_machines::tenant::{LifecycleEvent, Method, OperationKind, Record, Settlement};
use landlord_state_machines::trace::TraceContext;

use crate::provider::registry::Registry;
use crate::store::Sort;
use crate::telemetry::{CallEnd, Ended, LookEnd, Moved, Place, Stand, Watcher};

/// The place of a tenant's provider, once it was looked up.
#[derive(Default)]
pub(crate) struct Placed(Option<(ProviderName, Option<Place>)>);

/// The watcher of an engine, if it has one.
#[derive(Clone, Default)]
pub(crate) struct Watched(Option<Arc<dyn Watcher>>, Counts);

/// How the watcher knows how many tenants there are.
#[derive(Clone, Copy, Default)]
enum Counts {
    /// By each transition.
    #[default]
    Followed,
    /// They are counted anew: other engines change tenants too.
    Anew,
}

impl Watched {
    pub(crate) fn by(watcher: Arc<dyn Watcher>) -> Self {
        Self(Some(watcher), Counts::Followed)
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// The same, where other engines change tenants too.
    pub(crate) fn counts_anew(self) -> Self {
        Self(self.0, Counts::Anew)
    }

    pub(crate) fn counted(&self, tenants: &BTreeMap<Sort, u64>) {
        if let Some(watcher) = &self.0 {
            watcher.counted(tenants);
        }
    }

    pub(crate) fn starts(&self, providers: &[ProviderName], tenants: &BTreeMap<Sort, u64>) {
        if let Some(watcher) = &self.0 {
            watcher.starts(providers, tenants);
        }
    }

    /// Whether an operation has spans. Where nobody watches, whoever subscribed to them decides.
    pub(crate) fn traces(&self, operation: OperationId, trace: Option<&TraceContext>) -> bool {
        self.0.as_ref().is_none_or(|watcher| watcher.traces(operation, trace))
    }

    /// Where somebody watches: when a commit begins that has to be waited for.
    pub(crate) fn commit_begins(&self) -> Option<Instant> {
        self.0.as_ref().map(|_| Instant::now())
    }

    /// So many transitions of a commit are durable, which began then if it had to be waited for.
    pub(crate) fn committed(&self, begun: Option<Instant>, transitions: usize) {
        if let Some(watcher) = &self.0 {
            watcher.committed(transitions, begun.map(|begun| begun.elapsed()));
        }
    }

    /// The store did not make a commit, or it is not known whether it did.
    pub(crate) fn commit_failed(&self) {
        if let Some(watcher) = &self.0 {
            watcher.commit_failed();
        }
    }

    /// The place of who runs, or ran, a tenant; none where nobody watches. It is looked up when that is another one than before.
    pub(crate) fn place(
        &self,
        placed: &mut Placed,
        registry: &Registry,
        provider: Option<&ProviderName>,
    ) -> Option<Place> {
        let provider = provider.filter(|_| self.is_watched())?;
        match &placed.0 {
            // A tenant's record keeps the very text, so that this does not read it.
            Some((known, place)) if known == provider => *place,
            Some(_) | None => {
                let place = registry.place(provider.as_str());
                placed.0 = Some((provider.clone(), place));
                place
            }
        }
    }

    /// A transition is durable.
    pub(crate) fn transition(
        &self,
        provider: Option<Place>,
        before: Option<&Record>,
        after: &Record,
        event: &LifecycleEvent,
    ) {
        if let Some(watcher) = &self.0 {
            watcher.transition(provider, event, self.moved(before, after));
        }
    }

    /// A tenant was loaded again after it had been lost: what became durable meanwhile was told late.
    pub(crate) fn loaded(&self, registry: &Registry, before: Option<&Record>, after: &Record) {
        if let Some(watcher) = &self.0
            && let (Some(provider), Some(moved)) = (provider(before, after), self.moved(before, after))
        {
            watcher.moved(registry.place(provider.as_str()), moved);
        }
    }

    /// Where a tenant is counted now, if that is told.
    fn moved(&self, before: Option<&Record>, after: &Record) -> Option<Moved> {
        match self.1 {
            Counts::Followed => moved(before, after),
            Counts::Anew => None,
        }
    }

    /// An operation of this provider has settled; it is of that kind and was accepted then, where that is known.
    pub(crate) fn settled(
        &self,
        provider: Option<Place>,
        begun: Option<(OperationKind, Timestamp)>,
        settlement: &Settlement,
        at: Timestamp,
    ) {
        if let Some(watcher) = &self.0 {
            let took =
                begun.map(|(_, since)| Duration::try_from(at.duration_since(since)).unwrap_or_default());
            let kind = begun.map(|(kind, _)| kind);
            watcher.settled(&Ended { provider, kind, settled: &settlement.settled, took });
        }
    }

    /// An event became durable although its commit had failed.
    pub(crate) fn late(&self, event: &LifecycleEvent) {
        if let Some(watcher) = &self.0 {
            watcher.transition(None, event, None);
            for settlement in &event.settled {
                self.settled(None, None, settlement, event.at);
            }
        }
    }

    /// A running tenant was looked at.
    pub(crate) fn looked(&self, provider: Place, end: LookEnd) {
        if let Some(watcher) = &self.0 {
            watcher.looked(provider, end);
        }
    }

    /// A call has got its turn.
    pub(crate) fn call(&self, provider: Place, method: Method) -> WatchedCall<'_> {
        let told = |watcher| Told { watcher, provider, method, waits: None, end: CallEnd::Dropped };
        WatchedCall(self.0.as_deref().map(told))
    }
}

/// Tells when a call is over: when this is dropped.
pub(crate) struct WatchedCall<'a>(Option<Told<'a>>);

struct Told<'a> {
    watcher: &'a dyn Watcher,
    provider: Place,
    method: Method,
    /// Since when it is waited for. One that is over at once costs no look at the clock.
    waits: Option<Instant>,
    end: CallEnd,
}

impl WatchedCall<'_> {
    /// It has begun, and is waited for from now on.
    pub(crate) fn waits(&mut self) {
        if let Some(told) = &mut self.0 {
            told.waits = Some(Instant::now());
        }
    }

    /// It was not dropped, but ended like this.
    pub(crate) fn ended(mut self, end: CallEnd) {
        if let Some(told) = &mut self.0 {
            told.end = end;
        }
    }
}

impl Drop for WatchedCall<'_> {
    fn drop(&mut self) {
        if let Some(Told { watcher, provider, method, waits, end }) = &self.0 {
            watcher.call_ended(*provider, *method, *end, waits.map(|since| since.elapsed()));
        }
    }
}

/// Who runs, or ran, the tenant.
pub(crate) fn provider<'a>(before: Option<&'a Record>, after: &'a Record) -> Option<&'a ProviderName> {
    match (after, before) {
        (Record::Live(tenant), _) | (_, Some(Record::Live(tenant))) => Some(&tenant.provider),
        (Record::Absent(_) | Record::Gone(_), Some(Record::Absent(_) | Record::Gone(_)) | None) => None,
    }
}

fn stand(record: &Record) -> Option<Stand> {
    match record {
        Record::Live(tenant) => Some(Stand { state: tenant.state.name(), health: tenant.health }),
        Record::Absent(_) | Record::Gone(_) => None,
    }
}

fn moved(before: Option<&Record>, after: &Record) -> Option<Moved> {
    let (from, to) = (before.and_then(stand), stand(after));
    (from != to).then_some(Moved { from, to })
}
