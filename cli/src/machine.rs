//! `machine`: the diagrams that are generated from the code.

use landlord_compute::machines::render::tenant_diagram;
use serde_json::json;

use super::built_with::{BUILT_WITH, machines};
use super::failure::Failure;
use super::screen::Screen;

/// Prints the diagram of a machine, or the names of all.
pub(crate) fn machine(screen: &Screen, name: Option<&str>) -> Result<(), Failure> {
    match name {
        Some(name) => {
            let planner = BUILT_WITH.iter().find(|built| built.kind == name);
            let diagram = planner.map_or_else(tenant_diagram, |built| (built.diagram)().to_owned());
            screen.show(&json!({ "machine": name, "mermaid": diagram }), || diagram.clone())
        }
        None => {
            let names: Vec<&str> = machines().collect();
            screen.show(&json!({ "machines": names }), || names.join("\n"))
        }
    }
}
