//! What callers asked of tenants, when, and what they were told; and whether that can be put in one order.
//!
//! The store's log says in which order a tenant changed. What a caller was told fits some places of that order: a command that began
//! something is the change itself, and a look that saw a revision is between that change and the next one. A history is
//! linearizable if each can have a place that fits it, so that nothing comes before what was over when it began.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One thing that a caller asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Did {
    /// Before it was asked, and after it was answered.
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) tenant: String,
    /// The revision that a command was for.
    pub(crate) guard: Option<u64>,
    pub(crate) what: What,
}

/// What a caller was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A command began this operation, or is part of it.
    Began(String),
    /// What was asked for was so, at this revision.
    Already(u64),
    /// The tenant is at this revision, and the command was for another one.
    Refused(u64),
    /// The tenant was at this revision, and in this state.
    Saw { revision: u64, state: String },
}

/// The state of a tenant that is not there.
pub(crate) const ABSENT: &str = "-";

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guard = self.guard.map_or_else(|| ABSENT.to_owned(), |guard| guard.to_string());
        write!(f, "{} {} {} {guard} ", self.from.as_nanos(), self.to.as_nanos(), self.tenant)?;
        match &self.what {
            What::Began(operation) => write!(f, "began {operation}"),
            What::Already(revision) => write!(f, "already {revision}"),
            What::Refused(actual) => write!(f, "refused {actual}"),
            What::Saw { revision, state } => write!(f, "saw {revision} {state}"),
        }
    }
}

impl FromStr for Did {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let parsed = || {
            let mut parts = line.split(' ');
            let mut next = || parts.next();
            let (from, to) = (next()?.parse().ok()?, next()?.parse().ok()?);
            let (tenant, guard) = (next()?.to_owned(), next()?);
            let guard = if guard == ABSENT { None } else { Some(guard.parse().ok()?) };
            let what = match (next()?, next()?) {
                ("began", operation) => What::Began(operation.to_owned()),
                ("already", revision) => What::Already(revision.parse().ok()?),
                ("refused", actual) => What::Refused(actual.parse().ok()?),
                ("saw", revision) => {
                    What::Saw { revision: revision.parse().ok()?, state: next()?.to_owned() }
                }
                _ => return None,
            };
            let (from, to) = (Duration::from_nanos(from), Duration::from_nanos(to));
            Some(Self { from, to, tenant, guard, what })
        };
        parsed().ok_or_else(|| format!("an engine says {line}"))
    }
}

/// How tenants changed, by the store.
#[derive(Default)]
pub(crate) struct Changes {
    /// The state that each revision of a tenant led to.
    states: HashMap<String, BTreeMap<u64, String>>,
    /// The revision with which each operation was accepted, and the one with which it ended.
    operations: HashMap<String, (u64, Option<u64>)>,
}

impl Changes {
    pub(crate) fn add(&mut self, tenant: &str, revision: u64, state: &str) {
        self.states.entry(tenant.to_owned()).or_default().insert(revision, state.to_owned());
    }

    /// A revision is of this operation.
    pub(crate) fn names(&mut self, operation: &str, revision: u64) {
        let (first, _) = self.operations.entry(operation.to_owned()).or_insert((revision, None));
        *first = revision.min(*first);
    }

    /// An operation ended with this revision.
    pub(crate) fn ends(&mut self, operation: &str, revision: u64) {
        self.names(operation, revision);
        if let Some((_, ended)) = self.operations.get_mut(operation) {
            *ended = Some(revision);
        }
    }

