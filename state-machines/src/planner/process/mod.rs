//! A tenant's containers as local processes.
//!
//! Each start is a *launch* with an id of its own. The launch's id and its [`Manifest`] are in the environment of
//! every process that it made. So the processes alone tell all that matters, even when the ledger was lost, or a crash
//! came before it was written.
//!
//! - `next` decides, `parts` tells what each launch is for, `checks` whether it works, `volumes` which volumes there are;
//!   `learn` takes in, `view` shows; `wanted` reads the spec; `facts` is what is remembered.
//! - An update starts the new launches, waits until they are ready, has the keeper forward to them, waits until the old
//!   ones have no connection left, then ends them. A launch that listens on the host port itself ends before its
//!   successor starts. Undo is the same plan with the old spec: an old launch that still runs is simply kept.
//! - A main container runs as often as `replicas` says; init containers and sidecars run once, for all of them. Replicas
//!   share an address, and each listens on a port of its own; so none may listen on the host port itself.
//! - A launch that was never ready, and whose port another process has taken meanwhile, is started anew with other ports;
//!   only when that happens several times in a row does the method fail.
//! - Persistent volumes are made before what mounts them starts. One that the spec does not have any more is dropped when
//!   the update has worked: an undo takes it up again, and otherwise it goes before another operation starts a launch. One
//!   that is retained stays, whatever becomes of the tenant.
//! - A start of unknown outcome is waited for until it can no longer happen; whatever turns up of it later is found
//!   by its tag and ended.

mod call;
mod checks;
mod config;
mod facts;
mod fields;
mod launch;
mod learn;
mod next;
#[cfg(test)]
mod page;
mod parts;
#[cfg(test)]
mod tests;
mod view;
mod volumes;
mod wanted;

use jiff::Timestamp;

use crate::planner::{CallError, Goal, Holdings, Next, Planner, Report, Subject};
use crate::render::diagram_of;

pub use facts::ProcessFacts;

pub use call::{
    Found, FoundLaunch, HostPort, Probe, Probed, ProcessCall, ProcessLife, ProcessReply, ReservePorts,
    Retention, Routing, Signal, Start, Stop, Volumes, WantedPort,
};
pub use config::{ProcessConfig, ProcessConfigError};
pub use fields::support;
pub use launch::{
    Binding, Check, Exit, ExitCause, Fingerprint, LaunchId, LaunchIdError, Manifest, Port, Process, Protocol,
    Readiness, Replica, Route, Thief,
};
pub use parts::{ends_first, replaces_launches};
pub use wanted::replicas;

/// The diagram of this planner, in Mermaid: what a launch goes through. Taken from its page, which a test compares
/// with the code.
pub fn diagram() -> &'static str {
    diagram_of(include_str!("../../../process.md"))
}

/// The planner.
#[derive(Clone, Copy, Debug)]
pub struct ProcessPlanner;

impl Planner for ProcessPlanner {
    const LEDGER_VERSION: u32 = 1;
    type Facts = ProcessFacts;
    type Call = ProcessCall;
    type Reply = ProcessReply;

    fn next(subject: &Subject, goal: Goal<'_>, facts: &ProcessFacts, now: Timestamp) -> Next<ProcessCall> {
        next::next(subject, goal, facts, now)
    }

    fn intend(facts: &mut ProcessFacts, call: &ProcessCall, now: Timestamp) {
        learn::intend(facts, call, now);
    }

    fn learn(
        facts: &mut ProcessFacts,
        call: &ProcessCall,
        reply: Result<ProcessReply, CallError>,
        now: Timestamp,
    ) {
        learn::learn(facts, call, reply, now);
    }

    fn stale(facts: &mut ProcessFacts) {
        learn::stale(facts);
    }

    fn holdings(facts: &ProcessFacts) -> Holdings {
        view::holdings(facts)
    }

    fn report(facts: &ProcessFacts) -> Option<Report> {
        view::report(facts)
    }
}
