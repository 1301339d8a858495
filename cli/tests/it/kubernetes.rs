//! Tenants on Kubernetes, as far as a person gets without a cluster.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use serde_json::{Value, json};

use super::bad_input::refused;
use super::{Bench, Ran};

/// Found nowhere by chance.
const SENTINEL: &str = "Xq7-sentinel-Zw9";
/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9";

/// A kubeconfig with one context, `tenants`; its path.
fn kubeconfig(bench: &Bench, server: &str) -> String {
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tenants",
        "clusters": [{ "name": "main", "cluster": { "server": server } }],
        "users": [{ "name": "engine", "user": { "token": SENTINEL } }],
        "contexts": [{ "name": "tenants", "context": { "cluster": "main", "user": "engine" } }],
    });
    bench.file("kubeconfig", &text.to_string())
}

/// The configuration of a provider over that kubeconfig; its path.
fn config(bench: &Bench, server: &str) -> String {
    let cluster = json!({ "kubeconfig": { "path": kubeconfig(bench, server), "context": "tenants" } });
    bench.file("kubernetes.json", &json!({ "cluster": cluster, "replicas": 2 }).to_string())
}

/// The spec of a tenant that has something to hide; its path.
fn spec(bench: &Bench, changes: &Value) -> String {
    let mut spec = json!({
        "tenant_id": "acme",
        "provider_type": "kubernetes",
        "containers": [{ "name": "web", "image": "nginx:1.29", "env": { "PASSWORD": SENTINEL } }],
        "resources": { "cpu": 250, "memory": 256 },
    });
    for (field, value) in changes.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    bench.file("acme.json", &spec.to_string())
}

/// The blocks of a language in a section of the README.
fn of_readme(language: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the page");
    let (_, section) = readme.split_once("\n## On Kubernetes\n").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let fence = format!("```{language}\n");
    let blocks = section.split(&fence).skip(1);
    blocks.filter_map(|rest| Some(rest.split("```").next()?.to_owned())).collect()
}

/// An API server that tells of itself, and allows nothing.
struct Forbids(TcpListener);

impl Forbids {
    fn begin() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        std::thread::spawn(move || Self(listener).serve());
        address
    }

    fn serve(self) {
        for stream in self.0.incoming().flatten() {
            std::thread::spawn(move || answer(&stream));
        }
    }
}

/// Answers all requests of a connection.
fn answer(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).ok()? == 0 {
            return None;
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.to_lowercase().split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().ok()?,
                Some(_) => {}
                None => break,
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let path = first.split(' ').nth(1)?;
        let (status, body) = match path {
            "/version" => ("200 OK", json!({ "major": "1", "minor": "33" })),
            "/apis" => ("200 OK", json!({ "groups": [] })),
            "/api/v1" => ("200 OK", json!({ "resources": [] })),
            path if path.contains("selfsubjectaccessreviews") => {
                ("201 Created", json!({ "status": { "allowed": false } }))
            }
            _ => {
                let message = "forbidden: User \"engine\" cannot do that";
                let status = json!({
                    "kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": message,
                });
                ("403 Forbidden", status)
            }
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: ");
        let mut stream = stream;
        stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).ok()?;
    }
}

#[test]
fn it_is_there_where_it_is_configured() {
    let bench = Bench::new();
    let config = config(&bench, NOBODY);
    let shown = bench.json(&["providers", "kubernetes", "--kubernetes-config", &config]);
    assert_eq!(
        shown["config_defaults"],
        json!({ "replicas": 2 }),
        "the way to the cluster is no tenant's affair"
    );
    assert!(shown["config_schema"]["properties"]["network_policy"].is_object());
    let table = bench.run(&["providers", "kubernetes", "--kubernetes-config", &config]).out;
    assert!(table.contains("unschedulable_seconds"), "{table}");
    let none = bench.run(&["providers", "kubernetes"]);
    assert_eq!(none.code, 2, "{}", none.err);
    let mut by_variable = bench.command(&["providers", "kubernetes", "-o", "json"]);
    let ran: Ran = by_variable.env("LANDLORD_KUBERNETES_CONFIG", &config).output().expect("it runs").into();
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_cluster_that_cannot_be_found_is_named_at_once() {
    let bench = Bench::new();
    let path = kubeconfig(&bench, NOBODY);
    let plugin = std::fs::read_to_string(&path).expect("there").replace(
        &json!({ "token": SENTINEL }).to_string(),
        &json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "interactiveMode": "Never",
        } })
        .to_string(),
    );
    let plugin = bench.file("plugin", &plugin);
    let of = |path: &str, context: &str| json!({ "cluster": { "kubeconfig": { "path": path, "context": context } } });
    for (config, words) in [
        (json!({}), "cluster: missing; write \"in_cluster\", or"),
        (json!({ "clutser": 1 }), "clutser"),
        (json!({ "cluster": "in_cluster" }), "does not run in a pod"),
        (of("/nowhere/kubeconfig", "tenants"), "/nowhere/kubeconfig"),
        (of(&path, "other"), "has no context other; it has: tenants"),
        (of(&plugin, "tenants"), "needs the exec plugin no-such-plugin"),
        (
            json!({ "cluster": "in_cluster", "requests_per_second": 0 }),
            "requests_per_second: is not a number",
        ),
    ] {
        let file = bench.file("kubernetes.json", &config.to_string());
        let ran = bench.run(&["list", "--kubernetes-config", &file]);
        refused(&ran, 2, words);
        assert!(ran.err.contains("kubernetes.json"), "{}", ran.err);
    }
}

