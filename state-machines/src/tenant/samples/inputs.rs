//! The inputs.

use std::fmt;

use super::super::{Command, Input, Outcome, Record, Request, Stamp};
use super::{CALL, REVISION, STALE_CALL, SpecRole, at, error, every, ledger, moment, stamp};
use super::{other_provider, provider, retained, tenant};
use crate::error::{ErrorCode, ErrorKind, Remedy};
use crate::id::{CallId, Incarnation, Revision};
use crate::observation::{Observation, Seen};
use crate::spec::Spec;

/// The life that left something on the platform.
const LEFT_BY: Incarnation = Incarnation(5);

/// An input that is worth telling apart from others.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it is called.
    pub name: &'static str,
    /// What tells it apart from others of that name; may be empty.
    pub detail: &'static str,
    /// When it comes, and what comes with it.
    pub stamp: Stamp,
    /// The input.
    pub input: Input,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail {
            "" => f.write_str(self.name),
            detail => write!(f, "{}, {detail}", self.name),
        }
    }
}

impl Sample {
    fn new(name: &'static str, detail: &'static str, input: Input) -> Self {
        Self { name, detail, stamp: stamp(moment::NOW), input }
    }
}

/// Every input that is worth telling apart when it reaches `record`, one of the samples.
pub fn inputs(record: &Record) -> Vec<Sample> {
    let first = Input::Command(Command { expected: None, request: Request::Destroy });
    every(first, |last| match last {
        Input::Command(_) => Some(Input::Outcome { call: CALL, outcome: succeeded() }),
        Input::Outcome { .. } => Some(progressed(CALL)),
        Input::Progressed { .. } => Some(Input::TimerFired),
        Input::TimerFired => Some(looked(Seen::Healthy, moment::NOW)),
        Input::Observed(_) => Some(Input::Recovered),
        Input::Recovered => Some(Input::HandedOver { call: CALL }),
        Input::HandedOver { .. } => None,
    })
    .into_iter()
    .flat_map(|input| match input {
        Input::Command(_) => commands(record),
        Input::Outcome { .. } => calls(record).into_iter().flat_map(outcomes).collect(),
        Input::Progressed { .. } => calls(record)
            .into_iter()
            .map(|(call, detail)| Sample::new("progressed", detail, progressed(call)))
            .collect(),
        Input::TimerFired => timers(),
        Input::Observed(_) => looks(),
        Input::Recovered => vec![Sample::new("recovered", "", Input::Recovered)],
        Input::HandedOver { .. } => calls(record)
            .into_iter()
            .map(|(call, detail)| Sample::new("handed over", detail, Input::HandedOver { call }))
            .collect(),
    })
    .collect()
}

fn commands(record: &Record) -> Vec<Sample> {
    every(provision(SpecRole::Another.spec()), |last| match last {
        Request::Provision { .. } => Some(update(SpecRole::Another.spec())),
        Request::Update { .. } => Some(Request::Restart { deadline: Some(at(moment::DEADLINE)) }),
        Request::Restart { .. } => Some(Request::Destroy),
        Request::Destroy => Some(Request::Cancel),
        Request::Cancel => Some(Request::Retry),
        Request::Retry => Some(Request::Pause),
        Request::Pause => Some(Request::Resume),
        Request::Resume => Some(Request::Reclaim { provider: provider(), incarnation: LEFT_BY }),
        Request::Reclaim { .. } => Some(Request::Release { provider: None }),
        Request::Release { .. } => Some(Request::Abandon { reason: "the account is closed".to_owned() }),
        Request::Abandon { .. } => None,
    })
    .into_iter()
    .flat_map(|request| match &request {
        Request::Provision { .. } => with_specs(record, "provision", provision),
        Request::Update { .. } => {
            with_specs(record, "update", update).into_iter().chain(protection(record)).collect()
        }
        Request::Restart { .. } => vec![command("restart", "", None, request)],
        Request::Destroy => vec![
            command("destroy", "", None, request.clone()),
            command("destroy", "of another revision", Some(Revision(REVISION.0 - 1)), request),
        ],
        Request::Cancel => vec![command("cancel", "", None, request)],
        Request::Retry => vec![command("retry", "", None, request)],
        Request::Pause => vec![command("pause", "", None, request)],
        Request::Resume => vec![command("resume", "", None, request)],
        Request::Reclaim { .. } => vec![
            command("reclaim", "", None, request.clone()),
            command("reclaim", "of another revision", Some(Revision(REVISION.0 - 1)), request),
        ],
        Request::Release { .. } => vec![
            command("release", "", None, request),
            command("release", "of this provider", None, Request::Release { provider: Some(provider()) }),
            command(
                "release",
                "of another provider",
                None,
                Request::Release { provider: Some(other_provider()) },
            ),
        ],
        Request::Abandon { .. } => vec![command("abandon", "", None, request)],
    })
    .collect()
}

