//! What a scheduler makes of the services that moto only writes down. Pure, and without a clock: a rollout goes one
//! step on with each look at its service.
//!
//! Assumed, after the documentation of ECS:
//! - A service gets a new deployment when it is created, and when an update names another task definition or forces
//!   one. The newest is PRIMARY. Others go when it is COMPLETED.
//! - The first look sees a rollout IN_PROGRESS with its tasks PENDING, the second what becomes of it, by the image
//!   names of its task definition ([`Fate`]).
//! - The breaker acts at the second look. With rollback the last completed task definition gets a deployment of its
//!   own, PRIMARY, which completes at the next look; the failed one stays in the description until then. Without a
//!   completed one there is nothing to go back to.

use std::collections::HashMap;

/// What becomes of the tasks of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They run and are healthy.
    Completes,
    /// An image whose name contains `crash`: they stop with exit code 1.
    Crashes,
    /// An image whose name contains `never-healthy`: they run, and their health check fails.
    NeverHealthy,
}

impl Fate {
    fn of(images: &[Container]) -> Self {
        let any = |word: &str| images.iter().any(|container| container.image.contains(word));
        match (any("crash"), any("never-healthy")) {
            (true, _) => Self::Crashes,
            (false, true) => Self::NeverHealthy,
            (false, false) => Self::Completes,
        }
    }
}

/// A container of a task definition.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaker {
    Off,
    On,
    Rollback,
}

/// Where a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In progress, looked at so often.
    Going {
        looks: u32,
    },
    Completed,
    /// The breaker has ended it.
    Failed,
    /// StopServiceDeployment has.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Asked,
    Rollback,
}

#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) id: u64,
    pub(super) task_definition: String,
    pub(super) containers: Vec<Container>,
    pub(super) fate: Fate,
    pub(super) origin: Origin,
    pub(super) stage: Stage,
}

impl Deployment {
    /// Tasks that have stopped by themselves.
    pub(super) fn crashed(&self) -> u32 {
        match (self.fate, self.stage) {
            (Fate::Crashes, Stage::Going { looks }) => looks.saturating_sub(1),
            (Fate::Crashes, Stage::Failed) => 3,
            _ => 0,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) breaker: Breaker,
    pub(super) desired: u32,
    /// The newest is the last; never empty.
    pub(super) deployments: Vec<Deployment>,
}

impl Service {
    pub(super) fn primary(&self) -> &Deployment {
        &self.deployments[self.deployments.len() - 1]
    }

    /// The one that StopServiceDeployment or the breaker goes back to.
    fn completed(&self) -> Option<&Deployment> {
        self.deployments.iter().rev().find(|deployment| deployment.stage == Stage::Completed)
    }

