//! The resources of one account in one region.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::lagged::Lagged;
use super::logs::Event;
use super::pace::Pace;
use super::quota::Buckets;
use super::scheduler::Kind;
use super::services::DEPLOYED;
use super::task::Task;
use super::wire::{Refusal, text};

/// When a request comes, and how fast things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) pace: Pace,
    /// What the clock on the wall said when the platform began.
    pub(super) epoch: f64,
    pub(super) began: Instant,
}

impl Now {
    /// A time as ECS writes it, in seconds.
    pub(super) fn stamp(&self, at: Instant) -> Value {
        json!(self.epoch + at.saturating_duration_since(self.began).as_secs_f64())
    }

    pub(super) fn since(&self, at: Instant) -> Duration {
        self.at.saturating_duration_since(at)
    }
}

/// All of an account in a region.
#[derive(Debug, Default)]
pub(super) struct Home {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) clusters: BTreeMap<String, Cluster>,
    pub(super) families: BTreeMap<String, Family>,
    pub(super) buckets: Buckets,
    /// What containers wrote, in this order.
    pub(super) logs: Vec<Event>,
    /// When deleted revisions were forgotten.
    pub(super) forgot: Option<Instant>,
    pub(super) ids: Ids,
}

/// Numbers that were not there before.
#[derive(Debug, Default)]
pub(super) struct Ids(u64);

impl Ids {
    /// Numbers above this one.
    pub(super) fn from(number: u64) -> Self {
        Self(number)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// A cluster.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) arn: String,
    /// None: there was one, or there is going to be one.
    pub(super) services: BTreeMap<String, Lagged<Option<Service>>>,
    /// What client tokens made.
    pub(super) tokens: BTreeMap<String, Token>,
}

/// What a client token made.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) asked: Value,
    pub(super) answer: Value,
    pub(super) at: Instant,
}

/// The revisions of a task definition.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) last: u32,
    pub(super) registered: Option<Instant>,
    /// None: before it was registered.
    pub(super) revisions: BTreeMap<u32, Lagged<Option<Revision>>>,
}

/// A task definition.
#[derive(Clone, Debug)]
pub(super) struct Revision {
    pub(super) arn: String,
    pub(super) content: Map<String, Value>,
    pub(super) kind: Kind,
    pub(super) status: RevisionStatus,
    pub(super) registered: Instant,
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RevisionStatus {
    Active,
    Inactive,
    Deleting { since: Instant },
}

/// A service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) status: ServiceStatus,
    pub(super) created: Instant,
    /// What CreateService asked for, without the token.
    pub(super) made_from: Value,
    /// What it is set to, as ECS shows it.
    pub(super) settings: Map<String, Value>,
    pub(super) definition: String,
    pub(super) desired: u32,
    pub(super) tags: BTreeMap<String, String>,
    /// The one that is PRIMARY first.
    pub(super) deployments: Vec<Deployment>,
    pub(super) journeys: Vec<Journey>,
    pub(super) tasks: Vec<Task>,
    pub(super) last_good: Option<Good>,
    /// When and what; the latest last.
    pub(super) events: Vec<(Instant, String)>,
    /// Until when the scheduler has looked after it.
    pub(super) looked: Instant,
    /// Whether all its tasks fail their checks, new ones too.
    pub(super) sick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceStatus {
    Active,
    Draining { since: Instant },
    Inactive { since: Instant },
}

/// What a rollback goes back to.
#[derive(Clone, Debug)]
pub(super) struct Good {
    pub(super) deployment: String,
    pub(super) definition: String,
    pub(super) settings: Map<String, Value>,
}

/// A deployment, as DescribeServices shows it.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) definition: String,
    pub(super) primary: bool,
    pub(super) desired: u32,
    pub(super) failed: u32,
    pub(super) rollout: Rollout,
    pub(super) reason: String,
    pub(super) created: Instant,
    pub(super) updated: Instant,
    /// Not before then is the next task started.
    pub(super) next_start: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rollout {
    InProgress,
    Completed,
    Failed,
}

/// A service deployment: from an update to its end, with the rollback.
#[derive(Clone, Debug)]
pub(super) struct Journey {
    pub(super) arn: String,
    pub(super) status: &'static str,
    pub(super) reason: Option<String>,
    pub(super) created: Instant,
    pub(super) finished: Option<Instant>,
}

impl Home {
    pub(super) fn arn(&self, rest: &str) -> String {
        format!("arn:aws:ecs:{}:{}:{rest}", self.region, self.account)
    }

