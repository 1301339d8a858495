//! A tenant's life, driven through the handle.

use std::sync::Arc;
use std::time::Duration;

use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::id::{Revision, SpecVersion};
use landlord_compute::machines::tenant::{
    EventKind, Method, OperationKind, Record, Rejection, Settled, StateName,
};
use landlord_compute::store::TenantFilter;
use landlord_compute::{CommandError, Options, TenantComputeSpec};
use landlord_testing::scripted::Step;

use super::{engine, events_until, live, memory, run, scripted, spec, tenant};

fn error(remedy: Remedy) -> ProviderError {
    ProviderError::new(ErrorKind::ProvisionFailed, remedy, ErrorCode::ResourceExhausted, "no capacity")
}

#[tokio::test(start_paused = true)]
async fn a_tenant_lives_from_pending_to_gone() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let acme = engine.tenant(tenant("acme"));

    let provisioned = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    assert_eq!(provisioned.await.expect("settles"), Settled::Done);
    assert_eq!(live(&engine, "acme").await.state.name(), StateName::Running);
    assert!(provider.running(&tenant("acme")).is_some());
    assert_eq!(acme.status().await.expect("known").containers[0].name, "web");

    let updated = acme.update(spec("acme", "v2"), Options::default()).await.expect("accepted");
    assert_eq!(updated.await.expect("settles"), Settled::Done);
    assert_eq!(provider.running(&tenant("acme")).expect("runs").containers[0].image, "v2");

    let destroyed = acme.destroy(Options::default()).await.expect("accepted");
    assert_eq!(destroyed.await.expect("settles"), Settled::Done);
    assert!(matches!(acme.snapshot().await.expect("readable"), Record::Gone(_)));
    assert_eq!(provider.tenants(), []);

    let events = events_until(&engine, "acme", |event| event.to.is_none()).await;
    let revisions: Vec<u64> = events.iter().map(|event| event.revision.0).collect();
    assert_eq!(revisions, [1, 2, 3, 4, 5, 6]);
    insta::assert_json_snapshot!("a life", events);

    run(&engine, "acme", "v3").await;
    assert_eq!(live(&engine, "acme").await.incarnation.0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_retried_and_the_tenant_runs() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    for _ in 0..4 {
        provider.script(&id, Method::Provision, [Step::Fail(error(Remedy::Retry))]);
    }
    run(&engine, "acme", "v1").await;
    let attempts: Vec<_> = provider.calls_for(&id).iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [Some(1), Some(2), Some(3), Some(4), Some(5)]);
    assert_eq!(live(&engine, "acme").await.last_failure, None);
}

#[tokio::test(start_paused = true)]
async fn a_provision_that_fails_for_good_is_undone() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    provider.script(&id, Method::Provision, [Step::Work, Step::Fail(error(Remedy::Permanent))]);
    let operation =
        engine.tenant(id.clone()).provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let settled = operation.await.expect("settles");
    assert_eq!(settled, Settled::Failed { error: Arc::new(error(Remedy::Permanent)), undone: true });
    assert_eq!(provider.tenants(), [], "what was made is gone");
    let tenant = live(&engine, "acme").await;
    assert_eq!(tenant.state.name(), StateName::Pending);
    assert!(tenant.last_failure.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_update_that_fails_for_good_goes_back() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    run(&engine, "acme", "v1").await;
    let id = tenant("acme");
    provider.script(&id, Method::Update, [Step::Work, Step::Fail(error(Remedy::Permanent))]);
    let operation =
        engine.tenant(id.clone()).update(spec("acme", "v2"), Options::default()).await.expect("accepted");
    let settled = operation.await.expect("settles");
    assert!(matches!(settled, Settled::Failed { undone: true, .. }), "{settled}");
    assert_eq!(provider.running(&id).expect("runs").containers[0].image, "v1");
    assert_eq!(live(&engine, "acme").await.state.name(), StateName::Running);
}

