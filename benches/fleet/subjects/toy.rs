//! The machine that one would write by hand, for the baselines without an engine: states, three commands, one call
//! at a time.

use landlord_compute::machines::spec::TenantComputeSpec;

use crate::spec::spec;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    Pending,
    Provisioning,
    Running,
    Updating,
    Destroying,
    Gone,
}

#[derive(Clone, Copy)]
pub(crate) enum Command {
    Provision,
    Update,
    Destroy,
}

/// A tenant's life.
pub(crate) const LIFE: [Command; 3] = [Command::Provision, Command::Update, Command::Destroy];

/// What a command says that the tenant should run: what the engine is given too, though nothing checks it here. None
/// for a destroy.
pub(crate) type Wanted = Option<Box<TenantComputeSpec>>;

/// What comes with a command.
pub(crate) fn wanted(tenant: &str, command: Command) -> Wanted {
    match command {
        Command::Provision => Some(Box::new(spec(tenant, "v1"))),
        Command::Update => Some(Box::new(spec(tenant, "v2"))),
        Command::Destroy => None,
    }
}

/// What begins with a command; none where it is not allowed.
pub(crate) fn begin(phase: Phase, command: Command) -> Option<Phase> {
    match (phase, command) {
        (Phase::Pending, Command::Provision) => Some(Phase::Provisioning),
        (Phase::Running, Command::Update) => Some(Phase::Updating),
        (Phase::Running | Phase::Pending, Command::Destroy) => Some(Phase::Destroying),
        (_, Command::Provision | Command::Update | Command::Destroy) => None,
    }
}

/// Whether a command that does not begin now waits for the call that is on its way.
pub(crate) fn waits(phase: Phase, command: Command) -> bool {
    matches!((phase, command), (Phase::Provisioning | Phase::Updating, Command::Update))
}

/// What comes of a call that worked.
pub(crate) fn end(phase: Phase) -> Phase {
    match phase {
        Phase::Provisioning | Phase::Updating => Phase::Running,
        Phase::Destroying => Phase::Gone,
        Phase::Pending | Phase::Running | Phase::Gone => phase,
    }
}
