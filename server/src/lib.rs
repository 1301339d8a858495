#![doc = include_str!("../README.md")]

mod access;
mod asked;
mod commands;
mod doctor;
mod documents;
mod events;
mod filter;
mod fleet;
mod listen;
mod metrics;
mod openapi;
mod operations;
mod origin;
mod page;
mod platform;
mod probes;
mod providers;
mod refused;
mod router;
mod routes;
mod served;
mod sessions;
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
pub use page::with_page;
pub use router::{guarded, router, scraped};
pub use served::Served;
pub use webhooks::Deliveries;
