//! What containers wrote.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::kinds::Key;
use super::request::Request;
use super::status::Refusal;
use super::world::World;

/// What containers wrote.
#[derive(Debug, Default)]
pub(super) struct Logs {
    /// By the pod's uid and the container: what each of its runs wrote, the last run last.
    runs: BTreeMap<(String, String), Vec<Vec<Line>>>,
    /// How many lines there ever were.
    written: u64,
}

/// When and what.
pub(super) type Line = (Timestamp, String);

/// A log that is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) uid: String,
    pub(super) container: String,
    pub(super) run: usize,
    since: Option<Timestamp>,
    stamped: bool,
    tail: Option<usize>,
    pub(super) follow: bool,
    /// How many lines were read.
    pub(super) at: usize,
}

impl Logs {
    /// A run begins.
    pub(super) fn begin(&mut self, uid: &str, container: &str) {
        self.runs.entry((uid.to_owned(), container.to_owned())).or_default().push(Vec::new());
    }

    pub(super) fn write(&mut self, uid: &str, container: &str, at: Timestamp, line: &str) {
        let runs = self.runs.entry((uid.to_owned(), container.to_owned())).or_default();
        if runs.is_empty() {
            runs.push(Vec::new());
        }
        self.written += 1;
        if let Some(run) = runs.last_mut() {
            run.push((at, line.to_owned()));
        }
    }

    pub(super) fn forget(&mut self, uid: &str) {
        self.runs.retain(|(of, _), _| of != uid);
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    fn count(&self, uid: &str, container: &str) -> usize {
        self.runs.get(&(uid.to_owned(), container.to_owned())).map_or(0, Vec::len)
    }

    fn lines(&self, reading: &Reading) -> &[Line] {
        let runs = self.runs.get(&(reading.uid.clone(), reading.container.clone()));
        runs.and_then(|runs| runs.get(reading.run)).map_or(&[], Vec::as_slice)
    }

    /// The last line of what a run wrote, as a termination message has it.
    pub(super) fn last(&self, uid: &str, container: &str) -> String {
        let runs = self.runs.get(&(uid.to_owned(), container.to_owned()));
        let line = runs.and_then(|runs| runs.last()?.last());
        line.map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

/// Whether a container has ended and is to be started again.
fn waits(pod: &Value, container: &str) -> bool {
    let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    let mut named = statuses.filter(|status| status["name"] == container);
    named.any(|status| !status["state"]["waiting"].is_null() && !status["lastState"]["terminated"].is_null())
}

impl World {
    /// What a request for a log is about.
    pub(super) fn open_log(&self, key: &Key, request: &Request) -> Result<Reading, Refusal> {
        let pod = self.get(key).ok_or_else(|| Refusal::not_found(key))?;
        let lists = ["containers", "initContainers"].into_iter();
        let containers: Vec<&str> = lists
            .flat_map(|list| pod["spec"][list].as_array())
            .flatten()
            .filter_map(|container| container["name"].as_str())
            .collect();
        let container = match (request.asks("container"), containers.as_slice()) {
            (None, [only]) => *only,
            (None, all) => {
                let message = format!(
                    "a container name must be specified for pod {}, choose one of: [{}]",
                    key.name,
                    all.join(" ")
                );
                return Err(Refusal::bad_request(message));
            }
            (Some(asked), all) if all.contains(&asked) => asked,
            (Some(asked), _) => {
                return Err(Refusal::bad_request(format!(
                    "container {asked} is not valid for pod {}",
                    key.name
                )));
            }
        };
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let runs = self.logs.count(&uid, container);
        let run = match (request.is_on("previous"), runs) {
            // One that waits to be started again has ended: the run before the one that comes is its last.
            (true, 1..) if waits(&pod, container) => runs - 1,
            (true, 0 | 1) => {
                let message = format!(
                    "previous terminated container \"{container}\" in pod \"{}\" not found",
                    key.name
                );
                return Err(Refusal::bad_request(message));
            }
            (true, runs) => runs - 2,
            (false, 0) => {
                let message = format!(
                    "container \"{container}\" in pod \"{}\" is waiting to start: ContainerCreating",
                    key.name
                );
                return Err(Refusal::bad_request(message));
            }
            (false, runs) => runs - 1,
        };
        let ago = request.seconds("sinceSeconds").map(|ago| self.time(self.now) - ago);
        Ok(Reading {
            uid,
            container: container.to_owned(),
            run,
            since: request.asks("sinceTime").and_then(|since| since.parse().ok()).or(ago),
            stamped: request.is_on("timestamps"),
            tail: request.asks("tailLines").and_then(|tail| tail.parse().ok()),
            follow: request.is_on("follow"),
            at: 0,
        })
    }

    /// What was written since the last look.
    pub(super) fn read_log(&self, reading: &mut Reading) -> Vec<u8> {
        let lines = self.logs.lines(reading);
        let mut new: Vec<&Line> = lines[reading.at.min(lines.len())..]
            .iter()
            .filter(|(at, _)| reading.since.is_none_or(|since| *at >= since))
            .collect();
        if let Some(tail) = reading.tail.take() {
            new.drain(..new.len().saturating_sub(tail));
        }
        reading.at = lines.len();
        let line = |(at, text): &&Line| match reading.stamped {
            true => format!("{at:.9} {text}\n"),
            false => format!("{text}\n"),
        };
        new.iter().map(line).collect::<String>().into_bytes()
    }

    /// Whether nothing more is going to be written there.
    pub(super) fn is_read(&self, reading: &Reading) -> bool {
        let ended = self.lives.get(&reading.uid).is_none_or(|life| !life.runs(&reading.container));
        ended || self.logs.count(&reading.uid, &reading.container) > reading.run + 1
    }
}

/// The values of a container's environment, as a careless program prints them.
pub(super) fn printed(env: &[(String, String)]) -> String {
    env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}
