//! Where the program writes: results on stdout, progress, errors and the log on stderr.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets};
use console::{Term, measure_text_width, truncate_str};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tracing_subscriber::fmt::MakeWriter;

use super::args::Format;
use super::failure::Failure;
use super::hints::Hints;

/// How wide a text is where there is no terminal and `COLUMNS` says nothing.
const WIDTH: u16 = 120;
/// How wide a list is there: as wide as what it holds, for `grep` and the like.
const UNBOUNDED: u16 = u16::MAX;

/// Writes for people or for programs. Clones share one progress line.
#[derive(Clone)]
pub(crate) struct Screen {
    format: Format,
    hints: Hints,
    progress: Progress,
}

/// How the progress of an operation is shown.
#[derive(Clone)]
enum Progress {
    /// On one line that changes.
    Line(ProgressBar),
    /// A line each, where there is no terminal. Holds the last, which is not said twice in a row.
    Lines(Arc<Mutex<String>>),
    /// Not at all: the output is for programs.
    None,
}

impl Screen {
    pub(crate) fn new(format: Format, hints: Hints) -> Self {
        let progress = match format {
            Format::Json | Format::Yaml => Progress::None,
            Format::Table | Format::Wide | Format::Name if io::stderr().is_terminal() => {
                let bar = ProgressBar::new_spinner();
                // The template is a constant; were it wrong, the line would look plain.
                if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
                    bar.set_style(style);
                }
                Progress::Line(bar)
            }
            Format::Table | Format::Wide | Format::Name => Progress::Lines(Arc::default()),
        };
        Self { format, hints, progress }
    }

    /// For whom it writes.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether programs read it.
    pub(crate) fn is_for_programs(&self) -> bool {
        match self.format {
            Format::Json | Format::Yaml => true,
            Format::Table | Format::Wide | Format::Name => false,
        }
    }

    /// A text whose commands work where they are.
    pub(crate) fn complete(&self, text: &str) -> String {
        self.hints.complete(text)
    }

    /// A result: one document for programs, a text for people.
    pub(crate) fn show(
        &self,
        document: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.print(&to_json(document)?),
            Format::Yaml => self.print(&to_yaml(document)?),
            Format::Table | Format::Wide | Format::Name => self.print(&self.hints.complete(&text())),
        }
    }

    /// One result of several: a document for programs, a line for people.
    pub(crate) fn show_one(
        &self,
        document: &impl Serialize,
        line: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.print(&to_json(document)?),
            Format::Yaml => self.print(&format!("---\n{}", to_yaml(document)?)),
            Format::Table | Format::Wide | Format::Name => self.print(&line()),
        }
    }

    /// Lines on stdout.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let write = || {
            let mut out = io::stdout().lock();
            writeln!(out, "{}", text.trim_end())?;
            out.flush()
        };
        self.above_progress(write).map_err(|error| {
            if error.kind() == ErrorKind::BrokenPipe { Failure::ReaderGone } else { Failure::Output(error) }
        })
    }

    /// Something for a person beside the result, on stderr.
    pub(crate) fn note(&self, text: &str) {
        match self.format {
            Format::Json | Format::Yaml => {}
            Format::Table | Format::Wide | Format::Name => self.complain(&self.hints.complete(text)),
        }
    }

    /// Why the command was not done.
    pub(crate) fn fail(&self, failure: &Failure) {
        match self.format {
            Format::Json => self.complain(&failure.json(&self.hints).to_string()),
            Format::Yaml => {
                let document = failure.json(&self.hints);
                self.complain(to_yaml(&document).unwrap_or_else(|_| document.to_string()).trim_end());
            }
            Format::Table | Format::Wide | Format::Name => {
                let error = console::style("error:").for_stderr().red().bold();
                self.complain(&format!("{error} {}", failure.text(&self.hints)));
            }
        }
    }

    /// What an operation is at.
    pub(crate) fn progress(&self, text: &str) {
        match &self.progress {
            Progress::Line(bar) => {
                if bar.is_finished() {
                    bar.reset();
                }
                bar.enable_steady_tick(Duration::from_millis(100));
                bar.set_message(text.to_owned());
            }
            Progress::Lines(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if *last != text {
                    self.complain(text);
                    text.clone_into(&mut last);
                }
            }
            Progress::None => {}
        }
    }

    /// Whether lines are shown that change.
    pub(crate) fn has_region(&self) -> bool {
        matches!(self.progress, Progress::Line(_))
    }

    /// What several operations are at, in lines that change; nothing where there is no terminal.
    pub(crate) fn region(&self, lines: &[String]) {
        let Progress::Line(bar) = &self.progress else { return };
        let width = usize::from(Term::stderr().size().1).saturating_sub(1);
        let lines: Vec<_> = lines.iter().map(|line| truncate_str(line, width, "…")).collect();
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        if bar.is_finished() {
            bar.reset();
        }
        bar.set_message(lines.join("\n"));
    }

    /// The longest time from one line to the next while something is waited for: a line that changes is kept up to
    /// date, a line each is written less and less often.
    pub(crate) fn patience(&self) -> Duration {
        match &self.progress {
            Progress::Line(_) => Duration::from_secs(1),
            Progress::Lines(_) | Progress::None => Duration::from_secs(60),
        }
    }

    /// Nothing is on its way any more.
    pub(crate) fn end_progress(&self) {
        match &self.progress {
            Progress::Line(bar) => bar.finish_and_clear(),
            Progress::Lines(_) | Progress::None => {}
        }
    }

    fn complain(&self, text: &str) {
        // There is nowhere left to say that this did not work.
        let _ = self.above_progress(|| writeln!(io::stderr(), "{text}"));
    }

    fn above_progress<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.progress {
            Progress::Line(bar) => bar.suspend(write),
            Progress::Lines(_) | Progress::None => write(),
        }
    }
}

