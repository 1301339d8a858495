//! What each answer of an API server means.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use landlord_state_machines::error::{ErrorCode, ProviderError, Remedy};
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::kubernetes::FieldConflict;
use serde_json::{Value, json};

use crate::error::{Failure, Why};
use crate::request::{Ask, Part, Resource, What};
use crate::status::Refusal;

fn deployment() -> Resource {
    Resource::all("apps/v1", "deployments", Some("acme")).named("web")
}

fn create() -> Ask {
    Ask::new(Resource { name: None, ..deployment() }, What::Create(json!({})))
}

fn apply() -> Ask {
    Ask::new(deployment(), What::Apply { body: json!({}), force: false })
}

/// A Status as the API server writes it.
fn status(code: u16, reason: &str, message: &str, details: Value) -> Vec<u8> {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    });
    status.to_string().into_bytes()
}

fn answered(ask: &Ask, code: u16, body: &[u8]) -> Failure {
    Failure::of(ask, &Refusal::read(code, &HeaderMap::new(), body))
}

fn failed(ask: &Ask, code: u16, reason: &str, message: &str, details: Value) -> Failure {
    answered(ask, code, &status(code, reason, message, details))
}

/// The error of a request that did nothing.
fn refused(failure: Failure) -> ProviderError {
    match CallError::from(failure) {
        CallError::Refused(error) => error,
        CallError::Unknown(error) => panic!("it may have happened: {error}"),
    }
}

/// The error of a request that may have done something.
fn unknown(failure: Failure) -> ProviderError {
    match CallError::from(failure) {
        CallError::Unknown(error) => error,
        CallError::Refused(error) => panic!("it did not happen: {error}"),
    }
}

fn is(error: &ProviderError, remedy: Remedy, code: ErrorCode) {
    assert_eq!((error.remedy, error.code), (remedy, code), "{error}");
}

// ---- credentials and rights

#[test]
fn unknown_credentials_need_a_person() {
    let failure = failed(&create(), 401, "Unauthorized", "Unauthorized", Value::Null);
    assert_eq!(failure.why, Why::Unauthorized);
    is(&refused(failure), Remedy::NeedsPerson, ErrorCode::PermissionDenied);
}

#[test]
fn a_missing_right_is_named() {
    let message = "deployments.apps is forbidden: User \"system:serviceaccount:landlord:engine\" cannot create resource \
                   \"deployments\" in API group \"apps\" in the namespace \"acme\"";
    let failure =
        failed(&create(), 403, "Forbidden", message, json!({ "group": "apps", "kind": "deployments" }));
    assert_eq!(failure.why, Why::Forbidden);
    let error = refused(failure);
    is(&error, Remedy::NeedsPerson, ErrorCode::PermissionDenied);
    assert_eq!(
        error.message,
        "create deployments.apps in namespace acme: the engine may not create deployments.apps; allow it \
         (ops/kubernetes/rbac.yaml), then retry"
    );
}

#[test]
fn an_apply_that_would_create_misses_that_verb() {
    let message = "deployments.apps \"web\" is forbidden: ";
    let error = refused(failed(&apply(), 403, "Forbidden", message, json!({ "name": "web" })));
    assert!(error.message.contains("the engine may not create deployments.apps;"), "{error}");
}

#[test]
fn the_right_to_logs_is_that_of_the_subresource() {
    let mut logs = Resource::pod("acme", "web-1");
    logs.subresource = Some("log");
    let error = refused(failed(&Ask::new(logs, What::Get(Part::Whole)), 403, "Forbidden", "no", Value::Null));
    assert!(error.message.contains("the engine may not get pods/log;"), "{error}");
}

// ---- namespaces

#[test]
fn a_namespace_that_goes_is_no_missing_right() {
    let message = "deployments.apps \"web\" is forbidden: unable to create new content in namespace acme because it is being \
                   terminated";
    let causes = json!({ "causes": [{ "reason": "NamespaceTerminating", "field": "metadata.namespace" }] });
    let failure = failed(&create(), 403, "Forbidden", message, causes);
    assert_eq!(failure.why, Why::NoNamespace);
    is(&refused(failure), Remedy::Retry, ErrorCode::Conflict);
}

