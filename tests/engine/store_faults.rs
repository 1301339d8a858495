//! A store that fails, fails after it worked, or panics: nothing is lost, and everybody gets an answer.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures_util::StreamExt;
use landlord_compute::machines::tenant::{EventKind, Method, Settled, StateName};
use landlord_compute::store::{Requested, Scope};
use landlord_compute::{CommandError, Delivery, Engine, OperationHandle, Options};
use landlord_testing::scripted::{Scripted, Step};

use super::faulty::{Fault, Faulty, When, both_ways};
use super::{engine, events_until, live, run, scripted, spec, tenant};

/// A provision whose call is made, and is over once the gate `go` is opened.
async fn gated(engine: &Engine, provider: &Scripted, id: &str) -> OperationHandle {
    provider.script(&tenant(id), Method::Provision, [Step::Gate("go"), Step::Work]);
    let operation = engine.tenant(tenant(id)).provision(spec(id, "v1"), Options::default()).await;
    operation.expect("accepted")
}

async fn outcome_survives(faults: &[Fault]) {
    both_ways(async |commits| {
        let store = Faulty::new(commits);
        let provider = scripted();
        let engine = engine(store.clone(), &provider).start().await.expect("starts");
        let operation = gated(&engine, &provider, "acme").await;
        store.next(faults.iter().copied());
        provider.open("go");
        assert_eq!(operation.await.expect("settles"), Settled::Done);
        assert_eq!(live(&engine, "acme").await.state.name(), StateName::Running);
        assert_eq!(provider.calls().len(), 1, "the call is not made again");
        // No other commit follows, and what was durable is published all the same.
        let events = events_until(&engine, "acme", |event| event.to == Some(StateName::Running)).await;
        assert_eq!(events.len(), 2, "every event is there, once");
        run(&engine, "other", "v1").await;
    })
    .await;
}

/// I2: an outcome whose commit fails is committed later.
#[tokio::test(start_paused = true)]
async fn i2_an_outcome_is_committed_when_the_store_is_back() {
    outcome_survives(&[Fault::Fail(When::Before), Fault::Fail(When::Before), Fault::Fail(When::Before)])
        .await;
}

/// I2: an outcome does not wait for its next try once the store works for anybody.
#[tokio::test(start_paused = true)]
async fn i2_an_outcome_is_committed_as_soon_as_the_store_is_back() {
    both_ways(async |commits| {
        let store = Faulty::new(commits);
        let provider = scripted();
        let engine = engine(store.clone(), &provider).start().await.expect("starts");
        let operation = gated(&engine, &provider, "acme").await;
        // Tries after 20, 40, 80 ms and so on, the ninth 5.1 s after the first; the next one would come 5 s later.
        store.next([Fault::Fail(When::Before); 9]);
        provider.open("go");
        tokio::time::sleep(Duration::from_millis(5_200)).await;
        let begun = tokio::time::Instant::now();
        run(&engine, "other", "v1").await;
        assert_eq!(operation.await.expect("settles"), Settled::Done);
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    })
    .await;
}

/// I2: a commit that failed may have been durable all the same.
#[tokio::test(start_paused = true)]
async fn i2_an_outcome_that_was_durable_although_its_commit_failed_counts_once() {
    outcome_survives(&[Fault::Fail(When::After)]).await;
    outcome_survives(&[Fault::Fail(When::Before), Fault::Fail(When::After)]).await;
}