/// A restart on its way may have read the secrets before they changed, so that the next one waits for its turn.
#[tokio::test(start_paused = true)]
async fn restarts_keep_the_spec_and_none_is_lost_or_made_twice() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    run(&engine, "acme", "v1").await;
    let id = tenant("acme");
    let acme = engine.tenant(id.clone());
    provider.script(&id, Method::Update, [Step::Gate("go"), Step::Work]);
    let first = acme.restart(Options::default()).await.expect("accepted");
    let second = acme.restart(Options::default()).await.expect("queued");
    let joined = acme.restart(Options::default()).await.expect("joined");
    assert_eq!(joined.id(), second.id());
    assert_ne!(first.id(), second.id());
    provider.open("go");
    for operation in [first, second, joined] {
        assert_eq!(operation.await.expect("settles"), Settled::Done);
    }
    let runs = live(&engine, "acme").await;
    let applied = runs.applied().expect("it runs");
    assert_eq!((applied.version.0, applied.rollout), (1, provider.rollout(&id).expect("it runs")));
    assert!(!applied.rollout.is_first());
    let methods: Vec<Method> = provider.calls_for(&id).iter().map(|call| call.method).collect();
    assert_eq!(methods, [Method::Provision, Method::Update, Method::Update]);

    let rejected = engine.tenant(tenant("nobody")).restart(Options::default()).await.expect_err("absent");
    assert!(matches!(rejected, CommandError::Rejected(Rejection::NotProvisioned)), "{rejected}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_takes_the_place_of_no_update() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    let acme = engine.tenant(id.clone());
    provider.script(&id, Method::Provision, [Step::Gate("go"), Step::Work]);
    acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let update = acme.update(spec("acme", "v2"), Options::default()).await.expect("queued");
    let by = update.id().expect("an operation began");
    let rejected = acme.restart(Options::default()).await.expect_err("an update waits");
    assert!(
        matches!(rejected, CommandError::Rejected(Rejection::UpdateWaits { by: update }) if update == by),
        "{rejected}"
    );
    provider.open("go");
    assert_eq!(update.await.expect("settles"), Settled::Done);
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_fails_goes_back_to_what_ran() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    run(&engine, "acme", "v1").await;
    let id = tenant("acme");
    provider.script(&id, Method::Update, [Step::Work, Step::Fail(error(Remedy::Permanent))]);
    let restart = engine.tenant(id.clone()).restart(Options::default()).await.expect("accepted");
    let settled = restart.await.expect("settles");
    assert!(matches!(settled, Settled::Failed { undone: true, .. }), "{settled}");
    assert!(provider.rollout(&id).expect("it runs").is_first());
}

/// What is left to do is what a repair does.
#[tokio::test(start_paused = true)]
async fn a_restart_that_cannot_be_undone_ends_as_failed_and_is_repaired() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    run(&engine, "acme", "v1").await;
    let id = tenant("acme");
    provider.script(&id, Method::Update, [Step::Work, Step::Fail(error(Remedy::Permanent))]);
    provider.script(&id, Method::Update, [Step::Fail(error(Remedy::Permanent))]);
    let restart = engine.tenant(id.clone()).restart(Options::default()).await.expect("accepted");
    let settled = restart.await.expect("settles");
    assert!(matches!(settled, Settled::Failed { undone: false, .. }), "{settled}");
    let (operation_kind, spec) = (OperationKind::Repair, Some(SpecVersion(1)));
    let repair = EventKind::Began { operation_kind, spec, reason: None };
    events_until(&engine, "acme", |event| event.what == repair).await;
    events_until(&engine, "acme", |event| {
        matches!(event.what, EventKind::Succeeded { .. }) && event.revision.0 > 6
    })
    .await;
    assert!(provider.rollout(&id).expect("it runs").is_first());
    assert_eq!(live(&engine, "acme").await.state.name(), StateName::Running);
}

#[tokio::test(start_paused = true)]
async fn the_latest_update_wins_and_the_others_are_superseded() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    let acme = engine.tenant(id.clone());
    provider.script(&id, Method::Provision, [Step::Gate("go"), Step::Work]);
    let first = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let second = acme.update(spec("acme", "v2"), Options::default()).await.expect("queued");
    let third = acme.update(spec("acme", "v3"), Options::default()).await.expect("queued");
    let third_id = third.id().expect("an operation began");
    assert_eq!(second.await.expect("settles"), Settled::Superseded { by: third_id });
    provider.open("go");
    assert_eq!(first.await.expect("settles"), Settled::Done);
    assert_eq!(third.await.expect("settles"), Settled::Done);
    assert_eq!(provider.running(&id).expect("runs").containers[0].image, "v3");
}

