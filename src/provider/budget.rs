//! What may be asked of a platform.

use std::borrow::Cow;

/// How many requests of one kind a provider lets out, and what waits for that.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Budget {
    /// Which requests. Of a bounded number of names: never a tenant's.
    pub name: Cow<'static, str>,
    /// How many may go out in a second, now. Where several quotas have the name, that of the slowest.
    pub per_second: f64,
    /// How many may go out in a second while the platform does not throttle.
    pub per_second_at_best: f64,
    /// How many wait.
    pub waiting: u64,
    /// How often the platform asked for fewer, since the provider was made.
    pub throttled: u64,
}

impl Budget {
    /// One that nobody waits for.
    pub fn new(name: impl Into<Cow<'static, str>>, per_second: f64) -> Self {
        let (waiting, throttled) = (0, 0);
        Self { name: name.into(), per_second, per_second_at_best: per_second, waiting, throttled }
    }
}
