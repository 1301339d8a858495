#![doc = include_str!("../README.md")]

mod access;
mod asked;
mod commands;
mod documents;
mod events;
mod filter;
mod listen;
mod metrics;
mod openapi;
mod operations;
mod platform;
mod probes;
mod providers;
mod refused;
mod router;
mod routes;
mod served;
mod specs;
mod subscriptions;
mod tenants;
mod tokens;
mod verdict;
mod webhooks;

pub use access::Rate;
pub use listen::{Bounds, CertificateError, Certificates, Security, Socket, Tcp};
pub use metrics::Lags;
pub use openapi::openapi;
pub use router::{guarded, router, scraped};
pub use served::Served;
pub use webhooks::Deliveries;
