//! The OpenAPI 3.1 document, made of the table of routes and of the documents' own schemas.

use std::collections::BTreeMap;

use axum::Json;
use landlord_api::{Code, Problem};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::routes::{ANY, Answer, Body, Content, Header, Route, routes, spec};

/// Serves it.
pub(crate) async fn document() -> Json<Value> {
    Json(openapi())
}

/// The OpenAPI 3.1 document of the API.
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes() {
        let method = route.method.as_str().to_lowercase();
        paths.entry(route.path).or_default().insert(method, operation(&route, &mut generator));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "landlord-compute",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": "Each tenant's own compute. A command is answered once it is durable; its operation goes on, \
                            and can be waited for.",
        },
        "paths": paths,
        // Over the server's socket no token is asked for.
        "security": [{ "token": [] }, {}],
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = in_path(route.path);
    if let Some(query) = route.query {
        parameters.extend(in_query(&query(generator)));
    }
    parameters.extend(route.headers.iter().map(|header| in_header(*header)));
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.about,
        "responses": responses(route, generator),
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    match route.body {
        None => {}
        Some(Body::Json(shape)) => {
            let content = json!({ "application/json": { "schema": shape(generator) } });
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
        Some(Body::Spec) => {
            let schema = spec(generator);
            let content =
                json!({ "application/json": { "schema": schema }, "application/yaml": { "schema": schema } });
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
    }
    operation
}

/// The names in a path.
fn in_path(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let pattern = match name {
                "operation" => "^[0-9]+-[0-9]+$",
                "provider" => "^[a-z0-9]{1,63}$",
                "version" => "^[0-9]{1,19}$",
                _ => "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
            };
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "pattern": pattern } })
        })
        .collect()
}

/// The properties of a query.
fn in_query(query: &Schema) -> Vec<Value> {
    let properties = query.get("properties").and_then(Value::as_object);
    let required: Vec<&str> = query
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({
            "name": name,
            "in": "query",
            "required": required.contains(&name.as_str()),
            "description": about,
            "schema": schema,
        })
    };
    properties.into_iter().flatten().map(parameter).collect()
}

fn in_header(header: Header) -> Value {
    let (name, about) = match header {
        Header::IfMatch => ("If-Match", "The revision that the tenant must be at."),
        Header::IdempotencyKey => (
            "Idempotency-Key",
            "The caller's own name for the request: the same request of a tenant twice is the same operation.",
        ),
        Header::LastEventId => ("Last-Event-ID", "Only what comes after this cursor."),
    };
    json!({ "name": name, "in": "header", "required": false, "description": about, "schema": { "type": "string" } })
}

/// What a request is answered, by status.
fn responses(route: &Route, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut responses = Map::new();
    for Answer { status, about, content } in route.done {
        let mut response = json!({ "description": about });
        if let Some(Content { media, shape }) = content {
            response["content"] = json!({ *media: { "schema": shape(generator) } });
        }
        responses.insert(status.to_string(), response);
    }
    let problem = generator.subschema_for::<Problem>();
    let mut refused: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in ANY.iter().chain(route.refused) {
        let codes = refused.entry(code.status()).or_default();
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    for (status, codes) in refused {
        let about: Vec<&str> = codes.iter().map(|code| code.title()).collect();
        let content = json!({ "application/problem+json": { "schema": problem } });
        responses.insert(status.to_string(), json!({ "description": about.join("; "), "content": content }));
    }
    responses
}
