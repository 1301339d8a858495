//! The leak sweep: what belongs to nobody is found and removed, and nothing else is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landlord_compute::clock::TokioClock;
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::id::{Incarnation, ProviderName, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::Spec;
use landlord_compute::machines::status::{ComputeStatus, ProvisionResult, UpdateResult};
use landlord_compute::machines::sweep::Orphaned;
use landlord_compute::machines::tenant::{Method, Record, Rejection, Settled, StateName};
use landlord_compute::provider::{Capabilities, Context, Destroyed, OwnedTenant, Provider};
use landlord_compute::{CommandError, Engine, Options, Orphan, Sweep, SweepError, TenantHandle};
use landlord_testing::scripted::{Scripted, Step};

use super::{end, engine, live, memory, run, scripted, scripted_with, spec, tenant, without_providers};

fn name() -> ProviderName {
    ProviderName::new("scripted").expect("a valid name")
}

async fn sweep(engine: &Engine) -> Sweep {
    engine.sweep(&name()).await.expect("swept")
}

/// A context of the engine's, which the engine knows nothing of.
async fn beside(engine: &Engine, id: &str, incarnation: u64) -> Context {
    let engine = sweep(engine).await.engine;
    let subject = Subject {
        engine,
        provider: ProviderName::new("scripted").expect("a valid name"),
        tenant: tenant(id),
        incarnation: Incarnation(incarnation),
    };
    Context::alone(subject, Arc::new(TokioClock::starting_at(Timestamp::UNIX_EPOCH)))
}

/// Something of a tenant is there that no engine was asked for.
async fn plant(engine: &Engine, provider: &Scripted, id: &str, incarnation: u64) {
    let cx = beside(engine, id, incarnation).await;
    let spec = spec(id, "v1").check().expect("valid");
    provider.provision(&cx, &spec).await.expect("there");
}

/// What a sweep finds of one orphan: whose, of which life, and why.
fn found(sweep: &Sweep) -> Vec<(&str, u64, Orphaned)> {
    let orphans = sweep.orphans.iter();
    orphans.map(|it| (it.tenant_id.as_str(), it.incarnation.0, it.why.clone())).collect()
}

fn rejected(result: Result<landlord_compute::OperationHandle, CommandError>) -> Rejection {
    match result {
        Err(CommandError::Rejected(rejection)) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_every_tenant_holds_is_its_own() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    for id in ["a", "b", "c"] {
        run(&engine, id, "v1").await;
    }
    let destroyed = engine.tenant(tenant("c")).destroy(Options::default()).await.expect("accepted");
    destroyed.await.expect("settles");
    let sweep = sweep(&engine).await;
    assert!(sweep.is_clean() && sweep.unsettled.is_empty(), "{sweep:?}");
    assert_eq!((sweep.listed, sweep.provider), (2, name()));
}

/// I3: what a lost record or an abandoned destroy left is found and removed, and the next life is a new one.
#[tokio::test(start_paused = true)]
async fn i3_what_no_tenant_owns_is_found_and_removed() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    // The store knows nothing of one, and of the other that it is over.
    plant(&engine, &provider, "lost", 3).await;
    run(&engine, "given-up", "v1").await;
    provider.script(&tenant("given-up"), Method::Destroy, [Step::Hang]);
    let given_up = engine.tenant(tenant("given-up"));
    given_up.destroy(Options::default()).await.expect("accepted");
    given_up.abandon(Options::default().reason("enough")).await.expect("accepted").await.expect("settles");

    let seen = sweep(&engine).await;
    assert_eq!(found(&seen), [("given-up", 1, Orphaned::NoTenant), ("lost", 3, Orphaned::NoTenant)]);
    assert_eq!(provider.tenants().len(), 2, "looking removes nothing");
    for orphan in &seen.orphans {
        let removal = engine.reclaim(orphan, Options::default()).await.expect("accepted");
        assert_eq!(end(removal).await, Settled::Done);
    }
    assert_eq!(provider.tenants(), []);
    assert!(sweep(&engine).await.is_clean());
    run(&engine, "lost", "v1").await;
    assert_eq!(live(&engine, "lost").await.incarnation, Incarnation(4), "no life is lived twice");
}

#[tokio::test(start_paused = true)]
async fn who_should_run_and_holds_nothing_is_missing() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    run(&engine, "acme", "v1").await;
    run(&engine, "fine", "v1").await;
    let cx = beside(&engine, "acme", 1).await;
    provider.destroy(&cx, &tenant("acme")).await.expect("gone behind the engine's back");
    let sweep = sweep(&engine).await;
    let missing: Vec<_> = sweep.missing.iter().map(|it| (it.tenant_id.as_str(), it.incarnation.0)).collect();
    assert_eq!((missing, sweep.orphans), (vec![("acme", 1)], vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_not_judged() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    // Something of an earlier life is there while the next one is being made.
    plant(&engine, &provider, "acme", 9).await;
    provider.script(&tenant("acme"), Method::Provision, [Step::Hang]);
    let options = Options::default().deadline(Duration::from_secs(5));
    let operation = engine.tenant(tenant("acme")).provision(spec("acme", "v1"), options).await;
    let mut operation = operation.expect("accepted");
    let seen = sweep(&engine).await;
    assert_eq!((seen.orphans, seen.missing, seen.unsettled), (vec![], vec![], vec![tenant("acme")]));
    operation.settled().await.expect("settles");
    assert_eq!(live(&engine, "acme").await.state.name(), StateName::Pending);
    // Undone: nothing should run, and nothing does.
    assert!(sweep(&engine).await.is_clean());
    plant(&engine, &provider, "acme", 1).await;
    assert_eq!(sweep(&engine).await.unsettled, [tenant("acme")], "a tenant that is tried is not judged");
}

/// A tenant that is provisioned after the sweep looked keeps what it has.
#[tokio::test(start_paused = true)]
async fn a_tenant_provisioned_meanwhile_is_not_removed() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    plant(&engine, &provider, "acme", 1).await;
    let seen = sweep(&engine).await;
    let [orphan] = &seen.orphans[..] else { panic!("{seen:?}") };
    run(&engine, "acme", "v1").await;
    let rejection = rejected(engine.reclaim(orphan, Options::default()).await);
    assert!(matches!(rejection, Rejection::RevisionMismatch { .. }), "{rejection}");
    assert!(provider.running(&tenant("acme")).is_some());
    assert!(sweep(&engine).await.is_clean(), "it is the tenant's now");
    // And a life later, when the record says again that there is none.
    engine
        .tenant(tenant("acme"))
        .destroy(Options::default())
        .await
        .expect("accepted")
        .await
        .expect("settles");
    plant(&engine, &provider, "acme", 2).await;
    let rejection = rejected(engine.reclaim(orphan, Options::default()).await);
    assert!(matches!(rejection, Rejection::RevisionMismatch { .. }), "{rejection}");
}

/// Whoever provisions while an orphan is being removed is told to wait, and nothing of a new life is touched.
#[tokio::test(start_paused = true)]
async fn a_provision_during_a_removal_is_refused() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    plant(&engine, &provider, "acme", 1).await;
    let seen = sweep(&engine).await;
    provider.script(&tenant("acme"), Method::Destroy, [Step::Gate("go"), Step::Work]);
    let removal = engine.reclaim(&seen.orphans[0], Options::default()).await.expect("accepted");
    let acme = engine.tenant(tenant("acme"));
    let rejection = rejected(acme.provision(spec("acme", "v1"), Options::default()).await);
    assert!(matches!(rejection, Rejection::BeingDestroyed { .. }), "{rejection}");
    assert_eq!(sweep(&engine).await.orphans, [], "what is being removed is not found again");
    let again = engine.tenant(tenant("acme")).destroy(Options::default()).await.expect("joins");
    assert_eq!(again.id(), removal.id());
    provider.open("go");
    assert_eq!(end(removal).await, Settled::Done);
    run(&engine, "acme", "v1").await;
    assert!(sweep(&engine).await.is_clean());
    assert_eq!(provider.overlaps(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_another_life_left_beside_a_running_tenant_goes_with_an_update() {
    let provider = scripted();
    let engine = engine(memory(), &provider).start().await.expect("starts");
    run(&engine, "acme", "v1").await;
    // The scripted platform has one place a tenant, so the other life takes the living one's.
    plant(&engine, &provider, "acme", 7).await;
    let before = live(&engine, "acme").await.revision;
    let seen = sweep(&engine).await;
    assert_eq!(found(&seen), [("acme", 7, Orphaned::AnotherLife { living: Incarnation(1) })]);
    assert_eq!(seen.missing.len(), 1, "and what it should have is not there");
    let calls = provider.calls_for(&tenant("acme")).len();
    let correction = engine.reclaim(&seen.orphans[0], Options::default()).await.expect("accepted");
    assert_eq!(end(correction).await, Settled::Done);
    let made: Vec<Method> =
        provider.calls_for(&tenant("acme"))[calls..].iter().map(|call| call.method).collect();
    assert_eq!(made, [Method::Update], "nothing is destroyed under a tenant that runs");
    assert!(live(&engine, "acme").await.revision > before);
    assert!(sweep(&engine).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_lives_elsewhere_is_left_alone() {
    let (here, elsewhere) =
        (scripted(), Scripted::new(ProviderName::new("elsewhere").expect("valid"), Capabilities::default()));
    let engine = engine(memory(), &here).provider(elsewhere.clone()).start().await.expect("starts");
    let mut moved = spec("acme", "v1");
    moved.provider_type = "elsewhere".to_owned();
    let acme = engine.tenant(tenant("acme"));
    acme.provision(moved, Options::default()).await.expect("accepted").await.expect("settles");
    plant(&engine, &here, "acme", 1).await;
    let seen = sweep(&engine).await;
    let living = ProviderName::new("elsewhere").expect("valid");
    assert_eq!(found(&seen), [("acme", 1, Orphaned::AnotherProvider { living })]);
    assert_eq!(rejected(engine.reclaim(&seen.orphans[0], Options::default()).await), Rejection::Lives);
    assert!(here.running(&tenant("acme")).is_some() && elsewhere.running(&tenant("acme")).is_some());
}

/// I2: a removal is an operation like any other; the next engine finishes it.
#[tokio::test(start_paused = true)]
async fn i2_the_next_engine_finishes_a_removal() {
    let (store, provider) = (memory(), scripted());
    let first = engine(store.clone(), &provider).start().await.expect("starts");
    plant(&first, &provider, "acme", 1).await;
    let seen = sweep(&first).await;
    provider.script(&tenant("acme"), Method::Destroy, [Step::Hang]);
    let removal = first.reclaim(&seen.orphans[0], Options::default()).await.expect("accepted");
    let id = removal.id().expect("an operation began");
    drop(first);
    let second = engine(store, &provider).start().await.expect("starts");
    assert_eq!(end(second.operation(id).await.expect("known")).await, Settled::Done);
    assert_eq!(provider.tenants(), []);
    let record = second.tenant(tenant("acme")).snapshot().await.expect("readable");
    assert!(matches!(record, Record::Gone(_)), "{record:?}");
}

/// A platform that is listed a moment before everything changes.
struct Old {
    platform: Scripted,
    /// What the first list says, although it is no longer so.
    first: Arc<Mutex<Option<Vec<OwnedTenant>>>>,
    /// Who is provisioned while the next list is made, after it was looked at.
    meanwhile: Arc<Mutex<Option<TenantHandle>>>,
}

impl Old {
    fn new(platform: &Scripted) -> Self {
        Self { platform: platform.clone(), first: Arc::default(), meanwhile: Arc::default() }
    }
}

#[async_trait]
impl Provider for Old {
    fn name(&self) -> ProviderName {
        self.platform.name()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.platform.provision(cx, spec).await
    }

    async fn update(&self, cx: &Context, id: &TenantId, spec: &Spec) -> Result<UpdateResult, ProviderError> {
        self.platform.update(cx, id, spec).await
    }

    async fn destroy(&self, cx: &Context, id: &TenantId) -> Result<Destroyed, ProviderError> {
        self.platform.destroy(cx, id).await
    }

    async fn get_status(&self, cx: &Context, id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        self.platform.get_status(cx, id).await
    }

    async fn validate(&self, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        self.platform.validate(cx, spec).await
    }

    fn capabilities(&self) -> Capabilities {
        self.platform.capabilities()
    }

    async fn list_tenants(&self, engine: &str) -> Result<Vec<OwnedTenant>, ProviderError> {
        let first = self.first.lock().expect("no panic in here").take();
        if let Some(first) = first {
            return Ok(first);
        }
        let list = self.platform.list_tenants(engine).await;
        let meanwhile = self.meanwhile.lock().expect("no panic in here").take();
        if let Some(tenant) = meanwhile {
            let spec = spec(tenant.id().as_str(), "v1");
            let provisioned = tenant.provision(spec, Options::default()).await.expect("accepted");
            assert_eq!(end(provisioned).await, Settled::Done);
        }
        list
    }
}

/// What changes between the list and the record is looked at again: nobody is called an orphan or missing for it.
#[tokio::test(start_paused = true)]
async fn who_comes_or_goes_while_the_platform_is_listed_is_not_judged_by_the_old_list() {
    let platform = scripted();
    let provider = Old::new(&platform);
    let first = Arc::clone(&provider.first);
    let engine = without_providers(memory()).provider(provider).start().await.expect("starts");
    run(&engine, "goes", "v1").await;
    run(&engine, "stays", "v1").await;
    *first.lock().expect("no panic in here") =
        Some(platform.list_tenants(&sweep(&engine).await.engine).await.expect("listed"));
    run(&engine, "comes", "v1").await;
    let gone = engine.tenant(tenant("goes")).destroy(Options::default()).await.expect("accepted");
    assert_eq!(end(gone).await, Settled::Done);
    let seen = sweep(&engine).await;
    assert_eq!((seen.orphans, seen.missing, seen.unsettled), (vec![], vec![], vec![]));
    assert_eq!(seen.listed, 2, "what is said is from the second list");
}

#[tokio::test(start_paused = true)]
async fn who_is_provisioned_while_the_platform_is_listed_is_not_judged() {
    let platform = scripted();
    let provider = Old::new(&platform);
    let (first, meanwhile) = (Arc::clone(&provider.first), Arc::clone(&provider.meanwhile));
    let engine = without_providers(memory()).provider(provider).start().await.expect("starts");
    plant(&engine, &platform, "acme", 7).await;
    *first.lock().expect("no panic in here") =
        Some(platform.list_tenants(&sweep(&engine).await.engine).await.expect("listed"));
    *meanwhile.lock().expect("no panic in here") = Some(engine.tenant(tenant("acme")));
    let seen = sweep(&engine).await;
    assert_eq!(live(&engine, "acme").await.state.name(), StateName::Running);
    assert_eq!((seen.orphans, seen.missing, seen.unsettled), (vec![], vec![], vec![tenant("acme")]));
    assert!(sweep(&engine).await.is_clean(), "the next sweep sees it as it is");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_cannot_list_says_so() {
    let provider = scripted_with(Capabilities::default());
    let engine = engine(memory(), &provider).start().await.expect("starts");
    let error = engine.sweep(&name()).await.expect_err("cannot be swept");
    assert!(matches!(error, SweepError::CannotList(_)), "{error}");
    assert!(error.to_string().contains("look at its platform by hand"), "{error}");
    let unknown = engine.sweep(&ProviderName::new("nobody").expect("valid")).await.expect_err("unknown");
    assert!(matches!(unknown, SweepError::Registry(_)), "{unknown}");
}

#[test]
fn an_orphan_names_all_that_is_known_of_it() {
    let orphan = Orphan {
        tenant_id: tenant("acme"),
        incarnation: Incarnation(2),
        provider: name(),
        resources: [("row".to_owned(), "acme".to_owned())].into(),
        why: Orphaned::AnotherLife { living: Incarnation(3) },
        revision: landlord_compute::machines::id::Revision(7),
    };
    let json = serde_json::to_value(&orphan).expect("a document");
    let wanted = serde_json::json!({
        "tenant_id": "acme", "incarnation": 2, "provider": "scripted", "resources": { "row": "acme" },
        "why": { "kind": "another_life", "living": 3 }, "revision": 7,
    });
    assert_eq!(json, wanted);
}
