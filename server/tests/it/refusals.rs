//! Whatever cannot be done is answered by a problem document with a stable code.

use axum::body::Body;
use landlord_compute::machines::spec::MAX_DOCUMENT_BYTES;
use serde_json::json;
use std::time::Duration;

use super::{Desk, request, spec};

#[tokio::test(start_paused = true)]
async fn requests_that_are_none() {
    let desk = Desk::new().await;
    for (line, status, code) in [
        ("GET /nowhere", 404, "no_such_path"),
        ("GET /v1/tenants/acme/nothing", 404, "no_such_path"),
        ("PATCH /v1/tenants/acme", 405, "method_not_allowed"),
        ("GET /v1/tenants/Acme", 400, "invalid_request"),
        ("GET /v1/tenants/..%2F..%2Fetc", 400, "invalid_request"),
        ("GET /v1/tenants?sate=running", 400, "invalid_request"),
        ("GET /v1/tenants?state=gone", 400, "invalid_request"),
        ("GET /v1/tenants?health=well", 400, "invalid_request"),
        ("GET /v1/tenants?label=", 400, "invalid_request"),
        ("GET /v1/tenants?label=team%3Dblue%2C", 400, "invalid_request"),
        ("GET /v1/tenants?provider=nope", 404, "provider_not_found"),
        ("GET /v1/tenants/acme", 404, "tenant_not_found"),
        ("DELETE /v1/tenants/acme", 404, "tenant_not_found"),
        ("POST /v1/tenants/acme/restart", 409, "rejected"),
        ("GET /v1/operations/9-9", 404, "operation_not_found"),
        ("GET /v1/operations/nine", 400, "invalid_request"),
        ("GET /v1/operations/9-9?wait=soon", 400, "invalid_request"),
        ("GET /v1/operations/9-9?wait=-3s", 400, "invalid_request"),
        ("GET /v1/providers/nope", 404, "provider_not_found"),
        ("POST /v1/providers/nope/sweep", 404, "provider_not_found"),
        ("GET /v1/tenants/acme/events?follow=false", 404, "tenant_not_found"),
        ("PUT /v1/tenants/acme", 422, "invalid_spec"),
    ] {
        let answer = desk.ask(line).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, code), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_problem_of_a_spec_is_named_with_its_path() {
    let desk = Desk::new().await;
    let yaml = "tenant_id: acme\nprovider_type: nope\ncontainers: []\ncolour: red\n";
    let ask = |media: &str| {
        request("POST /v1/validate").header("content-type", media).body(Body::from(yaml)).expect("a request")
    };
    let answer = desk.asks(ask("application/yaml; charset=utf-8")).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "invalid_spec"));
    let document = answer.document(422);
    let problems = document["problems"].as_array().expect("a list");
    let paths: Vec<&str> = problems.iter().filter_map(|problem| problem["path"].as_str()).collect();
    for path in ["colour", "containers", "provider_type", "resources.cpu"] {
        assert!(paths.contains(&path), "{path} is not in {paths:?}");
    }
    assert_eq!(desk.asks(ask("text/csv")).await.problem(), "unsupported_media_type");
    let long = Body::from("x".repeat(MAX_DOCUMENT_BYTES + 1));
    let long = desk.asks(request("POST /v1/validate").body(long).expect("a request")).await;
    assert_eq!((long.status.as_u16(), long.problem().as_str()), (413, "too_large"));
    let another = desk.send("PUT /v1/tenants/acme", "bravo", "v1").await;
    assert_eq!(another.problem(), "invalid_spec", "the spec is for another tenant");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let desk = Desk::new().await;
    let begun = tokio::time::Instant::now();
    let silent = Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    let answer = desk.asks(request("POST /v1/validate").body(silent).expect("a request")).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (408, "timed_out"));
    assert!(begun.elapsed().as_secs() < 60);
}

#[tokio::test(start_paused = true)]
async fn what_goes_with_a_command_is_kept_or_refused() {
    let desk = Desk::new().await;
    desk.runs("acme", "v1").await;
    let matching = |revision: &str| {
        request("PUT /v1/tenants/acme")
            .header("if-match", revision)
            .body(spec("acme", "v2"))
            .expect("a request")
    };
    let stale = desk.asks(matching("\"1\"")).await;
    assert_eq!((stale.status.as_u16(), stale.problem().as_str()), (412, "revision_mismatch"));
    assert_eq!(desk.asks(matching("*")).await.problem(), "invalid_request");
    desk.asks(matching("\"2\"")).await.document(202);
    let empty = request("POST /v1/tenants/acme/restart").header("idempotency-key", "");
    assert_eq!(desk.asks(empty.body(Body::empty()).expect("a request")).await.problem(), "invalid_request");
    let conflict = desk.send("POST /v1/tenants/acme/provision", "acme", "v3").await;
    assert_eq!((conflict.status.as_u16(), conflict.problem().as_str()), (409, "rejected"));
}

#[tokio::test(start_paused = true)]
async fn a_protected_tenant_is_not_destroyed() {
    let desk = Desk::new().await;
    let mut body = serde_json::to_value(landlord_testing::fixtures::spec("acme", "v1")).expect("a document");
    body["deletion_protection"] = json!(true);
    let put = request("PUT /v1/tenants/acme").body(Body::from(body.to_string())).expect("a request");
    let put = desk.asks(put).await.document(202);
    desk.end(&put).await;
    let answer = desk.ask("DELETE /v1/tenants/acme").await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (409, "protected"));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_ended_says_so() {
    let desk = Desk::new().await;
    assert_eq!(desk.ask("GET /healthz").await.status.as_u16(), 204);
    assert_eq!(desk.ask("GET /readyz").await.status.as_u16(), 204);
    desk.engine.shutdown(Duration::from_secs(1)).await.expect("ends");
    let answer = desk.ask("GET /readyz").await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (503, "closed"));
    let put = desk.send("PUT /v1/tenants/acme", "acme", "v1").await;
    assert_eq!(put.status.as_u16(), 503);
    assert_eq!(desk.ask("GET /healthz").await.status.as_u16(), 204, "the process lives");
}
