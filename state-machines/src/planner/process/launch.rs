//! What one start of a container is, and what its processes are tagged with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::canonical;
use crate::id::{Incarnation, Rollout};
use crate::spec::{ContainerSpec, ResourceRequirements, Role, SecretReference, StopSignal, VolumeSpec};

/// Names one start of a container, for one tenant of one engine: its life, and a number that counts the starts of
/// that life. Not used twice as long as the ledger is kept. Reads as `1-3`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaunchId {
    /// The tenant's life that started it.
    pub incarnation: Incarnation,
    /// Counts the starts of that life, of all its containers.
    pub generation: u64,
}

impl fmt::Display for LaunchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.incarnation, self.generation)
    }
}

impl fmt::Debug for LaunchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that is not a launch id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a launch id: it reads like 1-3")]
pub struct LaunchIdError(String);

impl FromStr for LaunchId {
    type Err = LaunchIdError;
    fn from_str(text: &str) -> Result<Self, LaunchIdError> {
        let bad = || LaunchIdError(text.chars().take(80).collect());
        let (incarnation, generation) = text.split_once('-').ok_or_else(bad)?;
        Ok(Self {
            incarnation: Incarnation(incarnation.parse().map_err(|_| bad())?),
            generation: generation.parse().map_err(|_| bad())?,
        })
    }
}

impl Serialize for LaunchId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LaunchId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One process, told from a later one of the same pid by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// The process id.
    pub pid: u32,
    /// When it started, in the kernel's own unit (field 22 of `/proc/<pid>/stat`).
    pub start_time: u64,
}

/// Which of a container's copies a launch is. They count from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Replica(pub u32);

impl Replica {
    /// Whether it is the one that every container has.
    pub fn is_first(&self) -> bool {
        self.0 == 0
    }

    /// How it is called: the first like its container, the others `web#2`, `web#3`.
    pub fn of(self, container: &str) -> String {
        match self {
            Self(0) => container.to_owned(),
            Self(number) => format!("{container}#{}", number.saturating_add(1)),
        }
    }
}

/// What a launch is, apart from its id. It goes into the environment of the launch's processes as JSON and is read
/// back by [`ProcessCall::Find`](super::ProcessCall::Find). Holds no environment and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The container's name in the spec.
    pub container: String,
    /// Which of its copies.
    #[serde(default, skip_serializing_if = "Replica::is_first")]
    pub replica: Replica,
    /// What it was started with; another fingerprint is another configuration.
    pub fingerprint: Fingerprint,
    /// For which rollout of its spec it was started; another one is another launch of the same configuration.
    #[serde(default, skip_serializing_if = "Rollout::is_first")]
    pub rollout: Rollout,
    /// Where it listens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// How to tell that it works.
    pub readiness: Readiness,
    /// How long it may take to end after SIGTERM, from the `provider_config` it was started with.
    pub stop_grace_seconds: u32,
    /// What asks its first process to end, where that is not SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<StopSignal>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "is_main")]
    pub role: Role,
    /// Whether a keeper started it. Builds before keepers existed started launches by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

fn is_main(role: &Role) -> bool {
    *role == Role::Main
}

impl Manifest {
    /// The container's name; from the second replica on with its number.
    pub fn name(&self) -> String {
        self.replica.of(&self.container)
    }

    /// The addresses of a launch that goes by its `PORT`.
    pub fn routes(&self, launch: LaunchId, public: bool) -> impl Iterator<Item = Route> {
        let speaks_http = |port: &Port| match &self.readiness.check {
            Check::Http { port: checked, .. } => {
                *checked == port.container_port && port.protocol == Protocol::Tcp
            }
            Check::Alive | Check::Tcp { .. } | Check::Exec => false,
        };
        self.ports.iter().filter_map(move |port| {
            Some(Route {
                host_port: port.host_port,
                protocol: port.protocol,
                public,
                http: speaks_http(port),
                launch,
                private_port: port.private_port?,
            })
        })
    }

    /// How long it may take to end after SIGTERM.
    pub fn stop_grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace_seconds.into())
    }
}

/// Stands for all that a container was started with: its spec, its secret references, its volumes, its resources and
/// the provider's configuration. Stable over runs and versions; says nothing about the values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a container with its share of the tenant's secrets, volumes and resources. The configuration is
    /// taken as the caller wrote it, so that a new field with a default changes no fingerprint.
    pub fn of(
        container: &ContainerSpec,
        secrets: &[SecretReference],
        volumes: &[VolumeSpec],
        resources: &ResourceRequirements,
        config: Option<&Value>,
    ) -> Self {
        let mut all = serde_json::json!({
            "container": container,
            "secrets": secrets,
            "resources": resources,
            "config": config,
        });
        // What of a volume a launch depends on. Its size is not enforced, and what is retained is no affair of a launch.
        let mounted: BTreeMap<&str, bool> =
            volumes.iter().map(|volume| (volume.name.as_str(), volume.persistent)).collect();
        if !mounted.is_empty() {
            all["volumes"] = serde_json::json!(mounted);
        }
        Self(canonical::hash(&all, 16))
    }
}

