//! The lives of the lifecycle workload, led by several engines that share a database: what it costs that any engine takes any
//! command, while the owner of the tenant makes the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::parameters::Parameters;
use crate::subjects::fleet::Call;
use crate::subjects::postgres::Databases;
use crate::subjects::shared::Engines;
use crate::subjects::toy::LIFE;
use crate::subjects::{self, Subject};
use crate::usage;
use landlord_benchmark_page::{Figure, Unit};

use super::Round;
use super::lifecycle::{Load, TRANSITIONS, drive};

pub(crate) const SUBJECTS: &[Subject] = &[Subject::LandlordPostgres];

/// How many engines there are.
const NUMBERS: [usize; 3] = [1, 2, 4];

pub(crate) fn children(round: &Round<'_>) -> Vec<Parameters> {
    let load = Parameters::default()
        // As many as in the lifecycle.
        .with("tenants", round.size.of(40_000, 2_000))
        .with("clients", subjects::clients(Subject::LandlordPostgres));
    NUMBERS.map(|engines| load.clone().with("engines", engines)).into()
}

pub(crate) fn run(parameters: &Parameters) -> Vec<Figure> {
    let load = Load { tenants: parameters.get("tenants"), clients: parameters.get("clients") };
    let number: usize = parameters.get("engines");
    crate::runtime().block_on(async {
        let databases = Databases::start().await;
        let calls = Arc::new(AtomicUsize::new(0));
        let call = Call::Counts(Arc::clone(&calls));
        let engines = Engines::start(number, &databases.migrated("lives").await, &call).await;
        engines.divided(number).await;
        let (server, own) = (databases.used(), usage::cpu());
        let took = drive(engines.clone(), load).await;
        let (server, own) = (databases.used() - server, usage::cpu() - own);
        let transitions = load.tenants * TRANSITIONS;
        assert_eq!(databases.events("lives"), transitions, "every transition was made once");
        assert_eq!(calls.load(Ordering::Relaxed), load.tenants * LIFE.len(), "every call was made once");
        let figure = |what: &str, unit, value| Figure::new(format!("{what}_of_{number}"), unit, value);
        let transitions = transitions as f64;
        vec![
            figure("transitions", Unit::PerSecond, transitions / took.as_secs_f64()),
            figure("engines", Unit::Seconds, own.as_secs_f64() / transitions),
            figure("server", Unit::Seconds, server.backends.as_secs_f64() / transitions),
        ]
    })
}

/// How many times the transitions of one engine several make together, in the same round.
pub(crate) fn derived(figures: &[Figure]) -> Vec<Figure> {
    let transitions = |number: usize| {
        let measure = format!("transitions_of_{number}");
        figures.iter().find(|figure| figure.measure == measure).map(|figure| figure.value)
    };
    let over_one = |number: &usize| {
        let ratio = transitions(*number)? / transitions(1)?;
        Some(Figure::new(format!("{number}_over_one"), Unit::Times, ratio))
    };
    NUMBERS.iter().filter(|number| **number > 1).filter_map(over_one).collect()
}
