//! Tells of what happens to tenants, as their keepers tell it.
//!
//! A launch that has a record and no first process any more, and was not told to end, has crashed; so a launch
//! that ended while no engine was running is told of by the first look. A launch that fails its check as often as its
//! spec allows is told of too. A keeper that ends is started again, unless its tenant has nothing left. The stream works
//! only while it is polled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use landlord_state_machines::error::ProviderError;
use landlord_state_machines::id::{Incarnation, TenantId};
use landlord_state_machines::observation::{Observation, Seen as Shown};
use landlord_state_machines::planner::process::{Exit, ExitCause};
use tokio::time::sleep;

use super::files::First;
use super::find::{Seen, Whose};
use super::keeper::client::{AskError, Changes};
use super::keeper::protocol::Streak;
use super::machine::{Keeper, Machine};
use super::tags::{Key, Owner};
use landlord_compute::clock::Clock;

/// After a look or a start of a keeper that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// What comes of waiting for one tenant.
type News = Pin<Box<dyn Future<Output = (TenantId, Result<Changes, AskError>)> + Send>>;

struct Watch {
    machine: Arc<Machine>,
    clock: Arc<dyn Clock>,
    owner: Owner,
    /// Whether the tenants that were there before were looked at.
    begun: bool,
    news: FuturesUnordered<News>,
    watched: BTreeSet<TenantId>,
    /// Troubles that were told already.
    told: BTreeSet<Key>,
    /// What was seen and nobody took yet.
    pending: VecDeque<Observation>,
}

/// What happens to all tenants of an engine.
pub(super) fn observe(
    machine: Arc<Machine>,
    clock: Arc<dyn Clock>,
    owner: Owner,
) -> BoxStream<'static, Observation> {
    let watch = Watch {
        machine,
        clock,
        owner,
        begun: false,
        news: FuturesUnordered::new(),
        watched: BTreeSet::new(),
        told: BTreeSet::new(),
        pending: VecDeque::new(),
    };
    stream::unfold(watch, |mut watch| async {
        loop {
            if let Some(observation) = watch.pending.pop_front() {
                return Some((observation, watch));
            }
            match watch.go_on().await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "the machine's processes could not be looked at; looking again");
                    sleep(AGAIN).await;
                }
            }
        }
    })
    .boxed()
}

impl Watch {
    async fn go_on(&mut self) -> Result<(), ProviderError> {
        if !self.begun {
            let (seen, _) = self.look(Whose::Owner(self.owner.clone())).await?;
            for tenant in seen.into_keys().map(|key| key.tenant) {
                self.watch(tenant);
            }
            self.begun = true;
            return Ok(());
        }
        let (machine, news) = (Arc::clone(&self.machine), &mut self.news);
        tokio::select! {
            started = machine.started() => started.into_iter().for_each(|tenant| self.watch(tenant)),
            Some((tenant, news)) = news.next(), if !news.is_empty() => match news {
                Ok(changes) => {
                    self.news.push(next(tenant.clone(), changes));
                    if !self.machine.is_ending(&self.owner, &tenant) {
                        self.look(Whose::Tenant(self.owner.clone(), tenant)).await?;
                    }
                }
                Err(_) => self.keeper_ended(tenant).await?,
            },
        }
        Ok(())
    }

    fn watch(&mut self, tenant: TenantId) {
        if self.watched.insert(tenant.clone()) {
            self.news.push(first(Arc::clone(&self.machine), tenant));
        }
    }

