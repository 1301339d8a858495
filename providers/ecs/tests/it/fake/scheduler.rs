//! What ECS does with a service by itself: it starts and stops tasks, ends deployments, rolls back.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::home::{Family, Good, Ids, Rollout, Service, ServiceStatus};
use super::pace::Pace;
use super::task::{Fate, Life, Part, Task, containers};

/// What the scheduler has to know of a task definition.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) fate: Fate,
    pub(super) checked: bool,
    pub(super) containers: Vec<Part>,
}

impl Kind {
    pub(super) fn of(definition: &Map<String, Value>) -> Self {
        let named = |container: &Value, field: &str| container[field].as_str().unwrap_or_default().to_owned();
        let all = containers(definition);
        let part = |one: &Value| Part {
            name: named(one, "name"),
            image: named(one, "image"),
            essential: one["essential"] != false,
        };
        Self {
            fate: Fate::of(definition),
            checked: all.iter().any(|container| container["healthCheck"].is_object()),
            containers: all.iter().map(part).collect(),
        }
    }
}

/// What the scheduler works with.
pub(super) struct Scheduler<'a> {
    pub(super) pace: &'a Pace,
    pub(super) families: &'a BTreeMap<String, Family>,
    pub(super) ids: &'a mut Ids,
}

impl Scheduler<'_> {
    /// Lets time pass for a service.
    pub(super) fn until(&mut self, service: &mut Service, now: Instant) {
        while service.looked + self.pace.tick <= now {
            if self.rests(service) {
                service.looked = now;
                return;
            }
            service.looked += self.pace.tick;
            self.step(service, service.looked);
        }
    }

    /// Whether nothing happens to it by itself.
    fn rests(&self, service: &Service) -> bool {
        let at = service.looked;
        let living = || service.tasks.iter().filter(|task| task.life(at, self.pace) != Life::Stopped);
        match service.status {
            ServiceStatus::Inactive { .. } => true,
            ServiceStatus::Draining { .. } => false,
            ServiceStatus::Active => {
                let complete =
                    matches!(&service.deployments[..], [only] if only.rollout == Rollout::Completed);
                let enough = living().count() == service.desired as usize;
                let well =
                    living().all(|task| task.fate == Fate::Well && task.well(at, self.pace, service.sick));
                complete && enough && well
            }
        }
    }

    /// What the tasks of a definition do.
    fn kind(&self, arn: &str) -> Option<&'_ Kind> {
        let (family, revision) = arn.rsplit('/').next()?.split_once(':')?;
        let row = self.families.get(family)?.revisions.get(&revision.parse().ok()?)?;
        row.is.as_ref().map(|revision| &revision.kind)
    }

    fn step(&mut self, service: &mut Service, at: Instant) {
        for task in &mut service.tasks {
            task.live(at, self.pace, service.sick);
        }
        let pace = self.pace;
        service.tasks.retain(|task| task.end.as_ref().is_none_or(|end| end.at + pace.stopped > at));
        match service.status {
            ServiceStatus::Inactive { .. } => {}
            ServiceStatus::Draining { since } => {
                let going = |task: &Task| matches!(task.life(at, pace), Life::Stopping | Life::Stopped);
                let gone = service.tasks.iter().all(going);
                if gone && at >= since + pace.draining {
                    service.status = ServiceStatus::Inactive { since: at };
                    service.deployments.clear();
                }
            }
            ServiceStatus::Active => {
                self.blame(service, at);
                self.give_up(service, at);
                self.start(service, at);
                self.stop(service, at);
                self.complete(service, at);
            }
        }
    }

    /// Counts the tasks that failed since the last look.
    fn blame(&self, service: &mut Service, at: Instant) {
        let from = at - self.pace.tick;
        for task in &service.tasks {
            let Some(end) = &task.end else { continue };
            let failed = end.failed && end.at > from && end.at <= at;
            let of = service.deployments.iter_mut().find(|deployment| deployment.id == task.deployment);
            if let Some(deployment) = of.filter(|_| failed) {
                deployment.next_start = at + self.pace.replace;
                if deployment.rollout == Rollout::InProgress {
                    deployment.failed += 1;
                    deployment.updated = at;
                }
            }
        }
    }

    /// The circuit breaker.
    fn give_up(&mut self, service: &mut Service, at: Instant) {
        let breaker = &service.settings["deploymentConfiguration"]["deploymentCircuitBreaker"];
        let (enable, rollback) = (breaker["enable"] == true, breaker["rollback"] == true);
        let threshold = service.desired.div_ceil(2).clamp(3, 200);
        let Some(primary) = service.deployments.iter_mut().find(|deployment| deployment.primary) else {
            return;
        };
        if !enable || primary.rollout != Rollout::InProgress || primary.failed < threshold {
            return;
        }
        let reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
        let id = primary.id.clone();
        primary.rollout = Rollout::Failed;
        primary.reason.clone_from(&reason);
        primary.updated = at;
        service.event(at, format!("(deployment {id}) deployment failed: tasks failed to start."));
        match service.last_good.clone() {
            Some(good) if rollback && good.deployment != id => {
                let why = "ECS deployment circuit breaker: rolling back to deploymentId";
                let id = format!("ecs-svc/{:019}", self.ids.next());
                service.roll_back(&good, id, at, format!("{why} {}.", good.deployment));
                if let Some(journey) = service.journey() {
                    journey.status = "ROLLBACK_IN_PROGRESS";
                    journey.reason = Some(reason);
                }
            }
            Some(_) | None => service.arrive(at, "STOPPED", Some(reason)),
        }
    }

    /// Starts tasks of the deployment that is PRIMARY, as many as there may be.
    fn start(&mut self, service: &mut Service, at: Instant) {
        let pace = self.pace;
        let percent = service.settings["deploymentConfiguration"]["maximumPercent"].as_u64().unwrap_or(200);
        let most = (u64::from(service.desired) * percent / 100) as usize;
        let Some(primary) = service.primary().cloned() else { return };
        if primary.rollout == Rollout::Failed || at < primary.next_start {
            return;
        }
        let Some(kind) = self.kind(&primary.definition).cloned() else { return };
        let living = |task: &&Task| task.end.is_none();
        let ours = service.tasks.iter().filter(living).filter(|task| task.deployment == primary.id).count();
        let all = service.tasks.iter().filter(|task| task.life(at, pace) != Life::Stopped).count();
        let missing = (service.desired as usize).saturating_sub(ours).min(most.saturating_sub(all));
        for _ in 0..missing {
            let id = self.ids.next();
            service.tasks.push(Task {
                id: format!("{id:032x}"),
                definition: primary.definition.clone(),
                deployment: primary.id.clone(),
                created: at,
                address: format!("10.{}.{}.{}", id >> 16 & 255, id >> 8 & 255, id & 255),
                fate: kind.fate.clone(),
                checked: kind.checked,
                containers: kind.containers.clone(),
                end: None,
            });
            service.event(at, format!("has started 1 tasks: (task {id:032x})."));
        }
    }

    /// Stops tasks of older deployments, as many as there are too many.
    fn stop(&self, service: &mut Service, at: Instant) {
        let pace = self.pace;
        let percent =
            service.settings["deploymentConfiguration"]["minimumHealthyPercent"].as_u64().unwrap_or(100);
        let least = (u64::from(service.desired) * percent).div_ceil(100) as usize;
        let Some(primary) = service.primary().map(|primary| primary.id.clone()) else { return };
        let sick = service.sick;
        let mut well = service.tasks.iter().filter(|task| task.well(at, pace, sick)).count();
        let mut ours =
            service.tasks.iter().filter(|task| task.end.is_none() && task.deployment == primary).count();
        for task in &mut service.tasks {
            if task.end.is_some() {
                continue;
            }
            let counts = task.well(at, pace, sick);
            let (spare, reason) = match task.deployment == primary {
                // Scaled in.
                true => (
                    ours > service.desired as usize,
                    format!("Scaling activity initiated by (deployment {primary})"),
                ),
                false => (
                    !counts || well > least,
                    format!("Scaling activity initiated by (deployment {})", task.deployment),
                ),
            };
            if spare {
                ours -= usize::from(task.deployment == primary);
                well -= usize::from(counts);
                task.stop(at, pace, &reason);
            }
        }
    }

    /// Ends the deployment that is PRIMARY where it is what it should be.
    fn complete(&self, service: &mut Service, at: Instant) {
        let pace = self.pace;
        let (tasks, sick) = (&service.tasks, service.sick);
        let living = |task: &&Task| task.life(at, pace) != Life::Stopped;
        service.deployments.retain(|deployment| {
            deployment.primary || tasks.iter().filter(living).any(|task| task.deployment == deployment.id)
        });
        let [primary] = &mut service.deployments[..] else { return };
        let all_steady = tasks.iter().filter(living).all(|task| task.steady(at, pace, sick));
        let enough = tasks.iter().filter(living).count() == service.desired as usize;
        if primary.rollout != Rollout::InProgress || !enough || !all_steady {
            return;
        }
        primary.rollout = Rollout::Completed;
        primary.reason = format!("ECS deployment {} completed.", primary.id);
        primary.updated = at;
        let good = Good {
            deployment: primary.id.clone(),
            definition: primary.definition.clone(),
            settings: service.settings.clone(),
        };
        let back = service.journey().is_some_and(|journey| journey.status.starts_with("ROLLBACK"));
        service.last_good = Some(good);
        service.event(at, "has reached a steady state.");
        service.arrive(at, if back { "ROLLBACK_SUCCESSFUL" } else { "SUCCESSFUL" }, None);
    }
}
