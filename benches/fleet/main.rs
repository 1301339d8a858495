//! The fleet benchmark: many tenants, beside what one would take instead of the engine, in one run. Prints the
//! generated part of BENCHMARKS.md; asserts nothing about time. That page tells what is measured and why it is fair.
//!
//! `cargo bench --bench fleet` (options: `-- --help`)
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

mod child;
mod machine;
mod parameters;
#[path = "../common/spec.rs"]
mod spec;
mod subjects;
mod usage;
mod workloads;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use landlord_benchmark_page::{Figure, Results};

use parameters::Parameters;
use subjects::Subject;
use workloads::{Round, Size, Workload};

/// The same for all that is measured in Rust: one that frees across threads cheaply, as a busy server would choose.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures fleets of tenants, and prints the page of what came of it.
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
    /// Put the tables between the marks of this page, and all figures into a CSV file
    #[arg(long)]
    write: Option<PathBuf>,
    /// Where the figures go when the page is written
    #[arg(long, default_value = "benches/results.csv")]
    results: PathBuf,
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
    let ended = if options.child.is_empty() { page(&options) } else { be_child(&options.child) };
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
    let (workload, subject) = (workload.parse()?, subject.parse()?);
    let parameters: Parameters = parameters.iter().cloned().collect();
    for figure in workloads::run(workload, subject, &parameters) {
        println!("{}", serde_json::to_string(&figure)?);
    }
    Ok(())
}

/// Measures, and prints the page.
fn page(options: &Options) -> Result<(), Box<dyn Error>> {
    let results = measure(options)?;
    let text = landlord_benchmark_page::page(&results);
    println!("{text}");
    if let Some(path) = &options.write {
        landlord_benchmark_page::write(&results, &options.results)?;
        landlord_benchmark_page::replace_between_marks(path, &text)?;
    }
    Ok(())
}

/// Measures everything, a round of all after the other.
fn measure(options: &Options) -> Result<Results, Box<dyn Error>> {
    let workloads = if options.workloads.is_empty() { Workload::all() } else { &options.workloads };
    let size = if options.quick { Size::Quick } else { Size::Full };
    let wanted = |subject: &Subject| {
        (options.subjects.is_empty() || options.subjects.contains(subject))
            && !options.without.contains(subject)
    };
    let folder = tempfile::tempdir()?;
    let mut results = Results::default();
    machine::describe(&mut results);
    describe(options, &mut results);
    for round in 1..=options.rounds {
        for workload in workloads {
            for subject in workloads::subjects(*workload).iter().filter(|subject| wanted(subject)) {
                report(&format!("round {round} of {}: {workload}, {subject}", options.rounds));
                let round_now = Round { number: round, size, folder: folder.path(), results: &results };
                let mut figures: Vec<Figure> = Vec::new();
                for parameters in workloads::children(*workload, *subject, &round_now)? {
                    figures.extend(child::figures(*workload, *subject, &parameters)?);
                }
                figures.extend(workloads::derived(*workload, &figures));
                results.add(round, *workload, *subject, figures)?;
            }
        }
    }
    Ok(results)
}

/// Notes what of everything is measured.
fn describe(options: &Options, results: &mut Results) {
    results.note("rounds", options.rounds.to_string());
    if options.quick {
        results.note("sizes", "**small, to try the program: these are no results**");
    }
    if !options.without.is_empty() {
        let without: Vec<String> = options.without.iter().map(Subject::to_string).collect();
        results.note("left out", without.join(", "));
    }
}
