//! What a tenant takes of memory: a million that run and have nothing to do, and a hundred thousand of which each has
//! a provider call open. Over what the same process takes before its first tenant.
//!
//! The engine and its provider allow as many calls at once ([`landlord::Noop`] says so of itself), so that all are open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use landlord_compute::Limits;
use landlord_compute::store::MemoryStore;

use crate::parameters::Parameters;
use crate::subjects::bare_ractor::Actors;
use crate::subjects::bare_tokio::Tasks;
use crate::subjects::events::Publisher;
use crate::subjects::fleet::{Call, Fleet};
use crate::subjects::landlord::{self, Tenants};
use crate::subjects::toy::Command;
use crate::subjects::{Subject, filled};
use crate::usage;
use landlord_benchmark_page::{Figure, Unit};

use super::Round;

pub(crate) const SUBJECTS: &[Subject] = &[
    Subject::LandlordSqlite,
    Subject::LandlordMemory,
    Subject::BareTokio,
    Subject::BareRactor,
    Subject::Erlang,
    Subject::ErlangHibernated,
];

/// How long memory is left to be given back once all is quiet.
const QUIET: Duration = Duration::from_secs(3);

pub(crate) fn children(subject: Subject, round: &Round<'_>) -> Result<Vec<Parameters>, String> {
    let (idle, busy) = (round.size.of(1_000_000, 20_000), round.size.of(100_000, 10_000));
    // Many more clients wait for the disk together than for memory.
    let clients = if subject == Subject::LandlordSqlite { 2048 } else { 64 };
    let child = |state: &str, tenants: usize| {
        let child = Parameters::default().with("state", state).with("tenants", tenants);
        let child = child.with("clients", clients);
        child.with("hibernate", subject == Subject::ErlangHibernated)
    };
    let idle = match subject {
        Subject::LandlordSqlite => {
            let store = filled::store(round.folder, idle).display().to_string();
            child("idle", idle).with("store", store).with("at_work", round.size.of(100_000, 10_000))
        }
        Subject::LandlordMemory
        | Subject::BareTokio
        | Subject::BareRactor
        | Subject::BareSqlite
        | Subject::Erlang
        | Subject::LandlordPostgres
        | Subject::BarePostgres
        | Subject::TaskTable
        | Subject::ErlangHibernated
        | Subject::Restate => child("idle", idle),
    };
    if subject == Subject::ErlangHibernated {
        return Ok(vec![idle]);
    }
    Ok(vec![idle, child("busy", busy)])
}

pub(crate) fn run(subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    let load = Load { tenants: parameters.get("tenants"), clients: parameters.get("clients") };
    let state: String = parameters.get("state");
    crate::runtime().block_on(async {
        match (state.as_str(), subject) {
            ("idle", Subject::LandlordSqlite) => {
                idle_in_sqlite(&parameters.get::<PathBuf>("store"), load, parameters.get("at_work")).await
            }
            ("idle", _) => vec![figure("idle", idle(subject, load).await, load)],
            ("busy", _) => vec![figure("busy", busy(subject, load).await, load)],
            (other, _) => panic!("tenants cannot be {other}"),
        }
    })
}

fn figure(measure: &str, bytes: f64, load: Load) -> Figure {
    Figure::new(measure, Unit::Bytes, bytes / load.tenants as f64)
}

#[derive(Clone, Copy)]
struct Load {
    tenants: usize,
    clients: usize,
}

/// Tenants that were provisioned and run.
async fn idle(subject: Subject, load: Load) -> f64 {
    let call = Call::Returns;
    match subject {
        Subject::LandlordMemory => {
            let tenants = Tenants::of(landlord::builder(MemoryStore::default(), call)).await;
            run_all(tenants, load, passivated()).await
        }
        Subject::BareTokio => run_all(Tasks::new(call, Publisher::Nobody), load, QUIET).await,
        Subject::BareRactor => run_all(Actors::start(call, Publisher::Nobody).await, load, QUIET).await,
        Subject::LandlordSqlite
        | Subject::BareSqlite
        | Subject::Erlang
        | Subject::LandlordPostgres
        | Subject::BarePostgres
        | Subject::TaskTable
        | Subject::ErlangHibernated
        | Subject::Restate => panic!("{subject} has no idle tenants here"),
    }
}

