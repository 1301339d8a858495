//! Where a store is, and what is beside it.

use std::path::{Path, PathBuf};

use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::tenant::{Record, Tenant};
use landlord_compute::provider::process::{ProcessOptions, ProcessProvider};
use landlord_compute::store::{SqliteOptions, SqliteStore, Store};
use landlord_compute::{Engine, EngineBuilder};

use super::exit::Failure;

/// A store and the directory of its tenants' processes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    store: PathBuf,
}

/// What an engine is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A store that is not there is made.
    Create,
    /// A store that is not there is an error: a path that was mistyped must not become an empty store.
    Refuse,
}

impl Place {
    pub(crate) fn new(store: &Path) -> Self {
        Self { store: resolve(store) }
    }

    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// Where the logs of a tenant are.
    pub(crate) fn logs(&self, tenant: &TenantId) -> PathBuf {
        self.state_dir().join(tenant.as_str())
    }

    fn state_dir(&self) -> PathBuf {
        let mut dir = self.store.as_os_str().to_owned();
        dir.push(".d");
        dir.into()
    }

    /// The one provider of this program.
    pub(crate) fn provider(&self) -> ProcessProvider {
        ProcessProvider::new(ProcessOptions::new(self.state_dir()))
    }

    /// The store to look at, also while an engine has it.
    pub(crate) fn look(&self) -> Result<SqliteStore, Failure> {
        self.require()?;
        Ok(SqliteStore::read_only(&self.store)?)
    }

    /// The beginnings of an engine that has the store for itself.
    pub(crate) fn engine(&self, missing: Missing) -> Result<EngineBuilder, Failure> {
        match missing {
            Missing::Create => {}
            Missing::Refuse => self.require()?,
        }
        let store = SqliteStore::new(SqliteOptions::new(&self.store));
        Ok(Engine::builder(store).provider(self.provider()))
    }

    fn require(&self) -> Result<(), Failure> {
        // A path that cannot be looked at is the store's to complain about.
        if let Ok(false) = self.store.try_exists() {
            return Err(Failure::NoStore(self.store.clone()));
        }
        Ok(())
    }
}

/// The tenant as a store has it, if it lives.
pub(crate) async fn living(store: &impl Store, tenant: &TenantId) -> Result<std::sync::Arc<Tenant>, Failure> {
    match store.load(tenant).await? {
        Record::Live(tenant) => Ok(tenant),
        Record::Absent(id) => Err(Failure::NoTenant(id)),
        Record::Gone(tombstone) => Err(Failure::Gone(tombstone.id)),
    }
}

/// The path without links as far as it exists, so that a store has one directory of processes however it is named.
fn resolve(path: &Path) -> PathBuf {
    if let Ok(resolved) = path.canonicalize() {
        return resolved;
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    };
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        // It cannot be a store; opening it says why.
        (Ok(_) | Err(_), _) => path.to_owned(),
    }
}
