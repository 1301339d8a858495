//! What the stores of landlord-compute that write SQL have in common: a tenant as the narrow row that every transition rewrites, and
//! back; and a [`Loader`], which reads together what is asked for at the same time. Knows nothing of a database.
//!
//! What people look for has a column of its own; JSON is only what is rare or opaque. Times are microseconds
//! since 1970 UTC; what is finer is cut off. Each store writes its own SQL.

mod load;

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use jiff::Timestamp;
use landlord_compute::store::Fingerprint;
use landlord_state_machines::id::{
    CallId, Incarnation, OperationId, ProviderName, Revision, Rollout, SpecVersion, TenantId,
};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::status::Health;
use landlord_state_machines::tenant::{
    Call, Change, Direction, Method, OperationKind, Queued, Record, Removal, RemovalRun, Removes, Repair,
    Retained, Rolled, Run, State, StateName, Tenant, Tombstone, UndoCause, Versioned, Why, Wish,
};
use serde::Serialize;
use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, DeserializeOwned};

pub use load::{Loader, Reading};

/// A column that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct BadColumn {
    column: &'static str,
    problem: &'static str,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl BadColumn {
    /// It is empty where it should not be.
    pub fn missing(column: &'static str) -> Self {
        Self { column, problem: "it is empty where it should not be", cause: None }
    }

    /// It does not hold what it should.
    pub fn bad(column: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { column, problem: "it does not hold what it should", cause: Some(cause.into()) }
    }
}

/// The columns of the table `tenants`, borrowed from a tenant or from a row.
#[derive(Debug, Default)]
pub struct TenantRow<'a> {
    /// The tenant.
    pub id: &'a str,
    /// Which of its lives.
    pub incarnation: u64,
    /// Counts its transitions, over all lives.
    pub revision: u64,
    /// Its state; none: it is gone, and only its count goes on.
    pub state: Option<&'a str>,
    /// Whose platform it is on.
    pub provider: Option<&'a str>,
    /// Its health, as it was last seen.
    pub health: Option<&'a str>,
    /// The version that runs.
    pub applied_spec: Option<u64>,
    /// The version that is being worked towards.
    pub target_spec: Option<u64>,
    /// The last version.
    pub latest_spec: Option<u64>,
    /// The operation on its way.
    pub operation: Option<Cow<'a, str>>,
    /// Which attempt that is at.
    pub attempt: Option<u32>,
    /// `forward`, `repair`, `undo` or `release`.
    pub direction: Option<&'a str>,
    /// When the operation has to be done.
    pub deadline: Option<i64>,
    /// Why it is undone; none: it was cancelled.
    pub undo_error_json: Option<Cow<'a, str>>,
    /// `calling`, `stopping` or `waiting`.
    pub run: Option<&'a str>,
    /// The call in flight.
    pub call: Option<u64>,
    /// That call's method.
    pub method: Option<&'a str>,
    /// Why the call is stopped: `cancel`, `destroy` or `deadline`.
    pub stop_reason: Option<&'a str>,
    /// The destroy that follows.
    pub stop_operation: Option<Cow<'a, str>>,
    /// When the call is dropped, or the next try begins.
    pub until: Option<i64>,
    /// When something is to be done.
    pub wake_at: Option<i64>,
    /// What waits for the current operation.
    pub next_operation: Option<Cow<'a, str>>,
    /// The version that it works towards.
    pub next_spec: Option<u64>,
    /// When it has to be done.
    pub next_deadline: Option<i64>,
    /// Since when it is paused.
    pub paused_at: Option<i64>,
    /// When an operation settled last.
    pub settled_at: Option<i64>,
    /// How many repairs there were in a row.
    pub repair_count: Option<u32>,
    /// When the last one began.
    pub repair_last: Option<i64>,
    /// When the next one does.
    pub repair_due: Option<i64>,
    /// What failed last.
    pub last_failure_json: Option<Cow<'a, str>>,
    /// What the provider knows and intends.
    pub ledger_json: Option<Cow<'a, str>>,
    /// Which rollout runs; none: no restart began it.
    pub applied_rollout: Option<u64>,
    /// Which one is being worked towards.
    pub target_rollout: Option<u64>,
    /// What a life left on purpose, or what a release on its way removes.
    pub retained_json: Option<Cow<'a, str>>,
}