#[tokio::test(start_paused = true)]
async fn cancel_stops_the_call_and_undoes_it() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    provider.script(&id, Method::Provision, [Step::Work, Step::HangUntilStopped]);
    let acme = engine.tenant(id.clone());
    let operation = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let cancelled = acme.cancel(Options::default()).await.expect("accepted");
    assert_eq!(cancelled.id(), operation.id());
    assert_eq!(operation.await.expect("settles"), Settled::Cancelled { left: Vec::new() });
    assert_eq!(provider.tenants(), []);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_undoes_a_call_that_never_ends() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    provider.script(&id, Method::Provision, [Step::Work, Step::Hang]);
    let options = Options::default().deadline(Duration::from_secs(60));
    let operation = engine.tenant(id.clone()).provision(spec("acme", "v1"), options).await.expect("accepted");
    let settled = operation.await.expect("settles");
    let Settled::Failed { error, undone: true } = &settled else { panic!("{settled}") };
    assert_eq!(error.code, ErrorCode::ProviderTimeout);
    assert_eq!(provider.tenants(), []);
    assert_eq!(provider.overlaps(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_the_deadline_comes_too_late() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    provider.script(&id, Method::Provision, [Step::Sleep(Duration::from_secs(70)), Step::Work]);
    let options = Options::default().deadline(Duration::from_secs(60));
    let operation = engine.tenant(id.clone()).provision(spec("acme", "v1"), options).await.expect("accepted");
    let settled = operation.await.expect("settles");
    let Settled::Failed { error, undone: true } = &settled else { panic!("{settled}") };
    assert_eq!(error.code, ErrorCode::ProviderTimeout);
    let methods: Vec<Method> = provider.calls_for(&id).iter().map(|call| call.method).collect();
    assert_eq!(methods, [Method::Provision, Method::Destroy], "what came too late is undone");
    assert_eq!(provider.tenants(), []);
}

/// I5: destroy is accepted in every state, and ends.
#[tokio::test(start_paused = true)]
async fn i5_destroy_overtakes_a_provision_that_hangs() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    provider.script(&id, Method::Provision, [Step::Work, Step::Hang]);
    provider.script(&id, Method::Destroy, [Step::Fail(error(Remedy::Permanent))]);
    let acme = engine.tenant(id.clone());
    let provisioned = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    let destroyed = acme.destroy(Options::default()).await.expect("accepted");
    let destroy_id = destroyed.id().expect("an operation began");
    assert_eq!(destroyed.await.expect("settles"), Settled::Done);
    assert_eq!(provisioned.await.expect("settles"), Settled::Superseded { by: destroy_id });
    assert_eq!(provider.tenants(), []);
    assert_eq!(provider.overlaps(), 0);
}

/// I5: a protected tenant is destroyed once an update has lifted its protection.
#[tokio::test(start_paused = true)]
async fn i5_a_protected_tenant_is_destroyed_once_that_is_lifted() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let acme = engine.tenant(tenant("acme"));
    let destroy_is_refused = async || {
        let refused = acme.destroy(Options::default()).await.expect_err("it is protected");
        assert!(matches!(refused, CommandError::Rejected(Rejection::Protected)), "{refused}");
        assert!(refused.to_string().contains("deletion_protection: false"), "{refused}");
    };
    let protected = |image| TenantComputeSpec { deletion_protection: true, ..spec("acme", image) };

    provider.script(&tenant("acme"), Method::Provision, [Step::Gate("up"), Step::Work]);
    let provisioned = acme.provision(protected("v1"), Options::default()).await.expect("accepted");
    destroy_is_refused().await;
    provider.open("up");
    assert_eq!(provisioned.await.expect("settles"), Settled::Done);
    destroy_is_refused().await;

    // No platform knows of it, and it is planned all the same.
    let planned = acme.plan(spec("acme", "v1")).await.expect("it plans");
    let planned: Vec<String> = planned.changes.iter().map(ToString::to_string).collect();
    assert_eq!(planned, ["deletion_protection: true → false"]);

    // An update that also changes something else, and fails, leaves it.
    provider.script(&tenant("acme"), Method::Update, [Step::Fail(error(Remedy::Permanent))]);
    let lifted = acme.update(spec("acme", "v2"), Options::default()).await.expect("accepted");
    assert!(matches!(lifted.await.expect("settles"), Settled::Failed { undone: true, .. }));
    destroy_is_refused().await;

    // Alone it needs no platform, be it dead.
    provider.script(&tenant("acme"), Method::Update, [Step::Hang]);
    let lifted = acme.update(spec("acme", "v1"), Options::default()).await.expect("accepted");
    assert_eq!(lifted.await.expect("settles"), Settled::Done);
    // A destroy that was accepted before protection came stays accepted.
    let protects = acme.update(protected("v2"), Options::default()).await.expect("accepted");
    let destroyed = acme.destroy(Options::default()).await.expect("it is not protected yet");
    let by = destroyed.id().expect("an operation began");
    assert_eq!(destroyed.await.expect("settles"), Settled::Done);
    assert_eq!(protects.await.expect("settles"), Settled::Superseded { by });
}

