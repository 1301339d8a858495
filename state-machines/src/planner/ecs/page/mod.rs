//! The page `ecs.md`: what the planner does, as the code has it. `UPDATE_PAGES=1 cargo test` writes it anew.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::json;

use super::EcsPlanner;
use super::call::{
    Count, DefinitionStatus, EcsCall, EcsReply, Rollout, Service, Setting, Settings, TaskLife,
};
use super::facts::{EcsFacts, Look, Revision, Stage, Watched, Whose};
use super::wanted::Wanted;
use crate::id::{self, Incarnation};
use crate::planner::{Goal, Means, Next, Planner};
use crate::spec::Spec;
use known::{ANEW, NOW, OTHER, OURS, configurations, content, runs, service, spec, subject, task, wanted};

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
    page.push_str(
        "\nAn update to 3 tasks of a service that runs the wanted revision, by the number that it shows. *Asked for* is what an \
         earlier call intended; *no note* means that it was answered, or that an older build kept none.\n\n",
    );
    page.push_str(&counts());
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
            known(Goal::Present {
                spec: &spec,
                applied: None,
                rollout: id::Rollout::default(),
                by: Means::Provision
            }),
            known(Goal::Present {
                spec: &spec,
                applied: None,
                rollout: id::Rollout::default(),
                by: Means::Update
            }),
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
        let goal = Goal::Present { spec: &spec, applied: None, rollout, by: Means::Update };
        writeln!(text, "| {name} | {} |", cell(EcsPlanner::next(&subject(), goal, &facts, NOW))).unwrap();
    }
    text
}

fn counts() -> String {
    let spec_of = |count: u32| {
        let config = json!({ "region": "eu-west-1", "desired_count": count });
        spec("web:2").with_provider_config(config)
    };
    let (wanted, two, three) = (spec_of(3), spec_of(2), spec_of(3));
    let mut text = String::from("| known | 0 | 2 | 3 | 7 |\n| --- | --- | --- | --- | --- |\n");
    for (name, asked, counting, applied) in [
        ("the spec before says 2, and 2 were asked for", 2, None, Some(&two)),
        ("the spec before says 2, and 3 were asked for without an answer", 3, Some(3), Some(&two)),
        ("the spec before says 2, and 3 were asked for, no note", 3, None, Some(&two)),
        ("the spec before says 3, and 3 were asked for, no note", 3, None, Some(&three)),
        ("nobody knows the spec before, and 3 were asked for, no note", 3, None, None),
    ] {
        let told = [0, 2, 3, 7].map(|shown| told_count(&wanted, asked, counting, applied, shown));
        writeln!(text, "| {name} | {} |", told.join(" | ")).unwrap();
    }
    text
}

fn told_count(
    spec: &Spec,
    asked: u32,
    counting: Option<u32>,
    applied: Option<&Spec>,
    shown: u32,
) -> &'static str {
    let wanted = Wanted::of(&subject(), spec).unwrap();
    let settings = Settings { desired_count: Count::Of(asked), ..wanted.settings };
    let mut facts = EcsFacts { settings: Some(settings), counting, ..runs(OURS, Rollout::Completed, shown) };
    let Look::Is(service) = &mut facts.seen.service else { panic!("it has a service") };
    service.shown.desired_count = shown;
    service.tags = wanted.tags;
    let goal = Goal::Present { spec, applied, rollout: id::Rollout::default(), by: Means::Update };
    let Next::Do(acts) = EcsPlanner::next(&subject(), goal, &facts, NOW) else { return "not told" };
    let tells = |call: &EcsCall| matches!(call, EcsCall::UpdateService(update) if update.told.contains(&Setting::Count));
    if acts.iter().any(|act| tells(&act.call)) { "told" } else { "not told" }
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
