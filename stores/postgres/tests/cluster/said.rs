//! What the engines said.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::history::{Did, What};
use super::words;

#[derive(Default)]
pub(crate) struct Said {
    /// Which epoch each engine is, by the order in which they were started.
    pub(crate) epochs: HashMap<u64, u64>,
    /// What callers asked for, with the engine that they asked.
    pub(crate) history: Vec<(u64, Did)>,
    /// Every operation that a caller was told of, and its tenant.
    pub(crate) accepted: HashMap<String, String>,
    /// Those whose end a caller was told of.
    pub(crate) settled: HashSet<String>,
    /// The commands that failed for the store: of which engine, and when; and what the last one said.
    pub(crate) failed: Vec<(u64, Duration)>,
    pub(crate) last_failure: String,
    /// What subscribers heard: by position the tenant and its revision.
    pub(crate) events: BTreeMap<u64, (String, u64)>,
    /// Where two of them heard different things.
    pub(crate) differ: Vec<String>,
}

impl Said {
    /// An engine, by the order in which they were started, says a line.
    pub(crate) fn hear(&mut self, engine: u64, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("an engine says {line}"));
        match word {
            words::OPEN => drop(self.epochs.insert(engine, number(rest))),
            words::DID => {
                let did: Did = rest.parse().expect("it is what engines say");
                if let What::Began(operation) = &did.what {
                    self.accepted.insert(operation.clone(), did.tenant.clone());
                }
                self.history.push((engine, did));
            }
            words::SETTLED => drop(self.settled.insert(rest.to_owned())),
            words::FAILED => {
                let (at, why) = rest.split_once(' ').unwrap_or((rest, ""));
                self.failed.push((engine, Duration::from_nanos(number(at))));
                why.clone_into(&mut self.last_failure);
            }
            words::EVENT => {
                let mut parts = rest.split(' ');
                let mut next = || parts.next().unwrap_or_default();
                let (position, tenant, revision) = (number(next()), next().to_owned(), number(next()));
                self.event(position, (tenant, revision));
            }
            _ => panic!("an engine says {line}"),
        }
    }

    fn event(&mut self, position: u64, heard: (String, u64)) {
        let first = self.events.entry(position).or_insert_with(|| heard.clone());
        if *first != heard {
            self.differ.push(format!("at {position} {first:?} and {heard:?}"));
        }
    }
}
