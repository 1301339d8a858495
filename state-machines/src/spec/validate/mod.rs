//! The rules that every provider shares (CONTRACT.md, "Shared validation"), all problems at once.
//!
//! What they leave to others: whether a provider is registered, whether a platform takes this image
//! ([`Spec::check_images`]), and what `provider_config` means.

mod container;
mod order;
mod storage;

use std::collections::{BTreeMap, btree_map::Entry};
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::Value;

use super::document::{MAX_DEPTH, MAX_DOCUMENT_BYTES};
use super::image::oci_image_problem;
use super::invalid::{Invalid, Problem};
use super::length;
use super::normalize::normalize;
use super::{
    Checked, ContainerSpec, NetworkConfig, Replicas, ResourceRequirements, SecretReference, Spec,
    TenantComputeSpec, UpdateConfig, path, path::Place,
};
use crate::id::{NAME_RULE, ProviderName, TenantId};

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
const SECONDS: RangeInclusive<i64> = 1..=86_400;
const THRESHOLD: RangeInclusive<i64> = 1..=1_000;
const REPLICAS: RangeInclusive<i64> = 0..=10_000;

const ENV_RULE: &str = "use letters, digits, '_', '-' and '.', not starting with a digit";

impl TenantComputeSpec {
    /// Checks every rule that providers share and normalises the spec.
    ///
    /// # Errors
    /// [`Invalid`] with all problems at once, each with its path.
    pub fn check(self) -> Result<Spec, Invalid> {
        let mut body = self;
        normalize(&mut body);
        let mut rest = Rules::default();
        rest.spec(&body);
        let rest = rest.problems;
        match (tenant_id(&body.tenant_id), provider_type(&body.provider_type)) {
            (Ok(tenant), Ok(provider)) => {
                Invalid::unless_empty(rest)?;
                Ok(Spec(Arc::new(Checked { tenant, provider, body })))
            }
            (tenant, provider) => {
                Err(Invalid::of(tenant.err().into_iter().chain(provider.err()).chain(rest).collect()))
            }
        }
    }
}

