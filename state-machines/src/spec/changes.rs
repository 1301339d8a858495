//! What differs between two specs, field by field, for an [`UpdateResult`](crate::status::UpdateResult).
//!
//! Values that may be secret never show: environments, command lines and `provider_config` say `changed`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::Serialize;
use serde_json::Value;

use super::{
    ContainerSpec, DnsConfig, HealthCheckConfig, NetworkConfig, PortMapping, ResourceRequirements,
    SecretReference, Spec, TenantComputeSpec, path,
};

/// The changes that lead from `old` to `new`, e.g. `containers[web].image: nginx:1.27 → nginx:1.28`.
///
/// There are none exactly when the two are equal. Containers are matched by name.
pub fn changes(old: &Spec, new: &Spec) -> Vec<String> {
    differences(old, new).iter().map(FieldChange::to_string).collect()
}

/// A field in which two specs differ. As text it is a line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The field: `containers[web].image`.
    pub path: String,
    /// How it differs.
    pub difference: Difference,
}

/// How a field differs. Values that may be secret are not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// It has another value, which may be shown. `None`: no value is given.
    Value {
        /// The old one.
        from: Option<String>,
        /// The new one.
        to: Option<String>,
    },
    /// It has another value.
    Changed,
    /// It was not there before.
    Added,
    /// It is no longer there.
    Removed,
    /// The elements of a list are the same, in another order.
    Reordered,
}

impl Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.difference {
            Difference::Value { from, to } => {
                let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
                write!(f, "{} → {}", value(from), value(to))
            }
            Difference::Changed => f.write_str("changed"),
            Difference::Added => f.write_str("added"),
            Difference::Removed => f.write_str("removed"),
            Difference::Reordered => f.write_str("order changed"),
        }
    }
}

/// The same as data.
pub fn differences(old: &Spec, new: &Spec) -> Vec<FieldChange> {
    // Here and below: a new field does not compile until its changes are told.
    let TenantComputeSpec {
        tenant_id: _,
        provider_type: _,
        containers: _,
        resources: _,
        networking: _,
        secrets: _,
        labels: _,
        provider_config: _,
    } = &**new;
    let mut changes = Changes(Vec::new());
    changes.shown("tenant_id", Some(&old.tenant_id), Some(&new.tenant_id));
    changes.shown("provider_type", Some(&old.provider_type), Some(&new.provider_type));
    changes.named("containers", &old.containers, &new.containers, |c| &c.name, Changes::container);
    changes.resources("resources", Some(&old.resources), Some(&new.resources));
    changes.networking(&old.networking, &new.networking);
    changes.named("secrets", &old.secrets, &new.secrets, |s| &s.name, Changes::secret);
    changes.labels(&old.labels, &new.labels);
    changes.config("provider_config", old.provider_config.as_ref(), new.provider_config.as_ref());
    changes.0
}

struct Changes(Vec<FieldChange>);

impl Changes {
    fn add(&mut self, at: &str, difference: Difference) {
        self.0.push(FieldChange { path: at.to_owned(), difference });
    }

    /// A value that may be shown.
    fn shown<T: Display + PartialEq>(&mut self, at: &str, old: Option<T>, new: Option<T>) {
        if old != new {
            let text = |value: Option<T>| value.map(|value| value.to_string());
            self.add(at, Difference::Value { from: text(old), to: text(new) });
        }
    }

    /// A value that may be a secret.
    fn hidden<T: PartialEq>(&mut self, at: &str, old: Option<&T>, new: Option<&T>) {
        match (old, new) {
            (Some(old), Some(new)) if old != new => self.add(at, Difference::Changed),
            (Some(_), Some(_)) | (None, None) => {}
            (None, Some(_)) => self.add(at, Difference::Added),
            (Some(_), None) => self.add(at, Difference::Removed),
        }
    }

