//! The engine in a process of its own, as the test drives it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::ledger::Ledger;
use super::protocol::{Ask, Told};
use crate::examples::example;

/// A start or an end that takes longer hangs.
const HANGS: Duration = Duration::from_secs(60);

/// Where a run keeps everything.
pub(super) struct Files {
    pub(super) dir: tempfile::TempDir,
}

impl Files {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.path().join("store.db")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// What all engines wrote as errors: panics.
    pub(super) fn errors(&self) -> PathBuf {
        self.dir.path().join("errors")
    }
}

/// A running engine. It is killed when it is dropped.
pub(super) struct EngineProcess {
    child: Child,
    commands: Option<ChildStdin>,
    told: mpsc::UnboundedReceiver<Told>,
}

impl EngineProcess {
    /// Starts the process; the engine in it takes a while.
    pub(super) fn start(files: &Files, ledger: &Ledger) -> Self {
        let errors = OpenOptions::new().create(true).append(true).open(files.errors()).expect("a file");
        let mut child = Command::new(program())
            .arg(files.store())
            .arg(files.state())
            .arg(ledger.cursor().0.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .expect("the engine process starts");
        let commands = child.stdin.take();
        let output = child.stdout.take().expect("its output is a pipe");
        let (sender, told) = mpsc::unbounded_channel();
        tokio::spawn(listen(output, sender));
        Self { child, commands, told }
    }

    /// Returns once the engine has its store.
    pub(super) async fn started(&mut self, files: &Files, ledger: &mut Ledger) {
        match timeout(HANGS, self.told.recv()).await {
            Ok(Some(told)) => ledger.told(told),
            Ok(None) => panic!("the engine does not start: {}", said(&files.errors())),
            Err(_) => panic!("the engine has not started within {HANGS:?}"),
        }
    }

    pub(super) async fn ask(&mut self, ask: &Ask, ledger: &mut Ledger) {
        let line = format!("{}\n", serde_json::to_string(ask).expect("it is JSON"));
        ledger.asked(ask);
        let commands = self.commands.as_mut().expect("its input has not ended");
        commands.write_all(line.as_bytes()).await.expect("the engine reads its commands");
    }

    /// Takes in what was told so far.
    pub(super) fn catch_up(&mut self, ledger: &mut Ledger) {
        while let Ok(told) = self.told.try_recv() {
            ledger.told(told);
        }
    }

    /// Tells it to shut down in order.
    pub(super) fn end_input(&mut self) {
        self.commands = None;
    }

    /// `kill -9`. What was told before is taken in. It may have ended before, but only as it was told to.
    pub(super) async fn kill(mut self, files: &Files, ledger: &mut Ledger) {
        match self.child.try_wait().expect("its state is known") {
            None => self.child.kill().await.expect("it is killed"),
            Some(status) => assert!(
                self.commands.is_none() && status.success(),
                "the engine ended by itself, {status}: {}",
                said(&files.errors()),
            ),
        }
        self.hear_out(ledger).await;
    }

    /// It shuts down in order.
    pub(super) async fn shut_down(mut self, files: &Files, ledger: &mut Ledger) {
        self.end_input();
        let status =
            timeout(HANGS, self.child.wait()).await.expect("it shuts down in time").expect("it ends");
        assert!(status.success(), "the engine failed, {status}: {}", said(&files.errors()));
        self.hear_out(ledger).await;
    }

    async fn hear_out(&mut self, ledger: &mut Ledger) {
        while let Some(told) = self.told.recv().await {
            ledger.told(told);
        }
    }
}

/// Reads whole lines. A line that a kill cut off does not count.
async fn listen(output: ChildStdout, told: mpsc::UnboundedSender<Told>) {
    let mut output = BufReader::new(output);
    let mut line = String::new();
    while output.read_line(&mut line).await.expect("its output is text") > 0 && line.ends_with('\n') {
        let said = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if told.send(said).is_err() {
            return;
        }
        line.clear();
    }
}

fn program() -> PathBuf {
    let program = example("engine-process");
    assert!(program.exists(), "there is no {}: run cargo build --example engine-process", program.display());
    program
}

pub(super) fn said(errors: &Path) -> String {
    std::fs::read_to_string(errors).unwrap_or_default()
}
