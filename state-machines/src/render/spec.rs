//! The reference of a spec, from its types: every field, and what each provider makes of it.

use serde_json::Value;

use super::{fold, table};
use crate::spec::{Field, Support, schema};

/// A provider by its name, with what it says of each field.
pub type Says<'a> = (&'a str, fn(Field) -> Support);

const HEAD: &str = "# Specs

A spec says what a tenant should run. It is a YAML 1.2 or JSON document of at most 1 MiB and 32 levels. A field that is absent, `null`
or empty means the same. A field that is not listed here is refused, except for those of the document itself whose names begin with
`x-`. `landlord-compute validate -f FILE` checks a spec and changes nothing; it reports every problem in one round, with its path, and
so do `provision` and `update`. `landlord-compute schema` prints the JSON Schema of a spec, for editors.

Numbers are whole. A name is 1 to 63 of `a-z`, `0-9` and `-`, and does not begin or end with `-`.

This page is generated from the types and from what the providers declare.
";

const VARIABLES: &str = "
## Variables

`$(NAME)` in `command`, `args` and `env` stands for a variable of the container, on every provider: one of its `env`, a secret's
`env_var`, or a port's. `PORT` is where it is to listen for its first port; `PORT_` with a port's number or name is that port's.
`$$` stands for one `$`, so `$$(NAME)` is the text `$(NAME)`. A name that the container does not have is a problem. What is not a
name stays as it is: `$(cat file)`.

On ECS nothing replaces these in a task, so what a name stands for is sent in its place. A program there listens on its container
port, and finds `PORT` and `PORT_` in its environment where one of its texts names them. A secret's variable cannot stand in a text:
ECS fetches its value later. Let a shell read it: `[sh, -c, 'exec app --token=$TOKEN']`.

On Kubernetes the kubelet replaces them, those of secrets too. A program there listens on its container port, and finds `PORT` and
`PORT_` in its environment where one of its texts names them.
";

/// The page, with a column for each of these providers.
pub fn spec_page(providers: &[Says<'_>]) -> String {
    let schema = schema();
    let mut page = HEAD.to_owned();
    let section = |path: &str| match path {
        path if path.starts_with("containers[].health_check.") => Some("A health check"),
        path if path.starts_with("containers[].liveness.") => None,
        path if path.starts_with("containers[]") => Some("A container"),
        _ => Some("The tenant"),
    };
    let mut rows = Vec::new();
    collect(&schema, &schema, "", &mut rows);
    rows.sort_by_key(|[path, ..]| {
        Field::ALL.iter().position(|field| field.path().starts_with(path.as_str()))
    });
    for title in ["The tenant", "A container", "A health check"] {
        page += &format!("\n## {title}\n\n");
        let rows: Vec<[String; 5]> =
            rows.iter().filter(|row| section(&row[0]) == Some(title)).map(shown).collect();
        page += &table(["field", "type, unit", "range", "default", "meaning"], &rows);
        if title == "A health check" {
            page += "\n`containers[].liveness` has the same fields.\n";
        }
    }
    page += VARIABLES;
    page += "\n## Who does what\n\nWhat is *not enforced* may be in a spec: `validate` and the operation say so. What is *refused* may not.\n\n";
    page += &words(providers);
    page
}

fn shown(row: &[String; 5]) -> [String; 5] {
    let [path, kind, range, default, meaning] = row.clone();
    [format!("`{path}`"), kind, range, default, meaning]
}

/// A row for each property of an object, and of what is in it.
fn collect(root: &Value, object: &Value, path: &str, rows: &mut Vec<[String; 5]>) {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else { return };
    let required: Vec<&str> = object
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in properties {
        let path = crate::spec::path::field(path, name);
        let inner = resolved(root, property);
        rows.push([
            path.clone(),
            kind(root, property, inner),
            range(property, inner),
            default(property, required.contains(&name.as_str())),
            meaning(property, inner),
        ]);
        match inner.get("items") {
            Some(items) => collect(root, resolved(root, items), &format!("{path}[]"), rows),
            None => collect(root, inner, &path, rows),
        }
    }
}

/// What a property is, apart from being absent: a definition that it refers to, or itself.
fn resolved<'s>(root: &'s Value, property: &'s Value) -> &'s Value {
    let there = |reference: &Value| {
        let name = reference.as_str()?.strip_prefix("#/$defs/")?;
        root.get("$defs")?.get(name)
    };
    let choices = property.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let refers = choices.filter_map(|choice| choice.get("$ref")).chain(property.get("$ref")).next();
    refers.and_then(there).unwrap_or(property)
}

fn kind(root: &Value, property: &Value, inner: &Value) -> String {
    if let Some(unit) = property.get("x-unit").and_then(Value::as_str) {
        return unit.to_owned();
    }
    if inner.get("anyOf").is_some() {
        return "number, or `auto`".to_owned();
    }
    if inner.get("pattern").and_then(Value::as_str).is_some_and(|pattern| pattern.starts_with("^[a-z0-9]")) {
        return "name".to_owned();
    }
    match type_of(inner) {
        "integer" => "number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => match inner.get("items").map(|items| type_of(resolved(root, items))) {
            Some("string") => "list of texts".to_owned(),
            Some(_) | None => "list".to_owned(),
        },
        "object" if inner.get("properties").is_none() => "object of texts".to_owned(),
        "object" => "object".to_owned(),
        "string" => "text".to_owned(),
        _ if !words_of(inner).is_empty() => "text".to_owned(),
        _ => "object".to_owned(),
    }
}

