//! From a command to the provider's call, and to the durable acknowledgement, at a part of the load that the subject
//! itself can take at most.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use landlord_compute::store::MemoryStore;

use crate::parameters::Parameters;
use crate::subjects::bare_ractor::Actors;
use crate::subjects::bare_sqlite::rows::Rows;
use crate::subjects::bare_tokio::Tasks;
use crate::subjects::events::Publisher;
use crate::subjects::fleet::{Call, CallTimes, Fleet};
use crate::subjects::landlord::{self, Tenants};
use crate::subjects::{self, Subject};
use landlord_benchmark_page::{Figure, Unit, settled_in_time};

use super::Round;
use super::open_loop::Lives;

pub(crate) const SUBJECTS: &[Subject] = &[
    Subject::LandlordMemory,
    Subject::BareTokio,
    Subject::BareRactor,
    Subject::Erlang,
    Subject::LandlordSqlite,
    Subject::BareSqlite,
    Subject::Restate,
];

/// Parts of the maximum.
const LOADS: [usize; 3] = [10, 50, 90];
/// What is told of a distribution.
const QUANTILES: [Quantile; 3] = [("p50", 0.5), P99, ("p999", 0.999)];
const P99: Quantile = ("p99", 0.99);

/// Its name, and the part of the times that are below it.
type Quantile = (&'static str, f64);

pub(crate) fn children(subject: Subject, round: &Round<'_>) -> Vec<Parameters> {
    let slots = match subject {
        // More than it has commands on their way at any load.
        Subject::Restate => 4_000,
        Subject::LandlordMemory
        | Subject::LandlordSqlite
        | Subject::BareTokio
        | Subject::BareRactor
        | Subject::BareSqlite
        | Subject::Erlang
        | Subject::LandlordPostgres
        | Subject::BarePostgres
        | Subject::TaskTable
        | Subject::ErlangHibernated => 10_000,
    };
    let parameters = Parameters::default()
        .with("slots", slots)
        .with("clients", subjects::clients(subject))
        .with("maximum_seconds", round.size.of(2, 1))
        .with("seconds", round.size.of(3, 1));
    vec![parameters]
}

/// What an acceptance of a subject is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Acceptance {
    /// The command is only in a mailbox.
    InMailbox,
    /// It was decided and committed.
    Committed,
}

pub(crate) fn run(subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    let calls = CallTimes::new(parameters.get("slots"));
    let call = Call::Notes(Arc::clone(&calls));
    crate::runtime().block_on(async {
        match subject {
            Subject::LandlordMemory => {
                let tenants = Tenants::of(landlord::builder(MemoryStore::default(), call)).await;
                measure(tenants, calls, Acceptance::Committed, parameters).await
            }
            Subject::LandlordSqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let tenants = Tenants::of(landlord::builder(landlord::sqlite(folder.path()), call)).await;
                measure(tenants, calls, Acceptance::Committed, parameters).await
            }
            Subject::BareSqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let rows = Rows::open(folder.path(), call).await;
                measure(rows, calls, Acceptance::Committed, parameters).await
            }
            Subject::BareTokio => {
                measure(Tasks::new(call, Publisher::Nobody), calls, Acceptance::InMailbox, parameters).await
            }
            Subject::BareRactor => {
                measure(
                    Actors::start(call, Publisher::Nobody).await,
                    calls,
                    Acceptance::InMailbox,
                    parameters,
                )
                .await
            }
            Subject::LandlordPostgres
            | Subject::BarePostgres
            | Subject::TaskTable
            | Subject::Erlang
            | Subject::ErlangHibernated
            | Subject::Restate => {
                panic!("{subject} has a program of its own")
            }
        }
    })
}

async fn measure(
    fleet: impl Fleet,
    calls: Arc<CallTimes>,
    acceptance: Acceptance,
    parameters: &Parameters,
) -> Vec<Figure> {
    let lives = Lives::new(fleet, parameters.get("slots"), calls).await;
    let seconds = |key| Duration::from_secs(parameters.get(key));
    let maximum = lives.maximum(parameters.get("clients"), seconds("maximum_seconds")).await;
    let mut figures = vec![Figure::new("maximum", Unit::PerSecond, maximum)];
    for load in LOADS {
        let answers = lives.at_rate(maximum * load as f64 / 100.0, seconds("seconds")).await;
        let (times, share) = (answers.times, answers.settled_in_time);
        figures.push(Figure::new(settled_in_time(&format!("at_{load}_percent")), Unit::Times, share));
        figures.extend(quantiles("call", load, &times.call));
        if acceptance == Acceptance::Committed {
            figures.extend(quantiles("accepted", load, &times.accepted));
        }
        figures.push(quantile("settled", load, &times.settled, P99));
        figures.push(quantile("generator_late", load, &times.generator, P99));
    }
    figures
}

fn quantiles(what: &str, load: usize, times: &Histogram<u64>) -> impl Iterator<Item = Figure> {
    QUANTILES.iter().map(move |which| quantile(what, load, times, *which))
}

fn quantile(what: &str, load: usize, times: &Histogram<u64>, (name, quantile): Quantile) -> Figure {
    let nanoseconds = times.value_at_quantile(quantile) as f64;
    Figure::new(format!("{what}_{name}_at_{load}_percent"), Unit::Seconds, nanoseconds / 1e9)
}
