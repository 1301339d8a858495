//! A task definition: what ECS runs of a spec.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::config::{CpuArchitecture, LaunchType};

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
    /// The processors that its images are made for; none: `X86_64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_architecture: Option<CpuArchitecture>,
    /// What its containers mount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Its containers.
    pub containers: Vec<Container>,
}

/// What containers mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Where it is kept; none: it is each task's own, empty at first, and goes with the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Efs>,
}

/// A part of a file system of EFS. What is sent there is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Efs {
    /// The file system's id.
    pub file_system_id: String,
    /// Which part.
    pub part: EfsPart,
}

/// A part of a file system of EFS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EfsPart {
    /// The directory with this path, which has to be there.
    Directory(String),
    /// What this access point leads to, by its id.
    AccessPoint(String),
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
    /// What becomes of the task where it ends.
    #[serde(skip_serializing_if = "Ending::is_the_tasks")]
    pub ending: Ending,
    /// The containers of the task that it waits for before it starts. As the task ends, it stops before they do.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub depends_on: BTreeMap<String, Until>,
    /// MiB that are set aside for it, where they are fewer than it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<u32>,
    /// Seconds from SIGTERM to SIGKILL; none: ECS's 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout_seconds: Option<u32>,
    /// Who it runs as; none: the image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where it begins; none: the image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Whether it can write in its volumes only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_root: bool,
    /// The ARN of the secret with which its image is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_credentials: Option<String>,
    /// The task's volumes that it mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
}

/// What becomes of a task where one of its containers ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The task ends, too: the container is essential.
    #[default]
    EndsTheTask,
    /// The others go on.
    IsItsOwn,
}

impl Ending {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_the_tasks(&self) -> bool {
        *self == Self::EndsTheTask
    }
}

/// What a container waits for in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Until {
    /// That it has started.
    Start,
    /// That its health check passes.
    Healthy,
    /// That it has ended with exit code 0.
    Success,
}

/// A volume that a container mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// The task's volume.
    pub volume: String,
    /// Where it is in the container.
    pub path: String,
    /// Whether the container may not write there.
    pub read_only: bool,
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
    /// What is spoken on it, for Service Connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<AppProtocol>,
}

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AppProtocol {
    /// HTTP/1.
    Http,
    /// HTTP/2.
    Http2,
    /// gRPC.
    Grpc,
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
