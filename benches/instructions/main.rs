//! How many instructions a transition takes and how much heap an idle tenant holds, as Valgrind counts them. Both
//! repeat within one percent, on a busy machine too, so they show a change that times would hide.
//!
//! `cargo bench --bench instructions`, with `-- memory` or `-- sqlite` for one store only, and `-- --figures` before that
//! for JSON; `-- --watched` before the stores says what it costs to be watched: by nobody, by a watcher that does nothing, by
//! `landlord-telemetry` without a receiver, and with one for metrics and traces. Needs Valgrind.
//!
//! One engine runs N tenants, and another one 4 N. The difference of the two counts, divided by the 3 N, leaves out what
//! a start costs. All threads are counted: SQLite's writer runs on a thread of its own.
//!
//! What makes the counts repeat: the engine runs on one thread, jitter has a fixed seed, Valgrind lets threads take
//! turns, and the allocator is the system's with one heap (mimalloc, which the other benchmarks use, varies by 2 %).
//! What is left comes from the random seeds of hash tables (0.3 %), and over SQLite from the sizes of the batches (1 %).
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

#[path = "../common/engine.rs"]
mod engine;
mod program;
#[path = "../common/spec.rs"]
mod spec;
mod valgrind;
mod watched;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use landlord_benchmark_page::{Figure, Unit};

use program::{Program, StoreKind, Watch, Work};
use valgrind::ValgrindError;

fn main() -> ExitCode {
    // Cargo gives it to every benchmark.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match run(&words) {
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

fn run(words: &[String]) -> Result<(), Box<dyn Error>> {
    if let [child, work, store, watch, tenants, folder] = words
        && child == valgrind::CHILD
    {
        let folder = PathBuf::from(folder);
        let (work, store, watch) = (work.parse()?, store.parse()?, watch.parse()?);
        return Program { work, store, watch, tenants: tenants.parse()?, folder }.run();
    }
    if words == [watched::RECEIVER] {
        return watched::receive();
    }
    let (as_json, words) = match words {
        [first, rest @ ..] if first == "--figures" => (true, rest),
        all => (false, all),
    };
    let (watched, words) = match words {
        [first, rest @ ..] if first == "--watched" => (true, rest),
        all => (false, all),
    };
    let stores = words.iter().map(|word| word.parse()).collect::<Result<Vec<StoreKind>, _>>()?;
    let stores = if stores.is_empty() { vec![StoreKind::Memory, StoreKind::Sqlite] } else { stores };
    for store in stores {
        if watched {
            compare(store)?;
            continue;
        }
        for figure in counted(store)? {
            if as_json {
                println!("{}", serde_json::to_string(&figure)?);
            } else {
                println!("{store}: {} {}", Unit::Count.show(figure.value), words_for(&figure));
            }
        }
    }
    Ok(())
}

/// What is counted of a store. Over SQLite the heap is mostly SQLite's cache of pages, which has a limit: it says nothing
/// about a tenant.
fn counted(store: StoreKind) -> Result<Vec<Figure>, ValgrindError> {
    let instructions = valgrind::each(Work::Lives, store, Watch::Nobody)?;
    let mut figures = vec![Figure::new("instructions", Unit::Count, instructions)];
    if store == StoreKind::Memory {
        figures.push(Figure::new("heap", Unit::Bytes, valgrind::each(Work::Idle, store, Watch::Nobody)?));
    }
    Ok(figures)
}

/// What it costs to be watched, beside an engine that is not.
fn compare(store: StoreKind) -> Result<(), ValgrindError> {
    let mut unwatched = None;
    for watch in Watch::ALL {
        let count = valgrind::each(Work::Lives, store, watch)?;
        let of = *unwatched.get_or_insert(count);
        let (shown, more) = (Unit::Count.show(count), 100.0 * (count - of) / of);
        println!("{store}, {watch}: {shown} instructions a transition ({more:+.1} %)");
    }
    Ok(())
}

fn words_for(figure: &Figure) -> &'static str {
    match figure.unit {
        Unit::Bytes => "bytes of heap an idle tenant",
        Unit::Count | Unit::PerSecond | Unit::Seconds | Unit::Times => "instructions a transition",
    }
}
