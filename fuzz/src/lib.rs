//! What the fuzzers feed: the very functions that the tests feed with the corpus.
#![allow(dead_code, unreachable_pub, reason = "the tests use more of these files")]

#[path = "../../state-machines/tests/it/fuzzed/documents.rs"]
mod documents;
mod life;

/// Bytes as a spec in JSON.
pub fn spec_json(bytes: &[u8]) {
    documents::json(bytes);
}

/// Bytes as a spec in YAML.
pub fn spec_yaml(bytes: &[u8]) {
    documents::yaml(bytes);
}

/// Bytes as a tenant's life.
pub fn step(bytes: &[u8]) {
    life::bytes::live(bytes);
}