fn command(name: &'static str, detail: &'static str, expected: Option<Revision>, request: Request) -> Sample {
    Sample::new(name, detail, Input::Command(Command { expected, request }))
}

/// The request for each spec that the tenant has, for one that it has not, and for another provider.
fn with_specs(record: &Record, name: &'static str, request: fn(Spec) -> Request) -> Vec<Sample> {
    let elsewhere = match request(SpecRole::Another.spec()) {
        Request::Provision { spec, deadline, .. } => {
            Request::Provision { spec, provider: other_provider(), deadline }
        }
        Request::Update { spec, deadline, .. } => {
            Request::Update { spec, provider: other_provider(), deadline }
        }
        other @ (Request::Restart { .. }
        | Request::Destroy
        | Request::Cancel
        | Request::Retry
        | Request::Pause
        | Request::Resume
        | Request::Reclaim { .. }
        | Request::Release { .. }
        | Request::Abandon { .. }) => other,
    };
    specs(record)
        .into_iter()
        .map(|(role, spec)| command(name, role.words(), None, request(spec)))
        .chain([command(name, "of another provider", None, elsewhere)])
        .collect()
}

/// An update that changes nothing but the tenant's protection.
fn protection(record: &Record) -> Option<Sample> {
    let Record::Live(tenant) = record else { return None };
    let applied = &tenant.applied()?.spec;
    let spec = SpecRole::of(applied).spec_with(!applied.deletion_protection);
    Some(command("update", "the applied spec, but for its protection", None, update(spec)))
}

fn specs(record: &Record) -> Vec<(SpecRole, Spec)> {
    let known: Vec<_> = match record {
        Record::Absent(_) | Record::Gone(_) => Vec::new(),
        Record::Live(tenant) => tenant
            .applied()
            .into_iter()
            .chain(tenant.target())
            .map(|rolled| &rolled.spec)
            .chain(tenant.next.as_ref().and_then(|queued| queued.wish.spec()).map(|waiting| &waiting.spec))
            .map(|spec| (SpecRole::of(spec), spec.clone()))
            .collect(),
    };
    every(SpecRole::Applied, |last| match last {
        SpecRole::Applied => Some(SpecRole::Target),
        SpecRole::Target => Some(SpecRole::Queued),
        SpecRole::Queued => Some(SpecRole::Another),
        SpecRole::Another => None,
    })
    .into_iter()
    .filter_map(|role| match role {
        SpecRole::Another => Some((role, role.spec())),
        SpecRole::Applied | SpecRole::Target | SpecRole::Queued => {
            known.iter().find(|(known, _)| *known == role).cloned()
        }
    })
    .collect()
}

fn provision(spec: Spec) -> Request {
    Request::Provision { spec, provider: provider(), deadline: Some(at(moment::DEADLINE)) }
}

fn update(spec: Spec) -> Request {
    Request::Update { spec, provider: provider(), deadline: Some(at(moment::DEADLINE)) }
}

/// The call in flight, if one is, and one that is not.
fn calls(record: &Record) -> Vec<(CallId, &'static str)> {
    record.call().map(|call| (call, "")).into_iter().chain([(STALE_CALL, "of another call")]).collect()
}

