//! The rules that every provider shares (CONTRACT.md, "Validation"), all problems at once.
//!
//! What they leave to others: whether a provider is registered, whether a platform takes this image
//! ([`Spec::check_images`]), and what `provider_config` means.

use std::collections::{BTreeMap, btree_map::Entry};
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::Value;

use super::document::{MAX_DEPTH, MAX_DOCUMENT_BYTES};
use super::image::oci_image_problem;
use super::invalid::{Invalid, Problem};
use super::normalize::normalize;
use super::{
    ContainerSpec, HealthCheckConfig, NetworkConfig, PortMapping, ResourceRequirements, Spec,
    TenantComputeSpec, path,
};
use crate::id::{NAME_RULE, ProviderName, TenantId, is_valid_name};

// Sizes that no real spec comes near; they keep a mistake or an attack from reaching a platform or the store.
const CONTAINERS: usize = 64;
const PORTS: usize = 256;
const SECRETS: usize = 256;
const NETWORKS: usize = 64;
const ENTRIES: usize = 1024;
const NAME: usize = 255;
const REFERENCE: usize = 2048;
const VALUE: usize = 32 * 1024;
const PORT: RangeInclusive<i64> = 1..=65_535;
const TENANT_SHARE: RangeInclusive<i64> = 128..=1_000_000_000;
const CONTAINER_SHARE: RangeInclusive<i64> = 1..=1_000_000_000;
const INTERVAL_SECONDS: RangeInclusive<i64> = 5..=86_400;
const TIMEOUT_SECONDS: RangeInclusive<i64> = 1..=86_399;
const THRESHOLD: RangeInclusive<i64> = 1..=1_000;

const ENV_RULE: &str = "use letters, digits, '_', '-' and '.', not starting with a digit";

impl TenantComputeSpec {
    /// Checks every rule that providers share and normalises the spec.
    ///
    /// # Errors
    /// [`Invalid`] with all problems at once, each with its path.
    pub fn check(self) -> Result<Spec, Invalid> {
        let body = normalize(self);
        let mut rest = Rules::default();
        rest.spec(&body);
        let rest = rest.problems;
        match (tenant_id(&body.tenant_id), provider_type(&body.provider_type)) {
            (Ok(tenant), Ok(provider)) => {
                Invalid::unless_empty(rest)?;
                Ok(Spec { tenant, provider, body: Arc::new(body) })
            }
            (tenant, provider) => {
                Err(Invalid::of(tenant.err().into_iter().chain(provider.err()).chain(rest).collect()))
            }
        }
    }
}

impl Spec {
    /// Checks that every image is a valid OCI reference, for providers that run images.
    ///
    /// # Errors
    /// [`Invalid`] with every image that is not.
    pub fn check_images(&self) -> Result<(), Invalid> {
        let images = self.containers.iter().enumerate();
        let problems = images.filter_map(|(n, container)| {
            let problem = oci_image_problem(&container.image)?;
            Some(Problem::new(format!("containers[{n}].image"), problem))
        });
        Invalid::unless_empty(problems.collect())
    }
}

fn tenant_id(id: &str) -> Result<TenantId, Problem> {
    TenantId::new(id).map_err(|error| match id {
        "" => Problem::new("tenant_id", format!("missing; {NAME_RULE}")),
        _ => Problem::new("tenant_id", error.to_string()),
    })
}

fn provider_type(name: &str) -> Result<ProviderName, Problem> {
    ProviderName::new(name).map_err(|error| match name {
        "" => Problem::new("provider_type", "missing; give the name of a registered provider"),
        _ => Problem::new("provider_type", error.to_string()),
    })
}

#[derive(Default)]
struct Rules {
    problems: Vec<Problem>,
}

