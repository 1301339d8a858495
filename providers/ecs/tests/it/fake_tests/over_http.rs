//! The same over sockets, in real time that passes faster.

use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::SharedHttpClient;
use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::operation::RequestId;

use super::{Bare, rollout};
use crate::fake::{Fake, Mishap, Pace, Trap, held_client};

/// A client whose HTTP is real.
fn over_http(http: SharedHttpClient, fake: &Fake, url: &str) -> Client {
    let config = super::client(fake, "test").config().to_builder();
    Client::from_conf(config.http_client(http).endpoint_url(url).build())
}

#[tokio::test(start_paused = true)]
async fn simulated_time_stands_still_while_bytes_are_on_their_way() {
    let fake = Fake::new(Pace::real()).without_quotas();
    // On a thread of its own it takes real time, in which the runtime here has nothing to do.
    let (tell, told) = std::sync::mpsc::channel();
    let (_until, over) = tokio::sync::oneshot::channel::<()>();
    let served = fake.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = served.serve().await;
            tell.send(server.url()).expect("somebody waits");
            // It ends with the test.
            let _ended = over.await;
        });
    });
    let ecs = over_http(held_client(), &fake, &told.recv().expect("a server"));
    let far = tokio::spawn(tokio::time::sleep(Duration::from_secs(3600)));
    let begun = tokio::time::Instant::now();
    for _ in 0..50 {
        ecs.list_services().send().await.expect("an answer");
    }
    let (took, needed) = (begun.elapsed(), Pace::real().latency * 50);
    assert!(took >= needed && took < needed * 2, "{took:?} instead of {needed:?}");
    assert!(!far.is_finished(), "no timer fired early");
    fake.trap(Trap { api: None, name: None, times: Some(1), mishap: Mishap::Reset { done: false } });
    assert!(ecs.list_services().send().await.expect_err("no answer").as_service_error().is_none());
    fake.trap(Trap { api: None, name: None, times: Some(1), mishap: Mishap::Hang { done: false } });
    let hangs = tokio::time::timeout(Duration::from_secs(60), ecs.list_services().send());
    assert!(hangs.await.is_err());
}

#[tokio::test]
async fn the_real_client_is_answered() {
    let fake = Fake::new(Pace::real().faster(1000)).without_quotas();
    let server = fake.serve().await;
    let real = aws_smithy_http_client::Builder::new().build_http();
    let bare = Bare { ecs: over_http(real, &fake, &server.url()), fake };
    bare.create("acme", "app").await;
    let steady = async {
        while bare.service("acme").await.is_none_or(|service| rollout(&service) != ["COMPLETED"]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), steady).await.expect("it becomes steady");
    let refused = bare.ecs.describe_services().cluster("none").services("acme").send().await;
    let error = refused.expect_err("a refusal");
    assert_eq!(error.code(), Some("ClusterNotFoundException"));
    assert!(error.request_id().is_some());
    bare.fake.trap(Trap { api: None, name: None, times: Some(1), mishap: Mishap::Reset { done: false } });
    let reset = bare.ecs.list_services().send().await.expect_err("no answer");
    assert!(reset.as_service_error().is_none());
    bare.ecs.list_services().send().await.expect("an answer");
}