fn succeeded() -> Outcome {
    Outcome::Succeeded {
        changes: vec!["containers[web].image: web:1 → web:2".to_owned()],
        message: Some("not enforced here: cpu".to_owned()),
        retained: Some(retained(provider())),
    }
}

fn outcomes((call, detail): (CallId, &'static str)) -> Vec<Sample> {
    let kind = ErrorKind::UpdateFailed;
    let retry = error(kind, Remedy::Retry, ErrorCode::ProviderUnavailable, "no answer");
    let permanent = error(kind, Remedy::Permanent, ErrorCode::InvalidConfiguration, "no such image");
    let needs_person = error(kind, Remedy::NeedsPerson, ErrorCode::PermissionDenied, "not allowed");
    let not_found =
        error(ErrorKind::TenantNotFound, Remedy::Permanent, ErrorCode::ResourceNotFound, "nothing");
    every(succeeded(), |last| match last {
        Outcome::Succeeded { .. } => Some(Outcome::Failed(retry.clone())),
        Outcome::Failed(_) => Some(Outcome::TimedOut(retry.clone())),
        Outcome::TimedOut(_) => Some(Outcome::Lost(retry.clone())),
        Outcome::Lost(_) => Some(Outcome::Held(needs_person.clone())),
        Outcome::Held(_) => None,
    })
    .into_iter()
    .flat_map(|outcome| match &outcome {
        Outcome::Succeeded { .. } => vec![("succeeded", outcome)],
        Outcome::Failed(_) => {
            let remedies = every(Remedy::Retry, |last| match last {
                Remedy::Retry => Some(Remedy::Permanent),
                Remedy::Permanent => Some(Remedy::NeedsPerson),
                Remedy::NeedsPerson => None,
            });
            let failed = remedies.into_iter().map(|remedy| match remedy {
                Remedy::Retry => ("failed for now", Outcome::Failed(retry.clone())),
                Remedy::Permanent => ("failed for good", Outcome::Failed(permanent.clone())),
                Remedy::NeedsPerson => ("failed until a person helps", Outcome::Failed(needs_person.clone())),
            });
            failed.chain([("found no tenant", Outcome::Failed(not_found.clone()))]).collect()
        }
        Outcome::TimedOut(_) => vec![("timed out", outcome)],
        Outcome::Lost(_) => vec![("lost", outcome)],
        Outcome::Held(_) => vec![("held", outcome)],
    })
    .map(|(name, outcome)| Sample::new(name, detail, Input::Outcome { call, outcome }))
    .collect()
}

fn progressed(call: CallId) -> Input {
    Input::Progressed { call, ledger: ledger("4712"), step: "start the process".to_owned() }
}

fn timers() -> Vec<Sample> {
    [
        ("too early", moment::NOW),
        ("when a pause or grace is over", moment::LATER),
        ("after the deadline", moment::AFTER_DEADLINE),
    ]
    .into_iter()
    .map(|(detail, now)| Sample { stamp: stamp(now), ..Sample::new("timer", detail, Input::TimerFired) })
    .collect()
}

fn looked(seen: Seen, begun: u64) -> Input {
    Input::Observed(Observation { tenant: tenant(), begun: at(begun), seen })
}

fn looks() -> Vec<Sample> {
    let broken = Seen::Broken("web: exited with 1".to_owned());
    let seen = every(Seen::Healthy, |last| match last {
        Seen::Healthy => Some(Seen::Unhealthy("web: not ready".to_owned())),
        Seen::Unhealthy(_) => Some(broken.clone()),
        Seen::Broken(_) => Some(Seen::Unclear),
        Seen::Unclear => None,
    });
    let now = seen.into_iter().map(|seen| {
        let name = match seen {
            Seen::Healthy => "seen healthy",
            Seen::Unhealthy(_) => "seen unhealthy",
            Seen::Broken(_) => "seen broken",
            Seen::Unclear => "seen unclearly",
        };
        Sample::new(name, "", looked(seen, moment::NOW))
    });
    let stale = looked(broken.clone(), moment::BEFORE_IT_SETTLED);
    now.chain([Sample::new("seen broken", "before an operation settled", stale)]).collect()
}