/// A record as a row.
///
/// # Errors
/// [`BadColumn`] where a part of it is not JSON.
pub fn encode(record: &Record) -> Result<TenantRow<'_>, BadColumn> {
    match record {
        Record::Absent(id) => Ok(TenantRow { id: id.as_str(), ..TenantRow::default() }),
        Record::Gone(tombstone) => Ok(TenantRow {
            id: tombstone.id.as_str(),
            incarnation: tombstone.incarnation.0,
            revision: tombstone.revision.0,
            retained_json: to_json("retained_json", tombstone.retained.as_deref())?,
            ..TenantRow::default()
        }),
        Record::Live(tenant) => encode_tenant(tenant),
    }
}

fn encode_tenant(tenant: &Tenant) -> Result<TenantRow<'_>, BadColumn> {
    let mut row = TenantRow {
        id: tenant.id.as_str(),
        incarnation: tenant.incarnation.0,
        revision: tenant.revision.0,
        state: Some(tenant.state.name().as_str()),
        provider: Some(tenant.provider.as_str()),
        health: Some(health_name(tenant.health)),
        applied_spec: tenant.applied().map(|applied| applied.version.0),
        target_spec: tenant.target().map(|target| target.version.0),
        latest_spec: Some(tenant.latest_spec.0),
        operation: tenant.operation().map(operation_text),
        attempt: tenant.attempt(),
        wake_at: tenant.wake_at().map(Timestamp::as_microsecond),
        paused_at: tenant.paused.map(Timestamp::as_microsecond),
        settled_at: tenant.settled_at.map(Timestamp::as_microsecond),
        repair_count: Some(tenant.repair.count),
        repair_last: tenant.repair.last.map(Timestamp::as_microsecond),
        repair_due: tenant.repair.due.map(Timestamp::as_microsecond),
        last_failure_json: to_json("last_failure_json", tenant.last_failure.as_deref())?,
        ledger_json: to_json("ledger_json", tenant.ledger.as_deref())?,
        applied_rollout: tenant.applied().and_then(rollout),
        target_rollout: tenant.target().and_then(rollout),
        ..TenantRow::default()
    };
    if let Some(next) = &tenant.next {
        row.next_operation = Some(operation_text(next.operation));
        row.next_spec = next.wish.spec().map(|waiting| waiting.version.0);
        row.next_deadline = next.deadline.map(Timestamp::as_microsecond);
    }
    match &tenant.state {
        State::Pending | State::Running { .. } => {}
        State::Provisioning(change) | State::Updating { change, .. } => encode_change(change, &mut row)?,
        State::Destroying(removal) => encode_removal(removal, &mut row)?,
    }
    Ok(row)
}

/// What is stored of a rollout: nothing where no restart began it.
fn rollout(rolled: &Rolled) -> Option<u64> {
    (!rolled.rollout.is_first()).then_some(rolled.rollout.0)
}

fn encode_change(change: &Change, row: &mut TenantRow<'_>) -> Result<(), BadColumn> {
    match &change.direction {
        Direction::Forward { deadline } => {
            row.direction = Some("forward");
            row.deadline = deadline.map(Timestamp::as_microsecond);
        }
        Direction::Repair => row.direction = Some("repair"),
        Direction::Undo(because) => {
            row.direction = Some("undo");
            match because {
                UndoCause::Failed(error) => {
                    row.undo_error_json = to_json("undo_error_json", Some(error.as_ref()))?;
                }
                UndoCause::Cancelled => {}
            }
        }
    }
    match &change.run {
        Run::Calling(call) => {
            row.run = Some("calling");
            encode_call(*call, row);
        }
        Run::Stopping { call, why, until } => {
            row.run = Some("stopping");
            encode_call(*call, row);
            row.until = Some(until.as_microsecond());
            match why {
                Why::Cancel => row.stop_reason = Some("cancel"),
                Why::Destroy(operation) => {
                    row.stop_reason = Some("destroy");
                    row.stop_operation = Some(operation_text(*operation));
                }
                Why::Deadline => row.stop_reason = Some("deadline"),
            }
        }
        Run::Waiting { until } => {
            row.run = Some("waiting");
            row.until = Some(until.as_microsecond());
        }
    }
    Ok(())
}