#[test]
fn a_cluster_that_does_not_answer_is_no_fault_of_the_spec() {
    let bench = Bench::new();
    let config = config(&bench, NOBODY);
    let run = |args: &[&str]| bench.run(&[args, &["--kubernetes-config", &config]].concat());
    let good = spec(&bench, &json!({}));
    let ran = run(&["validate", "-f", &good]);
    refused(&ran, 7, "the API server at 127.0.0.1:9 cannot be reached");
    // What the spec alone shows is told without asking anybody.
    let volumes = json!([{ "name": "data", "persistent": true, "retain": true }]);
    let wrong = spec(&bench, &json!({ "volumes": volumes, "provider_config": { "cluster": "in_cluster" } }));
    refused(
        &run(&["validate", "-f", &wrong]),
        2,
        "provider_config.cluster: which cluster it is, is the operator's",
    );
    let wrong = spec(
        &bench,
        &json!({ "volumes": volumes, "provider_config": { "replica": 2, "volume_size_mb": 0 } }),
    );
    let ran = run(&["validate", "-f", &wrong]);
    refused(&ran, 2, "provider_config.replica: unknown field `replica`");
    assert!(
        ran.err.contains("volumes[0].retain") && ran.err.contains("provider_config.volume_size_mb"),
        "{}",
        ran.err
    );
}

#[test]
fn rights_that_are_missing_are_named_and_no_secret_is_told() {
    let bench = Bench::new();
    let config = config(&bench, &Forbids::begin());
    let good = spec(&bench, &json!({}));
    for level in ["error", "trace"] {
        let mut validate = bench.command(&["validate", "-f", &good, "--kubernetes-config", &config]);
        let ran: Ran = validate.env("RUST_LOG", level).output().expect("it runs").into();
        assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
        for words in ["ops/kubernetes/rbac.yaml", "get namespaces", "list pods", "patch deployments.apps"] {
            assert!(ran.err.contains(words), "{words}: {}", ran.err);
        }
        assert!(!ran.err.contains(SENTINEL) && !ran.out.contains(SENTINEL), "{}", ran.err);
    }
}

#[test]
fn doctor_names_each_right_that_is_missing_and_a_cluster_that_does_not_answer() {
    let bench = Bench::new();
    for (server, words) in [
        (Forbids::begin(), &["get namespaces", "list pods", "patch deployments.apps"][..]),
        (NOBODY.to_owned(), &["the API server at 127.0.0.1:9 cannot be reached"]),
    ] {
        let config = config(&bench, &server);
        let ran = bench.run(&["doctor", "--kubernetes-config", &config, "-o", "json"]);
        assert_eq!(ran.code, 13, "{}", ran.out);
        let document: Value = serde_json::from_str(&ran.out).expect("one document");
        let findings = document["findings"].as_array().expect("findings");
        let cluster =
            findings.iter().find(|finding| finding["check"] == "provider kubernetes").expect("asked");
        assert!(cluster["grade"] == "failed" && cluster["todo"].is_string(), "{cluster}");
        for words in words {
            assert!(
                cluster["found"].as_str().is_some_and(|found| found.contains(words)),
                "{words}: {cluster}"
            );
        }
        let quota = findings.iter().find(|finding| finding["check"] == "quota kubernetes").expect("told");
        assert!(quota["found"].as_str().is_some_and(|found| found.starts_with("requests: ")), "{quota}");
        assert!(!ran.out.contains(SENTINEL) && !ran.err.contains(SENTINEL), "{}", ran.out);
    }
}

/// What the README says to copy is what the program takes.
#[test]
fn the_readme_has_what_the_program_takes() {
    let bench = Bench::new();
    let path = kubeconfig(&bench, NOBODY);
    let here = |text: &str| text.replace("/etc/landlord/kubeconfig", &path);
    let yaml = of_readme("yaml");
    let [config, spec] = yaml.as_slice() else { panic!("{} documents", yaml.len()) };
    let config = bench.file("kubernetes.yaml", &here(config));
    bench.file("acme.yaml", spec);
    let commands = of_readme("sh").concat();
    let command = commands.lines().find(|line| line.starts_with("landlord-compute")).expect("a command");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    assert_eq!(words, ["--kubernetes-config", "kubernetes.yaml", "provision", "-f", "acme.yaml"]);
    // The spec fits what the operator says; then the cluster is asked.
    let ran = bench.run(&["--kubernetes-config", &config, "validate", "-f", "acme.yaml"]);
    assert!(ran.code == 7 && ran.err.contains("cannot be reached"), "{}", ran.err);
    for file in commands.split(' ').filter(|word| word.starts_with("ops/")) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        assert!(root.join(file).is_file(), "{file}");
    }

    let toml = of_readme("toml").concat();
    let both = here(&toml).replace("context = \"east\"", "context = \"tenants\"");
    bench.file("landlord.toml", &both.replace("context = \"west\"", "context = \"tenants\""));
    let checked = bench.run(&["--config", "landlord.toml", "serve", "--check"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    let listed = bench.json(&["--config", "landlord.toml", "providers"]);
    let names: Vec<&Value> =
        listed["providers"].as_array().into_iter().flatten().map(|one| &one["name"]).collect();
    assert_eq!(names, ["east", "west"]);
    let west = bench.json(&["--config", "landlord.toml", "providers", "west"]);
    assert_eq!(west["config_defaults"], json!({ "replicas": 2 }));
    bench.file("landlord.toml", &both);
    let checked = bench.run(&["--config", "landlord.toml", "serve", "--check"]);
    refused(&checked, 2, "providers.west: the Kubernetes provider's configuration: cluster");
}
