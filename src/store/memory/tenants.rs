//! Tenants by id.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::tenant::Record;

use crate::store::Position;

/// Into how many tables tenants are divided. A table is copied when it grows, and no commit can go on meanwhile: with a
/// million tenants in one table that takes a third of a second.
const TABLES: usize = 1024;

/// A tenant, and where its last event is.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: Record,
    pub(super) last: Position,
}

/// The tenants that ever lived. They are found by the ids in their records, and no other copy is kept of those.
#[derive(Debug)]
pub(super) struct Tenants {
    tables: Box<[HashTable<Known>]>,
    hasher: RandomState,
}

impl Default for Tenants {
    fn default() -> Self {
        Self { tables: (0..TABLES).map(|_| HashTable::new()).collect(), hasher: RandomState::default() }
    }
}

/// Chosen by bits of the hash that the tables themselves do not use.
fn table(hash: u64) -> usize {
    (hash >> 32) as usize % TABLES
}

impl Tenants {
    pub(super) fn get(&self, id: &TenantId) -> Option<&Known> {
        let hash = self.hasher.hash_one(id);
        self.tables[table(hash)].find(hash, |known| known.record.id() == id)
    }

    /// Where a tenant is, or will be.
    pub(super) fn entry(&mut self, id: &TenantId) -> Entry<'_, Known> {
        let Self { tables, hasher } = self;
        let hash = hasher.hash_one(id);
        tables[table(hash)].entry(
            hash,
            |known| known.record.id() == id,
            |known| hasher.hash_one(known.record.id()),
        )
    }
}