fn encode_call(call: Call, row: &mut TenantRow<'_>) {
    row.call = Some(call.id.0);
    row.method = Some(match call.method {
        Method::Provision => "provision",
        Method::Update => "update",
        Method::Destroy => "destroy",
        Method::Release => "release",
    });
}

fn encode_removal(removal: &Removal, row: &mut TenantRow<'_>) -> Result<(), BadColumn> {
    match &removal.removes {
        Removes::Everything => {}
        Removes::Retained { known } => {
            row.direction = Some("release");
            row.retained_json = to_json("retained_json", known.as_deref())?;
        }
    }
    match removal.run {
        RemovalRun::Calling(id) => {
            row.run = Some("calling");
            encode_call(Call { id, method: removal.removes.method() }, row);
        }
        RemovalRun::Waiting { until } => {
            row.run = Some("waiting");
            row.until = Some(until.as_microsecond());
        }
    }
    Ok(())
}

/// A row as a record. `spec` finds the body of a version.
///
/// # Errors
/// [`BadColumn`] where a column does not hold what it should; otherwise as `spec` has it.
pub fn decode<E: From<BadColumn>>(
    row: &TenantRow<'_>,
    mut spec: impl FnMut(SpecVersion) -> Result<Spec, E>,
) -> Result<Record, E> {
    let id = TenantId::from_stored(row.id);
    let (incarnation, revision) = (Incarnation(row.incarnation), Revision(row.revision));
    let Some(state) = row.state else {
        let retained = retained(row)?;
        return Ok(Record::Gone(Tombstone { id, incarnation, revision, retained }));
    };
    let mut versioned = |column: &'static str, version: Option<u64>| -> Result<Versioned, E> {
        let version = SpecVersion(version.ok_or(BadColumn::missing(column))?);
        Ok(Versioned { version, spec: spec(version)? })
    };
    let rollout = |stored: Option<u64>| Rollout(stored.unwrap_or_default());
    let (applied, target) = (rollout(row.applied_rollout), rollout(row.target_rollout));
    let state = match name("state", Some(state))? {
        StateName::Pending => State::Pending,
        StateName::Running => {
            State::Running { applied: versioned("applied_spec", row.applied_spec)?.rolled(applied) }
        }
        StateName::Provisioning => State::Provisioning(decode_change(
            row,
            versioned("target_spec", row.target_spec)?.rolled(target),
        )?),
        StateName::Updating => State::Updating {
            applied: versioned("applied_spec", row.applied_spec)?.rolled(applied),
            change: decode_change(row, versioned("target_spec", row.target_spec)?.rolled(target))?,
        },
        StateName::Destroying => State::Destroying(decode_removal(row)?),
    };
    let next = match &row.next_operation {
        None => None,
        Some(operation) => Some(Queued {
            operation: operation_id("next_operation", Some(operation))?,
            wish: match row.next_spec {
                Some(version) => Wish::Update(versioned("next_spec", Some(version))?),
                None => Wish::Restart,
            },
            deadline: optional_time("next_deadline", row.next_deadline)?,
        }),
    };
    let provider = row.provider.ok_or(BadColumn::missing("provider"))?;
    Ok(Record::Live(Arc::new(Tenant {
        id,
        incarnation,
        revision,
        provider: ProviderName::from_stored(provider),
        state,
        next,
        paused: optional_time("paused_at", row.paused_at)?,
        health: name("health", row.health)?,
        repair: Repair {
            count: row.repair_count.ok_or(BadColumn::missing("repair_count"))?,
            last: optional_time("repair_last", row.repair_last)?,
            due: optional_time("repair_due", row.repair_due)?,
        },
        last_failure: from_json("last_failure_json", row.last_failure_json.as_deref())?.map(Arc::new),
        ledger: from_json("ledger_json", row.ledger_json.as_deref())?.map(Arc::new),
        latest_spec: SpecVersion(row.latest_spec.ok_or(BadColumn::missing("latest_spec"))?),
        settled_at: optional_time("settled_at", row.settled_at)?,
    })))
}

