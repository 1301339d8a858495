//! The fleet benchmark: many tenants, beside what one would take instead of the engine, in one run. Prints one
//! table of medians; asserts nothing about time. BENCHMARKS.md tells what is measured and why that is fair.
//!
//! `cargo bench --bench fleet` (options: `-- --help`)
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

mod child;
mod figure;
mod goals;
mod machine;
mod parameters;
#[path = "../common/spec.rs"]
mod spec;
mod subjects;
mod table;
mod usage;
mod workloads;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use figure::{Figure, Samples};
use parameters::Parameters;
use subjects::Subject;
use workloads::{Round, Size, Workload};

/// The same for all that is measured in Rust: one that frees across threads cheaply, as a busy server would choose.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures fleets of tenants, and prints one table.
#[derive(Parser)]
struct Options {
    /// What to measure (all)
    #[arg(long, value_enum, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// Whom to measure (all)
    #[arg(long, value_enum, value_delimiter = ',')]
    subjects: Vec<Subject>,
    /// Whom not to measure
    #[arg(long, value_enum, value_delimiter = ',')]
    without: Vec<Subject>,
    /// How often everything is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Small sizes, to try the program
    #[arg(long)]
    quick: bool,
    /// Put the table between the marks of this page, too
    #[arg(long)]
    write: Option<PathBuf>,
    /// Run one workload: workload, subject, key=value…
    #[arg(long, hide = true, num_args = 2..)]
    child: Vec<String>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// As many as the machine has that the goals are for.
const WORKERS: usize = 2;

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(WORKERS).enable_all().build().expect("a runtime")
}

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = if options.child.is_empty() { measure(&options) } else { be_child(&options.child) };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stderr, reason = "what is not a figure goes there")]
fn report(line: &str) {
    eprintln!("{line}");
}

fn be_child(words: &[String]) -> Result<(), Box<dyn Error>> {
    let [workload, subject, parameters @ ..] = words else {
        return Err("a child is given a workload and a subject".into());
    };
    let (workload, subject) = (Workload::from_str(workload, false)?, Subject::from_str(subject, false)?);
    let parameters: Parameters = parameters.iter().cloned().collect();
    for figure in workload.run(subject, &parameters) {
        println!("{}", serde_json::to_string(&figure)?);
    }
    Ok(())
}

/// Measures everything, a round of all after the other.
fn measure(options: &Options) -> Result<(), Box<dyn Error>> {
    let workloads = if options.workloads.is_empty() { Workload::all() } else { &options.workloads };
    let size = if options.quick { Size::Quick } else { Size::Full };
    let wanted = |subject: &Subject| {
        (options.subjects.is_empty() || options.subjects.contains(subject))
            && !options.without.contains(subject)
    };
    let folder = tempfile::tempdir()?;
    let mut samples = Samples::default();
    for round in 1..=options.rounds {
        for workload in workloads {
            for subject in workload.subjects().iter().filter(|subject| wanted(subject)) {
                report(&format!("round {round} of {}: {workload}, {subject}", options.rounds));
                let round_now = Round { number: round, size, folder: folder.path(), samples: &samples };
                let mut figures: Vec<Figure> = Vec::new();
                for parameters in workload.children(*subject, &round_now)? {
                    figures.extend(child::figures(*workload, *subject, &parameters)?);
                }
                figures.extend(workload.derived(&figures));
                samples.add(round, *workload, *subject, figures)?;
            }
        }
    }
    let text = page(options, workloads, &samples);
    println!("{text}");
    match &options.write {
        Some(path) => write_between_marks(path, &text),
        None => Ok(()),
    }
}

/// The machine, the table and what was not reached.
fn page(options: &Options, workloads: &[Workload], samples: &Samples) -> String {
    let mut text = format!("{}\nMedians of {} rounds.", machine::describe(), options.rounds);
    if options.quick {
        text.push_str(" **Small sizes, to try the program: these are no results.**");
    }
    if !options.without.is_empty() {
        let without: Vec<String> = options.without.iter().map(Subject::to_string).collect();
        text.push_str(&format!(" Left out: {}.", without.join(", ")));
    }
    format!("{text}\n\n{}\n\n{}", table::table(samples, workloads), table::summary(samples, workloads))
}

/// Replaces what is between the two marks of a page.
fn write_between_marks(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    const MARKS: [&str; 2] = ["<!-- figures: begin -->\n", "<!-- figures: end -->"];
    let page = std::fs::read_to_string(path)?;
    let parts =
        page.split_once(MARKS[0]).and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let Some((before, after)) = parts else {
        return Err(
            format!("{} lacks the marks {:?}, between which the figures go", path.display(), MARKS).into()
        );
    };
    std::fs::write(path, format!("{before}{}\n{text}\n{}{after}", MARKS[0], MARKS[1]))?;
    Ok(())
}
