//! Requests to Restate: its ingress (commands) and its admin interface (the service's registration).

use std::path::Path;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::tenant::{Called, Command, Spec};

/// A connection that stays open, for one request at a time.
pub(crate) struct Connection(http1::SendRequest<Full<Bytes>>);

impl Connection {
    /// To a socket that Restate listens on.
    pub(crate) async fn open(socket: &Path) -> anyhow::Result<Self> {
        let context = || format!("no connection to Restate at {}", socket.display());
        let stream = UnixStream::connect(socket).await.with_context(context)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(context)?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Gives a command and waits until its provider call is over and the tenant settled.
    pub(crate) async fn call(
        &mut self,
        tenant: &str,
        command: Command,
        image: &str,
    ) -> anyhow::Result<Called> {
        let path = format!("/Tenant/{tenant}/{}", command.handler());
        let answer = self.command(&path, tenant, image).await?;
        serde_json::from_slice(&answer).context("an answer that is not the service's")
    }

    /// Gives a command and waits until it is durable.
    pub(crate) async fn send(&mut self, tenant: &str, command: Command, image: &str) -> anyhow::Result<()> {
        let path = format!("/Tenant/{tenant}/{}/send", command.handler());
        self.command(&path, tenant, image).await.map(drop)
    }

    async fn command(&mut self, path: &str, tenant: &str, image: &str) -> anyhow::Result<Bytes> {
        let spec = serde_json::to_vec(&Spec::new(tenant, image))?;
        self.request(Method::POST, path, spec.into()).await
    }

    /// Sends a request and reads its answer; one that is no success is an error with its text.
    pub(crate) async fn request(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", "restate").header("content-type", "application/json");
        self.0.ready().await?;
        let answer = self.0.send_request(request.body(Full::new(body))?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        match status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => Ok(body),
            status => bail!("{path}: {status}: {}", String::from_utf8_lossy(&body)),
        }
    }
}
