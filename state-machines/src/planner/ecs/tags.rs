//! The tags that say whose a resource is, and what it was made from.

use std::collections::BTreeMap;

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
/// On a service: the hash of everything that it was made from.
pub const SPEC: &str = "landlord.spec";
/// On a task definition: the hash of its content.
pub const CONTENT: &str = "landlord.content";
/// Among the labels of a container: the rollout that it is of, where that is not the first one.
pub const ROLLOUT: &str = "landlord.rollout";
/// What all of these begin with. A caller's tags may not.
pub const RESERVED: &str = "landlord.";

/// Whether a tag is the caller's own.
pub(super) fn is_callers(key: &str) -> bool {
    !key.starts_with(RESERVED)
}

/// Those of these tags that are the caller's own.
pub(super) fn callers(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let callers = tags.iter().filter(|(key, _)| is_callers(key));
    callers.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The tags of everything that is made for a subject.
pub fn of(subject: &Subject) -> BTreeMap<String, String> {
    [
        (OWNER, "landlord".to_owned()),
        (TENANT, subject.tenant.to_string()),
        (PROVIDER, subject.provider.to_string()),
        (ENGINE, subject.engine.to_string()),
        (INCARNATION, subject.incarnation.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The tenant and the life that something with these tags belongs to, where it is this
/// provider's of this engine.
pub fn owner(
    tags: &BTreeMap<String, String>,
    engine: &str,
    provider: &str,
) -> Option<(TenantId, Incarnation)> {
    let is = |key: &str, value: &str| tags.get(key).is_some_and(|tag| tag == value);
    if !is(OWNER, "landlord") || !is(PROVIDER, provider) || !is(ENGINE, engine) {
        return None;
    }
    let tenant = TenantId::new(tags.get(TENANT)?).ok()?;
    let incarnation = tags.get(INCARNATION)?.parse().ok()?;
    Some((tenant, Incarnation(incarnation)))
}
