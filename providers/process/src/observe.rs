//! Tells of crashes as they happen.
//!
//! A launch that has a record and no first process any more, and was not told to end, has crashed; so a launch
//! that ended while no engine was running is told of by the first look. Whether a tenant that runs is healthy, the
//! engine asks `get_status`. The stream works only while it is polled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::observation::{Observation, Seen as Shown};
use tokio::time::sleep;

use super::exit;
use super::files::First;
use super::find::{Seen, Whose};
use super::machine::Machine;
use super::tags::{Key, Owner};
use landlord_compute::clock::Clock;

/// How long after one look the next one begins.
const EVERY: Duration = Duration::from_secs(1);

struct Watch {
    machine: Arc<Machine>,
    clock: Arc<dyn Clock>,
    owner: Owner,
    /// Crashes that were told already.
    told: BTreeSet<Key>,
    /// What the last look brought and nobody took yet.
    pending: VecDeque<Observation>,
}

/// The crashes of all tenants of an engine.
pub(super) fn observe(
    machine: Arc<Machine>,
    clock: Arc<dyn Clock>,
    owner: Owner,
) -> BoxStream<'static, Observation> {
    let watch = Watch { machine, clock, owner, told: BTreeSet::new(), pending: VecDeque::new() };
    stream::unfold(watch, |mut watch| async {
        loop {
            if let Some(observation) = watch.pending.pop_front() {
                return Some((observation, watch));
            }
            sleep(EVERY).await;
            watch.look().await;
        }
    })
    .boxed()
}

impl Watch {
    async fn look(&mut self) {
        let begun = self.clock.now();
        let whose = Whose::Owner(self.owner.clone());
        let seen = match self.machine.look(whose).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(%error, "the machine's processes could not be looked at; looking again");
                return;
            }
        };
        let crashed: BTreeMap<&Key, &Seen> =
            seen.iter().filter(|(key, seen)| self.crashed(key, seen)).collect();
        let mut causes: BTreeMap<TenantId, Vec<String>> = BTreeMap::new();
        for (key, seen) in &crashed {
            if !self.told.contains(*key) {
                causes.entry(key.tenant.clone()).or_default().push(self.cause(key, seen));
            }
        }
        // One that is gone from the machine is never told again, nor is it kept here.
        self.told = crashed.into_keys().cloned().collect();
        self.pending.extend(causes.into_iter().map(|(tenant, causes)| Observation {
            tenant,
            begun,
            seen: Shown::Broken(causes.join("; ")),
        }));
    }

    fn crashed(&self, key: &Key, seen: &Seen) -> bool {
        let ran = match seen.record {
            Some(First::Process(_) | First::EarlierBoot) => true,
            // Being launched, or never launched.
            Some(First::NotWritten) | None => false,
        };
        ran && seen.leader.is_none() && !self.machine.launches.is_stopping(key)
    }

    fn cause(&self, key: &Key, seen: &Seen) -> String {
        let container = &seen.tags.manifest.container;
        match exit::of(key, &self.machine.launches) {
            Ok(exit) => format!("{container}: {exit}"),
            Err(error) => format!("{container}: ended; its log cannot be read: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use landlord_state_machines::planner::process::Stop;

    use super::*;
    use crate::testing::{Bench, until};
    use landlord_compute::clock::SystemClock;

    fn observed(bench: &Bench) -> BoxStream<'static, Observation> {
        observe(Arc::clone(&bench.machine), Arc::new(SystemClock), Owner::of(&bench.subject))
    }

    #[tokio::test]
    async fn a_crash_is_told_once() {
        let bench = Bench::new();
        let mut stream = observed(&bench);
        bench.start(bench.script("echo gone wrong >&2; exit 7")).await;
        let observation = stream.next().await.unwrap();
        assert_eq!(observation.tenant, bench.subject.tenant);
        let why = "web: exited with code 7; last line of stderr: gone wrong";
        assert_eq!(observation.seen, Shown::Broken(why.into()));
        let again = tokio::time::timeout(Duration::from_millis(2500), stream.next()).await;
        assert!(again.is_err(), "{again:?}");
    }

    #[tokio::test]
    async fn what_ended_while_no_engine_ran_is_told_and_what_was_told_to_end_is_not() {
        let mut bench = Bench::new();
        bench.start(bench.command(&["sleep", "60"])).await;
        bench.signal(Stop::Kill).await;
        until("the end", || bench.alive() == 0);
        let mut watching = observed(&bench);
        let told = tokio::time::timeout(Duration::from_millis(2500), watching.next()).await;
        assert!(told.is_err(), "{told:?}");

        bench.restart();
        let observation = observed(&bench).next().await.unwrap();
        assert_eq!(observation.seen, Shown::Broken("web: ended while no engine was running".into()));
    }

    #[tokio::test]
    async fn nothing_happens_unless_it_is_polled() {
        let bench = Bench::new();
        let mut stream = observed(&bench);
        assert!(stream.next().now_or_never().is_none());
    }
}
