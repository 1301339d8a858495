//! What can happen in a life.

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Move {
    Provision {
        spec: usize,
        elsewhere: bool,
        deadline: Option<u64>,
    },
    Update {
        spec: usize,
        elsewhere: bool,
        deadline: Option<u64>,
    },
    Restart {
        deadline: Option<u64>,
    },
    Destroy,
    Cancel,
    Retry,
    Pause,
    Resume,
    Abandon,
    /// What a life left is removed, as a sweep asks for it.
    Reclaim {
        life: u64,
    },
    /// What a life retained is removed; `elsewhere`: at another provider.
    Release {
        elsewhere: bool,
    },
    /// A command of somebody who looked at another revision.
    Outdated,
    /// The call in flight ends, and its outcome arrives.
    CallEnds(Ending),
    /// An outcome of some earlier call arrives: late, or again.
    StaleOutcome(usize, Ending),
    Progress,
    StaleProgress(usize),
    Wait(u64),
    /// Time passes until the tenant is woken.
    WaitUntilWoken,
    /// A timer that may be early, or not wanted any more.
    Timer,
    /// The engine dies and is started again.
    Crash,
    /// Another engine takes the tenant, in order.
    HandOver,
    /// The tenant is looked at; the look began that long ago.
    Look(Sight, u64),
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Succeeded,
    Retry { after: Option<u64> },
    Permanent,
    NeedsPerson,
    NotFound,
    TimedOut,
    Lost,
    Held,
}

/// What a look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Healthy,
    Unhealthy,
    Broken,
    Unclear,
}
