//! Tokens that engines draw together, so that all of them ask AWS for no more than one may.

use std::sync::Arc;
use std::time::Duration;

use landlord_compute::provider::{Draw, Drawn, Quotas};
use tokio::time::Instant;

use super::bucket::Seed;

/// How long what was drawn may be used: others take it for used then.
const LASTS: Duration = Duration::from_secs(1);

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

/// What was drawn of one quota and is not used yet.
#[derive(Debug, Default)]
pub(super) struct Ration {
    tokens: u32,
    until: Option<Instant>,
}

impl Ration {
    /// So many more. What is older goes with them: it is a second old at most.
    pub(super) fn add(&mut self, tokens: u32, now: Instant) {
        if !self.lasts(now) {
            self.tokens = 0;
        }
        self.tokens = self.tokens.saturating_add(tokens);
        self.until = Some(now + LASTS);
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let has = self.tokens > 0 && self.lasts(now);
        if has {
            self.tokens -= 1;
        }
        has
    }

    fn lasts(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now <= until)
    }
}
