//! What marks a process as ours: variables in its environment, which its children inherit.

use std::collections::BTreeMap;

use landlord_state_machines::id::{ProviderName, TenantId};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::planner::process::{LaunchId, Manifest};

/// Every tag begins with this; a spec may not set such variables.
pub(super) const PREFIX: &str = "LANDLORD_";

/// Set by the launching shell to its own pid just before it becomes the program. So it tells a process that was
/// launched from its children, and a program from the shell that is about to become it.
pub(super) const LEADER: &str = "LANDLORD_PID";

/// The command of an exec check, as a JSON list. Not in the manifest, which is stored: it may hold a secret.
pub(super) const CHECK: &str = "LANDLORD_CHECK";

/// The headers of an http check, as a JSON object. Not in the manifest, which is stored: they may hold secrets.
pub(super) const HEADERS: &str = "LANDLORD_HEADERS";

const OWNER: &str = "LANDLORD_OWNER";
const PROVIDER: &str = "LANDLORD_PROVIDER";
pub(super) const ENGINE: &str = "LANDLORD_ENGINE_ID";
const TENANT: &str = "LANDLORD_TENANT_ID";
const INCARNATION: &str = "LANDLORD_INCARNATION";
const CONTAINER: &str = "LANDLORD_CONTAINER";
pub(super) const LAUNCH: &str = "LANDLORD_LAUNCH";
const MANIFEST: &str = "LANDLORD_MANIFEST";

/// A provider of an engine, whose store remembers what it launched.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Owner {
    /// The engine's name.
    pub(super) engine: String,
    /// The provider's, by the operator.
    pub(super) provider: ProviderName,
}

impl Owner {
    pub(super) fn of(subject: &Subject) -> Self {
        Self { engine: subject.engine.to_string(), provider: subject.provider.clone() }
    }
}

/// Names one launch on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    /// Who remembers it.
    pub(super) owner: Owner,
    /// The tenant.
    pub(super) tenant: TenantId,
    /// Which launch, of all lives and containers of the tenant.
    pub(super) launch: LaunchId,
}

/// Whose process it is, and what it was launched as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tags {
    /// Which launch.
    pub(super) key: Key,
    /// What was launched.
    pub(super) manifest: Manifest,
}

impl Tags {
    /// The variables that carry the tags. Life and container are also in the others; they are there for people
    /// who look at a process.
    pub(super) fn variables(&self) -> Result<[(&'static str, String); 8], serde_json::Error> {
        Ok([
            (OWNER, "landlord".to_owned()),
            (PROVIDER, self.key.owner.provider.to_string()),
            (ENGINE, self.key.owner.engine.clone()),
            (TENANT, self.key.tenant.to_string()),
            (INCARNATION, self.key.launch.incarnation.to_string()),
            (CONTAINER, self.manifest.container.clone()),
            (LAUNCH, self.key.launch.to_string()),
            (MANIFEST, serde_json::to_string(&self.manifest)?),
        ])
    }

    /// Reads the tags among a process's variables; `None` when they are not all there, as in every process that
    /// is not ours.
    pub(super) fn read(variables: &Variables<'_>) -> Option<Self> {
        if variables.get(OWNER)? != "landlord" {
            return None;
        }
        Some(Self {
            key: Key {
                owner: Owner {
                    engine: variables.get(ENGINE)?.to_owned(),
                    provider: ProviderName::new(variables.get(PROVIDER)?).ok()?,
                },
                tenant: variables.get(TENANT)?.parse().ok()?,
                launch: variables.get(LAUNCH)?.parse().ok()?,
            },
            manifest: serde_json::from_str(variables.get(MANIFEST)?).ok()?,
        })
    }
}

/// The variables of an environment, or the lines of a record, that have a name and are text.
pub(super) struct Variables<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Variables<'a> {
    /// Takes an environment apart as `/proc/<pid>/environ` shows it: `NAME=value`, each ended by NUL.
    pub(super) fn of_environ(bytes: &'a [u8]) -> Self {
        Self::split(bytes, 0)
    }

    /// Takes a record apart: `NAME=value`, each ended by a line end.
    pub(super) fn of_lines(bytes: &'a [u8]) -> Self {
        Self::split(bytes, b'\n')
    }

    fn split(bytes: &'a [u8], end: u8) -> Self {
        let pairs = bytes.split(|byte| *byte == end);
        Self(pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('=')).collect())
    }

    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    /// All variables by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().map(|(name, value)| (*name, *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tags;

    #[test]
    fn tags_read_back_from_an_environment_and_from_a_record() {
        let tags = tags("acme", "web", "2-3");
        let pairs = tags.variables().unwrap().map(|(name, value)| format!("{name}={value}"));
        let environ = format!("PATH=/bin\0{}\0=odd\0", pairs.join("\0"));
        assert_eq!(Tags::read(&Variables::of_environ(environ.as_bytes())), Some(tags.clone()));
        assert_eq!(Tags::read(&Variables::of_lines(pairs.join("\n").as_bytes())), Some(tags));
    }

    #[test]
    fn a_process_without_one_of_the_tags_is_not_ours() {
        let tags = tags("acme", "web", "2-3");
        for missing in [OWNER, PROVIDER, ENGINE, TENANT, LAUNCH, MANIFEST] {
            let pairs = tags.variables().unwrap().into_iter().filter(|(name, _)| *name != missing);
            let environ: String = pairs.map(|(name, value)| format!("{name}={value}\0")).collect();
            assert_eq!(Tags::read(&Variables::of_environ(environ.as_bytes())), None, "{missing}");
        }
    }
}
