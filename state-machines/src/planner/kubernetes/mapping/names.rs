//! How a tenant's objects are named.

use serde_json::{Value, json};

use crate::canonical;
use crate::id::TenantId;
use crate::planner::kubernetes::config::{KubernetesConfig, Namespaces};
use crate::planner::kubernetes::{Place, Sharing};

/// The longest name that is a label of DNS.
const LONGEST: usize = 63;
/// The longest name of a StatefulSet: with a hash after it, it is the value of a label of its pods.
const STATEFUL: usize = 52;
/// The bytes of a hash in a name.
const HASH: usize = 5;

/// Where a configuration puts a tenant.
pub(super) fn place(config: &KubernetesConfig, tenant: &TenantId) -> Place {
    match &config.namespaces {
        Namespaces::Own => Place {
            namespace: cut(&format!("{}{tenant}", config.namespace_prefix), "", LONGEST),
            sharing: Sharing::Own,
        },
        Namespaces::Shared { name } => Place { namespace: name.clone(), sharing: Sharing::Shared },
    }
}

/// The names of a tenant's objects. No other tenant's are the same, where they share a namespace.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) sharing: Sharing,
}

impl Names<'_> {
    /// That of whatever a tenant has one of.
    pub(super) fn plain(self) -> String {
        self.tenant.to_string()
    }

    /// That of the ServiceAccount. Every namespace has one already that is called default.
    pub(super) fn account(self) -> String {
        match self.tenant.as_str() {
            "default" => format!("default-{}", hash("default")),
            other => other.to_owned(),
        }
    }

    /// That of a StatefulSet.
    pub(super) fn stateful(self) -> String {
        cut(self.tenant.as_str(), "", STATEFUL)
    }

    /// That of the Service, which begins with a letter.
    pub(super) fn service(self) -> String {
        match self.tenant.as_str().starts_with(|c: char| c.is_ascii_digit()) {
            true => cut(&format!("t-{}-{}", self.tenant, hash(self.tenant.as_str())), "", LONGEST),
            false => self.plain(),
        }
    }

    /// That of another Service.
    pub(super) fn service_with(self, suffix: &str) -> String {
        match self.tenant.as_str().starts_with(|c: char| c.is_ascii_digit()) {
            true => self.suffixed("t-", suffix),
            false => self.with(suffix),
        }
    }

    /// One with something behind it. In a shared namespace another tenant may be called like that, so it has a hash.
    pub(super) fn with(self, suffix: &str) -> String {
        self.suffixed("", suffix)
    }

    fn suffixed(self, prefix: &str, suffix: &str) -> String {
        let name = format!("{prefix}{}", self.tenant);
        match self.sharing {
            Sharing::Own => cut(&name, &format!("-{suffix}"), LONGEST),
            Sharing::Shared => cut(&name, &format!("-{}-{suffix}", hash(self.tenant.as_str())), LONGEST),
        }
    }
}

/// A name and what it ends with; where that is too long, a part of the name and a hash of it.
fn cut(name: &str, end: &str, longest: usize) -> String {
    if name.len() + end.len() <= longest {
        return format!("{name}{end}");
    }
    let kept = longest.saturating_sub(end.len() + 1 + 2 * HASH);
    // All of it is ASCII.
    let start = name.get(..kept).unwrap_or(name).trim_end_matches('-');
    format!("{start}-{}{end}", hash(name))
}

/// A hash that is part of a name.
pub(super) fn hash(text: &str) -> String {
    hash_of(&json!(text))
}

/// The same, of more than a text.
pub(super) fn hash_of(value: &Value) -> String {
    canonical::hash(value, HASH)
}

/// Whether a text is a label of DNS.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LONGEST).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a text is a name of DNS: what most objects can be called.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}
