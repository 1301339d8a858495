//! Who has which fields: `metadata.managedFields`, and server-side apply.

use serde_json::{Value, json};

use super::fieldset::{Delta, Fields};
use super::kinds::Kind;
use super::merge::{merge, prune, untyped};
use super::status::{Cause, Refusal};

/// Who writes, and how.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) manager: String,
    pub(super) api_version: String,
    /// The sub-resource that is written through, where the cluster says it.
    pub(super) sub: Option<&'static str>,
    pub(super) time: String,
}

/// How somebody came to have fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What somebody has.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    manager: String,
    operation: Operation,
    api_version: String,
    sub: String,
    time: Value,
    fields: Fields,
}

impl Entry {
    fn read(value: &Value) -> Self {
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        Self {
            manager: text("manager"),
            operation: if text("operation") == "Apply" { Operation::Apply } else { Operation::Update },
            api_version: text("apiVersion"),
            sub: text("subresource"),
            time: value["time"].clone(),
            fields: Fields::read(&value["fieldsV1"]),
        }
    }

    fn show(&self) -> Value {
        let mut shown = json!({
            "manager": self.manager, "operation": self.operation.name(), "apiVersion": self.api_version,
            "time": self.time, "fieldsType": "FieldsV1", "fieldsV1": self.fields.show(),
        });
        if !self.sub.is_empty() {
            shown["subresource"] = json!(self.sub);
        }
        shown
    }

    fn is(&self, writer: &Writer, operation: Operation) -> bool {
        self.manager == writer.manager
            && self.operation == operation
            && self.sub == writer.sub.unwrap_or_default()
            // Who applies in another version is still the same.
            && (operation == Operation::Apply || self.api_version == writer.api_version)
    }

    /// As a conflict names it.
    fn named(&self) -> String {
        let mut named = format!("\"{}\"", self.manager);
        if !self.sub.is_empty() {
            named = format!("{named} with subresource \"{}\"", self.sub);
        }
        match self.operation {
            Operation::Apply => named,
            Operation::Update => format!("{named} using {}", self.api_version),
        }
    }
}

fn entries(object: &Value) -> Vec<Entry> {
    object["metadata"]["managedFields"].as_array().into_iter().flatten().map(Entry::read).collect()
}

fn write(object: &mut Value, entries: &[Entry]) {
    let shown: Vec<Value> =
        entries.iter().filter(|entry| !entry.fields.is_empty()).map(Entry::show).collect();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        match shown.is_empty() {
            true => metadata.remove("managedFields"),
            false => metadata.insert("managedFields".to_owned(), Value::Array(shown)),
        };
    }
}

/// What nobody has.
fn strip(kind: Kind, fields: &mut Fields, sub: Option<&str>) {
    fields.children.remove("f:apiVersion");
    fields.children.remove("f:kind");
    const SYSTEM: [&str; 10] = [
        "f:name",
        "f:namespace",
        "f:uid",
        "f:resourceVersion",
        "f:generation",
        "f:creationTimestamp",
        "f:selfLink",
        "f:deletionTimestamp",
        "f:deletionGracePeriodSeconds",
        "f:managedFields",
    ];
    for field in SYSTEM {
        fields.forget(&["f:metadata", field]);
    }
    if sub.is_none() && kind.has_status() {
        fields.children.remove("f:status");
    }
    if let Some(metadata) = fields.children.get_mut("f:metadata") {
        metadata.member = false;
        if metadata.is_empty() {
            fields.children.remove("f:metadata");
        }
    }
}

/// Who has what after somebody wrote `new` over `old`. The new object's own `managedFields` hold when it has some.
pub(super) fn update(kind: Kind, old: &Value, new: &mut Value, writer: &Writer) {
    let sent = &new["metadata"]["managedFields"];
    let mut entries = match sent.as_array().map(Vec::as_slice) {
        // One entry with nothing in it takes all of them away.
        Some([one]) if one.as_object().is_some_and(serde_json::Map::is_empty) => Vec::new(),
        Some([_, ..]) => entries(new),
        Some([]) | None => entries(old),
    };
    let mut delta = Delta::between(kind, old, new);
    for fields in [&mut delta.added, &mut delta.modified, &mut delta.removed] {
        strip(kind, fields, writer.sub);
    }
    let mut mine = Fields::default();
    mine.add(&delta.added);
    mine.add(&delta.modified);
    for entry in &mut entries {
        if !entry.is(writer, Operation::Update) {
            entry.fields.subtract(&delta.modified);
        }
        entry.fields.cut(&delta.removed);
    }
    if !mine.is_empty() {
        match entries.iter_mut().find(|entry| entry.is(writer, Operation::Update)) {
            Some(entry) => {
                entry.fields.add(&mine);
                entry.time = json!(writer.time);
            }
            None => entries.push(new_entry(writer, Operation::Update, mine)),
        }
    }
    write(new, &entries);
}

fn new_entry(writer: &Writer, operation: Operation, fields: Fields) -> Entry {
    Entry {
        manager: writer.manager.clone(),
        operation,
        api_version: writer.api_version.clone(),
        sub: writer.sub.unwrap_or_default().to_owned(),
        time: json!(writer.time),
        fields,
    }
}

/// What an object is after somebody applied a configuration to it; `live` is `null` where there is none.
pub(super) fn apply(
    kind: Kind,
    live: &Value,
    config: &Value,
    writer: &Writer,
    force: bool,
    strict: bool,
) -> Result<Value, Refusal> {
    if let Some(why) = untyped(kind, &mut Vec::new(), config, strict) {
        return Err(Refusal::untyped(why));
    }
    let mut fields = Fields::of(kind, config);
    strip(kind, &mut fields, writer.sub);
    let mut entries = entries(live);
    let at = entries.iter().position(|entry| entry.is(writer, Operation::Apply));
    let last = at.map(|at| entries[at].fields.clone()).unwrap_or_default();
    match at {
        Some(at) => {
            let same = entries[at].fields == fields && entries[at].api_version == writer.api_version;
            entries[at].fields = fields;
            if !same {
                entries[at].time = json!(writer.time);
                entries[at].api_version.clone_from(&writer.api_version);
            }
        }
        None => entries.push(new_entry(writer, Operation::Apply, fields)),
    }
    let mut merged = merge(kind, &mut Vec::new(), live, config);
    let mut kept = Fields::default();
    entries.iter().for_each(|entry| kept.add(&entry.fields));
    prune(kind, &mut Vec::new(), &mut merged, &last, &kept);
    let mut delta = Delta::between(kind, live, &merged);
    for fields in [&mut delta.added, &mut delta.modified, &mut delta.removed] {
        strip(kind, fields, writer.sub);
    }
    let mut changed = delta.added;
    changed.add(&delta.modified);
    let mut causes = Vec::new();
    for entry in entries.iter_mut().filter(|entry| !entry.is(writer, Operation::Apply)) {
        let taken = entry.fields.overlap(&changed);
        let message = format!("conflict with {}", entry.named());
        causes.extend(taken.paths().into_iter().map(|field| Cause {
            reason: "FieldManagerConflict",
            message: message.clone(),
            field,
        }));
        entry.fields.subtract(&taken);
        entry.fields.cut(&delta.removed);
    }
    if !force && !causes.is_empty() {
        return Err(Refusal::conflicts(&causes));
    }
    write(&mut merged, &entries);
    Ok(merged)
}
