#![doc = include_str!("../README.md")]
//!
//! # Guarantees
//! - A request is made once. What is tried again, and when, the planner and the engine decide.
//! - What is changed or deleted is that very object, by its uid: nothing that was deleted comes back, and nobody's successor is hit.
//! - Errors carry Kubernetes' words and name the verb and the resource, and their class comes from code, reason and causes.
//! - All tenants of a provider are watched with one watch of each kind. What it tells is a hint to look: it wakes whoever waits, and
//!   tenants that nobody works on are looked at.
//! - No more is asked of a cluster than the operator allows, and less while it throttles. What people wait for and what is to be gone
//!   comes before what the engine does by itself.
//! - The cluster is the one that the configuration names. Its identity is asked anew each time: a context that leads elsewhere tells
//!   nothing about a tenant.
//!
//! # Credentials and secrets
//! - Credentials are those of the pod's service account or of a kubeconfig's context, with its exec plugin. They are renewed when they
//!   end, and once when the cluster does not know them any more. What a plugin prints is told nowhere.
//! - Secrets are never listed. Their values are asked for only where the operator has them copied, and are then in no event, span,
//!   error or ledger. What an API server repeats of a spec's values is cut out of its words.
//! - What a tenant's probes, hooks and programs print goes to `logs` alone.
//!
//! # Assumptions
//! - Two engines that share a cluster have different engine ids.
//!
//! # Caveats
//! - [`not_enforced`](landlord_compute::provider::Capabilities::not_enforced) lists the limits of a spec that Kubernetes does not enforce.
//! - A network policy is enforced by the cluster's network, if at all: Kubernetes does not say.

mod api;
mod budget;
mod cluster;
mod copies;
mod discovery;
mod drifted;
mod error;
mod events;
#[cfg(any(test, feature = "testing"))]
pub mod faults;
mod find;
mod fleet;
mod guarded;
mod kind;
mod logs;
mod looks;
mod options;
mod owned;
mod page;
mod preview;
mod provider;
mod reads;
mod references;
mod request;
mod rights;
mod source;
mod status;
mod statuses;
#[cfg(test)]
mod tests;
mod validate;
mod watch;
mod words;
mod working;
mod writes;

pub use kind::{KubernetesKind, SECRET_TARGETS};
pub use options::{KubernetesOptions, KubernetesOptionsError};
pub use provider::KubernetesProvider;
pub use source::SourceError;

/// The name of this kind of provider, and the default name of a provider.
const KIND: &str = "kubernetes";

#[cfg(any(test, feature = "testing"))]
impl landlord_testing::faults::Faulted for KubernetesKind {
    type Model = faults::Kubernetes;
}
