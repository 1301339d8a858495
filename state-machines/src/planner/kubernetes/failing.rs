//! What is wrong with a rollout that goes on, told early and in the platform's words.

use super::call::{Awaited, Running};
use super::facts::Why;
use super::pod::{ContainerState, Ended, Pod, PodContainer};
use crate::error::{ErrorCode, Remedy};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What: the same complaint has the same.
    pub(super) what: String,
    /// For how many seconds it may pass; none: as long as the rollout may take.
    pub(super) patience: Option<u32>,
    pub(super) why: Why,
}

/// How often a container may end until its pod counts as failed.
const CRASHES: u32 = 2;
/// How long a command may not be there, in seconds: what it is in may be on its way.
const COMMANDS: u32 = 5;
/// How long an object that a container needs may be missing, in seconds: it may be on its way.
const ARRIVES: u32 = 10;
/// How long an image may be refused, in seconds: the platform tries twice in that time.
const PULLS: u32 = 25;
/// How long pods may be refused, in seconds: what refuses them may be changing.
const ADMITS: u32 = 10;
/// How long a quota may be used up, in seconds: the controller of pods tries again ever later, so that it sees room late.
const MAKES_ROOM: u32 = 45;
/// What registries say of an image that will not come.
const NO_IMAGE: [&str; 7] = [
    "not found",
    "manifest unknown",
    "does not exist",
    "unauthorized",
    "denied",
    "no basic auth",
    "forbidden",
];

/// The worst of what is wrong: what will pass least.
pub(super) fn complaint(running: &Running, awaited: &Awaited) -> Option<Found> {
    let pods = newest(running, &awaited.template);
    let of_pods = pods.flat_map(|pod| {
        let unplaced = pod.unschedulable.as_ref().map(|words| unschedulable(pod, words, awaited));
        unplaced.into_iter().chain(pod.containers.iter().filter_map(|container| failing(pod, container)))
    });
    of_pods.chain(refused(running)).min_by_key(|found| found.patience.unwrap_or(u32::MAX))
}

/// The pods of this template that are to stay.
fn newest<'r>(running: &'r Running, template: &'r str) -> impl Iterator<Item = &'r Pod> {
    let is = move |pod: &&Pod| pod.content.as_deref() == Some(template);
    running.pods.iter().filter(is).filter(|pod| pod.deleting.is_none() && !pod.is_over())
}

/// The pods of this template that do not get anywhere.
pub(super) fn pods<'r>(running: &'r Running, template: &'r str) -> Vec<&'r Pod> {
    newest(running, template).filter(|pod| fails(pod)).collect()
}

/// The pods of other templates that do not get anywhere. Their controller may wait for them.
pub(super) fn stuck_pods<'r>(running: &'r Running, template: &str) -> Vec<&'r Pod> {
    let old = |pod: &&Pod| pod.content.as_deref() != Some(template) && pod.deleting.is_none();
    running.pods.iter().filter(old).filter(|pod| fails(pod)).collect()
}

fn fails(pod: &Pod) -> bool {
    pod.unschedulable.is_some() || pod.containers.iter().any(|container| failing(pod, container).is_some())
}

fn unschedulable(pod: &Pod, words: &str, awaited: &Awaited) -> Found {
    Found {
        what: "unschedulable".to_owned(),
        patience: Some(awaited.unschedulable_seconds),
        why: Why {
            words: format!("pod {} is on no node: {words}", pod.name),
            code: ErrorCode::ResourceExhausted,
            remedy: Remedy::Retry,
        },
    }
}

