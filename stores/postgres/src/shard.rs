//! Which shard a tenant is in. Never to be changed: it is stored with each tenant.

use landlord_state_machines::id::TenantId;
use sha2::{Digest, Sha256};

/// Into how many shards tenants are divided, for engines that will share a store.
pub(crate) const SHARDS: u16 = 1024;

/// The shard of a tenant: the first two bytes of the SHA-256 of its id, modulo the number of shards.
pub(crate) fn of(tenant: &TenantId) -> i64 {
    let hash = Sha256::digest(tenant.as_str());
    let first = hash.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
    i64::from(first % SHARDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_stay_what_they_are_and_are_spread() {
        let of = |name: &str| of(&TenantId::from_stored(name));
        // printf acme | sha256sum
        assert_eq!(of("acme"), 0x822b % 1024);
        let mut counts = vec![0_u32; usize::from(SHARDS)];
        for number in 0..100_000 {
            counts[usize::try_from(of(&format!("tenant-{number}"))).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (50..160).contains(count)), "{counts:?}");
    }
}
