//! What is printed is so: as old as it is, and once.

use std::fs;

use jiff::Timestamp;
use jiff::tz::Offset;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Bench, Ran, Version};

/// What people get to read at 80 columns.
fn at_80_columns(bench: &Bench, args: &[&str]) -> String {
    let ran: Ran = bench.command(args).env("COLUMNS", "80").output().expect("it runs").into();
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out
}

/// The state of the engine, as `list` has it.
fn engine(bench: &Bench) -> Value {
    bench.json(&["list"])["engine"].clone()
}

#[test]
fn a_list_says_how_old_it_is() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    assert_eq!(engine(&bench), json!({ "state": "none" }));
    let listed = bench.run(&["list"]).out;
    assert!(listed.contains("was healthy"), "{listed}");
    assert!(listed.contains("no engine runs: nobody has looked since the last operations"), "{listed}");
    let described = bench.run(&["describe", "acme"]).out;
    assert!(described.contains("was healthy; no engine runs: nobody has looked since 2"), "{described}");

    let mut run = bench.command(&["run"]).spawn().expect("it runs");
    bench.until("the first look", || engine(&bench)["state"] == "looks_after");
    let listed = bench.run(&["list"]).out;
    assert!(!listed.contains("was healthy") && !listed.contains("nobody"), "{listed}");
    kill_process(Pid::from_child(&run), Signal::KILL).expect("killed");
    run.wait().expect("it ends");
    let none = engine(&bench);
    let looked_at = none["looked_at"].as_str().expect("a look");
    assert_eq!((&none["state"], &looked_at[..2]), (&json!("none"), "20"));
    let listed = bench.run(&["list"]).out;
    assert!(listed.contains("was healthy") && listed.contains("nobody has looked since 20"), "{listed}");
}

#[test]
fn a_command_that_has_the_store_is_no_look() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version { slow: 2_000, ..Version::good("hello") });
    let provision = bench.command(&["provision", "-f", &spec]).spawn().expect("it runs");
    bench.until("the provision", || bench.state("acme").as_deref() == Some("provisioning"));
    assert_eq!(engine(&bench)["state"], "runs");
    let listed = bench.run(&["list"]).out;
    assert!(listed.contains("has the store, and has not looked:"), "{listed}");
    assert!(provision.wait_with_output().expect("it ends").status.success());
}

#[test]
fn what_failed_long_ago_is_told_as_over_and_once() {
    let bench = Bench::new();
    let good = bench.spec("acme", &Version::good("hello"));
    let provisioned = bench.json(&["provision", "-f", &good, "--reason", "the first day"]);
    let broken = bench.spec("acme", &Version { broken: true, ..Version::good("never") });
    assert_eq!(bench.run(&["update", "-f", &broken, "--deadline", "2s"]).code, 1);
    let listed = bench.run(&["list"]).out;
    assert!(
        listed.contains("last update failed ") && listed.contains("not done by its deadline"),
        "{listed}"
    );
    let described = bench.run(&["describe", "acme"]).out;
    assert_eq!(described.matches("failure    last update failed ").count(), 1, "{described}");
    let events = bench.run(&["events", "acme"]).out;
    assert_eq!(events.matches("not done by its deadline").count(), 1, "{events}");
    assert!(events.contains("operation 2-1 failed, and undone\n"), "{events}");
    let mut said: Vec<&str> =
        events.lines().filter_map(|line| line.split_once("/1  ")).map(|it| it.1).collect();
    let all = said.len();
    said.dedup();
    assert_eq!(said.len(), all, "nothing is said twice in a row: {events}");

    let operation = provisioned["operation"].as_str().expect("an id");
    let waited = bench.run(&["wait", operation]);
    assert!(waited.out.contains("provision done ") && waited.out.contains(" ago, at 20"), "{}", waited.out);
    assert!(waited.out.contains("\n  now it is running, spec v1"), "{}", waited.out);
    let failed = bench.run(&["wait", "2-1"]);
    assert_eq!(failed.code, 1);
    assert!(failed.out.contains("update failed, and undone, "), "{}", failed.out);
    assert!(bench.json(&["wait", operation])["settled_at"].is_string());
}

#[test]
fn a_status_says_where_which_container_answers_and_how_often_it_was_repaired() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    let provisioned = bench.json(&["provision", "-f", &spec]);
    let endpoint = &provisioned["tenant"]["endpoints"][0];
    assert_eq!(
        (&endpoint["container"], &endpoint["container_port"], &endpoint["port_name"]),
        (&json!("web"), &json!(80), &json!("http"))
    );
    let status = bench.run(&["status", "acme"]).out;
    assert!(status.contains("  (web, port 80 http)\n"), "{status}");

    let pid = provisioned["tenant"]["resources"]["web/1-1"].as_str().and_then(|it| it.strip_prefix("pid "));
    let pid = pid.and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw).expect("a process");
    kill_process(pid, Signal::KILL).expect("killed");
    bench.until("the end of its process", || {
        bench.run(&["status", "acme"]).out.contains("  ended by signal 9")
    });
    let run = bench.command(&["run"]).spawn().expect("it runs");
    bench.until("the repair", || {
        let status = bench.run(&["status", "acme", "-o", "json"]).out;
        let status: Value = serde_json::from_str(&status).unwrap_or_default();
        status["containers"][0]["restart_count"] == 1 && status["tenant"]["state"] == "running"
    });
    let status = bench.run(&["status", "acme"]).out;
    assert!(status.contains("repair    1 "), "{status}");
    kill_process(Pid::from_child(&run), Signal::TERM).expect("asked to end");
    assert!(run.wait_with_output().expect("it ends").status.success());
}

