//! One tenant that eight clients command without a pause, among others under half load: what the others notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use landlord_compute::store::MemoryStore;

use crate::parameters::Parameters;
use crate::subjects::bare_ractor::Actors;
use crate::subjects::bare_tokio::Tasks;
use crate::subjects::events::Publisher;
use crate::subjects::fleet::{Call, CallTimes, Fleet, HOT};
use crate::subjects::landlord::{self, Tenants};
use crate::subjects::toy::Command;
use crate::subjects::{self, Subject};
use landlord_benchmark_page::{Figure, Unit, settled_in_time};

use super::Round;
use super::open_loop::{Answers, Lives};

pub(crate) const SUBJECTS: &[Subject] = &[Subject::LandlordMemory, Subject::BareTokio, Subject::BareRactor];

/// How many clients the hot tenant has.
const HOT_CLIENTS: usize = 8;

pub(crate) fn children(subject: Subject, round: &Round<'_>) -> Vec<Parameters> {
    let parameters = Parameters::default()
        .with("slots", 10_000)
        .with("clients", subjects::clients(subject))
        .with("maximum_seconds", round.size.of(2, 1))
        .with("seconds", round.size.of(3, 1));
    vec![parameters]
}

pub(crate) fn run(subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    let calls = CallTimes::new(parameters.get("slots"));
    let call = Call::Notes(Arc::clone(&calls));
    crate::runtime().block_on(async {
        match subject {
            Subject::LandlordMemory => {
                let tenants = Tenants::of(landlord::builder(MemoryStore::default(), call)).await;
                measure(tenants, calls, parameters).await
            }
            Subject::BareTokio => measure(Tasks::new(call, Publisher::Nobody), calls, parameters).await,
            Subject::BareRactor => {
                measure(Actors::start(call, Publisher::Nobody).await, calls, parameters).await
            }
            Subject::LandlordSqlite
            | Subject::BareSqlite
            | Subject::Erlang
            | Subject::LandlordPostgres
            | Subject::BarePostgres
            | Subject::TaskTable
            | Subject::ErlangHibernated
            | Subject::Restate => panic!("{subject} has no hot tenant here"),
        }
    })
}

async fn measure(fleet: impl Fleet, calls: Arc<CallTimes>, parameters: &Parameters) -> Vec<Figure> {
    let lives = Lives::new(fleet, parameters.get("slots"), Arc::clone(&calls)).await;
    let seconds = |key| Duration::from_secs(parameters.get(key));
    let maximum = lives.maximum(parameters.get("clients"), seconds("maximum_seconds")).await;
    let half = maximum / 2.0;
    let alone = lives.at_rate(half, seconds("seconds")).await;

    let hot = lives.fleet().create(HOT).await;
    lives.fleet().begin(&hot, Command::Provision).await.await;
    let hot = Arc::new((lives.clone(), hot, AtomicBool::new(false)));
    let (began, called) = (Instant::now(), calls.hot());
    let clients = (0..HOT_CLIENTS).map(|_| {
        let hot = Arc::clone(&hot);
        tokio::spawn(async move {
            let (lives, tenant, over) = &*hot;
            let mut commands = 0;
            while !over.load(Ordering::Relaxed) {
                lives.fleet().begin(tenant, Command::Update).await.await;
                commands += 1;
            }
            commands
        })
    });
    let clients: Vec<_> = clients.collect();
    let beside = lives.at_rate(half, seconds("seconds")).await;
    hot.2.store(true, Ordering::Relaxed);
    let mut commands = 0;
    for client in clients {
        commands += client.await.expect("no panic");
    }
    let called = (calls.hot() - called) as f64;
    let per_second = |count: f64| count / began.elapsed().as_secs_f64();

    // Where several updates wait for the same call, all but the latest are answered without one of their own.
    let mut figures = vec![
        Figure::new("hot_commands", Unit::PerSecond, per_second(f64::from(commands))),
        Figure::new("hot_calls", Unit::PerSecond, per_second(called)),
    ];
    figures.extend(quantiles("alone", &alone));
    figures.extend(quantiles("beside_hot", &beside));
    figures
}

/// How long the others wait for their call, and whether they all got it.
fn quantiles(when: &str, answers: &Answers) -> Vec<Figure> {
    let quantile = |name: &str, quantile| {
        let nanoseconds = answers.times.call.value_at_quantile(quantile) as f64;
        Figure::new(format!("call_{name}_{when}"), Unit::Seconds, nanoseconds / 1e9)
    };
    let share = Figure::new(settled_in_time(when), Unit::Times, answers.settled_in_time);
    vec![quantile("p50", 0.5), quantile("p99", 0.99), share]
}
