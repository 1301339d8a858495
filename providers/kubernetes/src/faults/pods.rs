//! What pods do. Their first container's image says what.

use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::id::Rollout;
use landlord_state_machines::planner::kubernetes::{ContainerState, Ended, Phase, Pod, PodContainer, tags};
use serde_json::Value;

use super::rollout_of;

/// How long a pod takes until it is ready.
const STARTS: SignedDuration = SignedDuration::from_secs(2);
/// How long a pod takes until it is gone.
const ENDS: SignedDuration = SignedDuration::from_secs(3);

/// What a pod does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// It becomes ready. Also for any other image.
    Fine,
    /// `crash`: its program ends again and again.
    Crash,
    /// `missing`: its image is not there.
    Missing,
    /// `stuck`: it never becomes ready, and nothing says why.
    Stuck,
    /// `once`: as `crash`, but in the first rollout it runs.
    Once,
    /// `refused`: its controller may not make it.
    Refused,
}

impl Behaviour {
    fn of(template: &Value) -> Self {
        let image = template.pointer("/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default();
        match (image.split(':').next().unwrap_or_default(), rollout_of(template).is_first()) {
            ("crash", _) | ("once", false) => Self::Crash,
            ("once", true) => Self::Once,
            ("missing", _) => Self::Missing,
            ("stuck", _) => Self::Stuck,
            ("refused", _) => Self::Refused,
            _ => Self::Fine,
        }
    }
}

/// A pod of the model.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) uid: String,
    name: String,
    pub(super) content: String,
    pub(super) rollout: Rollout,
    behaviour: Behaviour,
    created: Timestamp,
    /// When it is gone, where it is going.
    pub(super) gone: Option<Timestamp>,
}

impl Row {
    /// A pod of a template; `None` where none may be made.
    pub(super) fn new(number: u32, template: &Value, now: Timestamp) -> Option<Self> {
        let behaviour = Behaviour::of(template);
        let label = template.pointer("/metadata/labels").and_then(|labels| labels.get(tags::CONTENT));
        let content = label.and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, uid) = (format!("acme-{number}"), format!("pod-{number}"));
        let rollout = rollout_of(template);
        let pod = Self { uid, name, content, rollout, behaviour, created: now, gone: None };
        (behaviour != Behaviour::Refused).then_some(pod)
    }

    pub(super) fn end(&mut self, now: Timestamp) {
        self.gone.get_or_insert(later(now, ENDS));
    }

    pub(super) fn is_ready(&self, now: Timestamp) -> bool {
        matches!(self.behaviour, Behaviour::Fine | Behaviour::Once) && now >= later(self.created, STARTS)
    }

    pub(super) fn shown(&self, now: Timestamp) -> Pod {
        let ready = self.is_ready(now);
        let age = now.duration_since(self.created).as_secs();
        let waiting = |reason: &str, message: &str| ContainerState::Waiting {
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let restarts = u32::try_from(age / 2).unwrap_or(u32::MAX).min(5);
        let ended = Ended { exit_code: 1, reason: "Error".to_owned() };
        let (state, restarts, last) = match self.behaviour {
            Behaviour::Crash if restarts > 0 => {
                (waiting("CrashLoopBackOff", "back-off"), restarts, Some(ended))
            }
            Behaviour::Missing if age < 3 => (waiting("ErrImagePull", "missing:1 not found"), 0, None),
            Behaviour::Missing => (waiting("ImagePullBackOff", "Back-off pulling image"), 0, None),
            Behaviour::Fine | Behaviour::Crash | Behaviour::Stuck | Behaviour::Once | Behaviour::Refused => {
                (ContainerState::Running, 0, None)
            }
        };
        Pod {
            name: self.name.clone(),
            uid: self.uid.clone(),
            content: Some(self.content.clone()),
            created: Some(self.created),
            deleting: self.gone.map(|gone| gone.saturating_sub(ENDS).unwrap_or(gone)),
            phase: Phase::Running,
            reason: None,
            node: Some("node-1".to_owned()),
            ready,
            unschedulable: None,
            containers: vec![PodContainer {
                name: "web".to_owned(),
                init: false,
                ready,
                restarts,
                state,
                last,
            }],
        }
    }
}

pub(super) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
