//! Who does the work: the engine, and what one would take instead.

pub(crate) mod bare_ractor;
pub(crate) mod bare_sqlite;
pub(crate) mod bare_tokio;
pub(crate) mod counted;
mod erlang;
pub(crate) mod events;
pub(crate) mod filled;
pub(crate) mod fleet;
pub(crate) mod landlord;
pub(crate) mod restate;
pub(crate) mod toy;

use std::fmt;
use std::process::Command;
use std::time::SystemTime;

use clap::ValueEnum;

use crate::parameters::Parameters;
use crate::workloads::Workload;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Subject {
    /// The engine over its memory store.
    LandlordMemory,
    /// The engine over SQLite, every commit on the disk.
    LandlordSqlite,
    /// A task and a channel a tenant.
    BareTokio,
    /// An actor a tenant, under sharded supervisors.
    BareRactor,
    /// A loop of the store's own statements.
    BareSqlite,
    /// A gen_statem a tenant, under supervisors.
    Erlang,
    /// The same, hibernated when idle.
    ErlangHibernated,
    /// A virtual object a tenant.
    Restate,
}

/// Why a subject cannot be measured on this machine.
#[derive(Debug, thiserror::Error)]
#[error("{subject} cannot be measured here: {why}; {remedy}, or leave it out with --without {subject}")]
pub(crate) struct Unmeasurable {
    pub(crate) subject: Subject,
    pub(crate) why: String,
    pub(crate) remedy: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

impl Subject {
    /// How many clients command its tenants at a time. Many more wait for a disk together than for memory.
    pub(crate) fn clients(self) -> usize {
        match self {
            Self::LandlordSqlite | Self::BareSqlite => 2048,
            // What it gets the most done with.
            Self::Restate => 1024,
            Self::LandlordMemory
            | Self::BareTokio
            | Self::BareRactor
            | Self::Erlang
            | Self::ErlangHibernated => 64,
        }
    }

    /// What runs a workload with this subject, and prints figures.
    pub(crate) fn command(
        self,
        workload: Workload,
        parameters: &Parameters,
    ) -> Result<Command, Unmeasurable> {
        match self {
            Self::LandlordMemory
            | Self::LandlordSqlite
            | Self::BareTokio
            | Self::BareRactor
            | Self::BareSqlite => self.this_program(workload, parameters),
            Self::Erlang | Self::ErlangHibernated => erlang::command(self, workload, parameters),
            Self::Restate => restate::command(workload, parameters),
        }
    }

    fn this_program(self, workload: Workload, parameters: &Parameters) -> Result<Command, Unmeasurable> {
        let program = std::env::current_exe().map_err(|cause| Unmeasurable {
            subject: self,
            why: format!("this program does not find itself ({cause})"),
            remedy: "start it by its path".to_owned(),
        })?;
        let mut command = Command::new(program);
        command.arg("--child").arg(workload.to_string()).arg(self.to_string()).args(parameters.words());
        match workload {
            // Else a page of 2 MiB is cleared at a time: some milliseconds on a machine that gets its memory when it is
            // first touched.
            Workload::Latency | Workload::Hot => {
                command.env("MIMALLOC_ALLOW_THP", "0");
            }
            Workload::Lifecycle
            | Workload::Start
            | Workload::Fanout
            | Workload::Growth
            | Workload::Memory => {}
        }
        if let Ok(now) = SystemTime::UNIX_EPOCH.elapsed() {
            // For what counts from the start of its process, which is at once.
            command.arg(format!("spawned_at={}", now.as_nanos()));
        }
        Ok(command)
    }
}
