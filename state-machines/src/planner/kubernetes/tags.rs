//! The labels and annotations that say whose an object is, and what it was made from.
//!
//! Their keys are those of the other providers. A value that Kubernetes takes for no label is cut, with a hash of the whole.

use std::collections::BTreeMap;

use serde_json::json;

use crate::canonical;
use crate::id::{Incarnation, TenantId};
use crate::planner::Subject;

/// Always `landlord`.
pub const OWNER: &str = "landlord.owner";
/// The tenant's id.
pub const TENANT: &str = "landlord.tenant_id";
/// The name of the provider that made it.
pub const PROVIDER: &str = "landlord.provider";
/// The engine's name.
pub const ENGINE: &str = "landlord.engine";
/// Which life of the tenant.
pub const INCARNATION: &str = "landlord.incarnation";
/// An annotation of an object and a label of a pod: the hash of its manifest, or of its template.
pub const CONTENT: &str = "landlord.content";
/// An annotation of the workload: the hash of everything that the spec asks for.
pub const SPEC: &str = "landlord.spec";
/// An annotation of a pod: the rollout of its spec.
pub const ROLLOUT: &str = "landlord.rollout";
/// What all of these begin with. A caller's labels may not.
pub const RESERVED: &str = "landlord.";

/// The longest value of a label.
const LONGEST: usize = 63;

/// The labels of everything that is made for a subject.
pub fn of(subject: &Subject) -> BTreeMap<String, String> {
    let mut labels = stable(subject);
    labels.insert(INCARNATION.to_owned(), subject.incarnation.to_string());
    labels
}

/// Those that no life of the tenant changes. The selector of its pods is made of them, because it cannot be changed.
pub fn stable(subject: &Subject) -> BTreeMap<String, String> {
    [
        (OWNER, "landlord".to_owned()),
        (TENANT, subject.tenant.to_string()),
        (PROVIDER, value(subject.provider.as_str())),
        (ENGINE, value(&subject.engine)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The selector that finds everything of a provider of an engine.
pub fn selector_of_all(engine: &str, provider: &str) -> String {
    format!("{OWNER}=landlord,{PROVIDER}={},{ENGINE}={}", value(provider), value(engine))
}

/// The selector that finds everything of a tenant.
pub fn selector(subject: &Subject) -> String {
    format!("{},{TENANT}={}", selector_of_all(&subject.engine, subject.provider.as_str()), subject.tenant)
}

/// The tenant and the life that something with these labels belongs to, where it is this provider's of this engine.
pub fn owner(labels: &BTreeMap<&str, &str>, engine: &str, provider: &str) -> Option<(TenantId, Incarnation)> {
    let is = |key: &str, wanted: &str| labels.get(key).is_some_and(|label| *label == wanted);
    if !is(OWNER, "landlord") || !is(PROVIDER, &value(provider)) || !is(ENGINE, &value(engine)) {
        return None;
    }
    let tenant = TenantId::new(labels.get(TENANT)?).ok()?;
    Some((tenant, Incarnation(labels.get(INCARNATION)?.parse().ok()?)))
}

/// Whether a text can be the value of a label as it is.
pub fn is_value(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    let outer = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    bytes.len() <= LONGEST && bytes.iter().copied().all(inner) && outer(bytes.first()) && outer(bytes.last())
}

/// A text as the value of a label: itself, or a part of it with a hash of the whole.
pub fn value(text: &str) -> String {
    if is_value(text) {
        return text.to_owned();
    }
    let legal = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' });
    let start: String = legal.take(40).collect();
    format!("{}-{}", start.trim_matches(['-', '.']), canonical::hash(&json!(text), 8))
        .trim_matches('-')
        .to_owned()
}
