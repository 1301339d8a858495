//! The demo's engines as processes, what they have said so far, and the platform that they call.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use super::super::super::failure::Failure;
use super::super::super::screen::Screen;
use super::super::super::store_at::Url;
use super::super::stage::{Trouble, wrong};
use super::cloud::Cloud;
use super::engine::Said;

/// How many lines of engines wait to be read.
const LINES: usize = 1024;
/// How often what nobody says is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// All that the scenes share. An engine that is dropped is killed.
pub(super) struct Fleet {
    pub(super) screen: Screen,
    pub(super) cloud: Cloud,
    pub(super) engines: Vec<Process>,
    heard: mpsc::Receiver<(usize, Said)>,
    /// The operations that have ended, and how.
    ended: BTreeMap<String, String>,
    /// Those that began, and of which tenant each is.
    accepted: BTreeMap<String, String>,
}

/// An engine's process.
pub(super) struct Process {
    child: Child,
    told: ChildStdin,
    pub(super) epoch: u64,
    /// How many shards each engine had when it said so last.
    shards: BTreeMap<u64, usize>,
    /// Why it has ended.
    pub(super) closed: Option<String>,
}

impl Fleet {
    /// Starts so many engines.
    pub(super) async fn start(screen: &Screen, store: &Url, engines: usize) -> Result<Self, Failure> {
        let system = |doing| move |source| Failure::System { doing, source };
        let cloud = Cloud::open().await.map_err(system("listen on a port"))?;
        let program = std::env::current_exe().map_err(system("find this program"))?;
        let (say, heard) = mpsc::channel(LINES);
        let mut processes = Vec::new();
        for number in 0..engines {
            let mut child = Command::new(&program)
                .args(["demo-engine", "--cloud", &cloud.port.to_string()])
                .env("LANDLORD_STORE", store.with_its_password())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .map_err(system("start this program again"))?;
            let (Some(told), Some(says)) = (child.stdin.take(), child.stdout.take()) else { continue };
            let say = say.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(says).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Ok(said) = serde_json::from_str(&line)
                        && say.send((number, said)).await.is_err()
                    {
                        return;
                    }
                }
            });
            let (shards, closed) = (BTreeMap::new(), None);
            processes.push(Process { child, told, epoch: 0, shards, closed });
        }
        let (ended, accepted) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { screen: screen.clone(), cloud, engines: processes, heard, ended, accepted })
    }

    /// Tells an engine something.
    pub(super) async fn tell(&mut self, engine: usize, line: &str) -> Result<(), Trouble> {
        let Some(process) = self.engines.get_mut(engine) else { return wrong("there is no such engine") };
        let told = process.told.write_all(format!("{line}\n").as_bytes()).await;
        Ok(told.map_err(|source| Failure::System { doing: "tell an engine what to do", source })?)
    }

    /// Hears what engines say until something holds.
    pub(super) async fn until(&mut self, holds: impl Fn(&Self) -> bool) -> Result<(), Trouble> {
        while !holds(self) {
            let heard = tokio::time::timeout(LOOK, self.heard.recv()).await;
            if let Ok(Some((engine, said))) = heard {
                self.take(engine, said)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, engine: usize, said: Said) -> Result<(), Trouble> {
        let Some(process) = self.engines.get_mut(engine) else { return Ok(()) };
        match said {
            Said::Ready(epoch) => process.epoch = epoch,
            Said::Shards(shards) => process.shards = shards,
            Said::Closed(why) => process.closed = Some(why),
            Said::Accepted { tenant, operation } => drop(self.accepted.insert(operation, tenant)),
            Said::Ended { operation, how } => drop(self.ended.insert(operation, how)),
            Said::Refused(why) => return wrong(format!("engine {} refused a command: {why}", engine + 1)),
        }
        Ok(())
    }

    /// Asks an engine who has which shards, until something holds of that.
    pub(super) async fn until_shared(
        &mut self,
        engine: usize,
        holds: impl Fn(&BTreeMap<u64, usize>) -> bool,
    ) -> Result<BTreeMap<u64, usize>, Trouble> {
        loop {
            if let Some(process) = self.engines.get_mut(engine) {
                process.shards.clear();
            }
            self.tell(engine, "who").await?;
            self.until(|fleet| !fleet.shards(engine).is_empty()).await?;
            if holds(self.shards(engine)) {
                return Ok(self.shards(engine).clone());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn shards(&self, engine: usize) -> &BTreeMap<u64, usize> {
        const NONE: &BTreeMap<u64, usize> = &BTreeMap::new();
        self.engines.get(engine).map_or(NONE, |process| &process.shards)
    }

    /// How many operations began, and how many of them have ended.
    pub(super) fn operations(&self) -> (usize, usize) {
        let ended = self.accepted.keys().filter(|operation| self.ended.contains_key(*operation)).count();
        (self.accepted.len(), ended)
    }

    /// The operations that did not end well.
    pub(super) fn failed(&self) -> Option<String> {
        let mut failed = self.ended.iter().filter(|(_, how)| *how != "done");
        failed.next().map(|(operation, how)| format!("operation {operation} {how}"))
    }

    /// Sends an engine's process a signal.
    pub(super) fn signal(&self, engine: usize, signal: Signal) -> Result<(), Trouble> {
        let pid = self.engines.get(engine).and_then(|process| process.child.id());
        let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { return wrong(format!("engine {} does not run", engine + 1)) };
        let sent = kill_process(pid, signal);
        Ok(sent.map_err(|error| Failure::System { doing: "signal an engine", source: error.into() })?)
    }
}
