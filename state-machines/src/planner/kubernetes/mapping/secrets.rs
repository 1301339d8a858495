//! Secrets: where a container finds the value of each in its own namespace, and what brings it there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Mapping;
use super::names::{hash, hash_of, is_subdomain};
use super::problems::{Problems, config_at};
use crate::planner::kubernetes::config::{SecretsFrom, StoreKind};
use crate::planner::kubernetes::{ObjectKind, SecretSource, Sharing};
use crate::spec::{ContainerSpec, SecretReference, path};

/// The source that is the cluster itself.
const CLUSTER: &str = "kubernetes-secret";
/// The key under which a Secret has a registry's credentials, and the type of such a Secret.
const REGISTRY: &str = ".dockerconfigjson";
const REGISTRY_TYPE: &str = "kubernetes.io/dockerconfigjson";
/// How often the operator of external secrets looks for other values.
const REFRESH: &str = "1h";

/// Where a value is: a Secret of the tenant's namespace, and its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Located {
    pub(super) secret: String,
    pub(super) key: String,
}

/// What a Secret of the tenant's is made from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Origin<'a> {
    source: &'a str,
    name: &'a str,
    /// Whether it holds a registry's credentials.
    registry: bool,
}

/// The secrets of a spec.
pub(super) struct Secrets<'a> {
    references: &'a [SecretReference],
    /// The name of the Secret that has the values of each.
    secrets: BTreeMap<Origin<'a>, String>,
}

impl<'a> Secrets<'a> {
    /// Brings the values of a spec's secrets into its namespace.
    pub(super) fn of(m: &mut Mapping<'a>) -> Self {
        let (references, containers) = (m.spec.secrets.as_slice(), m.spec.containers.as_slice());
        for (n, secret) in references.iter().enumerate() {
            check(&mut m.problems, &path::index("secrets", n), secret, containers);
        }
        ambiguous(&mut m.problems, references, containers);
        let mut wanted: BTreeMap<Origin<'a>, BTreeSet<&'a str>> = BTreeMap::new();
        for secret in references {
            let registry = containers.iter().any(|one| credentials_of(one) == Some(&secret.name));
            let origin = Origin { source: &secret.source, name: &secret.name, registry };
            wanted.entry(origin).or_default().insert(&secret.key);
        }
        let mut secrets = BTreeMap::new();
        for (origin, keys) in wanted {
            if let Some(name) = brought(m, origin, &keys) {
                secrets.insert(origin, name);
            }
        }
        Self { references, secrets }
    }

    /// The values of a container's variables.
    pub(super) fn variables(&self, container: &str) -> BTreeMap<String, Located> {
        let its = self.references.iter().filter(|secret| secret.is_for(container));
        its.filter_map(|secret| Some((secret.env_var.clone()?, self.located(secret)?))).collect()
    }

    /// The value that a file has.
    pub(super) fn file(&self, name: &str) -> Option<Located> {
        self.located(self.references.iter().find(|secret| secret.name == name)?)
    }

    /// The Secret with which a container's image is fetched.
    pub(super) fn credentials(&self, container: &ContainerSpec) -> Option<String> {
        let name = credentials_of(container)?;
        let secret = self.references.iter().find(|secret| secret.name == *name)?;
        self.located(secret).map(|located| located.secret)
    }

    fn located(&self, reference: &SecretReference) -> Option<Located> {
        let of = |registry| Origin { source: &reference.source, name: &reference.name, registry };
        let (registry, secret) = [false, true]
            .into_iter()
            .find_map(|registry| Some((registry, self.secrets.get(&of(registry))?)))?;
        let key = if registry { REGISTRY.to_owned() } else { within(&reference.key) };
        Some(Located { secret: secret.clone(), key })
    }
}

fn credentials_of(container: &ContainerSpec) -> Option<&String> {
    container.image_pull.as_ref()?.credentials.as_ref()
}

/// The key of a value in the tenant's own Secret: where the other place calls it something that no Secret can, a hash of that.
fn within(key: &str) -> String {
    match is_key(key) {
        true => key.to_owned(),
        false => format!("key-{}", hash(key)),
    }
}

fn is_key(key: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=253).contains(&key.len()) && key.bytes().all(fits) && key != "." && !key.starts_with("..")
}

/// What is wrong with one secret by itself. Does not show the key: somebody may have written the value there.
fn check(problems: &mut Problems, at: &str, secret: &SecretReference, containers: &[ContainerSpec]) {
    let fetches = containers.iter().any(|one| credentials_of(one) == Some(&secret.name));
    let in_a_file =
        containers.iter().flat_map(|one| &one.files).any(|file| file.secret.as_ref() == Some(&secret.name));
    if secret.env_var.is_none() && !fetches && !in_a_file {
        problems.add(at, "nothing is done with it; give it an env_var, or name it in a container's files");
    }
    if secret.source == CLUSTER {
        if !is_subdomain(&secret.name) {
            problems.add(
                path::field(at, "name"),
                "not the name of a Secret: a-z, 0-9, '-' and '.', at most 253; of a kubernetes-secret the name is the \
                 Secret's",
            );
        }
        if !is_key(&secret.key) {
            problems.add(
                path::field(at, "key"),
                "not a key of a Secret: at most 253 letters, digits, '-', '_' and '.'",
            );
        }
    }
    if fetches && secret.key != REGISTRY && secret.source == CLUSTER {
        problems.add(
            path::field(at, "key"),
            format!("images are fetched with it; a registry's credentials have the key {REGISTRY}"),
        );
    }
}

