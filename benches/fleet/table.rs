//! The one table, as Markdown.

use std::fmt::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use crate::figure::{Key, Samples, Series};
use crate::goals::{self, Goal, Outcome};
use crate::subjects::Subject;
use crate::workloads::Workload;

/// Everything that was measured, beside what it is compared with and what it has to reach.
pub(crate) fn table(samples: &Samples, workloads: &[Workload]) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["workload", "measure", "subject", "median", "min … max", "ratio", "goal", ""]);
    for (workload, (key, series)) in workloads
        .iter()
        .flat_map(|workload| samples.rows(*workload).into_iter().map(move |row| (workload, row)))
    {
        let spread = series.spread();
        let (goals, outcomes): (Vec<String>, Vec<&str>) = Goal::of(*workload, &key.measure, key.subject)
            .map(|goal| (goal.words(samples), goal.outcome(samples).word()))
            .unzip();
        table.add_row([
            workload.to_string(),
            key.measure.replace('_', " "),
            key.subject.to_string(),
            series.unit.show(spread.median),
            format!("{} … {}", series.unit.show(spread.least), series.unit.show(spread.most)),
            ratios(samples, key, series),
            goals.join("; "),
            outcomes.join("; "),
        ]);
    }
    for column in [3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// A figure in relation to each of its baselines that was measured.
fn ratios(samples: &Samples, key: &Key, series: &Series) -> String {
    let wanted = Goal::of(key.workload, &key.measure, key.subject).filter_map(Goal::baseline);
    let mut baselines: Vec<Subject> = goals::baselines(key.subject).to_vec();
    for baseline in wanted {
        if !baselines.contains(&baseline) {
            baselines.push(baseline);
        }
    }
    let mut text = String::new();
    for baseline in baselines {
        let Some(other) = samples.series(key.workload, &key.measure, baseline) else { continue };
        let Some(ratio) = series.over(other) else { continue };
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{:.2} × {baseline}", ratio.median);
    }
    text
}

/// How many goals were reached, and which were not.
pub(crate) fn summary(samples: &Samples, workloads: &[Workload]) -> String {
    let mut text = String::new();
    let goals = goals::GOALS.iter().filter(|goal| workloads.contains(&goal.workload()));
    for goal in goals {
        let outcome = goal.outcome(samples);
        if outcome != Outcome::Reached {
            let _ = writeln!(text, "- {}: {}", goal.title(samples), outcome.word());
        }
    }
    if text.is_empty() {
        "Every goal was reached.\n".to_owned()
    } else {
        format!("Goals not reached:\n\n{text}")
    }
}
