//! Volumes that outlive a pod, in a namespace that all tenants share.

use landlord_compute::provider::Provider;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::{MountSpec, TenantComputeSpec, VolumeSpec};
use serde_json::json;

use super::cluster::Cluster;
use super::site::{Site, spec};

fn keeping(tenant: &str, retain: bool, word: &str) -> TenantComputeSpec {
    let mut spec =
        spec(tenant, &format!("trap 'exit 0' TERM; echo {word} > /data/{word}; sleep 1000 & wait"));
    spec.volumes = vec![VolumeSpec { name: "data".to_owned(), size_mb: Some(10), persistent: true, retain }];
    spec.containers[0].mounts =
        vec![MountSpec { volume: "data".to_owned(), path: "/data".to_owned(), ..MountSpec::default() }];
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: ./test.sh backends"]
async fn a_claim_goes_with_its_tenant_unless_it_is_retained() {
    let site = Site::new("volumes").await;
    site.admin.create("/api/v1/namespaces", &json!({ "metadata": { "name": "volumes" } })).await;
    let kept = Cluster::shared().kubeconfig.with_file_name("data");
    for n in 1..=2 {
        let volume = json!({
            "metadata": { "name": format!("by-hand-{n}") },
            "spec": {
                "capacity": { "storage": "20Mi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand",
                "hostPath": { "path": kept.join(format!("volume-{n}")), "type": "DirectoryOrCreate" },
            },
        });
        site.admin.create("/api/v1/persistentvolumes", &volume).await;
    }
    let shared = json!({ "namespaces": { "shared": { "name": "volumes" } }, "storage_class": "by-hand" });
    let provider = site.provider(&shared);
    let claims = "/api/v1/namespaces/volumes/persistentvolumeclaims";
    for (tenant, retain, left) in [("volumes-a", false, 0), ("volumes-b", true, 1)] {
        let (id, mut cx) = (TenantId::new(tenant).expect("an id"), site.cx(tenant));
        let first = keeping(tenant, retain, "one").check().expect("valid");
        provider.provision(&cx, &first).await.unwrap_or_else(|error| panic!("{tenant}: {error}"));
        assert_eq!(site.admin.list(claims).await.len(), 1, "{tenant} has a claim");
        cx.applied = Some(first);
        let second = keeping(tenant, retain, "two").check().expect("valid");
        provider.update(&cx, &id, &second).await.unwrap_or_else(|error| panic!("{tenant}: {error}"));
        assert_eq!(site.admin.list(claims).await.len(), 1, "{tenant} has the same claim");
        provider.destroy(&cx, &id).await.unwrap_or_else(|error| panic!("{tenant}: {error}"));
        assert_eq!(site.admin.list(claims).await.len(), left, "after {tenant}");
    }
}
