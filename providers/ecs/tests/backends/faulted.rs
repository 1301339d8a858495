//! Whole lives of tenants through the engine, while calls are throttled, refused, cut off and reset.

use futures_util::future::join_all;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, ObservePolicy, Options};

use super::site::{Site, spec};
use crate::emulators::{Fault, Kind, Rule, When};
use landlord_testing::fixtures::{memory, tenant};

/// What goes wrong: of every operation some calls, each in another way.
fn faults() -> Vec<Rule> {
    let rule = |operation, fault, when| Rule { operation: Some(operation), fault, when };
    let unavailable =
        || Fault::Error { status: 500, code: "ServerException", message: "Service Unavailable" };
    let every = |fail, pass| When::Sequence { fail, pass };
    vec![
        rule("DescribeServices", Fault::Throttled, every(1, 6)),
        rule("DescribeServices", Fault::Reset, every(1, 11)),
        rule("ListTaskDefinitions", unavailable(), every(1, 4)),
        rule("RegisterTaskDefinition", Fault::Throttled, every(2, 3)),
        rule("RegisterTaskDefinition", Fault::AnswerLost, every(1, 4)),
        rule("CreateService", Fault::AnswerLost, every(1, 2)),
        rule("UpdateService", unavailable(), every(1, 2)),
        rule("UpdateService", Fault::AnswerLost, every(1, 3)),
        rule("ListTasks", Fault::Reset, every(1, 3)),
        rule("DeleteService", Fault::Throttled, every(1, 1)),
        rule("DeregisterTaskDefinition", Fault::AnswerLost, every(1, 3)),
        rule("DeleteTaskDefinitions", Fault::Reset, every(1, 2)),
    ]
}

/// Several tenants live from their provision to their destroy, and nothing of them is left.
async fn they_live(kind: Kind, cluster: &str) {
    let site = Site::new(kind, cluster).await;
    let store = Engine::builder(memory()).observe(ObservePolicy::Off);
    let engine = store.provider(site.provider()).start().await.expect("an engine");
    let names: Vec<String> = (1..=6).map(|n| format!("{cluster}-t{n}")).collect();
    let rules = site.emulator.rules(cluster, &faults());

    let step = async |what: &str, image: Option<&str>| {
        let each = names.iter().map(async |name| {
            let handle = engine.tenant(tenant(name));
            let operation = match (what, image) {
                ("provision", Some(image)) => handle.provision(spec(name, image), Options::default()).await,
                (_, Some(image)) => handle.update(spec(name, image), Options::default()).await,
                (_, None) => handle.destroy(Options::default()).await,
            };
            let settled = operation.expect("accepted").await.expect("settles");
            assert_eq!(settled, Settled::Done, "{what} of {name}");
        });
        join_all(each).await;
    };
    step("provision", Some("registry.test/app/fine:1")).await;
    step("update", Some("registry.test/app/fine:2")).await;
    for name in &names {
        assert_eq!(site.there(&site.name(name)).await.len(), 2, "{name} has a service and one revision");
    }
    step("destroy", None).await;
    assert!(rules.met() > 50, "only {} calls went wrong", rules.met());
    drop(rules);
    for name in &names {
        let left = site.there(&site.name(name)).await;
        assert!(
            left.is_empty(),
            "of {name} there is still {:?}",
            left.iter().map(|it| &it.arn).collect::<Vec<_>>()
        );
    }
    engine.shutdown(std::time::Duration::from_secs(10)).await.expect("it ends");
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn i3_lives_on_ministack_go_on_whatever_its_calls_do() {
    they_live(Kind::MiniStack, "faulted-ministack").await;
}

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn i3_lives_on_moto_go_on_whatever_its_calls_do() {
    they_live(Kind::Moto, "faulted-moto").await;
}
