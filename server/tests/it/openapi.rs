//! The OpenAPI document: as it was, whole, and of every route.

use std::path::Path;

use landlord_server::openapi;
use serde_json::Value;

use super::Desk;

#[test]
fn the_document_is_as_it_is_kept() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = format!("{:#}\n", openapi());
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, now).expect("written");
        return;
    }
    let kept = std::fs::read_to_string(&path).expect("openapi.json");
    assert!(
        kept == now,
        "the API is another; UPDATE_PAGES=1 cargo test -p landlord-server writes openapi.json again"
    );
}

/// Every reference in a document leads somewhere.
fn references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = openapi();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_served_and_every_path_in_it_is_there() {
    let desk = Desk::new().await;
    let served = desk.ask("GET /v1/openapi.json").await.document(200);
    assert_eq!(served, openapi());
    for (path, methods) in served["paths"].as_object().expect("paths") {
        let path = path
            .replace("{tenant}", "acme")
            .replace("{operation}", "1-1")
            .replace("{provider}", "nope")
            .replace("{name}", "audit");
        for method in methods.as_object().expect("methods").keys() {
            // A stream of what is to come has no end.
            let query = if path.ends_with("events") { "?follow=false" } else { "" };
            let answer = desk.ask(&format!("{} {path}{query}", method.to_uppercase())).await;
            if !answer.status.is_success() {
                let code = answer.problem();
                assert!(
                    !["no_such_path", "method_not_allowed"].contains(&code.as_str()),
                    "{method} {path}: {code}"
                );
            }
        }
    }
}