impl Fingerprint {
    /// That of a container which runs to its end before these do: it does so again when one of them changes.
    pub(super) fn before<'f>(&'f self, others: impl Iterator<Item = &'f Self>) -> Self {
        let all: Vec<&Self> = std::iter::once(self).chain(others).collect();
        Self(canonical::hash(&serde_json::json!(all), 16))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

/// One port of a launch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Port {
    /// The port's number in the spec.
    pub container_port: u16,
    /// The tenant's address on the host. It stays the same from launch to launch.
    pub host_port: u16,
    /// Where the process listens when it goes by its `PORT`; the keeper forwards to it. A launch of a build without
    /// keepers has none: it listens on the host port itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_port: Option<u16>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Its name in the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Port {
    /// What the process finds in its `PORT`.
    pub fn listens_on(&self) -> u16 {
        self.private_port.unwrap_or(self.host_port)
    }
}

/// Who listens on the host ports of a launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// Not known yet, or it has none.
    #[default]
    Unknown,
    /// The keeper, which forwards to it.
    Forwarded,
    /// It does so itself, as a program with a port in its configuration does.
    Direct,
}

/// One address of a tenant, and a launch that answers there. Replicas of a container have one address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// The address: a port of 127.0.0.1, or of all addresses.
    pub host_port: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether it is a port of all addresses of the machine.
    pub public: bool,
    /// Whether it speaks HTTP/1, so that the keeper can tell one request from the next.
    pub http: bool,
    /// Who answers.
    pub launch: LaunchId,
    /// Where that listens.
    pub private_port: u16,
}

/// How to tell that a launch works, and how often it has to be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// What is looked at.
    pub check: Check,
    /// Seconds from one check to the next.
    pub interval_seconds: u32,
    /// Seconds until a check without an answer has failed.
    pub timeout_seconds: u32,
    /// Successes in a row until it is ready.
    pub healthy_threshold: u32,
    /// Failures in a row until it is unhealthy.
    pub unhealthy_threshold: u32,
    /// Seconds after the start in which failures do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period_seconds: u32,
    /// Seconds after the start until which it has to be ready, where the spec says so. Else the other fields give it its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

/// What is looked at. Ports are those of the spec; the launch's [`Port`]s say where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum Check {
    /// Whether the process lives; for a container without a health check.
    Alive,
    /// A GET that answers 200 to 399.
    Http {
        /// The container port.
        port: u16,
        /// The path and query.
        path: String,
        /// Whether headers are sent with it. They may hold secrets, so they are in the environment of the launch.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        has_headers: bool,
    },
    /// A connection that is accepted.
    Tcp {
        /// The container port.
        port: u16,
    },
    /// The command of the container's health check exits with 0. The command may hold a secret, so it is not here:
    /// it is in the environment of the launch, whose environment and root directory it also runs with.
    Exec,
}

/// How a launch's first process ended, in the platform's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// What ended it.
    pub cause: ExitCause,
    /// The names of processes that it left in the background.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

impl Exit {
    /// The end of a process that left nothing.
    pub fn of(cause: ExitCause) -> Self {
        Self { cause, left: Vec::new() }
    }
}

/// Another process that has a port which was given to a launch, before the launch was ever ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thief {
    /// The port where the launch was to listen.
    pub port: u16,
    /// The process, by its name and pid where these are known.
    pub holder: String,
}

impl fmt::Display for Thief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}, where it was to listen, is held by {}", self.port, self.holder)
    }
}

/// What ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// It ended by itself with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// The kernel killed it, or a process of it, because its group had used up its memory.
    OutOfMemory,
    /// Nobody was there to see it: its parent, the keeper, was gone.
    Unseen,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            ExitCause::Code(code) => write!(f, "exited with code {code}")?,
            ExitCause::Signal(signal) => write!(f, "ended by signal {signal}")?,
            ExitCause::OutOfMemory => f.write_str("killed by the kernel: it used more than its memory")?,
            ExitCause::Unseen => f.write_str("ended while nobody watched it")?,
        }
        // A server and its workers have one name.
        let names: BTreeSet<&str> = self.left.iter().map(String::as_str).collect();
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = names.into_iter().collect();
        write!(f, " and left {} in the background; run it in the foreground", names.join(", "))
    }
}
