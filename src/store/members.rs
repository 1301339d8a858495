//! What a store that several engines share says of them, and how they divide the tenants.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::members::{Shard, ShardSet, View};

use super::{Epoch, Position, Sort, StoreError};
use crate::provider::{Draw, Drawn};

/// A shard that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Which.
    pub shard: Shard,
    /// Nobody has begun a call that was committed after this position; 0 where nobody ever had it. None where its last owner ended
    /// without a word.
    pub quiet_since: Option<Position>,
}

/// The engines that share a store, as one of them may ask for it. It is given by [`Store::open`](super::Store::open), and is of
/// that engine's epoch.
///
/// **Guarantees** wanted of every store: a shard has at most one owner. Once an engine was fenced, none of its commits is made any
/// more; a commit that had begun is over before `fence` returns. Everything here may be called by many; what is dropped may or may
/// not have happened.
#[async_trait]
pub trait Members: fmt::Debug + Send + Sync + 'static {
    /// Counts this engine's beat up, and says where the log ended then.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where this engine was ended; otherwise as the store's state has it.
    async fn renew(&self) -> Result<Position, StoreError>;

    /// The engines that have not ended, and what each has. One moment's.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn view(&self) -> Result<View, StoreError>;

    /// Ends an engine whose beat is still this one, and says whether it was. Its shards are nobody's then.
    ///
    /// # Errors
    /// [`StoreError`] as the store's state has it.
    async fn fence(&self, engine: Epoch, beat: Option<u64>) -> Result<bool, StoreError>;

    /// Takes those of the shards that are nobody's, and says which they are and since when nobody acted for their tenants.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where this engine was ended; otherwise as the store's state has it.
    async fn claim(&self, shards: &ShardSet) -> Result<Vec<Claimed>, StoreError>;

    /// Gives those of the shards up that are this engine's. It has begun no call for their tenants that was committed after
    /// `quiet_since`.
    ///
    /// # Errors
    /// As `claim`.
    async fn release(&self, shards: &ShardSet, quiet_since: Position) -> Result<(), StoreError>;

    /// What the store is called, for people.
    fn store(&self) -> String;

    /// From now on the others know that this engine shares the store with nobody.
    ///
    /// # Errors
    /// As `claim`.
    async fn stand_alone(&self) -> Result<(), StoreError>;

    /// From now on this engine takes no shards, and the others know it.
    ///
    /// # Errors
    /// As `claim`.
    async fn leave(&self) -> Result<(), StoreError>;

    /// Takes tokens out of a bucket that all engines have in common and that fills by the store's own clock: whatever the engines
    /// draw, in any time no more than `burst` and what comes in it. Where it was never drawn from before, it is full.
    ///
    /// # Errors
    /// As `claim`.
    async fn draw(&self, draw: &Draw<'_>) -> Result<Drawn, StoreError>;

    /// How many living tenants there are of each sort. It costs as much as a look at each of them, and nothing for who asks.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn counts(&self) -> Result<BTreeMap<Sort, u64>, StoreError>;

    /// As [`Reads::due`](super::Reads::due), of the tenants of these shards alone.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn due(
        &self,
        of: &ShardSet,
        before: Timestamp,
        after: Option<(Timestamp, TenantId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, TenantId)>, StoreError>;

    /// As [`Reads::in_flight`](super::Reads::in_flight), of the tenants of these shards alone.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    async fn in_flight(
        &self,
        of: &ShardSet,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>, StoreError>;
}
