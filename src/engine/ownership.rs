//! Which tenants are this engine's. What a store that is shared gives to another engine may be commanded here all the same; its
//! calls are made there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use landlord_state_machines::id::{Epoch, TenantId};
use landlord_state_machines::members::{SHARDS, Shard, ShardSet};
use tokio::sync::Notify;

use crate::provider::Lease;
use crate::store::{Members, Position};

/// Which tenants an engine has.
pub(crate) enum Ownership {
    /// It is alone.
    All,
    Shared(Shared),
}

/// What one of several engines has.
pub(crate) struct Shared {
    pub(crate) members: Arc<dyn Members>,
    pub(crate) lease: Lease,
    /// For each shard one more than the position that the log had when it became this engine's; 0 where it is not.
    since: Box<[AtomicU64]>,
    /// Where the log ended at the last renewal.
    end: AtomicU64,
    /// Somebody waits for what others have committed.
    pub(crate) look: Notify,
}

impl Ownership {
    pub(crate) fn of(me: Epoch, members: Option<Arc<dyn Members>>) -> Self {
        match members {
            None => Self::All,
            Some(members) => Self::Shared(Shared {
                members,
                lease: Lease::new(me),
                since: (0..SHARDS).map(|_| AtomicU64::new(0)).collect(),
                end: AtomicU64::new(0),
                look: Notify::new(),
            }),
        }
    }

    /// What is known of the others, if there may be any.
    pub(crate) fn shared(&self) -> Option<&Shared> {
        match self {
            Self::All => None,
            Self::Shared(shared) => Some(shared),
        }
    }

    /// Whether the tenant is this engine's.
    pub(crate) fn has(&self, tenant: &TenantId) -> bool {
        self.since(tenant).is_some()
    }

    /// Whether what is to be done once for all tenants is for this engine: it has the first shard.
    pub(crate) fn leads(&self) -> bool {
        match self {
            Self::All => true,
            Self::Shared(shared) => Shard::new(0).is_some_and(|first| shared.since(first).is_some()),
        }
    }

    /// Where the log stood when the tenant became this engine's: whatever was committed after it, no other engine has acted
    /// upon. None where it is another engine's.
    pub(crate) fn since(&self, tenant: &TenantId) -> Option<Position> {
        match self {
            Self::All => Some(Position::default()),
            Self::Shared(shared) => shared.since(Shard::of(tenant)),
        }
    }
}

impl Shared {
    fn place(&self, shard: Shard) -> Option<&AtomicU64> {
        self.since.get(usize::from(shard.number()))
    }

    fn since(&self, shard: Shard) -> Option<Position> {
        self.place(shard)?.load(Ordering::Acquire).checked_sub(1).map(Position)
    }

    /// The shards that are this engine's.
    pub(crate) fn shards(&self) -> ShardSet {
        Shard::all().filter(|shard| self.since(*shard).is_some()).collect()
    }

    /// From now on it is this engine's. Nobody else has begun what is committed after `since`.
    pub(crate) fn take(&self, shard: Shard, since: Position) {
        if let Some(place) = self.place(shard) {
            place.store(since.0 + 1, Ordering::Release);
        }
    }

    /// From now on these are not this engine's.
    pub(crate) fn give_up(&self, shards: &ShardSet) {
        for place in shards.iter().filter_map(|shard| self.place(shard)) {
            place.store(0, Ordering::Release);
        }
    }

    /// The log reaches at least so far.
    pub(crate) fn log_reaches(&self, end: Position) {
        self.end.fetch_max(end.0, Ordering::Relaxed);
    }

    /// How many events were committed a second ago, or longer, and are after this one.
    pub(crate) fn behind(&self, read: Position) -> u64 {
        self.end.load(Ordering::Relaxed).saturating_sub(read.0)
    }

    /// Returns when somebody waits for what others have committed, or after `pause`.
    pub(crate) async fn looks_on(&self, pause: Duration) {
        // Whichever it is.
        let _ = tokio::time::timeout(pause, self.look.notified()).await;
    }
}
