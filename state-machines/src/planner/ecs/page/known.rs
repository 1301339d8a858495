//! What may be known of a tenant, for the page.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::super::call::{
    Count, DefinitionStatus, Deployment, EcsCall, EcsReply, Launch, Rollout, Service, Settings, Shown, Task,
    TaskContainer, TaskHealth, TaskLife,
};
use super::super::facts::{
    EcsFacts, Held, Look, Pending, Revision, Stage, Steady, Watched, Whereabouts, Whose, Write,
};
use super::super::wanted::{Source, Wanted};
use super::super::{EcsPlanner, tags};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::id::{Incarnation, ProviderName, TenantId};
use crate::planner::{Planner, Subject};
use crate::spec::{ContainerSpec, NetworkConfig, ResourceRequirements, Spec, TenantComputeSpec};

pub(super) const NOW: Timestamp = Timestamp::UNIX_EPOCH;
pub(super) const OURS: &str = "arn:aws:ecs:eu-west-1:1:task-definition/landlord-acme:2";
pub(super) const OTHER: &str = "arn:aws:ecs:eu-west-1:1:task-definition/landlord-acme:1";
pub(super) const ANEW: &str = "arn:aws:ecs:eu-west-1:1:task-definition/landlord-acme:3";
const SERVICE: &str = "arn:aws:ecs:eu-west-1:1:service/default/landlord-acme";

