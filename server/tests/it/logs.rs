//! What containers print, followed by whoever may look at the tenant.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt;
use landlord_compute::ProviderName;
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::id::TenantId;
use landlord_compute::machines::spec::Spec;
use landlord_compute::machines::status::{ComputeStatus, ProvisionResult, UpdateResult};
use landlord_compute::provider::{Context, Destroyed, LogLine, LogQuery, Provider, Source};
use landlord_server::{Rate, Served, guarded, router};
use landlord_testing::fixtures;
use landlord_testing::scripted::Scripted;
use serde_json::{Value, json};
use tower_service::Service;

use super::{Desk, request};

/// The scripted provider, whose tenants print one line and then nothing for ever.
struct Prints(Scripted);

#[async_trait]
impl Provider for Prints {
    fn name(&self) -> ProviderName {
        self.0.name()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.0.provision(cx, spec).await
    }

    async fn update(&self, cx: &Context, id: &TenantId, spec: &Spec) -> Result<UpdateResult, ProviderError> {
        self.0.update(cx, id, spec).await
    }

    async fn destroy(&self, cx: &Context, id: &TenantId) -> Result<Destroyed, ProviderError> {
        self.0.destroy(cx, id).await
    }

    async fn get_status(&self, cx: &Context, id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        self.0.get_status(cx, id).await
    }

    async fn validate(&self, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        self.0.validate(cx, spec).await
    }

    async fn logs(
        &self,
        _cx: &Context,
        _id: &TenantId,
        query: &LogQuery,
    ) -> Result<Option<BoxStream<'static, Result<LogLine, ProviderError>>>, ProviderError> {
        assert!(query.follow);
        let line = LogLine {
            at: None,
            container: "web".to_owned(),
            source: Source::Stdout,
            text: "hello".to_owned(),
        };
        Ok(Some(stream::iter([Ok(line)]).chain(stream::pending()).boxed()))
    }
}

/// A tenant that prints, and the door to it that asks for a token.
async fn printing() -> (Desk, Router) {
    let provider = fixtures::scripted();
    let builder = fixtures::without_providers(fixtures::memory()).provider(Prints(provider.clone()));
    let engine = Arc::new(builder.start().await.expect("starts"));
    let served = Served::engine(Arc::clone(&engine));
    let door = guarded(served.clone(), Rate::default()).await.expect("tokens are read");
    let desk = Desk { router: router(served.clone()), served, engine, provider };
    desk.runs("acme", "v1").await;
    (desk, door)
}

async fn token(desk: &Desk, name: &str) -> String {
    let new = json!({ "name": name, "role": "viewer", "tenants": ["acme"] });
    let new = request("POST /v1/tokens").body(Body::from(new.to_string())).expect("a request");
    let made = desk.asks(new).await.document(201);
    made["secret"].as_str().expect("a secret").to_owned()
}

/// The body of an answer that goes on, after its first line was read.
async fn followed(door: &Router, secret: &str) -> Body {
    let asked = request("GET /v1/tenants/acme/logs?follow=true")
        .header("authorization", format!("Bearer {secret}"))
        .body(Body::empty())
        .expect("a request");
    let answer = door.clone().call(asked).await.expect("answers");
    assert_eq!(answer.status().as_u16(), 200);
    let mut body = answer.into_body();
    let line = body.frame().await.expect("a line").expect("read").into_data().expect("text");
    let line: Value = serde_json::from_slice(&line).expect("a document");
    assert_eq!(line["text"], "hello");
    body
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_logs_ends_when_its_token_is_revoked() {
    const LONG: Duration = Duration::from_secs(600);
    let (desk, door) = printing().await;
    let (first, second) = (token(&desk, "first").await, token(&desk, "second").await);
    let (ends, goes_on) = (followed(&door, &first).await, followed(&door, &second).await);
    assert_eq!(desk.ask("DELETE /v1/tokens/first").await.status.as_u16(), 204);
    let rest = tokio::time::timeout(LONG, ends.collect()).await.expect("it ends").expect("whole");
    assert!(rest.to_bytes().is_empty());
    let mut rest = std::pin::pin!(goes_on.collect());
    assert!(tokio::time::timeout(LONG, &mut rest).await.is_err(), "no other token's ends");
    assert_eq!(desk.ask("DELETE /v1/tokens/second").await.status.as_u16(), 204);
    tokio::time::timeout(LONG, rest).await.expect("it ends").expect("whole");
}
