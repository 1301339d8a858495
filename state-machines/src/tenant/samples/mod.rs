//! Every configuration of the tenant machine that is worth telling apart, and every input that is.
//!
//! The page of the machine, its snapshots and the command line are made from these. Each list follows its type
//! from variant to variant in a `match` without `_`: a new variant does not compile until it is sampled.

mod configurations;
mod inputs;
mod name;

use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;

pub use configurations::{Configuration, configurations};
pub use inputs::{Sample, inputs};
pub use name::Name;

use super::{Retained, Rolled, Stamp, Versioned, after};
use crate::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use crate::id::{CallId, OperationId, ProviderName, Revision, Rollout, SpecVersion, TenantId};
use crate::ledger::Ledger;
use crate::spec::{ContainerSpec, ResourceRequirements, Spec, TenantComputeSpec};

/// The operation that a sampled tenant works on.
pub const CURRENT: OperationId = OperationId { epoch: 1, number: 1 };
/// The update or restart that waits behind it.
pub const QUEUED: OperationId = OperationId { epoch: 1, number: 2 };
/// The destroy that is on its way, or follows.
pub const DESTROY: OperationId = OperationId { epoch: 1, number: 3 };
/// The operation that a sampled input may begin.
pub const NEW: OperationId = OperationId { epoch: 1, number: 9 };

const REVISION: Revision = Revision(12);
const CALL: CallId = CallId(11);
const STALE_CALL: CallId = CallId(7);
const RUNNING: Rollout = Rollout(5);
const RESTARTED: Rollout = Rollout(10);

/// The moments of the samples, in seconds after one start.
mod moment {
    pub(super) const BEFORE_IT_SETTLED: u64 = 2400;
    pub(super) const SETTLED: u64 = 3000;
    pub(super) const PAUSED: u64 = 3300;
    pub(super) const REPAIRED: u64 = 3599;
    pub(super) const NOW: u64 = 3600;
    pub(super) const GRACE_OVER: u64 = 3620;
    pub(super) const DUE: u64 = 3630;
    pub(super) const LATER: u64 = 3700;
    pub(super) const DEADLINE: u64 = 7200;
    pub(super) const AFTER_DEADLINE: u64 = 9000;
    pub(super) const QUEUED_DEADLINE: u64 = 10_800;
}

/// A spec that the samples speak of, by its place in the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecRole {
    /// What runs.
    Applied,
    /// What is worked towards.
    Target,
    /// What waits.
    Queued,
    /// None of them.
    Another,
}

impl SpecRole {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Applied => "the applied spec",
            Self::Target => "the target spec",
            Self::Queued => "the queued spec",
            Self::Another => "another spec",
        }
    }

    /// Which one a sampled spec is.
    pub fn of(spec: &Spec) -> Self {
        [Self::Applied, Self::Target, Self::Queued]
            .into_iter()
            .find(|role| role.spec() == *spec || role.protected_spec() == *spec)
            .unwrap_or(Self::Another)
    }

    fn version(self) -> SpecVersion {
        match self {
            Self::Applied => SpecVersion(1),
            Self::Target => SpecVersion(2),
            Self::Queued => SpecVersion(3),
            Self::Another => SpecVersion(4),
        }
    }

    /// In the rollout that runs.
    fn rolled(self) -> Rolled {
        self.versioned().rolled(RUNNING)
    }

    fn versioned(self) -> Versioned {
        Versioned { version: self.version(), spec: self.spec() }
    }

    fn spec(self) -> Spec {
        self.spec_with(false)
    }

    /// The same, where it protects the tenant from a destroy.
    fn protected_spec(self) -> Spec {
        self.spec_with(true)
    }

    #[expect(clippy::expect_used, reason = "this spec is valid: every test of the samples checks it")]
    fn spec_with(self, deletion_protection: bool) -> Spec {
        TenantComputeSpec {
            tenant_id: tenant().as_str().to_owned(),
            provider_type: provider().as_str().to_owned(),
            containers: vec![ContainerSpec {
                name: "web".to_owned(),
                image: format!("web:{}", self.version().0),
                ..ContainerSpec::default()
            }],
            resources: ResourceRequirements { cpu: 256, memory: 256, ..ResourceRequirements::default() },
            deletion_protection,
            ..TenantComputeSpec::default()
        }
        .check()
        .expect("a valid spec")
    }
}

#[expect(clippy::expect_used, reason = "this name is valid")]
fn tenant() -> TenantId {
    TenantId::new("acme").expect("a valid name")
}

#[expect(clippy::expect_used, reason = "this name is valid")]
fn provider() -> ProviderName {
    ProviderName::new("process").expect("a valid name")
}

#[expect(clippy::expect_used, reason = "this name is valid")]
fn other_provider() -> ProviderName {
    ProviderName::new("ecs").expect("a valid name")
}

/// That many seconds after the start of the samples' time.
fn at(seconds: u64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds))
}

fn stamp(seconds: u64) -> Stamp {
    Stamp { now: at(seconds), jitter: 500, operation: NEW }
}

fn ledger(pid: &str) -> Arc<Ledger> {
    Arc::new(Ledger {
        version: 1,
        resources: [("web process".to_owned(), pid.to_owned())].into(),
        endpoints: Vec::new(),
        waits: None,
        engine: None,
        facts: RawValue::NULL.to_owned(),
    })
}

/// What a life left on purpose.
fn retained(provider: ProviderName) -> Arc<Retained> {
    Arc::new(Retained { provider, resources: [("volume data".to_owned(), "vol-1".to_owned())].into() })
}

fn error(kind: ErrorKind, remedy: Remedy, code: ErrorCode, message: &str) -> Arc<ProviderError> {
    Arc::new(ProviderError::new(kind, remedy, code, message))
}

/// `first`, and what follows from each, until nothing does.
fn every<T>(first: T, next: impl Fn(&T) -> Option<T>) -> Vec<T> {
    successors(Some(first), next).collect()
}