impl Rules {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    fn spec(&mut self, spec: &TenantComputeSpec) {
        self.containers(spec);
        self.resources("resources", &spec.resources, TENANT_SHARE);
        self.networking(&spec.networking);
        self.secrets(spec);
        self.labels(&spec.labels);
        if spec.provider_config.as_ref().is_some_and(|config| is_deeper(config, MAX_DEPTH - 1)) {
            self.add("provider_config", format!("nested too deeply; a spec has at most {MAX_DEPTH} levels"));
        }
        // Whatever is accepted is stored as JSON, and must be read back.
        match serde_json::to_vec(spec) {
            Ok(json) if json.len() <= MAX_DOCUMENT_BYTES => {}
            Ok(json) => {
                let length = json.len();
                self.add(
                    "",
                    format!("the spec is {length} bytes long as JSON; use at most {MAX_DOCUMENT_BYTES}"),
                );
            }
            Err(error) => self.add("", format!("the spec cannot be written as JSON: {error}")),
        }
    }

    fn containers(&mut self, spec: &TenantComputeSpec) {
        if spec.containers.is_empty() {
            self.add("containers", "missing; give at least one container");
        }
        self.count("containers", spec.containers.len(), CONTAINERS);
        let mut names = BTreeMap::new();
        let mut host_ports = BTreeMap::new();
        for (n, container) in spec.containers.iter().enumerate() {
            let at = path::index("containers", n);
            self.container_name(&at, &container.name);
            if !container.name.is_empty() {
                self.unique(&mut names, &container.name, &at, "name", &path::quoted(&container.name));
            }
            self.container(&at, container);
            self.ports(&at, &container.ports, &mut host_ports);
            if let Some(own) = &container.resources {
                self.container_resources(&path::field(&at, "resources"), own, &spec.resources);
            }
        }
    }

    fn container_name(&mut self, at: &str, name: &str) {
        if !is_valid_name(name) {
            let what = if name.is_empty() {
                "missing".to_owned()
            } else {
                format!("{} is not valid", path::quoted(name))
            };
            self.add(path::field(at, "name"), format!("{what}; {NAME_RULE}"));
        }
    }

    fn container(&mut self, at: &str, container: &ContainerSpec) {
        self.required(&path::field(at, "image"), &container.image, REFERENCE);
        self.arguments(&path::field(at, "command"), &container.command);
        self.arguments(&path::field(at, "args"), &container.args);
        let env = path::field(at, "env");
        self.count(&env, container.env.len(), ENTRIES);
        for (name, value) in &container.env {
            let at = path::key(&env, name);
            if !is_env_name(name) {
                self.add(&at, format!("not a valid name for an environment variable; {ENV_RULE}"));
            }
            self.value(&at, value);
        }
        if let Some(check) = &container.health_check {
            self.health_check(&path::field(at, "health_check"), check);
        }
    }

    fn ports<'s>(
        &mut self,
        container: &str,
        ports: &'s [PortMapping],
        host_ports: &mut BTreeMap<(i64, &'s str), String>,
    ) {
        let list = path::field(container, "ports");
        self.count(&list, ports.len(), PORTS);
        let mut container_ports = BTreeMap::new();
        for (n, port) in ports.iter().enumerate() {
            let at = path::index(&list, n);
            let protocol = port.protocol.as_str();
            if !matches!(protocol, "tcp" | "udp") {
                self.add(
                    path::field(&at, "protocol"),
                    format!("{} is unknown; use tcp or udp", path::quoted(protocol)),
                );
            }
            let number = port.container_port;
            if self.number(&path::field(&at, "container_port"), number, PORT) {
                let shown = format!("{number}/{protocol}");
                self.unique(&mut container_ports, (number, protocol), &at, "container_port", &shown);
            }
            if let Some(number) = port.host_port
                && self.number(&path::field(&at, "host_port"), number, PORT)
            {
                let shown = format!("{number}/{protocol}");
                self.unique(host_ports, (number, protocol), &at, "host_port", &shown);
            }
            self.optional(&path::field(&at, "name"), port.name.as_deref(), NAME);
        }
    }

