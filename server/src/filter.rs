//! Which events a named reader wants.

use landlord_api::{Code, EventFilter};
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent};
use landlord_compute::store::Scope;

use crate::refused::Refused;

/// Whether every kind in it is one.
pub(crate) fn check(filter: &EventFilter) -> Result<(), Refused> {
    match filter.kinds.iter().find(|kind| !EventKind::NAMES.contains(&kind.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let known = EventKind::NAMES.join(", ");
            let detail = format!("filter.kinds: no event is called {unknown:?}; there are {known}");
            Err(Refused::new(Code::InvalidRequest, detail))
        }
    }
}

/// Whose events have to be read.
pub(crate) fn scope(filter: &EventFilter) -> Scope {
    filter.tenant.clone().map_or(Scope::All, Scope::Tenant)
}

/// Whether an event of that scope is wanted.
pub(crate) fn wants(filter: &EventFilter, event: &LifecycleEvent) -> bool {
    filter.kinds.is_empty() || filter.kinds.iter().any(|kind| kind == event.what.name())
}
