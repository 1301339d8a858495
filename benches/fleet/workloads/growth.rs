//! What a transition costs when many tenants are alive.
//!
//! In memory, all are provisioned, then all are updated, then all are destroyed; fewer tenants do it more often, so that
//! each size has as many transitions. Over SQLite, a store is filled in which so many run (that is not measured), and as
//! many of them in all sizes, spread evenly, are updated, destroyed and provisioned again.
//!
//! The engine runs with its defaults: up to 10,000 tenants keep their actors from one phase to the next; with more,
//! a tenant's actor is passivated after each command and activated by the next one, which reads the store. That is
//! part of what a transition costs there. The baselines keep a task, an actor or a process for each tenant.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use landlord_compute::store::MemoryStore;
use tokio::sync::Barrier;

use crate::parameters::Parameters;
use crate::subjects::bare_ractor::Actors;
use crate::subjects::bare_sqlite::{self, Lives, Plan, STEPS};
use crate::subjects::bare_tokio::Tasks;
use crate::subjects::counted::Counted;
use crate::subjects::events::Publisher;
use crate::subjects::fleet::{Call, Fleet};
use crate::subjects::landlord::{self, Tenants};
use crate::subjects::toy::{Command, LIFE};
use crate::subjects::{Subject, filled};
use crate::usage;
use landlord_benchmark_page::{Figure, Unit};

use super::lifecycle::batch;
use super::{Round, Size, Workload};

pub(crate) const SUBJECTS: &[Subject] = &[
    Subject::LandlordMemory,
    Subject::BareTokio,
    Subject::BareRactor,
    Subject::Erlang,
    Subject::LandlordSqlite,
    Subject::BareSqlite,
];

/// How many tenants are alive at once.
fn sizes(size: Size) -> &'static [usize] {
    match size {
        Size::Full => &[1_000, 10_000, 100_000, 1_000_000],
        Size::Quick => &[1_000, 10_000],
    }
}

pub(crate) fn children(subject: Subject, round: &Round<'_>) -> Result<Vec<Parameters>, String> {
    let (clients, lives) = match subject {
        // Enough for large batches, and the same number in all sizes: then the batches are as large in all of them.
        Subject::LandlordSqlite | Subject::BareSqlite | Subject::Restate => {
            (512, round.size.of(50_000, 10_000))
        }
        Subject::LandlordMemory
        | Subject::BareTokio
        | Subject::BareRactor
        | Subject::Erlang
        | Subject::LandlordPostgres
        | Subject::BarePostgres
        | Subject::TaskTable
        | Subject::ErlangHibernated => (64, round.size.of(100_000, 20_000)),
    };
    let child = |alive: usize| {
        let child = Parameters::default().with("alive", alive).with("clients", clients);
        match subject {
            Subject::LandlordSqlite => Ok(over_a_store(child, alive, lives, round)),
            Subject::BareSqlite => {
                let commits = format!("commits_at_{alive}");
                let of = Subject::LandlordSqlite;
                let commits = round.results.in_round(round.number, Workload::Growth, &commits, of);
                let missing = "bare-sqlite makes as many commits as landlord-sqlite; measure that too";
                Ok(over_a_store(child, alive, lives, round).with("commits", commits.ok_or(missing)?))
            }
            Subject::LandlordMemory
            | Subject::BareTokio
            | Subject::BareRactor
            | Subject::Erlang
            | Subject::LandlordPostgres
            | Subject::BarePostgres
            | Subject::TaskTable
            | Subject::ErlangHibernated
            | Subject::Restate => Ok(child.with("tenants", alive).with("times", lives.div_ceil(alive))),
        }
    };
    sizes(round.size).iter().map(|alive| child(*alive)).collect()
}

/// With a store in which so many run, and as many of them as take part.
fn over_a_store(child: Parameters, alive: usize, lives: usize, round: &Round<'_>) -> Parameters {
    let tenants = alive.min(lives);
    let store = filled::store(round.folder, alive).display().to_string();
    child.with("store", store).with("tenants", tenants).with("times", lives / tenants)
}

/// Who takes part in a child.
#[derive(Clone, Copy)]
struct Load {
    /// How many tenants are alive at once.
    alive: usize,
    /// How many of them do something.
    tenants: usize,
    times: usize,
    clients: usize,
}

impl Load {
    fn transitions(self) -> usize {
        self.tenants * STEPS * self.times
    }

