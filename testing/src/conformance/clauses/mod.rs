//! The clauses, a file for each part of the contract.

mod context;
mod describes;
mod destroy;
mod errors;
mod interrupted;
mod logging;
mod name;
mod ownership;
mod provision;
mod secrets;
mod status;
mod tenants;
mod undo;
mod update;
mod validate;

use super::{Check, Clause, Level};

/// Every clause, in the order of the specification, then of the contract.
pub fn clauses() -> Vec<&'static Clause> {
    let areas: [&[Clause]; 15] = [
        name::CLAUSES,
        provision::CLAUSES,
        update::CLAUSES,
        destroy::CLAUSES,
        status::CLAUSES,
        validate::CLAUSES,
        errors::CLAUSES,
        context::CLAUSES,
        tenants::CLAUSES,
        logging::CLAUSES,
        undo::CLAUSES,
        interrupted::CLAUSES,
        ownership::CLAUSES,
        secrets::CLAUSES,
        describes::CLAUSES,
    ];
    areas.into_iter().flatten().collect()
}

const fn must(id: &'static str, source: &'static str, statement: &'static str, check: Check) -> Clause {
    Clause { id, source, level: Level::Must, statement, check }
}

const fn should(id: &'static str, source: &'static str, statement: &'static str, check: Check) -> Clause {
    Clause { id, source, level: Level::Should, statement, check }
}

/// Sources of the specification.
mod specification {
    pub(super) const NAME: &str = "spec, Name()";
    pub(super) const PROVISION: &str = "spec, Provision()";
    pub(super) const UPDATE: &str = "spec, Update()";
    pub(super) const DESTROY: &str = "spec, Destroy()";
    pub(super) const STATUS: &str = "spec, GetStatus()";
    pub(super) const VALIDATE: &str = "spec, Validate()";
    pub(super) const ERRORS: &str = "spec, Error Handling";
    pub(super) const CONTEXT: &str = "spec, Context Handling";
    pub(super) const THREADS: &str = "spec, Thread Safety";
    pub(super) const LOGGING: &str = "spec, Logging";
}

/// Sources of the contract, where it decides what the specification leaves open.
mod contract {
    pub(super) const TRAIT: &str = "contract, The trait";
    pub(super) const VALIDATION: &str = "contract, Validation";
    pub(super) const PROVISION: &str = "contract, Provision again";
    pub(super) const UPDATE: &str = "contract, Update";
    pub(super) const DISCOVERY: &str = "contract, Only an id";
    pub(super) const UNDO: &str = "contract, Undo";
    pub(super) const CANCELLATION: &str = "contract, Cancellation";
    pub(super) const OWNERSHIP: &str = "contract, Ownership";
    pub(super) const STATUS: &str = "contract, get_status";
    pub(super) const CREATES: &str = "contract, Uncertain creates";
    pub(super) const READY: &str = "contract, Ready means ready";
    pub(super) const CHECKPOINT: &str = "contract, checkpoint";
    pub(super) const LOGS: &str = "contract, Logs";
}
