//! Tags, and the calls that change them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::home::{Home, Now, service_name};
use super::wire::{Answer, Refusal, list, text, texts};

/// The tags of a request.
pub(super) fn read(body: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = BTreeMap::new();
    for tag in list(body, "tags") {
        let key = tag["key"].as_str().unwrap_or_default();
        let value = tag["value"].as_str().unwrap_or_default();
        check(key, value)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Refusal::parameter(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
    }
    within_limit(&tags)?;
    Ok(tags)
}

fn check(key: &str, value: &str) -> Result<(), Refusal> {
    let fits = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
    if key.is_empty() || key.chars().count() > 128 || !fits(key) {
        return Err(Refusal::parameter(format!(
            "Invalid tag key '{key}': 1 to 128 letters, digits, spaces and _ . : / = + - @ are allowed."
        )));
    }
    if value.chars().count() > 256 || !fits(value) {
        return Err(Refusal::parameter(format!(
            "Invalid tag value of '{key}': up to 256 letters, digits, spaces and _ . : / = + - @ are allowed."
        )));
    }
    match key.to_ascii_lowercase().starts_with("aws:") {
        true => Err(Refusal::parameter("aws: prefixed tag key names are not allowed for external use.")),
        false => Ok(()),
    }
}

fn within_limit(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    match tags.len() > 50 {
        true => Err(Refusal::parameter("The maximum number of tags on a resource is 50.")),
        false => Ok(()),
    }
}

/// Tags as ECS shows them.
pub(super) fn shown(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn not_there() -> Refusal {
    Refusal::new("ResourceNotFoundException", "The specified resource could not be found.")
}

impl Home {
    /// The tags of what an ARN names; a change of them is read a while later.
    fn tags_of(&mut self, now: &Now, body: &Value) -> Result<&mut BTreeMap<String, String>, Refusal> {
        let arn = text(body, "resourceArn").unwrap_or_default();
        let rest = arn.strip_prefix(self.arn("").as_str());
        let rest = rest.ok_or_else(|| Refusal::parameter("The specified resource is not valid."))?.to_owned();
        match rest.split_once('/') {
            Some(("service", path)) => {
                let cluster = path.split('/').next().unwrap_or_default();
                let cluster = self.clusters.get_mut(cluster).ok_or_else(not_there)?;
                let row = cluster.services.get_mut(service_name(arn)).ok_or_else(not_there)?;
                row.is.as_ref().filter(|service| service.is_there()).ok_or_else(not_there)?;
                row.write(now.at, now.pace.lag)
                    .as_mut()
                    .map(|service| &mut service.tags)
                    .ok_or_else(not_there)
            }
            Some(("task-definition", _)) => self.definition_tags(now, arn).ok_or_else(not_there),
            _ => Err(Refusal::parameter("The specified resource is not valid.")),
        }
    }

    pub(super) fn tag_resource(&mut self, now: &Now, body: &Value) -> Answer {
        let more = read(body)?;
        let tags = self.tags_of(now, body)?;
        let mut joined = tags.clone();
        joined.extend(more);
        within_limit(&joined)?;
        *tags = joined;
        Ok(json!({}))
    }

    pub(super) fn untag_resource(&mut self, now: &Now, body: &Value) -> Answer {
        let keys = texts(body, "tagKeys");
        self.tags_of(now, body)?.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(json!({}))
    }

    pub(super) fn list_tags_for_resource(&mut self, now: &Now, body: &Value) -> Answer {
        Ok(json!({ "tags": shown(self.tags_of(now, body)?) }))
    }
}
