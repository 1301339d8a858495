//! What of a tenant's events tells why it is where it is.

use jiff::Timestamp;

use super::super::effect::OperationKind;
use super::super::{EventKind, LifecycleEvent, Settled};
use crate::error::ProviderError;
use crate::id::OperationId;
use crate::status::Health;

/// How many different failures of an operation are told apart.
const FAILURES: usize = 4;

/// What of a tenant's events tells why it is where it is. It is told each event, the oldest first, and stays small. What is no
/// longer kept is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// The operation that is on its way.
    course: Option<Course>,
    /// Since when it is unhealthy.
    trouble: Option<Trouble>,
    /// The operation that ended last.
    ended: Option<Ended>,
    /// The operation that waits for its turn.
    queued: Option<(OperationId, OperationKind)>,
}

/// An operation on its way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Course {
    operation: OperationId,
    kind: Option<OperationKind>,
    pub(super) began: Timestamp,
    /// Since when its call is to stop.
    pub(super) stopping: Option<Timestamp>,
    /// Since when it is being undone.
    pub(super) undoing: Option<Timestamp>,
    /// What its provider did last.
    step: Option<String>,
    pub(super) forward: Tries,
    pub(super) undo: Tries,
}

/// Calls that failed, by why they did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tries {
    pub(super) failed: Vec<Failed>,
    /// How many failed otherwise.
    pub(super) otherwise: u32,
    /// How many ended with the engine.
    pub(super) cut_off: u32,
}

/// Calls that failed alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failed {
    pub(super) why: String,
    /// What the provider was doing.
    pub(super) step: Option<String>,
    pub(super) times: u32,
    pub(super) since: Timestamp,
}

/// What was seen of a tenant that is unhealthy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trouble {
    pub(super) since: Timestamp,
    pub(super) reason: Option<String>,
}

/// An operation that ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) operation: OperationId,
    pub(super) kind: Option<OperationKind>,
    pub(super) settled: Settled,
}

impl Past {
    /// Takes the next event in.
    pub fn note(&mut self, event: &LifecycleEvent) {
        match &event.what {
            EventKind::Began { operation_kind, reason, .. } => {
                self.settle(event);
                if reason.is_some() {
                    self.is_in_trouble(event.at, reason);
                }
                if let Some(operation) = event.operation {
                    self.course = Some(Course::new(operation, Some(*operation_kind), event.at));
                }
                return;
            }
            EventKind::Progressed { step } => self.course(event, |it| it.step = Some(step.clone())),
            EventKind::WillRetry { error, .. } => {
                self.course(event, |course| course.failed(error, event.at));
            }
            EventKind::Stopping { .. } => self.course(event, |course| {
                course.stopping = course.stopping.or(Some(event.at));
            }),
            EventKind::Undoing { error } => self.course(event, |course| {
                if let Some(error) = error {
                    course.failed(error, event.at);
                }
                course.undoing = Some(event.at);
                course.step = None;
            }),
            EventKind::Recovered => self.course(event, Course::cut_off),
            EventKind::Waits { .. }
            | EventKind::FoundNothing
            | EventKind::Retried
            | EventKind::HandedOver => self.course(event, |_| {}),
            EventKind::HealthChanged { health: Health::Unhealthy, reason } => {
                self.is_in_trouble(event.at, reason);
            }
            EventKind::HealthChanged { health: Health::Healthy | Health::Unknown, .. }
            | EventKind::Succeeded { .. }
            | EventKind::Undone
            | EventKind::Abandoned { .. } => self.trouble = None,
            EventKind::RepairFailed { .. } | EventKind::NotUndone { .. } => {
                self.trouble.get_or_insert(Trouble { since: event.at, reason: None });
            }
            EventKind::Queued { queued, spec } => {
                let kind = if spec.is_some() { OperationKind::Update } else { OperationKind::Restart };
                self.queued = Some((*queued, kind));
            }
            EventKind::AlreadyRunning
            | EventKind::Paused
            | EventKind::Resumed
            | EventKind::QueueCancelled => {}
        }
        self.settle(event);
    }

    /// The operation of this id, where it is the one that is on its way.
    pub(super) fn of(&self, operation: OperationId) -> Option<&Course> {
        self.course.as_ref().filter(|course| course.operation == operation)
    }

    /// What was seen of a tenant that is unhealthy.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The operation that ended last.
    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Changes what is known of the operation that an event is about. One that waited for its turn begins with no event of its own.
    fn course(&mut self, event: &LifecycleEvent, change: impl FnOnce(&mut Course)) {
        let Some(operation) = event.operation else { return };
        let kind = self.queued.filter(|(queued, _)| *queued == operation).map(|(_, kind)| kind);
        match &mut self.course {
            Some(course) if course.operation == operation => change(course),
            course @ (Some(_) | None) => {
                let began = self.ended.as_ref().map_or(event.at, |ended| ended.at);
                change(course.insert(Course::new(operation, kind, began)));
            }
        }
    }

    /// It is unhealthy since then, or since earlier.
    fn is_in_trouble(&mut self, at: Timestamp, reason: &Option<String>) {
        let since = self.trouble.as_ref().map_or(at, |trouble| trouble.since);
        self.trouble = Some(Trouble { since, reason: reason.clone() });
    }

    fn settle(&mut self, event: &LifecycleEvent) {
        let ends =
            |operation| event.settled.iter().find(|settlement| Some(settlement.operation) == operation);
        let course = self.course.take_if(|course| ends(Some(course.operation)).is_some());
        // What waited behind it may end with it, and is not what a person asks for.
        if let Some(settlement) = ends(event.operation).or(event.settled.last()) {
            let kind =
                course.filter(|course| course.operation == settlement.operation).and_then(|it| it.kind);
            self.ended = Some(Ended {
                at: event.at,
                operation: settlement.operation,
                kind,
                settled: settlement.settled.clone(),
            });
        }
    }
}

impl Course {
    fn new(operation: OperationId, kind: Option<OperationKind>, began: Timestamp) -> Self {
        Self {
            operation,
            kind,
            began,
            stopping: None,
            undoing: None,
            step: None,
            forward: Tries::default(),
            undo: Tries::default(),
        }
    }

    fn tries(&mut self) -> &mut Tries {
        match self.undoing {
            None => &mut self.forward,
            Some(_) => &mut self.undo,
        }
    }

    fn failed(&mut self, error: &ProviderError, at: Timestamp) {
        let step = self.step.take();
        self.tries().note(error.words(), step, at);
    }

    fn cut_off(&mut self) {
        self.step = None;
        self.tries().cut_off += 1;
    }
}

impl Tries {
    fn note(&mut self, why: String, step: Option<String>, at: Timestamp) {
        let room = self.failed.len() < FAILURES;
        match self.failed.iter_mut().find(|failed| failed.why == why && failed.step == step) {
            Some(failed) => failed.times += 1,
            None if room => {
                self.failed.push(Failed { why, step, times: 1, since: at });
            }
            None => self.otherwise += 1,
        }
    }

    /// Since when calls fail.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.failed.iter().map(|failed| failed.since).min()
    }
}
