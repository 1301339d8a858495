//! A fake of the ECS API: what AWS does and no emulator models.
//!
//! The platform is a state machine: a request and the time come in, what becomes of it goes out. Two front ends give
//! it to the real SDK: [`Fake::serve`] over HTTP, and [`Fake::client`] in memory.
//!
//! A runtime whose time is paused moves the clock on whenever it has nothing to do, and bytes that are on their way
//! through a socket look to it like nothing to do. So on simulated time a client is either the one in memory, or
//! [`held_client`], which makes time stand still while a request is on its way.

mod definition_rules;
mod definitions;
mod deployments;
mod hands;
mod held;
mod home;
mod http;
mod lagged;
mod logs;
mod memory;
mod mishap;
mod pace;
mod platform;
mod quota;
mod reads;
mod scheduler;
mod services;
mod show;
mod shown;
mod sts;
mod tags;
mod task;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

pub(crate) use hands::Found;
pub(crate) use held::held_client;
pub(crate) use http::Server;
pub(crate) use mishap::{Mishap, Trap};
pub(crate) use pace::Pace;
pub(crate) use quota::{Calls, QUOTAS, Quota};
pub(crate) use sts::{ACCOUNT, Role};
pub(crate) use wire::Refusal;

use platform::Platform;
use wire::{Outcome, Request};

/// Where tests work when they do not say otherwise.
pub(crate) const REGION: &str = "eu-west-1";

/// The platform, shared.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    platform: Arc<Mutex<Platform>>,
}

impl Fake {
    /// A platform with nothing but a cluster named `default`.
    pub(crate) fn new(pace: Pace) -> Self {
        let mut platform = Platform::new(pace, Instant::now());
        platform.home(ACCOUNT, REGION).make_cluster("default");
        Self { platform: Arc::new(Mutex::new(platform)) }
    }

    fn lock(&self) -> MutexGuard<'_, Platform> {
        self.platform.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Outcome {
        self.lock().answer(Instant::now(), request)
    }

    /// The calls of each API since the last look.
    pub(crate) fn take_calls(&self) -> BTreeMap<String, Calls> {
        std::mem::take(&mut self.lock().calls)
    }

    /// Makes a cluster.
    pub(crate) fn make_cluster(&self, account: &str, region: &str, name: &str) {
        self.lock().home(account, region).make_cluster(name);
    }

    /// Switches the quotas off: a test that is not about them is not slowed down by them.
    pub(crate) fn without_quotas(self) -> Self {
        self.lock().quotas = false;
        self
    }

    /// Lets a role be taken.
    pub(crate) fn trust(&self, arn: &str, role: Role) {
        self.lock().keys.roles.insert(arn.to_owned(), role);
    }

    /// How often a role was taken.
    pub(crate) fn taken(&self, arn: &str) -> u64 {
        self.lock().keys.taken.get(arn).copied().unwrap_or_default()
    }

    /// Makes a long-lived key invalid.
    pub(crate) fn expire(&self, key: &str) {
        self.lock().keys.expired.push(key.to_owned());
    }

    /// Sets a trap.
    pub(crate) fn trap(&self, trap: Trap) {
        self.lock().traps.set(trap);
    }
}