/// I5: what is undone down to nothing is not protected: an undo that never ends is overtaken.
#[tokio::test(start_paused = true)]
async fn i5_a_protected_tenant_that_never_came_up_is_destroyed() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let acme = engine.tenant(tenant("acme"));
    provider.script(&tenant("acme"), Method::Provision, [Step::Fail(error(Remedy::Permanent))]);
    provider.script(&tenant("acme"), Method::Destroy, [Step::Hang]);
    let protected = TenantComputeSpec { deletion_protection: true, ..spec("acme", "v1") };
    let provisioned = acme.provision(protected, Options::default()).await.expect("accepted");
    events_until(&engine, "acme", |event| matches!(event.what, EventKind::Undoing { .. })).await;
    let destroyed = acme.destroy(Options::default()).await.expect("accepted");
    let by = destroyed.id().expect("an operation began");
    assert_eq!(destroyed.await.expect("settles"), Settled::Done);
    assert_eq!(provisioned.await.expect("settles"), Settled::Superseded { by });
}

/// I5: a destroy that its platform never answers ends by being abandoned, and names what is left.
#[tokio::test(start_paused = true)]
async fn i5_a_destroy_without_an_answer_can_be_abandoned() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    provider.script(&id, Method::Provision, [Step::Checkpoint("row made"), Step::Work]);
    run(&engine, "acme", "v1").await;
    provider.script(&id, Method::Destroy, [Step::Hang]);
    let acme = engine.tenant(id.clone());
    let destroyed = acme.destroy(Options::default()).await.expect("accepted");
    let rejected = acme.update(spec("acme", "v2"), Options::default()).await.expect_err("is being destroyed");
    assert!(matches!(rejected, CommandError::Rejected(Rejection::BeingDestroyed { .. })), "{rejected}");
    acme.abandon(Options::default().reason("the account is closed")).await.expect("accepted");
    assert_eq!(
        destroyed.await.expect("settles"),
        Settled::Abandoned { left: vec!["row made: acme".to_owned()] }
    );
    assert!(matches!(acme.snapshot().await.expect("readable"), Record::Gone(_)));
}

#[tokio::test(start_paused = true)]
async fn a_paused_tenant_begins_nothing_until_it_is_resumed() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let id = tenant("acme");
    let acme = engine.tenant(id.clone());
    provider.script(&id, Method::Provision, [Step::Fail(error(Remedy::Retry))]);
    let operation = acme.provision(spec("acme", "v1"), Options::default()).await.expect("accepted");
    events_until(&engine, "acme", |event| matches!(event.what, EventKind::WillRetry { .. })).await;
    acme.pause(Options::default()).await.expect("paused");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(provider.calls_for(&id).len(), 1);
    let refused = acme.update(spec("acme", "v2"), Options::default()).await.expect_err("is paused");
    assert!(matches!(refused, CommandError::Rejected(Rejection::Paused)), "{refused}");
    acme.resume(Options::default()).await.expect("resumed");
    assert_eq!(operation.await.expect("settles"), Settled::Done);
}

#[tokio::test(start_paused = true)]
async fn the_same_request_twice_is_the_same_operation() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let acme = engine.tenant(tenant("acme"));
    let options = || Options::default().request_id("order-17".to_owned());
    let first = acme.provision(spec("acme", "v1"), options()).await.expect("accepted");
    let again = acme.provision(spec("acme", "v1"), options()).await.expect("the same");
    assert_eq!(first.id(), again.id());
    assert_eq!(first.await.expect("settles"), Settled::Done);
    let later = acme.provision(spec("acme", "v1"), options()).await.expect("the same, settled");
    assert_eq!(later.id(), again.id());
    assert_eq!(later.await.expect("settled"), Settled::Done);
    assert_eq!(provider.calls_for(&tenant("acme")).len(), 1);
}

