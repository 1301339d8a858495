//! Which objects are meant.

use serde_json::{Map, Value};

use super::request::Request;
use super::status::Refusal;

/// A selection by labels and fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Wanted>,
    /// A path such as `metadata.name`, whether it is to be so, and what.
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug)]
enum Wanted {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    There(String),
    Absent(String),
}

impl Selector {
    pub(super) fn of(request: &Request) -> Result<Self, Refusal> {
        let mut selector = Self::default();
        for part in split(request.asks("labelSelector").unwrap_or_default()) {
            selector.labels.push(label(part)?);
        }
        for part in split(request.asks("fieldSelector").unwrap_or_default()) {
            let (path, is, value) = match part.split_once("!=") {
                Some((path, value)) => (path, false, value),
                None => {
                    let bad = || Refusal::bad_request(format!("invalid selector: '{part}'"));
                    let (path, value) = part.split_once('=').ok_or_else(bad)?;
                    (path, true, value.trim_start_matches('='))
                }
            };
            selector.fields.push((path.to_owned(), is, value.to_owned()));
        }
        Ok(selector)
    }

    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn selects(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let value = |key: &String| labels[key.as_str()].as_str();
        let labels = self.labels.iter().all(|wanted| match wanted {
            Wanted::In(key, values) => value(key).is_some_and(|is| values.iter().any(|one| one == is)),
            Wanted::NotIn(key, values) => value(key).is_none_or(|is| values.iter().all(|one| one != is)),
            Wanted::There(key) => value(key).is_some(),
            Wanted::Absent(key) => value(key).is_none(),
        });
        labels
            && self.fields.iter().all(|(path, is, wanted)| {
                let found = path.split('.').fold(object, |object, part| &object[part]);
                (found.as_str().unwrap_or_default() == wanted) == *is
            })
    }
}

/// At the commas that are in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn label(part: &str) -> Result<Wanted, Refusal> {
    let values = |list: &str| {
        let list = list.trim().trim_start_matches('(').trim_end_matches(')');
        list.split(',').map(|one| one.trim().to_owned()).collect()
    };
    Ok(if let Some((key, list)) = part.split_once(" notin ") {
        Wanted::NotIn(key.trim().to_owned(), values(list))
    } else if let Some((key, list)) = part.split_once(" in ") {
        Wanted::In(key.trim().to_owned(), values(list))
    } else if let Some((key, value)) = part.split_once("!=") {
        Wanted::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()])
    } else if let Some((key, value)) = part.split_once('=') {
        Wanted::In(key.trim().to_owned(), vec![value.trim_start_matches('=').trim().to_owned()])
    } else if let Some(key) = part.strip_prefix('!') {
        Wanted::Absent(key.trim().to_owned())
    } else if part.contains(char::is_whitespace) {
        return Err(Refusal::bad_request(format!("unable to parse requirement: {part}")));
    } else {
        Wanted::There(part.to_owned())
    })
}

/// Whether labels are as a map of them says. An empty one selects nothing.
pub(super) fn matches(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object();
    wanted.is_some_and(|wanted: &Map<String, Value>| {
        !wanted.is_empty() && wanted.iter().all(|(key, value)| &labels[key.as_str()] == value)
    })
}