/// I6: events that a commit in doubt made durable are published before those of later commits.
#[tokio::test(start_paused = true)]
async fn i6_what_was_durable_in_doubt_is_told_before_what_comes_after() {
    both_ways(async |commits| {
        let store = Faulty::new(commits);
        let provider = scripted();
        let engine = engine(store.clone(), &provider).start().await.expect("starts");
        let names = ["acme", "beta"];
        let mut waiting = Vec::new();
        for name in names {
            let id = gated(&engine, &provider, name).await.id().expect("an operation began");
            waiting.push(tokio::spawn(engine.operation(id).await.expect("known").into_future()));
        }
        let mut events = Box::pin(engine.subscribe(engine.head(), Scope::All));

        // Both outcomes come at once: one is durable and its writer is not told, the other one is committed next.
        store.next([Fault::Fail(When::After)]);
        provider.open("go");

        for waits in waiting {
            let told = tokio::time::timeout(Duration::from_secs(100_000), waits).await;
            let told = told.expect("who waits is told").expect("no panic");
            assert_eq!(told.expect("settles"), Settled::Done);
        }
        let mut told = BTreeSet::new();
        for _ in names {
            match events.next().await.expect("the engine runs").expect("readable") {
                Delivery::Event { event, .. } => told.insert(event.tenant_id.to_string()),
                Delivery::Gap { resume } => panic!("a gap up to {resume:?}"),
            };
        }
        assert_eq!(told, names.map(str::to_owned).into());
    })
    .await;
}

/// I7: an actor that panics starts again from the store, and loses nothing.
#[tokio::test(start_paused = true)]
async fn i7_an_actor_that_panics_starts_again_and_loses_nothing() {
    outcome_survives(&[Fault::Panic(When::Before)]).await;
    outcome_survives(&[
        Fault::Panic(When::Before),
        Fault::Fail(When::Before),
        Fault::Panic(When::Before),
        Fault::Fail(When::After),
    ])
    .await;
}

/// I7: an actor knows nothing of the tenant that it had before, and when it panics it is this one's that starts again.
#[tokio::test(start_paused = true)]
async fn i7_an_actor_that_takes_over_another_tenant_is_its_own() {
    both_ways(async |commits| {
        let store = Faulty::new(commits);
        let provider = scripted();
        let engine = engine(store.clone(), &provider).start().await.expect("starts");
        // Enough that there is an actor without a tenant under each supervisor.
        for n in 0..1000 {
            let id = format!("before-{n}");
            run(&engine, &id, "v1").await;
            let destroyed = engine.tenant(tenant(&id)).destroy(Options::default()).await.expect("accepted");
            assert_eq!(destroyed.await.expect("settles"), Settled::Done);
        }
        let calls = provider.calls().len();
        for id in ["after", "before-7"] {
            provider.script(&tenant(id), Method::Provision, [Step::Gate(id), Step::Work]);
            let operation = engine.tenant(tenant(id)).provision(spec(id, "v2"), Options::default()).await;
            let operation = operation.expect("accepted");
            store.next([Fault::Panic(When::Before)]);
            provider.open(id);
            assert_eq!(operation.await.expect("settles"), Settled::Done);
        }
        assert_eq!(provider.calls().len(), calls + 2, "nothing is called again");
        assert_eq!(
            (live(&engine, "after").await.revision.0, live(&engine, "before-7").await.revision.0),
            (2, 6)
        );
    })
    .await;
}

