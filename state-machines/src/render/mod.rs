//! Pages about machines: a Mermaid diagram and tables, in Markdown.
//!
//! [`state_diagram`], [`diagram_of`], [`table`] and [`fold`] know no machine. What they are given comes from running
//! one, never from hand, so that a page shows what the code does.

mod matrix;
mod spec;
mod tenant;
mod words;

pub use spec::{Says, spec_page};
pub use tenant::{tenant_diagram, tenant_page};

/// The first diagram of a page.
pub fn diagram_of(page: &str) -> &str {
    let body = page.split_once("```mermaid\n").map_or("", |(_, body)| body);
    body.split_once("```").map_or(body, |(diagram, _)| diagram)
}

/// Stands in an [`Edge`] for the state of what does not exist yet, or no more.
pub const OUTSIDE: &str = "[*]";

/// An arrow of a state diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge<'a> {
    /// Where it begins.
    pub from: &'a str,
    /// Where it ends.
    pub to: &'a str,
    /// What causes it.
    pub cause: &'a str,
}

/// The edges as a Mermaid state diagram. Those between the same two states become one arrow, which names each
/// cause once.
pub fn state_diagram(edges: &[Edge<'_>]) -> String {
    let mut arrows: Vec<(&Edge<'_>, Vec<&str>)> = Vec::new();
    for edge in edges {
        match arrows.iter_mut().find(|(first, _)| first.from == edge.from && first.to == edge.to) {
            Some((_, causes)) if causes.contains(&edge.cause) => {}
            Some((_, causes)) => causes.push(edge.cause),
            None => arrows.push((edge, vec![edge.cause])),
        }
    }
    let mut diagram = "stateDiagram-v2\n".to_owned();
    for (Edge { from, to, .. }, causes) in arrows {
        diagram += &format!("    {from} --> {to}: {}\n", causes.join(", "));
    }
    diagram
}

/// A Markdown table.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut table = line(head.to_vec());
    table += &line(vec!["---"; N]);
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        table += &line(cells.iter().map(String::as_str).collect());
    }
    table
}

/// Keys with equal values become one entry that lists them all, at the place of the first.
pub fn fold<K, V: PartialEq>(entries: impl IntoIterator<Item = (K, V)>) -> Vec<(Vec<K>, V)> {
    let mut folded: Vec<(Vec<K>, V)> = Vec::new();
    for (key, value) in entries {
        match folded.iter_mut().find(|(_, earlier)| *earlier == value) {
            Some((keys, _)) => keys.push(key),
            None => folded.push((vec![key], value)),
        }
    }
    folded
}
