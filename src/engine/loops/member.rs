//! Takes part in dividing the tenants of a shared store: keeps the lease, watches the other engines, takes shards and gives them
//! up. What to do is decided by [`Membership`].

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::members::{Act, Membership, Shard, ShardSet, in_the_way};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::engine::actor::Message;
use crate::engine::calls::Dropped;
use crate::engine::core::Core;
use crate::engine::ownership::Shared;
use crate::provider::lease;
use crate::store::{Claimed, Epoch, Members, Position, StoreError};

/// How often the lease is renewed.
const RENEWS: Duration = Duration::from_secs(1);
/// How long one renewal may take: the next one is sent on another connection then.
const RENEWED_WITHIN: Duration = Duration::from_secs(2);
/// How often the other engines are looked at.
const LOOKS: Duration = Duration::from_millis(500);
/// How long calls have to stop when their tenants become another engine's. They are dropped then, and taken up there.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);
/// How long the tenants of calls that were dropped have to commit it.
const SAID_WITHIN: Duration = Duration::from_secs(5);
/// How many tenants with a call are read at a time.
const PAGE: usize = 512;

/// How long an engine that was opened later has to give way.
const GIVES_WAY: Duration = Duration::from_secs(10);

/// Returns when this engine may begin: it shares the store with those that are there, or they have ended.
pub(crate) async fn begin(members: &dyn Members, me: Epoch, alone: bool) -> Result<(), StoreError> {
    if alone {
        members.stand_alone().await?;
    }
    let (begun, mut membership) = (Instant::now(), Membership::new(me));
    let mut seen: Option<(Epoch, Option<u64>)> = None;
    loop {
        let view = members.view().await?;
        let Some((engine, other)) = in_the_way(me, &view) else { return Ok(()) };
        let beats = seen.is_some_and(|(earlier, beat)| earlier == engine && beat != other.beat);
        if beats && (engine < me || begun.elapsed() > GIVES_WAY) {
            return Err(StoreError::InUse { store: members.store(), owner: other.owner.to_string() });
        }
        seen = Some((engine, other.beat));
        for act in membership.look(begun.elapsed(), &view) {
            match act {
                Act::Fence { engine, beat } => {
                    members.fence(engine, beat).await?;
                }
                Act::Claim(_) | Act::HandOver(_) => {}
            }
        }
        // So that others do not end this one meanwhile.
        members.renew().await?;
        tokio::time::sleep(LOOKS / 2).await;
    }
}

