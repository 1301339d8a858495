//! Tenants on Kubernetes: the provider against a fake of the API server over HTTP.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

#[cfg(feature = "testing")]
mod calls;
#[cfg(feature = "testing")]
mod conformance;
mod fake;
mod fake_tests;
#[cfg(feature = "testing")]
mod lease;
#[cfg(feature = "testing")]
mod lives;
#[cfg(feature = "testing")]
mod logs;
#[cfg(feature = "testing")]
mod looks;
#[cfg(feature = "testing")]
mod mishaps;
#[cfg(feature = "testing")]
mod plans;
#[cfg(feature = "testing")]
mod requests;
#[cfg(feature = "testing")]
mod rights;
#[cfg(feature = "testing")]
mod site;
#[cfg(feature = "testing")]
mod volumes;
#[cfg(feature = "testing")]
mod watch;