/// The type that is not `null`.
fn type_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("")
        }
        _ => "",
    }
}

/// The words that a choice has.
fn words_of(schema: &Value) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    listed.chain(described.filter_map(|choice| choice.get("const").and_then(Value::as_str))).collect()
}

fn range(property: &Value, inner: &Value) -> String {
    let words = words_of(inner);
    if !words.is_empty() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    let inner = match inner.get("anyOf").and_then(|choices| choices.get(0)) {
        Some(number) => number,
        None => inner,
    };
    let number = |name: &str| inner.get(name).or_else(|| property.get(name)).and_then(Value::as_i64);
    if let (Some(least), Some(most)) = (number("minimum"), number("maximum")) {
        return format!("{}–{}", grouped(least), grouped(most));
    }
    let is_named = inner.get("pattern").is_some();
    let most = ["maxItems", "maxLength", "maxProperties"].iter().find_map(|name| number(name));
    match (type_of(inner), number("minItems"), most) {
        (_, _, None) => String::new(),
        ("string", _, _) if is_named => String::new(),
        ("string", _, Some(most)) => format!("at most {} bytes", grouped(most)),
        (_, Some(least), Some(most)) => format!("{}–{}", grouped(least), grouped(most)),
        (_, None, Some(most)) => format!("at most {}", grouped(most)),
    }
}

/// A number with its thousands apart.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn default(property: &Value, required: bool) -> String {
    if let Some(words) = property.get("x-default").and_then(Value::as_str) {
        return words.to_owned();
    }
    match property.get("default") {
        _ if required => "required".to_owned(),
        Some(Value::Bool(value)) => value.to_string(),
        _ if type_of(property) == "boolean" => false.to_string(),
        _ => "none".to_owned(),
    }
}

fn meaning(property: &Value, inner: &Value) -> String {
    let said = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
    said(property).or_else(|| said(inner)).unwrap_or_default().replace('\n', " ")
}

/// The table field × provider.
fn words(providers: &[Says<'_>]) -> String {
    let said = |field: Field| -> Vec<String> {
        let words = |(_, says): &Says<'_>| match says(field) {
            Support::Mapped => "yes".to_owned(),
            Support::NotEnforced(why) => format!("*not enforced*: {why}"),
            Support::Refused(why) => format!("*refused*: {why}"),
        };
        providers.iter().map(words).collect()
    };
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    let names = providers.iter().map(|(name, _)| (*name).to_owned());
    let mut table = line(std::iter::once("field".to_owned()).chain(names).collect());
    table += &line(vec!["---".to_owned(); providers.len() + 1]);
    for (fields, said) in fold(Field::ALL.map(|field| (field, said(field)))) {
        let paths: Vec<String> = fields.iter().map(|field| format!("`{}`", field.path())).collect();
        table += &line(std::iter::once(paths.join(", ")).chain(said).collect());
    }
    table
}
