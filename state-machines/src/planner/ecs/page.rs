//! The page `ecs.md`: what the planner does, as the code has it. `UPDATE_PAGES=1 cargo test` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::call::{
    Count, DefinitionStatus, Deployment, EcsCall, EcsReply, Launch, Rollout, Service, Settings, Shown, Task,
    TaskContainer, TaskHealth, TaskLife,
};
use super::facts::{
    EcsFacts, Held, Look, Pending, Revision, Stage, Steady, Watched, Whereabouts, Whose, Write as Pended,
};
use super::wanted::{Source, Wanted};
use super::{EcsPlanner, tags};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::id::{self, Incarnation, ProviderName, TenantId};
use crate::planner::{Goal, Means, Next, Planner, Subject};
use crate::spec::{ContainerSpec, NetworkConfig, ResourceRequirements, Spec, TenantComputeSpec};

pub(super) const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const OURS: &str = "arn:aws:ecs:eu-west-1:1:task-definition/landlord-acme:2";
const OTHER: &str = "arn:aws:ecs:eu-west-1:1:task-definition/landlord-acme:1";
const ANEW: &str = "arn:aws:ecs:eu-west-1:1:task-definition/landlord-acme:3";
const SERVICE: &str = "arn:aws:ecs:eu-west-1:1:service/default/landlord-acme";

#[test]
fn the_page_says_what_the_code_does() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ecs.md");
    let page = page();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "ecs.md is not what the code does; UPDATE_PAGES=1 cargo test writes it anew");
}

fn page() -> String {
    let mut page = String::from(
        "# The ECS planner\n\n\
         Generated from `src/planner/ecs/`; a difference in this page is a difference in behaviour.\n\n\
         ## The deployment that is ours\n\n\
         What an intent, an answer, a look or a new method makes of the deployment that is watched.\n\n",
    );
    page.push_str(&diagram());
    page.push_str(
        "\n## What is done next\n\n\
         The tenant has one container, on Fargate, one task. A service runs revision *2*, which is the *wanted* \
         one, or revision *1*, which is *another*; both are the tenant's, and known. *Told* means that an earlier method \
         has failed with it.\n\n",
    );
    page.push_str(&table());
    page
}

// ---- the diagram

fn diagram() -> String {
    let mut edges: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for stage in [
        None,
        Some(Stage::Asked),
        Some(Stage::Going { deployment: "ours".to_owned() }),
        Some(Stage::GivenUp { why: "why".to_owned(), told: false }),
        Some(Stage::GivenUp { why: "why".to_owned(), told: true }),
    ] {
        let from = name(stage.as_ref());
        for (event, after) in events(stage) {
            let to = name(after.as_ref());
            if from != to {
                edges.entry((from, to)).or_default().insert(event);
            }
        }
    }
    let mut text = String::from("```mermaid\nstateDiagram-v2\n");
    for ((from, to), events) in edges {
        let events: Vec<&str> = events.into_iter().collect();
        writeln!(text, "    {from} --> {to}: {}", events.join(", ")).unwrap();
    }
    text + "```\n"
}

fn name(stage: Option<&Stage>) -> &'static str {
    match stage {
        None => "[*]",
        Some(Stage::Asked) => "Asked",
        Some(Stage::Going { .. }) => "Going",
        Some(Stage::GivenUp { told: false, .. }) => "GivenUp",
        Some(Stage::GivenUp { told: true, .. }) => "Told",
    }
}

/// Everything that can happen to the deployment, and what it is then.
fn events(stage: Option<Stage>) -> Vec<(&'static str, Option<Stage>)> {
    let wanted = wanted();
    let mut facts = runs(OURS, Rollout::InProgress, 0);
    facts.rollout = stage.map(|stage| Watched { definition: OURS.to_owned(), since: NOW, stage });
    let after = |change: &dyn Fn(&mut EcsFacts)| {
        let mut facts = facts.clone();
        change(&mut facts);
        facts.rollout.map(|watched| watched.stage)
    };
    let learned = |call: EcsCall, reply: EcsReply| {
        after(&|facts| EcsPlanner::learn(facts, &call, Ok(reply.clone()), NOW))
    };
    let seen = |service: Option<Service>| {
        let call = EcsCall::DescribeService { site: wanted.site.clone(), subject: subject() };
        learned(call, EcsReply::Service(service.map(Box::new)))
    };
    let found = |rollout: Rollout, giving_up: Option<&str>| {
        let mut facts = facts.clone();
        facts.seen.service = Look::Is(Box::new(service(OURS, rollout, 1)));
        let giving_up = giving_up.map(str::to_owned);
        let (site, serves, checked) = (wanted.site.clone(), Vec::new(), BTreeSet::new());
        let call = EcsCall::FindTasks { site, serves, checked, giving_up };
        EcsPlanner::learn(&mut facts, &call, Ok(EcsReply::Tasks(vec![task(TaskLife::Running)])), NOW);
        facts.rollout.map(|watched| watched.stage)
    };
    let update = EcsCall::UpdateService(Box::new(super::call::Update {
        site: wanted.site.clone(),
        definition: OURS.to_owned(),
        settings: wanted.settings.clone(),
        told: BTreeSet::new(),
        force: false,
        rollout: id::Rollout::default(),
        from: id::Rollout::default(),
        known: BTreeSet::from(["other".to_owned()]),
    }));
    vec![
        ("create or update intended", after(&|facts| EcsPlanner::intend(facts, &update, NOW))),
        ("shown as primary", seen(Some(service(OURS, Rollout::InProgress, 0)))),
        ("another one is primary", seen(Some(service(OTHER, Rollout::InProgress, 0)))),
        ("no service", seen(None)),
        ("all tasks run", found(Rollout::Completed, None)),
        ("its tasks are asked why it failed", found(Rollout::InProgress, Some("why"))),
        ("a new method", after(&EcsPlanner::stale)),
    ]
}

