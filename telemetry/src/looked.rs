//! What a look at the store or at a platform has found: whoever makes one says it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landlord_compute::ProviderName;

/// What was found last; nothing where nobody has looked.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    oldest: Mutex<Option<BTreeMap<ProviderName, Duration>>>,
    orphans: Mutex<BTreeMap<ProviderName, u64>>,
}

impl Looked {
    pub(crate) fn say_oldest(&self, ages: BTreeMap<ProviderName, Duration>) {
        *held(&self.oldest) = Some(ages);
    }

    pub(crate) fn say_orphans(&self, orphans: BTreeMap<ProviderName, u64>) {
        *held(&self.orphans) = orphans;
    }

    pub(crate) fn oldest(&self) -> Option<BTreeMap<ProviderName, Duration>> {
        held(&self.oldest).clone()
    }

    pub(crate) fn orphans(&self) -> BTreeMap<ProviderName, u64> {
        held(&self.orphans).clone()
    }
}

/// Neither the engine nor a call of a provider ever takes it.
fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
