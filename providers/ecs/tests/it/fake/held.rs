//! HTTP while time is simulated: time stands still as long as bytes are on their way.

use std::sync::mpsc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

/// With a request: the time of its answer is simulated here, so the server answers at once and says what to do.
pub(super) const SIMULATED: &str = "x-fake-simulated";
/// With an answer: after how many milliseconds it comes.
pub(super) const AFTER: &str = "x-fake-after";
/// With an answer: there is none, the connection is reset.
pub(super) const RESET: &str = "x-fake-reset";
/// With an answer: there is none.
pub(super) const HANG: &str = "x-fake-hang";

/// The SDK's own HTTP client, for simulated time.
pub(crate) fn held_client() -> SharedHttpClient {
    SharedHttpClient::new(Held(aws_smithy_http_client::Builder::new().build_http()))
}

#[derive(Debug)]
struct Held(SharedHttpClient);

impl HttpClient for Held {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(HeldConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct HeldConnector(SharedHttpConnector);

impl HttpConnector for HeldConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let real = self.0.clone();
        HttpConnectorFuture::new(async move {
            request.headers_mut().insert(SIMULATED, "yes");
            let still = stand_still();
            let mut response = real.call(request).await?;
            let body = response.take_body().collect().await.map_err(ConnectorError::io)?.to_bytes();
            drop(still);
            let told = |name: &str| response.headers().get(name).map(str::to_owned);
            if told(HANG).is_some() {
                std::future::pending::<()>().await;
            }
            if told(RESET).is_some() {
                return Err(ConnectorError::io("connection reset by peer".into()));
            }
            let after = told(AFTER).and_then(|after| after.parse().ok()).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(after)).await;
            *response.body_mut() = SdkBody::from(body);
            Ok(response)
        })
    }
}

/// Simulated time does not move on by itself while a thread of the runtime is busy; this one is until it is dropped.
fn stand_still() -> mpsc::Sender<()> {
    let (still, over) = mpsc::channel();
    tokio::task::spawn_blocking(move || {
        // It ends with the sender.
        let _: Result<(), _> = over.recv();
    });
    still
}
