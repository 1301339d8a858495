//! Tokens that engines draw together, so that all of them ask AWS for no more than one may.

use std::sync::Arc;

use landlord_compute::provider::{Draw, Drawn, Quotas};

use super::bucket::Seed;

/// Where the tokens of one account in one region are drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Rations {
    quotas: Arc<dyn Quotas>,
    /// What the buckets of that account and region are called.
    name: String,
}

impl Rations {
    /// Of the account and region that are called so.
    pub(crate) fn new(quotas: Arc<dyn Quotas>, name: String) -> Self {
        Self { quotas, name }
    }

    /// Draws from one of its quotas.
    pub(super) async fn draw(&self, quota: &str, seed: Seed, leave: u32, wanted: u32) -> Drawn {
        let Seed { burst, per_second } = seed;
        let quota = format!("{} {quota}", self.name);
        self.quotas.draw(&Draw { quota: &quota, burst, per_second, leave, wanted }).await
    }
}
