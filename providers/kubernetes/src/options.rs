//! How the engine's operator sets this provider up.

use std::fmt;
use std::time::Duration;

use landlord_state_machines::id::ProviderName;
use landlord_state_machines::planner::kubernetes::{ClusterSource, KubernetesConfig, faults};
use landlord_state_machines::spec::Problem;
use serde::Deserialize;
use serde_json::Value;

use super::KIND;
use super::source::{self, SourceError};

/// How many requests a second a cluster is asked, unless the operator says otherwise. An API server takes a few thousand, of all
/// clients together.
const REQUESTS_PER_SECOND: u32 = 500;
/// How long one request may take, unless the operator says otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How the engine's operator sets this provider up.
#[derive(Clone)]
#[non_exhaustive]
pub struct KubernetesOptions {
    /// The provider's name, which specs give as their `provider_type`. It is in the labels of everything that the provider makes:
    /// under another name it finds none of it. Default: `kubernetes`.
    pub name: ProviderName,
    /// The configuration that lies under every tenant's: an object, which says at least which `cluster` it is.
    pub defaults: Value,
    /// How many requests a second the cluster is asked at most. Default: 500.
    pub requests_per_second: u32,
    /// How long one request may take. Default: 30 s.
    pub request_timeout: Duration,
}

impl KubernetesOptions {
    /// With this configuration under every tenant's.
    pub fn new(defaults: Value) -> Self {
        // A constant that is a valid name.
        #[expect(clippy::expect_used)]
        let name = ProviderName::new(KIND).expect("`kubernetes` is lowercase letters");
        Self { name, defaults, requests_per_second: REQUESTS_PER_SECOND, request_timeout: REQUEST_TIMEOUT }
    }

    /// Under this name: one engine may have several, each with its own cluster.
    #[must_use]
    pub fn name(mut self, name: ProviderName) -> Self {
        self.name = name;
        self
    }

    /// With so many requests a second at most.
    #[must_use]
    pub fn requests_per_second(mut self, requests: u32) -> Self {
        self.requests_per_second = requests;
        self
    }

    /// With so much time for a request.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }
}

/// The configuration may have annotations that others treat as secret.
impl fmt::Debug for KubernetesOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, defaults: _, requests_per_second, request_timeout } = self;
        f.debug_struct("KubernetesOptions")
            .field("name", name)
            .field("requests_per_second", requests_per_second)
            .field("request_timeout", request_timeout)
            .finish_non_exhaustive()
    }
}

/// All that is wrong with an operator's configuration.
#[derive(Clone, Debug)]
pub struct KubernetesOptionsError {
    problems: Vec<Problem>,
    source: Option<SourceError>,
}

impl KubernetesOptionsError {
    /// Each fault, with its field.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Why the cluster cannot be found, where it is known which one is meant.
    pub fn cluster(&self) -> Option<&SourceError> {
        self.source.as_ref()
    }
}

impl fmt::Display for KubernetesOptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        write!(f, "the Kubernetes provider's configuration: {}", told.join("; "))
    }
}

/// Its message has all of it already.
impl std::error::Error for KubernetesOptionsError {}

/// Reads a configuration, and looks for what leads to its cluster on this machine.
pub(super) fn read(defaults: &Value) -> Result<(KubernetesConfig, ClusterSource), KubernetesOptionsError> {
    let mut problems = faults(defaults);
    // Of one that has faults elsewhere this is known all the same.
    let cluster = defaults.get("cluster").and_then(|given| ClusterSource::deserialize(given).ok());
    let source = cluster.as_ref().and_then(|cluster| source::check(cluster).err());
    if let (Some(error), Some(cluster)) = (&source, &cluster) {
        let at = match cluster {
            ClusterSource::InCluster => "cluster",
            ClusterSource::Kubeconfig { .. } => "cluster.kubeconfig",
        };
        problems.push(Problem::new(at, error.to_string()));
    }
    match (KubernetesConfig::read(defaults), cluster, problems.is_empty()) {
        (Ok(config), Some(cluster), true) => Ok((config, cluster)),
        (Err(error), _, true) => {
            Err(KubernetesOptionsError { problems: vec![Problem::new("", error.to_string())], source })
        }
        (_, _, _) => Err(KubernetesOptionsError { problems, source }),
    }
}
