//! An engine that shares its store asks through connections that look at its lease.

use landlord_compute::machines::tenant::Settled;
use landlord_compute::provider::Lease;
use landlord_compute::store::Epoch;
use landlord_compute::{Engine, ObservePolicy, Options};
use landlord_testing::fixtures::{memory, tenant};

use super::site::{Site, spec};
use crate::emulators::Kind;

#[tokio::test]
#[ignore = "needs the emulators of ECS: ./test.sh backends"]
async fn a_tenant_lives_through_an_engine_with_a_lease() {
    let site = Site::new(Kind::MiniStack, "leased").await;
    let lease = Lease::until_ended(Epoch(1));
    let builder = Engine::builder(memory()).observe(ObservePolicy::Off);
    let engine = builder.provider(site.leased(lease.clone())).start().await.expect("an engine");
    let (web, options) = (engine.tenant(tenant("leased-a")), Options::default);

    let provisioned = web.provision(spec("leased-a", "nginx:1"), options()).await.expect("accepted");
    assert_eq!(provisioned.await.expect("settles"), Settled::Done);
    let updated = web.update(spec("leased-a", "nginx:2"), options()).await.expect("accepted");
    assert_eq!(updated.await.expect("settles"), Settled::Done);
    web.status().await.expect("a status");

    // Connections are open, and the lease ends: nothing more is asked for.
    lease.end();
    let told = web.status().await.expect_err("it may not ask");
    assert!(told.to_string().contains("lease has ended"), "{told}");
    let there = site.there(&site.name("leased-a")).await;
    let gone = web.destroy(options()).await.expect("accepted");
    let settled = tokio::time::timeout(std::time::Duration::from_secs(5), gone).await;
    assert!(settled.is_err(), "{settled:?}");
    assert_eq!(site.there(&site.name("leased-a")).await.len(), there.len(), "all of it is there");
}