/// What is wrong with one container.
fn failing(pod: &Pod, container: &PodContainer) -> Option<Found> {
    let PodContainer { name, restarts, state, last, ready, init: _ } = container;
    let found = |what: &str, patience, code, words: String| {
        Some(Found {
            what: format!("{what} {name}"),
            patience,
            why: Why {
                words: format!("container {name} of pod {}: {words}", pod.name),
                code,
                remedy: Remedy::Permanent,
            },
        })
    };
    let wrong = ErrorCode::InvalidConfiguration;
    match state {
        ContainerState::Waiting { reason, message } => match reason.as_str() {
            "InvalidImageName" | "ErrImageNeverPull" => found("image", Some(0), wrong, said(reason, message)),
            "ErrImagePull" | "ImagePullBackOff" | "ImageInspectError" | "RegistryUnavailable" => {
                let gone = NO_IMAGE.iter().any(|text| message.contains(text));
                let code = if gone { ErrorCode::ResourceNotFound } else { ErrorCode::ProviderUnavailable };
                found("image", gone.then_some(PULLS), code, said(reason, message))
            }
            "CreateContainerConfigError" => found("needs", Some(ARRIVES), wrong, said(reason, message)),
            "CreateContainerError" | "RunContainerError" => {
                let patience = if *restarts < CRASHES { COMMANDS } else { 0 };
                found("command", Some(patience), wrong, said(reason, message))
            }
            "PostStartHookError" => {
                found("hook", Some(ARRIVES), wrong, "its postStart hook failed".to_owned())
            }
            "CrashLoopBackOff" => match last {
                Some(ended) => crashed(*restarts, ended, found),
                None => None,
            },
            // It comes up, or the platform has a new word.
            _ => None,
        },
        ContainerState::Terminated(ended) if ended.exit_code != 0 => crashed(*restarts, ended, found),
        ContainerState::Terminated(_) => None,
        ContainerState::Running => match (ready, last) {
            (false, Some(ended)) if *restarts > CRASHES => crashed(*restarts, ended, found),
            (true | false, Some(_) | None) => None,
        },
    }
}

fn crashed(
    restarts: u32,
    ended: &Ended,
    found: impl Fn(&str, Option<u32>, ErrorCode, String) -> Option<Found>,
) -> Option<Found> {
    let often = (restarts >= CRASHES).then_some(0);
    let Ended { exit_code, reason } = ended;
    let (what, patience, code, words) = match (reason.as_str(), exit_code) {
        ("OOMKilled", _) => (
            "memory",
            often,
            ErrorCode::ResourceExhausted,
            "it was killed, as it needs more memory than it has (OOMKilled)".to_owned(),
        ),
        ("StartError" | "ContainerCannotRun", _) => (
            "command",
            often.or(Some(COMMANDS)),
            ErrorCode::InvalidConfiguration,
            format!("its command could not be started ({reason}, exit code {exit_code})"),
        ),
        (_, 137) => (
            "crash",
            often,
            ErrorCode::UnknownError,
            "it was killed (exit code 137): it may have failed its liveness check".to_owned(),
        ),
        (_, exit_code) => {
            ("crash", often, ErrorCode::UnknownError, format!("it ended with exit code {exit_code}"))
        }
    };
    found(what, patience, code, format!("{words}, and was started {} times", restarts.saturating_add(1)))
}

/// The controller may not make pods: a quota, an admission, a missing account. No call of ours is told.
fn refused(running: &Running) -> Option<Found> {
    let condition = running.workload.as_ref()?.condition("ReplicaFailure").filter(|it| it.holds)?;
    let quota = condition.message.contains("exceeded quota");
    // They count until they have ended.
    if quota && running.pods.iter().any(|pod| pod.deleting.is_some()) {
        return None;
    }
    let (patience, code, remedy) = match quota {
        true => (MAKES_ROOM, ErrorCode::ResourceExhausted, Remedy::Retry),
        false => (ADMITS, ErrorCode::PermissionDenied, Remedy::NeedsPerson),
    };
    let words = format!("its pods are refused ({}): {}", condition.reason, condition.message);
    Some(Found { what: "refused".to_owned(), patience: Some(patience), why: Why { words, code, remedy } })
}

fn said(reason: &str, message: &str) -> String {
    match message.is_empty() {
        true => reason.to_owned(),
        false => format!("{message} ({reason})"),
    }
}
