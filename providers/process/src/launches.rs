//! What this engine remembers of the launches it made, as long as it lives: nothing here is needed to find them.

use std::collections::{HashMap, HashSet};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use super::environment::{Environment, Variables};
use super::files::LaunchFiles;
use super::tags::Key;

/// The processes that this engine is the parent of, read when they end so that none stays as a zombie; after a
/// restart they belong to init, which does the same.
#[derive(Debug, Default)]
pub(super) struct Launches(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    launched: HashMap<Key, Launched>,
    /// Told to end by this engine: what follows is no crash.
    stopping: HashSet<Key>,
    /// Children that nobody asks for any more, such as health checks that were given up.
    strays: Vec<Child>,
}

#[derive(Debug)]
struct Launched {
    run: Run,
    files: LaunchFiles,
    environment: Environment,
    secrets: Vec<SecretString>,
}

#[derive(Debug)]
enum Run {
    Lives(Child),
    Ended(ExitStatus),
    /// Another part of this program has read its exit status.
    Missed,
}

impl Run {
    /// Reads how the child ended, if it did.
    fn read(&mut self) {
        if let Self::Lives(child) = self {
            match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => *self = Self::Ended(status),
                Err(_) => *self = Self::Missed,
            }
        }
    }
}

/// How a launch that this engine made ended.
#[derive(Debug)]
pub(super) struct Ending {
    /// What its parent is told.
    pub(super) status: ExitStatus,
    /// Where its last words are.
    pub(super) files: LaunchFiles,
    /// Values that may stand in them and may not be shown.
    pub(super) secrets: Vec<SecretString>,
}

impl Launches {
    /// Takes care of a started process.
    pub(super) fn adopt(&self, key: Key, child: Child, files: LaunchFiles, variables: Variables) {
        let Variables { environment, secrets } = variables;
        self.memory().launched.insert(key, Launched { run: Run::Lives(child), files, environment, secrets });
    }

    /// Takes care of a process that was killed and has not been read.
    pub(super) fn adopt_stray(&self, child: Child) {
        self.memory().strays.push(child);
    }

    /// Reads every child that ended. One system call for each that lives.
    pub(super) fn reap(&self) {
        let mut memory = self.memory();
        memory.launched.values_mut().for_each(|launched| launched.run.read());
        memory.strays.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    /// How a launch ended, where this engine made it and was told.
    pub(super) fn ending(&self, key: &Key) -> Option<Ending> {
        let mut memory = self.memory();
        let launched = memory.launched.get_mut(key)?;
        launched.run.read();
        match &launched.run {
            Run::Ended(status) => {
                let (files, secrets) = (launched.files.clone(), launched.secrets.clone());
                Some(Ending { status: *status, files, secrets })
            }
            Run::Lives(_) | Run::Missed => None,
        }
    }

    /// The environment that a launch was given, where this engine made it.
    pub(super) fn environment(&self, key: &Key) -> Option<Environment> {
        self.memory().launched.get(key).map(|launched| launched.environment.clone())
    }

    /// Notes that the launch is told to end.
    pub(super) fn stop(&self, key: Key) {
        self.memory().stopping.insert(key);
    }

    /// Whether the launch was told to end.
    pub(super) fn is_stopping(&self, key: &Key) -> bool {
        self.memory().stopping.contains(key)
    }

    /// Forgets a launch of which nothing is left.
    pub(super) fn forget(&self, key: &Key) {
        let mut memory = self.memory();
        memory.stopping.remove(key);
        if let Some(Launched { run: Run::Lives(child), .. }) = memory.launched.remove(key) {
            memory.strays.push(child);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