fn to_json(document: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(document).map_err(|error| Failure::Output(error.into()))
}

/// The same document as in JSON.
fn to_yaml(document: &impl Serialize) -> Result<String, Failure> {
    let document = serde_json::to_value(document).map_err(|error| Failure::Output(error.into()))?;
    yaml(&document)
}

/// A text that YAML 1.2 reads as the same document.
pub(crate) fn yaml(document: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(document).map_err(|error| Failure::Output(io::Error::other(error)))
}

/// A table without lines, as wide as the terminal. What does not fit goes on in the next line.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.set_header(head).add_rows(rows);
    laid_out(table, width().unwrap_or(WIDTH))
}

/// A table without lines, a line for each row. What does not fit into a terminal is cut, of the last column first.
pub(crate) fn list<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    laid_out_list(head, rows, width().unwrap_or(UNBOUNDED))
}

fn laid_out_list<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: u16,
) -> String {
    let mut table = Table::new();
    table.set_header(head).add_rows(rows.into_iter().map(one_line)).set_truncation_indicator("…");
    for column in table.column_iter_mut().take(N.saturating_sub(1)) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    laid_out(table, width)
}

/// A list whose last column is a remark. In a terminal where it does not fit it is below its row, in a line.
pub(crate) fn list_with_remarks<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let wide = laid_out_list(head, rows.clone(), UNBOUNDED);
    let Some(width) = width().map(usize::from) else { return wide };
    if wide.lines().all(|line| measure_text_width(line) <= width) {
        return wide;
    }
    let remarks: Vec<String> = rows.iter().map(|row| row[N - 1].clone()).collect();
    let without = rows.into_iter().map(|mut row| {
        row[N - 1].clear();
        row
    });
    let mut without_head = head;
    without_head[N - 1] = "";
    let narrow = list(without_head, without);
    let mut lines = narrow.lines();
    let mut text =
        lines.next().map(|head| format!("{}\n", truncate_str(head, width, ""))).unwrap_or_default();
    for (line, remark) in lines.zip(remarks) {
        text += &format!("{}\n", truncate_str(line, width, "…"));
        if !remark.is_empty() {
            text += &format!("{}\n", truncate_str(&format!("  {remark}"), width, "…"));
        }
    }
    text
}

fn one_line<const N: usize>(cells: [String; N]) -> Row {
    let mut row = Row::from(cells.map(|cell| cell.lines().collect::<Vec<_>>().join(" ")));
    row.max_height(1);
    row
}

/// Names and their values, one below the other.
pub(crate) fn pairs(rows: impl IntoIterator<Item = [String; 2]>) -> String {
    let mut table = Table::new();
    table.add_rows(rows);
    laid_out(table, width().unwrap_or(WIDTH))
}

/// A text after a head; what does not fit into the line goes on below, as far to the right as it began.
pub(crate) fn hanging(head: &str, text: &str) -> String {
    let indent = measure_text_width(head);
    let room = usize::from(width().unwrap_or(WIDTH)).saturating_sub(indent).max(20);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(word);
                continue;
            }
            if measure_text_width(line) + 1 + measure_text_width(word) <= room {
                line.push(' ');
                line.push_str(word);
                continue;
            }
        }
        lines.push(word.to_owned());
    }
    let margin = " ".repeat(indent);
    let mut before = std::iter::once(head).chain(std::iter::repeat(margin.as_str()));
    lines.iter().map(|line| format!("{}{line}\n", before.next().unwrap_or_default())).collect()
}

/// How wide the terminal is; else what the shell says.
fn width() -> Option<u16> {
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    Term::stdout().size_checked().map(|(_, columns)| columns).or_else(columns)
}

fn laid_out(mut table: Table, width: u16) -> String {
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // Without the padding at the end of a line.
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The log goes to stderr, and not into the progress line.
impl MakeWriter<'_> for Screen {
    type Writer = LogLine;

    fn make_writer(&self) -> LogLine {
        LogLine(self.clone())
    }
}

/// One line of the log.
pub(crate) struct LogLine(Screen);

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.above_progress(|| io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
