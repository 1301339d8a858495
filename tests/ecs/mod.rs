//! Tenants on AWS ECS: the provider against other people's emulators of ECS, and against a fake that models what they do
//! not.

#[cfg(all(feature = "conformance", feature = "ecs"))]
mod conformance;
mod emulated;
mod emulators;
#[cfg(feature = "ecs")]
mod fake;
#[cfg(feature = "ecs")]
mod fake_tests;
#[cfg(feature = "ecs")]
mod fleet;
#[cfg(feature = "ecs")]
mod lives;
#[cfg(feature = "ecs")]
mod provider;
#[cfg(feature = "ecs")]
mod quota;