/// Files and images name a secret, of which there has to be one.
fn ambiguous(problems: &mut Problems, references: &[SecretReference], containers: &[ContainerSpec]) {
    let several = |name: &str| references.iter().filter(|secret| secret.name == name).nth(1).is_some();
    for (n, container) in containers.iter().enumerate() {
        let at = path::index("containers", n);
        let files = container.files.iter().enumerate().filter_map(|(k, file)| {
            let at = path::field(&path::index(&path::field(&at, "files"), k), "secret");
            Some((at, file.secret.as_ref()?))
        });
        let pull = credentials_of(container)
            .map(|name| (path::field(&path::field(&at, "image_pull"), "credentials"), name));
        for (at, name) in files.chain(pull).filter(|(_, name)| several(name)) {
            let named = path::quoted(name);
            problems.add(at, format!("there are several secrets with the name {named}; keep one of them"));
        }
    }
}

/// The Secret that has these values in the tenant's namespace, after what brings them there.
fn brought(m: &mut Mapping<'_>, origin: Origin<'_>, keys: &BTreeSet<&str>) -> Option<String> {
    let first = m.spec.secrets.iter().position(|secret| secret.name == origin.name);
    let at = path::index("secrets", first.unwrap_or_default());
    let from = m.config.secrets.clone();
    match (&from, m.place.sharing, origin.source) {
        (
            SecretsFrom::None | SecretsFrom::Copy { .. } | SecretsFrom::External { .. },
            Sharing::Shared,
            CLUSTER,
        ) => Some(origin.name.to_owned()),
        (SecretsFrom::External { store, kind }, Sharing::Own | Sharing::Shared, _) => {
            external(m, origin, keys, store, *kind)
        }
        (SecretsFrom::Copy { namespace }, Sharing::Own, CLUSTER) => Some(copied(m, origin, keys, namespace)),
        (SecretsFrom::None, Sharing::Own, CLUSTER) => {
            m.problems.add(
                path::field(&at, "source"),
                "the tenant's namespace is its own and has no Secrets of others; let the operator set provider_config.secrets \
                 to {\"copy\": {\"namespace\": …}}, which copies them from there, or to {\"external\": {\"store\": …, \
                 \"kind\": …}}, or namespaces to {\"shared\": {\"name\": …}}",
            );
            None
        }
        (SecretsFrom::None | SecretsFrom::Copy { .. }, Sharing::Own | Sharing::Shared, other) => {
            m.problems.add(
                path::field(&at, "source"),
                format!(
                    "Kubernetes has nothing from {}; use {CLUSTER}, or let the operator set provider_config.secrets to \
                     {{\"external\": {{\"store\": …, \"kind\": …}}}}",
                    path::quoted(other)
                ),
            );
            None
        }
    }
}

fn copied(m: &mut Mapping<'_>, origin: Origin<'_>, keys: &BTreeSet<&str>, namespace: &str) -> String {
    let keys: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let from = SecretSource { namespace: namespace.to_owned(), name: origin.name.to_owned(), keys };
    let name = m.names.with(&format!("copy-{}", hash_of(&json!([from, origin.registry]))));
    let kind = if origin.registry { REGISTRY_TYPE } else { "Opaque" };
    if let Some(id) = m.push(ObjectKind::Secret, &name, json!({ "type": kind })) {
        m.copies.insert(id, from);
    }
    name
}

fn external(
    m: &mut Mapping<'_>,
    origin: Origin<'_>,
    keys: &BTreeSet<&str>,
    store: &str,
    kind: StoreKind,
) -> Option<String> {
    if m.cluster.api_version(ObjectKind::ExternalSecret).is_none() {
        m.problems.add(
            config_at("secrets"),
            "this cluster has no ExternalSecret; install the external secrets operator, or choose copy",
        );
        return None;
    }
    let kind = match kind {
        StoreKind::SecretStore => "SecretStore",
        StoreKind::ClusterSecretStore => "ClusterSecretStore",
    };
    let data: Vec<Value> = keys
        .iter()
        .map(|key| {
            let remote = match origin.source {
                CLUSTER => json!({ "key": origin.name, "property": key }),
                _ => json!({ "key": key }),
            };
            let within = if origin.registry { REGISTRY.to_owned() } else { within(key) };
            json!({ "secretKey": within, "remoteRef": remote })
        })
        .collect();
    let name = m.names.with(&format!("secret-{}", hash_of(&json!([store, kind, origin.registry, data]))));
    let mut target = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("creationPolicy".to_owned(), json!("Owner")),
        ("deletionPolicy".to_owned(), json!("Retain")),
    ]);
    if origin.registry {
        target.insert("template".to_owned(), json!({ "type": REGISTRY_TYPE }));
    }
    let spec = json!({
        "refreshInterval": REFRESH,
        "secretStoreRef": { "name": store, "kind": kind },
        "target": target,
        "data": data,
    });
    m.push(ObjectKind::ExternalSecret, &name, json!({ "spec": spec }));
    Some(name)
}
