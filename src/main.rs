//! The command line of landlord-compute. Thin: all that it does, the library does.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
