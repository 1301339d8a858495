//! How many tasks ECS is told, beside somebody else who scales the service.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::ledger::Ledger;
use landlord_compute::machines::spec::{Spec, TenantComputeSpec};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::{Context, Provider as _};
use serde_json::{Value, json};

use super::fake::{Fake, Mishap, Pace, Trap};
use super::fake_tests::client;
use super::provider::{provider, spec};
use super::world::{World, failure, service, subject, with, writes};

pub(super) fn counted(count: u32, colour: &str) -> TenantComputeSpec {
    let mut spec = with(spec("acme", "app"), json!({ "desired_count": count }));
    spec.containers[0].env.insert("COLOUR".to_owned(), colour.to_owned());
    spec
}

/// Somebody scales a service, as an autoscaler does, and it gets there.
pub(super) async fn scale(fake: &Fake, count: i32) {
    let update = client(fake, "test").update_service().service("landlord-acme");
    update.desired_count(count).send().await.expect("it is scaled");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// How many tasks a service should have, and has.
async fn tasks(fake: &Fake) -> (i32, i32) {
    let service = service(fake, "landlord-acme").await;
    (service.desired_count(), service.running_count())
}

#[tokio::test(start_paused = true)]
async fn what_scales_a_service_is_contradicted_only_by_another_count_in_the_spec() {
    let world = World::new().await;
    assert_eq!(world.provision(counted(2, "red")).await, Settled::Done);
    scale(&world.fake, 7).await;
    assert_eq!(world.update(counted(2, "green")).await, Settled::Done);
    assert_eq!(tasks(&world.fake).await, (7, 7), "another variable leaves it alone");
    assert_eq!(world.update(counted(2, "green")).await, Settled::Done);
    assert_eq!(tasks(&world.fake).await, (7, 7), "the same spec, too");
    failure(world.update(with(spec("acme", "crash"), json!({ "desired_count": 2 }))).await);
    assert_eq!(tasks(&world.fake).await, (7, 7), "and so does an update that is undone");

    writes(&world.fake);
    let deployment = service(&world.fake, "landlord-acme").await.deployments()[0].id().map(str::to_owned);
    assert_eq!(world.update(counted(3, "green")).await, Settled::Done);
    assert_eq!(tasks(&world.fake).await.0, 3, "another count is what is wanted");
    let expected = [("TagResource", 1), ("UpdateService", 1)].map(|(api, n)| (api.to_owned(), n));
    assert_eq!(writes(&world.fake), expected.into(), "the hash of the spec, and the count");
    let now = service(&world.fake, "landlord-acme").await;
    assert_eq!(now.deployments()[0].id(), deployment.as_deref(), "a count deploys nothing");
    scale(&world.fake, 1).await;
    assert_eq!(world.update(counted(3, "blue")).await, Settled::Done);
    assert_eq!(tasks(&world.fake).await, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_scaled_to_nothing_gets_the_count_of_its_spec() {
    let world = World::new().await;
    assert_eq!(world.provision(counted(2, "red")).await, Settled::Done);
    scale(&world.fake, 0).await;
    assert_eq!(world.update(counted(2, "red")).await, Settled::Done);
    assert_eq!(tasks(&world.fake).await, (2, 2));
}

/// A count whose answer is lost arrives, whether it had worked or not, and only once.
#[tokio::test(start_paused = true)]
async fn a_count_whose_answer_is_lost_arrives() {
    for done in [true, false] {
        let world = World::new().await;
        assert_eq!(world.provision(counted(2, "red")).await, Settled::Done);
        let mishap = Mishap::Reset { done };
        world.fake.trap(Trap { api: Some("UpdateService"), name: None, times: Some(1), mishap });
        assert_eq!(world.update(counted(3, "red")).await, Settled::Done);
        assert_eq!(tasks(&world.fake).await, (3, 3));
        scale(&world.fake, 7).await;
        assert_eq!(world.update(counted(3, "green")).await, Settled::Done);
        assert_eq!(tasks(&world.fake).await, (7, 7));
    }
}

/// A service with 2 tasks, and what an older build leaves of an update that it was killed in: it told the count with each
/// update and kept no note of it. A build of today that told none leaves the same. Whether the update happened is not known
/// there.
async fn killed_in_an_update(count: u32, colour: &str, done: bool) -> (Fake, Context, Spec) {
    let fake = Fake::new(Pace::real()).without_quotas();
    let clock = Arc::new(TokioClock::starting_at(Timestamp::now()));
    let older = Context::alone(subject("acme"), clock.clone());
    let (before, after) = (counted(2, "red"), counted(count, colour));
    let (before, after) = (before.check().expect("a valid spec"), after.check().expect("a valid spec"));
    provider(&fake, json!({})).provision(&older, &before).await.expect("it runs");
    let mishap = Mishap::Hang { done };
    fake.trap(Trap { api: Some("UpdateService"), name: None, times: Some(1), mishap });
    let killed = provider(&fake, json!({}));
    let killed =
        tokio::time::timeout(Duration::from_secs(10), killed.update(&older, after.tenant(), &after)).await;
    assert!(killed.is_err(), "it has no answer yet");
    let left = older.ledger().expect("it has one");
    let mut facts: Value = serde_json::from_str(left.facts.get()).expect("JSON");
    assert_eq!(facts["pending"][0]["write"], "update", "{facts}");
    facts.as_object_mut().expect("an object").remove("counting");
    let facts = serde_json::value::to_raw_value(&facts).expect("JSON");
    let ledger = Arc::new(Ledger { facts, ..(*left).clone() });
    let mut today = Context::alone(subject("acme"), clock).with_ledger(Some(ledger));
    today.applied = Some(before);
    (fake, today, after)
}

/// Who has scaled the service meanwhile is not contradicted.
#[tokio::test(start_paused = true)]
async fn an_update_that_an_older_build_was_killed_in_tells_no_count() {
    for (count, colour, done) in [
        (3, "red", true),
        (3, "red", false),
        (3, "green", true),
        (3, "green", false),
        (2, "green", true),
        (2, "green", false),
    ] {
        let (fake, today, after) = killed_in_an_update(count, colour, done).await;
        scale(&fake, 7).await;
        fake.take_calls();
        provider(&fake, json!({})).update(&today, after.tenant(), &after).await.expect("it runs");
        assert_eq!(tasks(&fake).await, (7, 7), "{count} {colour}, it had happened: {done}");
        let deployed = u64::from(!done && colour == "green");
        assert_eq!(writes(&fake).get("UpdateService").copied().unwrap_or_default(), deployed);
    }
}

/// Where the service still has as many tasks as the spec before says, nobody has told ECS another number.
#[tokio::test(start_paused = true)]
async fn an_update_that_an_older_build_was_killed_in_gets_its_count() {
    for (count, colour, done) in
        [(3, "red", true), (3, "red", false), (3, "green", true), (3, "green", false), (2, "green", false)]
    {
        let (fake, today, after) = killed_in_an_update(count, colour, done).await;
        fake.take_calls();
        provider(&fake, json!({})).update(&today, after.tenant(), &after).await.expect("it runs");
        let wanted = i32::try_from(count).expect("few");
        assert_eq!(tasks(&fake).await, (wanted, wanted), "{count} {colour}, it had happened: {done}");
        assert_eq!(writes(&fake).get("UpdateService").copied().unwrap_or_default(), u64::from(!done));
    }
}
