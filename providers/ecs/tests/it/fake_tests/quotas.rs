//! Token buckets.

use super::{Bare, client, refusal, refused};
use crate::fake::{Calls, Fake, Pace};

#[tokio::test(start_paused = true)]
async fn an_api_has_a_burst_and_then_a_rate() {
    let fake = Fake::new(Pace { latency: std::time::Duration::ZERO, ..Pace::real() });
    let bare = Bare { ecs: client(&fake, "test"), fake };
    let register = |number: u32| bare.registration(&format!("acme-{number}"), "app").send();
    for number in 0..20 {
        register(number).await.expect("within the burst");
    }
    assert_eq!(refused(register(20).await), refusal("ThrottlingException", "Rate exceeded"));
    bare.ecs.describe_task_definition().task_definition("acme-1").send().await.expect("another bucket");
    let elsewhere = client(&bare.fake, "222222222222");
    elsewhere.list_task_definitions().send().await.expect("another account");
    bare.pass(1.0).await;
    register(20).await.expect("one a second");
    assert!(register(21).await.is_err());
    let calls = bare.fake.take_calls();
    assert_eq!(calls["RegisterTaskDefinition"], Calls { made: 23, throttled: 2 });
    let families = bare.ecs.list_task_definition_families().max_results(100).send().await.expect("a list");
    assert_eq!(
        families.families().len(),
        20,
        "what was throttled was not done, and the last one is not seen yet"
    );
}
