//! Lifecycle throughput: clients that each take one tenant after the other through provision, update and destroy,
//! and wait for the end of each. The provider call returns at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use landlord_compute::store::MemoryStore;

use crate::parameters::Parameters;
use crate::subjects::bare_ractor::Actors;
use crate::subjects::bare_sqlite::{Lives, Plan};
use crate::subjects::bare_tokio::Tasks;
use crate::subjects::counted::Counted;
use crate::subjects::events::Publisher;
use crate::subjects::fleet::{Call, Fleet};
use crate::subjects::landlord::{self, Tenants};
use crate::subjects::postgres::{Databases, Recorder, Used, replay, tasks};
use crate::subjects::toy::LIFE;
use crate::subjects::{self, Subject, bare_sqlite};
use landlord_benchmark_page::{Figure, Unit};

use super::{Round, Workload};

pub(crate) const SUBJECTS: &[Subject] = &[
    Subject::LandlordMemory,
    Subject::BareTokio,
    Subject::BareRactor,
    Subject::Erlang,
    Subject::LandlordSqlite,
    Subject::BareSqlite,
    Subject::Restate,
    Subject::LandlordPostgres,
    Subject::BarePostgres,
    Subject::TaskTable,
];

/// Provision, update and destroy each begin and end: six transitions a tenant.
pub(crate) const TRANSITIONS: usize = 6;

/// How many tenants live, and how many clients there are.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) tenants: usize,
    pub(crate) clients: usize,
}

pub(crate) fn children(subject: Subject, round: &Round<'_>) -> Result<Vec<Parameters>, String> {
    let tenants = match subject {
        // As many as it gets done in some seconds: it takes no longer for each of more.
        Subject::Restate | Subject::TaskTable => round.size.of(5_000, 1_000),
        // So that its events fit into one partition of their table.
        Subject::LandlordPostgres | Subject::BarePostgres => round.size.of(40_000, 2_000),
        Subject::LandlordMemory
        | Subject::LandlordSqlite
        | Subject::BareTokio
        | Subject::BareRactor
        | Subject::BareSqlite
        | Subject::Erlang
        | Subject::ErlangHibernated => round.size.of(100_000, 10_000),
    };
    let load = Parameters::default().with("tenants", tenants).with("clients", subjects::clients(subject));
    match subject {
        Subject::BareSqlite => {
            let commits = Subject::LandlordSqlite;
            let commits = round.results.in_round(round.number, Workload::Lifecycle, "commits", commits);
            let commits =
                commits.ok_or("bare-sqlite makes as many commits as landlord-sqlite; measure that too")?;
            Ok(vec![load.with("commits", commits)])
        }
        Subject::LandlordMemory
        | Subject::LandlordSqlite
        | Subject::BareTokio
        | Subject::BareRactor
        | Subject::LandlordPostgres
        | Subject::BarePostgres
        | Subject::TaskTable
        | Subject::Erlang
        | Subject::ErlangHibernated
        | Subject::Restate => Ok(vec![load]),
    }
}

pub(crate) fn run(subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    let load = Load { tenants: parameters.get("tenants"), clients: parameters.get("clients") };
    crate::runtime().block_on(async {
        match subject {
            Subject::LandlordMemory => {
                let tenants = Tenants::of(landlord::builder(MemoryStore::default(), Call::Returns)).await;
                let took = drive(tenants.clone(), load).await;
                tenants.check(load.tenants * TRANSITIONS);
                vec![throughput(load, took)]
            }
            Subject::LandlordSqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let (store, commits) = Counted::new(landlord::sqlite(folder.path()));
                let tenants = Tenants::of(landlord::builder(store, Call::Returns)).await;
                let took = drive(tenants.clone(), load).await;
                tenants.check(load.tenants * TRANSITIONS);
                let commits = commits.load(Ordering::Relaxed) as f64;
                vec![throughput(load, took), Figure::new("commits", Unit::Count, commits)]
            }
            Subject::BareTokio => {
                vec![throughput(load, drive(Tasks::new(Call::Returns, Publisher::Nobody), load).await)]
            }
            Subject::BareRactor => {
                vec![throughput(
                    load,
                    drive(Actors::start(Call::Returns, Publisher::Nobody).await, load).await,
                )]
            }
            Subject::BareSqlite => {
                let Load { tenants, clients } = load;
                let mut plan = Plan { lives: Lives::Whole, tenants, times: 1, clients, batch: 1 };
                plan.batch = batch(plan.transitions(), parameters.get("commits"));
                let (took, _) = bare_sqlite::run(&plan).await;
                vec![throughput(load, took)]
            }
            Subject::LandlordPostgres => {
                let databases = Databases::start().await;
                let (store, commits) = Counted::new(databases.store("lives").await);
                let tenants = Tenants::of(landlord::builder(store, Call::Returns)).await;
                let before = databases.used();
                let took = drive(tenants.clone(), load).await;
                let used = databases.used() - before;
                tenants.check(load.tenants * TRANSITIONS);
                let commits = commits.load(Ordering::Relaxed) as f64;
                vec![throughput(load, took), Figure::new("commits", Unit::Count, commits), server(load, used)]
            }
            Subject::BarePostgres => {
                let databases = Databases::start().await;
                let recorder = Recorder::before(databases.port());
                let store = databases.recorded("recorded", &recorder).await;
                let tenants = Tenants::of(landlord::builder(store, Call::Returns)).await;
                drive(tenants.clone(), load).await;
                tenants.check(load.tenants * TRANSITIONS);
                let requests = recorder.take();
                let _owner = databases.to_replay("lives").await;
                let before = databases.used();
                let (took, _connection) = replay(databases.port(), "lives", &requests);
                let used = databases.used() - before;
                assert_eq!(databases.events("lives"), load.tenants * TRANSITIONS + 1, "all was written");
                let commits = Figure::new("commits", Unit::Count, requests.len() as f64);
                vec![throughput(load, took), commits, server(load, used)]
            }
            Subject::TaskTable => {
                let databases = Databases::start().await;
                let took = tasks::run(&databases.empty("lives"), load.tenants, load.clients).await;
                vec![throughput(load, took)]
            }
            Subject::Erlang | Subject::ErlangHibernated | Subject::Restate => {
                panic!("{subject} has no lifecycle of its own here")
            }
        }
    })
}

/// What of the server's processor time a transition takes.
fn server(load: Load, used: Used) -> Figure {
    let transitions = (load.tenants * TRANSITIONS) as f64;
    Figure::new("server", Unit::Seconds, used.backends.as_secs_f64() / transitions)
}

/// How many transitions go into a commit, if there are so many commits.
pub(crate) fn batch(transitions: usize, commits: f64) -> usize {
    (transitions as f64 / commits).ceil() as usize
}

pub(crate) fn throughput(load: Load, took: Duration) -> Figure {
    Figure::new("transitions", Unit::PerSecond, (load.tenants * TRANSITIONS) as f64 / took.as_secs_f64())
}

pub(crate) async fn drive(fleet: impl Fleet, load: Load) -> Duration {
    let fleet = Arc::new(fleet);
    let began = Instant::now();
    let clients = (0..load.clients).map(|client| {
        let fleet = Arc::clone(&fleet);
        tokio::spawn(async move {
            for number in (client..load.tenants).step_by(load.clients) {
                let tenant = fleet.create(number).await;
                for command in LIFE {
                    fleet.begin(&tenant, command).await.await;
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no panic");
    }
    began.elapsed()
}
