//! How facts change: before a write, by an answer, and with time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::call::{
    DefinitionStatus, EcsCall, EcsReply, FoundDefinition, Rollout, Service, Setting, Settings, Task, Update,
};
use super::facts::{
    EcsFacts, Held, LATE, Look, MOMENT, Pending, Restart, Revision, Stage, Steady, VISIBLE, Watched,
    Whereabouts, Whose, Write, after,
};
use super::figures::Failing;
use super::site::Site;
use super::{tags, tasks};
use crate::error::ProviderError;
use crate::planner::{CallError, Subject};

/// Notes what a write is about to do. Noting it twice in a moment is the same as once.
pub(super) fn intend(facts: &mut EcsFacts, call: &EcsCall, now: Timestamp) {
    let Some(write) = Write::of(call) else { return };
    match facts.pending.iter_mut().find(|pending| pending.write == write) {
        Some(pending) if now < after(pending.since, MOMENT) => {}
        Some(pending) => pending.since = now,
        None => facts.pending.push(Pending { write, since: now }),
    }
    match call {
        EcsCall::RegisterDefinition(register) => facts.at = Whereabouts::At(register.site.clone()),
        EcsCall::CreateService(create) => {
            facts.at = Whereabouts::At(create.site.clone());
            if facts.service == Held::None {
                facts.service = Held::Asked;
            }
            facts.labels.extend(create.tags.keys().cloned());
            facts.rolled = create.rollout;
            facts.restart = None;
            facts.counting = None;
            ask(facts, &create.definition, &create.settings, now);
        }
        EcsCall::UpdateService(update) => {
            roll(facts, update);
            if update.told.contains(&Setting::Count) {
                facts.counting = Some(update.settings.desired_count.first());
            }
            ask(facts, &update.definition, &update.settings, now);
        }
        EcsCall::TagService { tags, .. } => facts.labels.extend(tags.keys().cloned()),
        // What is removed has shown that the cluster is gone, and not looked for at the wrong place.
        EcsCall::DeregisterDefinition { .. } | EcsCall::DeleteDefinitions { .. }
            if matches!(facts.seen.service, Look::NoCluster(_)) =>
        {
            facts.service = Held::None;
        }
        EcsCall::Locate(_)
        | EcsCall::DescribeService { .. }
        | EcsCall::ListDefinitions(..)
        | EcsCall::DescribeDefinition { .. }
        | EcsCall::FindTasks { .. }
        | EcsCall::UntagService { .. }
        | EcsCall::TagDefinition { .. }
        | EcsCall::UntagDefinition { .. }
        | EcsCall::StopDeployment { .. }
        | EcsCall::DeleteService(_)
        | EcsCall::DeregisterDefinition { .. }
        | EcsCall::DeleteDefinitions { .. } => {}
    }
}

/// From now on a deployment of this rollout is expected. Until it shows, and where ECS goes back from it, the rollout is
/// the one before.
fn roll(facts: &mut EcsFacts, update: &Update) {
    let to = update.rollout;
    if update.from != to {
        facts.rolled = update.from;
    }
    facts.restart =
        (facts.rolled != to).then(|| Restart { to, known: update.known.clone(), deployment: None });
}

/// From now on the deployment of this definition is watched.
fn ask(facts: &mut EcsFacts, definition: &str, settings: &Settings, now: Timestamp) {
    facts.settings = Some(settings.clone());
    match &facts.rollout {
        Some(Watched { definition: of, stage: Stage::Asked, since: _ }) if of == definition => {}
        Some(_) | None => {
            let (definition, since) = (definition.to_owned(), now);
            facts.rollout = Some(Watched { definition, since, stage: Stage::Asked });
            facts.steady = None;
            facts.short_since = None;
        }
    }
}

