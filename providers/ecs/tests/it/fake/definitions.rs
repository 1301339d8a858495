//! Task definitions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::definition_rules::check;
use super::home::{Family, Home, Now, Revision, RevisionStatus};
use super::lagged::Lagged;
use super::scheduler::Kind;
use super::tags;
use super::wire::{Answer, Refusal, page, text, texts};

/// What a registration takes over as it is.
pub(super) const FIELDS: [&str; 13] = [
    "family",
    "containerDefinitions",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "ephemeralStorage",
    "runtimePlatform",
    "pidMode",
];

const NOT_THERE: &str =
    "The specified task definition does not exist. Specify a valid account, family, revision and try again.";

fn status(status: RevisionStatus) -> &'static str {
    match status {
        RevisionStatus::Active => "ACTIVE",
        RevisionStatus::Inactive => "INACTIVE",
        RevisionStatus::Deleting { .. } => "DELETE_IN_PROGRESS",
    }
}

pub(super) fn shown(revision: &Revision, now: &Now) -> Value {
    let mut shown = revision.content.clone();
    shown.insert("taskDefinitionArn".to_owned(), json!(revision.arn));
    shown.insert("status".to_owned(), json!(status(revision.status)));
    shown.insert("registeredAt".to_owned(), now.stamp(revision.registered));
    let number: u32 = revision.arn.rsplit(':').next().and_then(|text| text.parse().ok()).unwrap_or_default();
    shown.insert("revision".to_owned(), json!(number));
    let compatible = shown.get("requiresCompatibilities").cloned().unwrap_or_else(|| json!(["EC2"]));
    shown.insert("compatibilities".to_owned(), compatible);
    Value::Object(shown)
}

/// What AWS fills in where a container says nothing.
fn filled(mut content: Map<String, Value>) -> Map<String, Value> {
    if let Some(containers) = content.get_mut("containerDefinitions").and_then(Value::as_array_mut) {
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            for (field, value) in [("cpu", json!(0)), ("essential", json!(true))] {
                container.entry(field).or_insert(value);
            }
            for field in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"] {
                container.entry(field).or_insert_with(|| json!([]));
            }
        }
    }
    content
}

impl Home {
    pub(super) fn register_task_definition(&mut self, now: &Now, body: &Value) -> Answer {
        check(body)?;
        let tags = tags::read(body)?;
        let name = text(body, "family").unwrap_or_default().to_owned();
        let family = self.families.entry(name.clone()).or_default();
        if family.registered.is_some_and(|at| now.since(at) < now.pace.registering) {
            return Err(Refusal::client(
                "Too many concurrent attempts to create a new revision of the specified family.",
            ));
        }
        family.registered = Some(now.at);
        family.last += 1;
        let number = family.last;
        let arn = self.arn(&format!("task-definition/{name}:{number}"));
        let given = FIELDS.iter().filter_map(|field| Some(((*field).to_owned(), body.get(*field)?.clone())));
        let content = filled(given.filter(|(_, value)| !value.is_null()).collect());
        let (status, registered) = (RevisionStatus::Active, now.at);
        let kind = Kind::of(&content);
        let revision = Revision { arn, content, kind, status, registered, tags };
        let answer = json!({ "taskDefinition": shown(&revision, now), "tags": tags::shown(&revision.tags) });
        let row = Lagged::new(None, Some(revision), now.at);
        self.families.entry(name).or_default().revisions.insert(number, row);
        Ok(answer)
    }

    pub(super) fn describe_task_definition(&mut self, now: &Now, body: &Value) -> Answer {
        let not_there = || Refusal::client("Unable to describe task definition.");
        let named = text(body, "taskDefinition").unwrap_or_default();
        // A description by id is read where it was written.
        let row = self.revision(named).ok_or_else(not_there)?;
        let revision = row.is.as_ref().ok_or_else(not_there)?;
        let mut answer = json!({ "taskDefinition": shown(revision, now) });
        if texts(body, "include").contains(&"TAGS") {
            answer["tags"] = tags::shown(&revision.tags);
        }
        Ok(answer)
    }

    pub(super) fn list_task_definitions(&mut self, now: &Now, body: &Value) -> Answer {
        let wanted = text(body, "status").unwrap_or("ACTIVE");
        let mut arns = Vec::new();
        let mut look = |family: &Family| {
            let seen = family.revisions.values().filter_map(|row| row.seen(now.at, now.pace.lag).as_ref());
            arns.extend(seen.filter(|revision| status(revision.status) == wanted).map(|one| one.arn.clone()));
        };
        match text(body, "familyPrefix") {
            // The whole name of a family, whatever the parameter is called.
            Some(name) => {
                self.families.get(name).into_iter().for_each(&mut look);
            }
            None => self.families.values().for_each(&mut look),
        }
        if text(body, "sort") == Some("DESC") {
            arns.reverse();
        }
        let (arns, next) = page(arns, body, 100, 100)?;
        Ok(json!({ "taskDefinitionArns": arns, "nextToken": next }))
    }

