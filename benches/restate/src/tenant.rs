//! A tenant as a virtual object of Restate, keyed by its id: one command at a time, its state kept by Restate, the
//! provider's call a durable step.

use std::time::{SystemTime, UNIX_EPOCH};

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// The one entry of an object's state: one entry is one record of Restate's log a transition.
const RECORD: &str = "record";

/// How far a tenant is. One without a record is pending, or gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Pending,
    Provisioning,
    Running,
    Updating,
    Destroying,
    Gone,
}

/// What a caller asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Provision,
    Update,
    Destroy,
}

/// A tenant's life.
pub(crate) const LIFE: [Command; 3] = [Command::Provision, Command::Update, Command::Destroy];

impl Command {
    /// The handler that serves it.
    pub(crate) fn handler(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Update => "update",
            Self::Destroy => "destroy",
        }
    }
}

/// What a tenant shall run: what the engine's own benchmark gives, and no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) tenant_id: String,
    pub(crate) image: String,
    pub(crate) cpu: u32,
    pub(crate) memory: u32,
}

impl Spec {
    pub(crate) fn new(tenant: &str, image: &str) -> Self {
        Self { tenant_id: tenant.to_owned(), image: image.to_owned(), cpu: 128, memory: 128 }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    phase: Phase,
    spec: Spec,
}

/// When the provider was called, in nanoseconds since 1970: the service and the driver run on one machine.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Called {
    pub(crate) at: u64,
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The provider that does nothing.
async fn call() -> HandlerResult<Json<Called>> {
    Ok(Json(Called { at: now() }))
}

/// What begins with a command; none where it is not allowed.
fn begin(phase: Phase, command: Command) -> Option<Phase> {
    match (phase, command) {
        (Phase::Pending, Command::Provision) => Some(Phase::Provisioning),
        (Phase::Running, Command::Update) => Some(Phase::Updating),
        (Phase::Running | Phase::Pending, Command::Destroy) => Some(Phase::Destroying),
        (_, Command::Provision | Command::Update | Command::Destroy) => None,
    }
}

/// What comes of a call that worked.
fn end(phase: Phase) -> Phase {
    match phase {
        Phase::Provisioning | Phase::Updating => Phase::Running,
        Phase::Destroying => Phase::Gone,
        Phase::Pending | Phase::Running | Phase::Gone => phase,
    }
}

/// Two transitions: what begins with the command, and what comes of the provider's call.
async fn transitions(ctx: &ObjectContext<'_>, command: Command, spec: Spec) -> HandlerResult<Json<Called>> {
    let record: Option<Json<Record>> = ctx.get(RECORD).await?;
    let phase = record.map_or(Phase::Pending, |Json(record)| record.phase);
    let Some(begun) = begin(phase, command) else {
        let what = format!("{} is not allowed while {phase:?}", command.handler());
        return Err(TerminalError::new_with_code(409, what).into());
    };
    ctx.set(RECORD, Json(Record { phase: begun, spec: spec.clone() }));
    let called = ctx.run(call).name(command.handler()).await?;
    match end(begun) {
        Phase::Gone => ctx.clear(RECORD),
        phase @ (Phase::Pending
        | Phase::Provisioning
        | Phase::Running
        | Phase::Updating
        | Phase::Destroying) => ctx.set(RECORD, Json(Record { phase, spec })),
    }
    Ok(called)
}

/// The service that Restate calls.
pub(crate) struct Tenant;

/// A journal is of no use once its invocation is over, and Restate would keep it for a day.
#[object(journal_retention = "0s", client_visibility = "pub(crate)")]
impl Tenant {
    #[handler]
    async fn provision(&self, ctx: ObjectContext<'_>, spec: Json<Spec>) -> HandlerResult<Json<Called>> {
        transitions(&ctx, Command::Provision, spec.into_inner()).await
    }

    #[handler]
    async fn update(&self, ctx: ObjectContext<'_>, spec: Json<Spec>) -> HandlerResult<Json<Called>> {
        transitions(&ctx, Command::Update, spec.into_inner()).await
    }

    #[handler]
    async fn destroy(&self, ctx: ObjectContext<'_>, spec: Json<Spec>) -> HandlerResult<Json<Called>> {
        transitions(&ctx, Command::Destroy, spec.into_inner()).await
    }
}