    /// Starts the keeper of a tenant again that has something left.
    async fn keeper_ended(&mut self, tenant: TenantId) -> Result<(), ProviderError> {
        // Told by whoever had made sure that nothing else was left.
        if self.machine.was_dismissed(&tenant) {
            self.forget(&tenant);
            return Ok(());
        }
        let machine = Arc::clone(&self.machine);
        // A look before it would be too old.
        let turn = machine.turns.try_take(&tenant);
        let (seen, keepers) = self.look(Whose::Tenant(self.owner.clone(), tenant.clone())).await?;
        let again = match (keepers.contains_key(&tenant), life_of(&seen)) {
            // Another was started in its place.
            (true, _) => Duration::ZERO,
            (false, None) => {
                self.forget(&tenant);
                return Ok(());
            }
            // Whoever ends all of it looks after the rest.
            (false, Some(_)) if seen.keys().all(|key| self.machine.is_stopping(key)) => AGAIN,
            (false, Some(incarnation)) => match &turn {
                // It is being destroyed, or gets its keeper.
                None => AGAIN,
                Some(turn) => match machine.keep(turn, &self.owner, incarnation).await {
                    Ok(()) => Duration::ZERO,
                    Err(error) => {
                        tracing::warn!(tenant_id = %tenant, %error, "a keeper could not be started; trying again");
                        AGAIN
                    }
                },
            },
        };
        drop(turn);
        self.news.push(Box::pin(async move {
            sleep(again).await;
            first(machine, tenant).await
        }));
        Ok(())
    }

    fn forget(&mut self, tenant: &TenantId) {
        self.watched.remove(tenant);
        self.told.retain(|key| key.tenant != *tenant);
    }

    async fn look(
        &mut self,
        whose: Whose,
    ) -> Result<(BTreeMap<Key, Seen>, BTreeMap<TenantId, Keeper>), ProviderError> {
        let begun = self.clock.now();
        let (seen, keepers) = self.machine.look_with_keepers(whose.clone()).await?;
        let mut troubles: BTreeMap<TenantId, Vec<String>> = BTreeMap::new();
        let mut recovered: BTreeSet<TenantId> = BTreeSet::new();
        // One that is gone from the machine is never told again, nor is it kept here.
        self.told.retain(|key| seen.contains_key(key) || !whose.includes(key));
        for (key, seen) in &seen {
            match (self.trouble(key, seen), self.told.contains(key)) {
                (Some(why), false) => {
                    troubles.entry(key.tenant.clone()).or_default().push(why);
                    self.told.insert(key.clone());
                }
                (None, true) => {
                    self.told.remove(key);
                    recovered.insert(key.tenant.clone());
                }
                (Some(_), true) | (None, false) => {}
            }
        }
        let healthy = recovered.into_iter().filter(|tenant| !troubles.contains_key(tenant));
        let healthy: Vec<_> = healthy.map(|tenant| (tenant, Shown::Healthy)).collect();
        let broken = troubles.into_iter().map(|(tenant, why)| (tenant, Shown::Broken(why.join("; "))));
        self.pending.extend(broken.chain(healthy).map(|(tenant, seen)| Observation { tenant, begun, seen }));
        Ok((seen, keepers))
    }

    /// What only another launch can mend.
    fn trouble(&self, key: &Key, seen: &Seen) -> Option<String> {
        let container = &seen.tags.manifest.container;
        if self.machine.is_stopping(key) {
            return None;
        }
        match (seen.leader, seen.record) {
            // It ended as it was to.
            (None, _) if seen.has_completed() => None,
            (None, Some(First::Process(_) | First::EarlierBoot)) => {
                let unseen = Exit::of(ExitCause::Unseen);
                Some(format!("{container}: {}", seen.exit.as_ref().unwrap_or(&unseen)))
            }
            // Being launched, or never launched.
            (None, Some(First::NotWritten) | None) => None,
            (Some(_), _) => match &seen.streak {
                Some(Streak::Failing(times, why))
                    if *times >= seen.tags.manifest.readiness.unhealthy_threshold && seen.was_ready =>
                {
                    Some(format!("{container}: {why}"))
                }
                Some(Streak::Failing(..) | Streak::Passing(_) | Streak::Unchecked) | None => None,
            },
        }
    }
}

/// Which life of the tenant the newest launch is of.
fn life_of(launches: &BTreeMap<Key, Seen>) -> Option<Incarnation> {
    launches.keys().map(|key| key.launch.incarnation).max()
}

/// Begins to listen to a keeper. What happened before that is looked at as well.
fn first(machine: Arc<Machine>, tenant: TenantId) -> News {
    Box::pin(async move {
        let changes = machine.changes(&tenant).await;
        (tenant, changes)
    })
}

