//! What the engine tells goes to the meter, and what it asks to the sampler.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use landlord_compute::machines::tenant::{LifecycleEvent, Method};
use landlord_compute::machines::trace::TraceContext;
use landlord_compute::store::Sort;
use landlord_compute::telemetry::{CallEnd, Ended, LookEnd, Moved, Place, Watcher};
use landlord_compute::{OperationId, ProviderName};

use crate::meter::Meter;
use crate::sampler::Sampler;

/// Counts what happens, and says which operations are traced.
#[derive(Debug)]
pub(crate) struct Watches {
    pub(crate) meter: Arc<Meter>,
    pub(crate) sampler: Sampler,
}

impl Watcher for Watches {
    fn starts(&self, providers: &[ProviderName], tenants: &BTreeMap<Sort, u64>) {
        self.meter.starts(providers, tenants);
    }

    fn counted(&self, tenants: &BTreeMap<Sort, u64>) {
        self.meter.counted(tenants);
    }

    fn committed(&self, transitions: usize, took: Option<Duration>) {
        self.meter.committed(transitions, took);
    }

    fn commit_failed(&self) {
        self.meter.commit_failed();
    }

    fn transition(&self, provider: Option<Place>, event: &LifecycleEvent, moved: Option<Moved>) {
        self.meter.transition(provider, event, moved);
    }

    fn moved(&self, provider: Option<Place>, moved: Moved) {
        self.meter.moved(provider, moved);
    }

    fn settled(&self, operation: &Ended<'_>) {
        self.meter.settled(operation);
    }

    fn call_ended(&self, provider: Place, method: Method, end: CallEnd, took: Option<Duration>) {
        self.meter.call_ended(provider, method, end, took);
    }

    fn looked(&self, provider: Place, end: LookEnd) {
        self.meter.looked(provider, end);
    }

    fn traces(&self, operation: OperationId, trace: Option<&TraceContext>) -> bool {
        self.sampler.takes(operation, trace)
    }
}
