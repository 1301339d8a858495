//! The life of a task, as far as its image says.

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::home::Now;
use super::pace::Pace;

/// A task of a service.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) definition: String,
    pub(super) deployment: String,
    pub(super) created: Instant,
    pub(super) address: String,
    pub(super) fate: Fate,
    /// Whether its containers have health checks.
    pub(super) checked: bool,
    pub(super) containers: Vec<Part>,
    pub(super) end: Option<End>,
}

/// A container of a task.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) image: String,
    /// Whether the task ends where it does. One that is not ends well as soon as the task runs.
    pub(super) essential: bool,
}

/// What its image makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Well,
    /// Its program ends.
    Crashes {
        container: String,
    },
    /// Its image is not there.
    Missing {
        image: String,
    },
    /// Its checks never pass.
    NeverHealthy,
    /// Its first check takes long, and nobody waits for it: its deployment is complete before.
    CheckedLate,
}

/// How and when it began to stop.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) at: Instant,
    pub(super) code: &'static str,
    pub(super) reason: String,
    /// The container that ended by itself, and how.
    pub(super) container: Option<(String, i32)>,
    /// What became of a container that did not start.
    pub(super) words: Option<String>,
    /// Whether it ran before.
    pub(super) ran: bool,
    /// Whether that counts against its deployment.
    pub(super) failed: bool,
}

/// Where it is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Provisioning,
    Pending,
    Running,
    Stopping,
    Stopped,
}

/// What its checks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checks {
    Unknown,
    Healthy,
    Unhealthy,
}

impl Fate {
    /// What the images of a task definition make of its tasks.
    pub(super) fn of(definition: &Map<String, Value>) -> Self {
        for container in containers(definition) {
            let field = |name: &str| container[name].as_str().unwrap_or_default().to_owned();
            let image = field("image");
            let program = image.rsplit('/').next().unwrap_or_default();
            let program = program.split(':').next().unwrap_or_default();
            match program {
                "crash" => return Self::Crashes { container: field("name") },
                "missing" => return Self::Missing { image },
                "never-healthy" => return Self::NeverHealthy,
                "checked-late" => return Self::CheckedLate,
                _ => {}
            }
        }
        Self::Well
    }
}

/// The containers of a task definition.
pub(super) fn containers(definition: &Map<String, Value>) -> &[Value] {
    definition.get("containerDefinitions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl Task {
    fn runs_since(&self, pace: &Pace) -> Instant {
        self.created + pace.provisioning + pace.pulling
    }

    pub(super) fn life(&self, at: Instant, pace: &Pace) -> Life {
        match &self.end {
            Some(end) if !end.ran || at >= end.at + pace.stopping => Life::Stopped,
            // One that ended by itself has nothing left to be stopped.
            Some(end) if end.container.is_some() => Life::Stopped,
            Some(_) => Life::Stopping,
            None if at < self.created + pace.provisioning => Life::Provisioning,
            None if at < self.runs_since(pace) => Life::Pending,
            None => Life::Running,
        }
    }

    /// When it stopped, where it has.
    pub(super) fn stopped(&self, now: &Now) -> Option<Instant> {
        let end = self.end.as_ref()?;
        let takes =
            if end.ran && end.container.is_none() { now.pace.stopping } else { std::time::Duration::ZERO };
        Some(end.at + takes).filter(|at| *at <= now.at)
    }

    pub(super) fn checks(&self, at: Instant, pace: &Pace, sick: bool) -> Checks {
        if !self.checked || self.life(at, pace) != Life::Running {
            return Checks::Unknown;
        }
        let runs = at.saturating_duration_since(self.runs_since(pace));
        match self.fate {
            _ if sick => Checks::Unhealthy,
            Fate::NeverHealthy if runs >= pace.unhealthy => Checks::Unhealthy,
            Fate::NeverHealthy => Checks::Unknown,
            Fate::CheckedLate if runs >= pace.unhealthy => Checks::Healthy,
            Fate::CheckedLate => Checks::Unknown,
            Fate::Well | Fate::Crashes { .. } | Fate::Missing { .. } if runs >= pace.health => {
                Checks::Healthy
            }
            Fate::Well | Fate::Crashes { .. } | Fate::Missing { .. } => Checks::Unknown,
        }
    }

    /// Whether it runs as it should.
    pub(super) fn well(&self, at: Instant, pace: &Pace, sick: bool) -> bool {
        self.life(at, pace) == Life::Running
            && (!self.checked
                || self.fate == Fate::CheckedLate
                || self.checks(at, pace, sick) == Checks::Healthy)
    }

    /// Whether it runs as it should for long enough.
    pub(super) fn steady(&self, at: Instant, pace: &Pace, sick: bool) -> bool {
        self.well(at, pace, sick) && at >= self.runs_since(pace) + pace.steady
    }

    /// Lets happen to it what happens by itself.
    pub(super) fn live(&mut self, at: Instant, pace: &Pace, sick: bool) {
        if self.end.is_some() {
            return;
        }
        let runs = self.runs_since(pace);
        self.end = match &self.fate {
            Fate::Missing { image } if at >= runs => {
                let words = format!(
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to \
                     resolve ref {image}: {image}: not found"
                );
                Some(End {
                    at,
                    code: "TaskFailedToStart",
                    reason: words.clone(),
                    container: None,
                    words: Some(words),
                    ran: false,
                    failed: true,
                })
            }
            Fate::Crashes { container } if at >= runs + pace.crash => Some(End {
                at,
                code: "EssentialContainerExited",
                reason: "Essential container in task exited".to_owned(),
                container: Some((container.clone(), 3)),
                words: None,
                ran: true,
                failed: true,
            }),
            // A sick one is replaced after it was seen for a while.
            _ if self.checks(at, pace, sick) == Checks::Unhealthy
                && at >= runs + pace.unhealthy + pace.health =>
            {
                Some(End {
                    at,
                    code: "ServiceSchedulerInitiated",
                    reason: "Task failed container health checks".to_owned(),
                    container: None,
                    words: None,
                    ran: true,
                    failed: true,
                })
            }
            Fate::Well
            | Fate::Crashes { .. }
            | Fate::Missing { .. }
            | Fate::NeverHealthy
            | Fate::CheckedLate => None,
        };
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self, at: Instant, pace: &Pace) {
        if self.end.is_none() {
            let ran = self.life(at, pace) == Life::Running;
            let container =
                self.containers.iter().find(|one| one.essential).map(|one| (one.name.clone(), 137));
            self.end = Some(End {
                at,
                code: "EssentialContainerExited",
                reason: "Essential container in task exited".to_owned(),
                container,
                words: None,
                ran,
                failed: true,
            });
        }
    }

    /// Stops it, as the service scheduler does.
    pub(super) fn stop(&mut self, at: Instant, pace: &Pace, reason: &str) {
        if self.end.is_none() {
            let ran = self.life(at, pace) == Life::Running;
            self.end = Some(End {
                at,
                code: "ServiceSchedulerInitiated",
                reason: reason.to_owned(),
                container: None,
                words: None,
                ran,
                failed: false,
            });
        }
    }
}
