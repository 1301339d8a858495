//! Commands at a rate that nothing slows down, at parts of the rate that Restate takes at most: how long each takes
//! to the provider's call, to its durable acknowledgement, and to its end.
//!
//! A command's time counts from the moment it was due, whether the driver, Restate or the tenant was late.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::figure::{Figure, Unit};
use crate::http::Connection;
use crate::parameters::Parameters;
use crate::tenant::{Command, LIFE, now};

/// `slots`: tenants at once, each one life after another. `clients`: connections, and clients while the maximum is
/// measured for `maximum_seconds`. `seconds`: how long each load is measured.
pub(crate) const PARAMETERS: &[&str] = &["ingress", "slots", "clients", "maximum_seconds", "seconds"];

/// Parts of the maximum, in percent.
const LOADS: [usize; 3] = [10, 50, 90];
/// What is told of a distribution.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)];
/// What is not counted of a load, at its begin.
const WARM_UP: Duration = Duration::from_millis(500);

/// Connections, of which each serves one request at a time.
struct Pool {
    free: Semaphore,
    connections: Mutex<Vec<Connection>>,
}

impl Pool {
    async fn open(ingress: &Path, count: usize) -> anyhow::Result<Self> {
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(Connection::open(ingress).await?);
        }
        Ok(Self { free: Semaphore::new(count), connections: Mutex::new(connections) })
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How commands are given to a tenant. Half of the tenants each.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The answer comes when the tenant settled.
    Call,
    /// The answer comes when the command is durable.
    Send,
}

/// When what became of a command, in nanoseconds since 1970.
enum Answered {
    Settled { called: u64, at: u64 },
    Durable { at: u64 },
}

struct Fleet {
    pool: Pool,
    /// How many commands each had.
    slots: Vec<tokio::sync::Mutex<usize>>,
    times: Mutex<Times>,
}

/// From when commands were due, in nanoseconds.
struct Times {
    call: Histogram<u64>,
    accepted: Histogram<u64>,
    settled: Histogram<u64>,
    generator: Histogram<u64>,
}

impl Times {
    fn new() -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_max(60_000_000_000, 3);
        Ok(Self {
            call: histogram()?,
            accepted: histogram()?,
            settled: histogram()?,
            generator: histogram()?,
        })
    }

    fn note(&mut self, due: u64, answered: &Answered) {
        match answered {
            Answered::Settled { called, at } => {
                self.call.saturating_record(called.saturating_sub(due));
                self.settled.saturating_record(at.saturating_sub(due));
            }
            Answered::Durable { at } => self.accepted.saturating_record(at.saturating_sub(due)),
        }
    }

    fn figures(&self, load: usize) -> Vec<Figure> {
        let all = [
            ("call", &self.call),
            ("accepted", &self.accepted),
            ("settled", &self.settled),
            ("generator_late", &self.generator),
        ];
        let mut figures = Vec::new();
        for (what, times) in all {
            for (name, quantile) in QUANTILES {
                let seconds = times.value_at_quantile(quantile) as f64 / 1e9;
                let measure = format!("{what}_{name}_at_{load}_percent");
                figures.push(Figure::new(measure, Unit::Seconds, seconds));
            }
        }
        figures
    }
}

impl Fleet {
    /// A third of the slots each is about to be provisioned, updated and destroyed.
    async fn new(ingress: &Path, slots: usize, clients: usize) -> anyhow::Result<Arc<Self>> {
        let pool = Pool::open(ingress, clients).await?;
        let slots = (0..slots).map(|_| tokio::sync::Mutex::default()).collect();
        let fleet = Arc::new(Self { pool, slots, times: Mutex::new(Times::new()?) });
        let mut filling = Vec::new();
        for slot in 0..fleet.slots.len() {
            let fleet = Arc::clone(&fleet);
            filling.push(tokio::spawn(async move {
                for _ in 0..slot % LIFE.len() {
                    fleet.command(slot, Way::Call).await?;
                }
                anyhow::Ok(())
            }));
        }
        for slot in filling {
            slot.await??;
        }
        Ok(fleet)
    }

    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next command in a slot, once the last one was answered.
    async fn command(&self, number: usize, way: Way) -> anyhow::Result<Answered> {
        let mut commands = self.slots[number].lock().await;
        let (command, life) = (LIFE[*commands % LIFE.len()], *commands / LIFE.len());
        *commands += 1;
        let tenant = format!("tenant-{}", number + life * self.slots.len());
        let _free = self.pool.free.acquire().await?;
        let connection = self.pool.connections().pop();
        let mut connection = connection.context("a permit is a connection")?;
        let answered = Self::give(&mut connection, &tenant, command, way).await?;
        self.pool.connections().push(connection);
        Ok(answered)
    }