#[test]
fn a_namespace_that_is_not_there_is_told_apart_from_its_object() {
    let namespace = json!({ "name": "acme", "kind": "namespaces" });
    let failure = failed(&create(), 404, "NotFound", "namespaces \"acme\" not found", namespace);
    assert_eq!(failure.why, Why::NoNamespace);
    let object = json!({ "name": "web", "group": "apps", "kind": "deployments" });
    let failure = failed(&apply(), 404, "NotFound", "deployments.apps \"web\" not found", object);
    assert_eq!(failure.why, Why::NotThere);
    let get = Ask::new(Resource::namespace("acme"), What::Get(Part::Whole));
    let namespace = json!({ "name": "acme", "kind": "namespaces" });
    let failure = failed(&get, 404, "NotFound", "namespaces \"acme\" not found", namespace);
    assert_eq!(failure.why, Why::NotThere);
}

#[test]
fn a_kind_that_the_cluster_lacks_is_told_apart_from_an_object() {
    let failure = answered(&apply(), 404, b"404 page not found\n");
    assert_eq!(failure.why, Why::NoKind);
    is(&refused(failure), Remedy::NeedsPerson, ErrorCode::InvalidConfiguration);
    let message = "the server could not find the requested resource";
    assert_eq!(failed(&apply(), 404, "NotFound", message, json!({})).why, Why::NoKind);
}

#[test]
fn a_namespace_that_is_not_ready_passes() {
    let unknown = "pods \"web\" is forbidden: status unknown for quota: quota, resources: limits.cpu";
    is(
        &refused(failed(&create(), 403, "Forbidden", unknown, json!({ "name": "web" }))),
        Remedy::Retry,
        ErrorCode::ResourceExhausted,
    );
    let account =
        "pods \"web\" is forbidden: error looking up service account acme/default: serviceaccount not found";
    is(
        &refused(failed(&create(), 403, "Forbidden", account, json!({ "name": "web" }))),
        Remedy::Retry,
        ErrorCode::ResourceExhausted,
    );
}

#[test]
fn a_quota_that_is_used_up_needs_a_person() {
    let message = "pods \"web\" is forbidden: exceeded quota: quota, requested: limits.cpu=2, used: limits.cpu=1, limited: \
                   limits.cpu=2";
    let error = refused(failed(&create(), 403, "Forbidden", message, json!({ "name": "web" })));
    is(&error, Remedy::NeedsPerson, ErrorCode::ResourceExhausted);
    assert!(error.platform.unwrap().contains("requested: limits.cpu=2"));
}

// ---- conflicts

#[test]
fn a_name_that_is_taken_is_looked_at() {
    let message = "deployments.apps \"web\" already exists";
    let failure =
        failed(&create(), 409, "AlreadyExists", message, json!({ "name": "web", "kind": "deployments" }));
    assert_eq!(failure.why, Why::Exists);
}

#[test]
fn fields_of_other_managers_are_named_with_their_managers() {
    let details = json!({ "name": "web", "causes": [
        {
            "reason": "FieldManagerConflict",
            "message": "conflict with \"kubectl-edit\" using apps/v1 at 2026-01-02T03:04:05Z",
            "field": ".spec.template.spec.containers[name=\"web\"].image",
        },
        {
            "reason": "FieldManagerConflict",
            "message": "conflict with \"helm\" using apps/v1",
            "field": ".spec.replicas",
        },
    ] });
    let failure = failed(&apply(), 409, "Conflict", "Apply failed with 2 conflicts", details);
    let conflict =
        |manager: &str, field: &str| FieldConflict { manager: manager.into(), field: field.into() };
    let conflicts = [
        conflict("helm", ".spec.replicas"),
        conflict("kubectl-edit", ".spec.template.spec.containers[name=\"web\"].image"),
    ];
    assert_eq!(failure.why, Why::FieldConflicts(conflicts.into()));
    let error = refused(failure);
    is(&error, Remedy::NeedsPerson, ErrorCode::Conflict);
    assert!(error.message.contains(".spec.replicas of helm"), "{error}");
}

