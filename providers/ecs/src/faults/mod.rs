//! ECS in memory, as far as one tenant sees it: the [`Model`] of the ECS planner.
//!
//! What a task does is said by the name of its first container's image; see [`ServiceBehaviour`].

mod operations;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id;
use landlord_state_machines::planner::ecs::{
    Count, Create, DefinitionStatus, Deployment, EcsCall, EcsPlanner, EcsReply, FoundDefinition, Register,
    Rollout, Service, Setting, Settings, Shown, Site, Source, Task, TaskContainer, TaskHealth, TaskLife,
    Update, Wanted, tags,
};
use landlord_state_machines::planner::{Kind, Subject};
use landlord_state_machines::spec::Spec;

use landlord_testing::faults::{Model, Operation};

/// How long a deployment takes until it is complete, and until the circuit breaker gives it up.
const ROLLS: SignedDuration = SignedDuration::from_secs(4);
/// How long a service drains.
const DRAINS: SignedDuration = SignedDuration::from_secs(6);

/// What tasks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceBehaviour {
    /// They run. Also for any other image.
    Fine,
    /// `crash`: they end by themselves; the circuit breaker gives the deployment up, and goes back where it can.
    Crash,
    /// `stuck`: they end by themselves, and nobody gives up.
    Stuck,
    /// `once`: as `crash`, but in the first rollout they run. Then a secret of theirs has become wrong.
    Once,
    /// `rots`: as `stuck`, but in the first rollout they run.
    Rots,
}

impl ServiceBehaviour {
    fn of(image: &str) -> Self {
        match image.split(':').next() {
            Some("crash") => Self::Crash,
            Some("stuck") => Self::Stuck,
            Some("once") => Self::Once,
            Some("rots") => Self::Rots,
            Some(_) | None => Self::Fine,
        }
    }

    /// What they do in this rollout.
    fn in_rollout(self, rollout: id::Rollout) -> Self {
        match (self, rollout.is_first()) {
            (Self::Once | Self::Rots, true) => Self::Fine,
            (Self::Once, false) => Self::Crash,
            (Self::Rots, false) => Self::Stuck,
            (Self::Fine | Self::Crash | Self::Stuck, true | false) => self,
        }
    }
}

/// A revision of the family.
#[derive(Clone, Debug)]
struct Revision {
    status: DefinitionStatus,
    tags: BTreeMap<String, String>,
    behaviour: ServiceBehaviour,
}

/// The service.
#[derive(Clone, Debug)]
struct Row {
    site: Site,
    arn: String,
    /// When it has drained, where it is being deleted.
    gone: Option<Timestamp>,
    tags: BTreeMap<String, String>,
    settings: Settings,
    /// The primary one first.
    rollouts: Vec<Rolling>,
    /// The last definition whose deployment was complete, and for which rollout that was.
    worked: Option<(String, id::Rollout)>,
}

/// A deployment.
#[derive(Clone, Debug)]
struct Rolling {
    id: String,
    definition: String,
    /// The platform's own knowledge, which no planner reads.
    rollout: id::Rollout,
    since: Timestamp,
    state: Rollout,
}

/// A cluster with one tenant's service and task definitions.
#[derive(Clone, Debug, Default)]
pub struct Ecs {
    made: u32,
    revisions: BTreeMap<String, Revision>,
    service: Option<Row>,
    /// Client tokens, and what was asked for with them.
    tokens: BTreeMap<String, (String, Settings)>,
    breach: Option<String>,
}

