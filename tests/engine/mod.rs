//! The engine on paused time, with the scripted provider and the memory store.

mod admission;
mod containment;
mod documents;
mod events;
mod every_commit;
mod faulty;
mod lease;
mod lifecycle;
mod observing;
mod pressure;
mod recovery;
mod retained;
mod sharing;
mod store_faults;
mod sweep;
mod taken_over;
mod tracing;
mod waiting;
mod watching;

pub(crate) use landlord_testing::fixtures::{
    end, engine, events_until, live, memory, run, scripted, scripted_with, spec, tenant, without_providers,
};
