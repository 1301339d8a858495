//! What the provider makes of a tenant, as files for kubectl.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use landlord_compute::provider::converge::Api as _;
use landlord_state_machines::planner::kubernetes::{
    KubernetesCall, KubernetesConfig, KubernetesReply, Survey, Wanted,
};
use landlord_state_machines::spec::Spec;
use serde_json::json;

use super::ours;
use super::site::Site;

/// A tenant in a file.
pub(crate) struct Manifest {
    pub(crate) file: PathBuf,
    pub(crate) namespace: String,
    /// As `kubectl rollout status` takes it.
    pub(crate) workload: String,
    /// How many objects there are.
    pub(crate) objects: usize,
}

/// Writes all of them to this directory.
pub(crate) async fn write(site: &Site, dir: &Path, tenants: usize) -> Vec<Manifest> {
    let (api, cx) = (site.provider(&json!({})).api(), site.cx("any"));
    let surveyed = api.call(&cx, &KubernetesCall::Survey).await;
    let Ok(KubernetesReply::Surveyed(survey)) = surveyed else { panic!("no survey: {surveyed:?}") };
    (0..tenants).map(|n| write_one(site, dir, &format!("kubectl-{n:04}"), &survey)).collect()
}

fn write_one(site: &Site, dir: &Path, tenant: &str, survey: &Survey) -> Manifest {
    let (spec, cx) = (ours::spec(tenant), site.cx(tenant));
    let config = KubernetesConfig::merged_for(&json!({}), &spec).expect("a good configuration");
    let spec = Spec::try_from(spec).expect("a good spec").with_provider_config(config);
    let wanted = Wanted::of(&cx.subject, &spec, cx.rollout, survey).expect("a spec that the cluster can run");
    let mut text = String::new();
    for make in &wanted.objects {
        let mut body = make.body.clone();
        if make.id == wanted.workload {
            body["spec"]["replicas"] = json!(wanted.replicas.first());
        }
        // JSON is YAML.
        let _infallible = writeln!(text, "---\n{body:#}");
    }
    let file = dir.join(format!("{tenant}.yaml"));
    std::fs::write(&file, text).expect("a file");
    Manifest {
        file,
        namespace: wanted.place.namespace,
        workload: format!("{}/{}", wanted.workload.kind.name().to_lowercase(), wanted.workload.name),
        objects: wanted.objects.len(),
    }
}