    /// Tasks of a deployment that are wanted and there, and whether they are RUNNING or still PENDING.
    pub(super) fn tasks(&self, deployment: &Deployment) -> Tasks {
        match (deployment.stage, deployment.fate) {
            (Stage::Completed, _) => Tasks::Running(self.desired),
            (Stage::Going { looks: 0 | 1 }, _) => Tasks::Pending(self.desired),
            (Stage::Going { .. }, Fate::NeverHealthy | Fate::Completes) => Tasks::Running(self.desired),
            (Stage::Going { .. }, Fate::Crashes) => Tasks::Pending(self.desired),
            (Stage::Failed | Stage::Stopped, _) => Tasks::Running(0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tasks {
    Running(u32),
    Pending(u32),
}

impl Tasks {
    pub(super) const fn running(self) -> u32 {
        match self {
            Self::Running(count) => count,
            Self::Pending(_) => 0,
        }
    }

    pub(super) const fn pending(self) -> u32 {
        match self {
            Self::Running(_) => 0,
            Self::Pending(count) => count,
        }
    }
}

/// All that the scheduler knows. Task definitions and services are named by their ARNs.
#[derive(Debug, Default)]
pub(super) struct Rollouts {
    containers: HashMap<String, Vec<Container>>,
    services: HashMap<String, Service>,
    deployments: u64,
}

impl Rollouts {
    pub(super) fn registered(&mut self, task_definition: &str, containers: Vec<Container>) {
        self.containers.insert(task_definition.to_owned(), containers);
    }

    pub(super) fn created(&mut self, service: &str, task_definition: &str, desired: u32, breaker: Breaker) {
        let deployment = self.deployment(task_definition, Origin::Asked);
        let service = service.to_owned();
        self.services.insert(service, Service { breaker, desired, deployments: vec![deployment] });
    }

    /// `breaker` is none when the update does not name it.
    pub(super) fn updated(
        &mut self,
        service: &str,
        task_definition: &str,
        forced: bool,
        desired: u32,
        breaker: Option<Breaker>,
    ) {
        let next = self.deployment(task_definition, Origin::Asked);
        let Some(service) = self.services.get_mut(service) else { return };
        service.desired = desired;
        service.breaker = breaker.unwrap_or(service.breaker);
        if forced || service.primary().task_definition != task_definition {
            service.deployments.push(next);
        }
    }

    pub(super) fn deleted(&mut self, service: &str) {
        if let Some(service) = self.services.get_mut(service) {
            service.desired = 0;
            let last = service.deployments.split_off(service.deployments.len() - 1);
            service.deployments = last;
        }
    }

    /// Somebody describes a service: its rollout goes on.
    pub(super) fn look(&mut self, service: &str) -> Option<&Service> {
        let known = self.services.get_mut(service)?;
        let breaker = known.breaker;
        let primary = known.deployments.last_mut()?;
        let Stage::Going { looks } = &mut primary.stage else { return self.services.get(service) };
        *looks += 1;
        let ripe = *looks > 1 || primary.origin == Origin::Rollback;
        match (ripe, primary.fate, breaker) {
            (false, ..) | (true, Fate::NeverHealthy, _) | (true, Fate::Crashes, Breaker::Off) => {}
            (true, Fate::Completes, _) => {
                primary.stage = Stage::Completed;
                let last = known.deployments.split_off(known.deployments.len() - 1);
                known.deployments = last;
            }
            (true, Fate::Crashes, Breaker::On) => primary.stage = Stage::Failed,
            (true, Fate::Crashes, Breaker::Rollback) => {
                primary.stage = Stage::Failed;
                self.roll_back(service);
            }
        }
        self.services.get(service)
    }

    pub(super) fn service(&self, service: &str) -> Option<&Service> {
        self.services.get(service)
    }

    /// The service that a deployment is of.
    pub(super) fn of_deployment(&self, id: u64) -> Option<(&str, &Service, &Deployment)> {
        self.services.iter().find_map(|(arn, service)| {
            let deployment = service.deployments.iter().find(|deployment| deployment.id == id)?;
            Some((arn.as_str(), service, deployment))
        })
    }

    /// StopServiceDeployment with stopType ROLLBACK. False when it is not in progress.
    pub(super) fn stop(&mut self, id: u64) -> bool {
        let Some((arn, _, deployment)) = self.of_deployment(id) else { return false };
        if !matches!(deployment.stage, Stage::Going { .. }) {
            return false;
        }
        let arn = arn.to_owned();
        if let Some(service) = self.services.get_mut(&arn) {
            for deployment in service.deployments.iter_mut().filter(|deployment| deployment.id == id) {
                deployment.stage = Stage::Stopped;
            }
        }
        self.roll_back(&arn);
        true
    }

    fn roll_back(&mut self, service: &str) {
        let completed = self.services.get(service).and_then(Service::completed);
        let Some(task_definition) = completed.map(|deployment| deployment.task_definition.clone()) else {
            return;
        };
        let back = self.deployment(&task_definition, Origin::Rollback);
        if let Some(service) = self.services.get_mut(service) {
            service.deployments.push(back);
        }
    }

    fn deployment(&mut self, task_definition: &str, origin: Origin) -> Deployment {
        self.deployments += 1;
        let containers = self.containers.get(task_definition).cloned().unwrap_or_default();
        Deployment {
            id: self.deployments,
            task_definition: task_definition.to_owned(),
            fate: Fate::of(&containers),
            containers,
            origin,
            stage: Stage::Going { looks: 0 },
        }
    }
}
