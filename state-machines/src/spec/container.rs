//! One container of a tenant.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::health::HealthCheckConfig;
use super::is_default;
use super::resources::ResourceRequirements;

/// One container.
#[derive(Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct ContainerSpec {
    /// The container; unique in the tenant.
    #[schemars(regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"), length(min = 1, max = 63))]
    pub name: String,
    /// What to run: an OCI reference; with `process`, `host` or the absolute path of a root directory.
    #[schemars(length(min = 1, max = 2048))]
    pub image: String,
    /// The program and its first arguments, in place of the image's. `process` needs one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 1024), extend("x-default" = "the image's"))]
    pub command: Vec<String>,
    /// The arguments after `command`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 1024))]
    pub args: Vec<String>,
    /// The environment, each at most 32 KiB. Values are never shown.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, length(max = 1024))]
    pub env: BTreeMap<String, String>,
    /// What it listens on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 256))]
    pub ports: Vec<PortMapping>,
    /// How to tell that it works, for new clients and for a repair. Without one it works while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckConfig>,
    /// Its share of the tenant's resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "the tenant's"))]
    pub resources: Option<ResourceRequirements>,
    /// Whether the tenant runs while it runs (`main`), it helps the main ones (`sidecar`: starts before them and stops after
    /// them), or it runs to its end before the others start (`init`, one after the other).
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default, extend("x-default" = "`main`"))]
    pub role: Role,
    /// The containers that it waits for before it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 64))]
    pub depends_on: Vec<Dependency>,
    /// Another check beside `health_check`, whose failure is repaired and says nothing to clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<HealthCheckConfig>,
    /// How it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopConfig>,
    /// Files that it finds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 256))]
    pub files: Vec<FileSpec>,
    /// The tenant's volumes that it finds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 64))]
    pub mounts: Vec<MountSpec>,
    /// How its image is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull: Option<ImagePull>,
    /// Who it runs as: a user, or user:group, by name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), extend("x-default" = "the image's; with `process` the engine's"))]
    pub user: Option<String>,
    /// The absolute path of the directory that it begins in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), extend("x-default" = "the image's; with `process` `/`"))]
    pub working_dir: Option<String>,
    /// Whether it may write in its volumes only.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub read_only_root: bool,
}

/// One port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct PortMapping {
    /// Where the container listens; unique in the container.
    #[schemars(range(min = 1, max = 65_535))]
    pub container_port: i64,
    /// Where the host listens; unique in the tenant. Whether it is free is looked at when the tenant starts, not by `validate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535), extend("x-default" = "the provider chooses"))]
    pub host_port: Option<i64>,
    /// What it carries.
    #[schemars(default, extend("enum" = ["tcp", "udp"], "x-default" = "`tcp`"))]
    pub protocol: String,
    /// A name for people, shown with the endpoint; and for the variable `PORT_<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub name: Option<String>,
    /// What is spoken on it: `http`, `http2`, `grpc`, or what the platform knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub app_protocol: Option<String>,
    /// Who reaches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "the provider's configuration"))]
    pub exposure: Option<Exposure>,
}

/// Who reaches a port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Exposure {
    /// `none`: the tenant's own containers; `internal`: the platform's network; `public`: everybody.
    #[schemars(default)]
    pub level: ExposureLevel,
    /// The host name that leads to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub host: Option<String>,
    /// The beginning of the paths that lead to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub path: Option<String>,
    /// Whether clients speak TLS.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub tls: bool,
}

/// Who reaches a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExposureLevel {
    /// The tenant's own containers.
    #[default]
    None,
    /// The platform's network.
    Internal,
    /// Everybody.
    Public,
}

/// What a container is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The tenant runs while it runs.
    #[default]
    Main,
    /// It starts before the main ones, and stops after them.
    Sidecar,
    /// It runs to its end before the others start.
    Init,
}

/// A container that another waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Dependency {
    /// The container that is waited for.
    pub container: String,
    /// Until it has started, is healthy, or has ended with exit code 0.
    #[schemars(default, extend("x-default" = "`started`"))]
    pub condition: Condition,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It has started.
    #[default]
    Started,
    /// Its health check passes.
    Healthy,
    /// It has ended with exit code 0.
    Completed,
}

/// How a container is stopped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct StopConfig {
    /// From the signal to SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400), extend("x-unit" = "seconds", "x-default" = "the provider's"))]
    pub grace_seconds: Option<i64>,
    /// What asks it to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "`SIGTERM`, or the image's"))]
    pub signal: Option<StopSignal>,
}

/// What asks a program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StopSignal {
    /// Terminate.
    #[serde(rename = "SIGTERM")]
    Term,
    /// Interrupt, as Ctrl-C does.
    #[serde(rename = "SIGINT")]
    Int,
    /// Quit.
    #[serde(rename = "SIGQUIT")]
    Quit,
    /// Hang up.
    #[serde(rename = "SIGHUP")]
    Hup,
    /// The program's own, the first.
    #[serde(rename = "SIGUSR1")]
    Usr1,
    /// The program's own, the second.
    #[serde(rename = "SIGUSR2")]
    Usr2,
    /// The window has another size; some servers end gracefully.
    #[serde(rename = "SIGWINCH")]
    Winch,
    /// At once, without a grace.
    #[serde(rename = "SIGKILL")]
    Kill,
}

/// A file that a container finds.
#[derive(Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct FileSpec {
    /// Its absolute path; unique in the container.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// What is in it, at most 256 KiB. It is never shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 262_144), extend("x-default" = "required without `secret`"))]
    pub content: Option<String>,
    /// The name of the secret whose value is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), extend("x-default" = "required without `content`"))]
    pub secret: Option<String>,
    /// Its permissions, as `"0640"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^0?[0-7]{3}$"), extend("x-default" = "`\"0444\"`; of a secret `\"0400\"`"))]
    pub mode: Option<String>,
}

impl FileSpec {
    /// The permissions that its three octal digits give.
    pub fn permissions(&self) -> Option<u32> {
        let text = self.mode.as_deref()?;
        let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
        let octal = digits.len() == 3 && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
        octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten()
    }
}

/// A volume that a container finds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct MountSpec {
    /// The tenant's volume.
    pub volume: String,
    /// Where it is: an absolute path; unique in the container.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// Whether the container may not write there.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub read_only: bool,
}

/// How an image is fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct ImagePull {
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "the platform's"))]
    pub policy: Option<PullPolicy>,
    /// The name of the secret with the registry's credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub credentials: Option<String>,
}

/// When an image is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// For each start.
    Always,
    /// Where it is not there yet.
    IfNotPresent,
    /// Never: it has to be there.
    Never,
}
