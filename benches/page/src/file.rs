//! Results as CSV: a row for each figure, with the columns workload, measure, subject, round, unit and value.
//!
//! The rows of the workload `run` say what it ran on and have a text as their value. A run whose rounds were not kept
//! has `median`, `min` and `max` for a round, and its ratios as rows of two subjects (`landlord-memory/erlang`): a ratio
//! is a median of rounds, which cannot be had from the medians.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::names::{Subject, UnknownName, Workload};
use crate::results::{Figure, Key, Results, Spread, Twice, Values};
use crate::unit::Unit;

/// What the workload of a row is called that says something about the run.
const RUN: &str = "run";
/// Between a subject and its baseline.
const OVER: char = '/';

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    workload: String,
    measure: String,
    subject: String,
    round: String,
    unit: String,
    value: String,
}

/// Why results cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is not there, or is no CSV with these columns.
    #[error("{} cannot be read or written as CSV: {cause}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What the reader or writer says.
        cause: csv::Error,
    },
    /// The disk is full, perhaps.
    #[error("{} cannot be written: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A row says nothing that this program understands.
    #[error("row {row} of {}: {cause}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Its number; the first one below the header is 1.
        row: usize,
        /// What is wrong with it.
        cause: RowError,
    },
}

/// What is wrong with a row.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// There is no such workload or subject.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// There is no such unit.
    #[error("{0:?} is no unit")]
    Unit(String),
    /// A value is a number.
    #[error("{0:?} is no number")]
    Value(String),
    /// A round is a number, or one of a series' three ends.
    #[error("{0:?} is no round: a number, or median, min and max in this order")]
    Round(String),
    /// The figure was there already.
    #[error(transparent)]
    Twice(#[from] Twice),
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// [`FileError`] names the row that cannot be read.
pub fn read(path: &Path) -> Result<Results, FileError> {
    let csv = |cause| FileError::Csv { path: path.to_owned(), cause };
    let mut rows = csv::Reader::from_path(path).map_err(csv)?.into_deserialize::<Row>();
    let (mut results, mut number) = (Results::default(), 0);
    while let Some(row) = rows.next() {
        number += 1;
        let first = row.map_err(csv)?;
        let rest: Vec<Row> = match first.round.as_str() {
            // The next two are of the same series.
            "median" if !first.subject.contains(OVER) => {
                rows.by_ref().take(2).collect::<Result<_, _>>().map_err(csv)?
            }
            _ => Vec::new(),
        };
        let added = add(&mut results, &first, &rest);
        added.map_err(|cause| FileError::Row { path: path.to_owned(), row: number, cause })?;
        number += rest.len();
    }
    Ok(results)
}

/// Adds a row, or three of a series whose rounds were not kept.
fn add(results: &mut Results, first: &Row, rest: &[Row]) -> Result<(), RowError> {
    if first.workload == RUN {
        results.note(first.measure.clone(), first.value.clone());
        return Ok(());
    }
    let workload: Workload = first.workload.parse()?;
    if let Some((subject, baseline)) = first.subject.split_once(OVER) {
        let key = Key::new(workload, &first.measure, subject.parse()?);
        results.add_ratio(key, baseline.parse()?, first.value()?);
        return Ok(());
    }
    let subject: Subject = first.subject.parse()?;
    let unit = Unit::of_symbol(&first.unit).ok_or_else(|| RowError::Unit(first.unit.clone()))?;
    if first.round != "median" {
        let round = first.round.parse().map_err(|_| RowError::Round(first.round.clone()))?;
        let figure = Figure::new(first.measure.clone(), unit, first.value()?);
        return Ok(results.add(round, workload, subject, vec![figure])?);
    }
    let of_series = |row: &Row, round: &str| {
        let same = Row { round: first.round.clone(), value: first.value.clone(), ..row.clone() } == *first;
        if same && row.round == round { row.value() } else { Err(RowError::Round(row.round.clone())) }
    };
    let [min, max] = rest else { return Err(RowError::Round(first.round.clone())) };
    let spread = Spread { median: first.value()?, min: of_series(min, "min")?, max: of_series(max, "max")? };
    Ok(results.add_summary(Key::new(workload, &first.measure, subject), unit, spread)?)
}

impl Row {
    fn value(&self) -> Result<f64, RowError> {
        self.value.parse().map_err(|_| RowError::Value(self.value.clone()))
    }

    fn of(key: &Key, round: impl ToString, unit: Unit, value: f64) -> Self {
        Self {
            workload: key.workload.to_string(),
            measure: key.measure.clone(),
            subject: key.subject.to_string(),
            round: round.to_string(),
            unit: unit.symbol().to_owned(),
            value: value.to_string(),
        }
    }
}

/// Writes all results to a file, which is made anew.
///
/// # Errors
/// [`FileError`] when the file cannot be written.
pub fn write(results: &Results, path: &Path) -> Result<(), FileError> {
    let csv = |cause| FileError::Csv { path: path.to_owned(), cause };
    let mut writer = csv::Writer::from_path(path).map_err(csv)?;
    for row in rows(results) {
        writer.serialize(row).map_err(csv)?;
    }
    writer.flush().map_err(|cause| FileError::Write { path: path.to_owned(), cause })
}

fn rows(results: &Results) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, value) in results.facts() {
        rows.push(Row {
            workload: RUN.to_owned(),
            measure: name.clone(),
            subject: String::new(),
            round: String::new(),
            unit: String::new(),
            value: value.clone(),
        });
    }
    for (key, series) in results.all() {
        match &series.values {
            Values::Rounds(rounds) => {
                rows.extend(rounds.iter().map(|(round, value)| Row::of(key, round, series.unit, *value)));
            }
            Values::Summary(Spread { min, median, max }) => {
                let named = [("median", median), ("min", min), ("max", max)];
                rows.extend(named.map(|(round, value)| Row::of(key, round, series.unit, *value)));
            }
        }
    }
    for (key, baseline, ratio) in results.ratios() {
        let row = Row::of(key, "median", Unit::Times, ratio);
        rows.push(Row { subject: format!("{}{OVER}{baseline}", key.subject), ..row });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut results = Results::default();
        results.note("processor", "one, with \"two\" cores");
        for round in [1, 2] {
            let figure = Figure::new("call_p99_at_50_percent", Unit::Seconds, 0.000_134 * f64::from(round));
            let round = usize::try_from(round).expect("small");
            results.add(round, Workload::Latency, Subject::Erlang, vec![figure]).expect("new");
        }
        let key = || Key::new(Workload::Memory, "idle", Subject::LandlordMemory);
        let spread = Spread { min: 1527.0, median: 1530.0, max: 1531.0 };
        results.add_summary(key(), Unit::Bytes, spread).expect("new");
        results.add_ratio(key(), Subject::BareTokio, 0.58);

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.csv");
        write(&results, &path).expect("written");
        assert_eq!(read(&path).expect("read"), results);
    }

    #[test]
    fn a_series_without_one_of_its_ends_is_refused() {
        let row = |round: &str, value: &str| Row {
            workload: "memory".to_owned(),
            measure: "idle".to_owned(),
            subject: "erlang".to_owned(),
            round: round.to_owned(),
            unit: "B".to_owned(),
            value: value.to_owned(),
        };
        let refused = |rest: &[Row]| add(&mut Results::default(), &row("median", "2"), rest).is_err();
        assert!(!refused(&[row("min", "1"), row("max", "3")]));
        assert!(refused(&[row("max", "3"), row("min", "1")]));
        assert!(refused(&[row("min", "1")]));
        assert!(refused(&[row("min", "1"), Row { subject: "restate".to_owned(), ..row("max", "3") }]));
    }
}