    fn health_check(&mut self, at: &str, check: &HealthCheckConfig) {
        let [http_path, port, command, timeout] =
            ["http_path", "port", "command", "timeout_seconds"].map(|name| path::field(at, name));
        match check.kind.as_str() {
            "http" => {
                match check.http_path.as_deref() {
                    None => self.add(&http_path, "missing; an http check needs a path, like /healthz"),
                    Some(given) if !given.starts_with('/') => self.add(&http_path, "must start with '/'"),
                    Some(_) => {}
                }
                self.needed_port(&port, check);
            }
            "tcp" => self.needed_port(&port, check),
            "exec" if check.command.is_empty() => {
                self.add(&command, "missing; an exec check needs a command")
            }
            "exec" => {}
            "" => self.add(path::field(at, "type"), "missing; use http, tcp or exec"),
            other => {
                let other = path::quoted(other);
                self.add(path::field(at, "type"), format!("{other} is unknown; use http, tcp or exec"));
            }
        }
        self.optional(&http_path, check.http_path.as_deref(), REFERENCE);
        if let Some(number) = check.port {
            self.number(&port, number, PORT);
        }
        self.arguments(&command, &check.command);
        self.number(&path::field(at, "interval_seconds"), check.interval_seconds, INTERVAL_SECONDS);
        let (given, interval) = (check.timeout_seconds, check.interval_seconds);
        if self.number(&timeout, given, TIMEOUT_SECONDS) && given >= interval {
            self.add(&timeout, format!("{given} is not less than interval_seconds ({interval})"));
        }
        self.number(&path::field(at, "healthy_threshold"), check.healthy_threshold, THRESHOLD);
        self.number(&path::field(at, "unhealthy_threshold"), check.unhealthy_threshold, THRESHOLD);
    }

    fn needed_port(&mut self, at: &str, check: &HealthCheckConfig) {
        if check.port.is_none() {
            self.add(at, format!("missing; a check of type {} needs a port", check.kind));
        }
    }

    fn resources(&mut self, at: &str, resources: &ResourceRequirements, share: RangeInclusive<i64>) {
        self.number(&path::field(at, "cpu"), resources.cpu, share.clone());
        self.number(&path::field(at, "memory"), resources.memory, share);
        if let Some(storage) = resources.storage {
            self.number(&path::field(at, "storage"), storage, CONTAINER_SHARE);
        }
    }

    fn container_resources(&mut self, at: &str, own: &ResourceRequirements, tenant: &ResourceRequirements) {
        self.resources(at, own, CONTAINER_SHARE);
        self.within(&path::field(at, "cpu"), own.cpu, tenant.cpu, "resources.cpu");
        self.within(&path::field(at, "memory"), own.memory, tenant.memory, "resources.memory");
        if let (Some(own), Some(tenant)) = (own.storage, tenant.storage) {
            self.within(&path::field(at, "storage"), own, tenant, "resources.storage");
        }
    }

    /// A container's share of the tenant's; of a tenant's share that is itself wrong, nothing follows.
    fn within(&mut self, at: &str, own: i64, tenant: i64, of: &str) {
        if tenant > 0 && own > tenant {
            self.add(at, format!("{own} is more than the whole tenant has ({of}: {tenant})"));
        }
    }

    fn networking(&mut self, networking: &NetworkConfig) {
        self.references("networking.security_groups", &networking.security_groups);
        self.references("networking.subnets", &networking.subnets);
        if let Some(dns) = &networking.dns {
            self.optional("networking.dns.hostname", dns.hostname.as_deref(), NAME);
            self.optional("networking.dns.domain", dns.domain.as_deref(), NAME);
        }
    }

    fn secrets(&mut self, spec: &TenantComputeSpec) {
        self.count("secrets", spec.secrets.len(), SECRETS);
        let mut env_vars = BTreeMap::new();
        for (n, secret) in spec.secrets.iter().enumerate() {
            let at = path::index("secrets", n);
            self.required(&path::field(&at, "name"), &secret.name, NAME);
            self.required(&path::field(&at, "source"), &secret.source, NAME);
            self.required(&path::field(&at, "key"), &secret.key, REFERENCE);
            if let Some(name) = &secret.env_var {
                self.secret_env_var(&path::field(&at, "env_var"), name, &spec.containers);
                self.unique(&mut env_vars, name, &at, "env_var", &path::quoted(name));
            }
        }
    }