    /// A list whose elements have names of their own; where several share a name, they are matched in order.
    fn named<T>(
        &mut self,
        at: &str,
        old: &[T],
        new: &[T],
        name: fn(&T) -> &String,
        inside: fn(&mut Self, &str, &T, &T),
    ) {
        let (old, new) = (numbered(old, name), numbered(new, name));
        let (old_names, new_names) = (names(&old), names(&new));
        for (name, before) in &old {
            match new.iter().find(|(other, _)| other == name) {
                Some((_, after)) => inside(self, &element(at, name), before, after),
                None => self.add(&element(at, name), Difference::Removed),
            }
        }
        for name in new_names.difference(&old_names) {
            self.add(&element(at, name), Difference::Added);
        }
        let stays = |(name, _): &&(Numbered<'_>, &T)| old_names.contains(name) && new_names.contains(name);
        if !old.iter().filter(stays).map(|(name, _)| name).eq(new.iter().filter(stays).map(|(name, _)| name))
        {
            self.add(at, Difference::Reordered);
        }
    }

    fn container(&mut self, at: &str, old: &ContainerSpec, new: &ContainerSpec) {
        let ContainerSpec {
            name: _,
            image: _,
            command: _,
            args: _,
            env: _,
            ports: _,
            health_check: _,
            resources: _,
        } = new;
        self.shown(&path::field(at, "image"), Some(&old.image), Some(&new.image));
        self.command(&path::field(at, "command"), &old.command, &new.command);
        self.command(&path::field(at, "args"), &old.args, &new.args);
        let env = path::field(at, "env");
        for name in keys(&old.env, &new.env) {
            self.hidden(&path::key(&env, name), old.env.get(name), new.env.get(name));
        }
        self.list(&path::field(at, "ports"), &old.ports, &new.ports, shown_port);
        let health_check = path::field(at, "health_check");
        self.health_check(&health_check, old.health_check.as_ref(), new.health_check.as_ref());
        self.resources(&path::field(at, "resources"), old.resources.as_ref(), new.resources.as_ref());
    }

    fn command(&mut self, at: &str, old: &Vec<String>, new: &Vec<String>) {
        let given = |command| Some(command).filter(|command: &&Vec<String>| !command.is_empty());
        self.hidden(at, given(old), given(new));
    }

    /// A list that is shown as a whole.
    fn list<T: PartialEq>(&mut self, at: &str, old: &[T], new: &[T], shown: fn(&T) -> String) {
        let all =
            |list: &[T]| (!list.is_empty()).then(|| list.iter().map(shown).collect::<Vec<_>>().join(", "));
        if old != new {
            self.add(at, Difference::Value { from: all(old), to: all(new) });
        }
    }

    fn health_check(&mut self, at: &str, old: Option<&HealthCheckConfig>, new: Option<&HealthCheckConfig>) {
        let (Some(old), Some(new)) = (old, new) else {
            return self.hidden(at, old, new);
        };
        let HealthCheckConfig {
            kind: _,
            http_path: _,
            port: _,
            command: _,
            interval_seconds: _,
            timeout_seconds: _,
            healthy_threshold: _,
            unhealthy_threshold: _,
            start_period_seconds: _,
        } = new;
        self.shown(&path::field(at, "type"), Some(&old.kind), Some(&new.kind));
        self.shown(&path::field(at, "http_path"), old.http_path.as_ref(), new.http_path.as_ref());
        self.shown(&path::field(at, "port"), old.port, new.port);
        self.command(&path::field(at, "command"), &old.command, &new.command);
        for (name, old, new) in [
            ("interval_seconds", old.interval_seconds, new.interval_seconds),
            ("timeout_seconds", old.timeout_seconds, new.timeout_seconds),
            ("healthy_threshold", old.healthy_threshold, new.healthy_threshold),
            ("unhealthy_threshold", old.unhealthy_threshold, new.unhealthy_threshold),
        ] {
            self.shown(&path::field(at, name), Some(old), Some(new));
        }
        let (old, new) = (old.start_period_seconds, new.start_period_seconds);
        self.shown(&path::field(at, "start_period_seconds"), old, new);
    }

    fn resources(
        &mut self,
        at: &str,
        old: Option<&ResourceRequirements>,
        new: Option<&ResourceRequirements>,
    ) {
        if let Some(ResourceRequirements { cpu: _, memory: _, storage: _ }) = new {}
        self.shown(&path::field(at, "cpu"), old.map(|r| r.cpu), new.map(|r| r.cpu));
        self.shown(&path::field(at, "memory"), old.map(|r| r.memory), new.map(|r| r.memory));
        self.shown(&path::field(at, "storage"), old.and_then(|r| r.storage), new.and_then(|r| r.storage));
    }

    fn networking(&mut self, old: &NetworkConfig, new: &NetworkConfig) {
        let NetworkConfig { public_ip: _, security_groups: _, subnets: _, dns } = new;
        if let Some(DnsConfig { hostname: _, domain: _ }) = dns {}
        self.shown("networking.public_ip", Some(old.public_ip), Some(new.public_ip));
        self.list("networking.security_groups", &old.security_groups, &new.security_groups, String::clone);
        self.list("networking.subnets", &old.subnets, &new.subnets, String::clone);
        let hostname = |dns: &DnsConfig| dns.hostname.clone();
        let domain = |dns: &DnsConfig| dns.domain.clone();
        let (old, new) = (old.dns.as_ref(), new.dns.as_ref());
        self.shown("networking.dns.hostname", old.and_then(hostname), new.and_then(hostname));
        self.shown("networking.dns.domain", old.and_then(domain), new.and_then(domain));
    }

    fn secret(&mut self, at: &str, old: &SecretReference, new: &SecretReference) {
        let SecretReference { name: _, source: _, key: _, env_var: _ } = new;
        self.shown(&path::field(at, "source"), Some(&old.source), Some(&new.source));
        self.shown(&path::field(at, "key"), Some(&old.key), Some(&new.key));
        self.shown(&path::field(at, "env_var"), old.env_var.as_ref(), new.env_var.as_ref());
    }

    fn labels(&mut self, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) {
        for name in keys(old, new) {
            self.shown(&path::key("labels", name), old.get(name), new.get(name));
        }
    }

    /// Objects are entered; anything else is a leaf, lists too.
    fn config(&mut self, at: &str, old: Option<&Value>, new: Option<&Value>) {
        let (Some(Value::Object(old)), Some(Value::Object(new))) = (old, new) else {
            return self.hidden(at, old, new);
        };
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            self.config(&path::key(at, name), old.get(name), new.get(name));
        }
    }
}

