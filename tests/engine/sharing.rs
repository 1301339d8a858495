//! Several engines on one store: any of them takes any command, and one makes a tenant's calls.

use std::time::Duration;

use futures_util::StreamExt;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::members::{SHARDS, Shard, Site};
use landlord_compute::machines::tenant::{EventKind, LifecycleEvent, Method, Settled};
use landlord_compute::provider::Capabilities;
use landlord_compute::store::{MemoryOptions, Position, Scope, StoreError};
use landlord_compute::{Closed, Delivery, Engine, Options, StartError};
use landlord_testing::scripted::{Scripted, Step};
use landlord_testing::store::shared::{Seat, SharedMemory};

use super::{end, engine, events_until, live, run, scripted, scripted_with, spec, tenant};

fn store() -> SharedMemory {
    store_of(100_000)
}

/// One that keeps so many events.
fn store_of(history: usize) -> SharedMemory {
    SharedMemory::new(MemoryOptions { history, settled: 100_000, ..MemoryOptions::default() })
}

/// An engine with a seat of its own.
async fn join(store: &SharedMemory, provider: &Scripted) -> (Engine, Seat) {
    let seat = store.seat();
    let engine = engine(seat.clone(), provider).start().await.expect("starts");
    (engine, seat)
}

/// How many shards each engine has, once all are somebody's.
async fn divided(store: &SharedMemory, engines: usize) -> Vec<usize> {
    let divided = async {
        loop {
            let view = store.view();
            let counts: Vec<usize> = view.engines.values().map(|member| member.shards.len()).collect();
            if counts.len() == engines && counts.iter().sum::<usize>() == usize::from(SHARDS) {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1000), divided).await.expect("every shard finds an engine")
}

/// Whether each has about half of the shards.
fn are_halves(counts: &[usize]) -> bool {
    counts.iter().all(|count| count.abs_diff(512) < 80)
}

/// Returns when two engines have about half of the shards each.
async fn halved(store: &SharedMemory) {
    while !are_halves(&divided(store, 2).await) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Two engines that have about half of the shards each.
async fn two(store: &SharedMemory, provider: &Scripted) -> [(Engine, Seat); 2] {
    // Both are there before either looks: they divide what is nobody's.
    let (first, second) = (store.seat(), store.seat());
    let (one, other) =
        tokio::join!(engine(first.clone(), provider).start(), engine(second.clone(), provider).start());
    let counts = divided(store, 2).await;
    assert!(are_halves(&counts), "{counts:?}");
    [(one.expect("starts"), first), (other.expect("starts"), second)]
}

/// The first so many events that an engine tells.
async fn told(engine: &Engine, count: usize) -> Vec<(Position, LifecycleEvent)> {
    let events = engine.subscribe(Position(0), Scope::All).take(count).map(|delivery| {
        match delivery.expect("readable") {
            Delivery::Event { cursor, event } => (cursor, LifecycleEvent::clone(&event)),
            Delivery::Gap { resume } => panic!("a gap up to {resume:?}"),
        }
    });
    tokio::time::timeout(Duration::from_secs(1000), events.collect()).await.expect("they come")
}

/// Who waits for a command's end at an engine that has not the tenant is told by the log: nothing is read for each.
#[tokio::test(start_paused = true)]
async fn who_waits_elsewhere_costs_no_read() {
    let (store, provider) = (store(), scripted());
    let [(_owner, owners), (other, others)] = two(&store, &provider).await;
    for number in 0..40 {
        let id = format!("tenant-{number}");
        run(&other, &id, "v1").await;
        let update = other.tenant(tenant(&id)).update(spec(&id, "v2"), Options::default()).await;
        assert_eq!(end(update.expect("accepted")).await, Settled::Done);
    }
    assert!(owners.operations_read() > 0, "an owner reads what another engine was asked for");
    assert_eq!(others.operations_read(), 0);
}

/// The names of tenants that are the first, or the second, engine's.
fn tenants_of(store: &SharedMemory, engine: usize) -> impl Iterator<Item = String> + use<> {
    let owned = store.view().engines.values().nth(engine).expect("it is there").shards;
    (0..).map(|number| format!("tenant-{number}")).filter(move |id| owned.has(Shard::of(&tenant(id))))
}

/// An operation ended while an engine heard nothing of the store, and its end is no longer in the log: who waits there is told
/// all the same.
#[tokio::test(start_paused = true)]
async fn who_waits_elsewhere_is_told_of_an_end_that_the_log_has_lost() {
    let (store, provider) = (store_of(40), scripted());
    let [(owner, _owners), (other, others)] = two(&store, &provider).await;
    let mut ids = tenants_of(&store, 0);
    let id = ids.next().expect("one of many");
    provider.script(&tenant(&id), Method::Provision, [Step::Gate("end")]);
    let accepted = other.tenant(tenant(&id)).provision(spec(&id, "v1"), Options::default()).await;
    let mut ends = Box::pin(end(accepted.expect("accepted")));
    let begun = events_until(&owner, &id, |event| matches!(event.what, EventKind::Began { .. }));
    tokio::select! {
        ended = &mut ends => panic!("the gate is shut: {ended:?}"),
        _ = begun => {}
    }
    others.cut(true);
    provider.open("end");
    for id in ids.take(30) {
        run(&owner, &id, "v1").await;
    }
    others.cut(false);
    let ended = tokio::time::timeout(Duration::from_secs(60), ends).await;
    assert_eq!(ended.expect("it is told"), Settled::Done);
}

/// An engine heard nothing of the store while another one was told what to do for its tenant, and that is no longer in the log: it
/// does it all the same, though it cannot be read, at first, what that is.
#[tokio::test(start_paused = true)]
async fn what_was_asked_for_elsewhere_is_done_though_the_log_has_lost_it() {
    let (store, provider) = (store_of(40), scripted());
    let [(asked, _seat), (owner, owners)] = two(&store, &provider).await;
    let id = tenants_of(&store, 1).next().expect("one of many");
    // Its actor knows the tenant as it is before.
    run(&owner, &id, "v1").await;
    owners.cut(true);
    let accepted = asked.tenant(tenant(&id)).update(spec(&id, "v2"), Options::default()).await;
    for id in tenants_of(&store, 0).take(30) {
        run(&asked, &id, "v1").await;
    }
    owners.lose_looks(1);
    owners.cut(false);
    let ended = tokio::time::timeout(Duration::from_secs(60), end(accepted.expect("accepted"))).await;
    assert_eq!(ended.expect("it is done"), Settled::Done);
    assert_eq!((owners.looks_to_lose(), store.view().engines.len()), (0, 2), "its owner did it");
}

/// An engine that was asked about another one's tenant keeps nothing of it.
#[tokio::test(start_paused = true)]
async fn what_is_asked_again_elsewhere_leaves_no_actor_there() {
    let (store, provider) = (store(), scripted());
    let [(owner, _), (other, _)] = two(&store, &provider).await;
    let id = tenants_of(&store, 0).next().expect("one of many");
    provider.script(&tenant(&id), Method::Provision, [Step::Gate("end")]);
    let provision = async |engine: &Engine| {
        let accepted = engine.tenant(tenant(&id)).provision(spec(&id, "v1"), Options::default()).await;
        accepted.expect("accepted")
    };
    let (first, again) = (provision(&owner).await, provision(&other).await);
    assert_eq!(first.id(), again.id(), "it is part of it");
    drop(again);
    let ends = async {
        while other.vitals().actors > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ends).await.expect("its actor ends");
    assert_eq!(owner.vitals().actors, 1, "the call goes on");
    provider.open("end");
    assert_eq!(end(first).await, Settled::Done);
}

/// Who waits at the tenant's engine for what another engine was told to leave out is told at once, and not after the call before it.
#[tokio::test(start_paused = true)]
async fn who_waits_is_told_of_an_end_that_another_engine_commits() {
    let (store, provider) = (store(), scripted());
    let [(owner, _), (other, _)] = two(&store, &provider).await;
    let id = tenants_of(&store, 0).next().expect("one of many");
    run(&owner, &id, "v1").await;
    provider.script(&tenant(&id), Method::Update, [Step::Gate("end")]);
    let update = async |engine: &Engine, image| {
        let accepted = engine.tenant(tenant(&id)).update(spec(&id, image), Options::default()).await;
        accepted.expect("accepted")
    };
    let (first, second) = (update(&owner, "v2").await, update(&owner, "v3").await);
    let third = update(&other, "v4").await;
    let ended = tokio::time::timeout(Duration::from_secs(5), end(second)).await;
    assert!(matches!(ended.expect("it is told"), Settled::Superseded { .. }));
    provider.open("end");
    assert_eq!((end(first).await, end(third).await), (Settled::Done, Settled::Done));
}

/// A call that does not stop when its tenant becomes another engine's is dropped; the other engine makes it again, and who waited at
/// the first one is told.
#[tokio::test(start_paused = true)]
async fn who_waits_is_told_of_the_end_of_a_call_that_did_not_stop_for_another_engine() {
    let (store, provider) = (store(), scripted());
    let (first, _) = join(&store, &provider).await;
    divided(&store, 1).await;
    let ids: Vec<String> = (0..8).map(|number| format!("tenant-{number}")).collect();
    let mut destroys = Vec::new();
    for id in &ids {
        run(&first, id, "v1").await;
        provider.script(&tenant(id), Method::Destroy, [Step::Hang]);
        destroys.push(first.tenant(tenant(id)).destroy(Options::default()).await.expect("accepted"));
    }
    let (_second, _) = join(&store, &provider).await;
    tokio::time::timeout(Duration::from_secs(1000), halved(&store)).await.expect("shards move");
    let moved = store.view().engines.values().nth(1).expect("the second engine").shards;
    let mut told = 0;
    for (id, destroy) in ids.iter().zip(destroys) {
        if moved.has(Shard::of(&tenant(id))) {
            let ended = tokio::time::timeout(Duration::from_secs(60), end(destroy)).await;
            assert_eq!(ended.expect("it is told"), Settled::Done);
            let attempts: Vec<_> = provider.calls_for(&tenant(id)).iter().map(|call| call.attempt).collect();
            assert_eq!(attempts, [Some(1); 3], "a hand-over is no try");
            told += 1;
        }
    }
    assert!(told > 0, "none of the tenants moved");
    assert_eq!(provider.overlaps(), 0);
}

/// Any engine takes any command and waits for any operation; each call is made once; all tell the same events in the same order.
#[tokio::test(start_paused = true)]
async fn any_engine_takes_any_command_and_one_makes_the_calls() {
    let (store, provider) = (store(), scripted());
    let engines = two(&store, &provider).await;
    for number in 0..40_usize {
        let id = format!("tenant-{number}");
        let (engine, _) = &engines[number % 2];
        run(engine, &id, "v1").await;
        // The other one knows of it, and may go on with it.
        let (other, _) = &engines[(number + 1) % 2];
        let update = other.tenant(tenant(&id)).update(spec(&id, "v2"), Options::default()).await;
        assert_eq!(end(update.expect("accepted")).await, Settled::Done);
        let methods: Vec<Method> = provider.calls_for(&tenant(&id)).iter().map(|call| call.method).collect();
        assert_eq!(methods, [Method::Provision, Method::Update], "{id}");
        assert!(provider.calls_for(&tenant(&id)).iter().all(|call| call.attempt == Some(1)), "{id}");
    }
    assert_eq!(provider.overlaps(), 0);
    let [(one, _), (other, _)] = &engines;
    let events = told(one, 160).await;
    assert_eq!(events, told(other, 160).await);
    let positions: Vec<u64> = events.iter().map(|(position, _)| position.0).collect();
    assert_eq!(positions, (1..=160).collect::<Vec<u64>>());
}

/// What another engine has committed since is not answered from memory.
#[tokio::test(start_paused = true)]
async fn a_command_is_judged_by_what_the_store_has() {
    let (store, provider) = (store(), scripted());
    let [(one, _), (other, _)] = two(&store, &provider).await;
    for (number, (first, second)) in [(&one, &other), (&other, &one)].into_iter().enumerate() {
        let id = format!("tenant-{number}");
        run(first, &id, "v1").await;
        // Each time the first engine has known the tenant as it was before.
        let destroyed = second.tenant(tenant(&id)).destroy(Options::default()).await.expect("accepted");
        assert_eq!(end(destroyed).await, Settled::Done);
        let again = first.tenant(tenant(&id)).provision(spec(&id, "v1"), Options::default()).await;
        let again = again.expect("accepted");
        assert!(again.id().is_some(), "it does not run any more");
        assert_eq!(end(again).await, Settled::Done);
        let update = second.tenant(tenant(&id)).update(spec(&id, "v2"), Options::default()).await;
        assert_eq!(end(update.expect("it runs again")).await, Settled::Done);
    }
}

/// A call is stopped by a cancel that any engine took.
#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_the_call_wherever_it_is_made() {
    let (store, provider) = (store(), scripted());
    let engines = two(&store, &provider).await;
    for (number, (engine, _)) in engines.iter().enumerate() {
        let acme = tenant(&format!("tenant-{number}"));
        provider.script(&acme, Method::Provision, [Step::Checkpoint("made"), Step::HangUntilStopped]);
        let (first, _) = &engines[0];
        let provision =
            first.tenant(acme.clone()).provision(spec(acme.as_str(), "v1"), Options::default()).await;
        events_until(engine, acme.as_str(), |event| matches!(event.what, EventKind::Progressed { .. })).await;
        let cancelled = engine.tenant(acme.clone()).cancel(Options::default()).await.expect("accepted");
        assert!(matches!(end(cancelled).await, Settled::Cancelled { .. }));
        assert!(matches!(end(provision.expect("accepted")).await, Settled::Cancelled { .. }));
        assert!(provider.running(&acme).is_none());
    }
    assert_eq!(provider.overlaps(), 0);
}

/// An engine that its store does not hear of is ended by the others, which finish what it had begun.
#[tokio::test(start_paused = true)]
async fn what_an_engine_had_is_taken_over_when_it_is_silent() {
    let (store, provider) = (store(), scripted());
    let (first, seat) = join(&store, &provider).await;
    divided(&store, 1).await;
    let (second, _) = join(&store, &provider).await;
    let later = ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::Retry,
        ErrorCode::ProviderUnavailable,
        "later",
    );
    provider.script(&tenant("busy"), Method::Provision, [Step::Checkpoint("made"), Step::Hang]);
    provider.script(&tenant("waits"), Method::Provision, [Step::Fail(later)]);
    let mut operations = Vec::new();
    for id in ["busy", "waits", "rests"] {
        let accepted = first.tenant(tenant(id)).provision(spec(id, "v1"), Options::default()).await;
        operations.push(accepted.expect("accepted").id().expect("an operation"));
    }
    events_until(&second, "busy", |event| matches!(event.what, EventKind::Progressed { .. })).await;
    events_until(&second, "waits", |event| matches!(event.what, EventKind::WillRetry { .. })).await;
    events_until(&second, "rests", |event| !event.settled.is_empty()).await;
    // The second engine knows the tenants as they are on their way, which is another engine's matter yet.
    for id in ["busy", "waits"] {
        let joined = second.tenant(tenant(id)).provision(spec(id, "v1"), Options::default()).await;
        assert!(operations.contains(&joined.expect("is part of it").id().expect("an operation")));
    }
    seat.cut(true);
    for operation in operations {
        let operation = second.operation(operation).await.expect("known");
        assert_eq!(end(operation).await, Settled::Done);
    }
    assert_eq!(divided(&store, 1).await, [1024]);
    // Meanwhile commands were taken, and go on to be.
    let update = second.tenant(tenant("rests")).update(spec("rests", "v2"), Options::default()).await;
    assert_eq!(end(update.expect("accepted")).await, Settled::Done);
    let calls = provider.calls_for(&tenant("busy"));
    assert_eq!((calls.len(), calls[1].resumed), (2, true), "it goes on from its ledger");

    seat.cut(false);
    let ended = tokio::time::timeout(Duration::from_secs(60), first.closed()).await;
    assert!(matches!(ended.expect("it learns of it"), Closed::Fenced(_)));
}

