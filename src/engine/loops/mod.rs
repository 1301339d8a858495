//! What an engine does by itself while it runs, a task each.

pub(crate) mod observe;
pub(crate) mod passivate;
pub(crate) mod recover;
pub(crate) mod wake;
