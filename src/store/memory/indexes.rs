//! The orders in which tenants are looked for.

use std::collections::BTreeSet;

use jiff::Timestamp;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::tenant::Record;

/// The orders in which tenants are looked for.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    /// All that ever lived, for lists; but those that came since the last one.
    ids: BTreeSet<TenantId>,
    new_ids: Chunks,
    pub(super) due: BTreeSet<(Timestamp, TenantId)>,
}

impl Indexes {
    /// A tenant's record changes.
    pub(super) fn follow(&mut self, id: &TenantId, before: Option<&Record>, after: &Record) {
        if before.is_none() {
            self.new_ids.push(id.clone());
        }
        let (woke, wakes) = (before.and_then(Record::wake_at), after.wake_at());
        if woke != wakes {
            if let Some(at) = woke {
                self.due.remove(&(at, id.clone()));
            }
            if let Some(at) = wakes {
                self.due.insert((at, id.clone()));
            }
        }
    }

    /// Every tenant that ever lived, in order. Writes are many and lists are few, so lists do the sorting.
    pub(super) fn ids(&mut self) -> &BTreeSet<TenantId> {
        self.ids.extend(std::mem::take(&mut self.new_ids).0.into_iter().flatten());
        &self.ids
    }
}

/// Ids in the order in which they arrived. In chunks: one large vector would be copied when it grows, and no commit
/// could go on meanwhile.
#[derive(Debug, Default)]
struct Chunks(Vec<Vec<TenantId>>);

impl Chunks {
    fn push(&mut self, id: TenantId) {
        const CHUNK: usize = 1024;
        match self.0.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(id),
            Some(_) | None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(id);
                self.0.push(chunk);
            }
        }
    }
}
