//! Reads a tree of values as a [`TenantComputeSpec`], and reports all unknown fields and wrong types at once.
//!
//! Written out rather than derived: a derived reader stops at the first problem, and its message quotes the
//! value that it did not expect, which may be a secret. Parts that derive one are read so in documents that hold no spec.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

use super::document::{self, Format, SpecError};
use super::invalid::{Invalid, Problem};
use super::normalize::normalize;
use super::tenant::AUTO;
use super::{
    Checked, ContainerSpec, Dependency, DnsConfig, Exposure, FileSpec, HealthCheckConfig, ImagePull,
    MountSpec, NetworkConfig, PortMapping, Replicas, ResourceRequests, ResourceRequirements, SecretReference,
    Spec, StopConfig, TenantComputeSpec, UpdateConfig, VolumeSpec, path,
};
use crate::id::{ProviderName, TenantId};

impl TenantComputeSpec {
    /// Reads a spec from JSON. `null` counts as absent; what is absent is empty.
    ///
    /// # Errors
    /// [`SpecError`]: malformed, too large, or all unknown fields and wrong types.
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        Ok(spec(document::parse(text, Format::Json)?, Writer::Caller)?)
    }

    /// Reads a spec from YAML 1.2, the same as from JSON: a number where a text belongs has to be quoted.
    ///
    /// # Errors
    /// As for [`from_json`](Self::from_json).
    pub fn from_yaml(text: &str) -> Result<Self, SpecError> {
        Ok(spec(document::parse(text, Format::Yaml)?, Writer::Caller)?)
    }
}

impl Spec {
    /// Reads a spec that a store kept, as a [`Spec`] writes it.
    ///
    /// It was checked before it was stored, by the rules of that time, and none is applied again: a rule that became
    /// stricter since must not make a tenant unreadable, or nobody could destroy it. A provider that cannot run such a
    /// spec says so when it is asked to.
    ///
    /// # Errors
    /// [`SpecError`] when it is not JSON, when a field has another type, or when a field is unknown because a newer
    /// version stored it: a spec is not run in part.
    pub fn from_stored_json(text: &str) -> Result<Self, SpecError> {
        let mut body = spec(document::parse_stored(text)?, Writer::Store)?;
        normalize(&mut body);
        let tenant = TenantId::from_stored(&body.tenant_id);
        let provider = ProviderName::from_stored(&body.provider_type);
        Ok(Self(Arc::new(Checked { tenant, provider, body })))
    }
}

/// So that a spec can be part of a larger document, read by the same rules.
impl<'de> Deserialize<'de> for TenantComputeSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        spec(document::tree(from)?, Writer::Caller).map_err(serde::de::Error::custom)
    }
}

/// Who wrote a spec, and so can do something about an unknown field.
#[derive(Clone, Copy)]
enum Writer {
    Caller,
    Store,
}

/// How the names of fields begin that are for others: what reads the document beside this.
const IGNORED: &str = "x-";

/// What is wrong with a spec.
struct Problems {
    writer: Writer,
    found: Vec<Problem>,
}

fn spec(tree: Value, writer: Writer) -> Result<TenantComputeSpec, Invalid> {
    let (spec, problems) = whatever(tree, writer);
    Invalid::unless_empty(problems)?;
    Ok(spec)
}

/// What a caller wrote, and what of it cannot be read. That is empty in the spec; lists keep their length.
pub(super) fn whole(tree: Value) -> (TenantComputeSpec, Vec<Problem>) {
    whatever(tree, Writer::Caller)
}

fn whatever(tree: Value, writer: Writer) -> (TenantComputeSpec, Vec<Problem>) {
    let mut problems = Problems { writer, found: Vec::new() };
    let spec = object(String::new(), tree, &mut problems, tenant);
    (spec.unwrap_or_default(), problems.found)
}

fn tenant(from: &mut Fields<'_>) -> TenantComputeSpec {
    TenantComputeSpec {
        tenant_id: from.text("tenant_id").unwrap_or_default(),
        provider_type: from.text("provider_type").unwrap_or_default(),
        containers: from.objects("containers", container),
        resources: from.object("resources", resources).unwrap_or_default(),
        networking: from.object("networking", networking).unwrap_or_default(),
        secrets: from.objects("secrets", secret),
        labels: from.text_map("labels"),
        provider_config: from.take("provider_config"),
        replicas: from.replicas("replicas"),
        volumes: from.objects("volumes", volume),
        update: from.object("update", update),
        deletion_protection: from.flag("deletion_protection").unwrap_or_default(),
    }
}

fn volume(from: &mut Fields<'_>) -> VolumeSpec {
    VolumeSpec {
        name: from.text("name").unwrap_or_default(),
        size_mb: from.number("size_mb"),
        persistent: from.flag("persistent").unwrap_or_default(),
        retain: from.flag("retain").unwrap_or_default(),
    }
}

fn update(from: &mut Fields<'_>) -> UpdateConfig {
    UpdateConfig {
        order: from.choice("order"),
        deadline_seconds: from.number("deadline_seconds"),
        rollback: from.flag("rollback"),
    }
}

