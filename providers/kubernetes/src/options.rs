//! How the engine's operator sets this provider up.

use std::fmt;
use std::time::Duration;

use landlord_state_machines::id::ProviderName;
use landlord_state_machines::planner::kubernetes::KubernetesConfigError;
use serde_json::Value;

use super::KIND;
use super::source::SourceError;

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

/// What is wrong with an operator's configuration.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KubernetesOptionsError {
    /// It cannot be read.
    #[error("the Kubernetes provider's defaults: {0}")]
    KubernetesConfig(#[from] KubernetesConfigError),
    /// The cluster cannot be found.
    #[error("the Kubernetes provider's cluster: {0}")]
    Source(#[from] SourceError),
}
