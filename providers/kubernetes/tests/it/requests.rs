//! The spans of single requests.

use landlord_state_machines::planner::kubernetes::{KubernetesCall, ObjectKind};
use landlord_testing::requests::Requests;
use tracing::Instrument;

use super::fake::{Mishap, Refusal, Trap, Verb};
use super::site::{Site, look};

#[tokio::test]
async fn each_request_of_a_call_is_a_span_that_says_what_was_asked_and_answered() {
    let site = Site::prepared();
    let call = KubernetesCall::Look(look([ObjectKind::Deployment]));
    let (requests, _guard) = Requests::kept();
    site.fake.take_counts();
    site.fake.trap(Trap::on(Verb::List, "/deployments", Mishap::Refuse(Refusal::unavailable())));
    site.call(&call).instrument(tracing::info_span!("call")).await.expect_err("it is refused");
    site.call(&call).instrument(tracing::info_span!("call")).await.expect("it is answered");
    let all = requests.take();
    let lists = all.iter().filter(|one| one.method == "list");
    let said: Vec<_> = lists.map(|one| (one.resource.as_str(), one.status.as_deref(), one.failed)).collect();
    let deployments = "deployments.apps in namespace acme";
    assert_eq!(said, [(deployments, Some("503"), true), (deployments, Some("200"), false)], "{all:#?}");
    let made: u64 = site.fake.take_counts().values().sum();
    assert_eq!(all.len() as u64, made, "{all:#?}");
    assert!(all.iter().all(|one| one.within == Some("call")), "{all:#?}");
    // Nobody asked for spans of this one.
    site.call(&call).await.expect("it is answered");
    assert_eq!(requests.take(), []);
}
