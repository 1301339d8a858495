//! The texts of a container. ECS replaces no `$(NAME)` in them, so what it stands for is sent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::problems::Problems;
use crate::spec::variables::{PORT, expand, references, value};
use crate::spec::{ContainerSpec, path};

/// What a program gets.
pub(super) struct Texts {
    pub(super) command: Vec<String>,
    pub(super) args: Vec<String>,
    /// Those of the spec, and of the ports those that a text names: services of older builds have none, and stay what
    /// they are.
    pub(super) env: BTreeMap<String, String>,
}

/// A container's texts. `secrets` has its variables that ECS fetches.
pub(super) fn texts(
    problems: &mut Problems,
    at: &str,
    container: &ContainerSpec,
    secrets: &BTreeMap<String, String>,
) -> Texts {
    let mut named = BTreeMap::new();
    let mut note = |at: &dyn Fn() -> String, text: &str| {
        for name in references(text).filter(|name| !container.env.contains_key(*name)) {
            if secrets.contains_key(name) {
                problems.add(
                    at(),
                    format!(
                        "$({name}): ECS fetches secrets after the command and the environment are fixed; write \
                         ${name} in a line for the container's own shell, as in [sh, -c, …]"
                    ),
                );
            } else if let Some(port) = port(container, name) {
                named.insert(name.to_owned(), port.to_string());
            }
        }
    };
    for (field, list) in [("command", &container.command), ("args", &container.args)] {
        for (n, text) in list.iter().enumerate() {
            note(&|| path::index(&path::field(at, field), n), text);
        }
    }
    for (name, text) in &container.env {
        note(&|| path::key(&path::field(at, "env"), name), text);
    }
    let known = |name: &str| value(name, container, &mut |name| named.get(name).map(Cow::from));
    let expanded = |list: &[String]| -> Vec<String> {
        list.iter().map(|text| expand(text, &mut |name| known(name).map(Cow::from))).collect()
    };
    let env = container.env.keys().filter_map(|name| Some((name.clone(), known(name)?)));
    let mut env: BTreeMap<String, String> = env.collect();
    let (command, args) = (expanded(&container.command), expanded(&container.args));
    env.extend(named);
    Texts { command, args, env }
}

/// The port that a variable has: programs listen on the container's own ports.
fn port(container: &ContainerSpec, variable: &str) -> Option<i64> {
    let ports = &container.ports;
    let port = match variable.strip_prefix(PORT)?.strip_prefix('_') {
        None => ports.first().filter(|_| variable == PORT),
        Some(which) => ports
            .iter()
            .find(|port| port.name.as_deref() == Some(which))
            .or_else(|| ports.iter().find(|port| port.container_port.to_string() == which)),
    };
    port.map(|port| port.container_port)
}
