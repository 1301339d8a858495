//! What a transition costs when many tenants are alive: all are provisioned, then all are updated, then all are
//! destroyed. A thousand do it a hundred times over, so that each size has about as many transitions.
//!
//! The engine runs with its defaults: up to 50,000 tenants keep their actors from one phase to the next; with more,
//! a tenant's actor is passivated after each command and activated by the next one, which reads the store. That is
//! part of what a transition costs there. The baselines keep a task, an actor or a process for each tenant.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use landlord_compute::store::MemoryStore;
use tokio::sync::Barrier;

use crate::figure::{Figure, Unit};
use crate::parameters::Parameters;
use crate::subjects::Subject;
use crate::subjects::bare_ractor::Actors;
use crate::subjects::bare_sqlite::{self, Plan, STEPS};
use crate::subjects::bare_tokio::Tasks;
use crate::subjects::counted::Counted;
use crate::subjects::events::Publisher;
use crate::subjects::fleet::{Call, Fleet};
use crate::subjects::landlord::{self, Tenants};
use crate::subjects::toy::Command;
use crate::usage;

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
    let (clients, tenants) = match subject {
        // Enough for large batches, and the same number in all sizes: then the batches are as large in all of them.
        Subject::LandlordSqlite | Subject::BareSqlite | Subject::Restate => {
            (512, round.size.of(50_000, 10_000))
        }
        Subject::LandlordMemory
        | Subject::BareTokio
        | Subject::BareRactor
        | Subject::Erlang
        | Subject::ErlangHibernated => (64, round.size.of(100_000, 20_000)),
    };
    let child = |alive: usize| {
        let child = Parameters::default().with("tenants", alive).with("clients", clients);
        let child = child.with("times", tenants.div_ceil(alive));
        match subject {
            Subject::BareSqlite => {
                let commits = format!("commits_at_{alive}");
                let of = Subject::LandlordSqlite;
                let commits = round.samples.in_round(round.number, Workload::Growth, &commits, of);
                let missing = "bare-sqlite makes as many commits as landlord-sqlite; measure that too";
                Ok(child.with("commits", commits.ok_or(missing)?))
            }
            Subject::LandlordMemory
            | Subject::LandlordSqlite
            | Subject::BareTokio
            | Subject::BareRactor
            | Subject::Erlang
            | Subject::ErlangHibernated
            | Subject::Restate => Ok(child),
        }
    };
    sizes(round.size).iter().map(|alive| child(*alive)).collect()
}

/// How many tenants are alive at once, how many clients command them, and how often.
#[derive(Clone, Copy)]
struct Load {
    tenants: usize,
    clients: usize,
    times: usize,
}

impl Load {
    fn transitions(self) -> usize {
        self.tenants * STEPS * self.times
    }
}

pub(crate) fn run(subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    let (tenants, clients) = (parameters.get("tenants"), parameters.get("clients"));
    let load = Load { tenants, clients, times: parameters.get("times") };
    crate::runtime().block_on(async {
        match subject {
            Subject::LandlordMemory => {
                let tenants = Tenants::of(landlord::builder(MemoryStore::default(), Call::Returns)).await;
                let cost = drive(tenants.clone(), load).await;
                tenants.check(load.transitions());
                figures(load, cost)
            }
            Subject::LandlordSqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let (store, commits) = Counted::new(landlord::sqlite(folder.path()));
                let tenants = Tenants::of(landlord::builder(store, Call::Returns)).await;
                let cost = drive(tenants.clone(), load).await;
                tenants.check(load.transitions());
                let mut figures = figures(load, cost);
                let commits = commits.load(Ordering::Relaxed) as f64;
                figures.push(Figure::new(format!("commits_at_{}", load.tenants), Unit::Count, commits));
                figures
            }
            Subject::BareSqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let commits: f64 = parameters.get("commits");
                let batch = (load.transitions() as f64 / commits).ceil() as usize;
                let Load { tenants, clients, times } = load;
                let plan = Plan { tenants, clients, batch, phases: &[0..2, 2..4, 4..6], times };
                figures(load, bare_sqlite::run(folder.path(), &plan).await)
            }
            Subject::BareTokio => {
                figures(load, drive(Tasks::new(Call::Returns, Publisher::Nobody), load).await)
            }
            Subject::BareRactor => {
                figures(load, drive(Actors::start(Call::Returns, Publisher::Nobody).await, load).await)
            }
            Subject::Erlang | Subject::ErlangHibernated | Subject::Restate => {
                panic!("{subject} is not driven from here")
            }
        }
    })
}

fn figures(load: Load, (took, used): (Duration, Duration)) -> Vec<Figure> {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / load.transitions() as f64;
    let alive = load.tenants;
    vec![
        Figure::new(format!("cpu_at_{alive}"), Unit::Microseconds, each(used)),
        Figure::new(format!("time_at_{alive}"), Unit::Microseconds, each(took)),
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

/// Does it, and says how long it took and what of it was processor time.
async fn drive(fleet: impl Fleet, load: Load) -> (Duration, Duration) {
    let fleet = Arc::new(fleet);
    let (began, used) = (Instant::now(), usage::cpu());
    for _ in 0..load.times {
        generation(&fleet, load).await;
    }
    (began.elapsed(), usage::cpu() - used)
}

async fn generation<F: Fleet>(fleet: &Arc<F>, load: Load) {
    let turn = Arc::new(Barrier::new(load.clients));
    let clients = (0..load.clients).map(|client| {
        let (fleet, turn) = (Arc::clone(fleet), Arc::clone(&turn));
        tokio::spawn(async move {
            let mut tenants = Vec::new();
            for number in (client..load.tenants).step_by(load.clients) {
                let tenant = fleet.create(number).await;
                fleet.begin(&tenant, Command::Provision).await.await;
                tenants.push(tenant);
            }
            for command in [Command::Update, Command::Destroy] {
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
