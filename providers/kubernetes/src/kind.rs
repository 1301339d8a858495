//! What a program that hosts this provider needs to know of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use landlord_compute::provider::{Provider, ProviderKind, Setup, SetupError};
use landlord_state_machines::planner::kubernetes::diagram;
use serde_json::Value;

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
        let options = options(setup.config)?.name(setup.name);
        match KubernetesProvider::new(options) {
            Ok(provider) => Ok(Arc::new(provider)),
            Err(error) => Err(SetupError::new(error)),
        }
    }
}

/// The options of a configuration: what is the operator's alone, beside what lies under every tenant's.
fn options(mut config: Value) -> Result<KubernetesOptions, SetupError> {
    let mut take = |key: &str| {
        let given = config.as_object_mut().and_then(|fields| fields.remove(key)).unwrap_or_default();
        serde_json::from_value::<Option<NonZeroU32>>(given)
            .map(|number| number.map(NonZeroU32::get))
            .map_err(|_| SetupError::new(format!("{key}: is not a number from 1 to {}", u32::MAX)))
    };
    let (requests, timeout) = (take("requests_per_second")?, take("request_timeout_seconds")?);
    let mut options = KubernetesOptions::new(config);
    if let Some(requests) = requests {
        options = options.requests_per_second(requests);
    }
    if let Some(seconds) = timeout {
        options = options.request_timeout(Duration::from_secs(seconds.into()));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_the_operators_alone_lies_under_no_tenant() {
        let cluster = json!({ "cluster": "in_cluster", "replicas": 2 });
        let mut config = cluster.clone();
        config["requests_per_second"] = json!(50);
        config["request_timeout_seconds"] = json!(5);
        let given = options(config).unwrap();
        assert_eq!((given.requests_per_second, given.request_timeout), (50, Duration::from_secs(5)));
        assert_eq!(given.defaults, cluster);
        let (plain, new) = (options(cluster.clone()).unwrap(), KubernetesOptions::new(cluster));
        assert_eq!(format!("{plain:?}"), format!("{new:?}"));
    }

    #[test]
    fn a_number_that_is_none_is_named() {
        for wrong in [json!(0), json!("many"), json!(-1), json!(1.5)] {
            let error = options(json!({ "request_timeout_seconds": wrong })).unwrap_err();
            assert!(error.to_string().starts_with("request_timeout_seconds: is not a number"), "{error}");
        }
    }
}
