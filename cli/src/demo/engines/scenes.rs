//! The scenes of the demo with several engines, in their order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use landlord_compute::machines::members::SHARDS;
use rustix::process::Signal;

use super::super::stage::{Seen, Trouble, wrong};
use super::fleet::Fleet;

/// How many tenants there are.
const TENANTS: usize = 60;
/// How long an engine is stopped: longer than the others wait until they end it.
const STOPPED: Duration = Duration::from_secs(12);
/// For how long an engine that woke is watched.
const WATCHED: Duration = Duration::from_secs(2);

/// What the demo shows, in this order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scene {
    Divide,
    Provision,
    Kill,
    Stop,
    Destroy,
}

impl Scene {
    pub(super) const ALL: [Self; 5] = [Self::Divide, Self::Provision, Self::Kill, Self::Stop, Self::Destroy];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Divide => "the engines divide the shards of the tenants",
            Self::Provision => "tenants start; any engine takes any command",
            Self::Kill => "an engine is killed during updates, and the others finish them",
            Self::Stop => "an engine is stopped for a while, and asks for nothing when it wakes",
            Self::Destroy => "all are destroyed by the engine that is left",
        }
    }

    /// Plays it, and says what was seen.
    pub(super) async fn play(self, fleet: &mut Fleet) -> Seen {
        match self {
            Self::Divide => divide(fleet).await,
            Self::Provision => provision(fleet).await,
            Self::Kill => kill(fleet).await,
            Self::Stop => stop(fleet).await,
            Self::Destroy => destroy(fleet).await,
        }
    }
}

fn tenant(number: usize) -> String {
    format!("tenant-{number}")
}

/// All shards are somebody's, and each of so many engines has some.
fn divided(shards: &BTreeMap<u64, usize>, engines: usize) -> bool {
    let all = shards.values().sum::<usize>() == usize::from(SHARDS);
    all && shards.len() == engines && shards.values().all(|count| *count > 0)
}

async fn divide(fleet: &mut Fleet) -> Seen {
    fleet.screen.progress("the engines start");
    let engines = fleet.engines.len();
    fleet.until(|fleet| fleet.engines.iter().all(|engine| engine.epoch > 0)).await?;
    // One that came much later would get its share after half a minute of calm.
    fleet.screen.progress("each looks who else is there, and takes its part");
    let shards = fleet.until_shared(0, |shards| divided(shards, engines)).await?;
    let each = shards.iter().map(|(epoch, count)| format!("engine {epoch} has {count}"));
    Ok(format!("of {SHARDS} shards {}", each.collect::<Vec<_>>().join(", ")))
}

/// Gives each tenant a version, by the engines in turn, and says how many commands each took.
async fn run(fleet: &mut Fleet, engines: &[usize], version: &str) -> Result<(), Trouble> {
    for (number, engine) in (0..TENANTS).zip(engines.iter().cycle()) {
        fleet.tell(*engine, &format!("run {} {version}", tenant(number))).await?;
    }
    Ok(())
}

/// Waits until as many operations more than `before` have begun, and all of them have ended, well.
async fn done(fleet: &mut Fleet, before: usize) -> Result<(), Trouble> {
    let all = before + TENANTS;
    fleet.until(|fleet| fleet.operations() == (all, all)).await?;
    match fleet.failed() {
        Some(failed) => wrong(failed),
        None => Ok(()),
    }
}

/// Every tenant runs this, and no two engines were at one at the same time.
fn in_order(fleet: &Fleet, version: &str) -> Result<(), Trouble> {
    let (runs, all) = fleet.cloud.run(version);
    if (runs, all) != (TENANTS, TENANTS) {
        return wrong(format!("{runs} of {all} tenants run {version}, and not {TENANTS}"));
    }
    match fleet.cloud.contested().first() {
        Some(tenant) => wrong(format!("an engine asked for {tenant} after another one had taken it over")),
        None => Ok(()),
    }
}

