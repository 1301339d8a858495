//! Figures of the engine, for whoever scrapes them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use landlord_api::Code;

use crate::refused::Refused;
use crate::served::Served;

/// What is answered to a scrape.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) media: &'static str,
    pub(crate) text: Arc<dyn Fn() -> String + Send + Sync>,
}

/// How many events named readers have not had yet, counted over the events of all tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lags {
    /// The slowest subscription.
    pub subscription: u64,
    /// The slowest webhook.
    pub webhook: u64,
    /// How many webhooks failed with their last delivery.
    pub failing: u64,
}

/// The figures as the program that mounts this has them.
pub(crate) async fn metrics(State(served): State<Served>) -> Result<Response, Refused> {
    let Some(Metrics { media, text }) = served.shown_metrics() else {
        let detail = "this server keeps no figures; the program `landlord-compute serve` does";
        return Err(Refused::new(Code::NotSupported, detail));
    };
    Ok(([(header::CONTENT_TYPE, *media)], text()).into_response())
}