fn keys<'m>(old: &'m BTreeMap<String, String>, new: &'m BTreeMap<String, String>) -> BTreeSet<&'m String> {
    old.keys().chain(new.keys()).collect()
}

/// The name of a list's element, and which of that name it is, from 1.
type Numbered<'n> = (&'n str, usize);

fn numbered<T>(list: &[T], name: fn(&T) -> &String) -> Vec<(Numbered<'_>, &T)> {
    let mut taken = BTreeMap::new();
    let number = |element| {
        let name = name(element).as_str();
        let count = taken.entry(name).and_modify(|count| *count += 1).or_insert(1);
        ((name, *count), element)
    };
    list.iter().map(number).collect()
}

fn names<'n, T>(list: &[(Numbered<'n>, &T)]) -> BTreeSet<Numbered<'n>> {
    list.iter().map(|(name, _)| *name).collect()
}

fn element(at: &str, (name, count): &Numbered<'_>) -> String {
    match count {
        1 => path::index(at, name),
        count => path::index(at, format_args!("{name}#{count}")),
    }
}

/// A port as on a command line: `http=8080:80/tcp`.
fn shown_port(port: &PortMapping) -> String {
    let PortMapping { container_port, host_port, protocol, name } = port;
    let name = name.as_ref().map(|name| format!("{name}=")).unwrap_or_default();
    let host = host_port.map(|host| format!("{host}:")).unwrap_or_default();
    format!("{name}{host}{container_port}/{protocol}")
}