/// Its name is kept, although it begins no operation: it is answered as before, and not done again.
#[tokio::test(start_paused = true)]
async fn a_request_that_begins_no_operation_is_known_by_its_name() {
    let (store, provider) = (memory(), scripted());
    let first = engine(store.clone(), &provider).start().await.expect("starts");
    run(&first, "acme", "v1").await;
    let options = |name: &str| Options::default().request_id(name.to_owned());
    let acme = first.tenant(tenant("acme"));
    let paused = acme.pause(options("p")).await.expect("paused");
    let resumed = acme.resume(options("r")).await.expect("resumed");
    assert!(paused < resumed);
    provider.script(&tenant("acme"), Method::Update, [Step::HangUntilStopped]);
    let update = acme.update(spec("acme", "v2"), Options::default()).await.expect("accepted");
    let joined = acme.update(spec("acme", "v2"), options("j")).await.expect("the same update");
    assert_eq!(joined.id(), update.id());
    let cancelled = acme.cancel(options("c")).await.expect("accepted");
    assert_eq!(cancelled.id(), update.id());
    assert_eq!(update.await.expect("settles"), Settled::Cancelled { left: Vec::new() });
    let absent = first.tenant(tenant("absent"));
    assert_eq!(absent.destroy(options("d")).await.expect("so already").already(), Some(Revision(0)));
    first.shutdown(Duration::from_secs(5)).await.expect("an orderly end");

    let second = engine(store, &provider).start().await.expect("starts");
    let (acme, absent) = (second.tenant(tenant("acme")), second.tenant(tenant("absent")));
    let before = acme.snapshot().await.expect("readable").revision();
    assert_eq!(acme.pause(options("p")).await.expect("as before"), paused);
    assert_eq!(acme.resume(options("r")).await.expect("as before"), resumed);
    let (again, over) = (acme.update(spec("acme", "v2"), options("j")), acme.cancel(options("c")));
    assert_eq!(again.await.expect("as before").id(), joined.id());
    assert_eq!(over.await.expect("as before").id(), cancelled.id());
    assert_eq!(absent.destroy(options("d")).await.expect("as before").already(), Some(Revision(0)));
    assert_eq!(acme.snapshot().await.expect("readable").revision(), before, "nothing is done again");
    for name in ["p", "j", "c"] {
        let reused = acme.destroy(options(name)).await.expect_err("another request");
        assert!(matches!(reused, CommandError::RequestReused { .. }), "{name}: {reused}");
    }
    let reused = acme.resume(options("p")).await.expect_err("another request");
    insta::assert_snapshot!(reused, @r#"request id "p" is that of another request of this tenant; send a request again as it was, or under another id"#);
    let reused = acme.destroy(options("j")).await.expect_err("another request");
    insta::assert_snapshot!(reused, @r#"request id "j" is that of another request of this tenant, which is operation 1-5; send a request again as it was, or under another id"#);
}

#[tokio::test(start_paused = true)]
async fn a_command_for_another_revision_is_rejected() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    run(&engine, "acme", "v1").await;
    let acme = engine.tenant(tenant("acme"));
    let options = Options::default().expected_revision(Revision(1));
    let rejected = acme.destroy(options).await.expect_err("it moved on");
    assert!(
        matches!(rejected, CommandError::Rejected(Rejection::RevisionMismatch { actual: Revision(2), .. })),
        "{rejected}"
    );
    let options = Options::default().expected_revision(Revision(2));
    acme.destroy(options).await.expect("accepted");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_said_before_anything_is_recorded() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let acme = engine.tenant(tenant("acme"));
    let mut bad = spec("acme", "v1");
    bad.containers[0].name = "Not Valid".to_owned();
    bad.resources.cpu = 1;
    let invalid = acme.provision(bad, Options::default()).await.expect_err("invalid").to_string();
    assert!(invalid.contains("containers[0].name") && invalid.contains("resources.cpu"), "{invalid}");

    let other =
        acme.provision(spec("umbrella", "v1"), Options::default()).await.expect_err("another tenant's");
    assert!(other.to_string().contains("tenant_id"), "{other}");

    let mut unknown = spec("acme", "v1");
    unknown.provider_type = "nomad".to_owned();
    let unknown = acme.provision(unknown, Options::default()).await.expect_err("not registered");
    insta::assert_snapshot!(unknown, @r#"no provider is named "nomad"; registered are: scripted"#);

    let absent = acme.update(spec("acme", "v1"), Options::default()).await.expect_err("nothing there");
    insta::assert_snapshot!(absent, @"the tenant is not provisioned; provision it first");
    assert_eq!(acme.destroy(Options::default()).await.expect("fine").await.expect("settled"), Settled::Done);
    assert!(matches!(acme.snapshot().await.expect("readable"), Record::Absent(_)));
    assert_eq!(provider.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn tenants_are_listed_by_state_and_page_by_page() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    for id in ["a", "b", "c", "d", "e"] {
        run(&engine, id, "v1").await;
    }
    provider.script(&tenant("c"), Method::Update, [Step::Hang]);
    engine.tenant(tenant("c")).update(spec("c", "v2"), Options::default()).await.expect("accepted");
    let running = TenantFilter { state: Some(StateName::Running), ..TenantFilter::default() };
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = engine.tenants(&running, after, 2).await.expect("readable");
        found.extend(page.items.iter().map(|tenant| tenant.id.to_string()));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, ["a", "b", "d", "e"]);
}
