//! The clauses, a file for each part of the contract.

mod context;
mod describes;
mod destroy;
mod errors;
mod interrupted;
mod logging;
mod logs;
mod name;
mod ownership;
mod provision;
mod release;
mod replicas;
mod secrets;
mod status;
mod tenants;
mod undo;
mod update;
mod validate;

use super::{Check, Clause, Level};

/// Every clause, method by method, then what all methods have in common.
pub fn clauses() -> Vec<&'static Clause> {
    let areas: [&[Clause]; 18] = [
        name::CLAUSES,
        provision::CLAUSES,
        update::CLAUSES,
        replicas::CLAUSES,
        destroy::CLAUSES,
        release::CLAUSES,
        status::CLAUSES,
        logs::CLAUSES,
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

/// The sections of CONTRACT.md, by heading.
mod section {
    pub(super) const NAME: &str = "name and kind";
    pub(super) const PROVISION: &str = "provision";
    pub(super) const UPDATE: &str = "update";
    pub(super) const DESTROY: &str = "destroy";
    pub(super) const RELEASE: &str = "release";
    pub(super) const STATUS: &str = "get_status";
    pub(super) const VALIDATE: &str = "validate";
    pub(super) const PLAN: &str = "plan";
    pub(super) const LOGS: &str = "logs";
    pub(super) const LIST: &str = "list_tenants";
    pub(super) const OBSERVE: &str = "observe";
    pub(super) const SCHEMA: &str = "config_schema and config_defaults";
    pub(super) const CAPABILITIES: &str = "capabilities";
    pub(super) const ERRORS: &str = "Errors";
    pub(super) const CONTEXT: &str = "Context";
    pub(super) const CANCELLATION: &str = "Cancellation and deadline";
    pub(super) const CHECKPOINT: &str = "Ledger and checkpoints";
    pub(super) const CONCURRENCY: &str = "Concurrency";
    pub(super) const OWNERSHIP: &str = "Ownership";
    pub(super) const SECRETS: &str = "Secrets";
    pub(super) const LOGGING: &str = "Logging";
    pub(super) const PROVISION_AGAIN: &str = "Provision again";
    pub(super) const UPDATE_ABSENT: &str = "Update of an absent tenant";
    pub(super) const UPDATE_SAME: &str = "Update with the same spec";
    pub(super) const REPLICAS: &str = "Replicas";
    pub(super) const RESTART: &str = "Restart";
    pub(super) const ONLY_ID: &str = "Only an id";
    pub(super) const UNDO: &str = "Undo";
    pub(super) const INTERRUPTED: &str = "Interrupted calls";
    pub(super) const CREATES: &str = "Uncertain creates";
    pub(super) const READY: &str = "Ready means ready";
}
