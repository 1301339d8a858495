//! How long things take.

use std::time::Duration;

/// The times of the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From a request to its answer.
    pub(crate) latency: Duration,
    /// From a change until a controller looks at it.
    pub(crate) controller: Duration,
    /// Until the scheduler has looked at a pod.
    pub(crate) scheduling: Duration,
    /// Until an image is pulled, or is known not to be there.
    pub(crate) pulling: Duration,
    /// Until the readiness check of a container that runs has passed, or failed.
    pub(crate) ready: Duration,
    /// The same for an image that is slow.
    pub(crate) slow: Duration,
    /// How long a program runs that crashes, or that runs before the others.
    pub(crate) crash: Duration,
    /// Until something that failed is tried again the first time.
    pub(crate) retry: Duration,
    /// The first back-off; each next one is twice as long, up to 16 times.
    pub(crate) backoff: Duration,
    /// Until a pod that was told to stop has stopped.
    pub(crate) stopping: Duration,
    /// What a second in a manifest is: grace periods and deadlines.
    pub(crate) second: Duration,
    /// How long an empty namespace is still there.
    pub(crate) namespace: Duration,
    /// Until a claim is bound.
    pub(crate) binding: Duration,
    /// Until a new namespace has its default service account.
    pub(crate) account: Duration,
    /// How often a watch says how far it is.
    pub(crate) bookmark: Duration,
}

impl Pace {
    /// As fast as a test likes.
    pub(crate) fn quick() -> Self {
        let ms = Duration::from_millis;
        Self {
            latency: Duration::ZERO,
            controller: ms(1),
            scheduling: ms(1),
            pulling: ms(2),
            ready: ms(3),
            slow: ms(400),
            crash: ms(3),
            retry: ms(5),
            backoff: ms(10),
            stopping: ms(4),
            second: ms(10),
            namespace: ms(3),
            binding: ms(2),
            account: ms(2),
            bookmark: ms(50),
        }
    }

    /// About what a cluster takes that has nothing else to do.
    pub(crate) fn real() -> Self {
        let (s, ms) = (Duration::from_secs, Duration::from_millis);
        Self {
            latency: ms(5),
            controller: ms(20),
            scheduling: ms(20),
            pulling: s(2),
            ready: s(2),
            slow: s(30),
            crash: ms(800),
            retry: s(1),
            backoff: s(10),
            stopping: s(1),
            second: s(1),
            namespace: s(5),
            binding: s(1),
            account: ms(100),
            bookmark: s(60),
        }
    }

    /// The same, so many times as slow.
    pub(crate) fn slower(self, times: u32) -> Self {
        self.map(|time| time * times)
    }

    /// The same, so many times as fast.
    pub(crate) fn faster(self, times: u32) -> Self {
        self.map(|time| time / times)
    }

    fn map(self, of: impl Fn(Duration) -> Duration) -> Self {
        Self {
            latency: of(self.latency),
            controller: of(self.controller),
            scheduling: of(self.scheduling),
            pulling: of(self.pulling),
            ready: of(self.ready),
            slow: of(self.slow),
            crash: of(self.crash),
            retry: of(self.retry),
            backoff: of(self.backoff),
            stopping: of(self.stopping),
            second: of(self.second),
            namespace: of(self.namespace),
            binding: of(self.binding),
            account: of(self.account),
            bookmark: of(self.bookmark),
        }
    }
}
