//! The engines that run: each a process of its own, with a way of its own to the primary.

use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::atomic::AtomicU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::said::Said;
use super::way::Way;
use super::{now, words};

/// How many engines there are.
pub(crate) const ENGINES: usize = 3;

/// An engine that runs.
pub(crate) struct Running {
    /// By the order in which they were started.
    pub(crate) number: u64,
    child: Child,
    pub(crate) process: Process,
    hears: ChildStdin,
    pub(crate) way: Arc<Way>,
    /// Until when its way is cut, or it leaves.
    pub(crate) unwell_until: Duration,
}

/// A process to which signals are sent, and to no other that gets its number later.
#[derive(Clone)]
pub(crate) struct Process(Arc<OwnedFd>);

impl Process {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it runs");
        Self(Arc::new(pidfd_open(pid, PidfdFlags::empty()).expect("it is ours")))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended a moment ago.
        let _gone = pidfd_send_signal(&*self.0, signal);
    }
}

impl Running {
    fn ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Says something to the engine, a line.
    pub(crate) async fn hear(&mut self, line: &str) {
        // It may have ended a moment ago.
        let _gone = self.hears.write_all(format!("{line}\n").as_bytes()).await;
    }
}

pub(crate) struct Fleet {
    /// Those that are not stopped.
    pub(crate) awake: Vec<Running>,
    /// Those that are stopped, or were: another one has taken their place.
    pub(crate) asleep: Vec<Running>,
    said: Arc<Mutex<Said>>,
    primary: Arc<AtomicU16>,
    cloud: u16,
    pub(crate) started: u64,
    /// From now on engines command nobody.
    over: bool,
}

impl Fleet {
    pub(crate) fn new(said: Arc<Mutex<Said>>, primary: Arc<AtomicU16>, cloud: u16) -> Self {
        let (awake, asleep) = (Vec::new(), Vec::new());
        Self { awake, asleep, said, primary, cloud, started: 0, over: false }
    }

    pub(crate) fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&mut self) {
        self.started += 1;
        let (number, way) = (self.started, Way::to(Arc::clone(&self.primary)).await);
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env("LANDLORD_CLUSTER_STORE", way.url())
            .env("LANDLORD_CLUSTER_CLOUD", self.cloud.to_string())
            .env("LANDLORD_CLUSTER_SEED", number.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if self.over {
            command.env("LANDLORD_CLUSTER_OVER", "1");
        }
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let said = Arc::clone(&self.said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                said.lock().unwrap_or_else(PoisonError::into_inner).hear(number, &line);
            }
        });
        let (process, hears) = (Process::of(&child), child.stdin.take().expect("a pipe"));
        let way = Arc::new(way);
        self.awake.push(Running { number, child, process, hears, way, unwell_until: Duration::ZERO });
    }

    /// As many as there should be: some have ended, because others ended them.
    pub(crate) async fn fill_up(&mut self) {
        self.awake.retain_mut(|engine| !engine.ended());
        self.asleep.retain_mut(|engine| !engine.ended());
        while self.awake.len() < ENGINES {
            self.start().await;
        }
    }

    /// Which engine this is to the others, once it is open.
    pub(crate) fn epoch(&self, engine: &Running) -> Option<u64> {
        self.said().epochs.get(&engine.number).copied()
    }

    /// Those that are open and can be reached, each with its epoch.
    pub(crate) fn well(&self) -> Vec<(usize, u64)> {
        let engines = self.awake.iter().enumerate().filter(|(_, engine)| engine.unwell_until < now());
        engines.filter_map(|(place, engine)| Some((place, self.epoch(engine)?))).collect()
    }

    /// An engine is stopped, and another one takes its place.
    pub(crate) fn put_to_sleep(&mut self, place: usize) {
        let engine = self.awake.swap_remove(place);
        self.asleep.push(engine);
    }

    /// From now on engines command nobody.
    pub(crate) async fn be_over(&mut self) {
        self.over = true;
        for engine in self.awake.iter_mut().chain(&mut self.asleep) {
            engine.hear(words::OVER).await;
        }
    }
}
