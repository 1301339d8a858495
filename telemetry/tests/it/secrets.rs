//! No value of a secret is in a span, a metric or a line of the log.

use std::io;
use std::sync::{Arc, Mutex};

use landlord_compute::Options;
use landlord_compute::machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_compute::machines::tenant::Method;
use landlord_compute::machines::trace::TraceContext;
use landlord_telemetry::{Settings, Telemetry};
use landlord_testing::fixtures::{memory, scripted, spec, tenant};
use landlord_testing::scripted::Step;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::{Receiver, engine};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic in here").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_leaves_and_a_line_of_the_log_names_its_trace() {
    let receiver = Receiver::start().await;
    let mut settings = Settings::default().endpoint("test", receiver.address()).expect("an address");
    let headers = "authorization=sentinel-header";
    settings.headers = landlord_telemetry::Headers::parse("test", headers).expect("headers");
    let (telemetry, exports) = Telemetry::new(&settings).expect("set up");
    let log = Log::default();
    let lines = tracing_subscriber::fmt::layer().json().with_writer(log.clone());
    let subscriber = tracing_subscriber::registry().with(telemetry.layer()).with(lines);
    let stop = CancellationToken::new();
    let exporting = tokio::spawn(exports.run(stop.clone(), std::time::Duration::from_secs(5)));
    let _listening = tracing::subscriber::set_default(subscriber);
    {
        let provider = scripted();
        let (kind, code) = (ErrorKind::ProvisionFailed, ErrorCode::Conflict);
        let error = ProviderError::new(kind, Remedy::Permanent, code, "the platform's words");
        provider.script(&tenant("acme"), Method::Provision, [Step::Fail(error)]);
        let engine = engine(&telemetry, memory(), &provider).await;
        let mut secret = spec("acme", "v1");
        for container in &mut secret.containers {
            container.env.insert("PASSWORD".to_owned(), "sentinel-value".to_owned());
            container.command = vec!["run".to_owned(), "sentinel-argument".to_owned()];
        }
        let trace = TraceContext {
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
            tracestate: None,
        };
        let options = Options::default().trace(trace).reason("a reason");
        let operation = engine.tenant(tenant("acme")).provision(secret, options).await;
        operation.expect("accepted").await.expect("settles");
    }
    stop.cancel();
    exporting.await.expect("no panic");

    let sent = String::from_utf8_lossy(&receiver.came().bytes).into_owned();
    assert!(sent.contains("landlord_tenants") && sent.contains("admission"), "it was sent");
    let log = String::from_utf8(log.0.lock().expect("no panic in here").clone()).expect("text");
    let failed = log.lines().find(|line| line.contains("the platform's words")).expect("it is logged");
    assert!(failed.contains(r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736""#), "{failed}");
    for text in [&sent, &log, &telemetry.prometheus(), &format!("{telemetry:?} {settings:?}")] {
        assert!(!text.contains("sentinel"), "{text}");
    }
    assert!(!sent.contains("the platform's words"), "an error's words stay in the log");
}
