//! Tenants on AWS ECS: the provider against other people's emulators of ECS, and against a fake that models what they do
//! not.

#[cfg(feature = "conformance")]
mod conformance;
mod emulated;
mod emulators;
mod fake;
mod fake_tests;
mod fleet;
mod lives;
mod provider;
mod quota;
