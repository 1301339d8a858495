//! The provider on MiniStack and moto, each behind a proxy that fails calls.

mod faulted;
mod kit;
mod site;
