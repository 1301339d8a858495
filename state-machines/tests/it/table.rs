//! A snapshot of every configuration: each input with its whole decision.

use std::collections::BTreeMap;
use std::fmt::Write;

use landlord_state_machines::id::Rollout;
use landlord_state_machines::render::fold;
use landlord_state_machines::tenant::samples::{Configuration, SpecRole, configurations, inputs};
use landlord_state_machines::tenant::{Decision, Effect, Record, Transition, step};
use serde_json::Value;

#[test]
fn every_configuration_and_input() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        let all = configurations();
        for same in all.chunk_by(|one, other| one.name.base == other.name.base) {
            let file = same[0].name.base.replace(", ", "-").replace(' ', "_");
            insta::assert_snapshot!(file, describe(same));
        }
    });
}

/// A configuration, and what is decided otherwise in those that are also paused or have an update that waits.
fn describe(same: &[Configuration]) -> String {
    let plain = decisions(&same[0]);
    let mut text = String::new();
    for configuration in same {
        let all = decisions(configuration);
        let new = |each: &(String, String)| configuration.name == same[0].name || !plain.contains(each);
        writeln!(text, "# {}\n", configuration.name).unwrap();
        for (inputs, decision) in fold(all.into_iter().filter(new)) {
            writeln!(text, "{}:\n{decision}", inputs.join("\n")).unwrap();
        }
    }
    text
}

/// Each input, and what is decided.
fn decisions(configuration: &Configuration) -> Vec<(String, String)> {
    inputs(&configuration.record)
        .into_iter()
        .map(|sample| {
            let name = sample.to_string();
            let decision = step(&configuration.policy, &configuration.record, sample.stamp, sample.input);
            let text = match decision {
                Decision::Apply(transition) => applied(&configuration.record, &transition),
                Decision::Join(operation) => format!("  join {operation}\n"),
                Decision::Ignore => "  ignore\n".to_owned(),
                Decision::Reject(why) => format!("  reject {}\n", serde_json::to_string(&why).unwrap()),
            };
            (name, text)
        })
        .collect()
}

fn applied(before: &Record, transition: &Transition) -> String {
    let Transition { record, event, opened, spec, effects } = transition;
    let mut text = "  apply\n".to_owned();
    let mut event = serde_json::to_value(event).unwrap();
    let settled = event.as_object_mut().unwrap().remove("settled");
    // The rest is the same for all, and looked after by the properties.
    for field in ["tenant_id", "incarnation", "revision", "at"] {
        event.as_object_mut().unwrap().remove(field);
    }
    writeln!(text, "  event   {event}").unwrap();
    for settlement in settled.iter().flat_map(|all| all.as_array().unwrap()) {
        writeln!(text, "  settle  {settlement}").unwrap();
    }
    if let Some(opened) = opened {
        writeln!(text, "  open    {}", serde_json::to_string(opened).unwrap()).unwrap();
    }
    if let Some(spec) = spec {
        writeln!(text, "  store   {} is {}", spec.version, SpecRole::of(&spec.spec).words()).unwrap();
    }
    for effect in effects {
        writeln!(text, "  effect  {}", describe_effect(effect)).unwrap();
    }
    let (before, after) = (facts(before), facts(record));
    for (path, value) in &after {
        if before.get(path) != Some(value) {
            writeln!(text, "  record  {path} = {value}").unwrap();
        }
    }
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        writeln!(text, "  record  {path} is gone").unwrap();
    }
    text
}

fn describe_effect(effect: &Effect) -> String {
    match effect {
        Effect::StartCall(start) => {
            let role = |spec| SpecRole::of(spec).words();
            let rollout = |rollout: Rollout| match rollout.is_first() {
                true => String::new(),
                false => format!(" (rollout {rollout})"),
            };
            format!(
                "start call {} of {} for {}: {:?} {}{}, applied {}{}, attempt {}, deadline {:?}",
                start.call,
                start.provider,
                start.operation,
                start.method,
                start.spec.as_ref().map_or("nothing", role),
                rollout(start.rollout),
                start.applied.as_ref().map_or("nothing", role),
                rollout(start.applied_rollout),
                start.attempt,
                start.deadline.map(|deadline| deadline.to_string()),
            )
        }
        Effect::StopCall(call) => format!("stop call {call}"),
        Effect::DropCall(call) => format!("drop call {call}"),
    }
}

/// A record as its facts, by their paths: each field of the tenant, and each of what it works on. Of a spec only
/// the version.
fn facts(record: &Record) -> BTreeMap<String, Value> {
    let mut value = match record {
        Record::Absent(_) => serde_json::json!({}),
        Record::Gone(tombstone) => serde_json::json!({ "tombstone": tombstone }),
        Record::Live(tenant) => serde_json::to_value(&**tenant).unwrap(),
    };
    strip_specs(&mut value);
    let mut facts = BTreeMap::new();
    for (name, field) in value.as_object().unwrap() {
        match name.as_str() {
            "state" => gather("state", field, 3, &mut facts),
            _ => gather(name, field, 0, &mut facts),
        }
    }
    facts
}

fn gather(path: &str, value: &Value, depth: u32, facts: &mut BTreeMap<String, Value>) {
    match value {
        Value::Null => {}
        Value::Object(fields) if depth > 0 => {
            for (name, field) in fields {
                gather(&format!("{path}.{name}"), field, depth - 1, facts);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            facts.insert(path.to_owned(), value.clone());
        }
    }
}

fn strip_specs(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.remove("spec");
        fields.values_mut().for_each(strip_specs);
    }
}