pub(super) fn configurations() -> Vec<(String, EcsFacts)> {
    let refused =
        ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Retry, ErrorCode::ProviderUnavailable, "why");
    let ago = |seconds| NOW - SignedDuration::from_secs(seconds);
    let failed = || Rollout::Failed("why".to_owned());
    let mut all: Vec<(String, EcsFacts)> = Vec::new();
    let mut add = |name: &str, facts: EcsFacts| all.push((name.to_owned(), facts));
    let nothing = EcsFacts { revisions: BTreeMap::new(), ..nothing() };

    add("nothing", EcsFacts::default());
    add("a search found nothing", EcsFacts { at: Whereabouts::Nowhere, ..EcsFacts::default() });
    add("where it is, not looked yet", not_looked());
    let troubled = |error: &ProviderError, troubles| {
        let mut facts = EcsFacts { trouble: Some(error.clone()), ..nothing.clone() };
        facts.seen.troubles = troubles;
        facts
    };
    add("a call failed, may be tried again", troubled(&refused, 1));
    add("the fourth in a row", troubled(&refused, 4));
    add("the fifth in a row", troubled(&refused, 5));
    let pause = std::time::Duration::from_secs(7);
    add("throttled, the hundredth time in a row", troubled(&refused.clone().with_retry_after(pause), 100));
    add(
        "a call failed for good",
        troubled(&ProviderError { remedy: Remedy::Permanent, ..refused.clone() }, 1),
    );
    add("wrote just now, not looked yet", EcsFacts { wrote_at: Some(NOW), ..not_looked() });
    let pending = |since| vec![Pending { write: Write::Create, since }];
    add("a create without an answer just now", EcsFacts { pending: pending(NOW), ..not_looked() });
    add("a create without an answer 20 s ago", EcsFacts { pending: pending(ago(20)), ..not_looked() });
    add("no service, revisions not listed", EcsFacts { listed: BTreeMap::new(), ..nothing.clone() });
    add("no service, no revision", nothing.clone());
    add("no service, a revision not described", with(&nothing, OURS, DefinitionStatus::Active, None));
    add("no service, the wanted revision", with_own(&nothing, OURS, DefinitionStatus::Active));
    add("no service, another revision", with_own(&nothing, OTHER, DefinitionStatus::Active));
    add("no service, another revision, deregistered", with_own(&nothing, OTHER, DefinitionStatus::Inactive));
    let strangers = Some(Whose::Strangers);
    add("no service, a stranger's revision", with(&nothing, OTHER, DefinitionStatus::Active, strangers));

    add("a stranger's service", owned_by(|tags| tags.clear()));
    add(
        "another tenant's service",
        owned_by(|tags| drop(tags.insert(tags::TENANT.to_owned(), "beta".to_owned()))),
    );
    add(
        "the service of an older life",
        owned_by(|tags| drop(tags.insert(tags::INCARNATION.to_owned(), "0".to_owned()))),
    );
    let no_cluster = |mut facts: EcsFacts| {
        let code = ErrorCode::ResourceNotFound;
        let error =
            ProviderError::new(ErrorKind::ProvisionFailed, Remedy::NeedsPerson, code, "no such cluster");
        facts.seen.service = Look::NoCluster(error);
        facts
    };
    add("there is no such cluster, a revision is", no_cluster(runs(OURS, Rollout::Completed, 1)));
    let alone = EcsFacts { revisions: BTreeMap::new(), ..runs(OURS, Rollout::Completed, 1) };
    add("there is no such cluster, and no revision", no_cluster(alone.clone()));
    let removed = EcsFacts { service: Held::None, ..alone };
    add("the same, the last revision was removed", no_cluster(removed));
    add("another region's service", EcsFacts { at: elsewhere(), ..runs(OURS, Rollout::Completed, 1) });
    add("drains", change(runs(OURS, Rollout::Completed, 1), |service| service.draining = true));

    for (whose, arn) in [("wanted", OURS), ("another", OTHER)] {
        add(&format!("{whose}, in progress"), runs(arn, Rollout::InProgress, 0));
        add(&format!("{whose}, completed"), runs(arn, Rollout::Completed, 1));
        add(&format!("{whose}, failed"), runs(arn, failed(), 0));
    }
    let current = |service: &mut Service| service.current_deployment = Some("current".to_owned());
    let going = || {
        let stage = Stage::Going { deployment: "other".to_owned() };
        let rollout = Some(Watched { definition: OTHER.to_owned(), since: NOW, stage });
        EcsFacts { rollout, ..change(runs(OTHER, Rollout::InProgress, 0), current) }
    };
    add("another, in progress, that we asked for", going());
    add("the same, told to stop", EcsFacts { stopped: Some("current".to_owned()), ..going() });
    add(
        "another, in progress, that we did not ask for",
        change(runs(OTHER, Rollout::InProgress, 0), current),
    );
    let old = |age| {
        move |service: &mut Service| {
            service.deployments[0].created = Some(NOW - SignedDuration::from_secs(age))
        }
    };
    add("wanted, in progress for 1 min", change(runs(OURS, Rollout::InProgress, 0), old(60)));
    add("wanted, in progress for 20 min", change(runs(OURS, Rollout::InProgress, 0), old(1200)));
    let failed_once = |service: &mut Service| service.deployments[0].failed_tasks = 1;
    let failing = || change(runs(OURS, Rollout::InProgress, 0), failed_once);
    add("wanted, in progress, 1 task failed", failing());
    let unpulled = || {
        let code = Some("TaskFailedToStart".to_owned());
        task(TaskLife::Stopped { code, reason: "CannotPullContainerError: no such image".to_owned() })
    };
    add("the same, its tasks were looked at", looked_at(failing(), vec![unpulled()]));
    let another = |service: &mut Service| service.deployments[0].failed_tasks = 2;
    add("the same, another one failed", change(looked_at(failing(), vec![unpulled()]), another));
    let unplaced = |service: &mut Service| {
        service.deployments[0].pending = 1;
        service.event = Some("was unable to place a task".to_owned());
    };
    add("wanted, in progress, no place for its task", change(runs(OURS, Rollout::InProgress, 0), unplaced));
    let failing = |service: &mut Service| service.deployments[0].failed_tasks = 3;
    add("wanted, in progress, 3 tasks failed", change(runs(OURS, Rollout::InProgress, 0), failing));

    let watched = |arn: &str, rollout: Rollout, stage: Stage| EcsFacts {
        rollout: Some(Watched { definition: OURS.to_owned(), since: NOW, stage }),
        wrote_at: Some(ago(60)),
        ..runs(arn, rollout, 0)
    };
    let going = || Stage::Going { deployment: "ours".to_owned() };
    let given_up = |told| Stage::GivenUp { why: "why".to_owned(), told };
    add("ours went on, another is primary", watched(OTHER, Rollout::InProgress, going()));
    let just_now = EcsFacts { wrote_at: Some(NOW), ..watched(OTHER, Rollout::InProgress, going()) };
    add("ours went on just now, another is primary", just_now);
    add("ours was given up", watched(OURS, failed(), given_up(false)));
    add("ours was given up, told, failed", watched(OURS, failed(), given_up(true)));
    add("ours was given up, told, in progress", watched(OURS, Rollout::InProgress, given_up(true)));
    add("ours was given up, told, another is primary", watched(OTHER, Rollout::Completed, given_up(true)));

    let crashed = || {
        task(TaskLife::Stopped {
            code: Some("EssentialContainerExited".to_owned()),
            reason: "Essential container in task exited".to_owned(),
        })
    };
    let looked = |tasks: Vec<Task>, steady: Option<Steady>| {
        let mut facts = runs(OURS, Rollout::Completed, 1);
        facts.seen.tasks = Some(tasks);
        facts.steady = steady;
        facts
    };
    let steady = |since, failures| Some(Steady { since, failures });
    add("wanted, completed, its task runs", looked(vec![task(TaskLife::Running)], steady(NOW, 0)));
    add(
        "wanted, completed, its task runs after one failed",
        looked(vec![task(TaskLife::Running)], steady(NOW, 1)),
    );
    add("the same 15 s ago", looked(vec![task(TaskLife::Running)], steady(ago(15), 1)));
    let ours = Some(Watched { definition: OURS.to_owned(), since: NOW, stage: going() });
    let completed = EcsFacts { rollout: ours, ..runs(OURS, Rollout::Completed, 1) };
    let after_one = looked_at(completed, vec![crashed(), task(TaskLife::Running)]);
    add("the same, of a deployment of ours", after_one);
    add("wanted, completed, no task runs", looked(Vec::new(), None));
    add("the same for 20 min", EcsFacts { short_since: Some(ago(1200)), ..looked(Vec::new(), None) });
    let mut three = looked(vec![crashed(), crashed(), crashed()], None);
    three.rollout = Some(Watched { definition: OURS.to_owned(), since: NOW, stage: going() });
    add("wanted, completed, 3 tasks of it crashed", three);

    let done = || looked(vec![task(TaskLife::Running)], steady(NOW, 0));
    let two = with_own(&done(), OTHER, DefinitionStatus::Active);
    add("it runs, another revision is left", two);
    add("it runs, another revision is deregistered", with_own(&done(), OTHER, DefinitionStatus::Inactive));
    add("it runs, registered since the list", EcsFacts { registered_at: Some(NOW), ..done() });
    let count = |service: &mut Service| service.shown.desired_count = 2;
    add("it runs, with another number of tasks, and ECS was told nobody knows what", change(done(), count));
    let told = |count| {
        let settings = Settings { desired_count: Count::Of(count), ..wanted().settings };
        EcsFacts { settings: Some(settings), ..done() }
    };
    add("it runs, ECS was told 1 task, and somebody scaled it to 2", change(told(1), count));
    add("it runs, ECS was told 2 tasks", change(told(2), count));
    let none = |service: &mut Service| service.shown.desired_count = 0;
    add("it runs, ECS was told 1 task, and somebody scaled it to none", change(told(1), none));
    let unheard = |told: EcsFacts| EcsFacts { counting: Some(1), ..told };
    add("it runs, with 1 task, of which ECS was told without an answer", unheard(told(1)));
    add("it runs, with 2 tasks, and ECS was told 1 without an answer", change(unheard(told(1)), count));
    let label = |service: &mut Service| drop(service.tags.insert("team".to_owned(), "a".to_owned()));
    add(
        "it runs, with a label too many",
        EcsFacts { labels: BTreeSet::from(["team".to_owned()]), ..change(done(), label) },
    );
    add("it runs, with a tag of somebody's", change(done(), label));
    let bare = |service: &mut Service| drop(service.tags.remove(tags::SPEC));
    add("it runs, made from another spec", change(done(), bare));
    all
}