/// Takes in what came back.
pub(super) fn learn(
    facts: &mut EcsFacts,
    call: &EcsCall,
    reply: Result<EcsReply, CallError>,
    now: Timestamp,
) {
    let write = Write::of(call);
    match (reply, write) {
        (Ok(reply), None) => {
            // It was asked before the write, and the answer came late.
            if facts.seen.wrote.is_some_and(|at| now < after(at, VISIBLE)) {
                return;
            }
            facts.seen.troubles = 0;
            close_what_cannot_happen_any_more(facts, now);
            saw(facts, call, reply, now);
        }
        (Ok(reply), Some(write)) => {
            ended(facts, &write, now);
            facts.trouble = None;
            facts.seen.troubles = 0;
            did(facts, call, reply, now);
        }
        // ECS cannot stop it, or may not be asked to: the update that follows takes its place.
        (Err(CallError::Refused(error)), Some(Write::Stop)) if error.retry_after.is_none() => {
            ended(facts, &Write::Stop, now);
            did(facts, call, EcsReply::Stopped, now);
        }
        (Err(CallError::Refused(error)), Some(write)) => {
            ended(facts, &write, now);
            forget_what_it_changed(facts, &write);
            trouble(facts, error);
        }
        (Err(CallError::Unknown(error)), Some(write)) => {
            forget_what_it_changed(facts, &write);
            facts.pending.retain(|pending| pending.write != write);
            facts.pending.push(Pending { write, since: now });
            trouble(facts, error);
        }
        (Err(CallError::Refused(error) | CallError::Unknown(error)), None) => trouble(facts, error),
    }
}

fn trouble(facts: &mut EcsFacts, error: ProviderError) {
    facts.seen.troubles = facts.seen.troubles.saturating_add(1);
    facts.trouble = Some(error);
}

/// What was seen may have changed: look again. Ids, intents and hashes stay.
pub(super) fn stale(facts: &mut EcsFacts) {
    facts.trouble = None;
    facts.seen.service = Look::NotYet;
    facts.seen.tasks = None;
    match &mut facts.at {
        at @ Whereabouts::Nowhere => *at = Whereabouts::Unknown,
        Whereabouts::Unknown | Whereabouts::At(_) => {}
    }
    if let Some(Watched { stage: Stage::GivenUp { told, .. }, .. }) = &mut facts.rollout {
        *told = true;
    }
}

/// The end of a write is known.
fn ended(facts: &mut EcsFacts, write: &Write, now: Timestamp) {
    facts.pending.retain(|pending| pending.write != *write);
    facts.wrote_at = Some(now);
    facts.seen.wrote = Some(now);
}

fn forget_what_it_changed(facts: &mut EcsFacts, write: &Write) {
    forget_tags(facts, write);
    match write.is_of_definitions() {
        true => facts.listed.clear(),
        false => facts.seen.service = Look::NotYet,
    }
}

/// What was intended long ago has happened by now, or never will. Which definitions there are, a list shows.
fn close_what_cannot_happen_any_more(facts: &mut EcsFacts, now: Timestamp) {
    let is_open = |pending: &Pending| now < after(pending.since, LATE);
    if facts.pending.iter().any(|pending| !is_open(pending) && pending.write.is_of_definitions()) {
        facts.listed.clear();
    }
    let closed: Vec<Pending> = facts.pending.extract_if(.., |pending| !is_open(pending)).collect();
    closed.iter().for_each(|pending| forget_tags(facts, &pending.write));
}

/// What a definition is tagged with is not known after a write of unknown outcome: it is described again.
fn forget_tags(facts: &mut EcsFacts, write: &Write) {
    let Write::TagDefinition(arn) = write else { return };
    if let Some(revision) = facts.revisions.get_mut(arn) {
        *revision = Revision { status: revision.status, whose: None, content: None, labels: None };
    }
}

