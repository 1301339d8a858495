//! The API over an engine, a store in memory and the scripted provider: what is asked, and what is answered.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod access;
mod authority;
mod commands;
mod doctor;
mod events;
mod fleet;
mod keys;
mod listening;
mod load;
mod logs;
mod metrics;
mod openapi;
mod page;
mod refusals;
mod subscriptions;
mod tcp;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use landlord_compute::Engine;
use landlord_compute::store::{MemoryOptions, MemoryStore};
use landlord_server::{Served, router};
use landlord_testing::fixtures;
use landlord_testing::scripted::Scripted;
use serde_json::Value;
use tower_service::Service;

/// A server without a socket.
struct Desk {
    router: Router,
    served: Served,
    engine: Arc<Engine>,
    provider: Scripted,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    /// The document, after its status was what it should be.
    fn document(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        serde_json::from_str(&self.text).expect("a document")
    }

    /// The problem's code, after its form was looked at.
    fn problem(&self) -> String {
        let document = self.document(self.status.as_u16());
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(document["status"], self.status.as_u16());
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
        document["code"].as_str().expect("a code").to_owned()
    }
}

impl Desk {
    async fn new() -> Self {
        Self::with(MemoryStore::new(MemoryOptions::default())).await
    }

    async fn with(store: MemoryStore) -> Self {
        let provider = fixtures::scripted();
        let engine = Arc::new(fixtures::engine(store, &provider).start().await.expect("starts"));
        let served = Served::engine(Arc::clone(&engine));
        Self { router: router(served.clone()), served, engine, provider }
    }

    /// Asks, with headers and a body.
    async fn asks(&self, request: Request<Body>) -> Answer {
        answered(&self.router, request).await
    }

    async fn ask(&self, line: &str) -> Answer {
        self.asks(request(line).body(Body::empty()).expect("a request")).await
    }

    /// Asks with a spec as the body.
    async fn send(&self, line: &str, tenant: &str, image: &str) -> Answer {
        self.asks(request(line).body(spec(tenant, image)).expect("a request")).await
    }

    /// Makes a tenant run this image, and waits for that.
    async fn runs(&self, tenant: &str, image: &str) {
        let put = self.send(&format!("PUT /v1/tenants/{tenant}"), tenant, image).await.document(202);
        assert_eq!(self.end(&put).await["settled"]["as"], "done");
    }

    /// An operation, once it has settled.
    async fn end(&self, accepted: &Value) -> Value {
        let id = accepted["operation"].as_str().expect("an operation");
        self.ask(&format!("GET /v1/operations/{id}?wait=60s")).await.document(200)
    }
}

/// What a router answers.
async fn answered(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().call(request).await.expect("answers");
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.expect("whole").to_bytes().to_vec()).expect("text");
    Answer { status: parts.status, headers: parts.headers, text }
}

/// The beginnings of a request: `GET /v1/tenants`.
fn request(line: &str) -> axum::http::request::Builder {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    Request::builder().method(method).uri(path)
}

/// A spec as a body.
fn spec(tenant: &str, image: &str) -> Body {
    Body::from(serde_json::to_string(&fixtures::spec(tenant, image)).expect("a document"))
}
