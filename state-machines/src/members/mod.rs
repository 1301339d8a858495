//! Which engine has which tenants, where several share a store.
//!
//! Every engine looks at the same few rows now and then, and decides by itself what it does about them:
//!
//! - **Fence.** An engine counts its beat up. Whoever has seen the same beat for [`SILENT`] ends that engine. The time is the
//!   observer's own, and only counts while it can read: no clocks are compared, and who was away begins again.
//! - **Claim.** A shard whose owner is gone, or that has none, is claimed by the engine that the hash of both names. All
//!   engines name the same one, unless they see other engines; then the store decides who was first. One that has just come
//!   looks twice before it claims: those that start together see each other, so that the first one does not take all.
//! - **Hand over.** Shards move of themselves only when the engines have been the same for a while and one has far more or far fewer
//!   than its share, and then a few a second. An engine that leaves hands over all it has.

mod shard;
mod site;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use shard::{SHARDS, Shard, ShardSet};
pub use site::{Arrival, Site, arrive};

use crate::id::Epoch;

/// How long a beat has to stay the same until its engine counts as gone.
pub const SILENT: Duration = Duration::from_secs(5);
/// A longer time between two looks does not count: the store was away, or this engine was stopped.
const LOOKS: Duration = Duration::from_secs(2);
/// How long the engines have to be the same before shards move.
const STABLE: Duration = Duration::from_secs(30);
/// How often shards are handed over while they move.
const MOVES: Duration = Duration::from_secs(1);
/// How many shards an engine hands over at a time.
const MOVED: usize = 16;

/// The engines that share a store, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Those that have not ended.
    pub engines: BTreeMap<Epoch, Member>,
}

/// One of the engines that share a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// For people: its process, program and host, and since when.
    pub owner: Arc<str>,
    /// It counts up. None where it has none yet, or no more.
    pub beat: Option<u64>,
    /// Whether it stays.
    pub standing: Standing,
    /// What is its own.
    pub shards: ShardSet,
}

/// Whether an engine stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes shards.
    Open,
    /// It takes shards, and shares the store with nobody: it has tenants that no other engine reaches.
    Alone,
    /// It hands over what it has, and ends.
    Leaving,
}

/// What an engine does about what it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// End an engine whose beat is still this one.
    Fence {
        /// Which.
        engine: Epoch,
        /// The beat that was seen; it must be that very one.
        beat: Option<u64>,
    },
    /// Take these shards, which are nobody's.
    Claim(ShardSet),
    /// Give these shards up, once nothing is on its way for their tenants.
    HandOver(ShardSet),
}

/// What one engine remembers of the others.
#[derive(Clone, Debug)]
pub struct Membership {
    me: Epoch,
    looked: Option<Duration>,
    /// The beat of each, and since when it is the same.
    beats: BTreeMap<Epoch, (Option<u64>, Duration)>,
    /// Who takes shards, and since when these are the same.
    takers: (BTreeSet<Epoch>, Duration),
    moves: Moves,
}

/// Whether shards move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moves {
    Not,
    /// The next few are handed over then.
    Next(Duration),
}

impl Membership {
    /// Of the engine with this epoch, which has seen nothing yet.
    pub fn new(me: Epoch) -> Self {
        Self {
            me,
            looked: None,
            beats: BTreeMap::new(),
            takers: (BTreeSet::new(), Duration::ZERO),
            moves: Moves::Not,
        }
    }

    /// What to do about `view`. `now` is a time of this engine's own, which never goes back.
    pub fn look(&mut self, now: Duration, view: &View) -> Vec<Act> {
        let has_just_come = self.looked.is_none();
        let mut acts = self.silent(now, view);
        let Some(mine) = view.engines.get(&self.me) else { return acts };
        match mine.standing {
            Standing::Leaving if mine.shards.is_empty() => {}
            Standing::Leaving => acts.push(Act::HandOver(mine.shards)),
            Standing::Open | Standing::Alone => {
                let takers = view.engines.iter().filter(|(_, member)| member.standing != Standing::Leaving);
                let takers: BTreeSet<Epoch> = takers.map(|(engine, _)| *engine).collect();
                let me = self.me;
                let is_mine = |shard: &Shard| target(*shard, &takers) == Some(me);
                let orphans = orphans(view);
                let claimed: ShardSet = orphans.iter().filter(is_mine).collect();
                let waits = has_just_come && mine.standing == Standing::Open;
                if !claimed.is_empty() && !waits {
                    acts.push(Act::Claim(claimed));
                }
                if orphans.is_empty() && self.moves(now, view, &takers) {
                    let misplaced = mine.shards.iter().filter(|shard| !is_mine(shard));
                    acts.push(Act::HandOver(misplaced.take(MOVED).collect()));
                }
            }
        }
        acts
    }

