//! What a platform takes of all the engines together that share a store.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

/// A bucket of tokens, one of which goes with each request, and how much is wanted of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw<'a> {
    /// Names the bucket. The same for all engines that count against it, and of a bounded number of names: never a tenant's.
    pub quota: &'a str,
    /// The most tokens in it; so many are in a new one.
    pub burst: u32,
    /// How many come in a second. More than 0.
    pub per_second: u32,
    /// How many have to stay in it.
    pub leave: u32,
    /// How many are wanted, at most a second's. More than 0.
    pub wanted: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// How many were taken out; at most what was wanted. They are used while a [`Ration`] of them lasts, or not at all.
    pub tokens: u32,
    /// In what time there is another one, if nobody else takes it.
    pub next: Duration,
}

impl Drawn {
    /// What is drawn from a bucket that has so many tokens now.
    pub fn from(draw: &Draw<'_>, tokens: f64) -> Self {
        let over = tokens - f64::from(draw.leave);
        let taken = over.floor().clamp(0.0, f64::from(draw.wanted));
        Self { tokens: taken as u32, next: Self::until(draw, tokens - taken) }
    }

    /// In what time a bucket in which so many are left has one to give.
    pub fn until(draw: &Draw<'_>, left: f64) -> Duration {
        let lacks = f64::from(draw.leave) + 1.0 - left;
        Duration::try_from_secs_f64(lacks / f64::from(draw.per_second.max(1))).unwrap_or_default()
    }
}

/// Where engines that share a store draw tokens from.
#[async_trait]
pub trait Quotas: std::fmt::Debug + Send + Sync + 'static {
    /// Takes what there is of what is wanted; it does not wait for more. A store that is down is waited for. What is dropped may or
    /// may not have taken tokens.
    async fn draw(&self, draw: &Draw<'_>) -> Drawn;
}

/// What was drawn of one quota and is not used yet.
#[derive(Debug, Default)]
pub struct Ration {
    tokens: u32,
    until: Option<Instant>,
}

impl Ration {
    /// How long tokens may be used, from when they were asked for: the store may have taken them out right then, whenever its answer
    /// came. So within any time no more are used than were drawn in it and in so long before it. An engine whose draws all take
    /// longer uses none; it cannot renew its lease either.
    pub const LASTS: Duration = Duration::from_secs(3);

    /// So many more, which were asked for then. What is left of earlier ones goes by the same end, the first of the two.
    pub fn add(&mut self, tokens: u32, asked: Instant) {
        let until = asked + Self::LASTS;
        self.until = match self.until {
            Some(earlier) if self.lasts(Instant::now()) => Some(earlier.min(until)),
            Some(_) | None => {
                self.tokens = 0;
                Some(until)
            }
        };
        self.tokens = self.tokens.saturating_add(tokens);
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let has = self.lasts(now);
        if has {
            self.tokens -= 1;
        }
        has
    }

    /// Whether there is one that may still be used.
    fn lasts(&self, now: Instant) -> bool {
        self.tokens > 0 && self.until.is_some_and(|until| now <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokens_last_from_when_they_were_asked_for() {
        let (mut ration, asked) = (Ration::default(), Instant::now());
        tokio::time::advance(Ration::LASTS - Duration::from_secs(1)).await;
        ration.add(2, asked);
        assert!(ration.take(asked + Ration::LASTS));
        assert!(!ration.take(asked + Ration::LASTS + Duration::from_nanos(1)), "others took it for used");
        ration.add(2, Instant::now());
        assert!(ration.take(asked + Ration::LASTS), "two are left of it, and go together");
        tokio::time::advance(Duration::from_secs(2)).await;
        ration.add(1, asked);
        assert!(!ration.take(Instant::now()), "the answer was on its way for too long");
    }

    #[test]
    fn no_more_is_drawn_than_is_wanted_and_may_go() {
        let draw = Draw { quota: "a", burst: 10, per_second: 5, leave: 4, wanted: 3 };
        let of = |tokens| Drawn::from(&draw, tokens);
        assert_eq!((of(10.0).tokens, of(6.5).tokens, of(4.9).tokens, of(0.0).tokens), (3, 2, 0, 0));
        assert_eq!(of(4.5), Drawn { tokens: 0, next: Duration::from_millis(100) });
        assert_eq!(of(8.0), Drawn { tokens: 3, next: Duration::ZERO }, "another one is there");
    }
}
