//! Load on a fleet: tenants live one life after the other, as fast as they can or at a rate that nothing slows down.
//!
//! At a rate, a thread of its own sleeps from tick to tick and gives at each all the commands that are due. A
//! command's time counts from its tick as it was planned, whether the generator, the runtime or the tenant was late: a
//! subject that stalls is charged for every command that should have been given meanwhile (no coordinated omission).
//! The generator's own lateness is reported beside the figures.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use crate::subjects::fleet::{CallTimes, Fleet};
use crate::subjects::toy::{Command, LIFE};

/// From one tick to the next. Short, so that few commands come at once; long enough that a thread can sleep meanwhile.
pub(crate) const TICK: Duration = Duration::from_micros(250);

/// What is not counted of a load, at its begin.
const WARM_UP: Duration = Duration::from_millis(500);

/// Tenants that live one after the other in a slot each.
pub(crate) struct Lives<F: Fleet> {
    fleet: F,
    slots: Box<[Mutex<Slot<F::Tenant>>]>,
    calls: Arc<CallTimes>,
}

/// Who lives in a slot, and how many commands the slot had. One command at a time; the next one waits for its end.
struct Slot<T> {
    tenant: Option<T>,
    commands: usize,
}

impl<F: Fleet> Lives<F> {
    /// Of a fleet whose calls are noted in `calls`. A third of the slots each is about to be provisioned, updated and
    /// destroyed.
    pub(crate) async fn new(fleet: F, slots: usize, calls: Arc<CallTimes>) -> Arc<Self> {
        let empty = || Mutex::new(Slot { tenant: None, commands: 0 });
        let lives = Arc::new(Self { fleet, slots: (0..slots).map(|_| empty()).collect(), calls });
        let tasks = TaskTracker::new();
        for slot in 0..slots {
            let lives = Arc::clone(&lives);
            tasks.spawn(async move {
                for _ in 0..slot % LIFE.len() {
                    lives.command(slot).await;
                }
            });
        }
        tasks.close();
        tasks.wait().await;
        lives
    }

    pub(crate) fn fleet(&self) -> &F {
        &self.fleet
    }

    /// The next command in a slot, once the last one is over.
    async fn command(&self, number: usize) -> Answered {
        let mut slot = self.slots[number].lock().await;
        let command = LIFE[slot.commands % LIFE.len()];
        let tenant = match (command, slot.tenant.take()) {
            (Command::Update | Command::Destroy, Some(tenant)) => tenant,
            (Command::Provision, _) | (_, None) => {
                let life = slot.commands / LIFE.len();
                self.fleet.create(number + life * self.slots.len()).await
            }
        };
        slot.commands += 1;
        let end = self.fleet.begin(&tenant, command).await;
        let accepted = Instant::now();
        end.await;
        slot.tenant = Some(tenant);
        Answered { called: self.calls.last(number), accepted, settled: Instant::now() }
    }

    /// How many commands a second so many clients get done in this time.
    pub(crate) async fn maximum(self: &Arc<Self>, clients: usize, time: Duration) -> f64 {
        let (next, tasks) = (Arc::new(AtomicUsize::new(0)), TaskTracker::new());
        let began = Instant::now();
        for _ in 0..clients {
            let (lives, next) = (Arc::clone(self), Arc::clone(&next));
            tasks.spawn(async move {
                while began.elapsed() < time {
                    let (lives, slot) = (Arc::clone(&lives), next.fetch_add(1, Ordering::Relaxed));
                    // In a task of its own, as under a rate.
                    let command = tokio::spawn(async move { lives.command(slot % lives.slots.len()).await });
                    command.await.expect("no panic");
                }
            });
        }
        tasks.close();
        tasks.wait().await;
        next.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
    }

