//! Every command where all goes well, on real processes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};

use super::{Bench, Ran, Version};

/// What a tenant answers over HTTP.
fn hear(tenant: &Value) -> String {
    let endpoint = &tenant["endpoints"][0];
    get(endpoint["port"].as_u64().expect("a port"), "/")
}

fn get(port: u64, path: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn a_tenant_lives_from_provision_to_destroy() {
    let bench = Bench::new();
    let v1 = bench.spec("acme", &Version::good("hello"));
    let valid = bench.json(&["validate", "-f", &v1]);
    assert_eq!((&valid["valid"], &valid["tenant_id"]), (&json!(true), &json!("acme")));
    assert!(!bench.path("landlord.db").exists(), "to validate changes nothing");

    let provisioned = bench.json(&["provision", "-f", &v1, "--reason", "a test", "--request-id", "r1"]);
    assert_eq!(provisioned["settled"], json!({ "as": "done" }));
    assert_eq!(provisioned["kind"], "provision");
    assert!(hear(&provisioned["tenant"]).contains("hello from process"), "it answers after its engine ended");

    let again = bench.json(&["provision", "-f", &v1, "--request-id", "r1"]);
    assert_eq!(again["operation"], provisioned["operation"], "the same request is the same operation");

    let v2 = bench.spec("acme", &Version::good("good evening"));
    let revision = provisioned["tenant"]["revision"].to_string();
    let updated = bench.json(&["update", "-f", &v2, "--expect-revision", &revision, "--deadline", "1m"]);
    assert!(hear(&updated["tenant"]).contains("good evening"));

    let status = bench.json(&["status", "acme"]);
    assert_eq!((&status["state"], &status["health"]), (&json!("running"), &json!("healthy")));
    let listed = bench.json(&["list", "--state", "running", "--provider", "process"]);
    assert_eq!(listed["tenants"][0]["tenant_id"], "acme");
    let described = bench.json(&["describe", "acme"]);
    assert_eq!(described["containers"][0]["name"], "web");
    assert!(!described.to_string().contains("good evening"), "command lines are not shown");
    assert_eq!(
        bench.json(&["wait", provisioned["operation"].as_str().expect("an id")])["settled"]["as"],
        "done"
    );

    assert_eq!(bench.json(&["pause", "acme"]), json!({ "tenant_id": "acme", "paused": true }));
    assert_eq!(bench.run(&["update", "-f", &v1]).code, 3);
    assert_eq!(bench.json(&["resume", "acme"]), json!({ "tenant_id": "acme", "paused": false }));

    let destroyed = bench.json(&["destroy", "acme"]);
    assert_eq!((&destroyed["settled"]["as"], &destroyed["tenant"]), (&json!("done"), &Value::Null));
    let so_already = bench.json(&["destroy", "acme"]);
    assert_eq!((&so_already["settled"]["as"], &so_already["operation"]), (&json!("done"), &Value::Null));
    assert_eq!(bench.run(&["describe", "acme"]).code, 4);
}

#[test]
fn events_are_lines_and_can_be_read_on_from_a_cursor() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let lines = |args: &[&str]| -> Vec<Value> {
        let ran = bench.run(&[&["events", "-o", "json"], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.lines().map(|line| serde_json::from_str(line).expect("a document")).collect()
    };
    let all = lines(&[]);
    assert_eq!(all[0]["event"]["what"]["kind"], "began");
    assert_eq!(lines(&["acme", "--after", "1"]), all[1..]);
    assert_eq!(lines(&["--last", "2"]), all[all.len() - 2..]);
}

#[test]
fn people_get_tables_and_a_line_for_each_step() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    let provisioned = bench.run(&["provision", "-f", &spec]);
    assert_eq!(provisioned.code, 0);
    assert!(provisioned.out.starts_with("acme: provision done in "), "{}", provisioned.out);
    assert!(provisioned.out.contains("http://127.0.0.1:"), "{}", provisioned.out);
    assert!(
        provisioned.err.starts_with("acme: provision to spec v1 began\nacme: start"),
        "{}",
        provisioned.err
    );

    let listed = bench.run(&["list"]).out;
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["TENANT", "STATE", "HEALTH", "PROVIDER", "SPEC", "OPERATION", "SETTLED", "REMARK"]);
    assert_eq!(lines[1][..6], ["acme", "running", "was", "healthy", "process", "v1"], "nobody looks now");
    assert!(bench.run(&["status", "acme"]).out.starts_with("acme: running, healthy"));
    assert!(bench.run(&["describe", "acme"]).out.contains("\nendpoint   http://127.0.0.1:"));
    assert!(bench.run(&["validate", "-f", &spec]).out.contains("not enforced by the provider: storage"));
}