async fn provision(fleet: &mut Fleet) -> Seen {
    fleet.screen.progress("each engine is asked for a part of the tenants, whoever has them");
    let everybody: Vec<usize> = (0..fleet.engines.len()).collect();
    let (before, _) = fleet.operations();
    run(fleet, &everybody, "v1").await?;
    done(fleet, before).await?;
    in_order(fleet, "v1")?;
    let each = fleet.engines.iter().map(|engine| {
        format!("engine {} made {} requests", engine.epoch, fleet.cloud.requests_of(engine.epoch))
    });
    Ok(format!("{TENANTS} run; {}", each.collect::<Vec<_>>().join(", ")))
}

async fn kill(fleet: &mut Fleet) -> Seen {
    fleet.screen.progress("all tenants are updated, and the first engine is killed while it does its part");
    let (before, _) = fleet.operations();
    let survivors: Vec<usize> = (1..fleet.engines.len()).collect();
    let epoch = fleet.engines.first().map(|engine| engine.epoch).unwrap_or_default();
    run(fleet, &survivors, "v2").await?;
    fleet.until(|fleet| fleet.cloud.changes_of(epoch) > 0).await?;
    let on_their_way = fleet.cloud.changes_of(epoch);
    fleet.signal(0, Signal::KILL)?;
    let killed = Instant::now();
    fleet.screen.progress("the others wait until its beat has stood still for 5 s");
    done(fleet, before).await?;
    let took = killed.elapsed().as_secs_f64();
    in_order(fleet, "v2")?;
    Ok(format!(
        "engine {epoch} killed with {on_their_way} changes on their way; {TENANTS} of {TENANTS} updates done {took:.1} s later, \
         no command refused, nothing asked for twice at the same time"
    ))
}

async fn stop(fleet: &mut Fleet) -> Seen {
    fleet.screen.progress("all tenants are updated, and the second engine is stopped while it does its part");
    let (before, _) = fleet.operations();
    let survivors: Vec<usize> = (2..fleet.engines.len()).collect();
    let epoch = fleet.engines.get(1).map(|engine| engine.epoch).unwrap_or_default();
    run(fleet, &survivors, "v3").await?;
    fleet.until(|fleet| fleet.cloud.changes_of(epoch) > 0).await?;
    fleet.signal(1, Signal::STOP)?;
    let stopped = Instant::now();
    fleet.screen.progress("it is stopped for 12 s; the others take its tenants over");
    done(fleet, before).await?;
    let took = stopped.elapsed().as_secs_f64();
    tokio::time::sleep(STOPPED.saturating_sub(stopped.elapsed())).await;
    let asked = fleet.cloud.requests_of(epoch);
    fleet.signal(1, Signal::CONT)?;
    fleet.screen.progress("it goes on");
    fleet.until(|fleet| fleet.engines.get(1).is_some_and(|engine| engine.closed.is_some())).await?;
    tokio::time::sleep(WATCHED).await;
    let more = fleet.cloud.requests_of(epoch) - asked;
    if more > 0 {
        return wrong(format!("engine {epoch} made {more} requests after it woke"));
    }
    in_order(fleet, "v3")?;
    Ok(format!(
        "{TENANTS} of {TENANTS} updates done {took:.1} s after engine {epoch} was stopped; it woke, asked for nothing, and ended"
    ))
}

async fn destroy(fleet: &mut Fleet) -> Seen {
    fleet.screen.progress("all tenants are destroyed");
    let (before, _) = fleet.operations();
    let last = fleet.engines.len() - 1;
    for number in 0..TENANTS {
        fleet.tell(last, &format!("destroy {}", tenant(number))).await?;
    }
    done(fleet, before).await?;
    let (_, left) = fleet.cloud.run("");
    if left > 0 {
        return wrong(format!("{left} tenants still run"));
    }
    let (accepted, ended) = fleet.operations();
    Ok(format!("nothing runs any more; {ended} of {accepted} operations that were ever accepted are done"))
}