fn next(tenant: TenantId, mut changes: Changes) -> News {
    Box::pin(async move {
        let changed = changes.next().await;
        (tenant, changed.map(|()| changes))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use landlord_state_machines::planner::process::Stop;
    use landlord_state_machines::spec::Role;

    use super::*;
    use crate::testing::Bench;
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
        let why = "web: exited with code 7";
        assert_eq!(observation.seen, Shown::Broken(why.into()));
        let again = tokio::time::timeout(Duration::from_millis(2500), stream.next()).await;
        assert!(again.is_err(), "{again:?}");
    }

    #[tokio::test]
    async fn an_init_container_that_has_completed_is_no_trouble() {
        let mut bench = Bench::new();
        let mut init = bench.script("exit 0");
        init.manifest.role = Role::Init;
        bench.start(init).await;
        bench.until_alive("the end", 0).await;
        let told = tokio::time::timeout(Duration::from_millis(1500), observed(&bench).next()).await;
        assert!(told.is_err(), "{told:?}");
        bench.restart();
        let told = tokio::time::timeout(Duration::from_millis(1500), observed(&bench).next()).await;
        assert!(told.is_err(), "{told:?}");
    }

    #[tokio::test]
    async fn what_ended_while_no_engine_ran_is_told_and_what_was_told_to_end_is_not() {
        let mut bench = Bench::new();
        bench.start(bench.command(&["sleep", "600"])).await;
        bench.signal(Stop::Kill).await;
        bench.until_alive("the end", 0).await;
        let mut watching = observed(&bench);
        let told = tokio::time::timeout(Duration::from_millis(2500), watching.next()).await;
        assert!(told.is_err(), "{told:?}");

        bench.restart();
        let observation = observed(&bench).next().await.unwrap();
        assert_eq!(observation.seen, Shown::Broken("web: ended by signal 9".into()));
    }

    #[tokio::test]
    async fn a_tenant_that_is_made_anew_is_listened_to_again() {
        for noticed in [true, false] {
            let bench = Bench::new();
            let mut stream = observed(&bench);
            let quiet = Duration::from_millis(100);
            bench.start(bench.script("sleep 600")).await;
            let told = tokio::time::timeout(quiet, stream.next()).await;
            assert!(told.is_err(), "{told:?}");
            bench.signal(Stop::Kill).await;
            bench.clear().await;
            // Whether the end of the keeper was noticed by then.
            if noticed {
                let told = tokio::time::timeout(quiet, stream.next()).await;
                assert!(told.is_err(), "{told:?}");
            }
            bench.start(bench.script("exit 7")).await;
            let observation = stream.next().await.unwrap();
            assert_eq!(observation.seen, Shown::Broken("web: exited with code 7".into()));
        }
    }

    #[tokio::test]
    async fn no_keeper_is_started_for_a_tenant_that_is_being_destroyed() {
        let bench = Bench::new();
        bench.start(bench.script("sleep 600")).await;
        let mut stream = observed(&bench);
        assert!(stream.next().now_or_never().is_none());
        let destroying = bench.machine.turns.take(&bench.subject.tenant).await;
        bench.kill_keeper();
        let whose = || Whose::Tenant(Owner::of(&bench.subject), bench.subject.tenant.clone());
        let is_kept = async || !bench.machine.look_with_keepers(whose()).await.unwrap().1.is_empty();
        // It tries each second.
        let told = tokio::time::timeout(Duration::from_millis(2500), stream.next()).await;
        assert!(told.is_err() && !is_kept().await, "{told:?}");
        drop(destroying);
        let kept = async {
            while !is_kept().await {
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            told = stream.next() => panic!("{told:?}"),
            kept = tokio::time::timeout(Duration::from_secs(10), kept) => kept.unwrap(),
        }
    }

    #[tokio::test]
    async fn nothing_happens_unless_it_is_polled() {
        let bench = Bench::new();
        let mut stream = observed(&bench);
        assert!(stream.next().now_or_never().is_none());
    }
}
