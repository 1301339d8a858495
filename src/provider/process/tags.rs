//! What marks a process as ours: variables in its environment, which its children inherit.

use std::collections::BTreeMap;

use landlord_state_machines::id::{Incarnation, TenantId, is_valid_name};

/// Every tag begins with this; a spec may not set such variables.
pub(super) const PREFIX: &str = "LANDLORD_";

/// Set by the launching shell to its own pid just before it becomes the program. So it tells a process that was
/// launched from its children, and a program from the shell that is about to become it.
pub(super) const LEADER: &str = "LANDLORD_PID";

const OWNER: &str = "LANDLORD_OWNER";
const PROVIDER: &str = "LANDLORD_PROVIDER";
const ENGINE: &str = "LANDLORD_ENGINE_ID";
const TENANT: &str = "LANDLORD_TENANT_ID";
const INCARNATION: &str = "LANDLORD_INCARNATION";
const CONTAINER: &str = "LANDLORD_CONTAINER";
const LAUNCH: &str = "LANDLORD_LAUNCH";
const FINGERPRINT: &str = "LANDLORD_FINGERPRINT";
const PORTS: &str = "LANDLORD_PORTS";

/// Whose process it is, and what it was launched as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tags {
    /// The engine whose store remembers it.
    pub(super) engine: String,
    /// The tenant.
    pub(super) tenant: TenantId,
    /// Which of the tenant's lives.
    pub(super) incarnation: Incarnation,
    /// The container in the tenant's spec.
    pub(super) container: String,
    /// Which launch of that container, counted over a life.
    pub(super) launch: u64,
    /// What the container looked like in the spec then.
    pub(super) fingerprint: String,
    /// Its container ports and the host ports it was given for them.
    pub(super) ports: BTreeMap<u16, u16>,
}

impl Tags {
    /// The variables that carry the tags.
    pub(super) fn variables(&self) -> [(&'static str, String); 9] {
        let ports: Vec<String> =
            self.ports.iter().map(|(container, host)| format!("{container}:{host}")).collect();
        [
            (OWNER, "landlord".to_owned()),
            (PROVIDER, "process".to_owned()),
            (ENGINE, self.engine.clone()),
            (TENANT, self.tenant.to_string()),
            (INCARNATION, self.incarnation.to_string()),
            (CONTAINER, self.container.clone()),
            (LAUNCH, self.launch.to_string()),
            (FINGERPRINT, self.fingerprint.clone()),
            (PORTS, ports.join(",")),
        ]
    }

    /// Reads the tags among a process's variables; `None` when they are not all there, as in every process that
    /// is not ours.
    pub(super) fn read(variables: &Variables<'_>) -> Option<Self> {
        if variables.get(OWNER)? != "landlord" || variables.get(PROVIDER)? != "process" {
            return None;
        }
        let container = variables.get(CONTAINER).filter(|name| is_valid_name(name))?.to_owned();
        Some(Self {
            engine: variables.get(ENGINE)?.to_owned(),
            tenant: variables.get(TENANT)?.parse().ok()?,
            incarnation: Incarnation(variables.get(INCARNATION)?.parse().ok()?),
            container,
            launch: variables.get(LAUNCH)?.parse().ok()?,
            fingerprint: variables.get(FINGERPRINT)?.to_owned(),
            ports: read_ports(variables.get(PORTS)?)?,
        })
    }
}

fn read_ports(text: &str) -> Option<BTreeMap<u16, u16>> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (container, host) = part.split_once(':')?;
            Some((container.parse().ok()?, host.parse().ok()?))
        })
        .collect()
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

    fn tags() -> Tags {
        Tags {
            engine: "e1".into(),
            tenant: TenantId::new("acme").unwrap(),
            incarnation: Incarnation(2),
            container: "web".into(),
            launch: 3,
            fingerprint: "f00".into(),
            ports: BTreeMap::from([(80, 20001), (443, 20002)]),
        }
    }

    #[test]
    fn tags_read_back_from_an_environment_and_from_a_record() {
        let pairs = tags().variables().map(|(name, value)| format!("{name}={value}"));
        let environ = format!("PATH=/bin\0{}\0=odd\0", pairs.join("\0"));
        assert_eq!(Tags::read(&Variables::of_environ(environ.as_bytes())), Some(tags()));
        assert_eq!(Tags::read(&Variables::of_lines(pairs.join("\n").as_bytes())), Some(tags()));
    }

    #[test]
    fn a_process_with_some_of_the_tags_is_not_ours() {
        for missing in 0..9 {
            let some = tags().variables().into_iter().enumerate().filter(|(index, _)| *index != missing);
            let environ: Vec<String> = some.map(|(_, (name, value))| format!("{name}={value}\0")).collect();
            assert_eq!(Tags::read(&Variables::of_environ(environ.concat().as_bytes())), None, "{missing}");
        }
    }
}
