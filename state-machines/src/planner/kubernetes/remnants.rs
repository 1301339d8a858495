//! What a server-side apply would leave of a choice that was made before.
//!
//! A probe has one of several handlers, a volume one of several sources, a strategy its own parameters. Where a manifest chooses
//! another one, or none, an apply takes out only the fields that it had set; the object around them stays, empty or with
//! defaults, and the API server refuses the two together. Then the whole choice has to be put in place of the one before.

use serde_json::{Map, Value};

use super::call::Instead;
use super::drift::{key_of, keys_of};
use super::object::Object;

/// Keys whose value is one choice.
const CHOICES: [&str; 6] =
    ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "strategy", "updateStrategy"];
/// Keys of lists whose entries each are one.
const LISTS_OF_CHOICES: [&str; 2] = ["env", "volumes"];

/// The spec that a workload gets where an apply is refused for what it leaves; none: it leaves nothing.
pub(super) fn instead(intended: &Value, live: &Object) -> Option<Instead> {
    let (intended, spec) = (intended.get("spec")?, live.body.get("spec")?);
    let version = live.text("/metadata/resourceVersion")?.to_owned();
    leaves(intended, spec).then(|| Instead { version, spec: overlaid(intended, spec) })
}

/// Whether an apply leaves something of a choice.
fn leaves(intended: &Value, live: &Value) -> bool {
    match (intended, live) {
        (Value::Object(intended), Value::Object(live)) => live.iter().any(|(key, live)| {
            match (is_choice(key), LISTS_OF_CHOICES.contains(&key.as_str()), intended.get(key)) {
                (true, _, None) => live.is_object(),
                (true, _, Some(intended)) => sheds(intended, live),
                (false, true, Some(Value::Array(intended))) => {
                    pairs(intended, live).into_iter().any(|(intended, live)| sheds(intended, live))
                }
                (false, true | false, Some(intended)) => leaves(intended, live),
                (false, true | false, None) => false,
            }
        }),
        (Value::Array(intended), live @ Value::Array(_)) => {
            pairs(intended, live).into_iter().any(|(intended, live)| leaves(intended, live))
        }
        (_, _) => false,
    }
}

/// Whether an object within a choice is not in another choice.
fn sheds(intended: &Value, live: &Value) -> bool {
    let none = Map::new();
    let (intended, live) = (intended.as_object().unwrap_or(&none), live.as_object().unwrap_or(&none));
    live.iter().filter(|(_, value)| value.is_object()).any(|(key, value)| match intended.get(key) {
        None => true,
        Some(intended) => sheds(intended, value),
    })
}

/// What is there, with everything that is intended in its place, and every choice as it is intended.
pub(super) fn overlaid(intended: &Value, live: &Value) -> Value {
    match (intended, live) {
        (Value::Object(intended), Value::Object(live)) => {
            let stays = |key: &str| !is_choice(key) || intended.contains_key(key);
            let mut all: Map<String, Value> = live
                .iter()
                .filter(|(key, _)| stays(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            for (key, value) in intended {
                let value = match (all.get(key), LISTS_OF_CHOICES.contains(&key.as_str())) {
                    (Some(Value::Array(live)), true) => merged(value, live, |intended, _| intended.clone()),
                    (Some(live), _) if !is_choice(key) => overlaid(value, live),
                    (Some(_) | None, _) => value.clone(),
                };
                all.insert(key.clone(), value);
            }
            Value::Object(all)
        }
        (Value::Array(_), Value::Array(live)) => merged(intended, live, overlaid),
        (_, _) => intended.clone(),
    }
}

/// The entries that are there, each that is intended made from both; as it is intended, where entries have no keys.
fn merged(intended: &Value, live: &[Value], of_both: impl Fn(&Value, &Value) -> Value) -> Value {
    let intended = intended.as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(keys) = keys_of(intended).filter(|keys| keys_of(live) == Some(*keys)) else {
        return Value::Array(intended.to_vec());
    };
    let among =
        |item: &Value, items: &[Value]| items.iter().position(|one| key_of(one, keys) == key_of(item, keys));
    let mut all: Vec<Value> = intended
        .iter()
        .map(|item| among(item, live).map_or_else(|| item.clone(), |at| of_both(item, &live[at])))
        .collect();
    all.extend(live.iter().filter(|item| among(item, intended).is_none()).cloned());
    Value::Array(all)
}

/// The entries of both lists that have the same key.
fn pairs<'v>(intended: &'v [Value], live: &'v Value) -> Vec<(&'v Value, &'v Value)> {
    let live = live.as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(keys) = keys_of(intended).filter(|keys| keys_of(live) == Some(*keys)) else { return Vec::new() };
    let same = |item: &&'v Value| live.iter().find(|one| key_of(one, keys) == key_of(item, keys));
    intended.iter().filter_map(|item| Some((item, same(&item)?))).collect()
}

fn is_choice(key: &str) -> bool {
    CHOICES.contains(&key)
}