/// As [`check`](TenantComputeSpec::check).
impl TryFrom<TenantComputeSpec> for Spec {
    type Error = Invalid;
    fn try_from(spec: TenantComputeSpec) -> Result<Self, Invalid> {
        spec.check()
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
    fn add(&mut self, at: &Place<'_>, message: impl Into<String>) {
        self.problems.push(Problem::new(at.path(), message));
    }

    fn spec(&mut self, spec: &TenantComputeSpec) {
        self.containers(spec);
        self.resources(&Place::Root.field("resources"), &spec.resources, TENANT_SHARE);
        self.networking(&spec.networking);
        self.secrets(spec);
        self.labels(&spec.labels);
        if let Some(Replicas::Count(count)) = spec.replicas
            && !REPLICAS.contains(&count)
        {
            let (least, most) = (REPLICAS.start(), REPLICAS.end());
            let at = Place::Root.field("replicas");
            self.add(&at, format!("{count} is out of range; use {least} to {most}, or auto"));
        }
        self.volumes(spec);
        if let Some(UpdateConfig { order: _, deadline_seconds: Some(seconds), rollback: _ }) = spec.update {
            self.number(&Place::Root.field("update").field("deadline_seconds"), seconds, SECONDS);
        }
        if spec.provider_config.as_ref().is_some_and(|config| is_deeper(config, MAX_DEPTH - 1)) {
            self.add(
                &Place::Root.field("provider_config"),
                format!("nested too deeply; a spec has at most {MAX_DEPTH} levels"),
            );
        }
        if length::at_most(spec) > MAX_DOCUMENT_BYTES {
            self.document(spec);
        }
    }

    /// Whatever is accepted is stored as JSON, and must be read back.
    fn document(&mut self, spec: &TenantComputeSpec) {
        match length::exactly(spec) {
            Ok(bytes) if bytes <= MAX_DOCUMENT_BYTES => {}
            Ok(bytes) => self.add(
                &Place::Root,
                format!("the spec is {bytes} bytes long as JSON; use at most {MAX_DOCUMENT_BYTES}"),
            ),
            Err(error) => self.add(&Place::Root, format!("the spec cannot be written as JSON: {error}")),
        }
    }

    fn containers(&mut self, spec: &TenantComputeSpec) {
        let list = Place::Root.field("containers");
        if spec.containers.is_empty() {
            self.add(&list, "missing; give at least one container");
        }
        self.count(&list, spec.containers.len(), CONTAINERS);
        let mut names = BTreeMap::new();
        let mut host_ports = BTreeMap::new();
        for (n, container) in spec.containers.iter().enumerate() {
            let at = list.index(n);
            self.container_name(&at, &container.name);
            // One alone is unique.
            if !container.name.is_empty() && spec.containers.len() > 1 {
                self.unique(&mut names, &container.name, &at, "name", || path::quoted(&container.name));
            }
            self.container(&at, container);
            self.ports(&at, &container.ports, &mut host_ports);
            self.files(&at, container, spec);
            self.mounts(&at, container, spec);
            self.variables(&at, container, spec);
            if let Some(own) = &container.resources {
                self.container_resources(&at.field("resources"), own, &spec.resources);
            }
        }
        self.order(&spec.containers);
    }

    fn resources(&mut self, at: &Place<'_>, resources: &ResourceRequirements, share: RangeInclusive<i64>) {
        self.number(&at.field("cpu"), resources.cpu, share.clone());
        self.number(&at.field("memory"), resources.memory, share);
        if let Some(storage) = resources.storage {
            self.number(&at.field("storage"), storage, CONTAINER_SHARE);
        }
        if let Some(requests) = &resources.requests {
            let at = at.field("requests");
            for (field, asked, limit) in
                [("cpu", requests.cpu, resources.cpu), ("memory", requests.memory, resources.memory)]
            {
                let Some(asked) = asked else { continue };
                let at = at.field(field);
                if self.number(&at, asked, CONTAINER_SHARE) && limit > 0 && asked > limit {
                    self.add(&at, format!("{asked} is more than it may use ({field}: {limit})"));
                }
            }
        }
    }

    /// A container's share is within the tenant's; not checked where the tenant's is itself wrong.
    fn within(&mut self, at: &Place<'_>, own: i64, tenant: i64, of: &str) {
        if tenant > 0 && own > tenant {
            self.add(at, format!("{own} is more than the whole tenant has ({of}: {tenant})"));
        }
    }

    fn networking(&mut self, networking: &NetworkConfig) {
        let at = Place::Root.field("networking");
        self.references(&at.field("security_groups"), &networking.security_groups);
        self.references(&at.field("subnets"), &networking.subnets);
        if let Some(dns) = &networking.dns {
            let at = at.field("dns");
            self.optional(&at.field("hostname"), dns.hostname.as_deref(), NAME);
            self.optional(&at.field("domain"), dns.domain.as_deref(), NAME);
        }
    }

    fn secrets(&mut self, spec: &TenantComputeSpec) {
        let list = Place::Root.field("secrets");
        self.count(&list, spec.secrets.len(), SECRETS);
        let mut env_vars = BTreeMap::new();
        for (n, secret) in spec.secrets.iter().enumerate() {
            let at = list.index(n);
            self.required(&at.field("name"), &secret.name, NAME);
            self.required(&at.field("source"), &secret.source, NAME);
            self.required(&at.field("key"), &secret.key, REFERENCE);
            if let Some(name) = &secret.env_var {
                self.secret_env_var(&at.field("env_var"), name, secret, &spec.containers);
                self.unique(&mut env_vars, name, &at, "env_var", || path::quoted(name));
            }
            let list = at.field("containers");
            self.count(&list, secret.containers.len(), CONTAINERS);
            for (n, name) in secret.containers.iter().enumerate() {
                self.known(&list.index(n), name, spec.containers.iter().map(|container| &container.name));
            }
        }
    }

    /// A name that refers to one of these.
    fn known<'n>(&mut self, at: &Place<'_>, name: &str, there: impl Iterator<Item = &'n String> + Clone) {
        if there.clone().any(|known| known == name) {
            return;
        }
        let what = if name.is_empty() {
            "missing".to_owned()
        } else {
            format!("{} is not there", path::quoted(name))
        };
        let there: Vec<&str> = there.map(String::as_str).collect();
        let there = match there.as_slice() {
            [] => "the spec has none".to_owned(),
            names => format!("there is {}", names.join(", ")),
        };
        self.add(at, format!("{what}; {there}"));
    }

