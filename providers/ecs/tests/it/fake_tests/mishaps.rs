//! What a test can make go wrong.

use std::time::Duration;

use super::{Bare, refusal, refused};
use crate::fake::{Mishap, Refusal, Trap};

#[tokio::test(start_paused = true)]
async fn a_trap_is_for_a_call_of_a_name_and_springs_so_often() {
    let bare = Bare::new();
    let mishap = Mishap::Refuse(Refusal::server());
    let name = Some("acme".to_owned());
    bare.fake.trap(Trap { api: Some("DescribeServices"), name, times: Some(2), mishap });
    let describe = |name: &str| bare.ecs.describe_services().services(name).send();
    describe("acme-2").await.expect("it has another name");
    for _ in 0..2 {
        assert_eq!(refused(describe("acme").await).0, "ServerException");
    }
    describe("acme").await.expect("the trap has sprung often enough");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_lost_after_it_was_done_or_before() {
    for done in [true, false] {
        let bare = Bare::new();
        let definition = bare.register("acme", "app").await;
        let mishap = Mishap::Reset { done };
        bare.fake.trap(Trap { api: Some("CreateService"), name: None, times: Some(1), mishap });
        let lost = bare.creation("acme", &definition).send().await.expect_err("no answer");
        assert!(lost.as_service_error().is_none());
        bare.pass(2.0).await;
        assert_eq!(bare.service("acme").await.is_some(), done);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_and_then_somebody_does_late() {
    let bare = Bare::new();
    let name = Some("acme".to_owned());
    bare.fake.trap(Trap { api: None, name, times: None, mishap: Mishap::Hang { done: false } });
    let describe = || bare.ecs.describe_services().services("acme").send();
    assert!(tokio::time::timeout(Duration::from_secs(600), describe()).await.is_err());
    bare.fake.clear_traps("acme");
    let late = Mishap::Delay(Duration::from_secs(5));
    bare.fake.trap(Trap { api: None, name: None, times: Some(1), mishap: late });
    let begun = tokio::time::Instant::now();
    describe().await.expect("an answer");
    assert!(begun.elapsed() >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn access_is_denied_in_the_words_of_aws() {
    let bare = Bare::new();
    let denied = Refusal::denied("arn:aws:iam::123456789012:user/test", "DeleteService", "acme");
    let trap =
        Trap { api: Some("DeleteService"), name: None, times: None, mishap: Mishap::Refuse(denied.clone()) };
    bare.fake.trap(trap);
    let answer = bare.ecs.delete_service().service("acme").send().await;
    assert_eq!(refused(answer), refusal("AccessDeniedException", &denied.message));
}
