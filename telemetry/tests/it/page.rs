//! The page about the metrics is what the code says.

use std::path::Path;

use landlord_telemetry::catalogue::{CATALOGUE, page};

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("METRICS.md");
    let page = page();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, page, "run UPDATE_PAGES=1 cargo test -p landlord-telemetry the_page_is_up_to_date");
}

#[test]
fn names_are_well_formed_and_no_label_is_a_tenant() {
    let mut names: Vec<&str> = CATALOGUE.iter().map(|metric| metric.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CATALOGUE.len(), "each name is one metric's");
    for metric in CATALOGUE {
        assert!(metric.name.starts_with("landlord_"), "{}", metric.name);
        for label in metric.labels {
            assert!(!label.contains("tenant") && !label.contains("operation"), "{}: {label}", metric.name);
        }
    }
}