#[test]
fn all_that_is_known_fits_into_80_columns() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme-with-a-rather-long-name");
    spec["labels"] = json!({ "team": "blue" });
    spec["containers"][0]["env"] = json!({ "GREETING": "sentinel" });
    fs::write(bench.path("long.json"), spec.to_string()).expect("written");
    bench.json(&["provision", "-f", "long.json", "--reason", "the first day"]);
    let mut broken = Version { broken: true, ..Version::good("never") }.spec("acme-with-a-rather-long-name");
    broken["provider_config"]["stop_grace_seconds"] = json!(2);
    fs::write(bench.path("broken.json"), broken.to_string()).expect("written");
    let update = ["update", "-f", "broken.json", "--deadline", "2s", "--reason", "the second day"];
    assert_eq!(bench.run(&update).code, 1);

    let listed = at_80_columns(&bench, &["list"]);
    assert!(listed.lines().all(|line| line.chars().count() <= 80), "{listed}");
    let below = listed.lines().nth(2).expect("a remark");
    assert!(below.starts_with("  last update failed "), "{listed}");

    let described = at_80_columns(&bench, &["describe", "acme-with-a-rather-long-name"]);
    for wanted in ["label      team=blue", "  env      GREETING", "  check    http / on port 80, every 5 s"] {
        assert!(described.contains(wanted), "{wanted:?} is not in {described}");
    }
    assert!(described.contains("128 millicores, 512 MB"), "{described}");
    let operation = described.lines().find(|line| line.starts_with("  2-1 "));
    assert!(operation.is_some_and(|line| line.ends_with("  the second day")), "{described}");
    assert!(!described.contains("sentinel"), "values of an environment are not shown");
    let events = described.split_once("EVENTS").expect("events").1;
    assert!(events.lines().all(|line| line.chars().count() <= 80), "{events}");
    let document = bench.json(&["describe", "acme-with-a-rather-long-name"]);
    assert_eq!(document["spec"]["labels"], json!({ "team": "blue" }));
    assert_eq!(document["containers"][0]["health_check"]["interval_seconds"], 5);

    let all = bench.run(&["events"]).out;
    let columns: Vec<Option<usize>> =
        all.lines().map(|line| line.find("  acme-with-a-rather-long-name  ")).collect();
    assert!(columns.windows(2).all(|pair| pair[0] == pair[1] && pair[0].is_some()), "{all}");
}

#[test]
fn people_read_the_time_of_their_zone_and_programs_utc() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    spec["containers"][0]["command"] = json!(["sh", "-c", "echo hello; exec sleep 600"]);
    spec["containers"][0]["health_check"] = Value::Null;
    bench.json(&["provision", "-f", &bench.file("acme.json", &spec.to_string())]);
    bench.until("a line", || !bench.run(&["logs", "acme"]).out.is_empty());
    // Zones that need no files: ten hours apart, five on each side of UTC.
    let first = |zone: &str, args: &[&str]| -> String {
        let ran: Ran = bench.command(args).env("TZ", zone).output().expect("it runs").into();
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.lines().next().expect("a line").to_owned()
    };
    for (command, at) in [(&["events"][..], "/event/at"), (&["logs", "acme"], "/at")] {
        let as_json = [command, &["-o", "json"]].concat();
        let document = first("WEST5", &as_json);
        assert_eq!(document, first("EAST-5", &as_json));
        let document: Value = serde_json::from_str(&document).expect("a document");
        let at: Timestamp =
            document.pointer(at).and_then(Value::as_str).expect("in UTC").parse().expect("one");
        for (zone, hours) in [("WEST5", -5), ("EAST-5", 5)] {
            let there = at.to_zoned(Offset::constant(hours).to_time_zone()).strftime("%H:%M:%S").to_string();
            let shown = first(zone, command);
            assert!(shown.contains(&there), "{there} is not in {shown}");
        }
    }
}

/// A machine keeps no security groups, whoever runs the program. What else it does not keep is after that.
fn with_security_groups(bench: &Bench) -> String {
    let mut spec = Version::good("hello").spec("acme");
    spec["networking"]["security_groups"] = json!(["sg-1"]);
    bench.file("acme.json", &spec.to_string())
}

