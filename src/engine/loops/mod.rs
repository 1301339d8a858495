//! What an engine does by itself while it runs, a task each.

pub(crate) mod count;
pub(crate) mod member;
pub(crate) mod observe;
pub(crate) mod passivate;
pub(crate) mod recover;
pub(crate) mod tail;
pub(crate) mod wake;