    fn secret_env_var(&mut self, at: &str, name: &str, containers: &[ContainerSpec]) {
        if !is_env_name(name) {
            self.add(
                at,
                format!("{} is not a valid name for an environment variable; {ENV_RULE}", path::quoted(name)),
            );
        }
        for (n, _) in containers.iter().enumerate().filter(|(_, container)| container.env.contains_key(name))
        {
            let taken = path::quoted(name);
            self.add(at, format!("{taken} is also set in containers[{n}].env; remove one of the two"));
        }
    }

    fn labels(&mut self, labels: &BTreeMap<String, String>) {
        self.count("labels", labels.len(), ENTRIES);
        for (name, value) in labels {
            let at = path::key("labels", name);
            if name.is_empty() {
                self.add(&at, "the name of a label is missing");
            }
            self.text(&at, name, NAME);
            self.text(&at, value, REFERENCE);
        }
    }

    fn references(&mut self, at: &str, references: &[String]) {
        self.count(at, references.len(), NETWORKS);
        for (n, reference) in references.iter().enumerate() {
            self.required(&path::index(at, n), reference, NAME);
        }
    }

    fn arguments(&mut self, at: &str, arguments: &[String]) {
        self.count(at, arguments.len(), ENTRIES);
        for (n, argument) in arguments.iter().enumerate() {
            self.value(&path::index(at, n), argument);
        }
    }

    /// A text that a program gets as it is; it cannot carry NUL.
    fn value(&mut self, at: &str, value: &str) {
        self.length(at, value, VALUE);
        if value.contains('\0') {
            self.add(at, "holds a NUL character, which no program can receive; remove it");
        }
    }

    fn required(&mut self, at: &str, text: &str, longest: usize) {
        if text.is_empty() {
            self.add(at, "missing; it must not be empty");
        }
        self.text(at, text, longest);
    }

    fn optional(&mut self, at: &str, text: Option<&str>, longest: usize) {
        self.text(at, text.unwrap_or_default(), longest);
    }

    /// A text that is shown on one line.
    fn text(&mut self, at: &str, text: &str, longest: usize) {
        self.length(at, text, longest);
        if text.contains(char::is_control) {
            self.add(at, "holds a line break or another control character; remove it");
        }
    }

    fn length(&mut self, at: &str, text: &str, longest: usize) {
        let length = text.len();
        if length > longest {
            self.add(at, format!("{length} bytes long; use at most {longest}"));
        }
    }

    fn count(&mut self, at: &str, count: usize, most: usize) {
        if count > most {
            self.add(at, format!("{count} entries; use at most {most}"));
        }
    }

    /// Whether the number is in range.
    fn number(&mut self, at: &str, number: i64, range: RangeInclusive<i64>) -> bool {
        let (least, most) = (range.start(), range.end());
        match number {
            number if range.contains(&number) => return true,
            0 => self.add(at, format!("missing or 0; use {least} to {most}")),
            number => self.add(at, format!("{number} is out of range; use {least} to {most}")),
        }
        false
    }

    /// Records who has a value that may be given only once.
    fn unique<K: Ord>(&mut self, seen: &mut BTreeMap<K, String>, key: K, at: &str, field: &str, shown: &str) {
        match seen.entry(key) {
            Entry::Vacant(free) => {
                free.insert(at.to_owned());
            }
            Entry::Occupied(taken) => {
                let message = format!("{shown} is already used by {}", taken.get());
                self.add(path::field(at, field), message);
            }
        }
    }
}

/// What every platform takes as the name of an environment variable.
fn is_env_name(name: &str) -> bool {
    (1..=NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether a value nests lists and objects more than `levels` deep.
fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        Value::Array(list) => levels == 0 || list.iter().any(|value| is_deeper(value, levels - 1)),
        Value::Object(fields) => levels == 0 || fields.values().any(|value| is_deeper(value, levels - 1)),
    }
}
