//! The provider of an engine that shares its store: it asks a cluster while the engine's lease holds.

use landlord_compute::machines::id::Epoch;
use landlord_compute::provider::{Lease, Provider};
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::kubernetes::{KubernetesCall, ObjectKind};
use serde_json::json;

use super::site::{Site, config_map, look};

#[tokio::test]
async fn a_cluster_is_asked_while_the_lease_holds() {
    let (site, lease) = (Site::prepared(), Lease::until_ended(Epoch(1)));
    // A connection from before is not used any more.
    site.reply(&KubernetesCall::Survey).await;
    site.provider.leased(lease.clone());
    site.reply(&KubernetesCall::Survey).await;
    site.created(config_map("first", json!({ "key": "value" }))).await;
    let looked = site.look(look([ObjectKind::ConfigMap])).await;
    assert!(looked.keys().any(|id| id.contains("first")), "{looked:?}");
    site.fake.take_counts();
    lease.end();
    let create = KubernetesCall::Create(Box::new(config_map("second", json!({}))));
    for call in [create, KubernetesCall::Survey] {
        let (CallError::Refused(error) | CallError::Unknown(error)) =
            site.call(&call).await.expect_err("nothing is sent");
        assert!(error.platform.as_ref().is_some_and(|words| words.contains("lease has ended")), "{error:?}");
    }
    assert!(site.fake.take_counts().is_empty());
}
