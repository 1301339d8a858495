//! `machine`: the diagrams that are generated from the code.

use clap::ValueEnum;
use landlord_compute::machines::planner::{ecs, process};
use landlord_compute::machines::render::tenant_diagram;
use serde_json::json;

use super::args::Machine;
use super::exit::Failure;
use super::screen::Screen;

impl Machine {
    fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Process => "process",
            Self::Ecs => "ecs",
        }
    }

    fn diagram(self) -> String {
        match self {
            Self::Tenant => tenant_diagram(),
            Self::Process => process::diagram().to_owned(),
            Self::Ecs => ecs::diagram().to_owned(),
        }
    }
}

/// Prints the diagram of a machine, or the names of all.
pub(crate) fn machine(screen: &Screen, which: Option<Machine>) -> Result<(), Failure> {
    match which {
        Some(machine) => {
            let diagram = machine.diagram();
            screen.show(&json!({ "machine": machine.name(), "mermaid": diagram }), || diagram.clone())
        }
        None => {
            let names: Vec<&str> = Machine::value_variants().iter().map(|machine| machine.name()).collect();
            screen.show(&json!({ "machines": names }), || names.join("\n"))
        }
    }
}
