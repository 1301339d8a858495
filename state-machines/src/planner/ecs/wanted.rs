//! What a spec asks for, in ECS's terms.

use std::collections::BTreeMap;

use super::call::{Serves, Settings};
use super::definition::Definition;
use super::site::Site;

/// What a spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Where, and under which name.
    pub site: Site,
    /// What tasks are made from.
    pub source: Source,
    /// How the service runs them.
    pub settings: Settings,
    /// The tags of the service; [`tags::SPEC`](super::tags::SPEC) is one of them, and the hash of everything else here.
    pub tags: BTreeMap<String, String>,
    /// Where the tenant answers.
    pub serves: Vec<Serves>,
    /// How long a deployment may take, in seconds.
    pub deployment_timeout_seconds: u32,
}

/// What tasks are made from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A task definition that is somebody else's, by its ARN or as `family:revision`.
    Existing(String),
    /// One of the tenant's own.
    Own {
        /// What it says.
        definition: Definition,
        /// The hash of that.
        content: String,
        /// Its tags; [`tags::CONTENT`](super::tags::CONTENT) is one of them.
        tags: BTreeMap<String, String>,
    },
}