    /// Gives so many commands a second for this time, and waits for the end of the last one.
    pub(crate) async fn at_rate(self: &Arc<Self>, per_second: f64, time: Duration) -> Answers {
        let (times, tasks) = (Arc::new(Shared::default()), TaskTracker::new());
        let generator = {
            let (lives, times, tasks) = (Arc::clone(self), Arc::clone(&times), tasks.clone());
            let runtime = tokio::runtime::Handle::current();
            let generate = move || {
                let began = Instant::now();
                let ticks = ((WARM_UP + time).as_secs_f64() / TICK.as_secs_f64()) as u32;
                let mut given = 0;
                for tick in 1..=ticks {
                    let planned = began + TICK * tick;
                    std::thread::sleep(planned.saturating_duration_since(Instant::now()));
                    let counted = TICK * tick > WARM_UP;
                    if counted {
                        times.generator_was_late(planned.elapsed());
                    }
                    let due = ((TICK * tick).as_secs_f64() * per_second) as usize;
                    if due > given {
                        let (lives, times) = (Arc::clone(&lives), counted.then(|| Arc::clone(&times)));
                        tasks.spawn_on(lives.give(given..due, planned, times, tasks.clone()), &runtime);
                        given = due;
                    }
                }
                times.all().settled.len()
            };
            std::thread::Builder::new().name("generator".to_owned()).spawn(generate).expect("a thread")
        };
        let ended = tokio::task::spawn_blocking(move || generator.join());
        let in_time = ended.await.expect("no panic").expect("no panic");
        tasks.close();
        tasks.wait().await;
        let times = times.all();
        Answers { settled_in_time: in_time as f64 / times.settled.len() as f64, times }
    }

    /// Gives the commands of a tick, each in a task.
    async fn give(
        self: Arc<Self>,
        commands: Range<usize>,
        planned: Instant,
        times: Option<Arc<Shared>>,
        tasks: TaskTracker,
    ) {
        for number in commands {
            let (lives, times) = (Arc::clone(&self), times.clone());
            tasks.spawn(async move {
                let slot = number % lives.slots.len();
                let answered = lives.command(slot).await;
                if let Some(times) = times {
                    times.note(slot, planned, answered);
                }
            });
        }
    }
}

/// When what became of a command.
struct Answered {
    called: Instant,
    accepted: Instant,
    settled: Instant,
}

/// What became of all the commands of a load.
pub(crate) struct Answers {
    pub(crate) times: Times,
    /// Which share of the commands was settled when the last one had been given.
    pub(crate) settled_in_time: f64,
}

/// From when commands were planned, in nanoseconds.
pub(crate) struct Times {
    /// Until the provider was called.
    pub(crate) call: Histogram<u64>,
    /// Until the command was accepted.
    pub(crate) accepted: Histogram<u64>,
    /// Until its operation was over.
    pub(crate) settled: Histogram<u64>,
    /// Until the generator gave the commands of a tick.
    pub(crate) generator: Histogram<u64>,
}

impl Default for Times {
    fn default() -> Self {
        let histogram = || Histogram::new_with_max(60_000_000_000, 3).expect("valid bounds");
        Self { call: histogram(), accepted: histogram(), settled: histogram(), generator: histogram() }
    }
}

impl Times {
    fn add(&mut self, other: &Self) {
        self.call += &other.call;
        self.accepted += &other.accepted;
        self.settled += &other.settled;
        self.generator += &other.generator;
    }
}

/// Times that are noted from many tasks.
struct Shared(Vec<std::sync::Mutex<Times>>);

impl Default for Shared {
    fn default() -> Self {
        Self((0..16).map(|_| std::sync::Mutex::default()).collect())
    }
}

impl Shared {
    fn part(&self, number: usize) -> std::sync::MutexGuard<'_, Times> {
        self.0[number % self.0.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, number: usize, planned: Instant, answered: Answered) {
        let since = |at: Instant| at.saturating_duration_since(planned).as_nanos() as u64;
        let mut times = self.part(number);
        times.call.saturating_record(since(answered.called));
        times.accepted.saturating_record(since(answered.accepted));
        times.settled.saturating_record(since(answered.settled));
    }

    fn generator_was_late(&self, by: Duration) {
        self.part(0).generator.saturating_record(by.as_nanos() as u64);
    }

    fn all(&self) -> Times {
        let mut all = Times::default();
        (0..self.0.len()).for_each(|part| all.add(&self.part(part)));
        all
    }
}
