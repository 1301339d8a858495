//! What is done, and who does it.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;

/// What is done, and measured. In the order in which they are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Workload {
    /// Valgrind counts the instructions of a transition, and the heap of an idle tenant.
    Instructions,
    /// Tenants are provisioned, updated and destroyed as fast as it goes.
    Lifecycle,
    /// From a command to its call, at parts of the maximal load.
    Latency,
    /// An engine starts over what a killed one left.
    Start,
    /// Subscribers read all events.
    Fanout,
    /// One tenant is commanded without a pause, among others.
    Hot,
    /// All of many tenants are provisioned, then updated, then destroyed.
    Growth,
    /// Tenants run and have nothing to do, or have a call open.
    Memory,
    /// A store alone makes commits of so many rows.
    Batches,
    /// Several engines share a database, and any of them takes any command.
    Engines,
    /// One of the engines that share a database is lost, and the others take up its calls.
    Claim,
}

/// Who does it: the engine, and what one would take instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Subject {
    /// The engine over its memory store.
    LandlordMemory,
    /// The engine over SQLite, every commit on the disk.
    LandlordSqlite,
    /// The engine over PostgreSQL, every commit on its disk.
    LandlordPostgres,
    /// A task and a channel a tenant.
    BareTokio,
    /// An actor a tenant, under sharded supervisors.
    BareRactor,
    /// A loop of the store's own statements.
    BareSqlite,
    /// A loop that sends the bytes that the store sent.
    BarePostgres,
    /// Tasks as rows of PostgreSQL, and workers that take them.
    TaskTable,
    /// A gen_statem a tenant, under supervisors.
    Erlang,
    /// The same, hibernated when idle.
    ErlangHibernated,
    /// A virtual object a tenant.
    Restate,
}

impl Workload {
    /// All of them, in the order in which they are measured.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }
}

/// A word that names no workload or subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of {}", known.join(", "))]
pub struct UnknownName {
    word: String,
    known: Vec<String>,
}

/// The name of a value on the command line, in the CSV and on the page.
fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn find<T: ValueEnum>(word: &str) -> Result<T, UnknownName> {
    let known = || T::value_variants().iter().map(name).collect();
    T::from_str(word, false).map_err(|_| UnknownName { word: word.to_owned(), known: known() })
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&name(self))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&name(self))
    }
}

impl FromStr for Workload {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        find(word)
    }
}

impl FromStr for Subject {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        find(word)
    }
}
