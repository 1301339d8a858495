//! An engine that shares its store asks the cluster through connections that look at its lease.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use landlord_compute::provider::{Lease, LogQuery, Provider};
use landlord_compute::store::Epoch;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::status::{ComputeState, Health, UpdateStatus};
use serde_json::json;

use super::serves::{page, web};
use super::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_tenant_lives_through_an_engine_with_a_lease_and_through_the_next_one() {
    let site = Site::new("leased").await;
    let (id, mut cx) = (TenantId::new("leased-a").expect("an id"), site.cx("leased-a"));
    let (first, second) = (web("leased-a", "one").check(), web("leased-a", "two").check());
    let (first, second) = (first.expect("valid"), second.expect("valid"));
    let (provider, lease) = (site.provider(&json!({})), Lease::until_ended(Epoch(1)));
    provider.leased(lease.clone());

    provider.validate(&cx, &first).await.expect("the manifest gives all rights");
    provider.provision(&cx, &first).await.expect("a provision");
    let status = provider.get_status(&cx, &id).await.expect("a status");
    assert_eq!((status.state, status.health), (ComputeState::Running, Health::Healthy));
    let lines = provider.logs(&cx, &id, &LogQuery::default()).await.expect("an answer").expect("logs");
    lines.try_collect::<Vec<_>>().await.expect("lines");
    cx.applied = Some(first);
    let updated = provider.update(&cx, &id, &second).await.expect("an update");
    assert_eq!(updated.status, UpdateStatus::Success);
    let addresses = site.ready("leased-a").await;
    assert_eq!(page(&addresses[0]).await.expect("it serves"), "two");

    // Connections are open, and the lease ends: nothing more is asked for.
    lease.end();
    let told = tokio::time::timeout(Duration::from_secs(60), provider.get_status(&cx, &id)).await;
    let told = told.expect("it does not wait for the lease").expect_err("it may not ask");
    assert!(told.to_string().contains("lease has ended"), "{told}");
    let destroy = tokio::time::timeout(Duration::from_secs(5), provider.destroy(&cx, &id)).await;
    assert!(!matches!(destroy, Ok(Ok(_))), "{destroy:?}");
    assert_eq!(site.ready("leased-a").await, addresses, "it serves on");

    let next = site.provider(&json!({}));
    next.leased(Lease::until_ended(Epoch(2)));
    next.destroy(&cx, &id).await.expect("a destroy");
    assert!(site.admin.get("/api/v1/namespaces/landlord-leased-a").await.is_none());
}
