#![doc = include_str!("../README.md")]

pub mod conformance;
pub mod faults;
pub mod fixtures;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod quotas;
#[cfg(feature = "recorded")]
pub mod recorded;
pub mod requests;
pub mod scripted;
pub mod server;
#[cfg(feature = "sockets")]
pub mod sockets;
pub mod store;

/// What an environment variable says, which widens a test or repeats one; else `default`.
///
/// # Panics
/// When it is set and no number.
#[allow(clippy::panic, reason = "a test that cannot go on says why and stops")]
pub fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")),
        Ok(_) | Err(_) => default,
    }
}
