//! The quotas of AWS are used up and not exceeded.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use landlord_compute::clock::{Clock as _, TokioClock};
use landlord_compute::machines::ledger::Ledger;
use landlord_compute::provider::{CheckpointError, Context, Journal, Provider as _};
use serde_json::{Value, json};

use super::fake::{Fake, Pace};
use super::fleet::{Phase, with_engine};
use super::provider::{provider_of, spec};
use super::world::subject;

#[tokio::test(start_paused = true)]
async fn many_tenants_take_as_long_as_the_quotas_allow_and_none_fails() {
    let alone = with_engine(1).await;
    let together = with_engine(60).await;
    for (phase, alone) in together.into_iter().zip(alone) {
        assert_eq!(phase.failed, [] as [String; 0], "{phase}");
        assert_eq!(phase.throttled(), 0, "{phase}");
        // The last tenant begins when the quota lets it, and then takes as long as it would alone.
        assert!(phase.allowed() >= Duration::from_secs(10), "the quotas are what holds them up: {phase}");
        assert!(
            phase.took <= phase.allowed().mul_f64(1.1) + alone.took,
            "alone it is {alone}together {phase}"
        );
    }
}

fn all_are_well(phases: &[Phase]) {
    for phase in phases {
        assert_eq!((&phase.failed[..], phase.throttled()), (&[] as &[String], 0), "{phase}");
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "half a minute of processor time; ./test.sh long"]
async fn two_hundred_tenants_take_a_twentieth_longer_than_they_must() {
    let phases = with_engine(200).await;
    all_are_well(&phases);
    for phase in &phases {
        println!("{phase}");
        assert!(phase.pacing() <= 1.05, "{phase}");
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "some minutes of processor time; ./test.sh long"]
async fn a_thousand_tenants_take_little_longer_than_the_quotas_allow() {
    let phases = with_engine(1_000).await;
    all_are_well(&phases);
    let [provision, update, destroy] = &phases;
    println!("{provision}{update}{destroy}");
    assert!(provision.ratio() <= 1.06, "{provision}");
    // Every second at which the scarcest quota lies idle is lost.
    assert!(provision.pacing() <= 1.01, "{provision}");
    assert!(update.ratio() <= 1.01, "{update}");
    assert!(destroy.ratio() <= 1.01, "{destroy}");
}

/// Keeps the ledgers that it is given.
#[derive(Default)]
struct Kept(std::sync::Mutex<Vec<Value>>);

#[async_trait::async_trait]
impl Journal for Kept {
    async fn write(&self, ledger: Arc<Ledger>, _: &str) -> Result<(), CheckpointError> {
        let facts = serde_json::from_str(ledger.facts.get()).expect("JSON");
        self.0.lock().expect("no panic").push(facts);
        Ok(())
    }
}

/// What waits for AWS's quota was not asked for yet. An engine that is killed then has nothing to wait out; one that is killed
/// after the request went out waits as long as that may still happen.
#[tokio::test(start_paused = true)]
async fn a_write_is_intended_when_it_is_its_turn() {
    let fake = Fake::new(Pace::real());
    let provider = provider_of("test", &fake, json!({}), 1);
    let clock = Arc::new(TokioClock::starting_at(Timestamp::now()));
    let waited = (0..40).map(async |number| {
        let spec = spec(&format!("acme-{number}"), "app").check().expect("a valid spec");
        let (kept, begun) = (Arc::new(Kept::default()), clock.now());
        let cx = Context::journaled(subject(&format!("acme-{number}")), clock.clone(), None, kept.clone());
        provider.provision(&cx, &spec).await.expect("it runs");
        let ledgers = kept.0.lock().expect("no panic");
        let time = |value: &Value| value.as_str().expect("a time").parse::<Timestamp>().expect("a time");
        let register = |facts: &&Value| facts["pending"][0]["write"]["register"].is_string();
        let intended = time(&ledgers.iter().find(register).expect("it was intended")["pending"][0]["since"]);
        let done = time(&ledgers.last().expect("the last")["registered_at"]);
        assert!(done.duration_since(intended).as_secs_f64() < 1.0, "{intended} is long before {done}");
        intended.duration_since(begun)
    });
    let waited = join_all(waited).await.into_iter().max().expect("some");
    assert!(waited.as_secs() >= 15, "the quota held some of them up: {waited}");
}
