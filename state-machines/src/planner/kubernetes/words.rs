//! The platform's words, for people.

use super::call::{FieldConflict, Words};
use super::object::Object;

/// The conditions of a namespace that say why it does not go.
const STUCK: [&str; 5] = [
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
];

/// What keeps an object that was deleted.
pub(super) fn left(object: &Object) -> Option<String> {
    let conditions = STUCK.iter().filter_map(|named| object.condition(named)).filter(|it| it.holds);
    let said: Vec<&str> = conditions.map(|condition| condition.message).collect();
    let finalizers = object.finalizers();
    match (said.is_empty(), finalizers.is_empty()) {
        (false, _) => Some(format!("{}: {}", object.id, said.join("; "))),
        // A namespace always has its own.
        (true, false) if finalizers != ["kubernetes"] => {
            Some(format!("{} has the finalizers {}", object.id, finalizers.join(", ")))
        }
        (true, true | false) => None,
    }
}

/// The newest words about what does not come.
pub(super) fn newest(words: &[Words]) -> Option<String> {
    let said = words.iter().rev().find(|words| !words.message.is_empty()).or(words.last())?;
    Some(match said.message.is_empty() {
        true => format!("{}: {}", said.object, said.reason),
        false => format!("{}: {} ({})", said.object, said.message, said.reason),
    })
}

/// That fields of an object are others', and what can be done about it.
pub fn taken<'a>(of: &str, conflicts: impl IntoIterator<Item = &'a FieldConflict>) -> String {
    let fields = conflicts.into_iter().map(|conflict| format!("{} ({})", conflict.field, conflict.manager));
    format!(
        "fields of {of} are other managers': {}; give them up there, or set take_over in the provider's configuration",
        fields.collect::<Vec<_>>().join(", ")
    )
}