fn container(from: &mut Fields<'_>) -> ContainerSpec {
    ContainerSpec {
        name: from.text("name").unwrap_or_default(),
        image: from.text("image").unwrap_or_default(),
        command: from.texts("command"),
        args: from.texts("args"),
        env: from.text_map("env"),
        ports: from.objects("ports", port),
        health_check: from.object("health_check", health_check),
        resources: from.object("resources", resources),
        role: from.choice("role").unwrap_or_default(),
        depends_on: from.objects("depends_on", dependency),
        liveness: from.object("liveness", health_check),
        stop: from.object("stop", stop),
        files: from.objects("files", file),
        mounts: from.objects("mounts", mount),
        image_pull: from.object("image_pull", image_pull),
        user: from.text("user"),
        working_dir: from.text("working_dir"),
        read_only_root: from.flag("read_only_root").unwrap_or_default(),
    }
}

fn dependency(from: &mut Fields<'_>) -> Dependency {
    Dependency {
        container: from.text("container").unwrap_or_default(),
        condition: from.choice("condition").unwrap_or_default(),
    }
}

fn stop(from: &mut Fields<'_>) -> StopConfig {
    StopConfig { grace_seconds: from.number("grace_seconds"), signal: from.choice("signal") }
}

fn file(from: &mut Fields<'_>) -> FileSpec {
    FileSpec {
        path: from.text("path").unwrap_or_default(),
        content: from.text("content"),
        secret: from.text("secret"),
        mode: from.text("mode"),
    }
}

fn mount(from: &mut Fields<'_>) -> MountSpec {
    MountSpec {
        volume: from.text("volume").unwrap_or_default(),
        path: from.text("path").unwrap_or_default(),
        read_only: from.flag("read_only").unwrap_or_default(),
    }
}

fn image_pull(from: &mut Fields<'_>) -> ImagePull {
    ImagePull { policy: from.choice("policy"), credentials: from.text("credentials") }
}

fn port(from: &mut Fields<'_>) -> PortMapping {
    PortMapping {
        container_port: from.number("container_port").unwrap_or_default(),
        host_port: from.number("host_port"),
        protocol: from.text("protocol").unwrap_or_default(),
        name: from.text("name"),
        app_protocol: from.text("app_protocol"),
        exposure: from.object("exposure", exposure),
    }
}

fn exposure(from: &mut Fields<'_>) -> Exposure {
    Exposure {
        level: from.choice("level").unwrap_or_default(),
        host: from.text("host"),
        path: from.text("path"),
        tls: from.flag("tls").unwrap_or_default(),
    }
}

fn health_check(from: &mut Fields<'_>) -> HealthCheckConfig {
    HealthCheckConfig {
        kind: from.text("type").unwrap_or_default(),
        http_path: from.text("http_path"),
        port: from.number("port"),
        command: from.texts("command"),
        interval_seconds: from.number("interval_seconds").unwrap_or_default(),
        timeout_seconds: from.number("timeout_seconds").unwrap_or_default(),
        healthy_threshold: from.number("healthy_threshold").unwrap_or_default(),
        unhealthy_threshold: from.number("unhealthy_threshold").unwrap_or_default(),
        start_period_seconds: from.number("start_period_seconds"),
        scheme: from.choice("scheme"),
        headers: from.text_map("headers"),
    }
}

fn resources(from: &mut Fields<'_>) -> ResourceRequirements {
    ResourceRequirements {
        cpu: from.number("cpu").unwrap_or_default(),
        memory: from.number("memory").unwrap_or_default(),
        storage: from.number("storage"),
        requests: from.object("requests", requests),
    }
}

fn requests(from: &mut Fields<'_>) -> ResourceRequests {
    ResourceRequests { cpu: from.number("cpu"), memory: from.number("memory") }
}

fn networking(from: &mut Fields<'_>) -> NetworkConfig {
    NetworkConfig {
        public_ip: from.flag("public_ip").unwrap_or_default(),
        security_groups: from.texts("security_groups"),
        subnets: from.texts("subnets"),
        dns: from.object("dns", dns),
    }
}

fn dns(from: &mut Fields<'_>) -> DnsConfig {
    DnsConfig { hostname: from.text("hostname"), domain: from.text("domain") }
}

fn secret(from: &mut Fields<'_>) -> SecretReference {
    SecretReference {
        name: from.text("name").unwrap_or_default(),
        source: from.text("source").unwrap_or_default(),
        key: from.text("key").unwrap_or_default(),
        env_var: from.text("env_var"),
        containers: from.texts("containers"),
    }
}

/// The fields of one object that are not yet read, and where the problems go.
struct Fields<'p> {
    path: String,
    left: Map<String, Value>,
    known: Vec<&'static str>,
    problems: &'p mut Problems,
}