#[test]
fn what_is_not_enforced_is_said_once_and_described() {
    let bench = Bench::new();
    let spec = with_security_groups(&bench);
    let provisioned = bench.run(&["provision", "-f", &spec]);
    let said: Vec<&str> =
        provisioned.out.lines().filter(|line| line.contains("not enforced here: ")).collect();
    assert_eq!(said.len(), 1, "{}", provisioned.out);
    assert!(said[0].chars().count() < 180, "it is short: {}", said[0]);
    let described = bench.json(&["describe", "acme"]);
    let message = described["message"].as_str().expect("a message");
    assert!(message.contains("networking.security_groups: there are none on a machine"), "{message}");
    let planned = bench.run(&["plan", "-f", &spec]);
    let limit = "not enforced by the provider: networking.security_groups: there are none on a machine";
    assert!(planned.code == 0 && planned.out.contains(limit), "{}", planned.out);
    assert_eq!(bench.json(&["wait", "1-1"])["message"], message);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = words(&at_80_columns(&bench, &["describe", "acme"]));
    assert!(shown.contains("there are none on a machine"), "{shown}");
    for command in ["status", "list"] {
        let again = bench.run(&[command, "acme"][..if command == "list" { 1 } else { 2 }]);
        assert!(!again.out.contains("not enforced"), "{}", again.out);
    }
}

#[test]
fn a_fixed_port_is_remarked_and_a_plan_says_how_the_update_goes() {
    let bench = Bench::new();
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let file = |name: &str, greeting: &str, own: bool| {
        let mut spec = Version::good(greeting).spec("acme");
        spec["containers"][0]["ports"][0]["host_port"] = json!(port);
        if own {
            // What it finds in its environment is where the keeper would forward to.
            let command = spec["containers"][0]["command"].as_array_mut().expect("a list");
            command.splice(0..0, [json!("env"), json!(format!("PORT={port}"))]);
        }
        bench.file(name, &spec.to_string())
    };
    let (forwarded, own) = (file("forwarded.json", "one", false), file("own.json", "two", true));
    let valid = bench.run(&["validate", "-f", &forwarded]);
    assert_eq!(valid.code, 0, "a remark is no problem: {}", valid.err);
    let remark = format!("containers[0].ports[0].host_port: if the program listens on {port} itself");
    assert!(valid.out.contains(&remark), "{}", valid.out);
    assert_eq!(bench.json(&["validate", "-f", &forwarded])["remarks"].as_array().map(Vec::len), Some(1));

    let none = bench.run(&["plan", "-f", &forwarded]);
    assert_eq!(none.code, 5, "there is no store: {}", none.err);
    let message = bench.json(&["provision", "-f", &own])["message"].clone();
    let message = message.as_str().unwrap_or_default();
    assert!(message.starts_with("container web listens on its host port itself"), "{message}");
    assert!(bench.run(&["plan", "-f", &own]).out.contains("an update would change nothing"));
    let planned = bench.run(&["plan", "-f", &forwarded]).out;
    assert!(planned.contains("the old one ends before the new one starts"), "{planned}");
    let effect = |file: &str| bench.json_ending(9, &["plan", "-f", file])["changes"][0]["effect"].clone();
    assert_eq!(effect(&forwarded), "stop_first");
    let updated = bench.json(&["update", "-f", &forwarded]);
    assert!(!updated["message"].to_string().contains("itself"), "{updated}");
    assert_eq!(effect(&own), "replace");
}

/// Its undo leaves nothing else: who comes later reads there why it failed.
#[test]
fn what_a_failed_provision_printed_stays_where_the_operator_says_so() {
    for retains in [true, false] {
        let bench = Bench::new();
        let config =
            format!("store = \"landlord.db\"\n[providers.process]\nlogs = {{ retain = {retains} }}\n");
        bench.file("landlord.toml", &config);
        let run = |args: &[&str]| bench.run(&[&["--config", "landlord.toml"], args].concat());
        let mut spec = Version::good("never").spec("acme");
        spec["containers"][0]["command"] = json!(["sh", "-c", "echo no such table; exit 3"]);
        let spec = bench.file("acme.json", &spec.to_string());
        let failed = run(&["provision", "-f", &spec, "--deadline", "2s"]);
        assert!(failed.code == 1 && failed.out.contains("provision failed, and undone"), "{failed:?}");
        assert!(!failed.err.contains("no such table"), "{}", failed.err);
        assert_eq!(failed.err.contains("the output of its processes is in "), retains, "{}", failed.err);
        let logs = run(&["logs", "acme"]);
        match retains {
            true => assert!(logs.code == 0 && logs.out.contains("no such table"), "{logs:?}"),
            false => assert_eq!((logs.code, logs.out.as_str()), (4, ""), "{}", logs.err),
        }
        let described = run(&["describe", "acme"]).out;
        assert!(
            described.contains("exited with code 3") && !described.contains("no such table"),
            "{described}"
        );
    }
}
