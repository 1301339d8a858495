//! What runs under Valgrind: an engine, and tenants that live or idle.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use landlord_compute::machines::id::TenantId;
use landlord_compute::store::MemoryStore;
use landlord_compute::{Engine, Limits, Options, TenantHandle};
use landlord_store_sqlite::{SqliteOptions, SqliteStore};

use crate::spec::spec;
use crate::{engine, watched};

/// What is done with each tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It is provisioned, updated and destroyed.
    Lives,
    /// It is provisioned, and runs without an actor.
    Idle,
}

impl Work {
    /// How many transitions a tenant makes: each command begins and ends.
    pub(crate) fn transitions(self) -> usize {
        match self {
            Self::Lives => 6,
            Self::Idle => 2,
        }
    }
}

/// What keeps the tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Memory,
    Sqlite,
}

impl StoreKind {
    /// As many clients as in the fleet benchmark: over a disk more of them, so that batches are large.
    fn clients(self) -> usize {
        match self {
            Self::Memory => 64,
            Self::Sqlite => 2048,
        }
    }

    /// How many tenants the smaller of the two runs has.
    pub(crate) fn tenants(self) -> usize {
        match self {
            Self::Memory => 10_000,
            Self::Sqlite => self.clients(),
        }
    }
}

/// Who watches the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Nobody,
    /// A watcher that does nothing, and a subscriber that takes nothing: what it costs to be told.
    Idle,
    /// Its metrics are counted, and wait to be asked for; nothing leaves the program.
    Counted,
    /// Its metrics and its traces go to a receiver, as `serve` sends them.
    Both,
}

impl Watch {
    pub(crate) const ALL: [Self; 4] = [Self::Nobody, Self::Idle, Self::Counted, Self::Both];
}

/// A run, with its engine in a new process.
pub(crate) struct Program {
    pub(crate) work: Work,
    pub(crate) store: StoreKind,
    pub(crate) watch: Watch,
    pub(crate) tenants: usize,
    /// For the files of the store.
    pub(crate) folder: PathBuf,
}

impl Program {
    /// Runs, and ends the process. The engine is there until the end, so that what it holds is counted.
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        fastrand::seed(1);
        let limits = match self.work {
            Work::Lives => Limits::default(),
            Work::Idle => Limits::default().live_tenants(0),
        };
        let runtime = engine::runtime();
        let engine = runtime.block_on(async {
            let telemetry = match self.watch {
                Watch::Nobody => None,
                Watch::Idle => {
                    watched::ignore();
                    None
                }
                Watch::Counted => Some(watched::count()),
                Watch::Both => Some(watched::export()),
            };
            let engine = match self.store {
                StoreKind::Memory => engine::builder(MemoryStore::default(), limits),
                StoreKind::Sqlite => {
                    let options = SqliteOptions::new(self.folder.join("instructions.db"));
                    engine::builder(SqliteStore::new(options), limits)
                }
            };
            let engine = match (&telemetry, self.watch) {
                (Some(telemetry), _) => engine.watched_by(telemetry.watcher()),
                (None, Watch::Idle) => engine.watched_by(Arc::new(watched::Ignores)),
                (None, Watch::Nobody | Watch::Counted | Watch::Both) => engine,
            };
            let engine = Arc::new(engine.start().await.expect("it starts"));
            if let Some(telemetry) = &telemetry {
                telemetry.asks(&engine);
            }
            self.drive(&engine).await;
            if self.work == Work::Idle {
                // An actor that is no longer needed ends after its last answer. Nothing tells when.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            engine
        });
        let transitions = self.tenants * self.work.transitions();
        assert_eq!(engine.head().0 as usize, transitions, "every transition was published");
        std::process::exit(0)
    }

    async fn drive(&self, engine: &Arc<Engine>) {
        let (clients, work) = (self.store.clients(), self.work);
        let clients = (0..clients).map(|client| {
            let (engine, numbers) = (Arc::clone(engine), (client..self.tenants).step_by(clients));
            tokio::spawn(async move {
                for number in numbers {
                    let id = TenantId::new(&format!("tenant-{number:07}")).expect("valid");
                    live(&engine.tenant(id), work).await;
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("no panic");
        }
    }
}

async fn live(tenant: &TenantHandle, work: Work) {
    let (id, options) = (tenant.id().as_str(), Options::default);
    let provision = tenant.provision(spec(id, "v1"), options()).await.expect("accepted");
    provision.await.expect("settles");
    match work {
        Work::Idle => {}
        Work::Lives => {
            let update = tenant.update(spec(id, "v2"), options()).await.expect("accepted");
            update.await.expect("settles");
            let destroy = tenant.destroy(options()).await.expect("accepted");
            destroy.await.expect("settles");
        }
    }
}

/// A word that names nothing of this kind.
#[derive(Debug, thiserror::Error)]
#[error("{word:?} is none of {known}")]
pub(crate) struct UnknownWord {
    word: String,
    known: &'static str,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        })
    }
}

impl FromStr for StoreKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "memory" => Ok(Self::Memory),
            "sqlite" => Ok(Self::Sqlite),
            other => Err(UnknownWord { word: other.to_owned(), known: "memory, sqlite" }),
        }
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody",
            Self::Idle => "idle",
            Self::Counted => "counted",
            Self::Both => "both",
        })
    }
}

impl FromStr for Watch {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "nobody" => Ok(Self::Nobody),
            "idle" => Ok(Self::Idle),
            "counted" => Ok(Self::Counted),
            "both" => Ok(Self::Both),
            other => Err(UnknownWord { word: other.to_owned(), known: "nobody, idle, counted, both" }),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lives => "lives",
            Self::Idle => "idle",
        })
    }
}

impl FromStr for Work {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "lives" => Ok(Self::Lives),
            "idle" => Ok(Self::Idle),
            other => Err(UnknownWord { word: other.to_owned(), known: "lives, idle" }),
        }
    }
}
