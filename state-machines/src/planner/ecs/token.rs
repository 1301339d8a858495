//! The client token of a service's creation.

use serde_json::json;

use super::call::Settings;
use crate::canonical;
use crate::planner::Subject;

/// A hash of the tenant's life, of how many services that life has had, and of what is asked for. So a request that is
/// repeated makes no second service, and a new service never gets the answer to an old one. 32 letters and digits;
/// ECS takes 36.
pub(super) fn of(subject: &Subject, creations: u32, definition: &str, settings: &Settings) -> String {
    // By name, so that a new field of the subject changes no token. A life has one provider.
    let Subject { engine, provider: _, tenant, incarnation } = subject;
    let intention = json!({
        "subject": { "engine": engine, "tenant": tenant, "incarnation": incarnation },
        "creations": creations,
        "definition": definition,
        "settings": settings,
    });
    canonical::hash(&intention, 16)
}