    fn secret_env_var(
        &mut self,
        at: &Place<'_>,
        name: &str,
        secret: &SecretReference,
        containers: &[ContainerSpec],
    ) {
        if !is_env_name(name) {
            self.add(
                at,
                format!("{} is not a valid name for an environment variable; {ENV_RULE}", path::quoted(name)),
            );
        }
        let gets = |container: &ContainerSpec| secret.is_for(&container.name);
        let sets = |container: &ContainerSpec| container.env.contains_key(name);
        for (n, _) in
            containers.iter().enumerate().filter(|(_, container)| gets(container) && sets(container))
        {
            let taken = path::quoted(name);
            self.add(at, format!("{taken} is also set in containers[{n}].env; remove one of the two"));
        }
    }

    fn labels(&mut self, labels: &BTreeMap<String, String>) {
        let list = Place::Root.field("labels");
        self.count(&list, labels.len(), ENTRIES);
        for (name, value) in labels {
            let at = list.key(name);
            if name.is_empty() {
                self.add(&at, "the name of a label is missing");
            }
            self.text(&at, name, NAME);
            self.text(&at, value, REFERENCE);
        }
    }

    fn references(&mut self, at: &Place<'_>, references: &[String]) {
        self.count(at, references.len(), NETWORKS);
        for (n, reference) in references.iter().enumerate() {
            self.required(&at.index(n), reference, NAME);
        }
    }

    fn arguments(&mut self, at: &Place<'_>, arguments: &[String]) {
        self.count(at, arguments.len(), ENTRIES);
        for (n, argument) in arguments.iter().enumerate() {
            self.value(&at.index(n), argument);
        }
    }

    /// A text that a program gets as it is; it cannot carry NUL.
    fn value(&mut self, at: &Place<'_>, value: &str) {
        self.length(at, value, VALUE);
        if value.contains('\0') {
            self.add(at, "holds a NUL character, which no program can receive; remove it");
        }
    }

    fn required(&mut self, at: &Place<'_>, text: &str, longest: usize) {
        if text.is_empty() {
            self.add(at, "missing; it must not be empty");
        }
        self.text(at, text, longest);
    }

    fn optional(&mut self, at: &Place<'_>, text: Option<&str>, longest: usize) {
        self.text(at, text.unwrap_or_default(), longest);
    }

    /// A text that is shown on one line.
    fn text(&mut self, at: &Place<'_>, text: &str, longest: usize) {
        self.length(at, text, longest);
        if text.contains(char::is_control) {
            self.add(at, "holds a line break or another control character; remove it");
        }
    }

    fn length(&mut self, at: &Place<'_>, text: &str, longest: usize) {
        let length = text.len();
        if length > longest {
            self.add(at, format!("{length} bytes long; use at most {longest}"));
        }
    }

    fn count(&mut self, at: &Place<'_>, count: usize, most: usize) {
        if count > most {
            self.add(at, format!("{count} entries; use at most {most}"));
        }
    }

    /// Whether the number is in range.
    fn number(&mut self, at: &Place<'_>, number: i64, range: RangeInclusive<i64>) -> bool {
        let (least, most) = (range.start(), range.end());
        match number {
            number if range.contains(&number) => return true,
            0 => self.add(at, format!("missing or 0; use {least} to {most}")),
            number => self.add(at, format!("{number} is out of range; use {least} to {most}")),
        }
        false
    }

    /// Records who has a value that may be given only once.
    fn unique<K: Ord>(
        &mut self,
        seen: &mut BTreeMap<K, String>,
        key: K,
        at: &Place<'_>,
        field: &str,
        shown: impl FnOnce() -> String,
    ) {
        match seen.entry(key) {
            Entry::Vacant(free) => {
                free.insert(at.path());
            }
            Entry::Occupied(taken) => {
                let message = format!("{} is already used by {}", shown(), taken.get());
                self.add(&at.field(field), message);
            }
        }
    }
}

/// What every platform takes as the name of an environment variable.
pub(super) fn is_env_name(name: &str) -> bool {
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
