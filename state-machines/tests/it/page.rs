//! The generated pages say what the code does.

use std::path::Path;

use landlord_state_machines::render::{
    Edge, OUTSIDE, fold, state_diagram, table, tenant_diagram, tenant_page,
};

/// Compares a page with what is generated now; writes it where `UPDATE_PAGES` is set.
fn check(file: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let changed = kept.lines().zip(generated.lines()).position(|(kept, now)| kept != now);
    assert!(
        kept == generated,
        "{file} is not what the code does now (from line {}); UPDATE_PAGES=1 cargo test writes it again",
        changed.unwrap_or_else(|| kept.lines().count().min(generated.lines().count())) + 1
    );
}

#[test]
fn the_page_of_the_tenant_machine_is_what_it_does() {
    check("tenant.md", &tenant_page());
}

#[cfg(all(feature = "ecs", feature = "kubernetes", feature = "process"))]
#[test]
fn the_page_of_specs_is_what_the_types_and_the_providers_say() {
    use landlord_state_machines::planner::{ecs, kubernetes, process};
    use landlord_state_machines::render::{Says, spec_page};

    let providers: [Says<'_>; 3] =
        [("process", process::support), ("ecs", ecs::support), ("kubernetes", kubernetes::support)];
    check("../SPEC.md", &spec_page(&providers));
}

/// Thirty lines of a terminal, or of a page in a browser.
#[test]
fn the_page_of_the_tenant_machine_opens_with_one_screen() {
    let page = tenant_page();
    let (_, matrix) = page.split_once("```text\n").unwrap();
    let (matrix, _) = matrix.split_once("```").unwrap();
    let lines: Vec<_> = matrix.lines().collect();
    assert!((25..=34).contains(&lines.len()), "{} lines", lines.len());
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 120, "{widest} columns");
    let states = ["No tenant", "Pending", "Provisioning", "Running", "Updating", "Destroying"];
    let head: Vec<_> = lines[0].split("  ").map(str::trim).filter(|name| !name.is_empty()).collect();
    assert_eq!(head, states);
}

#[test]
fn the_diagram_has_exactly_the_five_states() {
    let diagram = tenant_diagram();
    let mut names: Vec<_> = diagram
        .lines()
        .skip(1)
        .flat_map(|line| line.split(':').next().unwrap().split("-->").map(str::trim).collect::<Vec<_>>())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["Destroying", "Pending", "Provisioning", "Running", "Updating", "[*]"]);
}

#[test]
fn arrows_between_the_same_states_become_one_and_cells_cannot_end_a_row() {
    let edge = |from, to, cause| Edge { from, to, cause };
    let edges = [edge(OUTSIDE, "A", "x"), edge("A", "B", "y"), edge("A", "B", "z"), edge("A", "B", "y")];
    assert_eq!(state_diagram(&edges), "stateDiagram-v2\n    [*] --> A: x\n    A --> B: y, z\n");

    assert_eq!(fold([("a", 1), ("b", 2), ("c", 1)]), [(vec!["a", "c"], 1), (vec!["b"], 2)]);
    let row = ["x|y".to_owned(), String::new()];
    assert_eq!(table(["a", "b"], &[row]), "| a | b |\n| --- | --- |\n| x\\|y |  |\n");
}
