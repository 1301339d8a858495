//! The server's API within this program, where no server runs.

use std::sync::Mutex;
use std::sync::PoisonError;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use landlord_client::{Body, BoxError, Client, Transport};
use landlord_server::{Served, router};
use tower_service::Service;

/// A client of what is served here.
pub(crate) fn client(served: Served) -> Client {
    Client::over(Here(Mutex::new(router(served))))
}

/// Hands requests to a router.
struct Here(Mutex<Router>);

#[async_trait]
impl Transport for Here {
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Body>, BoxError> {
        let mut router = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let response = router.call(request.map(axum::body::Body::new)).await?;
        Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
    }
}
