//! How a configuration is read, and how an operator's and a tenant's become one.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{KubernetesConfig, KubernetesConfigError};
use crate::spec::{Problem, Replicas, TenantComputeSpec, path};

/// Settings that are one of several things. The tenant's replaces the operator's as a whole.
const CHOICES: [&str; 3] = ["namespaces", "gateway", "secrets"];

impl KubernetesConfig {
    /// Reads the configuration of a spec; what is not given is as in [`KubernetesConfig::default`].
    ///
    /// # Errors
    /// [`KubernetesConfigError`] for an unknown field or a wrong type.
    pub fn of(spec: &TenantComputeSpec) -> Result<Self, KubernetesConfigError> {
        Self::read(spec.provider_config.as_ref().unwrap_or(&Value::Null))
    }

    /// Reads a configuration; nothing (`null`) is an empty one.
    ///
    /// # Errors
    /// As [`KubernetesConfig::of`].
    pub fn read(value: &Value) -> Result<Self, KubernetesConfigError> {
        Self::deserialize(&Value::Object(fields(value)?))
            .map_err(|error| KubernetesConfigError(format!(": {error}")))
    }

    /// Reads a configuration as far as it can be read. Each field is read alone, so that every problem is told; the
    /// ones that are wrong are as in [`KubernetesConfig::default`].
    pub(in crate::planner::kubernetes) fn read_all(value: &Value) -> (Self, Vec<Problem>) {
        let Ok(fields) = fields(value) else {
            let problem = Problem::new("provider_config", "is not an object; give its fields by name");
            return (Self::default(), vec![problem]);
        };
        let mut problems = Vec::new();
        let mut good = Map::new();
        for (name, value) in fields {
            let found = field_problems(&name, &value);
            if found.is_empty() {
                good.insert(name, value);
            }
            problems.extend(found);
        }
        match Self::deserialize(&Value::Object(good)) {
            Ok(config) => (config, problems),
            // Fields that can be read one by one can be read together.
            Err(error) => (Self::default(), vec![Problem::new("provider_config", error.to_string())]),
        }
    }

    /// A tenant's configuration over the operator's: objects are joined field by field, anything else of the tenant's
    /// replaces the operator's.
    ///
    /// # Errors
    /// [`KubernetesConfigError`] where one is not an object, or the tenant's says which cluster it is.
    pub fn merged(operators: &Value, tenants: &Value) -> Result<Value, KubernetesConfigError> {
        let mut under = fields(operators)?;
        let over = fields(tenants)?;
        if over.contains_key("cluster") {
            let what = ".cluster: which cluster it is, is the operator's to say; remove it";
            return Err(KubernetesConfigError(what.to_owned()));
        }
        for choice in CHOICES {
            if over.contains_key(choice) {
                under.remove(choice);
            }
        }
        Ok(Value::Object(joined(under, over)))
    }

    /// As [`merged`](Self::merged), for the configuration of this spec. What the spec says in fields of its own takes the
    /// place of the operator's setting.
    ///
    /// # Errors
    /// As [`merged`](Self::merged).
    pub fn merged_for(operators: &Value, spec: &TenantComputeSpec) -> Result<Value, KubernetesConfigError> {
        let own = spec.provider_config.as_ref().unwrap_or(&Value::Null);
        let mut under = fields(operators)?;
        for (setting, _) in said_by(spec) {
            under.remove(setting);
        }
        Self::merged(&Value::Object(under), own)
    }
}

/// The settings that a spec says itself, by which of its fields.
pub(in crate::planner::kubernetes) fn said_by(
    spec: &TenantComputeSpec,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let deadline = spec.update.as_ref().is_some_and(|update| update.deadline_seconds.is_some());
    [
        ("replicas", "replicas", matches!(spec.replicas, Some(Replicas::Count(_)))),
        ("deadline_seconds", "update.deadline_seconds", deadline),
    ]
    .into_iter()
    .filter_map(|(setting, field, said)| said.then_some((setting, field)))
}

/// What is wrong with one field; of a list, with each of its elements.
fn field_problems(name: &str, value: &Value) -> Vec<Problem> {
    let read = |value: Value| {
        KubernetesConfig::deserialize(&Value::Object(Map::from_iter([(name.to_owned(), value)])))
    };
    let Err(error) = read(value.clone()) else { return Vec::new() };
    let at = path::key("provider_config", name);
    let elements = value.as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate();
    let inside: Vec<Problem> = elements
        .filter_map(|(n, element)| {
            let error = read(Value::Array(vec![element.clone()])).err()?;
            Some(Problem::new(path::index(&at, n), error.to_string()))
        })
        .collect();
    match inside.is_empty() {
        true => vec![Problem::new(at, error.to_string())],
        false => inside,
    }
}

/// The fields that are given.
fn fields(value: &Value) -> Result<Map<String, Value>, KubernetesConfigError> {
    let mut fields = match value {
        Value::Null => Map::new(),
        Value::Object(fields) => fields.clone(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(KubernetesConfigError(": is not an object; give its fields by name".to_owned()));
        }
    };
    // What Go writes for a field that is not set.
    fields.retain(|_, value| !value.is_null());
    Ok(fields)
}

fn joined(mut under: Map<String, Value>, over: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in over.into_iter().filter(|(_, value)| !value.is_null()) {
        let value = match (under.remove(&name), value) {
            (Some(Value::Object(under)), Value::Object(over)) => Value::Object(joined(under, over)),
            (_, value) => value,
        };
        under.insert(name, value);
    }
    under
}
