//! Every command where all goes well, on real processes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Bench, Version, exchange};

/// What a tenant answers over HTTP.
fn hear(tenant: &Value) -> String {
    let endpoint = &tenant["endpoints"][0];
    get(endpoint["port"].as_u64().expect("a port"), "/")
}

pub(super) fn get(port: u64, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    exchange(TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens"), &request)
}

#[test]
fn a_tenant_lives_from_provision_to_destroy() {
    let bench = Bench::new();
    let v1 = bench.spec("acme", &Version::good("hello"));
    let valid = bench.json(&["validate", "-f", &v1]);
    assert_eq!((&valid["valid"], &valid["tenant_id"]), (&json!(true), &json!("acme")));
    bench.nothing_is_recorded();

    let provisioned = bench.json(&["provision", "-f", &v1, "--reason", "a test", "--request-id", "r1"]);
    assert_eq!(provisioned["settled"], json!({ "as": "done" }));
    assert_eq!(provisioned["kind"], "provision");
    assert!(hear(&provisioned["tenant"]).contains("hello from process"), "it answers after its engine ended");

    let again = bench.json(&["provision", "-f", &v1, "--request-id", "r1"]);
    assert_eq!(again["operation"], provisioned["operation"], "the same request is the same operation");
    // Without a server another engine has the store by now.
    let other = bench.run(&["restart", "acme", "--request-id", "r1"]);
    assert_eq!(other.code, 3, "{}", other.err);
    assert!(
        other.err.contains("request id \"r1\" is that of another request of this tenant"),
        "{}",
        other.err
    );

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

    // Also a request that begins no operation has its name for good.
    for _ in 0..2 {
        let paused = bench.json(&["pause", "acme", "--request-id", "r2"]);
        assert_eq!(paused, json!({ "tenant_id": "acme", "paused": true }));
    }
    let other = bench.run(&["resume", "acme", "--request-id", "r2"]);
    assert_eq!(other.code, 3, "{}", other.err);
    assert!(other.err.contains("request id \"r2\" is that of another request"), "{}", other.err);
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
fn what_containers_print_is_shown_of_one_since_a_time_and_as_it_comes() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    let container = |name: &str, script: &str| {
        let mut one = spec["containers"][0].clone();
        one["name"] = json!(name);
        one["command"] = json!(["sh", "-c", format!("{script}; exec sleep 600")]);
        one["ports"] = json!([]);
        one["health_check"] = Value::Null;
        one
    };
    let when = |file: &str, print: &str| {
        format!("until test -e '{}'; do sleep 0.05; done; {print}", bench.path(file).display())
    };
    let (second, third) = (when("second", "echo second"), when("third", "echo third >&2"));
    let web = container("web", &format!("echo first; {second}; {third}"));
    let helper = container("helper", "echo beside");
    spec["containers"] = json!([web, helper]);
    bench.json(&["provision", "-f", &bench.file("acme.json", &spec.to_string())]);
    let lines = |args: &[&str]| -> Vec<Value> {
        let ran = bench.run(&[&["logs", "acme", "-o", "json"], args].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
        ran.out.lines().map(|line| serde_json::from_str(line).expect("a document")).collect()
    };
    bench.until("a line of each", || lines(&[]).len() == 2);
    fs::write(bench.path("second"), "").expect("written");
    bench.until("the next line", || lines(&[]).len() == 3);
    let all = lines(&[]);
    let last = &all[2];
    assert_eq!(
        (&last["container"], &last["source"], &last["text"]),
        (&json!("web"), &json!("stdout"), &json!("second"))
    );
    let at = last["at"].as_str().expect("a time");
    assert_eq!(lines(&["--since", at]), all[2..]);
    assert_eq!(lines(&["--since", "1h"]), all);
    let helper = lines(&["--container", "helper"]);
    assert_eq!((helper.len(), &helper[0]["text"]), (1, &json!("beside")));
    let refused = bench.run(&["logs", "acme", "--previous"]);
    assert!(
        refused.code != 0 && refused.err.contains("does not tell the runs of a container apart"),
        "{}",
        refused.err
    );
    let shown = bench.run(&["logs", "acme", "--container", "web"]).out;
    let shown: Vec<&str> = shown.lines().filter_map(|line| line.split_once(' ')).map(|it| it.1).collect();
    assert_eq!(shown, ["web stdout first", "web stdout second"], "after its time");

    let mut follow = bench.command(&["logs", "acme", "-f", "--since", at, "-o", "json"]);
    let mut follow = follow.spawn().expect("it runs");
    let out = BufReader::new(follow.stdout.take().expect("it writes"));
    let mut followed = out
        .lines()
        .map(|line| -> Value { serde_json::from_str(&line.expect("a line")).expect("a document") });
    assert_eq!(followed.next().as_ref(), Some(last), "what there is");
    fs::write(bench.path("third"), "").expect("written");
    let third = followed.next().expect("what comes");
    assert_eq!((&third["source"], &third["text"]), (&json!("stderr"), &json!("third")));
    kill_process(Pid::from_child(&follow), Signal::INT).expect("sent");
    assert!(follow.wait().expect("it ends").success());
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
    // Without a server nobody looks now.
    let healthy = if super::SERVED { &["healthy"][..] } else { &["was", "healthy"] };
    let line = [&["acme", "running"][..], healthy, &["process", "v1"]].concat();
    assert_eq!(lines[1][..line.len()], line);
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
    assert!(fs::read_dir(logs).is_ok_and(|mut logs| logs.next().is_some()), "there are logs in {logs}");
    let described = bench.run(&["describe", "acme"]).out;
    assert!(described.contains("\nstate      running\n") && described.contains("\nfailure "), "{described}");
    let explained = described.split("\n\n").next().unwrap_or_default();
    for words in [
        "It runs spec v1, and is healthy. Its last update failed, and was undone: ",
        "\n  since  20",
        "\n  next   nothing, until somebody asks for it again",
        "`landlord-compute update -f FILE`: ",
    ] {
        assert!(explained.contains(words), "{words:?} is not in {explained}");
    }
    let explanation = bench.json(&["describe", "acme"])["explanation"].clone();
    assert!(
        explanation["why"].as_str().is_some_and(|why| why.starts_with("It runs spec v1")),
        "{explanation}"
    );
    assert!(
        explanation["since"].is_string() && explanation["todo"][0]["command"].is_string(),
        "{explanation}"
    );
    bench.json(&["update", "-f", &bench.spec("acme", &Version::good("again"))]);
    assert_eq!(
        bench.json(&["describe", "acme"]).get("explanation"),
        None,
        "what plainly runs is not explained"
    );
    assert!(bench.run(&["describe", "acme"]).out.starts_with("tenant "));
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

#[test]
fn the_schema_is_the_one_of_the_types() {
    let bench = Bench::new();
    let printed = bench.run(&["schema"]);
    let schema: Value = serde_json::from_str(&printed.out).expect("JSON, as an editor reads it");
    assert_eq!((printed.code, &schema), (0, &landlord_compute::machines::spec::schema()));
    assert_eq!(bench.json(&["schema"]), schema);
    assert!(schema["properties"]["containers"].is_object(), "{schema}");
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let bench = Bench::new();
    let mut child = bench.command(&["machine", "tenant"]).spawn().expect("it runs");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}
