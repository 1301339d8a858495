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
pub(crate) mod postgres;
pub(crate) mod restate;
pub(crate) mod shared;
pub(crate) mod toy;

use std::process::Command;
use std::time::SystemTime;

pub(crate) use landlord_benchmark_page::Subject;

use crate::parameters::Parameters;
use crate::workloads::{Workload, instructions};

/// Why a subject cannot be measured on this machine.
#[derive(Debug, thiserror::Error)]
#[error("{subject} cannot be measured here: {why}; {remedy}, or leave it out with --without {subject}")]
pub(crate) struct Unmeasurable {
    pub(crate) subject: Subject,
    pub(crate) why: String,
    pub(crate) remedy: String,
}

/// How many clients command a subject's tenants at a time. Many more wait for a disk together than for memory.
pub(crate) fn clients(subject: Subject) -> usize {
    match subject {
        Subject::LandlordSqlite | Subject::BareSqlite | Subject::LandlordPostgres | Subject::BarePostgres => {
            2048
        }
        // Its workers, each with a connection.
        Subject::TaskTable => 16,
        // What it gets the most done with.
        Subject::Restate => 1024,
        Subject::LandlordMemory
        | Subject::BareTokio
        | Subject::BareRactor
        | Subject::Erlang
        | Subject::ErlangHibernated => 64,
    }
}

/// What runs a workload with a subject, and prints figures.
pub(crate) fn command(
    subject: Subject,
    workload: Workload,
    parameters: &Parameters,
) -> Result<Command, Unmeasurable> {
    if workload == Workload::Instructions {
        return Ok(instructions::command(subject));
    }
    match subject {
        Subject::LandlordMemory
        | Subject::LandlordSqlite
        | Subject::BareTokio
        | Subject::BareRactor
        | Subject::BareSqlite
        | Subject::LandlordPostgres
        | Subject::BarePostgres
        | Subject::TaskTable => this_program(subject, workload, parameters),
        Subject::Erlang | Subject::ErlangHibernated => erlang::command(subject, workload, parameters),
        Subject::Restate => restate::command(workload, parameters),
    }
}

fn this_program(
    subject: Subject,
    workload: Workload,
    parameters: &Parameters,
) -> Result<Command, Unmeasurable> {
    let program = std::env::current_exe().map_err(|cause| Unmeasurable {
        subject,
        why: format!("this program does not find itself ({cause})"),
        remedy: "start it by its path".to_owned(),
    })?;
    let mut command = Command::new(program);
    command.arg("--child").arg(workload.to_string()).arg(subject.to_string()).args(parameters.words());
    match workload {
        // Else a page of 2 MiB is cleared at a time: some milliseconds on a machine that gets its memory when it is
        // first touched.
        Workload::Latency | Workload::Hot => {
            command.env("MIMALLOC_ALLOW_THP", "0");
        }
        Workload::Instructions
        | Workload::Lifecycle
        | Workload::Start
        | Workload::Fanout
        | Workload::Growth
        | Workload::Memory
        | Workload::Batches
        | Workload::Engines
        | Workload::Claim => {}
    }
    if let Ok(now) = SystemTime::UNIX_EPOCH.elapsed() {
        // For what counts from the start of its process, which is at once.
        command.arg(format!("spawned_at={}", now.as_nanos()));
    }
    Ok(command)
}