/// Reads the object at `path` with `read`; the fields that it leaves are unknown.
fn object<T>(
    path: String,
    value: Value,
    problems: &mut Problems,
    read: fn(&mut Fields<'_>) -> T,
) -> Option<T> {
    let found = kind(&value);
    let Value::Object(left) = value else {
        problems.found.push(Problem::new(path, format!("must be an object, not {found}")));
        return None;
    };
    let mut fields = Fields { path, left, known: Vec::new(), problems };
    let read = read(&mut fields);
    let is_top = fields.path.is_empty();
    for name in fields.left.keys().filter(|name| !(is_top && name.starts_with(IGNORED))) {
        let message = match fields.problems.writer {
            Writer::Caller => format!("unknown field; remove it, or use one of: {}", fields.known.join(", ")),
            Writer::Store => {
                "unknown field; a newer version of the engine stored it, start that one".to_owned()
            }
        };
        fields.problems.found.push(Problem::new(path::key(&fields.path, name), message));
    }
    Some(read)
}

impl Fields<'_> {
    /// Takes a field out; `null` counts as absent.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name).filter(|value| !value.is_null())
    }

    fn path(&self, name: &str) -> String {
        path::field(&self.path, name)
    }

    fn mismatch(&mut self, path: String, wanted: &str, found: &Value) {
        self.problems.found.push(Problem::new(path, format!("must be {wanted}, not {}", kind(found))));
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.take(name)?;
        self.as_text(self.path(name), value)
    }

    fn number(&mut self, name: &'static str) -> Option<i64> {
        let value = self.take(name)?;
        let number = value.as_i64();
        match (&value, number) {
            (Value::Number(given), None) if is_huge(given) => {
                let message = "out of range; give a whole number of at most 18 digits";
                self.problems.found.push(Problem::new(self.path(name), message));
            }
            (_, None) => self.mismatch(self.path(name), "a whole number of at most 18 digits", &value),
            (_, Some(_)) => {}
        }
        number
    }

    fn flag(&mut self, name: &'static str) -> Option<bool> {
        let value = self.take(name)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.mismatch(self.path(name), "true or false", &value);
        }
        flag
    }

    /// A number, or `auto`.
    fn replicas(&mut self, name: &'static str) -> Option<Replicas> {
        if self.left.get(name).and_then(Value::as_str) == Some(AUTO) {
            self.take(name);
            return Some(Replicas::Auto);
        }
        self.number(name).map(Replicas::Count)
    }

    /// One of the words that a type has.
    fn choice<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        let word = self.text(name).filter(|word| !word.is_empty())?;
        let read = T::deserialize(StrDeserializer::<Words>::new(&word));
        read.map_err(|Words(words)| {
            let words = words.join(", ");
            let message = format!("{} is unknown; use one of: {words}", path::quoted(&word));
            self.problems.found.push(Problem::new(self.path(name), message));
        })
        .ok()
    }

    fn list(&mut self, name: &'static str) -> Vec<Value> {
        let value = self.take(name).unwrap_or(Value::Array(Vec::new()));
        if !value.is_array() {
            self.mismatch(self.path(name), "a list", &value);
        }
        match value {
            Value::Array(list) => list,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Vec::new()
            }
        }
    }

    fn texts(&mut self, name: &'static str) -> Vec<String> {
        let list = self.list(name).into_iter().enumerate();
        list.map(|(n, value)| self.as_text(path::index(&self.path(name), n), value).unwrap_or_default())
            .collect()
    }

    fn text_map(&mut self, name: &'static str) -> BTreeMap<String, String> {
        let value = self.take(name).unwrap_or(Value::Object(Map::new()));
        let Value::Object(map) = value else {
            self.mismatch(self.path(name), "an object", &value);
            return BTreeMap::new();
        };
        let given = map.into_iter().filter(|(_, value)| !value.is_null());
        given
            .filter_map(|(key, value)| {
                let text = self.as_text(path::key(&self.path(name), &key), value)?;
                Some((key, text))
            })
            .collect()
    }

    fn as_text(&mut self, path: String, value: Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.mismatch(path, "a text in quotes", &value);
                None
            }
            Value::Array(_) | Value::Object(_) => {
                self.mismatch(path, "a text", &value);
                None
            }
        }
    }

    fn object<T>(&mut self, name: &'static str, read: fn(&mut Fields<'_>) -> T) -> Option<T> {
        let value = self.take(name)?;
        object(self.path(name), value, self.problems, read)
    }

    fn objects<T: Default>(&mut self, name: &'static str, read: fn(&mut Fields<'_>) -> T) -> Vec<T> {
        let list = self.list(name).into_iter().enumerate();
        let mut object = |(n, value)| object(path::index(&self.path(name), n), value, self.problems, read);
        list.map(|item| object(item).unwrap_or_default()).collect()
    }
}

/// The words that a field may have, where it has another.
#[derive(Debug)]
struct Words(&'static [&'static str]);

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl std::error::Error for Words {}

impl serde::de::Error for Words {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

/// Whether a number has more digits than any field takes. JSON and YAML read such a one as a fraction.
fn is_huge(number: &Number) -> bool {
    number.is_u64() || number.as_f64().is_some_and(|number| number.abs() >= i64::MAX as f64)
}

/// What a value is, in the words of an error; never the value itself.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
