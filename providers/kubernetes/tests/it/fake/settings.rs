//! What a cluster is like.

use std::collections::BTreeMap;

use super::pace::Pace;
use super::rights::User;

/// What a cluster is like.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// As it calls itself: `(1, 20)` or `(1, 33)`.
    pub(crate) version: (u32, u32),
    /// Who may do what, by bearer token. Without any, everybody may do everything.
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) pace: Pace,
    /// Whether it has the Gateway API.
    pub(crate) gateway: bool,
    /// The versions of the External Secrets Operator's kinds, where it has them.
    pub(crate) external_secrets: Option<&'static [&'static str]>,
    /// What becomes of services of type LoadBalancer.
    pub(crate) balancers: Balancers,
    /// When claims are bound.
    pub(crate) claims: Claims,
}

/// What becomes of services of type LoadBalancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Balancers {
    /// They wait for ever.
    None,
    /// They have an IP address.
    Ip,
    /// They have a name.
    Hostname,
}

/// When claims are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claims {
    /// When they are made.
    Immediate,
    /// When a pod uses them.
    FirstConsumer,
    /// Never.
    Never,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: (1, 20),
            users: BTreeMap::new(),
            pace: Pace::quick(),
            gateway: false,
            external_secrets: None,
            balancers: Balancers::None,
            claims: Claims::Immediate,
        }
    }
}

impl Settings {
    /// A newer cluster, which has all that is known here.
    pub(crate) fn new_cluster() -> Self {
        Self {
            version: (1, 33),
            gateway: true,
            external_secrets: Some(&["v1", "v1beta1"]),
            ..Self::default()
        }
    }

    /// Whether it is at least this 1.x.
    pub(super) fn since(&self, minor: u32) -> bool {
        self.version.1 >= minor
    }
}
