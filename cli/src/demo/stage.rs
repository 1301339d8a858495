//! What the scenes of the demo play on: a folder of its own, an engine, and questions to ask.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::spec::TenantComputeSpec;
use landlord_compute::machines::status::Endpoint;
use landlord_compute::machines::tenant::{Backoff, LifecycleEvent, Policy, Record, RepairPolicy, Settled};
use landlord_compute::store::{Position, Reads, Scope};
use landlord_compute::{Delivery, Engine, ObservePolicy, OperationHandle, Options};
use landlord_store_sqlite::SqliteReader;
use tempfile::TempDir;

use super::super::built_with::Configs;
use super::super::failure::Failure;
use super::super::kept::Kept;
use super::super::place::{Missing, Place};
use super::super::screen::Screen;
use super::super::words;
use super::http;
use super::processes::Sweep;
use super::tenant::Version;

/// The file that the demo's tenants are kept in.
const STORE: &str = "landlord.db";

/// Why a scene did not play as it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// What was seen is not what should be.
    #[error("{0}")]
    Wrong(String),
    /// A part of the library says no.
    #[error("{0}")]
    Failed(#[from] Failure),
}

/// What a scene says when it played: what was seen.
pub(super) type Seen = Result<String, Trouble>;

/// A trouble in words.
pub(super) fn wrong<T>(what: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Wrong(what.into()))
}

/// All that the scenes share. Fields are dropped in this order: the processes before their folder.
pub(super) struct Stage {
    pub(super) screen: Screen,
    pub(super) place: Place,
    pub(super) program: PathBuf,
    engine: Option<Engine>,
    /// Also kills what is left of the tenants, however the demo ends.
    sweep: Sweep,
    folder: TempDir,
}

impl Stage {
    /// A folder and an engine in it.
    pub(super) async fn set(screen: &Screen) -> Result<Self, Failure> {
        let system = |doing| move |source| Failure::System { doing, source };
        let folder = TempDir::with_prefix("landlord-demo-").map_err(system("make a temporary folder"))?;
        let program = std::env::current_exe().map_err(system("find this program"))?;
        let store = folder.path().join(STORE);
        let place = Place::new(Kept::file(&store), &Configs::default(), Arc::default())?;
        let engine = start(&place).await?;
        let name = SqliteReader::open(&store)?.engine().await?.to_string();
        Ok(Self {
            screen: screen.clone(),
            place,
            program,
            engine: Some(engine),
            sweep: Sweep { engine: name },
            folder,
        })
    }

    /// What the engine is called in the tags of processes.
    pub(super) fn engine_name(&self) -> &str {
        &self.sweep.engine
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(super) fn store(&self) -> PathBuf {
        self.folder().join(STORE)
    }

    /// The store, as somebody sees it who has no engine.
    pub(super) fn reader(&self) -> Result<SqliteReader, Failure> {
        Ok(SqliteReader::open(self.store())?)
    }

    pub(super) fn engine(&self) -> Result<&Engine, Trouble> {
        self.engine.as_ref().map_or_else(|| wrong("no engine runs"), Ok)
    }

    pub(super) async fn start_engine(&mut self) -> Result<(), Trouble> {
        self.engine = Some(start(&self.place).await?);
        Ok(())
    }

    pub(super) async fn stop_engine(&mut self) -> Result<(), Trouble> {
        if let Some(engine) = self.engine.take() {
            engine.shutdown(Duration::from_secs(5)).await.map_err(Failure::from)?;
        }
        Ok(())
    }

    /// The spec of a tenant of this program.
    pub(super) fn spec(&self, tenant: &TenantId, version: Version) -> Result<TenantComputeSpec, Trouble> {
        let spec = version.spec(&self.program.display().to_string(), tenant);
        TenantComputeSpec::from_json(&spec.to_string()).or_else(|error| wrong(error.to_string()))
    }

    /// Makes a tenant run a version of its software.
    pub(super) async fn provision(
        &self,
        tenant: &TenantId,
        version: Version,
    ) -> Result<OperationHandle, Trouble> {
        let spec = self.spec(tenant, version)?;
        let operation = self.engine()?.tenant(tenant.clone()).provision(spec, Options::default()).await;
        Ok(operation.map_err(Failure::from)?)
    }

    /// Makes a tenant run another version of its software, and says how that ended.
    pub(super) async fn update(&self, tenant: &TenantId, version: Version) -> Result<Settled, Trouble> {
        let spec = self.spec(tenant, version)?;
        let operation = self.engine()?.tenant(tenant.clone()).update(spec, Options::default()).await;
        Ok(operation.map_err(Failure::from)?.await.map_err(Failure::from)?)
    }

    /// Where a tenant answers.
    pub(super) async fn endpoint(&self, tenant: &TenantId) -> Result<Endpoint, Trouble> {
        let record = self.reader()?.load(tenant).await.map_err(Failure::from)?;
        let endpoint = match record {
            Record::Live(tenant) => {
                tenant.ledger.as_ref().and_then(|ledger| ledger.endpoints.first().cloned())
            }
            Record::Gone(_) | Record::Absent(_) => None,
        };
        endpoint.map_or_else(|| wrong(format!("{tenant} has no endpoint")), Ok)
    }

    /// What a tenant answers over HTTP; it must begin with this.
    pub(super) async fn hear(&self, tenant: &TenantId, greeting: &str) -> Result<String, Trouble> {
        let endpoint = self.endpoint(tenant).await?;
        match http::get(&endpoint).await {
            Ok(answer) if answer.starts_with(greeting) => Ok(answer),
            Ok(answer) => wrong(format!("{tenant} answers {answer:?} and not {greeting:?}")),
            Err(trouble) => wrong(format!("{tenant}: {trouble}")),
        }
    }

    /// Follows a tenant's events from `since` on until one is `wanted`, and says where that stands.
    pub(super) async fn until(
        &self,
        tenant: &TenantId,
        since: Position,
        wanted: impl Fn(&LifecycleEvent) -> bool,
    ) -> Result<Position, Trouble> {
        let mut events = Box::pin(self.engine()?.subscribe(since, Scope::Tenant(tenant.clone())));
        while let Some(delivery) = events.next().await {
            match delivery.map_err(Failure::from)? {
                Delivery::Event { cursor, event } => {
                    self.screen.progress(&words::progress(&event));
                    if wanted(&event) {
                        return Ok(cursor);
                    }
                }
                Delivery::Gap { .. } => {}
            }
        }
        wrong("the engine ended")
    }
}

/// An engine with short pauses: it retries soon, and gives up soon.
async fn start(place: &Place) -> Result<Engine, Failure> {
    let soon = Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(2) };
    let policy = Policy {
        attempts: 2,
        retry: soon,
        repair: RepairPolicy::On { backoff: soon, quiet: Duration::from_secs(60) },
        ..Policy::default()
    };
    let observe = ObservePolicy::On { every: Duration::from_secs(1), per_second: 100 };
    Ok(place.engine(Missing::Create)?.policy(policy).observe(observe).start().await?)
}
