//! The quota benchmark: many tenants on ECS through provision, update and destroy, against a fake of the API that has
//! the quotas of AWS, on simulated time; next to a client that has the SDK's default retries and no budget.
//!
//! `cargo bench -p landlord-provider-ecs` (options: `-- --tenants 1000`). Fails when a phase takes more than 1.1
//! times the shortest time that the quotas and ECS itself allow, or a tenant fails. Time is simulated, so this does not depend on the machine.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

mod bare;
#[allow(dead_code, unused_imports, reason = "tests use the rest of it")]
#[path = "../../tests/it/fake/mod.rs"]
mod fake;
#[path = "../../tests/it/fleet.rs"]
mod fleet;
#[allow(dead_code, unused_imports, reason = "tests use the rest of it")]
#[path = "../../tests/it/provider.rs"]
mod provider;

use std::process::ExitCode;

use fleet::Phase;

/// How many times the shortest time a phase may take.
const GOAL: f64 = 1.1;

/// Runs on simulated time.
fn simulated<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(run)
}

fn main() -> ExitCode {
    let given = std::env::args().skip_while(|arg| arg != "--tenants").nth(1);
    let tenants = given.and_then(|count| count.parse().ok()).unwrap_or(1_000);
    println!("{tenants} tenants, simulated time\n\nlandlord-compute");
    let ours = simulated(fleet::with_engine(tenants));
    for phase in &ours {
        print!("{phase}");
    }
    println!("\nthe same calls with the SDK's default retries (standard, 3 attempts) and no budget");
    for phase in simulated(bare::with_default_retries(tenants)) {
        print!("{phase}");
    }
    let missed = |phase: &&Phase| !phase.failed.is_empty() || phase.pacing() > GOAL;
    match ours.iter().find(missed) {
        None => ExitCode::SUCCESS,
        Some(phase) => {
            println!("\n{} misses the goal: ratio {GOAL}, no tenant failed", phase.method);
            ExitCode::FAILURE
        }
    }
}
