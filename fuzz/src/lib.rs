//! What the fuzzers feed: the very functions that the tests feed with the corpus.

/// Bytes as a spec in JSON.
pub fn spec_json(bytes: &[u8]) {
    landlord_lives::documents::json(bytes);
}

/// Bytes as a spec in YAML.
pub fn spec_yaml(bytes: &[u8]) {
    landlord_lives::documents::yaml(bytes);
}

/// Bytes as a tenant's life.
pub fn step(bytes: &[u8]) {
    landlord_lives::bytes::live(bytes);
}
