//! JSON patches and merge patches.

use serde_json::Value;

use super::status::Refusal;

/// A JSON merge patch.
pub(super) fn merge_patch(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (name, value) in fields {
        if value.is_null() {
            if let Some(map) = target.as_object_mut() {
                map.remove(name);
            }
        } else {
            merge_patch(&mut target[name.as_str()], value);
        }
    }
}

/// A JSON patch; a test that fails refuses all of it.
pub(super) fn json_patch(target: &mut Value, patch: &Value) -> Result<(), Refusal> {
    let operations = patch.as_array().ok_or_else(|| Refusal::bad_request("a JSON patch is a list"))?;
    for one in operations {
        let text = |field: &str| one[field].as_str().unwrap_or_default();
        let (path, from) = (text("path"), text("from"));
        let done = match text("op") {
            "test" => {
                let found = target.pointer(path).unwrap_or(&Value::Null);
                (found == &one["value"]).then_some(())
            }
            "add" => add(target, path, one["value"].clone()),
            "replace" => target.pointer_mut(path).map(|found| *found = one["value"].clone()),
            "remove" => remove(target, path).map(|_| ()),
            "move" => remove(target, from).and_then(|value| add(target, path, value)),
            "copy" => target.pointer(from).cloned().and_then(|value| add(target, path, value)),
            _ => return Err(Refusal::bad_request("unexpected kind of operation")),
        };
        let failed = match text("op") {
            "test" => format!("testing path {path} failed"),
            op => format!("jsonpatch {op} operation does not apply: doc is missing path: {path}"),
        };
        done.ok_or_else(|| {
            let message = format!("the server rejected our request due to an error in our request: {failed}");
            Refusal::status(422, "Invalid", message)
        })?;
    }
    Ok(())
}

fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    let (parent, last) = split(path)?;
    let parent = target.pointer_mut(parent)?;
    if let Some(list) = parent.as_array_mut() {
        let at = if last == "-" { list.len() } else { last.parse().ok()? };
        (at <= list.len()).then(|| list.insert(at, value))
    } else {
        parent.as_object_mut()?.insert(last, value);
        Some(())
    }
}

fn remove(target: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = split(path)?;
    let parent = target.pointer_mut(parent)?;
    if let Some(list) = parent.as_array_mut() {
        let at: usize = last.parse().ok()?;
        (at < list.len()).then(|| list.remove(at))
    } else {
        parent.as_object_mut()?.remove(&last)
    }
}