    pub(super) fn list_task_definition_families(&mut self, now: &Now, body: &Value) -> Answer {
        let prefix = text(body, "familyPrefix").unwrap_or_default();
        let wanted = text(body, "status").unwrap_or("ACTIVE");
        let has = |family: &Family| {
            let mut seen =
                family.revisions.values().filter_map(|row| row.seen(now.at, now.pace.lag).as_ref());
            let active = |revision: &Revision| revision.status == RevisionStatus::Active;
            let is_active = seen.clone().any(active);
            match wanted {
                "ALL" => is_active || seen.any(|one| one.status == RevisionStatus::Inactive),
                "INACTIVE" => !is_active && seen.any(|one| one.status == RevisionStatus::Inactive),
                _ => is_active,
            }
        };
        let families = self.families.iter().filter(|(name, family)| name.starts_with(prefix) && has(family));
        let names = families.map(|(name, _)| name.clone()).collect();
        let (families, next) = page(names, body, 100, 100)?;
        Ok(json!({ "families": families, "nextToken": next }))
    }

    pub(super) fn deregister_task_definition(&mut self, now: &Now, body: &Value) -> Answer {
        let named = text(body, "taskDefinition").unwrap_or_default();
        if !named.rsplit('/').next().is_some_and(|name| name.contains(':')) {
            return Err(Refusal::client("Revision is missing."));
        }
        let row = self.revision(named).ok_or_else(|| Refusal::client(NOT_THERE))?;
        match row.write(now.at, now.pace.lag) {
            Some(revision) if revision.status == RevisionStatus::Active => {
                revision.status = RevisionStatus::Inactive;
                Ok(json!({ "taskDefinition": shown(revision, now) }))
            }
            Some(_) => Err(Refusal::client(
                "The specified task definition is inactive. Specify a valid account, family, revision and try again.",
            )),
            None => Err(Refusal::client(NOT_THERE)),
        }
    }

    pub(super) fn delete_task_definitions(&mut self, now: &Now, body: &Value) -> Answer {
        let named = texts(body, "taskDefinitions");
        if named.is_empty() || named.len() > 10 {
            return Err(Refusal::parameter("The number of task definitions must be between 1 and 10."));
        }
        let (mut deleted, mut failures) = (Vec::new(), Vec::new());
        for name in named {
            let active = "The specified task definition is still in ACTIVE status. Please deregister the target and try again.";
            let failure = match self.revision(name) {
                None => Some(NOT_THERE),
                Some(row) => match &row.is {
                    None => Some(NOT_THERE),
                    Some(revision) if revision.status == RevisionStatus::Active => Some(active),
                    Some(_) => {
                        if let Some(revision) = row.write(now.at, now.pace.lag) {
                            if revision.status == RevisionStatus::Inactive {
                                revision.status = RevisionStatus::Deleting { since: now.at };
                            }
                            deleted.push(shown(revision, now));
                        }
                        None
                    }
                },
            };
            failures.extend(failure.map(|reason| json!({ "arn": name, "reason": reason })));
        }
        Ok(json!({ "taskDefinitions": deleted, "failures": failures }))
    }

    /// Forgets what was deleted long enough ago and is used no more.
    pub(super) fn forget_definitions(&mut self, now: &Now) {
        if self.forgot.is_some_and(|at| now.since(at) < now.pace.deleting / 10) {
            return;
        }
        self.forgot = Some(now.at);
        let services = self.clusters.values().flat_map(|cluster| cluster.services.values());
        let used: Vec<&str> = services
            .filter_map(|row| row.is.as_ref())
            .flat_map(|service| service.deployments.iter().map(|deployment| deployment.definition.as_str()))
            .collect();
        let gone = |revision: &Revision| match revision.status {
            RevisionStatus::Deleting { since } => {
                now.since(since) >= now.pace.deleting && !used.contains(&revision.arn.as_str())
            }
            RevisionStatus::Active | RevisionStatus::Inactive => false,
        };
        for family in self.families.values_mut() {
            family.revisions.retain(|_, row| !row.is.as_ref().is_some_and(gone));
        }
    }

    /// The active revision that a service is to run, with its content.
    pub(super) fn usable(&mut self, named: &str) -> Result<(String, Map<String, Value>), Refusal> {
        let row = self.revision(named).ok_or_else(|| Refusal::client("TaskDefinition not found."))?;
        match &row.is {
            None => Err(Refusal::client("TaskDefinition not found.")),
            Some(revision) if revision.status != RevisionStatus::Active => {
                Err(Refusal::client("TaskDefinition is inactive"))
            }
            Some(revision) => Ok((revision.arn.clone(), revision.content.clone())),
        }
    }

    /// The tags of a revision.
    pub(super) fn definition_tags(&mut self, now: &Now, arn: &str) -> Option<&mut BTreeMap<String, String>> {
        let row = self.revision(arn)?;
        row.is.as_ref()?;
        row.write(now.at, now.pace.lag).as_mut().map(|revision| &mut revision.tags)
    }
}
