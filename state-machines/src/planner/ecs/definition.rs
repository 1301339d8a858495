//! A task definition: what ECS runs of a spec.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::config::LaunchType;

/// What is registered. Its hash, with its tags, is the content of a [`Source::Own`](super::Source::Own).
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// What it has to be able to run on.
    pub requires: LaunchType,
    /// How its containers are on the network.
    pub network_mode: NetworkMode,
    /// CPU units, 1024 to a core, of the whole task.
    pub cpu: u32,
    /// MiB of the whole task.
    pub memory: u32,
    /// GiB, where it is more than the platform gives anyway; Fargate only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage_gib: Option<u32>,
    /// The role of the programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_role_arn: Option<String>,
    /// The role of ECS itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_role_arn: Option<String>,
    /// All are essential: where one ends, the task ends.
    pub containers: Vec<Container>,
}

/// How containers are on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// Each task has an interface of its own.
    Awsvpc,
    /// Docker's bridge on the host.
    Bridge,
}

/// One container.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// What replaces the image's entry point: the spec's `command`.
    pub entry_point: Vec<String>,
    /// What replaces the image's command: the spec's `args`.
    pub command: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// The environment that ECS fetches: the ARN or name of each value.
    pub secrets: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<ContainerPort>,
    /// How ECS tells that it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<ContainerCheck>,
    /// CPU units, where it has a share of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// MiB at most, where it has a share of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// Where its output goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// Its labels on the host.
    pub labels: BTreeMap<String, String>,
}

/// A port of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerPort {
    /// Where it listens.
    pub container_port: u16,
    /// Where the host listens, where the spec says so; else ECS chooses one, or has none to choose (`awsvpc`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// Whether it is UDP; else TCP.
    pub udp: bool,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A command that ECS runs in the container.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ContainerCheck {
    /// `CMD` and a command, or `CMD-SHELL` and a line.
    pub command: Vec<String>,
    /// Seconds from one to the next, 5 to 300.
    pub interval_seconds: u32,
    /// Seconds until one without an end has failed, 2 to 60.
    pub timeout_seconds: u32,
    /// Failures in a row until the container is unhealthy, 1 to 10.
    pub retries: u32,
    /// Seconds after the container's start in which failures do not count, up to 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period_seconds: Option<u32>,
}

/// The log driver `awslogs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// The group; made where it is missing.
    pub group: String,
    /// Its region; none: the tasks' own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What the names of streams begin with.
    pub stream_prefix: String,
}

/// Environments and command lines may carry secrets, so only names print.
impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let containers: Vec<(&str, &str)> =
            self.containers.iter().map(|container| (&*container.name, &*container.image)).collect();
        f.debug_struct("Definition")
            .field("requires", &self.requires)
            .field("cpu", &self.cpu)
            .field("memory", &self.memory)
            .field("containers", &containers)
            .finish_non_exhaustive()
    }
}
