//! Figures of the engine, for whoever scrapes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use landlord_api::Code;
use landlord_compute::ProviderName;

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

/// How many orphans the last sweep of each provider found. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Swept(Arc<Mutex<BTreeMap<ProviderName, u64>>>);

impl Swept {
    fn orphans(&self) -> MutexGuard<'_, BTreeMap<ProviderName, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sweep of this provider has found so many.
    pub(crate) fn found(&self, provider: &ProviderName, orphans: usize) {
        self.orphans().insert(provider.clone(), orphans as u64);
    }

    pub(crate) fn last(&self) -> BTreeMap<ProviderName, u64> {
        self.orphans().clone()
    }
}

/// The figures as the program that mounts this has them.
pub(crate) async fn metrics(State(served): State<Served>) -> Result<Response, Refused> {
    let Some(Metrics { media, text }) = served.shown_metrics() else {
        let detail = "this server keeps no figures; the program `landlord-compute serve` does";
        return Err(Refused::new(Code::NotSupported, detail));
    };
    Ok(([(header::CONTENT_TYPE, *media)], text()).into_response())
}
