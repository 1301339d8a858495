//! What a program that hosts this provider needs to know of it.

use std::sync::Arc;

use landlord_compute::provider::{Provider, ProviderKind, Setup, SetupError};
use landlord_state_machines::planner::kubernetes::diagram;

use super::KIND;
use super::options::KubernetesOptions;
use super::provider::KubernetesProvider;

/// The log targets of the Kubernetes client and what is below it. At `debug` and `trace` they tell of requests and answers, and what
/// cannot be read is printed whole. A program that logs keeps them at `warn`; what is worth logging of a request, this crate logs
/// itself.
pub const SECRET_TARGETS: [&str; 8] =
    ["h2", "hyper", "hyper_util", "kube", "kube_client", "rustls", "tower", "tower_http"];

/// The kind of provider that runs tenants as objects of a Kubernetes cluster.
#[derive(Clone, Copy, Debug)]
pub struct KubernetesKind;

impl ProviderKind for KubernetesKind {
    const KIND: &'static str = KIND;
    const PLATFORM: &'static str = "Kubernetes";
    const NEEDS_CONFIG: bool = true;
    const SECRET_TARGETS: &'static [&'static str] = &SECRET_TARGETS;

    fn diagram() -> &'static str {
        diagram()
    }

    fn start(setup: Setup) -> Result<Arc<dyn Provider>, SetupError> {
        match KubernetesProvider::new(KubernetesOptions::new(setup.config).name(setup.name)) {
            Ok(provider) => Ok(Arc::new(provider)),
            Err(error) => Err(SetupError::new(error)),
        }
    }
}
