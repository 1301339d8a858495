//! What a server shows of itself: figures for Prometheus, and spans at a receiver of OTLP, also across a `kill -9`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use landlord_telemetry::catalogue::CATALOGUE;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Bench, Version, exchange};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A server, and the lines that it writes to stderr.
struct Server {
    process: Child,
    lines: Receiver<String>,
    all: Vec<String>,
}

impl Server {
    /// With these variables; returns once it runs.
    fn start(bench: &Bench, config: &str, variables: &[(&str, &str)]) -> Self {
        bench.file("landlord.toml", &format!("store = \"landlord.db\"\n{config}"));
        let mut serve = bench.command(&["--config", "landlord.toml", "serve"]);
        serve.envs(variables.iter().copied()).stdout(Stdio::null());
        let mut process = serve.spawn().expect("it runs");
        let errors = BufReader::new(process.stderr.take().expect("stderr"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Self { process, lines, all: Vec::new() };
        server.says("running on ");
        server
    }

    /// The next line that has this in it.
    fn says(&mut self, what: &str) -> String {
        loop {
            let line = self.lines.recv().expect("it says that");
            self.all.push(line.clone());
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Ends it, and gives all that it said.
    fn end(mut self, signal: Signal) -> Vec<String> {
        kill_process(Pid::from_child(&self.process), signal).expect("it lives");
        self.process.wait().expect("it ends");
        self.all.extend(self.lines.iter());
        self.all
    }
}

/// Provisions a tenant over the socket, as part of a trace.
fn provision(bench: &Bench, tenant: &str, version: &Version<'_>) {
    let body = version.spec(tenant).to_string();
    let socket = UnixStream::connect(bench.path("landlord.db.sock")).expect("a server");
    let answer = exchange(
        socket,
        &format!(
            "PUT /v1/tenants/{tenant} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             traceparent: 00-{TRACE}-{CALLER}-01\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[test]
fn a_life_of_a_tenant_is_in_the_figures_that_prometheus_scrapes() {
    let bench = Bench::new();
    let server = Server::start(&bench, "[telemetry]\nmetrics_address = \"127.0.0.1:0\"\n", &[]);
    let said = server.all.iter().find_map(|line| line.split_once("metrics at http://"));
    let (_, address) = said.expect("it says where");
    let address = address.trim_end_matches("/metrics").to_owned();
    let spec = bench.spec("acme", &Version::good("hello"));
    assert_eq!(bench.run(&["provision", "-f", &spec]).code, 0);
    assert_eq!(bench.run(&["destroy", "acme"]).code, 0);

    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let text = exchange(TcpStream::connect(&address).expect("it listens"), &get("/metrics"));
    assert!(text.contains("application/openmetrics-text"), "{text}");
    for metric in CATALOGUE {
        let line = format!("# TYPE {} {}\n", metric.family(), metric.kind.name());
        assert!(text.contains(&line), "{line} in {text}");
    }
    let done = r#"landlord_operations_total{provider="process",kind="destroy",result="done"} 1"#;
    assert!(text.contains(done), "{text}");
    assert!(text.contains("landlord_webhook_lag 0"), "{text}");
    assert!(text.contains(r#"landlord_operation_oldest_seconds{provider="process"} 0"#), "{text}");
    let other = exchange(TcpStream::connect(&address).expect("it listens"), &get("/v1/tenants"));
    assert!(other.starts_with("HTTP/1.1 404"), "nothing else is there without a token: {other}");
    let socket = UnixStream::connect(bench.path("landlord.db.sock")).expect("a server");
    assert!(exchange(socket, &get("/metrics")).starts_with("HTTP/1.1 200"));
    server.end(Signal::TERM);
}

/// The spans that came.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Span>>>);

impl Spans {
    /// Takes them, from now on, at this address.
    fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let spans = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let spans = spans.clone();
                std::thread::spawn(move || while spans.take(&stream).is_some() {});
            }
        });
        address
    }

    /// One request.
    fn take(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut path, mut length) = (String::new(), 0);
        reader.read_line(&mut path).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if path.contains("/v1/traces") {
            let request = ExportTraceServiceRequest::decode(&*body).expect("a request");
            let scopes = request.resource_spans.into_iter().flat_map(|of| of.scope_spans);
            self.0.lock().expect("no panic").extend(scopes.flat_map(|scope| scope.spans));
        }
        (&mut &*stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
    }

    fn all(&self) -> Vec<Span> {
        self.0.lock().expect("no panic").clone()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first word of its name: what follows says which one it is.
fn kind_of(span: &Span) -> String {
    span.name.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn the_trace_of_a_provision_goes_on_after_a_kill() {
    let bench = Bench::new();
    let spans = Spans::default();
    let address = spans.listen();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=sentinel-header"),
        ("RUST_LOG", "info"),
        ("LANDLORD_LOG_FORMAT", "json"),
    ];
    let server = Server::start(&bench, "", &variables);
    // It is on its way until it listens.
    provision(&bench, "acme", &Version { slow: 6_000, ..Version::good("hello") });
    let command = || spans.all().into_iter().find(|span| span.name == "command provision");
    bench.until("the command's span", || command().is_some());
    let mut said = server.end(Signal::KILL);

    let server = Server::start(&bench, "", &variables);
    bench.until("the tenant runs", || bench.state("acme").as_deref() == Some("running"));
    said.extend(server.end(Signal::TERM));

    let all = spans.all();
    assert!(all.iter().all(|span| hex(&span.trace_id) == TRACE), "only what the caller samples is traced");
    let named = |id: &[u8]| match hex(id) {
        id if id == CALLER => "caller".to_owned(),
        _ => all.iter().find(|span| span.span_id == id).map_or("lost".to_owned(), kind_of),
    };
    let edges: BTreeSet<String> =
        all.iter().map(|span| format!("{} > {}", named(&span.parent_span_id), kind_of(span))).collect();
    let whole = [
        "call > provider",
        "caller > command",
        "command > admission",
        "command > call",
        "command > transition",
        "provider > step",
        "step > request",
        "transition > commit",
        "transition > publish",
    ];
    // The call that was killed did not end, so that its span was not sent, and those below it lead nowhere.
    let edges: BTreeSet<&str> =
        edges.iter().map(String::as_str).filter(|edge| !edge.starts_with("lost > ")).collect();
    assert_eq!(edges, whole.into());

    let lines: Vec<&String> = said.iter().filter(|line| line.starts_with('{')).collect();
    let logged: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect("a document")).collect();
    let succeeded =
        logged.iter().find(|line| line["fields"]["message"] == "succeeded").expect("it is logged");
    assert_eq!(succeeded["span"]["trace_id"], TRACE, "{succeeded}");
    assert!(said.iter().all(|line| !line.contains("sentinel")));
}

#[test]
fn what_is_wrong_with_the_settings_is_said() {
    let bench = Bench::new();
    bench.file("landlord.toml", "[telemetry]\nmetrics_address = \"0.0.0.0:9464\"\n");
    let ran = bench.run(&["--config", "landlord.toml", "serve", "--check"]);
    assert!(ran.code != 0 && ran.err.contains("telemetry.metrics_address: is not a loopback"), "{}", ran.err);
    for args in [&["serve"][..], &["serve", "--check"]] {
        let mut command = bench.command(args);
        command.env("OTEL_EXPORTER_OTLP_HEADERS", "sentinel-header");
        let ran: super::Ran = command.output().expect("it runs").into();
        assert!(ran.code != 0 && ran.err.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{}", ran.err);
        assert!(!ran.err.contains("sentinel"), "{}", ran.err);
    }
}
