//! Which tenants have an actor now. An actor is activated by the first message for it and passivated when idle.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use futures_util::FutureExt;
use landlord_state_machines::id::TenantId;
use ractor::{Actor, ActorCell, ActorRef, MessagingErr};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Message;
use super::mailbox::{Delivery, Mailbox, Retired};
use super::supervisor::{Exit, ExitReports, Supervisor};
use super::tenant::TenantActor;
use crate::engine::config::SHARDS;
use crate::engine::core::{Core, TenantCore};

/// How many actors of a shard wait for another tenant when theirs is passivated. Starting and ending an actor costs
/// nearly as much as two transitions; an actor that waits takes 8 KB.
const SPARE: usize = 4;

/// The first and the longest pause before an actor that panicked is started again.
const RESTART: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
/// An actor that lived this long starts with the first pause again.
const STABLE: Duration = Duration::from_secs(60);

/// An actor, and what waits for it.
struct Active {
    actor: ActorRef<Delivery>,
    mailbox: Arc<Mailbox>,
}

struct Shard {
    supervisor: ActorCell,
    actors: Mutex<Actors>,
}

/// The actors of a shard.
#[derive(Default)]
struct Actors {
    live: HashMap<TenantId, Active, RandomState>,
    /// Those that have no tenant now, and nothing to handle.
    spare: Vec<Active>,
}

/// The tenants that have an actor.
pub(crate) struct Directory {
    shards: Vec<Shard>,
    hasher: RandomState,
    count: AtomicUsize,
    /// Counts the rounds of passivation, which are the directory's only clock.
    round: AtomicU32,
}

impl Directory {
    /// Starts the supervisors.
    pub(crate) async fn start() -> Result<(Self, ExitReports), ractor::SpawnErr> {
        let (exits, reports) = mpsc::unbounded_channel();
        let mut shards = Vec::with_capacity(SHARDS);
        for shard in 0..SHARDS {
            let supervisor = Supervisor { shard, exits: exits.clone() };
            let (supervisor, _) = Actor::spawn(None, supervisor, ()).await?;
            shards.push(Shard { supervisor: supervisor.get_cell(), actors: Mutex::default() });
        }
        let directory = Self {
            shards,
            hasher: RandomState::default(),
            count: AtomicUsize::new(0),
            round: AtomicU32::new(0),
        };
        Ok((directory, reports))
    }

    fn shard(&self, tenant: &TenantId) -> &Shard {
        &self.shards[self.hasher.hash_one(tenant) as usize % SHARDS]
    }

