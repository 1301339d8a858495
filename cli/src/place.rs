//! Where a store is, and what is beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use landlord_compute::clock::SystemClock;
use landlord_compute::machines::id::{ProviderName, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::tenant::{Record, Tenant, Tombstone};
use landlord_compute::provider::{Context, Provider, RegistryError, Setup, SetupError};
use landlord_compute::store::{Reads, StoreError};
use landlord_compute::{Engine, EngineBuilder, ObservePolicy, StartError};
use landlord_store_sqlite::{SqliteOptions, SqliteReader, SqliteStore};

use serde_json::Value;

use super::built_with::{BUILT_WITH, Built, Configs, DEFAULT};
use super::exit::Failure;
use super::patience::LOOK;
use super::screen::Screen;
use super::spec_file::{self, Document};

/// What this program is called.
const PROGRAM: &str = "landlord-compute";

/// A store, the directory of what providers keep beside it, and the providers.
#[derive(Clone)]
pub(crate) struct Place {
    store: PathBuf,
    providers: Vec<Arc<dyn Provider>>,
    /// What an engine of this program is called where another program is told who has the store.
    owner: String,
    /// How long the store is waited for while another engine has it.
    wait: Duration,
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
    /// Every provider that can run tenants as it is, and those whose configuration is given.
    pub(crate) fn new(store: &Path, configs: &Configs) -> Result<Self, Failure> {
        let store = resolve(store);
        let mut providers = Vec::new();
        for built in BUILT_WITH {
            match configs.0.get(built.kind) {
                Some(file) => providers.push(configured(built, &store, file)?),
                None if built.needs_config => {}
                None => {
                    let provider = started(built, &store, Value::Null);
                    providers.push(provider.map_err(|error| Failure::Usage(error.to_string()))?);
                }
            }
        }
        Ok(Self { store, providers, owner: PROGRAM.to_owned(), wait: Duration::ZERO })
    }

    /// With engines of this command, which wait so long for the store.
    pub(crate) fn for_command(self, command: &str, wait: Duration) -> Self {
        Self { owner: format!("{PROGRAM} {command}"), wait, ..self }
    }

    /// The same, with engines that do not wait for the store.
    pub(crate) fn without_waiting(&self) -> Self {
        Self { wait: Duration::ZERO, ..self.clone() }
    }

    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// Where the logs of a tenant are on this machine, if there are any.
    pub(crate) fn logs(&self, provider: &ProviderName, tenant: &TenantId) -> Option<PathBuf> {
        let kept_here = provider.as_str() == DEFAULT;
        let logs = state_dir(&self.store).join("logs").join(tenant.as_str());
        (kept_here && logs.is_dir()).then_some(logs)
    }

    /// The providers of this program.
    pub(crate) fn providers(&self) -> &[Arc<dyn Provider>] {
        &self.providers
    }

    /// The one that every build of this program has.
    pub(crate) fn default_provider(&self) -> Result<Arc<dyn Provider>, Failure> {
        let name = ProviderName::new(DEFAULT).map_err(|error| Failure::Usage(error.to_string()))?;
        self.provider(&name).map_err(|error| Failure::Usage(error.to_string()))
    }

    /// The provider of this name.
    pub(crate) fn provider(&self, name: &ProviderName) -> Result<Arc<dyn Provider>, RegistryError> {
        self.providers.iter().find(|provider| provider.name() == *name).cloned().ok_or_else(|| {
            let registered = self.providers.iter().map(|provider| provider.name().to_string());
            let registered: Vec<String> = registered.collect();
            RegistryError::ProviderNotFound { name: name.to_string(), registered: registered.join(", ") }
        })
    }

    /// The store to look at, also while an engine has it.
    pub(crate) fn look(&self) -> Result<SqliteReader, Failure> {
        self.require()?;
        Ok(SqliteReader::open(&self.store)?)
    }

    /// The beginnings of an engine that has the store for itself.
    pub(crate) fn engine(&self, missing: Missing) -> Result<EngineBuilder, Failure> {
        match missing {
            Missing::Create => {}
            Missing::Refuse => self.require()?,
        }
        let options = SqliteOptions { owner: Some(self.owner.clone()), ..SqliteOptions::new(&self.store) };
        let store = SqliteStore::new(options);
        let engine = Engine::builder(store);
        Ok(self.providers.iter().cloned().fold(engine, EngineBuilder::provider))
    }

    /// Starts an engine; while another one has the store, it is tried again for a moment.
    pub(crate) async fn start(
        &self,
        screen: &Screen,
        missing: Missing,
        observe: ObservePolicy,
    ) -> Result<Engine, Failure> {
        let begun = Instant::now();
        loop {
            match self.engine(missing)?.observe(observe).start().await {
                Err(StartError::Store(StoreError::InUse { owner, .. })) if begun.elapsed() < self.wait => {
                    screen.progress(&format!("waits for the store, which {owner} has"));
                    tokio::time::sleep(LOOK).await;
                }
                Err(StartError::Store(in_use @ StoreError::InUse { .. })) => {
                    let waited = begun.elapsed();
                    screen.end_progress();
                    return Err(Failure::InUse { in_use, waited });
                }
                started => return Ok(started?),
            }
        }
    }

    fn require(&self) -> Result<(), Failure> {
        // When the path cannot be read, opening the store reports it.
        if let Ok(false) = self.store.try_exists() {
            return Err(Failure::NoStore(self.store.clone()));
        }
        Ok(())
    }
}

/// The tenant as a store has it, if it lives.
pub(crate) async fn living(store: &impl Reads, tenant: &TenantId) -> Result<Arc<Tenant>, Failure> {
    match store.load(tenant).await? {
        Record::Live(tenant) => Ok(tenant),
        Record::Absent(id) => Err(Failure::NoTenant(id)),
        Record::Gone(Tombstone { id, retained, .. }) => Err(Failure::Gone { tenant: id, retained }),
    }
}

/// What a provider needs to know to be asked about a tenant, beside any engine.
pub(crate) async fn asking(look: &SqliteReader, tenant: &Tenant) -> Result<Context, Failure> {
    let subject = Subject {
        engine: look.engine().await?,
        provider: tenant.provider.clone(),
        tenant: tenant.id.clone(),
        incarnation: tenant.incarnation,
    };
    Ok(Context::alone(subject, Arc::new(SystemClock)).with_ledger(tenant.ledger.clone()))
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

/// What providers keep beside a store: logs and records of launches.
pub(crate) fn state_dir(store: &Path) -> PathBuf {
    let mut dir = store.as_os_str().to_owned();
    dir.push(".d");
    dir.into()
}

/// A provider over the configuration in a file.
fn configured(built: &Built, store: &Path, file: &Path) -> Result<Arc<dyn Provider>, Failure> {
    let Document { file, text, format } = spec_file::document(file)?;
    let unfit = |message: String| Failure::Config { file, message };
    match format.parse(&text) {
        Ok(config) => started(built, store, config).map_err(|source| unfit(source.to_string())),
        Err(source) => Err(unfit(source.to_string())),
    }
}

fn started(built: &Built, store: &Path, config: Value) -> Result<Arc<dyn Provider>, SetupError> {
    let name = ProviderName::new(built.kind).map_err(SetupError::new)?;
    (built.start)(Setup { name, config, state_dir: state_dir(store) })
}
