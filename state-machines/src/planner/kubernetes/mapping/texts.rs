//! The texts of a container. The kubelet replaces `$(NAME)` in them as the product does, but for two things: it knows only
//! variables that come earlier, and it reads what a probe runs in the same way.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::problems::Problems;
use super::secrets::Located;
use crate::spec::variables::{PORT, expand, names, references};
use crate::spec::{ContainerSpec, Spec, path};

/// The longest text that Linux hands to a program.
const LONGEST: usize = 128 * 1024;

/// What stands around a name while a text is taken apart: no text of a spec has it.
const MARK: char = '\0';

/// A text that arrives as it is.
pub(super) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// A text of a spec in Kubernetes' form. Every `$` that stands for nothing is doubled.
pub(super) fn written(text: &str) -> String {
    let marked = expand(text, &mut |name| Some(Cow::from(format!("{MARK}{name}{MARK}"))));
    let mut pieces = marked.split(MARK);
    let mut text = literal(pieces.next().unwrap_or_default());
    // They come in pairs: a name, and what follows it.
    while let (Some(name), Some(rest)) = (pieces.next(), pieces.next()) {
        text.extend(["$(", name, ")"]);
        text.push_str(&literal(rest));
    }
    text
}

/// A list of texts.
pub(super) fn all_written(texts: &[String]) -> Value {
    texts.iter().map(|text| Value::from(written(text))).collect()
}

/// A container's environment: its secrets and its ports, then its own, each after what it stands on. `secrets` has where the
/// values of its variables are.
pub(super) fn environment(
    problems: &mut Problems,
    at: &str,
    spec: &Spec,
    container: &ContainerSpec,
    secrets: &BTreeMap<String, Located>,
) -> Value {
    let mut list: Vec<Value> = Vec::new();
    for (name, Located { secret, key }) in secrets {
        list.push(json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": secret, "key": key } } }));
    }
    let ports = names(container, spec).into_iter().filter_map(|name| {
        let is_taken = container.env.contains_key(&*name) || secrets.contains_key(&*name);
        let port = port(container, &name).filter(|_| !is_taken)?;
        Some(json!({ "name": name, "value": port.to_string() }))
    });
    list.extend(ports);
    for name in in_order(container) {
        let text = written(container.env.get(name).map_or("", String::as_str));
        // The API server leaves an empty one out.
        let text = (!text.is_empty()).then_some(text);
        list.push(json!({ "name": name, "value": text }));
    }
    too_long(problems, at, container);
    Value::Array(list)
}

/// The variables of a container's own environment, each after those that it stands on.
fn in_order(container: &ContainerSpec) -> Vec<&str> {
    let mut listed: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in container.env.keys() {
        visit(name, container, &mut seen, &mut listed);
    }
    listed
}

fn visit<'c>(
    name: &'c str,
    container: &'c ContainerSpec,
    seen: &mut BTreeSet<&'c str>,
    listed: &mut Vec<&'c str>,
) {
    let Some((name, text)) = container.env.get_key_value(name) else { return };
    if !seen.insert(name) {
        return;
    }
    for other in references(text) {
        visit(other, container, seen, listed);
    }
    listed.push(name);
}

/// Texts that would be longer than a program can get. They may grow with every variable that they name.
fn too_long(problems: &mut Problems, at: &str, container: &ContainerSpec) {
    let mut lengths: BTreeMap<&str, usize> = BTreeMap::new();
    let length =
        |problems: &mut Problems, at: &dyn Fn() -> String, text: &str, lengths: &BTreeMap<&str, usize>| {
            let named = references(text).filter_map(|name| lengths.get(name));
            let length = named.fold(text.len(), |sum, more| sum.saturating_add(*more));
            if length > LONGEST {
                problems.add(
                    at(),
                    format!("it is too long with what it stands on: a program gets at most {LONGEST} bytes"),
                );
            }
            // One problem is enough: what stands on it is not told again.
            length.min(LONGEST)
        };
    for name in in_order(container) {
        let text = container.env.get(name).map_or("", String::as_str);
        let found = length(problems, &|| path::key(&path::field(at, "env"), name), text, &lengths);
        lengths.insert(name, found);
    }
    for (field, list) in [("command", &container.command), ("args", &container.args)] {
        for (n, text) in list.iter().enumerate() {
            length(problems, &|| path::index(&path::field(at, field), n), text, &lengths);
        }
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the kubelet makes of a text, by the rules of its own source.
    fn kubelet(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(dollar) = rest.find('$') {
            out.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|it| it.split_once(')')) {
                out.push_str(&value(name).unwrap_or_else(|| format!("$({name})")));
                rest = after;
            } else {
                out.push('$');
            }
        }
        out + rest
    }

    #[test]
    fn what_names_a_variable_still_does_and_all_else_is_itself() {
        for (text, form) in [
            ("--port=$(PORT)", "--port=$(PORT)"),
            ("cost $$(PORT)", "cost $$(PORT)"),
            ("$$$(PORT)", "$$$(PORT)"),
            ("$(date +%s) $HOME", "$$(date +%s) $$HOME"),
            ("5$", "5$$"),
            ("", ""),
        ] {
            assert_eq!(written(text), form, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_kubelet_means_what_the_product_means(text in "([$]|[(]|[)]|A|B|x| ){0,16}") {
            let mut product = |name: &str| (name == "A").then_some(Cow::from("$(B)$$"));
            let meant = expand(&text, &mut product);
            // A name that there is none of is a problem of the spec, so it does not come here.
            let knows_all = references(&text).all(|name| name == "A");
            let got = kubelet(&written(&text), &|name| (name == "A").then(|| "$(B)$$".to_owned()));
            prop_assert!(!knows_all || got == meant, "{text}: {got} {meant}");
        }

        #[test]
        fn a_literal_arrives(text in "([$]|[(]|[)]|A|x){0,16}") {
            prop_assert_eq!(kubelet(&literal(&text), &|_| Some("wrong".to_owned())), text);
        }
    }
}