fn decode_change(row: &TenantRow<'_>, target: Rolled) -> Result<Change, BadColumn> {
    let direction = match row.direction {
        Some("forward") => Direction::Forward { deadline: optional_time("deadline", row.deadline)? },
        Some("repair") => Direction::Repair,
        Some("undo") => {
            Direction::Undo(match from_json("undo_error_json", row.undo_error_json.as_deref())? {
                Some(error) => UndoCause::Failed(Arc::new(error)),
                None => UndoCause::Cancelled,
            })
        }
        other => return Err(unknown("direction", other)),
    };
    let run = match row.run {
        Some("calling") => Run::Calling(decode_call(row)?),
        Some("stopping") => Run::Stopping {
            call: decode_call(row)?,
            why: match row.stop_reason {
                Some("cancel") => Why::Cancel,
                Some("destroy") => {
                    Why::Destroy(operation_id("stop_operation", row.stop_operation.as_deref())?)
                }
                Some("deadline") => Why::Deadline,
                other => return Err(unknown("stop_reason", other)),
            },
            until: time("until", row.until)?,
        },
        Some("waiting") => Run::Waiting { until: time("until", row.until)? },
        other => return Err(unknown("run", other)),
    };
    Ok(Change {
        operation: operation_id("operation", row.operation.as_deref())?,
        target,
        direction,
        attempt: row.attempt.ok_or(BadColumn::missing("attempt"))?,
        run,
    })
}

fn decode_call(row: &TenantRow<'_>) -> Result<Call, BadColumn> {
    let id = CallId(row.call.ok_or(BadColumn::missing("call"))?);
    Ok(Call { id, method: name("method", row.method)? })
}

fn decode_removal(row: &TenantRow<'_>) -> Result<Removal, BadColumn> {
    Ok(Removal {
        operation: operation_id("operation", row.operation.as_deref())?,
        removes: match row.direction {
            None => Removes::Everything,
            Some("release") => Removes::Retained { known: retained(row)? },
            other => return Err(unknown("direction", other)),
        },
        attempt: row.attempt.ok_or(BadColumn::missing("attempt"))?,
        run: match row.run {
            Some("calling") => RemovalRun::Calling(decode_call(row)?.id),
            Some("waiting") => RemovalRun::Waiting { until: time("until", row.until)? },
            other => return Err(unknown("run", other)),
        },
    })
}

fn retained(row: &TenantRow<'_>) -> Result<Option<Arc<Retained>>, BadColumn> {
    Ok(from_json("retained_json", row.retained_json.as_deref())?.map(Arc::new))
}

/// An operation's id as text.
pub fn operation_text<'a>(id: OperationId) -> Cow<'a, str> {
    Cow::Owned(id.to_string())
}

/// An operation's id from text.
///
/// # Errors
/// [`BadColumn`] where it is none.
pub fn operation_id(column: &'static str, text: Option<&str>) -> Result<OperationId, BadColumn> {
    let text = text.ok_or(BadColumn::missing(column))?;
    text.parse().map_err(|cause| BadColumn::bad(column, cause))
}

/// What a request asked for, from text.
///
/// # Errors
/// [`BadColumn`] where it is none.
pub fn fingerprint(column: &'static str, text: &str) -> Result<Fingerprint, BadColumn> {
    text.parse().map_err(|cause| BadColumn::bad(column, cause))
}

/// A time from microseconds.
///
/// # Errors
/// [`BadColumn`] where it is none.
pub fn time(column: &'static str, microseconds: Option<i64>) -> Result<Timestamp, BadColumn> {
    optional_time(column, microseconds)?.ok_or(BadColumn::missing(column))
}

fn optional_time(column: &'static str, microseconds: Option<i64>) -> Result<Option<Timestamp>, BadColumn> {
    microseconds.map(Timestamp::from_microsecond).transpose().map_err(|cause| BadColumn::bad(column, cause))
}

