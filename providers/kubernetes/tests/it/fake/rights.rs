//! Who may do what.

use serde_json::{Value, json};

use super::kinds::{Key, Kind};

/// Somebody who uses the API.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) grants: Vec<Grant>,
    /// What is taken away again: verbs and resources such as `pods/log`.
    pub(crate) denied: Vec<(String, String)>,
}

/// The rules of a role, and where they hold.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// None: in the whole cluster.
    pub(crate) namespace: Option<String>,
    /// As in a Role's manifest: `[{apiGroups, resources, verbs, resourceNames}]`.
    pub(crate) rules: Value,
}

impl User {
    /// Somebody who may do everything.
    pub(crate) fn admin(name: &str) -> Self {
        Self::with_rules(name, json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]))
    }

    /// Somebody who may do in the whole cluster what a ClusterRole's rules say.
    pub(crate) fn with_rules(name: &str, rules: Value) -> Self {
        let grants = vec![Grant { namespace: None, rules }];
        Self { name: name.to_owned(), grants, denied: Vec::new() }
    }

    /// The same, in one namespace more.
    pub(crate) fn and_in(mut self, namespace: &str, rules: Value) -> Self {
        self.grants.push(Grant { namespace: Some(namespace.to_owned()), rules });
        self
    }

    /// Whether it may; `verb` and `resource` as a rule says them.
    pub(super) fn may(&self, verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> bool {
        if self.denied.iter().any(|(of, on)| of == verb && on == resource) {
            return false;
        }
        let holds = |grant: &&Grant| grant.namespace.as_deref().is_none_or(|of| of == namespace);
        let rules = self.grants.iter().filter(holds).flat_map(|grant| grant.rules.as_array()).flatten();
        let mut rules = rules;
        rules.any(|rule| {
            let has = |field: &str, wanted: &str| {
                let all = rule[field].as_array().map_or(&[][..], Vec::as_slice);
                all.iter().any(|one| one == wanted || one == "*")
            };
            let named = rule["resourceNames"]
                .as_array()
                .is_none_or(|names| names.is_empty() || names.iter().any(|one| one.as_str() == Some(name)));
            has("verbs", verb) && has("apiGroups", group) && has("resources", resource) && named
        })
    }

    pub(super) fn may_use(&self, verb: &str, kind: Kind, sub: Option<&str>, key: &Key) -> bool {
        let info = kind.info();
        let resource = sub.map_or(info.plural.to_owned(), |sub| format!("{}/{sub}", info.plural));
        self.may(verb, info.group, &resource, &key.namespace, &key.name)
    }

    /// What it is told when it asks.
    pub(super) fn review(&self, review: &Value) -> Value {
        let asked = &review["spec"]["resourceAttributes"];
        let text = |field: &str| asked[field].as_str().unwrap_or_default();
        let resource = match text("subresource") {
            "" => text("resource").to_owned(),
            sub => format!("{}/{sub}", text("resource")),
        };
        let allowed = self.may(text("verb"), text("group"), &resource, text("namespace"), text("name"));
        let mut answer = review.clone();
        answer["status"] = json!({ "allowed": allowed });
        if !allowed {
            answer["status"]["reason"] = json!("");
        }
        answer
    }
}