impl Ecs {
    fn number(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    /// What happens by itself until then.
    fn advance(&mut self, now: Timestamp) {
        self.service.take_if(|row| row.gone.is_some_and(|at| at <= now));
        let behaviours: BTreeMap<&String, ServiceBehaviour> =
            self.revisions.iter().map(|(arn, revision)| (arn, revision.behaviour)).collect();
        let Some(row) = &mut self.service else { return };
        // Going back is a deployment itself, which ends too.
        loop {
            let primary = &mut row.rollouts[0];
            if primary.state != Rollout::InProgress || now < later(primary.since, ROLLS) {
                return;
            }
            // What somebody else registered runs.
            let behaviour = behaviours.get(&primary.definition).copied().unwrap_or(ServiceBehaviour::Fine);
            match behaviour.in_rollout(primary.rollout) {
                ServiceBehaviour::Fine => {
                    primary.state = Rollout::Completed;
                    row.worked = Some((primary.definition.clone(), primary.rollout));
                    row.rollouts.truncate(1);
                }
                ServiceBehaviour::Stuck => return,
                ServiceBehaviour::Crash | ServiceBehaviour::Once | ServiceBehaviour::Rots => {
                    let why = "ECS deployment circuit breaker: tasks failed to start.";
                    primary.state = Rollout::Failed(why.to_owned());
                    let since = later(primary.since, ROLLS);
                    let Some((definition, rollout)) = row.worked.clone() else { return };
                    let id = format!("{}-back", primary.id);
                    let state = Rollout::InProgress;
                    row.rollouts.insert(0, Rolling { id, definition, rollout, since, state });
                }
            }
        }
    }

    fn deploy(&mut self, definition: &str, rollout: id::Rollout, now: Timestamp) -> Rolling {
        let id = format!("ecs-svc/{}", self.number());
        let definition = definition.to_owned();
        Rolling { id, definition, rollout, since: now, state: Rollout::InProgress }
    }

    fn usable(&self, definition: &str) -> Result<(), ProviderError> {
        let strangers = !definition.contains(":task-definition/landlord-");
        match self.revisions.get(definition).map(|revision| revision.status) {
            Some(DefinitionStatus::Active) => Ok(()),
            None if strangers => Ok(()),
            Some(DefinitionStatus::Inactive) | None => {
                Err(refused(Remedy::Permanent, "TaskDefinition is inactive"))
            }
        }
    }

    fn register(&mut self, register: &Register) -> EcsReply {
        let number = self.number();
        let arn = format!("arn:aws:ecs:eu-west-1:1:task-definition/{}:{number}", register.site.name);
        let image = register.definition.containers.first().map_or("", |container| container.image.as_str());
        let revision = Revision {
            status: DefinitionStatus::Active,
            tags: register.tags.clone(),
            behaviour: ServiceBehaviour::of(image),
        };
        self.revisions.insert(arn.clone(), revision);
        EcsReply::Registered(arn)
    }

    fn create(&mut self, create: &Create, now: Timestamp) -> Result<EcsReply, ProviderError> {
        self.usable(&create.definition)?;
        let asked = (create.definition.clone(), create.settings.clone());
        match (&self.service, self.tokens.get(&create.token)) {
            (Some(row), Some(before)) if row.gone.is_none() && *before == asked => return Ok(self.shown()),
            // The token's own answer, of a service that is gone: nothing is made.
            (None, Some(before)) if *before == asked => return Ok(EcsReply::Service(None)),
            (_, Some(_)) => return Err(refused(Remedy::Retry, "Creation of service was not idempotent.")),
            (Some(row), None) if row.gone.is_some() => {
                return Err(refused(Remedy::Retry, "Unable to Start a service that is still Draining."));
            }
            (Some(_), None) => return Err(refused(Remedy::Retry, "Creation of service was not idempotent.")),
            (None, None) => {}
        }
        self.tokens.insert(create.token.clone(), asked);
        let rollout = self.deploy(&create.definition, create.rollout, now);
        self.service = Some(Row {
            site: create.site.clone(),
            arn: format!("arn:aws:ecs:eu-west-1:1:service/c/{}", create.site.name),
            gone: None,
            tags: create.tags.clone(),
            settings: create.settings.clone(),
            rollouts: vec![rollout],
            worked: None,
        });
        Ok(self.shown())
    }

    fn update(&mut self, update: &Update, now: Timestamp) -> Result<EcsReply, ProviderError> {
        let runs = self.active()?.rollouts[0].definition.clone();
        let definition = match update.told.contains(&Setting::Definition) {
            true => update.definition.clone(),
            false => runs.clone(),
        };
        self.usable(&definition)?;
        let rollout = self.deploy(&definition, update.rollout, now);
        let row = self.active()?;
        if runs != definition || update.force {
            row.rollouts.insert(0, rollout);
        }
        for setting in &update.told {
            row.set(*setting, &update.settings);
        }
        Ok(self.shown())
    }

    /// What runs for a rollout already is not started anew for it.
    fn check_restart(&mut self, update: &Update) {
        let Some(row) = &self.service else { return };
        let primary = &row.rollouts[0];
        let runs = matches!(primary.state, Rollout::InProgress | Rollout::Completed);
        let restarts = update.force && !update.rollout.is_first();
        if restarts && runs && primary.definition == update.definition && primary.rollout == update.rollout {
            self.breach = Some(format!("{} was started anew twice for rollout {}", row.arn, update.rollout));
        }
    }

    fn revision(&mut self, arn: &str) -> Result<&mut Revision, ProviderError> {
        let missing = || refused(Remedy::Retry, "ResourceNotFoundException");
        self.revisions.get_mut(arn).ok_or_else(missing)
    }

    fn active(&mut self) -> Result<&mut Row, ProviderError> {
        let missing = || refused(Remedy::Retry, "ServiceNotActiveException");
        self.service.as_mut().filter(|row| row.gone.is_none()).ok_or_else(missing)
    }

    fn stop(&mut self, deployment: &str, now: Timestamp) -> Result<EcsReply, ProviderError> {
        let Ok(row) = self.active() else { return Ok(EcsReply::Stopped) };
        if row.rollouts[0].id == deployment && row.rollouts[0].state == Rollout::InProgress {
            row.rollouts[0].state = Rollout::Failed("stopped".to_owned());
            if let Some(worked) = row.worked.clone() {
                let (definition, rollout) = worked;
                let back = self.deploy(&definition, rollout, now);
                self.active()?.rollouts.insert(0, back);
            }
        }
        Ok(EcsReply::Stopped)
    }

    fn delete(&mut self, now: Timestamp) -> EcsReply {
        if let Some(row) = &mut self.service {
            row.gone.get_or_insert(later(now, DRAINS));
        }
        self.shown()
    }

    fn delete_definitions(&mut self, arns: &BTreeSet<String>) -> EcsReply {
        for arn in arns {
            let removed = self.revisions.remove(arn);
            if removed.is_some_and(|revision| revision.status == DefinitionStatus::Active) {
                self.breach = Some(format!("{arn} was deleted before it was deregistered"));
            }
        }
        EcsReply::Deleted(arns.clone())
    }

    fn shown(&self) -> EcsReply {
        EcsReply::Service(self.service.as_ref().map(|row| Box::new(row.shown())))
    }

    fn tasks(&self, now: Timestamp) -> Vec<Task> {
        let Some(row) = self.service.as_ref().filter(|row| row.gone.is_none()) else { return Vec::new() };
        let of = |rolling: &Rolling| {
            let failed = match (&rolling.state, self.revisions.get(&rolling.definition)) {
                (Rollout::Failed(_), _) => true,
                (_, Some(revision)) => {
                    revision.behaviour.in_rollout(rolling.rollout) != ServiceBehaviour::Fine
                }
                (Rollout::InProgress | Rollout::Completed, None) => false,
            };
            let started = now >= later(rolling.since, SignedDuration::from_secs(1));
            let life = match (failed, started) {
                (_, false) => TaskLife::Starting,
                (true, true) => TaskLife::Stopped {
                    code: Some("EssentialContainerExited".to_owned()),
                    reason: "Essential container in task exited".to_owned(),
                },
                (false, true) => TaskLife::Running,
            };
            let count = if failed { 3 } else { row.settings.desired_count.first() };
            (0..count).map(move |n| task(rolling, n, &life)).collect::<Vec<_>>()
        };
        row.rollouts.iter().flat_map(of).collect()
    }
}

fn task(rolling: &Rolling, number: u32, life: &TaskLife) -> Task {
    let ended = match life {
        TaskLife::Stopped { .. } => Some(1),
        TaskLife::Starting | TaskLife::Running | TaskLife::Stopping => None,
    };
    Task {
        arn: format!("{}/{number}", rolling.id),
        definition: rolling.definition.clone(),
        life: life.clone(),
        created: Some(rolling.since),
        health: TaskHealth::Unknown,
        address: Some(format!("10.0.0.{}", number + 1)),
        containers: vec![TaskContainer {
            name: "web".to_owned(),
            running: *life == TaskLife::Running,
            exit_code: ended,
            reason: None,
            health: TaskHealth::Unknown,
            host_ports: BTreeMap::new(),
        }],
    }
}

impl Row {
    /// Whether it has these settings. ECS knows no more of a count than the number, and one that is somebody else's may be any.
    fn runs_as(&self, wanted: &Settings) -> bool {
        let has = self.settings.desired_count.first();
        let counted = match wanted.desired_count {
            Count::Of(count) => has == count,
            Count::Scaled { .. } => true,
        };
        counted && Settings { desired_count: wanted.desired_count, ..self.settings.clone() } == *wanted
    }