    /// The places that fit what somebody did, from the first to the last: 2 n is the change to revision n, and 2 n + 1 is between
    /// that and the next.
    fn places(&self, did: &Did) -> Result<(u64, u64), String> {
        let at = |revision: u64| (2 * revision + 1, 2 * revision + 1);
        match &did.what {
            What::Began(operation) => {
                let (first, ended) = self.operations.get(operation).ok_or("there is no such operation")?;
                let last = ended.map_or(u64::MAX, |ended| 2 * ended - 1).max(2 * first);
                match did.guard {
                    None => Ok((2 * first, last)),
                    Some(guard) if guard + 1 == *first => Ok((2 * first, 2 * first)),
                    // It found the operation on its way.
                    Some(guard) if (2 * first..=last).contains(&(2 * guard + 1)) => Ok(at(guard)),
                    Some(_) => Err("it was for another revision".to_owned()),
                }
            }
            What::Already(revision) => match did.guard {
                Some(guard) if guard != *revision => Err("it was for another revision".to_owned()),
                Some(_) | None => Ok(at(*revision)),
            },
            What::Refused(actual) => match did.guard {
                Some(guard) if guard != *actual => Ok(at(*actual)),
                Some(_) | None => Err("it was for that revision".to_owned()),
            },
            What::Saw { revision, state } => {
                let known = self.states.get(&did.tenant).and_then(|states| states.get(revision));
                let known = if *revision == 0 { Some(ABSENT) } else { known.map(String::as_str) };
                match known == Some(state) {
                    true => Ok(at(*revision)),
                    false => Err(format!("that revision led to {known:?}")),
                }
            }
        }
    }
}

/// What cannot be put in order, a sentence each.
pub(crate) fn judge(history: &[Did], changes: &Changes) -> Vec<String> {
    let mut by_tenant: BTreeMap<&str, Vec<&Did>> = BTreeMap::new();
    for did in history {
        by_tenant.entry(&did.tenant).or_default().push(did);
    }
    by_tenant.into_values().flat_map(|history| judge_one(history, changes)).collect()
}

/// Each gets the first place that it can have. Whoever can have none after these can have none at all.
fn judge_one(mut history: Vec<&Did>, changes: &Changes) -> Vec<String> {
    let mut wrong = Vec::new();
    history.sort_by_key(|did| did.from);
    // What is not over yet, by when it is, and the last place of what is over.
    let (mut open, mut over): (BTreeMap<(Duration, usize), u64>, u64) = (BTreeMap::new(), 0);
    for (number, did) in history.into_iter().enumerate() {
        let later = open.split_off(&(did.from, 0));
        over = open.into_values().fold(over, u64::max);
        open = later;
        match changes.places(did) {
            Ok((first, last)) if first.max(over) <= last => {
                open.insert((did.to, number), first.max(over));
            }
            Ok(_) => wrong.push(format!("before it began the tenant was at place {over}: {did:?}")),
            Err(why) => wrong.push(format!("{why}: {did:?}")),
        }
    }
    wrong
}

/// Shows that what is wrong is found.
pub(crate) fn prove() {
    let mut changes = Changes::default();
    for (revision, state) in [(1, "provisioning"), (2, "running"), (3, "updating"), (4, "running")] {
        changes.add("t", revision, state);
    }
    for (operation, first, last) in [("p", 1, 2), ("u", 3, 4)] {
        changes.names(operation, first);
        changes.ends(operation, last);
    }
    let did = |line: &str| line.parse::<Did>().expect("can be read");
    let right = ["1 9 t - began p", "2 4 t - saw 1 provisioning", "10 19 t 2 began u", "11 12 t 1 refused 2"];
    let joins = ["20 21 t - saw 4 running", "12 13 t 3 began u", "0 1 t - saw 0 -", "22 23 t - already 4"];
    let right: Vec<Did> = right.into_iter().chain(joins).map(did).collect();
    assert_eq!(judge(&right, &changes), Vec::<String>::new());
    assert!(right.iter().all(|right| did(&right.to_string()) == *right));
    for wrong in [
        // Older than what was over; a change that was for another revision; too late for it; a state that never was; it was so.
        "24 25 t - saw 2 running",
        "9 20 t 1 began u",
        "24 25 t - began p",
        "24 25 t - saw 4 updating",
        "24 25 t 4 refused 4",
        "24 25 t - began x",
    ] {
        let history: Vec<Did> = right.iter().cloned().chain([did(wrong)]).collect();
        assert_eq!(judge(&history, &changes).len(), 1, "{wrong}");
    }
    // The look was over before the change that it did not see: the change has no place after it.
    let late = ["10 19 t 2 began u", "20 21 t - saw 2 running"].map(did);
    assert_eq!(judge(&late, &changes).len(), 1);
}
