//! What the fuzzers feed, fed with their corpus: `fuzz/corpus/<target>` in the repository's root.

use std::fs;
use std::path::Path;

use landlord_lives::{bytes, documents};

/// Feeds every file of a target's corpus; a panic names the file.
fn replay(target: &str, feed: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&corpus)
        .expect("the corpus is in the repository")
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "the corpus of {target} is not there: {files:?}");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let fed = std::panic::catch_unwind(|| feed(&bytes));
        assert!(fed.is_ok(), "{} fails; see above", file.display());
    }
}

#[test]
fn the_corpus_of_json_specs_is_read_as_it_should() {
    replay("spec_json", documents::json);
}

#[test]
fn the_corpus_of_yaml_specs_is_read_as_it_should() {
    replay("spec_yaml", documents::yaml);
}

#[test]
fn the_corpus_of_lives_keeps_the_rules() {
    replay("step", bytes::live);
}
