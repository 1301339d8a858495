//! The client token of a service's creation.

use serde_json::json;

use super::call::Settings;
use crate::canonical;
use crate::planner::Subject;

/// The same for the same intention: a life of a tenant, how many services that life has had, and what is asked for. So
/// one that is asked for again is not made twice, and a new one never gets the answer to a dead one. 32 letters and
/// digits; ECS takes 36.
pub(super) fn of(subject: &Subject, creations: u32, definition: &str, settings: &Settings) -> String {
    let intention = json!({
        "subject": subject,
        "creations": creations,
        "definition": definition,
        "settings": settings,
    });
    canonical::hash(&intention, 16)
}