    /// The numbers of a client's tenants, which are spread evenly over those that are alive.
    fn numbers(self, client: usize) -> impl Iterator<Item = usize> {
        (client..self.tenants).step_by(self.clients).map(move |index| index * (self.alive / self.tenants))
    }
}

pub(crate) fn run(subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    let (alive, tenants) = (parameters.get("alive"), parameters.get("tenants"));
    let load = Load { alive, tenants, times: parameters.get("times"), clients: parameters.get("clients") };
    crate::runtime().block_on(async {
        match subject {
            Subject::LandlordMemory => {
                let tenants = Tenants::of(landlord::builder(MemoryStore::default(), Call::Returns)).await;
                let cost = drive(tenants.clone(), load, LIFE).await;
                tenants.check(load.transitions());
                figures(load, cost)
            }
            Subject::LandlordSqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                filled::copy(&parameters.get::<PathBuf>("store"), folder.path());
                let (store, commits) = Counted::new(landlord::sqlite(folder.path()));
                let tenants = Tenants::of(landlord::builder(store, Call::Returns)).await;
                let again = [Command::Update, Command::Destroy, Command::Provision];
                let cost = drive(tenants.clone(), load, again).await;
                tenants.check(load.alive + load.transitions());
                let mut figures = figures(load, cost);
                let commits = commits.load(Ordering::Relaxed) as f64;
                figures.push(Figure::new(format!("commits_at_{}", load.alive), Unit::Count, commits));
                figures
            }
            Subject::BareSqlite => {
                let store: PathBuf = parameters.get("store");
                let batch = batch(load.transitions(), parameters.get("commits"));
                let Load { alive, tenants, times, clients } = load;
                let lives = Lives::Running { store: &store, alive };
                figures(load, bare_sqlite::run(&Plan { lives, tenants, times, clients, batch }).await)
            }
            Subject::BareTokio => {
                figures(load, drive(Tasks::new(Call::Returns, Publisher::Nobody), load, LIFE).await)
            }
            Subject::BareRactor => {
                figures(load, drive(Actors::start(Call::Returns, Publisher::Nobody).await, load, LIFE).await)
            }
            Subject::LandlordPostgres
            | Subject::BarePostgres
            | Subject::TaskTable
            | Subject::Erlang
            | Subject::ErlangHibernated
            | Subject::Restate => {
                panic!("{subject} is not driven from here")
            }
        }
    })
}

fn figures(load: Load, (took, used): (Duration, Duration)) -> Vec<Figure> {
    let each = |time: Duration| time.as_secs_f64() / load.transitions() as f64;
    let alive = load.alive;
    vec![
        Figure::new(format!("cpu_at_{alive}"), Unit::Seconds, each(used)),
        Figure::new(format!("time_at_{alive}"), Unit::Seconds, each(took)),
    ]
}

/// What the largest size costs over the smallest.
pub(crate) fn derived(figures: &[Figure]) -> Vec<Figure> {
    let growth = |prefix: &str| {
        let mut of = figures.iter().filter(|figure| figure.measure.starts_with(prefix));
        let (least, most) = (of.next()?, of.next_back()?);
        Some(Figure::new(format!("{prefix}growth"), Unit::Times, most.value / least.value))
    };
    ["cpu_", "time_"].into_iter().filter_map(growth).collect()
}

/// Gives every tenant the first command, then every tenant the second, then every tenant the third; so often. Says how
/// long that took and what of it was processor time.
async fn drive(fleet: impl Fleet, load: Load, commands: [Command; 3]) -> (Duration, Duration) {
    let fleet = Arc::new(fleet);
    let (began, used) = (Instant::now(), usage::cpu());
    for _ in 0..load.times {
        generation(&fleet, load, commands).await;
    }
    (began.elapsed(), usage::cpu() - used)
}

async fn generation<F: Fleet>(fleet: &Arc<F>, load: Load, [first, second, third]: [Command; 3]) {
    let turn = Arc::new(Barrier::new(load.clients));
    let clients = (0..load.clients).map(|client| {
        let (fleet, turn) = (Arc::clone(fleet), Arc::clone(&turn));
        tokio::spawn(async move {
            let mut tenants = Vec::new();
            for number in load.numbers(client) {
                let tenant = fleet.create(number).await;
                fleet.begin(&tenant, first).await.await;
                tenants.push(tenant);
            }
            for command in [second, third] {
                turn.wait().await;
                for tenant in &tenants {
                    fleet.begin(tenant, command).await.await;
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no panic");
    }
}
