//! Refusals, in the words of the API server.

use serde_json::{Value, json};

use super::kinds::{Key, Kind};

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) body: RefusalBody,
    /// The header `Retry-After`.
    pub(crate) retry_after: Option<u32>,
}

/// What a refusal says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RefusalBody {
    /// A `Status`.
    Status(Value),
    /// What is no JSON.
    Text(String),
}

/// What an API answers.
pub(super) type Answer = Result<Value, Refusal>;

/// A part of a refusal.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) field: String,
}

impl Cause {
    pub(super) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self { reason: "FieldValueInvalid", message: message.into(), field: field.to_owned() }
    }

    pub(super) fn forbidden(field: &str, message: impl Into<String>) -> Self {
        let message = format!("Forbidden: {}", message.into());
        Self { reason: "FieldValueForbidden", message, field: field.to_owned() }
    }

    pub(super) fn required(field: &str) -> Self {
        let message = "Required value".to_owned();
        Self { reason: "FieldValueRequired", message, field: field.to_owned() }
    }

    fn show(&self) -> Value {
        json!({ "reason": self.reason, "message": self.message, "field": self.field })
    }
}

impl Refusal {
    /// A `Status` with this code, reason and message.
    pub(crate) fn status(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self::detailed(code, reason, message, &Value::Null)
    }

    pub(super) fn detailed(code: u16, reason: &str, message: impl Into<String>, details: &Value) -> Self {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message.into(), "code": code,
        });
        if !reason.is_empty() {
            body["reason"] = json!(reason);
        }
        if !details.is_null() {
            body["details"] = details.clone();
        }
        Self { code, body: RefusalBody::Status(body), retry_after: None }
    }

    fn about(code: u16, reason: &str, key: &Key, message: String, causes: &[Cause]) -> Self {
        let info = key.kind.info();
        let mut details = json!({ "name": key.name, "kind": info.plural });
        if !info.group.is_empty() {
            details["group"] = json!(info.group);
        }
        if !causes.is_empty() {
            details["causes"] = causes.iter().map(Cause::show).collect();
        }
        Self::detailed(code, reason, message, &details)
    }

    pub(super) fn not_found(key: &Key) -> Self {
        let message = format!("{} \"{}\" not found", key.kind.resource(), key.name);
        Self::about(404, "NotFound", key, message, &[])
    }

    /// A path that is not served.
    pub(super) fn no_page() -> Self {
        Self { code: 404, body: RefusalBody::Text("404 page not found\n".to_owned()), retry_after: None }
    }

    pub(super) fn exists(key: &Key, deleting: bool) -> Self {
        let being = if deleting { "object is being deleted: " } else { "" };
        let message = format!("{being}{} \"{}\" already exists", key.kind.resource(), key.name);
        Self::about(409, "AlreadyExists", key, message, &[])
    }

    pub(super) fn conflict(key: &Key, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{}\": {why}", key.kind.resource(), key.name);
        Self::about(409, "Conflict", key, message, &[])
    }

    /// Fields that an apply would take from others.
    pub(super) fn conflicts(causes: &[Cause]) -> Self {
        let each: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.message, cause.field)).collect();
        let plural = if causes.len() == 1 { "conflict" } else { "conflicts" };
        let message = format!("Apply failed with {} {plural}: {}", causes.len(), each.join("\n"));
        let causes: Vec<Value> = causes.iter().map(Cause::show).collect();
        Self::detailed(409, "Conflict", message, &json!({ "causes": causes }))
    }

    pub(super) fn invalid(key: &Key, causes: &[Cause]) -> Self {
        let each: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let each = if let [one] = each.as_slice() { one.clone() } else { format!("[{}]", each.join(", ")) };
        let message = format!("{} \"{}\" is invalid: {each}", key.kind.qualified(), key.name);
        let mut refusal = Self::about(422, "Invalid", key, message, causes);
        if let RefusalBody::Status(body) = &mut refusal.body {
            body["details"]["kind"] = json!(key.kind.info().kind);
        }
        refusal
    }

    pub(super) fn forbidden(key: &Key, why: &str, causes: &[Cause]) -> Self {
        let message = format!("{} \"{}\" is forbidden: {why}", key.kind.resource(), key.name);
        Self::about(403, "Forbidden", key, message, causes)
    }

    /// The namespace is on its way out.
    pub(super) fn terminating(key: &Key) -> Self {
        let why = format!(
            "unable to create new content in namespace {} because it is being terminated",
            key.namespace
        );
        let cause = Cause {
            reason: "NamespaceTerminating",
            message: format!("namespace {} is being terminated", key.namespace),
            field: "metadata.namespace".to_owned(),
        };
        Self::forbidden(key, &why, &[cause])
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::status(400, "BadRequest", message)
    }

    pub(super) fn untyped(message: impl Into<String>) -> Self {
        Self::status(500, "", format!("failed to create typed patch object: {}", message.into()))
    }

    /// A user whose token is not known.
    pub(crate) fn unauthorized() -> Self {
        Self::status(401, "Unauthorized", "Unauthorized")
    }

    /// Too many requests: what the API server says before it looks at one.
    pub(crate) fn too_many(retry_after: u32) -> Self {
        let text = "Too many requests, please try again later.\n".to_owned();
        Self { code: 429, body: RefusalBody::Text(text), retry_after: Some(retry_after) }
    }

    /// The store behind the API server changes its leader.
    pub(crate) fn leader_changed() -> Self {
        Self::status(500, "", "etcdserver: leader changed")
    }

    /// Somebody's webhook does not answer.
    pub(crate) fn webhook_outage(name: &str) -> Self {
        let message = format!(
            "Internal error occurred: failed calling webhook \"{name}\": Post \
             \"https://{name}.svc:443/validate?timeout=10s\": context deadline exceeded"
        );
        Self::status(500, "InternalError", message)
    }

    /// Somebody's webhook says no: with 400 or 403.
    pub(crate) fn webhook_denied(code: u16, name: &str, why: &str) -> Self {
        let reason = if code == 403 { "Forbidden" } else { "BadRequest" };
        Self::status(code, reason, format!("admission webhook \"{name}\" denied the request: {why}"))
    }

    /// The API server gave up on it.
    pub(crate) fn timed_out() -> Self {
        let message =
            "Timeout: request did not complete within requested timeout - context deadline exceeded";
        Self::status(504, "Timeout", message)
    }

    /// The API server is not ready.
    pub(crate) fn unavailable() -> Self {
        Self::status(503, "ServiceUnavailable", "apiserver is shutting down")
    }

    /// What was asked for is too old.
    pub(crate) fn expired() -> Self {
        Self::status(410, "Expired", "too old resource version: 1 (2)")
    }

    /// A resource that somebody may not use.
    pub(super) fn denied(user: &str, verb: &str, kind: Kind, sub: Option<&str>, key: &Key) -> Self {
        let info = kind.info();
        let resource = sub.map_or(info.plural.to_owned(), |sub| format!("{}/{sub}", info.plural));
        let place = match key.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace \"{namespace}\""),
        };
        let named = match key.name.as_str() {
            "" => format!("{} is forbidden", kind.resource()),
            name => format!("{} \"{name}\" is forbidden", kind.resource()),
        };
        let message = format!(
            "{named}: User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{}\" {place}",
            info.group
        );
        Self::about(403, "Forbidden", key, message, &[])
    }

    /// The words of it.
    pub(super) fn message(&self) -> &str {
        match &self.body {
            RefusalBody::Status(body) => body["message"].as_str().unwrap_or_default(),
            RefusalBody::Text(text) => text,
        }
    }
}
