//! `machine`: the diagrams that are generated from the code.

use landlord_compute::machines::render::tenant_diagram;
use serde_json::json;

use super::built_with::BUILT_WITH;
use super::exit::Failure;
use super::screen::Screen;

/// A tenant's life, which is no planner's.
const TENANT: &str = "tenant";

/// What can be drawn: a tenant's life, and what each planner knows of its platform.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(TENANT).chain(BUILT_WITH.iter().map(|built| built.kind))
}

/// Prints the diagram of a machine, or the names of all.
pub(crate) fn machine(screen: &Screen, name: Option<&str>) -> Result<(), Failure> {
    match name {
        Some(name) => {
            let planner = BUILT_WITH.iter().find(|built| built.kind == name);
            let diagram = planner.map_or_else(tenant_diagram, |built| (built.diagram)().to_owned());
            screen.show(&json!({ "machine": name, "mermaid": diagram }), || diagram.clone())
        }
        None => {
            let names: Vec<&str> = names().collect();
            screen.show(&json!({ "machines": names }), || names.join("\n"))
        }
    }
}
