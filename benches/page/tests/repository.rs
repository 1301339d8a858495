//! The page in the repository is made of the results in the repository.

use std::path::Path;

use landlord_benchmark_page::{between_marks, page, read, replace_between_marks};

/// `UPDATE_PAGES=1 cargo test` writes the page again.
#[test]
fn the_page_says_what_the_results_say() {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let generated = page(&read(&benches.join("results.csv")).expect("benches/results.csv"));
    let path = benches.join("../BENCHMARKS.md");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        replace_between_marks(&path, &generated).expect("BENCHMARKS.md can be written");
    }
    let stored = between_marks(&path).expect("BENCHMARKS.md");
    // Line by line: the first difference says enough.
    let advice =
        "BENCHMARKS.md is not what benches/results.csv says; UPDATE_PAGES=1 cargo test writes it again";
    for (stored, generated) in stored.lines().zip(generated.lines()) {
        assert_eq!(stored, generated, "{advice}");
    }
    assert_eq!(stored.lines().count(), generated.trim().lines().count(), "{advice}");
}
