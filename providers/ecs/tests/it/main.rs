//! Tenants on AWS ECS: the provider against a fake of its API over HTTP.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod changes;
mod conformance;
mod counts;
mod fake;
mod fake_tests;
mod fleet;
mod grown;
mod lives;
mod logs;
mod looks;
mod provider;
mod quota;
mod requests;
mod shown;
mod takeover;
mod world;
