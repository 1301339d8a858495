//! What a million running, idle tenants cost.

#[cfg(feature = "sqlite")]
pub(crate) fn sqlite(folder: &std::path::Path) -> landlord_compute::store::SqliteStore {
    use landlord_compute::store::{SqliteOptions, SqliteStore};
    SqliteStore::new(SqliteOptions::new(folder.join("fleet.db")))
}

pub(crate) fn report(_tenants: usize) {}
