//! The provider contract as a kit: any provider is run against every clause of it.
//!
//! A [`Clause`] is one sentence of CONTRACT.md, with a check; that page lists them all. [`run`] checks each of them on a
//! [`Platform`], which is what a provider's author gives: a way to make the provider, a few specs, and a look at what is
//! really there. The [`ConformanceReport`] prints as a table.
//!
//! ```no_run
//! # use landlord_testing::conformance::{self, Platform};
//! # async fn judge(platform: impl Platform) {
//! let report = conformance::run(&platform).await;
//! println!("{report}");
//! report.assert_held();
//! # }
//! ```
//!
//! # Guarantees
//! - A clause is held, broken, or not applicable; the last two say why. A provider that panics or does not come back
//!   breaks the clause and nothing else.
//! - Each clause has engines and tenants of its own, with names that no other run has, so that clauses run beside
//!   each other and runs share a platform. They are destroyed at the end of the clause.
//! - Nothing waits for a time where it can wait for a condition. What is waited for in vain, and how long, is the
//!   platform's to say: [`Patience`].
//!
//! # Assumptions
//! - [`run`] is awaited within a tokio runtime, by the thread that blocks on it: its future stays there. On paused
//!   time it takes no time.
//! - Logs are seen where they are written from within the call's own future.
//!
//! # Caveats
//! - A call is cancelled and dropped where it pauses. What a platform does by itself in between is not faulted: that
//!   is the work of [`faults`](crate::faults), for providers that are planners.

mod bench;
mod clauses;
mod log;
mod platform;
mod report;
mod steps;

pub use clauses::clauses;
pub use platform::{Harm, Patience, Platform, Resource, Unable, Variant};
pub use report::{ConformanceReport, Row};

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;

use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tracing::instrument::WithSubscriber;

use bench::Bench;
use log::Log;

/// How firmly a clause asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It always holds.
    Must,
    /// It holds unless there is a good reason.
    Should,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        })
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The provider does as the clause says.
    Held,
    /// It does not.
    Broken {
        /// What was seen.
        why: String,
    },
    /// The clause says nothing about this provider on this platform.
    NotApplicable {
        /// What is missing.
        why: String,
    },
}

/// Why a check ended before it could say that the clause is held.
enum Stop {
    Broken(String),
    NotApplicable(String),
}

impl From<Unable> for Stop {
    fn from(unable: Unable) -> Self {
        Self::NotApplicable(unable.to_string())
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it said nothing")
}

/// How a check ends.
type Checked = Result<(), Stop>;

/// The check of a clause.
type Check = for<'a> fn(&'a Bench<'a>) -> LocalBoxFuture<'a, Checked>;

/// Ends a check: the clause is broken.
fn broken<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Broken(why.into()))
}

/// Goes on with a check where this holds.
fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { broken(otherwise()) }
}

/// One sentence of the contract, and how it is checked.
#[derive(Clone, Copy)]
pub struct Clause {
    /// Names it: `provision.idempotent`.
    pub id: &'static str,
    /// Where it comes from: a heading of CONTRACT.md.
    pub source: &'static str,
    /// How firmly it asks.
    pub level: Level,
    /// What it says, in a line.
    pub statement: &'static str,
    check: Check,
}

impl Clause {
    /// Checks this clause alone.
    pub async fn check(&self, platform: &dyn Platform) -> Verdict {
        let log = Log::default();
        let bench = Bench::new(platform, self.id, log.clone());
        let dispatch = log.dispatch();
        let check = AssertUnwindSafe((self.check)(&bench)).catch_unwind().with_subscriber(dispatch);
        let checked = check.await;
        bench.clear().await;
        match checked {
            Ok(Ok(())) => Verdict::Held,
            Ok(Err(Stop::Broken(why))) => Verdict::Broken { why },
            Ok(Err(Stop::NotApplicable(why))) => Verdict::NotApplicable { why },
            Err(panic) => Verdict::Broken { why: format!("a panic: {}", words(&*panic)) },
        }
    }
}

impl fmt::Debug for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}): {}", self.id, self.source, self.level, self.statement)
    }
}

/// Checks every clause.
pub async fn run(platform: &dyn Platform) -> ConformanceReport {
    // While there is only one subscriber, an event that a thread without it meets first is switched off for all.
    let _another = Log::default().dispatch();
    let checks = stream::iter(clauses().into_iter().enumerate()).map(|(number, clause)| async move {
        let verdict = clause.check(platform).await;
        let Clause { id, source, level, statement, check: _ } = *clause;
        (number, Row { clause: id, source, level, statement, verdict })
    });
    let mut rows: Vec<(usize, Row)> =
        checks.buffer_unordered(platform.limits().parallel.max(1)).collect().await;
    rows.sort_by_key(|(number, _)| *number);
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    ConformanceReport { provider: platform.provider().name(), rows }
}