    /// Takes over what an update tells.
    fn set(&mut self, setting: Setting, asked: &Settings) {
        let (settings, asked) = (&mut self.settings, asked.clone());
        match setting {
            Setting::Definition => {}
            Setting::Count => settings.desired_count = asked.desired_count,
            Setting::Launch => settings.launch = asked.launch,
            Setting::Network => settings.network = asked.network,
            Setting::LoadBalancers => settings.load_balancers = asked.load_balancers,
            Setting::Registries => settings.registries = asked.registries,
            Setting::Deployment => {
                settings.circuit_breaker = asked.circuit_breaker;
                settings.minimum_healthy_percent = asked.minimum_healthy_percent;
                settings.maximum_percent = asked.maximum_percent;
            }
            Setting::GracePeriod => settings.grace_period_seconds = asked.grace_period_seconds,
        }
    }

    fn shown(&self) -> Service {
        let of = |(n, rolling): (usize, &Rolling)| Deployment {
            id: rolling.id.clone(),
            primary: n == 0,
            definition: rolling.definition.clone(),
            rollout: rolling.state.clone(),
            running: if rolling.state == Rollout::Completed {
                self.settings.desired_count.first()
            } else {
                0
            },
            pending: 0,
            failed_tasks: 0,
            created: Some(rolling.since),
        };
        let settings = &self.settings;
        let rolls = self.rollouts[0].state == Rollout::InProgress;
        let completed = self.rollouts[0].state == Rollout::Completed;
        Service {
            arn: self.arn.clone(),
            draining: self.gone.is_some(),
            tags: self.tags.clone(),
            shown: Shown {
                desired_count: settings.desired_count.first(),
                launch: Some(settings.launch.clone()),
                network: settings.network.clone(),
                load_balancers: Some(settings.load_balancers.clone()),
                registries: Some(settings.registries.clone()),
                circuit_breaker: Some(settings.circuit_breaker),
                minimum_healthy_percent: Some(settings.minimum_healthy_percent),
                maximum_percent: Some(settings.maximum_percent),
                grace_period_seconds: settings.grace_period_seconds,
            },
            running: if completed { settings.desired_count.first() } else { 0 },
            deployments: self.rollouts.iter().enumerate().map(of).collect(),
            current_deployment: rolls.then(|| self.rollouts[0].id.clone()),
            event: None,
        }
    }
}

fn refused(remedy: Remedy, message: &str) -> ProviderError {
    ProviderError::new(ErrorKind::ProvisionFailed, remedy, ErrorCode::InvalidConfiguration, message)
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl Model for Ecs {
    type Planner = EcsPlanner;

    const NAME: &'static str = "ecs";

    fn answer(
        &mut self,
        subject: &Subject,
        call: &EcsCall,
        now: Timestamp,
    ) -> Result<EcsReply, ProviderError> {
        self.advance(now);
        let its = |tags: &BTreeMap<String, String>| {
            tags::owner(tags, &subject.engine, subject.provider.as_str()).is_some()
        };
        Ok(match call {
            EcsCall::Locate(_) => {
                let service = self.service.as_ref().filter(|row| its(&row.tags)).map(|row| row.site.clone());
                let family = self.revisions.values().any(|revision| its(&revision.tags));
                EcsReply::Located(service.or_else(|| family.then(operations::site)))
            }
            EcsCall::DescribeService { .. } => self.shown(),
            EcsCall::ListDefinitions(_, status) => {
                let of_status = self.revisions.iter().filter(|(_, revision)| revision.status == *status);
                EcsReply::Definitions(*status, of_status.map(|(arn, _)| arn.clone()).collect())
            }
            EcsCall::DescribeDefinition { definition, .. } => {
                EcsReply::Definition(self.revisions.get(definition).map(|revision| FoundDefinition {
                    arn: definition.clone(),
                    status: revision.status,
                    tags: revision.tags.clone(),
                }))
            }
            EcsCall::FindTasks { .. } => EcsReply::Tasks(self.tasks(now)),
            EcsCall::RegisterDefinition(register) => self.register(register),
            EcsCall::CreateService(create) => self.create(create, now)?,
            EcsCall::UpdateService(update) => {
                self.check_restart(update);
                self.update(update, now)?
            }
            EcsCall::TagService { tags, .. } => {
                self.active()?.tags.extend(tags.clone());
                EcsReply::Tagged
            }
            EcsCall::UntagService { keys, .. } => {
                self.active()?.tags.retain(|key, _| !keys.contains(key));
                EcsReply::Tagged
            }
            EcsCall::TagDefinition { arn, tags, .. } => {
                self.revision(arn)?.tags.extend(tags.clone());
                EcsReply::Tagged
            }
            EcsCall::UntagDefinition { arn, keys, .. } => {
                self.revision(arn)?.tags.retain(|key, _| !keys.contains(key));
                EcsReply::Tagged
            }
            EcsCall::StopDeployment { deployment, .. } => self.stop(deployment, now)?,
            EcsCall::DeleteService(_) => self.delete(now),
            EcsCall::DeregisterDefinition { arn, .. } => {
                if let Some(revision) = self.revisions.get_mut(arn) {
                    revision.status = DefinitionStatus::Inactive;
                }
                EcsReply::Deregistered(arn.clone())
            }
            EcsCall::DeleteDefinitions { arns, .. } => self.delete_definitions(arns),
        })
    }

    fn answer_again(
        &mut self,
        subject: &Subject,
        call: &EcsCall,
        now: Timestamp,
    ) -> Result<EcsReply, ProviderError> {
        match call {
            // The transport asks twice, not the planner.
            EcsCall::UpdateService(update) => {
                self.advance(now);
                self.update(update, now)
            }
            EcsCall::Locate(_)
            | EcsCall::DescribeService { .. }
            | EcsCall::ListDefinitions(..)
            | EcsCall::DescribeDefinition { .. }
            | EcsCall::FindTasks { .. }
            | EcsCall::RegisterDefinition(_)
            | EcsCall::CreateService(_)
            | EcsCall::TagService { .. }
            | EcsCall::UntagService { .. }
            | EcsCall::TagDefinition { .. }
            | EcsCall::UntagDefinition { .. }
            | EcsCall::StopDeployment { .. }
            | EcsCall::DeleteService(_)
            | EcsCall::DeregisterDefinition { .. }
            | EcsCall::DeleteDefinitions { .. } => self.answer(subject, call, now),
        }
    }

    fn kind(call: &EcsCall) -> Kind {
        match call {
            EcsCall::Locate(_)
            | EcsCall::DescribeService { .. }
            | EcsCall::ListDefinitions(..)
            | EcsCall::DescribeDefinition { .. }
            | EcsCall::FindTasks { .. } => Kind::Read,
            EcsCall::RegisterDefinition(_)
            | EcsCall::CreateService(_)
            | EcsCall::UpdateService(_)
            | EcsCall::TagService { .. }
            | EcsCall::UntagService { .. }
            | EcsCall::TagDefinition { .. }
            | EcsCall::UntagDefinition { .. }
            | EcsCall::StopDeployment { .. }
            | EcsCall::DeleteService(_)
            | EcsCall::DeregisterDefinition { .. }
            | EcsCall::DeleteDefinitions { .. } => Kind::Write,
        }
    }

    fn late() -> SignedDuration {
        SignedDuration::from_secs(10)
    }

    fn unseen() -> SignedDuration {
        SignedDuration::from_secs(2)
    }

    /// Somebody deletes the service by hand, and it has drained.
    fn breaks(&mut self, _now: Timestamp) {
        self.service = None;
    }

    fn holds_exactly(
        &mut self,
        subject: &Subject,
        spec: Option<&Spec>,
        now: Timestamp,
    ) -> Result<(), String> {
        self.advance(now);
        if let Some(breach) = &self.breach {
            return Err(breach.clone());
        }
        let states: Vec<DefinitionStatus> = self.revisions.values().map(|revision| revision.status).collect();
        let Some(spec) = spec else {
            return match (&self.service, states.is_empty()) {
                (None, true) => Ok(()),
                (service, _) => Err(format!("revisions {states:?} are left, and the service is {service:?}")),
            };
        };
        let Some(row) = &self.service else { return Err("there is no service".to_owned()) };
        let rollout = row.rollouts[0].rollout;
        let wanted = Wanted::in_rollout(subject, spec, rollout).map_err(|error| error.to_string())?;
        let kept: Vec<_> = self.revisions.iter().map(|(arn, revision)| (arn, &revision.tags)).collect();
        let runs = &row.rollouts[0];
        let right = match &wanted.source {
            Source::Own { tags, .. } => {
                kept == [(&runs.definition, tags)] && states == [DefinitionStatus::Active]
            }
            Source::Existing(named) => runs.definition == *named && kept.is_empty(),
        };
        let tags = wanted.tags == row.tags;
        match right
            && tags
            && row.runs_as(&wanted.settings)
            && row.gone.is_none()
            && runs.state == Rollout::Completed
        {
            true => Ok(()),
            false => Err(format!("revisions {:?}, the service {row:?}, wanted {wanted:?}", self.revisions)),
        }
    }

    fn runs_for(&mut self, rollout: id::Rollout) -> Result<(), String> {
        let Some(row) = &self.service else { return Ok(()) };
        match row.rollouts.iter().find(|rolling| rolling.rollout != rollout) {
            None => Ok(()),
            Some(other) => Err(format!("{other:?} is not of rollout {rollout}")),
        }
    }

    fn operations() -> Vec<Operation> {
        operations::all()
    }
}
