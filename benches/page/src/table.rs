//! A small table: a row for each subject, columns of measures.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table as Grid};

use crate::goals::engine_beside;
use crate::keeping_up::kept_up;
use crate::names::{Subject, Workload};
use crate::results::Results;

/// What one table tells of a workload.
pub(crate) struct Table {
    /// The loads of open loops, which the names of their measures end with. A subject that did not keep up with one has
    /// no figures of it.
    pub(crate) loads: Vec<String>,
    pub(crate) columns: Vec<Column>,
}

/// Tells something of each subject.
pub(crate) struct Column {
    header: String,
    cell: Cell,
}

/// What of a measure.
enum Cell {
    /// The median, times a number.
    Median(String, f64),
    /// The smallest and the largest of the rounds.
    Range(String),
    /// In the row of a baseline: how many times its figure the engine's is.
    EngineOverThis(String),
}

impl Column {
    pub(crate) fn median(header: impl Into<String>, measure: impl Into<String>) -> Self {
        Self { header: header.into(), cell: Cell::Median(measure.into(), 1.0) }
    }

    pub(crate) fn part(header: impl Into<String>, measure: impl Into<String>, part: f64) -> Self {
        Self { header: header.into(), cell: Cell::Median(measure.into(), part) }
    }

    pub(crate) fn range(header: impl Into<String>, measure: impl Into<String>) -> Self {
        Self { header: header.into(), cell: Cell::Range(measure.into()) }
    }

    pub(crate) fn ratio(header: impl Into<String>, measure: impl Into<String>) -> Self {
        Self { header: header.into(), cell: Cell::EngineOverThis(measure.into()) }
    }

    fn shown(&self, results: &Results, workload: Workload, subject: Subject) -> Option<String> {
        match &self.cell {
            Cell::Median(measure, part) => {
                let (unit, spread) = results.spread(workload, measure, subject)?;
                Some(unit.show(spread.median * part))
            }
            Cell::Range(measure) => {
                let (unit, spread) = results.spread(workload, measure, subject)?;
                Some(format!("{} … {}", unit.show(spread.min), unit.show(spread.max)))
            }
            Cell::EngineOverThis(measure) => {
                let ratio = results.ratio(workload, measure, engine_beside(subject)?, subject)?;
                Some(format!("{ratio:.2} ×"))
            }
        }
    }
}

/// What a subject has in place of figures when it did not keep up.
pub(crate) const DID_NOT_KEEP_UP: &str = "did not keep up";

impl Table {
    pub(crate) fn of(columns: Vec<Column>) -> Self {
        Self { loads: Vec::new(), columns }
    }

    /// As Markdown. Rows and columns without any figure are left out; none is left when nothing was measured.
    pub(crate) fn markdown(&self, results: &Results, workload: Workload) -> Option<String> {
        let rows: Vec<(Subject, Vec<String>)> = results
            .subjects(workload)
            .into_iter()
            .map(|subject| (subject, self.row(results, workload, subject)))
            .filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()))
            .collect();
        let used =
            |at: usize| rows.iter().any(|(_, cells)| cells.get(at).is_some_and(|cell| !cell.is_empty()));
        let used: Vec<usize> = (0..self.columns.len()).filter(|at| used(*at)).collect();
        if used.is_empty() {
            return None;
        }
        let mut grid = Grid::new();
        grid.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
        let headers = used.iter().filter_map(|at| Some(self.columns.get(*at)?.header.clone()));
        grid.set_header(std::iter::once(String::new()).chain(headers));
        for (subject, cells) in &rows {
            let cells = used.iter().filter_map(|at| cells.get(*at).cloned());
            grid.add_row(std::iter::once(format!("`{subject}`")).chain(cells));
        }
        for at in 1..=used.len() {
            if let Some(column) = grid.column_mut(at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Some(grid.to_string())
    }

    /// A cell for each column; empty where there is nothing to tell.
    fn row(&self, results: &Results, workload: Workload, subject: Subject) -> Vec<String> {
        let mut told = Vec::new();
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let measure = match &column.cell {
                Cell::Median(measure, _) | Cell::Range(measure) | Cell::EngineOverThis(measure) => measure,
            };
            let load = self.loads.iter().find(|load| measure.ends_with(load.as_str()));
            let kept_up = |subject| load.is_none_or(|load| kept_up(results, workload, load, subject));
            cells.push(match &column.cell {
                Cell::EngineOverThis(_) if !engine_beside(subject).is_none_or(kept_up) => String::new(),
                Cell::Median(..) | Cell::Range(_) | Cell::EngineOverThis(_) if kept_up(subject) => {
                    column.shown(results, workload, subject).unwrap_or_default()
                }
                Cell::Median(..) if !told.contains(&load) => {
                    told.push(load);
                    DID_NOT_KEEP_UP.to_owned()
                }
                Cell::Median(..) | Cell::Range(_) | Cell::EngineOverThis(_) => String::new(),
            });
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Figure;
    use crate::unit::Unit;

    /// A call takes the engine 2 ms, bare tokio 1 ms and Erlang 500 ms, of which the last two settle so many in time.
    fn table(engine: f64, erlang: f64) -> String {
        let mut results = Results::default();
        let of = [
            (Subject::LandlordMemory, 0.002, engine),
            (Subject::BareTokio, 0.001, 1.0),
            (Subject::Erlang, 0.5, erlang),
        ];
        for (subject, call, share) in of {
            let figures = vec![
                Figure::new("maximum", Unit::PerSecond, 1000.0),
                Figure::new("call_at_90_percent", Unit::Seconds, call),
                Figure::new("settled_in_time_at_90_percent", Unit::Times, share),
            ];
            results.add(1, Workload::Latency, subject, figures).expect("new");
        }
        let columns = vec![
            Column::part("offered", "maximum", 0.9),
            Column::median("call", "call_at_90_percent"),
            Column::range("min … max", "call_at_90_percent"),
            Column::ratio("engine ÷ this", "call_at_90_percent"),
            Column::median("never measured", "nothing"),
        ];
        let table = Table { loads: vec!["at_90_percent".to_owned()], columns };
        table.markdown(&results, Workload::Latency).expect("it was measured")
    }

    #[test]
    fn one_that_did_not_keep_up_has_no_figure_and_no_ratio() {
        assert_eq!(
            table(0.95, 0.4),
            "\
|                   | offered |            call |         min … max | engine ÷ this |
|-------------------|---------|-----------------|-------------------|---------------|
| `landlord-memory` |  900 /s |         2.00 ms | 2.00 ms … 2.00 ms |               |
| `bare-tokio`      |  900 /s |         1.00 ms | 1.00 ms … 1.00 ms |        2.00 × |
| `erlang`          |  900 /s | did not keep up |                   |               |"
        );
    }

    #[test]
    fn nothing_is_compared_with_an_engine_that_did_not_keep_up() {
        let table = table(0.4, 1.0);
        assert!(table.contains("| `landlord-memory` |  900 /s | did not keep up |"), "{table}");
        assert!(table.contains("500 ms"), "{table}");
        assert!(!table.contains('÷'), "{table}");
    }

    #[test]
    fn a_workload_that_was_not_measured_has_no_table() {
        let table = Table::of(vec![Column::median("idle", "idle")]);
        assert_eq!(table.markdown(&Results::default(), Workload::Memory), None);
    }
}
