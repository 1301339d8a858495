//! What differs between two specs, field by field, for an [`UpdateResult`](crate::status::UpdateResult).
//!
//! Values that may be secret never show: environments, command lines and `provider_config` say `changed`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ContainerSpec, Dependency, DnsConfig, Exposure, FileSpec, HealthCheckConfig, ImagePull, MountSpec,
    NetworkConfig, PortMapping, ResourceRequests, ResourceRequirements, SecretReference, Spec, StopConfig,
    TenantComputeSpec, UpdateConfig, VolumeSpec, path,
};

/// The changes that lead from `old` to `new`, e.g. `containers[web].image: nginx:1.27 → nginx:1.28`.
///
/// There are none exactly when the two are equal. Containers are matched by name.
pub fn changes(old: &Spec, new: &Spec) -> Vec<String> {
    differences(old, new).iter().map(FieldChange::to_string).collect()
}

/// A field in which two specs differ. As text it is a line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// The field: `containers[web].image`.
    pub path: String,
    /// How it differs.
    pub difference: Difference,
}

/// How a field differs. Values that may be secret are not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
        replicas: _,
        volumes: _,
        update: _,
        deletion_protection: _,
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
    changes.shown("replicas", old.replicas.map(word), new.replicas.map(word));
    changes.named("volumes", &old.volumes, &new.volumes, |v| &v.name, Changes::volume);
    changes.update(old.update.as_ref(), new.update.as_ref());
    changes.flag("deletion_protection", old.deletion_protection, new.deletion_protection);
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

    fn flag(&mut self, at: &str, old: bool, new: bool) {
        self.shown(at, Some(old), Some(new));
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
            role: _,
            depends_on: _,
            liveness: _,
            stop: _,
            files: _,
            mounts: _,
            image_pull: _,
            user: _,
            working_dir: _,
            read_only_root: _,
        } = new;
        self.shown(&path::field(at, "image"), Some(&old.image), Some(&new.image));
        self.command(&path::field(at, "command"), &old.command, &new.command);
        self.command(&path::field(at, "args"), &old.args, &new.args);
        self.hidden_entries(&path::field(at, "env"), &old.env, &new.env);
        self.list(&path::field(at, "ports"), &old.ports, &new.ports, shown_port);
        let health_check = path::field(at, "health_check");
        self.health_check(&health_check, old.health_check.as_ref(), new.health_check.as_ref());
        self.resources(&path::field(at, "resources"), old.resources.as_ref(), new.resources.as_ref());
        self.shown(&path::field(at, "role"), Some(word(old.role)), Some(word(new.role)));
        self.list(&path::field(at, "depends_on"), &old.depends_on, &new.depends_on, shown_dependency);
        self.health_check(&path::field(at, "liveness"), old.liveness.as_ref(), new.liveness.as_ref());
        self.stop(&path::field(at, "stop"), old.stop.as_ref(), new.stop.as_ref());
        self.named(&path::field(at, "files"), &old.files, &new.files, |f| &f.path, Self::file);
        self.list(&path::field(at, "mounts"), &old.mounts, &new.mounts, shown_mount);
        self.image_pull(&path::field(at, "image_pull"), old.image_pull.as_ref(), new.image_pull.as_ref());
        self.shown(&path::field(at, "user"), old.user.as_ref(), new.user.as_ref());
        self.shown(&path::field(at, "working_dir"), old.working_dir.as_ref(), new.working_dir.as_ref());
        self.flag(&path::field(at, "read_only_root"), old.read_only_root, new.read_only_root);
    }

    fn stop(&mut self, at: &str, old: Option<&StopConfig>, new: Option<&StopConfig>) {
        if let Some(StopConfig { grace_seconds: _, signal: _ }) = new {}
        let grace = |stop: &StopConfig| stop.grace_seconds;
        let signal = |stop: &StopConfig| stop.signal.map(word);
        self.shown(&path::field(at, "grace_seconds"), old.and_then(grace), new.and_then(grace));
        self.shown(&path::field(at, "signal"), old.and_then(signal), new.and_then(signal));
    }

    fn file(&mut self, at: &str, old: &FileSpec, new: &FileSpec) {
        let FileSpec { path: _, content: _, secret: _, mode: _ } = new;
        self.hidden(&path::field(at, "content"), old.content.as_ref(), new.content.as_ref());
        self.shown(&path::field(at, "secret"), old.secret.as_ref(), new.secret.as_ref());
        self.shown(&path::field(at, "mode"), old.mode.as_ref(), new.mode.as_ref());
    }

    fn image_pull(&mut self, at: &str, old: Option<&ImagePull>, new: Option<&ImagePull>) {
        if let Some(ImagePull { policy: _, credentials: _ }) = new {}
        let policy = |pull: &ImagePull| pull.policy.map(word);
        let credentials = |pull: &ImagePull| pull.credentials.clone();
        self.shown(&path::field(at, "policy"), old.and_then(policy), new.and_then(policy));
        self.shown(&path::field(at, "credentials"), old.and_then(credentials), new.and_then(credentials));
    }

    fn volume(&mut self, at: &str, old: &VolumeSpec, new: &VolumeSpec) {
        let VolumeSpec { name: _, size_mb: _, persistent: _, retain: _ } = new;
        self.shown(&path::field(at, "size_mb"), old.size_mb, new.size_mb);
        self.flag(&path::field(at, "persistent"), old.persistent, new.persistent);
        self.flag(&path::field(at, "retain"), old.retain, new.retain);
    }

    fn update(&mut self, old: Option<&UpdateConfig>, new: Option<&UpdateConfig>) {
        if let Some(UpdateConfig { order: _, deadline_seconds: _, rollback: _ }) = new {}
        let order = |update: &UpdateConfig| update.order.map(word);
        let deadline = |update: &UpdateConfig| update.deadline_seconds;
        let rollback = |update: &UpdateConfig| update.rollback;
        self.shown("update.order", old.and_then(order), new.and_then(order));
        self.shown("update.deadline_seconds", old.and_then(deadline), new.and_then(deadline));
        self.shown("update.rollback", old.and_then(rollback), new.and_then(rollback));
    }

    fn command(&mut self, at: &str, old: &Vec<String>, new: &Vec<String>) {
        let given = |command| Some(command).filter(|command: &&Vec<String>| !command.is_empty());
        self.hidden(at, given(old), given(new));
    }

    /// Values that may be secrets, by their names.
    fn hidden_entries(&mut self, at: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) {
        for name in keys(old, new) {
            self.hidden(&path::key(at, name), old.get(name), new.get(name));
        }
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
            scheme: _,
            headers: _,
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
        let (before, after) = (old.start_period_seconds, new.start_period_seconds);
        self.shown(&path::field(at, "start_period_seconds"), before, after);
        self.shown(&path::field(at, "scheme"), old.scheme.map(word), new.scheme.map(word));
        self.hidden_entries(&path::field(at, "headers"), &old.headers, &new.headers);
    }

    fn resources(
        &mut self,
        at: &str,
        old: Option<&ResourceRequirements>,
        new: Option<&ResourceRequirements>,
    ) {
        if let Some(ResourceRequirements { cpu: _, memory: _, storage: _, requests }) = new
            && let Some(ResourceRequests { cpu: _, memory: _ }) = requests
        {}
        self.shown(&path::field(at, "cpu"), old.map(|r| r.cpu), new.map(|r| r.cpu));
        self.shown(&path::field(at, "memory"), old.map(|r| r.memory), new.map(|r| r.memory));
        self.shown(&path::field(at, "storage"), old.and_then(|r| r.storage), new.and_then(|r| r.storage));
        let requests = |resources: Option<&ResourceRequirements>| resources.and_then(|r| r.requests.clone());
        let (old, new) = (requests(old), requests(new));
        let at = path::field(at, "requests");
        let (cpu, memory) = (|r: &ResourceRequests| r.cpu, |r: &ResourceRequests| r.memory);
        self.shown(&path::field(&at, "cpu"), old.as_ref().and_then(cpu), new.as_ref().and_then(cpu));
        self.shown(&path::field(&at, "memory"), old.as_ref().and_then(memory), new.as_ref().and_then(memory));
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
        let SecretReference { name: _, source: _, key: _, env_var: _, containers: _ } = new;
        self.shown(&path::field(at, "source"), Some(&old.source), Some(&new.source));
        self.shown(&path::field(at, "key"), Some(&old.key), Some(&new.key));
        self.shown(&path::field(at, "env_var"), old.env_var.as_ref(), new.env_var.as_ref());
        self.list(&path::field(at, "containers"), &old.containers, &new.containers, String::clone);
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

/// A port as on a command line: `http=8080:80/tcp`, with what else is said of it.
fn shown_port(port: &PortMapping) -> String {
    let PortMapping { container_port, host_port, protocol, name, app_protocol, exposure } = port;
    let name = name.as_ref().map(|name| format!("{name}=")).unwrap_or_default();
    let host = host_port.map(|host| format!("{host}:")).unwrap_or_default();
    let speaks = app_protocol.as_ref().map(|speaks| format!(" {speaks}")).unwrap_or_default();
    let exposed = exposure.as_ref().map(shown_exposure).unwrap_or_default();
    format!("{name}{host}{container_port}/{protocol}{speaks}{exposed}")
}

/// ` public at example.com/app over TLS`
fn shown_exposure(exposure: &Exposure) -> String {
    let Exposure { level, host, path, tls } = exposure;
    let at = match (host, path) {
        (None, None) => String::new(),
        (host, path) => {
            format!(" at {}{}", host.as_deref().unwrap_or_default(), path.as_deref().unwrap_or_default())
        }
    };
    let over = if *tls { " over TLS" } else { "" };
    format!(" {}{at}{over}", word(*level))
}

fn shown_dependency(dependency: &Dependency) -> String {
    let Dependency { container, condition } = dependency;
    format!("{container} {}", word(*condition))
}

/// `data=/var/lib/data`, with `:ro` as on a command line.
fn shown_mount(mount: &MountSpec) -> String {
    let MountSpec { volume, path, read_only } = mount;
    format!("{volume}={path}{}", if *read_only { ":ro" } else { "" })
}

/// A choice or a number as a spec has it.
fn word(choice: impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        // A word or a number is always written.
        Err(error) => error.to_string(),
    }
}
