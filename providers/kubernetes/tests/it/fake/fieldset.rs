//! Sets of fields, as `managedFields` has them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::schema::parts;

/// A set of fields: whether this one is in it, and which below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields {
    pub(super) member: bool,
    pub(super) children: BTreeMap<String, Fields>,
}

impl Fields {
    /// From `fieldsV1`.
    pub(super) fn read(value: &Value) -> Self {
        let mut root = Self::node(value);
        root.member = false;
        root
    }

    fn node(value: &Value) -> Self {
        let map = value.as_object();
        let steps = map.into_iter().flatten().filter(|(step, _)| *step != ".");
        let children: BTreeMap<String, Self> =
            steps.map(|(step, below)| (step.clone(), Self::node(below))).collect();
        let member = children.is_empty() || map.is_some_and(|map| map.contains_key("."));
        Self { member, children }
    }

    /// As `fieldsV1`.
    pub(super) fn show(&self) -> Value {
        let mut map: Map<String, Value> =
            self.children.iter().map(|(step, below)| (step.clone(), below.show())).collect();
        if self.member && !map.is_empty() {
            map.insert(".".to_owned(), json!({}));
        }
        Value::Object(map)
    }

    /// What somebody has who applies this.
    pub(super) fn of(kind: Kind, config: &Value) -> Self {
        let mut all = Self::below(kind, &mut Vec::new(), config);
        all.member = false;
        all
    }

    fn below<'a>(kind: Kind, path: &mut Vec<&'a str>, value: &'a Value) -> Self {
        let Some(parts) = parts(kind, path, value).filter(|parts| !parts.is_empty()) else {
            return Self { member: true, children: BTreeMap::new() };
        };
        let mut children = BTreeMap::new();
        for part in parts {
            path.push(part.name);
            let mut below = Self::below(kind, path, part.value);
            path.pop();
            below.member |= !part.step.starts_with("f:");
            children.insert(part.step, below);
        }
        Self { member: false, children }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    pub(super) fn insert(&mut self, path: &[String]) {
        match path {
            [] => self.member = true,
            [step, rest @ ..] => self.children.entry(step.clone()).or_default().insert(rest),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.member |= other.member;
        for (step, below) in &other.children {
            self.children.entry(step.clone()).or_default().add(below);
        }
    }

    /// Takes away what is in another one.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (step, below) in &other.children {
            if let Some(mine) = self.children.get_mut(step) {
                mine.subtract(below);
                if mine.is_empty() {
                    self.children.remove(step);
                }
            }
        }
    }

    /// Takes away what is in another one, with all that is below it.
    pub(super) fn cut(&mut self, other: &Self) {
        for (step, below) in &other.children {
            if below.member {
                self.children.remove(step);
            } else if let Some(mine) = self.children.get_mut(step) {
                mine.cut(below);
                if mine.is_empty() {
                    self.children.remove(step);
                }
            }
        }
    }

    /// What is in both.
    pub(super) fn overlap(&self, other: &Self) -> Self {
        let mut children = BTreeMap::new();
        for (step, below) in &self.children {
            if let Some(theirs) = other.children.get(step) {
                let both = below.overlap(theirs);
                if !both.is_empty() {
                    children.insert(step.clone(), both);
                }
            }
        }
        Self { member: self.member && other.member, children }
    }

    /// Each of them, as a refusal names it: `.spec.containers[name="web"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut all = Vec::new();
        self.collect("", &mut all);
        all
    }

    fn collect(&self, at: &str, all: &mut Vec<String>) {
        if self.member {
            all.push(at.to_owned());
        }
        for (step, below) in &self.children {
            below.collect(&format!("{at}{}", shown(step)), all);
        }
    }

    /// Takes away one field with all that is below it.
    pub(super) fn forget(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.children.remove(*last);
            }
            [step, rest @ ..] => {
                if let Some(below) = self.children.get_mut(*step) {
                    below.forget(rest);
                    if below.is_empty() {
                        self.children.remove(*step);
                    }
                }
            }
        }
    }
}

/// A step of `fieldsV1` for a person.
fn shown(step: &str) -> String {
    match step.split_at(2) {
        ("f:", name) => format!(".{name}"),
        ("v:", value) => format!("[={value}]"),
        (_, keys) => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
    }
}

/// What is different between two objects.
#[derive(Debug, Default)]
pub(super) struct Delta {
    pub(super) added: Fields,
    pub(super) modified: Fields,
    pub(super) removed: Fields,
}

impl Delta {
    pub(super) fn between(kind: Kind, old: &Value, new: &Value) -> Self {
        let mut delta = Self::default();
        delta.walk(kind, &mut Vec::new(), &mut Vec::new(), Some(old), Some(new));
        delta
    }

    fn walk<'a>(
        &mut self,
        kind: Kind,
        path: &mut Vec<&'a str>,
        steps: &mut Vec<String>,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) {
        if old == new {
            return;
        }
        let parts_of = |path: &[&str], value: Option<&'a Value>| value.map(|value| parts(kind, path, value));
        let (olds, news) = (parts_of(path, old), parts_of(path, new));
        match (old, new) {
            (None, None) => return,
            (None, Some(_)) => self.added.insert(steps),
            (Some(_), None) => self.removed.insert(steps),
            (Some(_), Some(_)) => {
                if !matches!((&olds, &news), (Some(Some(_)), Some(Some(_)))) {
                    self.modified.insert(steps);
                    return;
                }
            }
        }
        let mut all: BTreeMap<String, (&'a str, Option<&'a Value>, Option<&'a Value>)> = BTreeMap::new();
        for part in olds.flatten().into_iter().flatten() {
            all.entry(part.step).or_insert((part.name, None, None)).1 = Some(part.value);
        }
        for part in news.flatten().into_iter().flatten() {
            all.entry(part.step).or_insert((part.name, None, None)).2 = Some(part.value);
        }
        for (step, (name, old, new)) in all {
            path.push(name);
            steps.push(step);
            self.walk(kind, path, steps, old, new);
            steps.pop();
            path.pop();
        }
    }
}