// ---- the table

fn table() -> String {
    let spec = spec("web:2");
    let mut text =
        String::from("| known | provision | update | destroy | status |\n| --- | --- | --- | --- | --- |\n");
    for (name, facts) in configurations() {
        let known = |goal| cell(EcsPlanner::next(&subject(), goal, &facts, NOW));
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} |",
            known(Goal::Present { spec: &spec, rollout: id::Rollout::default(), by: Means::Provision }),
            known(Goal::Present { spec: &spec, rollout: id::Rollout::default(), by: Means::Update }),
            known(Goal::Absent),
            known(Goal::Known),
        )
        .unwrap();
    }
    text.push_str("\nA restart, which wants the spec that runs for another rollout:\n\n");
    text.push_str("| known | update |\n| --- | --- |\n");
    let rollout = id::Rollout(7);
    let wanted = Wanted::in_rollout(&subject(), &spec, rollout).unwrap();
    let registered = |mut facts: EcsFacts| {
        let (status, whose) = (DefinitionStatus::Active, Some(Whose::Its(Incarnation(1))));
        let made = Revision { status, whose, content: Some(content(&wanted)), labels: None };
        facts.revisions.insert(ANEW.to_owned(), made);
        facts
    };
    for (name, facts) in [
        ("revision 2, completed", runs(OURS, Rollout::Completed, 1)),
        ("the same, revision 3 is made for the rollout", registered(runs(OURS, Rollout::Completed, 1))),
        ("revision 3, in progress", registered(runs(ANEW, Rollout::InProgress, 0))),
    ] {
        let goal = Goal::Present { spec: &spec, rollout, by: Means::Update };
        writeln!(text, "| {name} | {} |", cell(EcsPlanner::next(&subject(), goal, &facts, NOW))).unwrap();
    }
    text
}

fn cell(next: Next<EcsCall>) -> String {
    match next {
        Next::Do(acts) => {
            acts.iter().map(|act| format!("{}{}", act.step, which(&act.call))).collect::<Vec<_>>().join("; ")
        }
        Next::Wait { until, why, so_far } => {
            let so_far = so_far.map(|so_far| format!(": {so_far}")).unwrap_or_default();
            format!("wait {} s until {why}{so_far}", until.duration_since(NOW).as_secs())
        }
        Next::Done => "done".to_owned(),
        Next::Fail(error) => format!("**{}** ({:?}, {:?})", error.code, error.kind, error.remedy),
    }
}

fn which(call: &EcsCall) -> String {
    let short = |arn: &str| arn.rsplit_once(':').map_or(String::new(), |(_, number)| format!(" {number}"));
    match call {
        EcsCall::ListDefinitions(_, status) => format!(" that are {status}"),
        EcsCall::DescribeDefinition { definition, .. } => short(definition),
        EcsCall::FindTasks { giving_up: Some(_), .. } => " for why it failed".to_owned(),
        EcsCall::CreateService(create) => format!(" with{}", short(&create.definition)),
        EcsCall::UpdateService(update) => {
            format!("{}{}", short(&update.definition), if update.force { ", forced" } else { "" })
        }
        EcsCall::DeregisterDefinition { arn, .. } => short(arn),
        EcsCall::DeleteDefinitions { arns, .. } => arns.iter().map(|arn| short(arn)).collect(),
        EcsCall::Locate(_)
        | EcsCall::DescribeService { .. }
        | EcsCall::FindTasks { giving_up: None, .. }
        | EcsCall::RegisterDefinition(_)
        | EcsCall::TagService { .. }
        | EcsCall::UntagService { .. }
        | EcsCall::TagDefinition { .. }
        | EcsCall::UntagDefinition { .. }
        | EcsCall::StopDeployment { .. }
        | EcsCall::DeleteService(_) => String::new(),
    }
}

fn configurations() -> Vec<(String, EcsFacts)> {
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
    let pending = |since| vec![Pending { write: Pended::Create, since }];
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

fn wanted() -> Wanted {
    Wanted::of(&subject(), &spec("web:2")).unwrap()
}

fn content(wanted: &Wanted) -> String {
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
fn runs(arn: &str, rollout: Rollout, running: u32) -> EcsFacts {
    let mut facts = with_own(&nothing(), OURS, DefinitionStatus::Active);
    facts.service = Held::There(SERVICE.to_owned());
    facts.seen.service = Look::Is(Box::new(service(arn, rollout, running)));
    facts
}

fn service(arn: &str, rollout: Rollout, running: u32) -> Service {
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

fn task(life: TaskLife) -> Task {
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