    /// How many tenants have an actor.
    pub(crate) fn live(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Gives `message` to the tenant's actor, and starts one where there is none. Hands the message back when
    /// `limit` messages wait there already.
    pub(crate) fn send(
        &self,
        core: &Arc<TenantCore>,
        mut message: Message,
        limit: u32,
    ) -> Result<(), Message> {
        let tenant = &core.tenant;
        let shard = self.shard(tenant);
        let round = self.round.load(Ordering::Relaxed);
        let mut actors = shard.actors();
        // The engine closes before it takes this lock to end all actors, so a message that comes later starts none.
        if core.closing.is_closed() {
            return Ok(());
        }
        if let Some(found) = actors.live.get(tenant) {
            if !found.mailbox.admit(round, limit) {
                return Err(message);
            }
            match found.actor.send_message(Delivery { activated: None, message }) {
                Ok(()) => return Ok(()),
                // It died a moment ago, and its supervisor has not reported it yet.
                Err(MessagingErr::SendErr(returned)) => message = returned.message,
                Err(MessagingErr::ChannelClosed | MessagingErr::InvalidActorType) => return Ok(()),
            }
            actors.live.remove(tenant);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        // When an actor cannot be started, its message is lost; the caller that waits for an answer sends it again.
        let Some(active) = actors.spare.pop().or_else(|| shard.spawn(core)) else { return Ok(()) };
        active.mailbox.begin(round);
        let _ = active.actor.send_message(Delivery { activated: Some(Arc::clone(core)), message });
        actors.live.insert(tenant.clone(), active);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// What becomes of an actor that could end. Unless it stays, it gets nothing more for this tenant.
    pub(super) fn retire(&self, tenant: &TenantId, mailbox: &Arc<Mailbox>) -> Retired {
        let mut actors = self.shard(tenant).actors();
        match actors.live.get(tenant) {
            Some(found) if Arc::ptr_eq(&found.mailbox, mailbox) => {}
            // Another one has taken its place.
            Some(_) | None => return Retired::Ends,
        }
        // Every sender holds this lock: a message that is not counted yet goes to the next actor.
        if !mailbox.is_empty() {
            return Retired::Stays;
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        match actors.live.remove(tenant) {
            Some(active) if actors.spare.len() < SPARE => {
                actors.spare.push(active);
                Retired::Spare
            }
            Some(_) | None => Retired::Ends,
        }
    }

    /// Asks every actor to end that got no message for this many `rounds`, which is how often this was called.
    pub(crate) fn passivate(&self, rounds: u32) {
        let now = self.round.fetch_add(1, Ordering::Relaxed) + 1;
        for shard in &self.shards {
            for found in shard.actors().live.values() {
                if found.mailbox.quiet(now) > rounds && found.mailbox.is_empty() {
                    found.mailbox.admit_end();
                    let passivate = Delivery { activated: None, message: Message::Passivate };
                    let _ = found.actor.send_message(passivate);
                }
            }
        }
    }

    /// The tenants that have an actor, of those that are `wanted`.
    pub(crate) fn tenants(&self, wanted: impl Fn(&TenantId) -> bool) -> Vec<TenantId> {
        let mut tenants = Vec::new();
        for shard in &self.shards {
            tenants.extend(shard.actors().live.keys().filter(|tenant| wanted(tenant)).cloned());
        }
        tenants
    }

    /// Forgets an actor that panicked, and says whose it was.
    fn bury(&self, exit: &Exit) -> Option<TenantId> {
        let live = &mut self.shards[exit.shard].actors().live;
        let tenant =
            live.iter().find(|(_, found)| found.actor.get_id() == exit.actor).map(|(id, _)| id.clone())?;
        live.remove(&tenant);
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(tenant)
    }

    /// The engine ends: actors and supervisors too.
    pub(crate) fn stop(&self) {
        for shard in &self.shards {
            let Actors { live, spare } = std::mem::take(&mut *shard.actors());
            for active in live.into_values().chain(spare) {
                active.actor.stop(None);
            }
            shard.supervisor.stop(None);
        }
    }
}

impl Shard {
    fn actors(&self) -> MutexGuard<'_, Actors> {
        self.actors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts an actor without a tenant.
    fn spawn(&self, core: &Core) -> Option<Active> {
        let mailbox = Arc::<Mailbox>::default();
        let actor = TenantActor { engine: Arc::from(&*core.opened.engine), mailbox: Arc::clone(&mailbox) };
        let starting = Actor::spawn_linked(None, actor, (), self.supervisor.clone());
        // It awaits nothing before it runs in its own task. Only a name that is taken could fail, and it has none.
        let (actor, _) = tokio::task::unconstrained(starting).now_or_never()?.ok()?;
        Some(Active { actor, mailbox })
    }
}

/// Starts actors that panicked again, each after a pause that grows while it keeps panicking.
pub(crate) async fn restart(core: std::sync::Weak<Core>, mut exits: ExitReports) {
    let mut pauses: HashMap<TenantId, (Duration, Instant)> = HashMap::new();
    while let Some(exit) = exits.recv().await {
        let Some(core) = core.upgrade() else { return };
        // It may have been replaced already, by a message that found it dead.
        let Some(tenant) = core.directory.bury(&exit) else { continue };
        let now = Instant::now();
        pauses.retain(|_, (_, until)| now.saturating_duration_since(*until) < STABLE);
        let pause = pauses.get(&tenant).map_or(RESTART.0, |(pause, _)| (*pause * 2).min(RESTART.1));
        pauses.insert(tenant.clone(), (pause, now + pause));
        tracing::error!(tenant_id = %tenant, error = exit.error, ?pause, "the tenant's actor panicked; it starts again");
        let core = Arc::downgrade(&core);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let Some(core) = core.upgrade() else { return };
            core.tell(&tenant, Message::Activate);
        });
    }
}
