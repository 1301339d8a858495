//! Commits of so many rows each, without an engine: what the store on PostgreSQL makes of them, beside a loop that sends the
//! same bytes.

use std::time::{Duration, Instant};

use landlord_compute::store::{Epoch, Store, Write};
use landlord_testing::store::samples::batches_of_every_kind;

use crate::parameters::Parameters;
use crate::subjects::Subject;
use crate::subjects::landlord::tenant_name;
use crate::subjects::postgres::{Databases, Recorder, Used, replay};
use landlord_benchmark_page::{Figure, Unit};

use super::Round;

pub(crate) const SUBJECTS: &[Subject] = &[Subject::LandlordPostgres, Subject::BarePostgres];

/// How many rows a commit has, and how many there are in all.
const SIZES: [(usize, usize); 5] = [(1, 2_000), (16, 16_000), (64, 32_000), (256, 64_000), (1_024, 128_000)];

pub(crate) fn children(round: &Round<'_>) -> Vec<Parameters> {
    vec![Parameters::default().with("part", round.size.of(1, 8))]
}

pub(crate) fn run(subject: Subject, parameters: &Parameters) -> Vec<Figure> {
    let part: usize = parameters.get("part");
    crate::runtime().block_on(async {
        let databases = Databases::start().await;
        let mut figures = Vec::new();
        for (size, rows) in SIZES {
            let batches = batches(size, rows / part);
            let rows: usize = batches.iter().map(Vec::len).sum();
            let database = format!("of_{size}");
            let (took, used) = match subject {
                Subject::BarePostgres => bare(&databases, &database, &batches).await,
                Subject::LandlordMemory
                | Subject::LandlordSqlite
                | Subject::LandlordPostgres
                | Subject::BareTokio
                | Subject::BareRactor
                | Subject::BareSqlite
                | Subject::TaskTable
                | Subject::Erlang
                | Subject::ErlangHibernated
                | Subject::Restate => store(&databases, &database, &batches).await,
            };
            let each = |time: Duration| time.as_secs_f64() / rows as f64;
            figures.push(Figure::new(
                format!("rows_of_{size}"),
                Unit::PerSecond,
                rows as f64 / took.as_secs_f64(),
            ));
            figures.push(Figure::new(format!("server_of_{size}"), Unit::Seconds, each(used.backends)));
            figures.push(Figure::new(format!("server_and_log_of_{size}"), Unit::Seconds, each(used.all)));
        }
        figures
    })
}

async fn store(databases: &Databases, database: &str, batches: &[Vec<Write>]) -> (Duration, Used) {
    let store = databases.to_replay(database).await;
    let epoch = Epoch(1);
    let (began, before) = (Instant::now(), databases.used());
    make(&store, epoch, batches).await;
    let measured = (began.elapsed(), databases.used() - before);
    check(databases, database, batches);
    store.close().await.expect("it closes");
    measured
}

async fn bare(databases: &Databases, database: &str, batches: &[Vec<Write>]) -> (Duration, Used) {
    let recorder = Recorder::before(databases.port());
    let origin = format!("{database}_recorded");
    let store = databases.recorded(&origin, &recorder).await;
    let epoch = store.open().await.expect("it opens").epoch;
    make(&store, epoch, batches).await;
    store.close().await.expect("it closes");
    let requests = recorder.take();
    let owner = databases.to_replay(database).await;
    let (port, name) = (databases.port(), database.to_owned());
    let before = databases.used();
    let replayed = tokio::task::spawn_blocking(move || replay(port, &name, &requests));
    let (took, _connection) = replayed.await.expect("no panic");
    let used = databases.used() - before;
    check(databases, database, batches);
    owner.close().await.expect("it closes");
    (took, used)
}

async fn make(store: &impl Store, epoch: Epoch, batches: &[Vec<Write>]) {
    for batch in batches {
        for answer in store.commit(epoch, batch).await.expect("it is written") {
            answer.expect("it is made");
        }
    }
}

/// All of it is there, and the one event from before.
fn check(databases: &Databases, database: &str, batches: &[Vec<Write>]) {
    let rows: usize = batches.iter().map(Vec::len).sum();
    assert_eq!(databases.events(database), rows + 1, "every row was written");
}

/// Tenants that begin, run, are written again and are gone; in each batch some of every kind.
fn batches(size: usize, rows: usize) -> Vec<Vec<Write>> {
    batches_of_every_kind(size, (0..).map(tenant_name)).take(rows / size).collect()
}
