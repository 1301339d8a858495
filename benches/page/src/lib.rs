//! What a run of the fleet benchmark recorded, and how it is told: as CSV, and as the part of BENCHMARKS.md that is
//! generated.
//!
//! [`Results`] holds the figures, in SI base units, of each round. [`page()`] makes Markdown of them: the goals first
//! and how each came out, then a small table or a few for each [`Workload`]. The CSV holds the same results, so the page
//! can be made again from it.

mod file;
mod goals;
mod keeping_up;
mod layout;
mod names;
mod page;
mod results;
mod table;
mod unit;

pub use file::{FileError, RowError, read, write};
pub use goals::baselines;
pub use keeping_up::settled_in_time;
pub use names::{Subject, UnknownName, Workload};
pub use page::{PageError, between_marks, page, replace_between_marks};
pub use results::{Figure, Results, Spread, Twice};
pub use unit::Unit;