/// Keeps the lease until the engine ends.
pub(crate) async fn renew(core: Weak<Core>) {
    let mut ticks = interval(RENEWS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_away = false;
    loop {
        ticks.tick().await;
        let Some(core) = core.upgrade() else { return };
        let Some(shared) = core.ownership.shared() else { return };
        if core.closing.is_closed() {
            shared.lease.end();
            return;
        }
        let sent = lease::now();
        match timeout(RENEWED_WITHIN, shared.members.renew()).await {
            Ok(Ok(end)) => {
                shared.lease.renewed(sent);
                shared.log_reaches(end);
                core.committer.store_answers();
                is_away = false;
            }
            Ok(Err(error @ StoreError::Fenced { .. })) => {
                shared.lease.end();
                core.closing.fenced(&error);
                return;
            }
            Ok(Err(error)) if !is_away => {
                tracing::warn!(%error, "the lease cannot be renewed; it is tried again");
                is_away = true;
            }
            Err(_) if !is_away => {
                tracing::warn!("the store does not answer; the lease cannot be renewed");
                is_away = true;
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// Watches the other engines until this one ends.
pub(crate) async fn look(core: Weak<Core>) {
    let Some((me, begun)) = core.upgrade().map(|core| (core.opened.epoch, Instant::now())) else { return };
    let mut membership = Membership::new(me);
    let mut unfinished = Unfinished::default();
    let mut is_away = false;
    loop {
        let Some(strong) = core.upgrade() else { return };
        if strong.closing.is_closed() || strong.draining() {
            return;
        }
        let ownership = Arc::clone(&strong.ownership);
        let Some(shared) = ownership.shared() else { return };
        let looked = round(&strong, shared, &mut membership, &mut unfinished, begun).await;
        let closing = Arc::clone(&strong.closing);
        drop(strong);
        match looked {
            Ok(Looked::Again) => continue,
            Ok(Looked::Done) => is_away = false,
            Err(error @ StoreError::Fenced { .. }) => {
                closing.fenced(&error);
                return;
            }
            Err(error) if !is_away => {
                tracing::warn!(%error, "cannot see the other engines; trying again");
                is_away = true;
            }
            Err(_) => {}
        }
        tokio::select! {
            _ = closing.closed() => return,
            () = tokio::time::sleep(LOOKS) => {}
        }
    }
}

/// What came of a look.
enum Looked {
    Done,
    /// Something changed that is to be looked at at once.
    Again,
}

async fn round(
    core: &Arc<Core>,
    shared: &Shared,
    membership: &mut Membership,
    unfinished: &mut Unfinished,
    begun: Instant,
) -> Result<Looked, StoreError> {
    unfinished.finish(core, shared).await?;
    let view = shared.members.view().await?;
    // A claim whose answer was lost is one all the same.
    let mine = view.engines.get(&core.opened.epoch).map(|member| member.shards).unwrap_or_default();
    let lost = shared.shards().without(&mine);
    if !lost.is_empty() {
        tracing::warn!(
            shards = lost.len(),
            "shards are another engine's by now; what is on its way for them is dropped"
        );
        shared.give_up(&lost);
        let calls = core.calls.tenants(|tenant| lost.has(Shard::of(tenant)));
        drop_calls(core, &calls.into_iter().collect()).await;
    }
    let unknown = mine.without(&shared.shards());
    let unknown = unknown.iter().map(|shard| Claimed { shard, quiet_since: None });
    take_up(core, &unknown.collect::<Vec<_>>(), unfinished).await?;
    let mut looked = Looked::Done;
    for act in membership.look(begun.elapsed(), &view) {
        match act {
            Act::Fence { engine, beat } => {
                if shared.members.fence(engine, beat).await? {
                    tracing::warn!(engine = engine.0, "an engine that was silent is ended");
                    looked = Looked::Again;
                }
            }
            Act::Claim(shards) => {
                let claimed = shared.members.claim(&shards).await?;
                if !claimed.is_empty() {
                    tracing::info!(shards = claimed.len(), "took shards");
                }
                take_up(core, &claimed, unfinished).await?;
            }
            Act::HandOver(shards) => hand_over(core, shared, &shards, unfinished).await?,
        }
    }
    Ok(looked)
}

/// What was begun with shards and is still to be done.
#[derive(Default)]
struct Unfinished {
    /// Shards that are this engine's, with tenants on their way that do not know it yet. Their last owner gave these up.
    in_order: ShardSet,
    /// The same; their last owner ended.
    without_a_word: ShardSet,
    /// Shards that this engine acts for no more, each time with the position after which it has begun nothing. Perhaps the store
    /// knows it.
    unreleased: Vec<(ShardSet, Position)>,
}

impl Unfinished {
    /// Does it. Where that fails, the rest is to be done later.
    async fn finish(&mut self, core: &Arc<Core>, shared: &Shared) -> Result<(), StoreError> {
        self.release(shared).await?;
        self.tell(core, shared).await
    }

    /// Releases shards until the store has answered. They are not taken up again before that: where an answer was lost, they may
    /// be another engine's.
    async fn release(&mut self, shared: &Shared) -> Result<(), StoreError> {
        while let Some((shards, quiet_since)) = self.unreleased.last() {
            shared.members.release(shards, *quiet_since).await?;
            self.unreleased.pop();
        }
        Ok(())
    }

    /// Tells them. Where that fails, those that are not told are to be told later.
    async fn tell(&mut self, core: &Arc<Core>, shared: &Shared) -> Result<(), StoreError> {
        let mine = shared.shards();
        activate(core, shared, &self.in_order.both(&mine), || Message::Inherited).await?;
        self.in_order = ShardSet::default();
        activate(core, shared, &self.without_a_word.both(&mine), || Message::Activate).await?;
        self.without_a_word = ShardSet::default();
        Ok(())
    }
}

/// These shards are this engine's: what is on its way for their tenants is taken up.
async fn take_up(
    core: &Arc<Core>,
    claimed: &[Claimed],
    unfinished: &mut Unfinished,
) -> Result<(), StoreError> {
    let Some(shared) = core.ownership.shared() else { return Ok(()) };
    if claimed.is_empty() {
        return Ok(());
    }
    // What is committed after this, no other engine acts upon any more.
    let head = core.store.head().await?;
    for Claimed { shard, quiet_since } in claimed {
        shared.take(*shard, quiet_since.unwrap_or(head));
        match quiet_since {
            Some(_) => unfinished.in_order.insert(*shard),
            None => unfinished.without_a_word.insert(*shard),
        }
    }
    // Who is due is among them.
    core.wakeups.expect(Timestamp::MIN);
    unfinished.tell(core, shared).await
}

/// Tells every tenant that has a call in flight.
pub(crate) async fn activate(
    core: &Arc<Core>,
    shared: &Shared,
    shards: &ShardSet,
    message: impl Fn() -> Message,
) -> Result<(), StoreError> {
    if shards.is_empty() {
        return Ok(());
    }
    let mut after: Option<TenantId> = None;
    loop {
        let page = shared.members.in_flight(shards, after, PAGE).await?;
        for tenant in &page {
            core.tell(tenant, message());
        }
        match page.into_iter().next_back() {
            None => return Ok(()),
            last => after = last,
        }
    }
}

/// Gives shards up, once nothing is on its way for their tenants.
async fn hand_over(
    core: &Arc<Core>,
    shared: &Shared,
    shards: &ShardSet,
    unfinished: &mut Unfinished,
) -> Result<(), StoreError> {
    // From now on no call begins: none that is committed after this.
    shared.give_up(shards);
    let quiet_since = core.store.head().await?;
    let given = |tenant: &TenantId| shards.has(Shard::of(tenant));
    let busy: BTreeSet<TenantId> =
        core.directory.tenants(given).into_iter().chain(core.calls.tenants(given)).collect();
    told(core, &busy, STOPPED_WITHIN).await;
    let left: BTreeSet<TenantId> = core.calls.tenants(given).into_iter().collect();
    if !left.is_empty() {
        tracing::warn!(
            calls = left.len(),
            "calls do not stop; they are dropped, and taken up by another engine"
        );
        drop_calls(core, &left).await;
        // Their actors commit that they were handed over.
        told(core, &left, SAID_WITHIN).await;
    }
    tracing::info!(shards = shards.len(), tenants = busy.len(), "gives shards up");
    unfinished.unreleased.push((*shards, quiet_since));
    unfinished.release(shared).await
}

/// Tells tenants that they are another engine's, and returns when their calls have ended, or after so long.
async fn told(core: &Arc<Core>, tenants: &BTreeSet<TenantId>, within: Duration) {
    let ends = tenants.iter().map(|tenant| {
        let (done, ended) = oneshot::channel();
        core.tell(tenant, Message::HandOver(done));
        ended
    });
    // Whose calls are left then is looked at.
    let _ = timeout(within, join_all(ends.collect::<Vec<_>>())).await;
}

/// Drops the calls of tenants, and returns when they are gone: one that blocks its thread may still ask its platform for something.
async fn drop_calls(core: &Core, tenants: &BTreeSet<TenantId>) {
    let dropped = tenants.iter().map(|tenant| core.calls.drop_all_but(tenant, None));
    dropped.fold(Dropped::default(), Dropped::and).gone().await;
}

/// Leaves the other engines all that is this one's.
pub(crate) async fn leave(core: &Arc<Core>, shared: &Shared) {
    let left = async {
        shared.members.leave().await?;
        hand_over(core, shared, &shared.shards(), &mut Unfinished::default()).await
    };
    if let Err(error) = left.await {
        tracing::warn!(%error, "the shards cannot be given up in order; other engines take them over");
    }
}
