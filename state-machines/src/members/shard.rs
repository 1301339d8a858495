//! Which tenants belong together: an engine has shards, and so their tenants.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::id::TenantId;

/// Into how many shards tenants are divided.
pub const SHARDS: u16 = 1024;

const WORDS: usize = SHARDS as usize / 64;

/// A part of all tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

impl Shard {
    /// The shard of a tenant: the first two bytes of the SHA-256 of its id, modulo the number of shards. Never to be
    /// changed, because stores keep it.
    pub fn of(tenant: &TenantId) -> Self {
        let hash = Sha256::digest(tenant.as_str());
        let first = hash.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
        Self(first % SHARDS)
    }

    /// The shard of this number; none where there are fewer.
    pub fn new(number: u16) -> Option<Self> {
        (number < SHARDS).then_some(Self(number))
    }

    /// All of them, in the order of their numbers.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..SHARDS).map(Self)
    }

    /// Its number, counted from 0.
    pub fn number(self) -> u16 {
        self.0
    }

    fn word(self) -> (usize, u64) {
        (usize::from(self.0 / 64), 1 << (self.0 % 64))
    }
}

/// Some shards.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardSet([u64; WORDS]);

impl ShardSet {
    /// None of them.
    pub const NONE: Self = Self([0; WORDS]);
    /// Every one.
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// Whether the shard is one of them.
    pub fn has(&self, shard: Shard) -> bool {
        let (word, bit) = shard.word();
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// This shard too.
    pub fn insert(&mut self, shard: Shard) {
        let (word, bit) = shard.word();
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }

    /// All but those of `other`.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, others)| *bits &= !others);
        self
    }

    /// Those of `other` too.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, others)| *bits |= others);
        self
    }

    /// Those that are of `other` too, and no more.
    #[must_use]
    pub fn both(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, others)| *bits &= others);
        self
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = Shard> + '_ {
        Shard::all().filter(|shard| self.has(*shard))
    }
}

impl FromIterator<Shard> for ShardSet {
    fn from_iter<T: IntoIterator<Item = Shard>>(shards: T) -> Self {
        let mut set = Self::NONE;
        shards.into_iter().for_each(|shard| set.insert(shard));
        set
    }
}

/// Their number: which they are is too long for people.
impl fmt::Debug for ShardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} shards", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_stay_what_they_are_and_are_spread() {
        let of = |name: &str| Shard::of(&TenantId::from_stored(name)).number();
        // printf acme | sha256sum
        assert_eq!(of("acme"), 0x822b % 1024);
        let mut counts = vec![0_u32; usize::from(SHARDS)];
        for number in 0..100_000 {
            counts[usize::from(of(&format!("tenant-{number}")))] += 1;
        }
        assert!(counts.iter().all(|count| (50..160).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let even: ShardSet = Shard::all().filter(|shard| shard.number() % 2 == 0).collect();
        assert_eq!((even.len(), ShardSet::ALL.len(), ShardSet::NONE.len()), (512, 1024, 0));
        let odd = ShardSet::ALL.without(&even);
        assert!(odd.iter().all(|shard| shard.number() % 2 == 1 && !even.has(shard)));
        assert_eq!(odd.and(&even), ShardSet::ALL);
        assert!(even.without(&even).is_empty() && Shard::new(SHARDS).is_none());
    }
}
