//! What Valgrind counts: instructions of a transition and heap of an idle tenant. benches/instructions does it, with an
//! allocator of its own.

use std::ffi::OsString;
use std::process::Command;

use crate::subjects::Subject;

pub(crate) const SUBJECTS: &[Subject] = &[Subject::LandlordMemory, Subject::LandlordSqlite];

/// What counts, and prints figures.
pub(crate) fn command(subject: Subject) -> Command {
    let store = match subject {
        Subject::LandlordMemory => "memory",
        Subject::LandlordSqlite => "sqlite",
        Subject::BareTokio
        | Subject::BareRactor
        | Subject::BareSqlite
        | Subject::Erlang
        | Subject::LandlordPostgres
        | Subject::BarePostgres
        | Subject::TaskTable
        | Subject::ErlangHibernated
        | Subject::Restate => panic!("{subject} is not counted"),
    };
    // The one that runs this program.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    let package = ["-p", env!("CARGO_PKG_NAME"), "--bench", "instructions"];
    command.args(["bench", "--quiet"]).args(package).args(["--", "--figures", store]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}
