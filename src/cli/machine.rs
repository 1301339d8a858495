//! `machine`: the diagrams that are generated from the code.

use landlord_compute::machines::render::tenant_diagram;
use serde_json::json;

use super::exit::Failure;
use super::screen::Screen;

/// A machine's name and how to draw it.
const MACHINES: [(&str, fn() -> String); 1] = [("tenant", tenant_diagram)];

/// Prints the diagram of a machine, or the names of all.
pub(crate) fn machine(screen: &Screen, name: Option<&str>) -> Result<(), Failure> {
    let names = MACHINES.map(|(name, _)| name);
    let Some(name) = name else {
        return screen.show(&json!({ "machines": names }), || names.join("\n"));
    };
    let Some((_, draw)) = MACHINES.iter().find(|(known, _)| *known == name) else {
        return Err(Failure::NoPage(format!(
            "there is no machine {name:?}; there are: {}",
            names.join(", ")
        )));
    };
    let diagram = draw();
    screen.show(&json!({ "machine": name, "mermaid": diagram }), || diagram.clone())
}
