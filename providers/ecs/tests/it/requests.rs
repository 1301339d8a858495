//! The spans of single requests.

use std::collections::BTreeMap;

use landlord_compute::machines::tenant::Settled;
use landlord_testing::requests::Requests;

use super::fake::{Mishap, Refusal, Trap};
use super::provider::spec;
use super::world::World;

#[tokio::test(start_paused = true)]
async fn each_request_of_an_operation_is_a_span_that_says_what_was_asked_and_answered() {
    let world = World::new().await;
    let (requests, _guard) = Requests::kept();
    world.fake.take_calls();
    let refused = Mishap::Refuse(Refusal::server());
    world.fake.trap(Trap { api: Some("CreateService"), name: None, times: Some(1), mishap: refused });
    assert_eq!(world.provision(spec("acme", "app")).await, Settled::Done);
    let all = requests.take();
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    all.iter().for_each(|one| *counted.entry(&one.method).or_default() += 1);
    let calls = world.fake.take_calls();
    let made: BTreeMap<&str, u64> = calls.iter().map(|(api, calls)| (api.as_str(), calls.made)).collect();
    assert_eq!(counted, made);
    let created = all.iter().filter(|one| one.method == "CreateService");
    let said: Vec<(Option<&str>, bool)> = created.map(|one| (one.status.as_deref(), one.failed)).collect();
    assert_eq!(said, [(Some("ServerException"), true), (Some("ok"), false)], "{all:#?}");
    assert!(all.iter().all(|one| one.within.is_some()), "{all:#?}");
    assert!(all.iter().all(|one| one.resource == "default"), "{all:#?}");
}
