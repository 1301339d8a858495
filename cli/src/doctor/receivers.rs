//! Where traces and metrics are sent: whether somebody takes connections there.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use landlord_api::Finding;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::configuration::Telemetry;

/// How long a receiver may take to take a connection.
const WITHIN: Duration = Duration::from_secs(3);

/// The receivers that are configured, each with whether it takes connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receivers(Vec<Receiver>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Receiver {
    /// Host and port.
    address: String,
    answers: Result<(), String>,
}

impl Receivers {
    /// Connects to each, and sends nothing.
    pub(super) async fn look(telemetry: &Telemetry) -> Self {
        // What is wrong with the settings is the configuration's to tell.
        let Ok(settings) = telemetry.settings() else { return Self(Vec::new()) };
        let wanted = [settings.traces, settings.metrics].into_iter().flatten().filter(|_| settings.enabled);
        let addresses: BTreeSet<(String, u16)> = wanted
            .filter_map(|uri| {
                let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
                Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(usual)))
            })
            .collect();
        let asked = addresses.into_iter().map(async |(host, port)| {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let answers = match timeout(WITHIN, TcpStream::connect((bare, port))).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_elapsed) => Err(format!("no answer within {} s", WITHIN.as_secs())),
            };
            Receiver { address: format!("{host}:{port}"), answers }
        });
        Self(join_all(asked).await)
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        const CHECK: &str = "telemetry";
        if self.0.is_empty() {
            return vec![Finding::ok(CHECK, "no receiver is configured; `/metrics` is there all the same")];
        }
        let of = |receiver: &Receiver| match &receiver.answers {
            Ok(()) => Finding::ok(CHECK, format!("the receiver {} takes connections", receiver.address)),
            Err(why) => Finding::warning(
                CHECK,
                format!("the receiver {} cannot be reached: {why}", receiver.address),
                "start it, or correct [telemetry] endpoint or OTEL_EXPORTER_OTLP_ENDPOINT; what it does not take is dropped, and \
                 tenants do not notice",
            ),
        };
        self.0.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use landlord_api::Grade;

    use super::*;

    #[tokio::test]
    async fn a_receiver_is_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/with/a/path", listener.local_addr().unwrap());
        let grades = async |endpoint: &str| {
            let telemetry = Telemetry { endpoint: Some(endpoint.to_owned()), ..Telemetry::default() };
            let found = Receivers::look(&telemetry).await.findings();
            found.iter().map(|finding| finding.grade).collect::<Vec<_>>()
        };
        assert_eq!(grades(&endpoint).await, [Grade::Ok], "one receiver of both is asked once");
        drop(listener);
        assert_eq!(grades(&endpoint).await, [Grade::Warning]);
        assert_eq!(Receivers::look(&Telemetry::default()).await.findings()[0].grade, Grade::Ok);
    }
}
