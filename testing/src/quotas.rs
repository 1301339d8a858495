//! What a platform takes of several engines, kept in memory by tokio's clock.

use std::collections::BTreeMap;

use landlord_compute::provider::{Draw, Drawn};
use tokio::time::Instant;

/// Buckets by their names: how many tokens were left in each, and when.
#[derive(Debug, Default)]
pub struct Buckets(BTreeMap<String, (f64, Instant)>);

impl Buckets {
    /// Takes what there is of what is wanted.
    pub fn draw(&mut self, draw: &Draw<'_>) -> Drawn {
        let (now, full) = (Instant::now(), f64::from(draw.burst));
        let (left, at) = self.0.entry(draw.quota.to_owned()).or_insert((full, now));
        let came = now.duration_since(*at).as_secs_f64() * f64::from(draw.per_second);
        let filled = (*left + came).min(full);
        let drawn = Drawn::from(draw, filled);
        (*left, *at) = (filled - f64::from(drawn.tokens), now);
        drawn
    }
}
