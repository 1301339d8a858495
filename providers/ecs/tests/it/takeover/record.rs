//! Records what a build leaves of tenants on ECS.

use std::path::Path;
use std::time::Duration;

use landlord_testing::recorded::{Build, RECORDED};
use serde_json::{Value, json};

use crate::fake::{Fake, Pace};
use crate::fake_tests::client;

/// Not a test: makes tenants with the build of `TAKEOVER_BUILD` on the fake, and writes down what it leaves when it is
/// killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn records_when_asked() {
    let Some(mut build) = Build::asked_for() else { return };
    let fake = Fake::new(Pace::real().faster(10)).without_quotas();
    super::prepare(&fake);
    let ecs = client(&fake, "test");
    let main = aws_sdk_ecs::types::ContainerDefinition::builder()
        .name("main")
        .image("registry.test/given:1")
        .memory(128);
    let given = ecs.register_task_definition().family("given").container_definitions(main.build());
    given
        .cpu("256")
        .memory("512")
        .network_mode(aws_sdk_ecs::types::NetworkMode::Awsvpc)
        .requires_compatibilities(aws_sdk_ecs::types::Compatibility::Fargate)
        .send()
        .await
        .expect("registered");
    let server = fake.serve().await;
    build.set("AWS_ENDPOINT_URL", server.url());
    build.set("AWS_ACCESS_KEY_ID", "test");
    build.set("AWS_SECRET_ACCESS_KEY", "secret");
    build.always("--store=landlord.db");
    let specs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/takeover/specs");
    build.always(format!("--ecs-config={specs}/operator.yaml"));
    let file = |name: &str| format!("{specs}/{name}.yaml");
    let make = |verb: &str, name: &str, good: bool| build.run(&[verb, "-f", &file(name)], good);

    for name in ["full", "host", "given", "roled", "updated-1", "moving-1", "repaired", "undone-1"] {
        make("provision", name, true);
    }
    make("update", "updated-2", true);
    // These are looked at; those that follow are not.
    build.killed(&["run"], "all are healthy", || {
        build.store().number("SELECT count(*) FROM tenants WHERE health = 'healthy'") == 8
    });
    make("update", "undone-2", false);
    make("provision", "failed", false);
    make("provision", "gone", true);
    build.run(&["destroy", "gone"], true);
    make("provision", "leaving", true);
    make("provision", "paused", true);
    build.run(&["pause", "paused"], true);

    // From here on ECS takes its time, so that operations are on their way when their engine is killed.
    tokio::time::sleep(Duration::from_secs(40)).await;
    fake.set_pace(Pace::real());
    let goes = "call IS NOT NULL AND ledger_json ->> '$.facts.rollout.stage.going' > ''";
    fake.remove_service("landlord-repaired");
    build.killed(&["run"], "the repair is on its way", || build.is("repaired", goes));
    build.killed(&["provision", "-f", &file("flight")], "the provision is on its way", || {
        build.is("flight", goes)
    });
    build.killed(&["update", "-f", &file("moving-2")], "the update is on its way", || {
        build.is("moving", goes)
    });
    build.killed(&["destroy", "leaving"], "the destroy is on its way, and all others are", || {
        fake.find("landlord-leaving").iter().any(|found| found.id.contains("draining"))
            && build.store().number("SELECT count(*) FROM tenants WHERE call IS NOT NULL") == 4
    });

    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/takeover/recorded");
    std::fs::write(to.join("aws.json"), lines(&fake.shown(), 6) + "\n").expect("written");
    std::fs::write(
        to.join("store.sql"),
        format!("-- What {RECORDED} left of tenants on ECS.\n{}", build.store().dump()),
    )
    .expect("written");
}

/// JSON in which what is nested deeper than this is on one line: a resource is.
fn lines(value: &Value, deep: usize) -> String {
    let inside: Vec<String> = match value {
        Value::Object(fields) if deep > 0 => {
            let field =
                |(name, value): (&String, &Value)| format!("{}: {}", json!(name), lines(value, deep - 1));
            fields.iter().map(field).collect()
        }
        Value::Array(items) if deep > 0 => items.iter().map(|item| lines(item, deep - 1)).collect(),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Array(_) => {
            return value.to_string();
        }
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    format!("{open}\n{}\n{close}", inside.join(",\n"))
}