/// Takes in what a look shows.
fn saw(facts: &mut EcsFacts, call: &EcsCall, reply: EcsReply, now: Timestamp) {
    match (call, reply) {
        (EcsCall::Locate(_), EcsReply::Located(None)) => facts.at = Whereabouts::Nowhere,
        (EcsCall::Locate(_), EcsReply::Located(Some(site))) => go_to(facts, &site),
        (EcsCall::DescribeService { site, subject }, EcsReply::Service(found)) => {
            go_to(facts, site);
            service(facts, found, subject, now);
        }
        (EcsCall::DescribeService { site, .. }, EcsReply::NoCluster(error)) => {
            go_to(facts, site);
            facts.seen.service = Look::NoCluster(error);
            facts.seen.tasks = None;
        }
        (EcsCall::ListDefinitions(site, _), EcsReply::Definitions(status, arns)) => {
            go_to(facts, site);
            listed(facts, status, &arns, now);
        }
        (EcsCall::DescribeDefinition { definition, subject, .. }, EcsReply::Definition(found)) => {
            described(facts, definition, found, subject);
        }
        (EcsCall::FindTasks { serves, checked, giving_up, .. }, EcsReply::Tasks(found)) => {
            facts.serves.clone_from(serves);
            facts.checked.clone_from(checked);
            facts.endpoints = tasks::endpoints(serves, &found);
            look_after(facts, &found, giving_up.as_deref(), now);
            facts.seen.tasks = Some(found);
        }
        // An answer to something else: nothing is learned from it.
        (_, _) => {}
    }
}

/// Takes in what a write did.
fn did(facts: &mut EcsFacts, call: &EcsCall, reply: EcsReply, now: Timestamp) {
    match (call, reply) {
        (EcsCall::RegisterDefinition(register), EcsReply::Registered(arn)) => {
            let tag = |key| register.tags.get(key).map_or("", String::as_str);
            let whose = match tags::owner(&register.tags, tag(tags::ENGINE), tag(tags::PROVIDER)) {
                Some((_, incarnation)) => Whose::Its(incarnation),
                None => Whose::Strangers,
            };
            let content = Some(register.content.clone());
            let labels = labels(facts, &register.tags);
            let made = Revision { status: DefinitionStatus::Active, whose: Some(whose), content, labels };
            facts.revisions.insert(arn, made);
            facts.registered_at = Some(now);
        }
        (EcsCall::CreateService(create), EcsReply::Service(made)) => {
            facts.seen.asked = Some(create.settings.clone());
            facts.creations = facts.creations.saturating_add(1);
            facts.service = Held::None;
            let made = made.map(|made| Box::new(Service { tags: create.tags.clone(), ..*made }));
            its_service(facts, made, now);
            // An answer without a service is that of an earlier create: the next look shows the service.
            if facts.seen.service == Look::None {
                facts.seen.service = Look::NotYet;
            }
        }
        (EcsCall::UpdateService(update), EcsReply::Service(changed)) => {
            facts.seen.asked = Some(update.settings.clone());
            facts.counting = None;
            let changed = with_known_tags(facts, changed);
            its_service(facts, changed, now);
        }
        (EcsCall::DeleteService(_), EcsReply::Service(left)) => {
            let left = with_known_tags(facts, left);
            its_service(facts, left, now);
        }
        (EcsCall::TagService { tags, .. }, EcsReply::Tagged) => {
            if let Look::Is(service) = &mut facts.seen.service {
                service.tags.extend(tags.clone());
            }
        }
        (EcsCall::UntagService { keys, .. }, EcsReply::Tagged) => {
            facts.labels.retain(|key| !keys.contains(key));
            if let Look::Is(service) = &mut facts.seen.service {
                service.tags.retain(|key, _| !keys.contains(key));
            }
        }
        (EcsCall::TagDefinition { arn, content, labels, .. }, EcsReply::Tagged) => {
            if let Some(revision) = facts.revisions.get_mut(arn) {
                revision.content = Some(content.clone());
                revision.labels = Some(labels.clone());
            }
        }
        (EcsCall::UntagDefinition { arn, labels, .. }, EcsReply::Tagged) => {
            if let Some(revision) = facts.revisions.get_mut(arn) {
                revision.labels = Some(labels.clone());
            }
        }
        (EcsCall::StopDeployment { deployment, .. }, EcsReply::Stopped) => {
            facts.stopped = Some(deployment.clone());
            facts.seen.service = Look::NotYet;
        }
        (EcsCall::DeregisterDefinition { .. }, EcsReply::Deregistered(arn)) => {
            if let Some(revision) = facts.revisions.get_mut(&arn) {
                revision.status = DefinitionStatus::Inactive;
            }
        }
        (EcsCall::DeleteDefinitions { .. }, EcsReply::Deleted(arns)) => {
            facts.revisions.retain(|arn, _| !arns.contains(arn));
        }
        // An answer to something else: nothing is learned from it.
        (_, _) => {}
    }
}

