//! The provider on MiniStack and moto, each behind a proxy that fails calls.

mod containers;
mod faulted;
#[cfg(feature = "conformance")]
mod kit;
mod site;
