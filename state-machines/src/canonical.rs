//! A stable hash of JSON: the same on every machine and in every version.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The first bytes of the SHA-256 of `value`, in hexadecimal.
pub(crate) fn hash(value: &Value, bytes: usize) -> String {
    let mut hash = Sha256::new();
    feed(&mut hash, value);
    hash.finalize().iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

/// Feeds JSON with sorted keys, so that neither the order of a struct's fields nor a feature of `serde_json`
/// changes a hash.
fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            hash.update(b"{");
            for (key, value) in entries {
                hash.update(Value::from(key.as_str()).to_string());
                hash.update(b":");
                feed(hash, value);
                hash.update(b",");
            }
            hash.update(b"}");
        }
        Value::Array(items) => {
            hash.update(b"[");
            for item in items {
                feed(hash, item);
                hash.update(b",");
            }
            hash.update(b"]");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => hash.update(value.to_string()),
    }
}
