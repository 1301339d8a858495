//! CONTRACT.md lists the clauses that the kit checks, and has the section that each comes from.

use std::collections::BTreeSet;
use std::path::Path;

use landlord_state_machines::render::table;
use landlord_testing::conformance::clauses;

const BEGIN: &str = "<!-- Generated: UPDATE_PAGES=1 cargo test -p landlord-testing writes it. -->\n";
const END: &str = "<!-- End of what is generated. -->\n";

fn generated() -> String {
    let rows: Vec<_> = clauses()
        .into_iter()
        .map(|clause| {
            let id = format!("`{}`", clause.id);
            [id, clause.level.to_string(), clause.source.to_owned(), clause.statement.to_owned()]
        })
        .collect();
    format!("\n{}\n", table(["clause", "level", "section", "what it says"], &rows))
}

#[test]
fn the_contract_lists_every_clause_and_has_its_section() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CONTRACT.md");
    let page = std::fs::read_to_string(&path).expect("CONTRACT.md");
    let (before, rest) = page.split_once(BEGIN).expect("the line that begins what is generated");
    let (kept, after) = rest.split_once(END).expect("the line that ends what is generated");

    let headings = before.lines().filter(|line| line.starts_with('#'));
    let headings: BTreeSet<_> = headings.map(|line| line.trim_start_matches('#').trim()).collect();
    let astray: Vec<_> = clauses().into_iter().filter(|clause| !headings.contains(clause.source)).collect();
    assert!(astray.is_empty(), "CONTRACT.md has no section for: {astray:#?}");

    let now = generated();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, [before, BEGIN, &now, END, after].concat()).expect("the page can be written");
        return;
    }
    assert!(
        kept == now,
        "CONTRACT.md lists other clauses than there are; UPDATE_PAGES=1 cargo test writes it again"
    );
}