#[test]
fn another_life_of_an_object_is_not_what_was_meant() {
    let mismatch = "Operation cannot be fulfilled on deployments.apps \"web\": uid mismatch: the provided object specified uid \
                    u1, and no existing object was found";
    let gone = failed(&apply(), 409, "Conflict", mismatch, json!({ "name": "web" }));
    assert_eq!(gone.why, Why::NotAsMeant);
    let causes = json!({ "name": "web", "causes": [{
        "reason": "FieldValueInvalid",
        "message": "Invalid value: \"u1\": field is immutable",
        "field": "metadata.uid",
    }] });
    let another = failed(&apply(), 422, "Invalid", "Deployment.apps \"web\" is invalid", causes);
    assert_eq!(another.why, Why::NotAsMeant);
    let patch = Ask::new(deployment(), What::Patch { operations: json!([]), manager: "landlord" });
    let message = "the server rejected our request due to an error in our request";
    let changed = failed(&patch, 422, "Invalid", message, json!({}));
    assert_eq!(changed.why, Why::NotAsMeant);
    is(&refused(changed), Remedy::Retry, ErrorCode::Conflict);
}

// ---- the spec

#[test]
fn what_is_invalid_is_named_by_field_and_without_the_value() {
    let causes = json!({ "name": "web", "causes": [
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: core.PodTemplateSpec{Env:[]core.EnvVar{core.EnvVar{Name:\"K\", Value:\"TOPSECRET: x\"}}}: field is immutable",
            "field": "spec.template",
        },
        {
            "reason": "FieldValueNotSupported",
            "message": "Unsupported value: \"TOPSECRET\": supported values: \"TCP\", \"UDP\"",
            "field": "spec.ports[0].protocol",
        },
    ] });
    let message = "Deployment.apps \"web\" is invalid: [spec.template: Invalid value: \"TOPSECRET\"]";
    let error = refused(failed(&create(), 422, "Invalid", message, causes));
    is(&error, Remedy::Permanent, ErrorCode::InvalidConfiguration);
    assert!(
        error.message.contains("the cluster cannot take spec.ports[0].protocol, spec.template"),
        "{error}"
    );
    let platform = error.platform.clone().unwrap();
    assert_eq!(
        platform,
        "Invalid: spec.template: Invalid value: field is immutable; spec.ports[0].protocol: Unsupported value: supported \
         values: \"TCP\", \"UDP\""
    );
    assert!(!format!("{error:?}").contains("TOPSECRET"));
}

#[test]
fn a_field_that_an_old_server_does_not_know_is_never_tried_again() {
    let message = "failed to create typed patch object: .spec.minReadySeconds: field not declared in schema";
    let error = refused(failed(&apply(), 500, "", message, Value::Null));
    is(&error, Remedy::Permanent, ErrorCode::InvalidConfiguration);
    assert!(error.platform.unwrap().contains("field not declared in schema"));
}

#[test]
fn an_object_that_is_too_large_is_never_tried_again() {
    let etcd = failed(&create(), 500, "", "etcdserver: request is too large", Value::Null);
    is(&refused(etcd), Remedy::Permanent, ErrorCode::InvalidConfiguration);
    let message = "Request entity too large: limit is 3145728";
    let server = failed(&create(), 413, "RequestEntityTooLarge", message, json!({}));
    let error = refused(server);
    is(&error, Remedy::Permanent, ErrorCode::InvalidConfiguration);
    assert!(error.message.contains("too large"), "{error}");
}

#[test]
fn what_an_admission_rule_denies_is_never_tried_again() {
    let message =
        "admission webhook \"policy.example.com\" denied the request: images come from registry.example.com";
    for code in [400, 403] {
        let error = refused(failed(&create(), code, "", message, json!({})));
        is(&error, Remedy::Permanent, ErrorCode::InvalidConfiguration);
        assert!(error.message.contains("the admission webhook policy.example.com refuses it"), "{error}");
        assert!(error.platform.unwrap().contains("images come from registry.example.com"));
    }
    let pods = "pods \"web\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";
    let error = refused(failed(&create(), 403, "Forbidden", pods, json!({ "name": "web" })));
    is(&error, Remedy::Permanent, ErrorCode::InvalidConfiguration);
    let limits = "pods \"web\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
    let error = refused(failed(&create(), 403, "Forbidden", limits, json!({ "name": "web" })));
    is(&error, Remedy::Permanent, ErrorCode::InvalidConfiguration);
}

// ---- trouble

#[test]
fn a_webhook_that_does_not_answer_is_named_and_passes() {
    let message = "Internal error occurred: failed calling webhook \"inject.example.com\": Post \
                   \"https://inject.mesh.svc:443/inject?timeout=10s\": context deadline exceeded";
    let error = refused(failed(&create(), 500, "InternalError", message, json!({})));
    is(&error, Remedy::Retry, ErrorCode::ProviderUnavailable);
    assert!(error.message.contains("the admission webhook inject.example.com does not answer"), "{error}");
}

#[test]
fn throttling_is_waited_out_for_as_long_as_the_server_says() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
    // Kubernetes' own limit answers in plain text.
    let body = b"Too many requests, please try again later.\n";
    let failure = Failure::of(&create(), &Refusal::read(429, &headers, body));
    assert_eq!(failure.why, Why::Throttled(Duration::from_secs(7)));
    let error = refused(failure);
    is(&error, Remedy::Retry, ErrorCode::ResourceExhausted);
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    let details = json!({ "retryAfterSeconds": 3 });
    let failure = failed(&create(), 429, "TooManyRequests", "storage is (re)initializing", details);
    assert_eq!(refused(failure).retry_after, Some(Duration::from_secs(3)));
    assert_eq!(refused(answered(&create(), 429, body)).retry_after, Some(Duration::from_secs(1)));
}

#[test]
fn trouble_of_the_server_may_have_happened_all_the_same() {
    let messages = [
        "etcdserver: request timed out",
        "etcdserver: leader changed",
        "rpc error: code = Unavailable desc = transport is closing",
    ];
    for message in messages {
        let error = unknown(failed(&create(), 500, "InternalError", message, Value::Null));
        is(&error, Remedy::Retry, ErrorCode::ProviderUnavailable);
        assert!(error.platform.unwrap().contains(message));
    }
    let message = "The POST operation against Pod could not be completed at this time, please try again.";
    let details = json!({ "name": "POST", "retryAfterSeconds": 1 });
    let error = unknown(failed(&create(), 500, "ServerTimeout", message, details));
    assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
    for code in [502, 503] {
        is(&unknown(answered(&create(), code, b"")), Remedy::Retry, ErrorCode::ProviderUnavailable);
    }
    let error = unknown(failed(&create(), 504, "Timeout", "request did not complete in time", json!({})));
    is(&error, Remedy::Retry, ErrorCode::ProviderTimeout);
}

#[test]
fn no_answer_in_time_may_have_happened() {
    let error = unknown(Failure::late(&create(), Duration::from_secs(30)));
    is(&error, Remedy::Retry, ErrorCode::ProviderTimeout);
}

#[test]
fn the_rest_of_a_list_that_is_not_there_any_more_is_listed_again() {
    let failure = failed(&create(), 410, "Expired", "The provided continue parameter is too old", json!({}));
    is(&refused(failure), Remedy::Retry, ErrorCode::ProviderUnavailable);
}

#[test]
fn what_a_proxy_says_is_kept_short() {
    let page = "<html>".to_owned() + &"x".repeat(5_000);
    let error = refused(answered(&create(), 418, page.as_bytes()));
    is(&error, Remedy::NeedsPerson, ErrorCode::UnknownError);
    assert!(error.platform.unwrap().len() <= 1_000);
}

// ---- credentials

#[test]
fn what_a_plugin_prints_is_told_nowhere() {
    use std::os::unix::process::ExitStatusExt;
    let out = std::process::Output {
        status: std::process::ExitStatus::from_raw(256),
        stdout: b"{\"status\":{\"token\":\"TOPSECRET\"}}".to_vec(),
        stderr: b"the session has expired".to_vec(),
    };
    let auth = kube::client::AuthError::AuthExecRun { cmd: "aws".to_owned(), out: Box::new(out) };
    // As it comes from a token that is renewed, within the client.
    let error = kube::Error::Service(Box::new(auth));
    let error = refused(Failure::of_transport(&create(), "example.com", &error));
    is(&error, Remedy::Retry, ErrorCode::PermissionDenied);
    assert!(error.platform.as_ref().unwrap().contains("the session has expired"), "{error}");
    assert!(!format!("{error:?}").contains("TOPSECRET"));
}
