//! How long things take.

use std::time::Duration;

/// The times of the platform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From a request to its answer.
    pub(crate) latency: Duration,
    /// How far reads lag behind writes.
    pub(crate) lag: Duration,
    /// From one look of the service scheduler to the next.
    pub(crate) tick: Duration,
    /// Until a task has its network interface.
    pub(crate) provisioning: Duration,
    /// Until its images are pulled.
    pub(crate) pulling: Duration,
    /// Until the first health check of a task that runs has passed.
    pub(crate) health: Duration,
    /// Until the health check of a task that never becomes healthy has failed often enough.
    pub(crate) unhealthy: Duration,
    /// How long a program runs that crashes.
    pub(crate) crash: Duration,
    /// How long a service's tasks have to run until it is steady.
    pub(crate) steady: Duration,
    /// Until a task that stopped is replaced.
    pub(crate) replace: Duration,
    /// Until a task that is stopped has stopped.
    pub(crate) stopping: Duration,
    /// How long a service drains at least.
    pub(crate) draining: Duration,
    /// How long an inactive service is still described, and a client token remembered.
    pub(crate) remembered: Duration,
    /// How long a stopped task is still described.
    pub(crate) stopped: Duration,
    /// How long the registration of a revision keeps others of its family out.
    pub(crate) registering: Duration,
    /// Until a task definition that is deleted is gone.
    pub(crate) deleting: Duration,
}

impl Pace {
    /// About what AWS takes.
    pub(crate) fn real() -> Self {
        let (s, ms) = (Duration::from_secs, Duration::from_millis);
        Self {
            latency: ms(60),
            lag: s(1),
            tick: s(1),
            provisioning: s(8),
            pulling: s(7),
            health: s(10),
            unhealthy: s(60),
            crash: s(2),
            steady: s(5),
            replace: s(3),
            stopping: s(8),
            draining: s(5),
            remembered: s(3600),
            stopped: s(3600),
            registering: ms(50),
            deleting: s(600),
        }
    }

    /// The same, so many times as fast.
    pub(crate) fn faster(self, times: u32) -> Self {
        Self {
            latency: self.latency / times,
            lag: self.lag / times,
            tick: self.tick / times,
            provisioning: self.provisioning / times,
            pulling: self.pulling / times,
            health: self.health / times,
            unhealthy: self.unhealthy / times,
            crash: self.crash / times,
            steady: self.steady / times,
            replace: self.replace / times,
            stopping: self.stopping / times,
            draining: self.draining / times,
            remembered: self.remembered / times,
            stopped: self.stopped / times,
            registering: self.registering / times,
            deleting: self.deleting / times,
        }
    }
}
