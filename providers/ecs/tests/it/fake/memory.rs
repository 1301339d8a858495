//! The front end without sockets: the SDK's own place for an HTTP client.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use hyper::header::{HeaderName, HeaderValue};

use super::Fake;
use super::wire::{Outcome, Request};

impl Fake {
    /// An HTTP client for the SDK that reaches this platform, whatever the address of a request.
    pub(crate) fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(Connector(self.clone()));
        http_client_fn(move |_, _| connector.clone())
    }
}

#[derive(Clone, Debug)]
struct Connector(Fake);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fake = self.0.clone();
        HttpConnectorFuture::new(async move {
            // A call that is dropped before it is first polled was never sent.
            match fake.answer(&read(request).await?) {
                Outcome::Hang => std::future::pending().await,
                Outcome::Reset => Err(ConnectorError::io("connection reset by peer".into())),
                Outcome::Answer(after, reply) => {
                    tokio::time::sleep(after).await;
                    let status = StatusCode::try_from(reply.status);
                    let status = status.map_err(|error| ConnectorError::other(error.into(), None))?;
                    let mut response = HttpResponse::new(status, SdkBody::from(reply.body));
                    response.headers_mut().insert("content-type", reply.content_type);
                    response.headers_mut().insert("x-amzn-requestid", reply.request_id);
                    Ok(response)
                }
            }
        })
    }
}

/// Takes the whole body: the SDK watches that it gets out.
async fn read(mut request: HttpRequest) -> Result<Request, ConnectorError> {
    let body = request.take_body().collect().await.map_err(ConnectorError::io)?.to_bytes().to_vec();
    let pairs = request.headers().iter();
    let pairs = pairs.filter_map(|(name, value)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
    });
    Ok(Request { headers: pairs.collect(), body })
}