pub(super) fn subject() -> Subject {
    let tenant = TenantId::new("acme").unwrap();
    Subject {
        engine: "engine".into(),
        provider: ProviderName::new("ecs").unwrap(),
        tenant,
        incarnation: Incarnation(1),
    }
}

pub(super) fn spec(image: &str) -> Spec {
    let web = ContainerSpec { name: "web".to_owned(), image: image.to_owned(), ..ContainerSpec::default() };
    TenantComputeSpec {
        tenant_id: "acme".to_owned(),
        provider_type: "ecs".to_owned(),
        containers: vec![web],
        resources: ResourceRequirements { cpu: 250, memory: 512, ..ResourceRequirements::default() },
        networking: NetworkConfig { subnets: vec!["subnet-1234abcd".to_owned()], ..NetworkConfig::default() },
        provider_config: Some(json!({ "region": "eu-west-1" })),
        ..TenantComputeSpec::default()
    }
    .check()
    .unwrap()
}

pub(super) fn wanted() -> Wanted {
    Wanted::of(&subject(), &spec("web:2")).unwrap()
}

pub(super) fn content(wanted: &Wanted) -> String {
    match &wanted.source {
        Source::Own { content, .. } => content.clone(),
        Source::Existing(named) => panic!("{named} is not the tenant's own"),
    }
}

