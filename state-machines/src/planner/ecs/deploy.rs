//! Deploys what has to run, and waits until it does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::call::{
    Create, DefinitionStatus, Deployment, EcsCall, Launch, Register, Rollout, Service, Setting, Update,
};
use super::facts::{Revision, Stage, Watched, Whose, after};
use super::figures;
use super::learn::is;
use super::next::{Listed, Plan, find_tasks, invalid, write};
use super::wanted::{Source, Wanted, content_with_labels};
use super::{tags, tasks, token};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::id;
use crate::planner::{Means, Next, Subject};

/// How many failed tasks are enough to give up a deployment that ECS itself does not give up.
const FAILURES: usize = 3;
/// How long our deployment may be missing until it counts as replaced.
const PUT_ASIDE: SignedDuration = SignedDuration::from_secs(15);

impl Plan<'_> {
    /// The definition, the service, its deployment, and then what is left of others.
    pub(super) fn run(&self, wanted: &Wanted, by: Means) -> Option<Next<EcsCall>> {
        let definition = match (self.definition(wanted), &wanted.source) {
            (Some(definition), Source::Existing(_) | Source::Own { .. }) => definition,
            (None, Source::Existing(named)) => named.clone(),
            (None, Source::Own { definition, content, tags }) => {
                return Some(write(
                    "register the task definition",
                    EcsCall::RegisterDefinition(Box::new(Register {
                        site: wanted.site.clone(),
                        definition: definition.clone(),
                        content: content.clone(),
                        tags: tags.clone(),
                    })),
                ));
            }
        };
        let Some((service, _)) = self.its_service() else {
            return Some(self.create(wanted, definition));
        };
        self.tag_definition(wanted, &definition, service)
            .or_else(|| self.tag(wanted, service))
            .or_else(|| self.deploy(wanted, &definition, service, by))
            .or_else(|| self.know_revisions(&wanted.site, Listed::SinceTheLastWasRegistered))
            .or_else(|| self.remove_revisions(&wanted.site, Some(&definition)))
    }

    /// Revisions of the tenant's that this life made.
    pub(super) fn its_revisions(&self) -> impl Iterator<Item = (&String, &Revision)> {
        let this_life = Whose::Its(self.subject.incarnation);
        self.facts.revisions.iter().filter(move |(_, revision)| revision.whose.as_ref() == Some(&this_life))
    }

    /// A revision that says what is wanted: the one that runs rather than any other.
    fn definition(&self, wanted: &Wanted) -> Option<String> {
        let Source::Own { definition, content, tags } = &wanted.source else { return None };
        self.active_with(content).or_else(|| {
            // One of an older build, made with the caller's tags that are wanted, or with those that the service has yet.
            let made_with = |labels| content_with_labels(self.subject, definition, labels);
            self.active_with(&made_with(tags::callers(tags))).or_else(|| {
                let (service, _) = self.its_service()?;
                self.active_with(&made_with(self.labels(service)))
            })
        })
    }

    /// An active revision with this content: the one that runs rather than any other.
    fn active_with(&self, content: &str) -> Option<String> {
        let primary = self.service().and_then(Service::primary);
        let runs = |arn: &str| primary.is_some_and(|primary| is(&primary.definition, arn));
        let same = self.its_revisions().filter(|(_, revision)| {
            revision.status == DefinitionStatus::Active && revision.content.as_deref() == Some(content)
        });
        same.map(|(arn, _)| arn).max_by_key(|arn| runs(arn)).cloned()
    }

    fn create(&self, wanted: &Wanted, definition: String) -> Next<EcsCall> {
        let token = token::of(self.subject, self.facts.creations, &definition, &wanted.settings);
        write(
            "create the service",
            EcsCall::CreateService(Box::new(Create {
                site: wanted.site.clone(),
                token,
                definition,
                settings: wanted.settings.clone(),
                tags: wanted.tags.clone(),
                rollout: wanted.rollout,
            })),
        )
    }

    /// The tags of the service, before its tasks inherit them.
    fn tag(&self, wanted: &Wanted, service: &Service) -> Option<Next<EcsCall>> {
        let missing: BTreeMap<String, String> = wanted
            .tags
            .iter()
            .filter(|(key, value)| service.tags.get(*key) != Some(*value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let gone: BTreeSet<String> = (self.facts.labels.iter())
            .filter(|key| !wanted.tags.contains_key(*key) && service.tags.contains_key(*key))
            .cloned()
            .collect();
        let (place, arn) = (wanted.site.place.clone(), service.arn.clone());
        match (missing.is_empty(), gone.is_empty()) {
            (false, _) => Some(write("tag the service", EcsCall::TagService { place, arn, tags: missing })),
            (true, false) => {
                Some(write("untag the service", EcsCall::UntagService { place, arn, keys: gone }))
            }
            (true, true) => None,
        }
    }

    /// The caller's tags of the definition: before those of the service, by which an older build's content is known.
    fn tag_definition(&self, wanted: &Wanted, arn: &str, service: &Service) -> Option<Next<EcsCall>> {
        let Source::Own { content, tags: of_definition, .. } = &wanted.source else { return None };
        let revision = self.facts.revisions.get(arn)?;
        let known = revision.labels.clone().unwrap_or_else(|| self.labels(service));
        let mut missing = tags::callers(of_definition);
        missing.retain(|key, value| known.get(key) != Some(value));
        let is_ours = |key: &&String| self.facts.labels.contains(*key);
        let gone: BTreeSet<String> =
            known.keys().filter(is_ours).filter(|key| !of_definition.contains_key(*key)).cloned().collect();
        let (place, arn) = (wanted.site.place.clone(), arn.to_owned());
        let mut labels = known;
        let is_older = revision.content.as_ref() != Some(content);
        if !missing.is_empty() || is_older && !gone.is_empty() {
            labels.extend(missing.clone());
            let (content, mut tags) = (content.clone(), missing);
            tags.insert(tags::CONTENT.to_owned(), content.clone());
            let call = EcsCall::TagDefinition { place, arn, tags, content, labels };
            return Some(write("tag the task definition", call));
        }
        labels.retain(|key, _| !gone.contains(key));
        let untag = || {
            let call = EcsCall::UntagDefinition { place, arn, keys: gone.clone(), labels };
            write("untag the task definition", call)
        };
        (!gone.is_empty()).then(untag)
    }

    /// The caller's tags that the service has.
    fn labels(&self, service: &Service) -> BTreeMap<String, String> {
        let mut labels = tags::callers(&service.tags);
        // Without a ledger nobody knows which are somebody else's.
        labels.retain(|key, _| self.facts.labels.is_empty() || self.facts.labels.contains(key));
        labels
    }

    /// Brings the service to the definition and the settings, and waits until its tasks run.
    fn deploy(
        &self,
        wanted: &Wanted,
        definition: &str,
        service: &Service,
        by: Means,
    ) -> Option<Next<EcsCall>> {
        let Some(primary) = service.primary() else {
            return Some(self.wait(poll(SignedDuration::ZERO), "the service has a deployment", None));
        };
        let differing = self.differing(wanted, service, by);
        let update = |force| self.update(wanted, definition, service, &differing, force);
        let keeps = service.shown.differing(&wanted.settings).is_empty();
        let rolled = self.rolled(wanted, primary);
        let told = match &self.facts.rollout {
            Some(Watched { stage: Stage::GivenUp { why, told: false }, .. }) => {
                return Some(Next::Fail(failed(by, self.subject, why)));
            }
            // ECS's own rollback may be a deployment of the same definition, with the earlier settings or tasks.
            Some(Watched { definition: of, stage: Stage::Going { deployment }, since: _ })
                if is(of, definition)
                    && *deployment != primary.id
                    && !(keeps && rolled == wanted.rollout && is(&primary.definition, definition))
                    && !self.undoes(wanted) =>
            {
                return Some(self.put_aside(wanted, service, deployment, primary));
            }
            Some(Watched { definition: of, stage: Stage::GivenUp { told: true, .. }, since: _ }) => {
                is(of, definition) && !self.undoes(wanted)
            }
            Some(Watched { stage: Stage::Asked | Stage::Going { .. }, .. }) | None => false,
        };
        let known = self.facts.settings.as_ref().is_none_or(|settings| *settings == wanted.settings);
        let ours = is(&primary.definition, definition);
        match (ours && known && differing.is_empty(), &primary.rollout) {
            (false, Rollout::InProgress | Rollout::Completed | Rollout::Failed(_)) => {
                let launch = differing.contains(&Setting::Launch);
                Some(self.change(wanted, definition, service, primary, |more| update(launch || more)))
            }
            (true, Rollout::InProgress | Rollout::Completed | Rollout::Failed(_))
                if rolled != wanted.rollout =>
            {
                Some(self.restart(wanted, service, primary, || update(true)))
            }
            // What an earlier method gave up is tried again.
            (true, Rollout::Failed(_) | Rollout::InProgress) if told => Some(update(true)),
            (true, Rollout::Failed(why)) => Some(self.give_up(wanted, why.clone())),
            (true, Rollout::InProgress) => Some(self.rollout(wanted, service, primary)),
            (true, Rollout::Completed) => self.tasks(wanted, service, primary, || told.then(|| update(true))),
        }
    }

    /// Another deployment is in the place of ours: ECS gave ours up and went back.
    fn put_aside(
        &self,
        wanted: &Wanted,
        service: &Service,
        ours: &str,
        primary: &Deployment,
    ) -> Next<EcsCall> {
        let listed = service.deployments.iter().find(|deployment| deployment.id == ours);
        let out_of_sight = self.facts.wrote_at.is_none_or(|at| self.now >= after(at, PUT_ASIDE));
        match listed.map(|deployment| &deployment.rollout) {
            Some(Rollout::Failed(why)) => self.give_up(wanted, why.clone()),
            Some(Rollout::InProgress | Rollout::Completed) | None if out_of_sight => {
                let back = format!("ECS went back to {}", primary.definition);
                self.give_up(
                    wanted,
                    service.event.as_ref().map_or(back.clone(), |event| format!("{back}: {event}")),
                )
            }
            Some(Rollout::InProgress | Rollout::Completed) | None => {
                self.wait(poll(SignedDuration::ZERO), "the deployment shows", None)
            }
        }
    }

    /// The rollout that the primary deployment is of, where it has the definition that is wanted. One of the tenant's own
    /// is made for its rollout.
    fn rolled(&self, wanted: &Wanted, primary: &Deployment) -> id::Rollout {
        match &wanted.source {
            Source::Own { .. } => wanted.rollout,
            Source::Existing(_) => self.facts.rolled_by(&primary.id),
        }
    }

    /// Whether what is wanted is the rollout from before a restart that is not proven, of the same definition.
    fn undoes(&self, wanted: &Wanted) -> bool {
        match &wanted.source {
            Source::Own { .. } => false,
            Source::Existing(_) => {
                self.facts.restart.as_ref().is_some_and(|restart| restart.to != wanted.rollout)
                    && self.facts.rolled == wanted.rollout
            }
        }
    }

    /// The same for another rollout: a new deployment. To undo a restart that goes on, ECS goes back to the tasks from
    /// before it, where it can.
    fn restart(
        &self,
        wanted: &Wanted,
        service: &Service,
        primary: &Deployment,
        update: impl FnOnce() -> Next<EcsCall>,
    ) -> Next<EcsCall> {
        let going = match &primary.rollout {
            Rollout::InProgress if self.undoes(wanted) => service.current_deployment.as_ref(),
            Rollout::InProgress | Rollout::Completed | Rollout::Failed(_) => None,
        };
        let stops = self.facts.wrote_at.is_some_and(|at| self.now < after(at, PUT_ASIDE));
        match going {
            Some(going) if self.facts.stopped.as_ref() != Some(going) => self.stop(wanted, going),
            Some(_) if stops => self.wait(poll(SignedDuration::ZERO), "the deployment stops", None),
            Some(_) | None => update(),
        }
    }

    fn stop(&self, wanted: &Wanted, deployment: &str) -> Next<EcsCall> {
        let (place, deployment) = (wanted.site.place.clone(), deployment.to_owned());
        write("stop the deployment", EcsCall::StopDeployment { place, deployment })
    }

    /// Another definition or other settings. ECS takes another launch only with a deployment. A deployment of ours that goes on is stopped first; one with which ECS goes
    /// back by itself is not.
    fn change(
        &self,
        wanted: &Wanted,
        definition: &str,
        service: &Service,
        primary: &Deployment,
        update: impl FnOnce(bool) -> Next<EcsCall>,
    ) -> Next<EcsCall> {
        let was_ours =
            self.facts.rollout.as_ref().is_some_and(|ours| is(&primary.definition, &ours.definition));
        let going = match &primary.rollout {
            Rollout::InProgress if was_ours && !is(&primary.definition, definition) => service
                .current_deployment
                .as_ref()
                .filter(|going| self.facts.stopped.as_ref() != Some(*going)),
            Rollout::InProgress | Rollout::Completed | Rollout::Failed(_) => None,
        };
        match (going, &service.shown.launch, &wanted.settings.launch) {
            (_, Some(Launch::Type(now)), Launch::Type(then)) if now != then => Next::Fail(invalid(format!(
                "provider_config.launch_type: ECS cannot change the launch type of service {}; destroy it and \
                 provision it anew",
                wanted.site.name
            ))),
            (Some(going), _, _) => self.stop(wanted, going),
            (None, _, _) => update(self.facts.rolled_by(&primary.id) != wanted.rollout),
        }
    }

    fn update(
        &self,
        wanted: &Wanted,
        definition: &str,
        service: &Service,
        differing: &BTreeSet<Setting>,
        force: bool,
    ) -> Next<EcsCall> {
        let primary = service.primary();
        let from = primary.map(|primary| self.facts.rolled_by(&primary.id));
        let mut told = differing.clone();
        if !primary.is_some_and(|primary| is(&primary.definition, definition)) {
            told.insert(Setting::Definition);
        }
        write(
            "deploy",
            EcsCall::UpdateService(Box::new(Update {
                site: wanted.site.clone(),
                definition: definition.to_owned(),
                settings: wanted.settings.clone(),
                told,
                force,
                rollout: wanted.rollout,
                from: from.unwrap_or_default(),
                known: service.deployments.iter().map(|deployment| deployment.id.clone()).collect(),
            })),
        )
    }

    fn look_at_tasks(&self, wanted: &Wanted, giving_up: Option<String>) -> Next<EcsCall> {
        let (serves, checked) = (wanted.serves.clone(), wanted.checked.clone());
        self.look(vec![find_tasks(&wanted.site, serves, checked, giving_up)])
    }

    /// Asks for the platform's words; what comes back ends the method.
    fn give_up(&self, wanted: &Wanted, why: String) -> Next<EcsCall> {
        self.look_at_tasks(wanted, Some(why))
    }

    /// A deployment that goes on.
    fn rollout(&self, wanted: &Wanted, service: &Service, primary: &Deployment) -> Next<EcsCall> {
        let age = self.age(self.since(primary));
        // The failures of an older deployment are from before it was asked for more.
        let is_new = self.since(primary) == primary.created;
        let failed = if is_new { usize::try_from(primary.failed_tasks).unwrap_or(usize::MAX) } else { 0 };
        match (failed >= FAILURES, age >= timeout(wanted)) {
            (true, true | false) => self.give_up(wanted, format!("{failed} of its tasks failed")),
            (false, true) => self.give_up(wanted, too_long(wanted, service)),
            (false, false) => match self.facts.seen.failing.as_ref().filter(|it| it.is_of(primary)) {
                // What failed is asked once for each number of failures.
                None if primary.failed_tasks > 0 => self.look_at_tasks(wanted, None),
                failing @ (Some(_) | None) => {
                    let told = figures::rollout(service, primary, failed, failing);
                    self.wait(poll(age), "the rollout completes", Some(told))
                }
            },
        }
    }

    /// A deployment that ECS calls complete, until its tasks show that it is, or it is to be tried again.
    fn tasks(
        &self,
        wanted: &Wanted,
        service: &Service,
        primary: &Deployment,
        again: impl FnOnce() -> Option<Next<EcsCall>>,
    ) -> Option<Next<EcsCall>> {
        let Some(found) = &self.facts.seen.tasks else {
            return Some(self.look_at_tasks(wanted, None));
        };
        let failures = match &self.facts.rollout {
            Some(_) => tasks::failures(found, &primary.definition, self.since(primary)),
            None => Vec::new(),
        };
        let short = self.age(self.facts.short_since);
        if self.facts.steady.as_ref().is_some_and(|steady| steady.is_proven(self.now)) {
            return None;
        }
        again().or_else(|| match &self.facts.steady {
            Some(_) | None if failures.len() >= FAILURES => {
                Some(self.give_up(wanted, format!("{} of its tasks failed", failures.len())))
            }
            Some(_) | None if short >= timeout(wanted) => {
                Some(self.give_up(wanted, too_long(wanted, service)))
            }
            Some(_) | None => {
                let told = figures::tasks(service, primary, found, &failures, &wanted.checked);
                let why = match self.facts.steady {
                    Some(_) => "its tasks have run for a while",
                    None => "its tasks run",
                };
                Some(self.wait(poll(short), why, Some(told)))
            }
        })
    }

    /// Since when the deployment works on what was asked for last.
    fn since(&self, primary: &Deployment) -> Option<Timestamp> {
        tasks::since(primary, self.facts.rollout.as_ref())
    }

    fn age(&self, since: Option<Timestamp>) -> SignedDuration {
        since.map_or(SignedDuration::ZERO, |since| self.now.duration_since(since).max(SignedDuration::ZERO))
    }
}

/// How long to the next look at something of this age: soon at first, then less and less often.
fn poll(age: SignedDuration) -> SignedDuration {
    match age.as_secs() {
        ..30 => SignedDuration::from_secs(3),
        30..120 => SignedDuration::from_secs(5),
        120.. => SignedDuration::from_secs(10),
    }
}

fn timeout(wanted: &Wanted) -> SignedDuration {
    SignedDuration::from_secs(wanted.deployment_timeout_seconds.into())
}

fn too_long(wanted: &Wanted, service: &Service) -> String {
    let event = service.event.as_ref().map(|event| format!(": {event}")).unwrap_or_default();
    format!("its tasks do not run after {} s{event}", wanted.deployment_timeout_seconds)
}

fn failed(by: Means, subject: &Subject, why: &str) -> ProviderError {
    let kind = match by {
        Means::Provision | Means::Repair => ErrorKind::ProvisionFailed,
        Means::Update => ErrorKind::UpdateFailed,
    };
    let message = format!(
        "ECS did not get tenant {} to run: {why}; look at the image, its command, its health check and its log",
        subject.tenant
    );
    ProviderError::new(kind, Remedy::Permanent, ErrorCode::UnknownError, message).with_platform(why)
}