/// How long until the engine has passivated what is idle, by its defaults, and memory was given back.
fn passivated() -> Duration {
    Limits::default().idle * 3 / 2 + QUIET
}

async fn run_all<F: Fleet>(fleet: F, load: Load, until_quiet: Duration) -> f64 {
    let fleet = Arc::new(fleet);
    let empty = usage::resident();
    let tenants = each(&fleet, load, |fleet, tenant| async move {
        fleet.begin(&tenant, Command::Provision).await.await;
        tenant
    })
    .await;
    tokio::time::sleep(until_quiet).await;
    let bytes = usage::resident() - empty;
    drop(tenants);
    bytes
}

/// Tenants whose call has begun and does not end.
async fn busy(subject: Subject, load: Load) -> f64 {
    let open = Arc::new(AtomicUsize::new(0));
    let call = Call::Stays(Arc::clone(&open));
    match subject {
        Subject::LandlordMemory => {
            let tenants = Tenants::of(landlord::builder(MemoryStore::default(), call)).await;
            open_all(tenants, load, &open).await
        }
        Subject::LandlordSqlite => {
            let folder = tempfile::tempdir().expect("a folder");
            let tenants = Tenants::of(landlord::builder(landlord::sqlite(folder.path()), call)).await;
            open_all(tenants, load, &open).await
        }
        Subject::BareTokio => open_all(Tasks::new(call, Publisher::Nobody), load, &open).await,
        Subject::BareRactor => open_all(Actors::start(call, Publisher::Nobody).await, load, &open).await,
        Subject::BareSqlite
        | Subject::LandlordPostgres
        | Subject::BarePostgres
        | Subject::TaskTable
        | Subject::Erlang
        | Subject::ErlangHibernated
        | Subject::Restate => {
            panic!("{subject} is not driven from here")
        }
    }
}

async fn open_all<F: Fleet>(fleet: F, load: Load, open: &AtomicUsize) -> f64 {
    let fleet = Arc::new(fleet);
    let empty = usage::resident();
    let tenants = each(&fleet, load, |fleet, tenant| async move {
        // Nobody waits for the end.
        drop(fleet.begin(&tenant, Command::Provision).await);
        tenant
    })
    .await;
    while open.load(Ordering::Relaxed) < load.tenants {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(QUIET).await;
    let bytes = usage::resident() - empty;
    drop(tenants);
    bytes
}

/// Has the clients do something with each tenant of their own, and gives what has to be kept of the tenants.
async fn each<F: Fleet, W>(
    fleet: &Arc<F>,
    load: Load,
    work: impl Fn(Arc<F>, F::Tenant) -> W + Clone + Send + 'static,
) -> Vec<Vec<F::Kept>>
where
    W: Future<Output = F::Tenant> + Send,
{
    let clients = (0..load.clients).map(|client| {
        let (fleet, work) = (Arc::clone(fleet), work.clone());
        tokio::spawn(async move {
            let mut kept = Vec::new();
            for number in (client..load.tenants).step_by(load.clients) {
                let tenant = fleet.create(number).await;
                kept.push(F::keep(work(Arc::clone(&fleet), tenant).await));
            }
            kept
        })
    });
    let mut all = Vec::with_capacity(load.clients);
    for client in clients.collect::<Vec<_>>() {
        all.push(client.await.expect("no panic"));
    }
    all
}

/// An engine over a store with running tenants: right after its start, and after some of them were updated and their
/// actors passivated again.
async fn idle_in_sqlite(store: &Path, load: Load, at_work: usize) -> Vec<Figure> {
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    filled::copy(store, folders[1].path());
    let start =
        |at: usize| Tenants::of(landlord::builder(landlord::sqlite(folders[at].path()), Call::Returns));
    // An engine without tenants is part of what is empty.
    let _empty = start(0).await;
    let empty = usage::resident();
    let full = Arc::new(start(1).await);
    tokio::time::sleep(QUIET).await;
    let started = usage::resident() - empty;
    each(&full, Load { tenants: at_work, ..load }, |fleet, tenant| async move {
        fleet.begin(&tenant, Command::Update).await.await;
        tenant
    })
    .await;
    tokio::time::sleep(passivated()).await;
    let idle = usage::resident() - empty;
    vec![figure("idle", idle, load), figure("idle_after_a_start", started, load)]
}