/// What was on its way is taken up although it could not be read, at first, what that is: when an engine is lost, the store's
/// server may be too.
#[tokio::test(start_paused = true)]
async fn what_an_engine_had_is_taken_over_though_a_look_at_it_is_lost() {
    let (store, provider) = (store(), scripted());
    let (first, silent) = join(&store, &provider).await;
    divided(&store, 1).await;
    let (second, seat) = join(&store, &provider).await;
    provider.script(&tenant("busy"), Method::Provision, [Step::Checkpoint("made"), Step::Hang]);
    let accepted = first.tenant(tenant("busy")).provision(spec("busy", "v1"), Options::default()).await;
    let operation = accepted.expect("accepted").id().expect("an operation");
    events_until(&second, "busy", |event| matches!(event.what, EventKind::Progressed { .. })).await;
    seat.lose_looks(2);
    silent.cut(true);
    let ends = second.operation(operation).await.expect("known");
    let ended = tokio::time::timeout(Duration::from_secs(60), end(ends)).await;
    assert_eq!(ended.expect("it is taken up"), Settled::Done);
    assert_eq!(seat.looks_to_lose(), 0);
}

/// An engine whose tenants no other one reaches shares with nobody, until it has ended.
#[tokio::test(start_paused = true)]
async fn an_engine_with_tenants_of_its_own_machine_is_alone() {
    let store = store();
    let (local, remote) = (scripted_with(Capabilities::default().reachable_from_here_alone()), scripted());
    let seat = store.seat();
    let first = engine(seat.clone(), &local).start().await.expect("starts");
    run(&first, "acme", "v1").await;
    for provider in [&local, &remote] {
        let refused = engine(store.seat(), provider).start().await.err().expect("is refused");
        let StartError::Store(StoreError::InUse { owner, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!(owner, "engine 1");
    }
    assert_eq!(divided(&store, 1).await, [1024], "who was refused has left nothing");
    run(&first, "other", "v1").await;
    // Others that are there are not shared with either.
    first.shutdown(Duration::from_secs(10)).await.expect("in order");
    let (second, _) = join(&store, &remote).await;
    let refused = engine(store.seat(), &local).start().await.err().expect("is refused");
    assert!(matches!(refused, StartError::Store(StoreError::InUse { .. })), "{refused:?}");
    second.shutdown(Duration::from_secs(10)).await.expect("in order");

    // Who has ended without a word is waited for.
    let seat = store.seat();
    let third = engine(seat.clone(), &local).start().await.expect("starts");
    seat.cut(true);
    let fourth = engine(store.seat(), &local).start().await.expect("takes over");
    assert_eq!(divided(&store, 1).await, [1024]);
    run(&fourth, "last", "v1").await;
    drop(third);
}

/// Tenants that only one site reaches are not started at another one while they may run there.
#[tokio::test(start_paused = true)]
async fn tenants_of_another_site_are_not_started_here_until_that_is_lost() {
    let store = store();
    let site = |id: &str| Site { id: id.to_owned(), at: format!("machine-{id}:/data") };
    let at = |id| scripted_with(Capabilities::default().reachable_from_here_alone()).at(site(id));
    let (there, here) = (at("there"), at("here"));
    // Nobody is anywhere yet.
    let empty = engine(store.seat(), &there).start().await.expect("starts");
    empty.shutdown(Duration::from_secs(10)).await.expect("in order");
    let first = engine(store.seat(), &here).start().await.expect("starts");
    run(&first, "acme", "v1").await;
    first.shutdown(Duration::from_secs(10)).await.expect("in order");

    for lost in ["", "there"] {
        let refused = engine(store.seat(), &there).lost(lost).start().await.err().expect("is refused");
        let StartError::Elsewhere { provider, there, here } = &refused else { panic!("{refused:?}") };
        assert_eq!(
            (&*provider.to_string(), &there.id, &here.id),
            ("scripted", &site("here").id, &site("there").id)
        );
        let told = refused.to_string();
        assert!(
            ["at machine-here:/data", "this is machine-there:/data"].iter().all(|part| told.contains(part)),
            "{told}"
        );
    }
    assert_eq!(there.calls().len(), 0, "nothing was asked of it");
    // An engine that has nothing to do with such tenants is not refused.
    let (other, _) = join(&store, &scripted()).await;
    other.shutdown(Duration::from_secs(10)).await.expect("in order");
    let again = engine(store.seat(), &here).start().await.expect("is their site");
    again.shutdown(Duration::from_secs(10)).await.expect("in order");

    let second = engine(store.seat(), &there).lost("here").start().await.expect("takes them");
    let update = second.tenant(tenant("acme")).update(spec("acme", "v2"), Options::default()).await;
    end(update.expect("accepted")).await;
    second.shutdown(Duration::from_secs(10)).await.expect("in order");
    let refused = engine(store.seat(), &here).start().await.err().expect("is refused");
    assert!(matches!(refused, StartError::Elsewhere { .. }), "it was lost, and is back: {refused:?}");
}

/// Shards move to an engine that comes, without any operation being disturbed, and back when it leaves.
#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_takes_its_part_and_leaves_it_again() {
    let (store, provider) = (store(), scripted());
    provider.set_latency(Duration::from_secs(3));
    let (first, _) = join(&store, &provider).await;
    divided(&store, 1).await;
    let (second, _) = join(&store, &provider).await;
    let mut number = 0;
    let works = async {
        loop {
            let id = format!("tenant-{}", number % 50);
            number += 1;
            let engine = if number % 3 == 0 { &second } else { &first };
            let asked = match number {
                0..=50 => engine.tenant(tenant(&id)).provision(spec(&id, "v0"), Options::default()).await,
                _ => {
                    let image = format!("v{number}");
                    engine.tenant(tenant(&id)).update(spec(&id, &image), Options::default()).await
                }
            };
            let operation = asked.expect("accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(operation);
        }
    };
    tokio::select! {
        () = works => unreachable!("it goes on for ever"),
        moved = tokio::time::timeout(Duration::from_secs(200), halved(&store)) => moved.expect("they are divided"),
    }
    second.shutdown(Duration::from_secs(30)).await.expect("in order");
    assert_eq!(divided(&store, 1).await, [1024]);
    for number in 0..50 {
        let id = format!("tenant-{number}");
        let rests = async {
            while live(&first, &id).await.operation().is_some() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), rests).await.expect("it comes to rest");
        let calls = provider.calls_for(&tenant(&id));
        assert!(calls.iter().all(|call| call.attempt == Some(1)), "a hand-over is no try: {calls:?}");
    }
    assert_eq!(provider.overlaps(), 0);
}

/// A command that comes before its engine has taken the tenant's shard is no try more: nobody has ever begun a call in a new store.
#[tokio::test(start_paused = true)]
async fn what_is_asked_for_before_the_first_claim_is_begun_once() {
    let (store, provider) = (store(), scripted());
    let (engine, _seat) = join(&store, &provider).await;
    let accepted = engine.tenant(tenant("acme")).provision(spec("acme", "v1"), Options::default()).await;
    assert!(store.view().engines.values().all(|member| member.shards.is_empty()), "it has just come");
    assert_eq!(end(accepted.expect("accepted")).await, Settled::Done);
    let attempts: Vec<_> = provider.calls_for(&tenant("acme")).iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [Some(1)]);
}
