//! The process provider's part of a spec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::TenantComputeSpec;

/// The `provider_config` of a tenant that runs as local processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessConfig {
    /// Seconds between SIGTERM and SIGKILL.
    pub stop_grace_seconds: u32,
    /// The absolute path of the directory that the processes begin in. In a root directory they begin in `/`.
    pub working_dir: String,
    /// Who the processes run as: a user, or user:group, by name or number. By default the engine's user. Another one needs
    /// an engine that runs as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether the processes may not gain rights by running another program, such as sudo.
    pub no_new_privileges: bool,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self { stop_grace_seconds: 10, working_dir: "/".to_owned(), user: None, no_new_privileges: true }
    }
}

/// A `provider_config` that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider_config: {0}")]
pub struct ProcessConfigError(String);

impl ProcessConfig {
    /// Reads the configuration of a spec; what is not given is as in [`ProcessConfig::default`].
    ///
    /// # Errors
    /// [`ProcessConfigError`] for an unknown field or a wrong type.
    pub fn of(spec: &TenantComputeSpec) -> Result<Self, ProcessConfigError> {
        match &spec.provider_config {
            None => Ok(Self::default()),
            Some(value) => Self::deserialize(value).map_err(|error| ProcessConfigError(error.to_string())),
        }
    }
}
