//! Where a store is, and what is beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::tenant::{Record, Tenant};
#[cfg(feature = "ecs")]
use landlord_compute::provider::ecs::{EcsOptions, EcsProvider};
use landlord_compute::provider::process::{ProcessOptions, ProcessProvider};
use landlord_compute::provider::{Provider, RegistryError};
use landlord_compute::store::{SqliteOptions, SqliteStore, Store};
use landlord_compute::{Engine, EngineBuilder};

use super::exit::Failure;
#[cfg(feature = "ecs")]
use super::spec_file::{self, Document};

/// A store and the directory of its tenants' processes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    store: PathBuf,
    #[cfg(feature = "ecs")]
    ecs: Option<Arc<EcsProvider>>,
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
        Self {
            store: resolve(store),
            #[cfg(feature = "ecs")]
            ecs: None,
        }
    }

    /// With tenants on ECS too, over the configuration in a file.
    #[cfg(feature = "ecs")]
    pub(crate) fn with_ecs(mut self, config: &Path) -> Result<Self, Failure> {
        let Document { file, text, format } = spec_file::document(config)?;
        let unfit = |message: String| Failure::Config { file, message };
        let defaults = match format.parse(&text) {
            Ok(defaults) => defaults,
            Err(source) => return Err(unfit(source.to_string())),
        };
        let ecs = EcsProvider::new(EcsOptions::new(defaults)).map_err(|source| unfit(source.to_string()))?;
        self.ecs = Some(Arc::new(ecs));
        Ok(self)
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

    /// The provider that every build of this program has.
    pub(crate) fn process(&self) -> ProcessProvider {
        ProcessProvider::new(ProcessOptions::new(self.state_dir()))
    }

    /// The providers of this program.
    pub(crate) fn providers(&self) -> Vec<Arc<dyn Provider>> {
        #[cfg_attr(not(feature = "ecs"), expect(unused_mut))]
        let mut providers: Vec<Arc<dyn Provider>> = vec![Arc::new(self.process())];
        #[cfg(feature = "ecs")]
        providers.extend(self.ecs.clone().map(|ecs| ecs as Arc<dyn Provider>));
        providers
    }

    /// The provider of this name.
    pub(crate) fn provider(&self, name: &ProviderName) -> Result<Arc<dyn Provider>, RegistryError> {
        let providers = self.providers();
        let registered: Vec<String> = providers.iter().map(|provider| provider.name().to_string()).collect();
        providers.into_iter().find(|provider| provider.name() == *name).ok_or_else(|| {
            RegistryError::ProviderNotFound { name: name.to_string(), registered: registered.join(", ") }
        })
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
        let engine = Engine::builder(store);
        Ok(self.providers().into_iter().fold(engine, EngineBuilder::shared_provider))
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
pub(crate) async fn living(store: &impl Store, tenant: &TenantId) -> Result<Arc<Tenant>, Failure> {
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
