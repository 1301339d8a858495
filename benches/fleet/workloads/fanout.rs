//! Lifecycle throughput while subscribers read every event: what they cost the fleet, and how much they get. No event
//! may be lost to anybody.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use landlord_compute::Delivery;
use landlord_compute::store::{MemoryOptions, MemoryStore, Position, Scope};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::parameters::Parameters;
use crate::subjects::bare_ractor::{self, Actors};
use crate::subjects::bare_tokio::Tasks;
use crate::subjects::events::{Event, Publisher};
use crate::subjects::fleet::Call;
use crate::subjects::landlord::{self, Tenants};
use crate::subjects::{self, Subject};
use landlord_benchmark_page::{Figure, Unit};

use super::Round;
use super::lifecycle::{Load, TRANSITIONS, drive};

pub(crate) const SUBJECTS: &[Subject] =
    &[Subject::LandlordMemory, Subject::LandlordSqlite, Subject::BareTokio, Subject::BareRactor];

const SUBSCRIBERS: [usize; 4] = [0, 1, 10, 100];

pub(crate) fn children(subject: Subject, round: &Round<'_>) -> Vec<Parameters> {
    let load = Parameters::default()
        .with("tenants", round.size.of(20_000, 5_000))
        .with("clients", subjects::clients(subject));
    SUBSCRIBERS.iter().map(|subscribers| load.clone().with("subscribers", subscribers)).collect()
}

pub(crate) fn run(subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    let load = Load { tenants: parameters.get("tenants"), clients: parameters.get("clients") };
    let subscribers: usize = parameters.get("subscribers");
    let events = load.tenants * TRANSITIONS;
    crate::runtime().block_on(async {
        match subject {
            Subject::LandlordMemory => {
                // Whoever is late reads on from the store, which keeps all of it.
                let options = MemoryOptions { history: events, ..MemoryOptions::default() };
                let builder = landlord::builder(MemoryStore::new(options), Call::Returns);
                landlord(Tenants::of(builder).await, subscribers, load).await
            }
            Subject::LandlordSqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let builder = landlord::builder(landlord::sqlite(folder.path()), Call::Returns);
                landlord(Tenants::of(builder).await, subscribers, load).await
            }
            Subject::BareTokio => {
                // The channel drops what is too old: it has room for everything.
                let (sender, _) = broadcast::channel(events);
                let readers = (0..subscribers).map(|_| read_all(sender.subscribe(), events)).collect();
                let tasks = Tasks::new(Call::Returns, Publisher::Channel(sender));
                measure(drive(tasks, load), readers, load).await
            }
            Subject::BareRactor => {
                let (readers, ends) = bare_ractor::readers(subscribers, events).await;
                let actors = Actors::start(Call::Returns, Publisher::Actors(readers)).await;
                measure(drive(actors, load), ends, load).await
            }
            Subject::BareSqlite
            | Subject::LandlordPostgres
            | Subject::BarePostgres
            | Subject::TaskTable
            | Subject::Erlang
            | Subject::ErlangHibernated
            | Subject::Restate => {
                panic!("{subject} publishes no events here")
            }
        }
    })
}

async fn landlord(tenants: Tenants, subscribers: usize, load: Load) -> Vec<Figure> {
    let events = load.tenants * TRANSITIONS;
    let readers = (0..subscribers).map(|_| {
        let stream = tenants.0.subscribe(Position(0), Scope::All);
        tokio::spawn(async move {
            let mut stream = pin!(stream);
            let mut read = 0;
            while read < events {
                match stream.next().await.expect("the engine lives").expect("the store can be read") {
                    Delivery::Event { cursor, .. } => {
                        read += 1;
                        assert_eq!(cursor.0 as usize, read, "no event is missing");
                    }
                    Delivery::Gap { .. } => panic!("an event is missing"),
                }
            }
        })
    });
    let readers = readers.collect();
    let figures = measure(drive(tenants.clone(), load), readers, load).await;
    tenants.check(events);
    figures
}

/// Reads so many events.
fn read_all(mut events: broadcast::Receiver<Arc<Event>>, count: usize) -> JoinHandle<()> {
    tokio::spawn(async move {
        for _ in 0..count {
            events.recv().await.expect("no event is missing").read();
        }
    })
}

/// Waits for the lives, and for the last reader.
async fn measure(
    lives: impl Future<Output = Duration>,
    readers: Vec<JoinHandle<()>>,
    load: Load,
) -> Vec<Figure> {
    let (subscribers, events) = (readers.len(), (load.tenants * TRANSITIONS) as f64);
    let began = Instant::now();
    let took = lives.await;
    for reader in readers {
        reader.await.expect("no panic");
    }
    let all_read = began.elapsed();
    let mut figures = vec![Figure::new(
        format!("transitions_with_{subscribers}_subscribers"),
        Unit::PerSecond,
        events / took.as_secs_f64(),
    )];
    if subscribers > 0 {
        figures.push(Figure::new(
            format!("delivered_to_{subscribers}_subscribers"),
            Unit::PerSecond,
            events * subscribers as f64 / all_read.as_secs_f64(),
        ));
    }
    figures
}