/// The answer to an update or a deletion has no tags.
fn with_known_tags(facts: &EcsFacts, service: Option<Box<Service>>) -> Option<Box<Service>> {
    let tags = match &facts.seen.service {
        Look::Is(before) => before.tags.clone(),
        Look::NotYet | Look::None | Look::NoCluster(_) => BTreeMap::new(),
    };
    service.map(|service| Box::new(Service { tags, ..*service }))
}

/// The tenant is at this site. What was known of another one, where nothing is left, is forgotten.
fn go_to(facts: &mut EcsFacts, site: &Site) {
    let stays = match &facts.at {
        Whereabouts::At(before) => before.is_same(site),
        Whereabouts::Unknown | Whereabouts::Nowhere => false,
    };
    facts.at = Whereabouts::At(site.clone());
    if !stays {
        facts.listed.clear();
        facts.revisions.clear();
    }
}

fn service(facts: &mut EcsFacts, found: Option<Box<Service>>, subject: &Subject, now: Timestamp) {
    match found {
        Some(found) if !Whose::of(&found.tags, subject).is_its() => {
            facts.service = Held::None;
            facts.seen.service = Look::Is(found);
        }
        found @ (Some(_) | None) => its_service(facts, found, now),
    }
}

/// The tenant's service is as it is shown here.
fn its_service(facts: &mut EcsFacts, shown: Option<Box<Service>>, now: Timestamp) {
    match (&shown, &facts.seen.service) {
        // Its tasks were looked at since.
        (Some(shown), Look::Is(before)) if shown == before => {}
        (Some(_) | None, Look::NotYet | Look::None | Look::NoCluster(_) | Look::Is(_)) => {
            facts.seen.tasks = None;
        }
    }
    let Some(shown) = shown else {
        facts.service = Held::None;
        facts.seen.service = Look::None;
        facts.rollout = None;
        facts.restart = None;
        facts.counting = None;
        facts.short_since = None;
        facts.steady = None;
        facts.endpoints.clear();
        return;
    };
    facts.counting.take_if(|told| *told == shown.shown.desired_count);
    match facts.service {
        // It was made, although no answer said so.
        Held::Asked => facts.creations = facts.creations.saturating_add(1),
        Held::None | Held::There(_) => {}
    }
    facts.service = Held::There(shown.arn.clone());
    if let Some(primary) = shown.primary() {
        if let Some(Restart { known, deployment: deployment @ None, to: _ }) = &mut facts.restart {
            *deployment = new(&shown, known);
        }
        let ours = match &facts.restart {
            Some(Restart { deployment, .. }) => deployment.as_ref(),
            None => Some(&primary.id),
        };
        if let Some(Watched { definition, stage, since: _ }) = &mut facts.rollout
            && *stage == Stage::Asked
            && let Some(deployment) = ours
            && is(&primary.definition, definition)
        {
            *stage = Stage::Going { deployment: deployment.clone() };
        }
        facts.short_since = match primary.rollout {
            Rollout::Completed if shown.running < shown.shown.desired_count => {
                Some(facts.short_since.unwrap_or(now))
            }
            Rollout::Completed | Rollout::InProgress | Rollout::Failed(_) => None,
        };
    }
    facts.seen.service = Look::Is(shown);
}