/// One of an enum's names.
///
/// # Errors
/// [`BadColumn`] where it is none.
pub fn name<T: DeserializeOwned>(column: &'static str, text: Option<&str>) -> Result<T, BadColumn> {
    let text = text.ok_or(BadColumn::missing(column))?;
    let parsed: Result<T, serde::de::value::Error> = T::deserialize(StrDeserializer::new(text));
    parsed.map_err(|cause| BadColumn::bad(column, cause))
}

/// The name of a health.
pub fn health_name(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
        Health::Unknown => "unknown",
    }
}

/// The name of what an operation does.
pub fn kind_name(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Provision => "provision",
        OperationKind::Update => "update",
        OperationKind::Restart => "restart",
        OperationKind::Repair => "repair",
        OperationKind::Destroy => "destroy",
        OperationKind::Release => "release",
    }
}

/// A value as JSON, none as none.
fn to_json<T: Serialize>(
    column: &'static str,
    value: Option<&T>,
) -> Result<Option<Cow<'static, str>>, BadColumn> {
    value
        .map(|value| serde_json::to_string(value).map(Cow::Owned))
        .transpose()
        .map_err(|cause| BadColumn::bad(column, cause))
}

/// A value from JSON, none from none.
///
/// # Errors
/// [`BadColumn`] where it is none.
pub fn from_json<'de, T: Deserialize<'de>>(
    column: &'static str,
    json: Option<&'de str>,
) -> Result<Option<T>, BadColumn> {
    json.map(serde_json::from_str).transpose().map_err(|cause| BadColumn::bad(column, cause))
}

/// A spec's body from what was stored.
///
/// # Errors
/// [`BadColumn`] where it is none.
pub fn spec_from_json(json: &str) -> Result<Spec, BadColumn> {
    Spec::from_stored_json(json).map_err(|cause| BadColumn::bad("body_json", cause))
}

fn unknown(column: &'static str, found: Option<&str>) -> BadColumn {
    match found {
        Some(found) => BadColumn::bad(column, format!("it holds {found:?}")),
        None => BadColumn::missing(column),
    }
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::tenant::samples::configurations;
    use landlord_state_machines::tenant::{
        Command, Decision, Effect, Input, Policy, Record, Request, Stamp, step,
    };

    use super::*;

    /// What is stored breaks rules of today: those of names, of health checks, of resources.
    const BODY: &str = r#"{
        "tenant_id": "Acme_1", "provider_type": "aws-ecs",
        "containers": [{ "name": "Web", "image": "nginx", "health_check": { "type": "tcp", "port": 0,
            "interval_seconds": 1, "timeout_seconds": 1, "healthy_threshold": 0, "unhealthy_threshold": 0 } }],
        "resources": { "cpu": 1, "memory": 1 }, "networking": { "public_ip": false }
    }"#;

    #[test]
    fn i5_a_tenant_is_read_and_destroyed_whatever_the_rules_are_by_now() {
        let stamp =
            Stamp { now: Timestamp::UNIX_EPOCH, jitter: 0, operation: OperationId { epoch: 9, number: 9 } };
        let mut destroyed = 0;
        for configuration in configurations() {
            let mut row = encode(&configuration.record).expect("a row");
            row.id = "Acme_1";
            row.provider = row.provider.map(|_| "aws-ecs");
            let record = decode(&row, |_| spec_from_json(BODY)).expect("it is read");
            assert_eq!(record.id().as_str(), "Acme_1");
            assert_eq!(encode(&record).expect("a row").id, "Acme_1");
            let Record::Live(tenant) = &record else { continue };
            assert_eq!(tenant.provider.as_str(), "aws-ecs");
            let command = Command { expected: None, request: Request::Destroy };
            match step(&Policy::default(), &record, stamp, Input::Command(command)) {
                Decision::Apply(transition) => {
                    let calls = transition.effects.iter().filter_map(|effect| match effect {
                        Effect::StartCall(call) => Some(&call.provider),
                        Effect::StopCall(_) | Effect::DropCall(_) => None,
                    });
                    calls.for_each(|provider| assert_eq!(*provider, tenant.provider));
                }
                Decision::Join(_) => {}
                other @ (Decision::Ignore | Decision::Reject(_)) => {
                    panic!("{}: {other:?}", configuration.name)
                }
            }
            destroyed += 1;
        }
        assert!(destroyed > 100, "{destroyed}");
    }
}