    async fn give(
        connection: &mut Connection,
        tenant: &str,
        command: Command,
        way: Way,
    ) -> anyhow::Result<Answered> {
        match way {
            Way::Call => {
                let called = connection.call(tenant, command, "v1").await?.at;
                Ok(Answered::Settled { called, at: now() })
            }
            Way::Send => {
                connection.send(tenant, command, "v1").await?;
                Ok(Answered::Durable { at: now() })
            }
        }
    }

    /// How many commands a second so many clients get done in this time.
    async fn maximum(self: &Arc<Self>, clients: usize, time: Duration) -> anyhow::Result<f64> {
        let next = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let mut running = Vec::new();
        for _ in 0..clients {
            let (fleet, next) = (Arc::clone(self), Arc::clone(&next));
            running.push(tokio::spawn(async move {
                while began.elapsed() < time {
                    let slot = next.fetch_add(1, Ordering::Relaxed) % fleet.slots.len();
                    fleet.command(slot, Way::Call).await?;
                }
                anyhow::Ok(())
            }));
        }
        for client in running {
            client.await??;
        }
        Ok(next.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
    }

    /// Gives so many commands a second for this time, and waits for the answer to the last one. Returns which share of
    /// those that are called was settled when the last command had been given.
    async fn at_rate(self: &Arc<Self>, per_second: f64, time: Duration) -> anyhow::Result<f64> {
        *self.times() = Times::new()?;
        let (tasks, failed) = (TaskTracker::new(), Arc::new(Mutex::new(None)));
        let generator = {
            let (fleet, tasks, failed) = (Arc::clone(self), tasks.clone(), Arc::clone(&failed));
            let runtime = tokio::runtime::Handle::current();
            move || {
                let (began, began_at) = (Instant::now(), now());
                for number in 0.. {
                    let after = Duration::from_secs_f64(f64::from(number) / per_second);
                    if after > WARM_UP + time {
                        break;
                    }
                    std::thread::sleep((began + after).saturating_duration_since(Instant::now()));
                    let due = began_at + after.as_nanos() as u64;
                    let counted = after > WARM_UP;
                    if counted {
                        fleet.times().generator.saturating_record(now().saturating_sub(due));
                    }
                    let (fleet, failed) = (Arc::clone(&fleet), Arc::clone(&failed));
                    let command = async move {
                        let slot = number as usize % fleet.slots.len();
                        let way = if slot.is_multiple_of(2) { Way::Call } else { Way::Send };
                        match fleet.command(slot, way).await {
                            Ok(answered) if counted => fleet.times().note(due, &answered),
                            Ok(_) => {}
                            Err(error) => {
                                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            }
                        }
                    };
                    tasks.spawn_on(command, &runtime);
                }
                fleet.times().settled.len()
            }
        };
        let in_time = tokio::task::spawn_blocking(generator).await?;
        tasks.close();
        tasks.wait().await;
        let failed = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match failed {
            Some(error) => Err(error),
            None => Ok(in_time as f64 / self.times().settled.len() as f64),
        }
    }
}

pub(crate) async fn run(parameters: &Parameters) -> anyhow::Result<Vec<Figure>> {
    let (slots, clients) = (parameters.get("slots")?, parameters.get("clients")?);
    let seconds = |key| parameters.get(key).map(Duration::from_secs);
    let fleet = Fleet::new(&parameters.get::<PathBuf>("ingress")?, slots, clients).await?;
    let maximum = fleet.maximum(clients, seconds("maximum_seconds")?).await?;
    let mut figures = vec![Figure::new("maximum", Unit::PerSecond, maximum)];
    for load in LOADS {
        let in_time = fleet.at_rate(maximum * load as f64 / 100.0, seconds("seconds")?).await?;
        figures.push(Figure::new(format!("settled_in_time_at_{load}_percent"), Unit::Times, in_time));
        figures.extend(fleet.times().figures(load));
    }
    Ok(figures)
}