/// The deployment that is not among these. Where one of several has failed, ECS made the others to go back from it. Where
/// the failed one is no longer listed, the one to which ECS went back is taken for it: nothing tells them apart.
fn new(service: &Service, known: &BTreeSet<String>) -> Option<String> {
    let new = || service.deployments.iter().filter(|deployment| !known.contains(&deployment.id));
    let failed = new().find(|deployment| matches!(deployment.rollout, Rollout::Failed(_)));
    failed.or_else(|| new().find(|deployment| deployment.primary)).map(|deployment| deployment.id.clone())
}

fn listed(facts: &mut EcsFacts, status: DefinitionStatus, arns: &BTreeSet<String>, now: Timestamp) {
    facts.listed.insert(status, now);
    facts.revisions.retain(|arn, revision| revision.status != status || arns.contains(arn));
    for arn in arns {
        let unknown = || Revision { status, whose: None, content: None, labels: None };
        facts.revisions.entry(arn.clone()).or_insert_with(unknown).status = status;
    }
}

fn described(facts: &mut EcsFacts, asked: &str, found: Option<FoundDefinition>, subject: &Subject) {
    let Some(FoundDefinition { arn, status, tags }) = found else {
        facts.revisions.remove(asked);
        return;
    };
    let whose = Some(Whose::of(&tags, subject));
    let content = tags.get(super::tags::CONTENT).cloned();
    let labels = labels(facts, &tags);
    facts.revisions.insert(arn, Revision { status, whose, content, labels });
}

/// The caller's tags of a revision, where it or the service ever had one.
fn labels(facts: &EcsFacts, of_revision: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let labels = tags::callers(of_revision);
    let had = facts.labels.iter().any(|key| tags::is_callers(key));
    (had || !labels.is_empty()).then_some(labels)
}

/// Takes in what the tasks say about the deployment.
fn look_after(facts: &mut EcsFacts, found: &[Task], giving_up: Option<&str>, now: Timestamp) {
    let Look::Is(service) = &facts.seen.service else { return };
    let Some(primary) = service.primary() else { return };
    let failures = match &facts.rollout {
        Some(Watched { definition, .. }) => {
            let since = match is(&primary.definition, definition) {
                true => tasks::since(primary, facts.rollout.as_ref()),
                false => None,
            };
            tasks::failures(found, definition, since)
        }
        None => Vec::new(),
    };
    if let Some(why) = giving_up {
        let why = tasks::words(why, &failures, found);
        let (definition, since) = match &facts.rollout {
            Some(watched) => (watched.definition.clone(), watched.since),
            None => (primary.definition.clone(), now),
        };
        facts.rollout = Some(Watched { definition, since, stage: Stage::GivenUp { why, told: false } });
        facts.steady = None;
        return;
    }
    let since = tasks::since(primary, facts.rollout.as_ref());
    let failed = tasks::failures(found, &primary.definition, since);
    facts.seen.failing = Some(Failing::of(primary, &failed, found));
    // Failures of another definition say nothing about this one.
    let failures = match &facts.rollout {
        Some(watched) if !is(&primary.definition, &watched.definition) => Vec::new(),
        Some(_) | None => failures,
    };
    let enough = primary.rollout == Rollout::Completed
        && tasks::serving(found, &primary.definition, &facts.checked) >= service.shown.desired_count;
    facts.steady = match (enough, facts.steady.take()) {
        (false, Some(_) | None) => None,
        (true, Some(steady)) if steady.failures == failures.len() => Some(steady),
        (true, Some(_) | None) => Some(Steady { since: now, failures: failures.len() }),
    };
    if facts.steady.as_ref().is_some_and(|steady| steady.is_proven(now)) {
        if primary.rollout == Rollout::Completed {
            facts.rolled = facts.rolled_by(&primary.id);
            facts.restart = None;
        }
        facts.rollout = None;
        facts.short_since = None;
    }
}

/// Whether an ARN is that of a definition that is named by its ARN or as `family:revision`.
pub(super) fn is(arn: &str, named: &str) -> bool {
    short_name(arn) == short_name(named)
}

/// The `family:revision` that an ARN ends with; one that is named so already is itself.
pub(super) fn short_name(definition: &str) -> &str {
    definition.rsplit_once("task-definition/").map_or(definition, |(_, name)| name)
}