/// I7: when the actor is lost after its commit, the caller that waits still hears how the operation settled.
#[tokio::test(start_paused = true)]
async fn i7_a_settlement_that_an_actor_took_with_it_is_told() {
    both_ways(async |commits| {
        let store = Faulty::new(commits);
        let provider = scripted();
        let engine = engine(store.clone(), &provider).start().await.expect("starts");
        let operation = gated(&engine, &provider, "acme").await;
        store.next([Fault::Fail(When::After)]);
        store.panics.store(1, SeqCst);
        provider.open("go");
        assert_eq!(operation.await.expect("settles"), Settled::Done);
        // An actor panics between its commit and its answer, and the next one takes up what it left.
        while store.panics.load(SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        engine.shutdown(Duration::from_secs(5)).await.expect("no call is left");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_not_durable_is_refused_and_can_be_sent_again() {
    both_ways(async |commits| {
        for fault in [Fault::Fail(When::Before), Fault::Fail(When::After)] {
            let store = Faulty::new(commits);
            let provider = scripted();
            let engine = engine(store.clone(), &provider).start().await.expect("starts");
            let acme = engine.tenant(tenant("acme"));
            let options = || Options::default().request_id("order-1".to_owned());
            store.next([fault]);
            let refused =
                acme.provision(spec("acme", "v1"), options()).await.expect_err("not known to be durable");
            assert!(matches!(refused, CommandError::Store(_)), "{refused}");
            let again = acme.provision(spec("acme", "v1"), options()).await.expect("accepted");
            assert_eq!(again.await.expect("settles"), Settled::Done);
            let events = events_until(&engine, "acme", |event| event.to == Some(StateName::Running)).await;
            assert!(events.iter().all(|event| event.incarnation.0 == 1), "one life, whichever way it began");
        }
    })
    .await;
}

/// Of a request that begins no operation it is known, too, when it was durable although its answer was lost.
#[tokio::test(start_paused = true)]
async fn a_request_that_begins_no_operation_is_durable_or_refused() {
    both_ways(async |commits| {
        for fault in [Fault::Fail(When::Before), Fault::Fail(When::After)] {
            let store = Faulty::new(commits);
            let engine = engine(store.clone(), &scripted()).start().await.expect("starts");
            run(&engine, "acme", "v1").await;
            let (acme, absent) = (engine.tenant(tenant("acme")), engine.tenant(tenant("absent")));
            let options = || Options::default().request_id("order-1".to_owned());
            store.next([fault]);
            let refused = acme.pause(options()).await.expect_err("not known to be durable");
            assert!(matches!(refused, CommandError::Store(_)), "{refused}");
            let revision = acme.pause(options()).await.expect("paused");
            assert_eq!(revision, live(&engine, "acme").await.revision, "it is paused once");
            store.next([fault]);
            let refused = absent.destroy(options()).await.expect_err("not known to be durable");
            assert!(matches!(refused, CommandError::Store(_)), "{refused}");
            assert_eq!(absent.destroy(options()).await.expect("so").id(), None);
            let kept = engine.reads().request(&tenant("absent"), "order-1").await.expect("readable");
            assert!(matches!(kept, Some(Requested::Noted(_))), "{kept:?}");
        }
    })
    .await;
}

/// I2: a command that was answered with an error may be durable; then it is carried out, although nobody asks again.
#[tokio::test(start_paused = true)]
async fn i2_a_command_that_was_durable_although_it_was_refused_is_carried_out() {
    both_ways(async |commits| {
        let store = Faulty::new(commits);
        let provider = scripted();
        let engine = engine(store.clone(), &provider).start().await.expect("starts");
        store.next([Fault::Fail(When::After)]);
        let refused = engine.tenant(tenant("acme")).provision(spec("acme", "v1"), Options::default()).await;
        assert!(matches!(refused, Err(CommandError::Store(_))), "{refused:?}");
        let events = events_until(&engine, "acme", |event| event.to == Some(StateName::Running)).await;
        assert!(events.iter().any(|event| event.what == EventKind::Recovered));
        assert_eq!(provider.tenants(), [tenant("acme")]);
    })
    .await;
}

/// A command whose actor panics over it is sent again, and is one operation.
#[tokio::test(start_paused = true)]
async fn i7_a_command_whose_actor_panics_is_not_lost() {
    both_ways(async |commits| {
        let store = Faulty::new(commits);
        let provider = scripted();
        let engine = engine(store.clone(), &provider).start().await.expect("starts");
        store.next([Fault::Panic(When::Before)]);
        let acme = engine.tenant(tenant("acme"));
        let operation = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
        assert_eq!(operation.await.expect("settles"), Settled::Done);
        store.next([Fault::Panic(When::Before), Fault::Panic(When::Before), Fault::Panic(When::Before)]);
        let defect = acme.destroy(Options::default()).await.expect_err("it panics again and again");
        assert!(matches!(defect, CommandError::Defect), "{defect}");
        assert_eq!(live(&engine, "acme").await.state.name(), StateName::Running);
    })
    .await;
}
