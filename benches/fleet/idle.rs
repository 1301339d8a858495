//! What a million running, idle tenants cost.

pub(crate) fn report(_tenants: usize) {}