    /// The cluster that a request names, by name or ARN; without one, `default`.
    pub(super) fn cluster(&mut self, body: &Value) -> Result<&mut Cluster, Refusal> {
        let named = text(body, "cluster").unwrap_or("default");
        let prefix = self.arn("cluster/");
        let name = named.strip_prefix(prefix.as_str()).unwrap_or(named);
        self.clusters
            .get_mut(name)
            .ok_or_else(|| Refusal::new("ClusterNotFoundException", "Cluster not found."))
    }

    pub(super) fn make_cluster(&mut self, name: &str) -> &mut Cluster {
        let arn = self.arn(&format!("cluster/{name}"));
        let made = || Cluster { name: name.to_owned(), arn, ..Cluster::default() };
        self.clusters.entry(name.to_owned()).or_insert_with(made)
    }

    /// A revision by its ARN, by `family:revision`, or by the family: its latest active one.
    pub(super) fn revision(&mut self, named: &str) -> Option<&mut Lagged<Option<Revision>>> {
        let prefix = self.arn("task-definition/");
        let named = named.strip_prefix(prefix.as_str()).unwrap_or(named);
        match named.split_once(':') {
            Some((family, revision)) => {
                self.families.get_mut(family)?.revisions.get_mut(&revision.parse().ok()?)
            }
            None => {
                let active = |row: &&mut Lagged<Option<Revision>>| {
                    row.is.as_ref().is_some_and(|revision| revision.status == RevisionStatus::Active)
                };
                self.families.get_mut(named)?.revisions.values_mut().rev().find(active)
            }
        }
    }
}

impl Cluster {
    /// A service by its name or ARN.
    pub(super) fn service(&mut self, named: &str) -> Option<&mut Lagged<Option<Service>>> {
        self.services.get_mut(service_name(named))
    }
}

/// The name in a name or an ARN.
pub(super) fn service_name(named: &str) -> &str {
    match named.starts_with("arn:") {
        true => named.rsplit('/').next().unwrap_or(named),
        false => named,
    }
}

impl Service {
    pub(super) fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.primary)
    }

    pub(super) fn event(&mut self, at: Instant, what: impl std::fmt::Display) {
        self.events.push((at, format!("(service {}) {what}", self.name)));
    }

    /// Puts a deployment of what the service is now in front of the others.
    pub(super) fn deploy(&mut self, id: String, at: Instant, reason: String) {
        for older in &mut self.deployments {
            older.primary = false;
            older.updated = at;
        }
        let deployment = Deployment {
            id,
            definition: self.definition.clone(),
            primary: true,
            desired: self.desired,
            failed: 0,
            rollout: Rollout::InProgress,
            reason,
            created: at,
            updated: at,
            next_start: at,
        };
        self.deployments.insert(0, deployment);
    }

    /// Makes what worked PRIMARY again.
    pub(super) fn roll_back(&mut self, good: &Good, id: String, at: Instant, reason: String) {
        self.event(at, format!("rolling back to deployment {}.", good.deployment));
        self.definition.clone_from(&good.definition);
        for name in DEPLOYED {
            match good.settings.get(name) {
                Some(value) => self.settings.insert(name.to_owned(), value.clone()),
                None => self.settings.remove(name),
            };
        }
        self.deploy(id, at, reason);
    }

    /// The service deployment that goes on.
    pub(super) fn journey(&mut self) -> Option<&mut Journey> {
        self.journeys.iter_mut().rev().find(|journey| journey.finished.is_none())
    }

    /// Ends the service deployment that goes on.
    pub(super) fn arrive(&mut self, at: Instant, status: &'static str, reason: Option<String>) {
        if let Some(journey) = self.journey() {
            journey.status = status;
            journey.finished = Some(at);
            if reason.is_some() {
                journey.reason = reason;
            }
        }
    }
}
