//! `$(NAME)` in command, arguments and environment: one meaning, on every platform. As on Kubernetes, `$$` stands for
//! one `$`; unlike there, a name that the container does not have is a problem, and the order of variables does not
//! matter.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{ContainerSpec, TenantComputeSpec, leads_back};

/// The variable with the first port of a container. `PORT_` with a port's name or number is that port's.
pub const PORT: &str = "PORT";

/// A piece of a text.
#[derive(Clone, Copy)]
enum Piece<'t> {
    /// What stands for itself.
    Text(&'t str),
    /// What stands for a variable.
    Variable(&'t str),
}

/// The pieces of a text, in order.
struct Pieces<'t>(&'t str);

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        let text = self.0;
        let (piece, rest) = match text.find('$') {
            None if text.is_empty() => return None,
            None => (Piece::Text(text), ""),
            Some(0) => special(&text[1..]),
            Some(dollar) => (Piece::Text(&text[..dollar]), &text[dollar..]),
        };
        self.0 = rest;
        Some(piece)
    }
}

/// What a `$` stands for with what follows it, and the rest.
fn special(after: &str) -> (Piece<'_>, &str) {
    if let Some(rest) = after.strip_prefix('$') {
        return (Piece::Text("$"), rest);
    }
    match after.strip_prefix('(').and_then(|inside| inside.split_once(')')) {
        Some((name, rest)) if super::validate::is_env_name(name) => (Piece::Variable(name), rest),
        Some(_) | None => (Piece::Text("$"), after),
    }
}

/// The variables that a text names.
pub fn references(text: &str) -> impl Iterator<Item = &str> {
    Pieces(text).filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// A text with the values of the variables that it names. One that is not known stays as it is written.
pub fn expand<'v>(text: &str, value: &mut dyn FnMut(&str) -> Option<Cow<'v, str>>) -> String {
    let mut expanded = String::with_capacity(text.len());
    for piece in Pieces(text) {
        match piece {
            Piece::Text(text) => expanded.push_str(text),
            Piece::Variable(name) => match value(name) {
                Some(value) => expanded.push_str(&value),
                None => expanded.extend(["$(", name, ")"]),
            },
        }
    }
    expanded
}

/// What variables a container's environment may stand on: the value of one by its name, its own references expanded.
/// `given` has those that the spec's `env` has not, such as ports and secrets. What stands for itself is nothing.
pub fn value<'v>(
    name: &str,
    container: &ContainerSpec,
    given: &mut dyn FnMut(&str) -> Option<Cow<'v, str>>,
) -> Option<String> {
    value_within(name, container, given, &mut Vec::new())
}

fn value_within<'v>(
    name: &str,
    container: &ContainerSpec,
    given: &mut dyn FnMut(&str) -> Option<Cow<'v, str>>,
    on_the_way: &mut Vec<String>,
) -> Option<String> {
    let Some(text) = container.env.get(name) else {
        return given(name).map(Cow::into_owned);
    };
    if on_the_way.iter().any(|known| known == name) {
        return Some(String::new());
    }
    on_the_way.push(name.to_owned());
    let expanded =
        expand(text, &mut |other| value_within(other, container, given, on_the_way).map(Cow::Owned));
    on_the_way.pop();
    Some(expanded)
}

/// The variables of a container: its `env`, its secrets, and its ports.
pub fn names<'s>(container: &'s ContainerSpec, spec: &'s TenantComputeSpec) -> BTreeSet<Cow<'s, str>> {
    let env = container.env.keys().map(|name| Cow::from(name.as_str()));
    let secrets = spec.secrets.iter().filter(|secret| secret.is_for(&container.name));
    let secrets = secrets.filter_map(|secret| secret.env_var.as_deref()).map(Cow::from);
    let first = (!container.ports.is_empty()).then_some(Cow::from(PORT));
    let ports = container.ports.iter().flat_map(|port| {
        let named = port.name.iter().map(|name| format!("{PORT}_{name}"));
        named.chain([format!("{PORT}_{}", port.container_port)])
    });
    let ports = ports.filter(|name| super::validate::is_env_name(name)).map(Cow::from);
    env.chain(secrets).chain(first).chain(ports).collect()
}

/// Whether the value of a variable in `env` needs itself.
pub(super) fn stands_for_itself(name: &str, container: &ContainerSpec) -> bool {
    leads_back(name, |at| container.env.get(at).into_iter().flat_map(|text| references(text)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn container(env: &[(&str, &str)]) -> ContainerSpec {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ContainerSpec { env, ..ContainerSpec::default() }
    }

    #[test]
    fn references_expand_as_in_kubernetes() {
        let known = BTreeMap::from([("PORT", "20001"), ("A", "$(PORT)")]);
        for (text, expanded) in [
            ("--port=$(PORT)", "--port=20001"),
            ("$(PORT)$(PORT)", "2000120001"),
            ("$(A)", "$(PORT)"),
            ("$(MISSING) $PORT $(PORT", "$(MISSING) $PORT $(PORT"),
            ("$$(PORT)", "$(PORT)"),
            ("$$$(PORT)", "$20001"),
            ("$(cat pid) ${PORT}", "$(cat pid) ${PORT}"),
            ("cost: 5$", "cost: 5$"),
            ("", ""),
        ] {
            let mut value = |name: &str| known.get(name).copied().map(Cow::from);
            assert_eq!(expand(text, &mut value), expanded, "{text}");
        }
        assert_eq!(references("$(A) $$(B) $(C D) $(E)$(A)").collect::<Vec<_>>(), ["A", "E", "A"]);
    }

    #[test]
    fn the_order_of_variables_does_not_matter() {
        let container = container(&[("A", "<$(B)>"), ("B", "[$(C)]"), ("C", "$(PORT)"), ("D", "$$(A)")]);
        let mut given = |name: &str| (name == PORT).then_some(Cow::from("80"));
        assert_eq!(value("A", &container, &mut given).as_deref(), Some("<[80]>"));
        assert_eq!(value("D", &container, &mut given).as_deref(), Some("$(A)"));
        assert_eq!(value("PORT", &container, &mut given).as_deref(), Some("80"));
        assert_eq!(value("E", &container, &mut given), None);
    }

    #[test]
    fn what_stands_for_itself_is_found_and_ends() {
        let container = container(&[("A", "$(B)"), ("B", "x$(C)"), ("C", "$(A)"), ("D", "$(A)")]);
        for (name, is) in [("A", true), ("B", true), ("C", true), ("D", false)] {
            assert_eq!(stands_for_itself(name, &container), is, "{name}");
        }
        assert_eq!(value("D", &container, &mut |_| None).as_deref(), Some("x"));
    }
}
