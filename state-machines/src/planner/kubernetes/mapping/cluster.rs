//! What a cluster can do, by its version and by the kinds that it has.

use std::collections::BTreeMap;

use crate::planner::kubernetes::{ObjectKind, Survey};

/// What a cluster can do.
#[derive(Clone, Copy)]
pub(super) struct Cluster<'a>(pub(super) &'a Survey);

impl<'a> Cluster<'a> {
    /// The version in which it has a kind.
    pub(super) fn api_version(self, kind: ObjectKind) -> Option<&'a str> {
        self.0.kinds.get(&kind).map(String::as_str)
    }

    /// Whether an init container can go on beside the others, and is waited for until it has started.
    pub(super) fn has_sidecars(self) -> bool {
        self.since(29)
    }

    /// Whether a namespace's label forbids pods something.
    pub(super) fn has_pod_security(self) -> bool {
        self.since(23)
    }

    /// Whether pods of one revision are spread apart from those of another.
    pub(super) fn has_match_label_keys(self) -> bool {
        self.since(27)
    }

    /// Whether pods that do not work can be evicted whatever their budget says.
    pub(super) fn has_eviction_policy(self) -> bool {
        self.since(27)
    }

    /// Whether a load balancer can have TCP and UDP ports.
    pub(super) fn has_mixed_balancers(self) -> bool {
        self.since(24)
    }

    /// Its version, for a person.
    pub(super) fn version(self) -> String {
        format!("Kubernetes {}.{}", self.0.version.0, self.0.version.1)
    }

    fn since(self, minor: u32) -> bool {
        self.0.version >= (1, minor)
    }
}

/// A cluster that can do everything: what is a problem there is one on every cluster.
pub(super) fn that_can_do_everything() -> Survey {
    let best = |kind: ObjectKind| Some((kind, (*kind.api_versions().first()?).to_owned()));
    let kinds: BTreeMap<ObjectKind, String> = ObjectKind::ALL.into_iter().filter_map(best).collect();
    Survey { cluster: String::new(), version: (1, u32::MAX), kinds, autoscaling: None, endpoint_slices: None }
}
