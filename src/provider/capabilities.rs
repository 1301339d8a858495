//! What a provider can do, as data.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// What a provider can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// How many calls the engine may have in flight at this provider.
    pub max_concurrent_calls: usize,
    /// How long one call may take before the engine drops it and tries again. In JSON: whole seconds.
    #[serde(rename = "call_timeout_seconds", serialize_with = "seconds")]
    pub call_timeout: Duration,
    /// Whether `list_tenants` lists everything that an engine owns there. Without it the provider cannot be swept for
    /// leaks.
    pub lists_tenants: bool,
    /// Whether a method that is called without an engine undoes by itself what it did when it fails. Without it whoever
    /// calls it alone calls `destroy`, or `update` to what ran before. The engine undoes in any case.
    pub undoes_alone: bool,
    /// Whether images must be OCI references.
    pub oci_images: bool,
    /// Whether engines on other machines reach its tenants. Otherwise no other engine shares the store.
    pub reachable_from_anywhere: bool,
    /// Limits of a spec that are not enforced there, each with the reason; shown to the caller, never ignored
    /// silently.
    pub not_enforced: Vec<&'static str>,
}

impl Default for Capabilities {
    /// 64 calls at a time, of at most 15 minutes each, that undo alone what they did, and reach their platform from anywhere.
    fn default() -> Self {
        Self {
            max_concurrent_calls: 64,
            call_timeout: Duration::from_secs(900),
            lists_tenants: false,
            undoes_alone: true,
            oci_images: false,
            reachable_from_anywhere: true,
            not_enforced: Vec::new(),
        }
    }
}

impl Capabilities {
    /// With at most so many calls in flight.
    #[must_use]
    pub fn max_concurrent_calls(mut self, calls: usize) -> Self {
        self.max_concurrent_calls = calls;
        self
    }

    /// With calls that may take so long.
    #[must_use]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// With a `list_tenants` that lists everything that an engine owns there.
    #[must_use]
    pub fn lists_tenants(mut self) -> Self {
        self.lists_tenants = true;
        self
    }

    /// With calls that leave what they did when they fail, also without an engine.
    #[must_use]
    pub fn leaves_undo_to_callers(mut self) -> Self {
        self.undoes_alone = false;
        self
    }

    /// With images that must be OCI references.
    #[must_use]
    pub fn oci_images(mut self) -> Self {
        self.oci_images = true;
        self
    }

    /// With tenants that only engines on this machine reach.
    #[must_use]
    pub fn reachable_from_here_alone(mut self) -> Self {
        self.reachable_from_anywhere = false;
        self
    }

    /// Without enforcing these, each with the reason: `cpu: no cgroup is made`.
    #[must_use]
    pub fn not_enforced(mut self, limits: impl Into<Vec<&'static str>>) -> Self {
        self.not_enforced = limits.into();
        self
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}
