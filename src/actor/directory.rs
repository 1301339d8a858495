//! Which tenants have an actor now. An actor is activated by the first message for it and passivated when idle.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use landlord_state_machines::id::TenantId;
use ractor::{Actor, ActorCell, ActorRef, ActorRuntime, MessagingErr};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Message;
use super::supervisor::{Exit, ExitReports, Supervisor};
use super::tenant::{TenantActor, TenantState};
use crate::engine::Core;

/// How many supervisors there are. One fell behind at 100,000 activations; sixty-four did not.
const SHARDS: usize = 64;

/// The first and the longest pause before an actor that panicked is started again.
const RESTART: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
/// An actor that lived this long starts with the first pause again.
const STABLE: Duration = Duration::from_secs(60);

/// How many messages a tenant's actor has yet to handle, and when it was last sent one.
pub(crate) struct Mailbox {
    waiting: AtomicU32,
    /// In which round of passivation.
    last_used: AtomicU32,
}

struct Live {
    actor: ActorRef<Message>,
    mailbox: Arc<Mailbox>,
}

struct Shard {
    supervisor: ActorCell,
    live: Mutex<HashMap<TenantId, Live, RandomState>>,
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
            shards.push(Shard { supervisor: supervisor.get_cell(), live: Mutex::default() });
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
        core: &Arc<Core>,
        tenant: &TenantId,
        mut message: Message,
        limit: u32,
    ) -> Result<(), Message> {
        let shard = self.shard(tenant);
        let round = self.round.load(Ordering::Relaxed);
        let mut live = lock(&shard.live);
        // The engine's end takes this lock after it has said so: what comes later starts nothing.
        if core.closing.is_closed() {
            return Ok(());
        }
        if let Some(found) = live.get(tenant) {
            if found.mailbox.waiting.load(Ordering::Relaxed) >= limit {
                return Err(message);
            }
            found.mailbox.waiting.fetch_add(1, Ordering::Relaxed);
            found.mailbox.last_used.store(round, Ordering::Relaxed);
            match found.actor.send_message(message) {
                Ok(()) => return Ok(()),
                // It died a moment ago, and its supervisor has not reported it yet.
                Err(MessagingErr::SendErr(returned)) => message = returned,
                Err(MessagingErr::ChannelClosed | MessagingErr::InvalidActorType) => return Ok(()),
            }
            live.remove(tenant);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        let mailbox = Arc::new(Mailbox { waiting: AtomicU32::new(1), last_used: AtomicU32::new(round) });
        let state = TenantState::new(Arc::clone(core), tenant.clone(), Arc::clone(&mailbox));
        let spawned = ActorRuntime::spawn_linked_instant(None, TenantActor, state, shard.supervisor.clone());
        // Only a name that is taken can fail, and these have none; a message that is lost is sent again.
        let Ok((actor, _)) = spawned else { return Ok(()) };
        let _ = actor.send_message(message);
        live.insert(tenant.clone(), Live { actor, mailbox });
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// An actor has handled a message.
    pub(super) fn handled(&self, mailbox: &Mailbox) {
        mailbox.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the actor may end: it has nothing left to handle, and gets nothing more from now on.
    pub(super) fn retire(&self, tenant: &TenantId, mailbox: &Arc<Mailbox>) -> bool {
        let mut live = lock(&self.shard(tenant).live);
        let ours = live.get(tenant).is_some_and(|found| Arc::ptr_eq(&found.mailbox, mailbox));
        // Whoever sends holds this lock: what is not counted here goes to the next actor.
        if ours && mailbox.waiting.load(Ordering::Relaxed) == 0 {
            live.remove(tenant);
            self.count.fetch_sub(1, Ordering::Relaxed);
            return true;
        }
        !ours
    }

    /// Asks every actor to end that got no message for this many `rounds`, which is how often this was called.
    pub(crate) fn passivate(&self, rounds: u32) {
        let now = self.round.fetch_add(1, Ordering::Relaxed) + 1;
        for shard in &self.shards {
            for found in lock(&shard.live).values() {
                let quiet = now.saturating_sub(found.mailbox.last_used.load(Ordering::Relaxed));
                if quiet > rounds && found.mailbox.waiting.load(Ordering::Relaxed) == 0 {
                    found.mailbox.waiting.fetch_add(1, Ordering::Relaxed);
                    let _ = found.actor.send_message(Message::Passivate);
                }
            }
        }
    }

    /// Forgets an actor that panicked, and says whose it was.
    fn bury(&self, exit: &Exit) -> Option<TenantId> {
        let mut live = lock(&self.shards[exit.shard].live);
        let tenant =
            live.iter().find(|(_, found)| found.actor.get_id() == exit.actor).map(|(id, _)| id.clone())?;
        live.remove(&tenant);
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(tenant)
    }

    /// The engine ends: actors and supervisors too.
    pub(crate) fn stop(&self) {
        for shard in &self.shards {
            for (_, found) in lock(&shard.live).drain() {
                found.actor.stop(None);
            }
            shard.supervisor.stop(None);
        }
    }
}

fn lock(
    live: &Mutex<HashMap<TenantId, Live, RandomState>>,
) -> MutexGuard<'_, HashMap<TenantId, Live, RandomState>> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
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