#[test]
fn a_broken_update_is_rolled_back_and_says_what_to_do() {
    let bench = Bench::new();
    let good = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &good]);
    let broken = bench.spec("acme", &Version { broken: true, ..Version::good("never") });
    let failed = bench.run(&["update", "-f", &broken, "--deadline", "2s"]);
    assert_eq!(failed.code, 1, "{}{}", failed.out, failed.err);
    assert!(failed.out.contains("update failed, and undone"), "{}", failed.out);
    assert!(failed.err.contains("next: `landlord-compute describe acme`"), "{}", failed.err);
    let logs = failed.err.trim_end().rsplit_once("is in ").expect("it says where the output is").1;
    assert!(std::fs::read_dir(logs).is_ok_and(|mut logs| logs.next().is_some()), "there are logs in {logs}");
    let described = bench.run(&["describe", "acme"]).out;
    assert!(described.contains("\nstate      running\n") && described.contains("\nfailure "), "{described}");
}

#[test]
fn diagrams_are_printed_by_name() {
    let bench = Bench::new();
    let machines = bench.json(&["machine"])["machines"].clone();
    let names: Vec<&str> = machines.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(names.starts_with(&["tenant", "process"]), "{names:?}");
    for name in &names {
        assert!(bench.run(&["machine", name]).out.starts_with("stateDiagram-v2\n"), "{name}");
    }
    let unknown = bench.run(&["machine", "washing"]);
    assert_eq!(unknown.code, 2);
    let possible = format!("[possible values: {}]", names.join(", "));
    assert!(unknown.err.contains(&possible), "{}", unknown.err);
}

#[test]
fn providers_say_what_their_configuration_may_hold() {
    let bench = Bench::new();
    let listed = bench.json(&["providers"]);
    let names: Vec<&str> =
        listed["providers"].as_array().expect("a list").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["process"]);
    let process = bench.json(&["providers", "process"]);
    assert_eq!(process["config_defaults"]["stop_grace_seconds"], 10);
    assert_eq!(process["config_schema"]["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let shown = bench.run(&["providers", "process"]).out;
    assert!(
        shown.contains("stop_grace_seconds") && shown.contains("Seconds between SIGTERM and SIGKILL"),
        "{shown}"
    );
    let unknown = bench.run(&["providers", "nomad"]);
    assert_eq!(unknown.code, 2, "{}{}", unknown.out, unknown.err);
    assert!(unknown.err.contains("no provider is named \"nomad\""), "{}", unknown.err);
}

#[cfg(feature = "ecs")]
#[test]
fn ecs_is_there_where_it_is_configured() {
    let bench = Bench::new();
    let file = bench.file("ecs.yaml", "region: eu-west-1\ncluster_arn: main\nsubnets: [subnet-1]\n");
    let ecs = bench.json(&["providers", "ecs", "--ecs-config", &file]);
    assert_eq!(
        ecs["config_defaults"],
        json!({ "cluster": "main", "region": "eu-west-1", "subnets": ["subnet-1"] })
    );
    assert!(ecs["config_schema"]["properties"]["execution_role_arn"].is_object());
    let none = bench.run(&["providers", "ecs"]);
    assert_eq!(none.code, 2, "{}", none.err);
    let wrong = bench.file("wrong.yaml", "clutser: main\n");
    let refused = bench.run(&["list", "--ecs-config", &wrong]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("clutser"), "{}", refused.err);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let bench = Bench::new();
    let mut child = bench.command(&["machine", "tenant"]).spawn().expect("it runs");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}

/// The help of a build that has every provider.
#[cfg(feature = "ecs")]
#[test]
fn help_is_as_it_was() {
    let bench = Bench::new();
    insta::assert_snapshot!("help", bench.run(&["--help"]).out);
    insta::assert_snapshot!("help of provision", bench.run(&["provision", "--help"]).out);
    insta::assert_snapshot!("help of sweep", bench.run(&["sweep", "--help"]).out);
}

/// The first spec of the README runs as it is written, and serves nothing of the machine to nobody else.
#[test]
fn the_first_example_serves_a_page_of_its_own() {
    let bench = Bench::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the page");
    let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let file = bench.file("acme.yaml", example.expect("an example"));
    let here = Path::new(env!("CARGO_BIN_EXE_landlord-compute")).parent().expect("a folder").display();
    let path = format!("{here}:{}", std::env::var("PATH").expect("a path"));
    let mut provision = bench.command(&["provision", "-f", &file, "-o", "json"]);
    let ran: Ran = provision.env("PATH", path).output().expect("it runs").into();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let tenant = serde_json::from_str::<Value>(&ran.out).expect("one document")["tenant"].clone();
    let port = tenant["endpoints"][0]["port"].as_u64().expect("a port");
    assert!(get(port, "/").contains("hello"), "it serves its page");
    assert!(!get(port, "/etc/passwd").contains("root:"), "and nothing else");
    // The kernel's table has addresses as the machine reads them.
    let listens = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let port = format!(":{port:04X} ");
    let mine: Vec<&str> =
        listens.lines().filter(|line| line.contains(&port) && line.contains(" 0A ")).collect();
    let loopback = format!("{:08X}{port}", u32::from_ne_bytes([127, 0, 0, 1]));
    assert!(mine.len() == 1 && mine[0].contains(&loopback), "it listens to this machine alone: {mine:?}");
}