    /// The engines that have said nothing for too long.
    fn silent(&mut self, now: Duration, view: &View) -> Vec<Act> {
        let was_away = self.looked.is_none_or(|looked| now.saturating_sub(looked) > LOOKS);
        self.looked = Some(now);
        self.beats.retain(|engine, _| view.engines.contains_key(engine));
        let mut silent = Vec::new();
        for (engine, Member { beat, .. }) in &view.engines {
            let (seen, since) = self.beats.entry(*engine).or_insert((*beat, now));
            if was_away || seen != beat {
                (*seen, *since) = (*beat, now);
            }
            if *engine != self.me && now.saturating_sub(*since) >= SILENT {
                silent.push(Act::Fence { engine: *engine, beat: *beat });
            }
        }
        silent
    }

    /// Whether this engine hands over some of its shards now.
    fn moves(&mut self, now: Duration, view: &View, takers: &BTreeSet<Epoch>) -> bool {
        if self.takers.0 != *takers {
            self.takers = (takers.clone(), now);
            self.moves = Moves::Not;
        }
        if now.saturating_sub(self.takers.1) < STABLE {
            return false;
        }
        let misplaced = |engine: &Epoch| {
            let has = view.engines.get(engine).map(|member| member.shards).unwrap_or_default();
            has.iter().any(|shard| target(shard, takers) != Some(*engine))
        };
        let moves = match self.moves {
            Moves::Not if is_uneven(view, takers) => Some(now),
            Moves::Not => None,
            Moves::Next(_) if !takers.iter().any(misplaced) => None,
            Moves::Next(then) => Some(then),
        };
        match moves {
            None => {
                self.moves = Moves::Not;
                false
            }
            Some(then) if then <= now => {
                self.moves = Moves::Next(now + MOVES);
                misplaced(&self.me)
            }
            Some(then) => {
                self.moves = Moves::Next(then);
                false
            }
        }
    }
}

/// An engine with which this one cannot share the store; none: it may begin. Of two the one that was there first stays.
pub fn in_the_way(me: Epoch, view: &View) -> Option<(Epoch, &Member)> {
    let mine = view.engines.get(&me)?;
    let mut others = view.engines.iter().filter(|(engine, _)| **engine != me);
    let found = others.find(|(engine, other)| match (mine.standing, other.standing) {
        // One that is newer has not begun, or began when this one was not alone yet.
        (Standing::Alone, _) => true,
        (_, Standing::Alone) => **engine < me,
        (_, Standing::Open | Standing::Leaving) => false,
    });
    found.map(|(engine, other)| (*engine, other))
}

/// The shards of no engine that has not ended.
fn orphans(view: &View) -> ShardSet {
    view.engines.values().fold(ShardSet::ALL, |left, member| left.without(&member.shards))
}

/// Whether one engine has more than a quarter more, or less, than its share.
fn is_uneven(view: &View, takers: &BTreeSet<Epoch>) -> bool {
    let share = usize::from(SHARDS) / takers.len().max(1);
    let counts =
        takers.iter().filter_map(|engine| view.engines.get(engine)).map(|member| member.shards.len());
    counts.into_iter().any(|count| count.abs_diff(share) > share / 4)
}

/// Which engine should have a shard: the one whose hash with it is the largest. When an engine comes or goes, only its own shards
/// change.
fn target(shard: Shard, engines: &BTreeSet<Epoch>) -> Option<Epoch> {
    engines.iter().copied().max_by_key(|engine| (weight(shard, *engine), *engine))
}

/// A hash of both: the finalizer of SplitMix64, twice.
fn weight(shard: Shard, engine: Epoch) -> u64 {
    let mix = |mut bits: u64| {
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    };
    mix(mix(engine.0.wrapping_add(0x9e37_79b9_7f4a_7c15)).wrapping_add(u64::from(shard.number())))
}

#[cfg(test)]
mod tests;