fn not_looked() -> EcsFacts {
    let listed = [DefinitionStatus::Active, DefinitionStatus::Inactive].map(|status| (status, NOW));
    EcsFacts { at: Whereabouts::At(wanted().site), listed: listed.into(), ..EcsFacts::default() }
}

fn nothing() -> EcsFacts {
    let mut facts = not_looked();
    facts.seen.service = Look::None;
    facts
}

fn with(facts: &EcsFacts, arn: &str, status: DefinitionStatus, whose: Option<Whose>) -> EcsFacts {
    let content = if arn == OURS { content(&wanted()) } else { "other".to_owned() };
    let mut facts = facts.clone();
    let revision = Revision { status, whose, content: Some(content), labels: None };
    facts.revisions.insert(arn.to_owned(), revision);
    facts
}

fn with_own(facts: &EcsFacts, arn: &str, status: DefinitionStatus) -> EcsFacts {
    with(facts, arn, status, Some(Whose::Its(Incarnation(1))))
}

/// A service that runs this revision; the wanted one is registered.
pub(super) fn runs(arn: &str, rollout: Rollout, running: u32) -> EcsFacts {
    let mut facts = with_own(&nothing(), OURS, DefinitionStatus::Active);
    facts.service = Held::There(SERVICE.to_owned());
    facts.seen.service = Look::Is(Box::new(service(arn, rollout, running)));
    facts
}

pub(super) fn service(arn: &str, rollout: Rollout, running: u32) -> Service {
    let wanted = wanted();
    let Settings { desired_count, launch, network, .. } = wanted.settings;
    let Launch::Type(_) = &launch else { panic!("Fargate is a launch type") };
    Service {
        arn: SERVICE.to_owned(),
        draining: false,
        tags: wanted.tags,
        shown: Shown {
            desired_count: desired_count.first(),
            launch: Some(launch),
            network,
            ..Shown::default()
        },
        running,
        deployments: vec![Deployment {
            id: if arn == OURS { "ours" } else { "other" }.to_owned(),
            primary: true,
            definition: arn.to_owned(),
            rollout,
            running,
            pending: 0,
            failed_tasks: 0,
            created: Some(NOW),
        }],
        current_deployment: None,
        event: None,
    }
}

fn change(mut facts: EcsFacts, change: impl FnOnce(&mut Service)) -> EcsFacts {
    let Look::Is(service) = &mut facts.seen.service else { panic!("it has a service") };
    change(service);
    facts
}

/// These tasks were found, by a look at the service as it is known.
fn looked_at(mut facts: EcsFacts, found: Vec<Task>) -> EcsFacts {
    let (site, serves, checked) = (wanted().site, Vec::new(), BTreeSet::new());
    let call = EcsCall::FindTasks { site, serves, checked, giving_up: None };
    EcsPlanner::learn(&mut facts, &call, Ok(EcsReply::Tasks(found)), NOW);
    facts
}

fn owned_by(change_tags: impl FnOnce(&mut BTreeMap<String, String>)) -> EcsFacts {
    change(runs(OURS, Rollout::Completed, 1), |service| change_tags(&mut service.tags))
}

fn elsewhere() -> Whereabouts {
    let mut site = wanted().site;
    site.place.region = Some("us-east-1".to_owned());
    Whereabouts::At(site)
}

pub(super) fn task(life: TaskLife) -> Task {
    Task {
        arn: "task".to_owned(),
        definition: OURS.to_owned(),
        containers: vec![TaskContainer {
            name: "web".to_owned(),
            running: life == TaskLife::Running,
            exit_code: None,
            reason: None,
            health: TaskHealth::Unknown,
            host_ports: BTreeMap::new(),
        }],
        life,
        created: Some(NOW),
        health: TaskHealth::Unknown,
        address: None,
    }
}
