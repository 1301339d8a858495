//! The part of BENCHMARKS.md that is made of results, and how it gets there.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table as Grid};

use crate::goals::{GOALS, Outcome};
use crate::layout::{Section, sections};
use crate::results::Results;

/// Between these lines of the page is what is generated.
const MARKS: [&str; 2] = ["<!-- figures: begin -->\n", "<!-- figures: end -->"];

/// The goals and what came of them, the tables of each workload, and what all was measured on.
pub fn page(results: &Results) -> String {
    let mut text = goals(results);
    for section in sections() {
        text.push_str(&markdown(&section, results));
    }
    text.push_str("## The run\n\n");
    for (name, value) in results.facts() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "- {name}: {value}");
    }
    text
}

/// A table of the goals of all workloads that were measured.
fn goals(results: &Results) -> String {
    let mut grid = Grid::new();
    grid.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    grid.set_header(["goal", "figure", "outcome"]);
    let (mut count, mut reached) = (0, 0);
    for goal in GOALS.iter().filter(|goal| !results.subjects(goal.workload()).is_empty()) {
        count += 1;
        let (figure, word) = match goal.outcome(results) {
            Outcome::Reached(figure) => {
                reached += 1;
                (figure, "reached")
            }
            Outcome::Missed(figure) => (figure, "**missed**"),
            Outcome::NotMeasured => (String::new(), "not measured"),
        };
        grid.add_row([goal.title(), figure, word.to_owned()]);
    }
    if count == 0 {
        return String::new();
    }
    if let Some(column) = grid.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("## Goals\n\n{reached} of {count} are reached. They are for two cores.\n\n{grid}\n\n")
}

fn markdown(section: &Section, results: &Results) -> String {
    let mut text = String::new();
    for (title, table) in &section.tables {
        let Some(table) = table.markdown(results, section.workload) else { continue };
        if let Some(title) = title {
            let _ = writeln!(text, "**{title}**\n");
        }
        let _ = writeln!(text, "{table}\n");
    }
    if text.is_empty() { text } else { format!("## {}\n\n{}\n\n{text}", section.title, section.about) }
}

/// Why a page cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The file is not there, or cannot be written.
    #[error("{} cannot be read or written: {cause}", path.display())]
    File {
        /// The page.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The program does not know where the figures go.
    #[error("{} lacks the lines {MARKS:?}, between which the figures go", .0.display())]
    NoMarks(PathBuf),
}

/// What is before, between and after the marks of a page.
fn split<'t>(path: &Path, text: &'t str) -> Result<[&'t str; 3], PageError> {
    let parts = text.split_once(MARKS[0]).and_then(|(before, rest)| {
        let (between, after) = rest.split_once(MARKS[1])?;
        Some([before, between, after])
    });
    parts.ok_or_else(|| PageError::NoMarks(path.to_owned()))
}

fn read(path: &Path) -> Result<String, PageError> {
    std::fs::read_to_string(path).map_err(|cause| PageError::File { path: path.to_owned(), cause })
}

/// What is between the marks of a page.
///
/// # Errors
/// [`PageError`] when the page is not there or has no marks.
pub fn between_marks(path: &Path) -> Result<String, PageError> {
    let text = read(path)?;
    let [_, between, _] = split(path, &text)?;
    Ok(between.trim().to_owned())
}

/// Replaces what is between the marks of a page.
///
/// # Errors
/// [`PageError`] when the page is not there, has no marks or cannot be written.
pub fn replace_between_marks(path: &Path, text: &str) -> Result<(), PageError> {
    let page = read(path)?;
    let [before, _, after] = split(path, &page)?;
    let page = format!("{before}{}\n{}\n\n{}{after}", MARKS[0], text.trim(), MARKS[1]);
    std::fs::write(path, page).map_err(|cause| PageError::File { path: path.to_owned(), cause })
}
