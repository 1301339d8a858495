//! `list` finds, sorts, follows, and says it in several formats.

use std::io::{BufRead, BufReader};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::bad_input::refused;
use super::{Bench, Version};

/// Tenants with these labels, `team` and `tier`.
fn fleet(bench: &Bench, tenants: &[(&str, &str, &str)]) {
    for (tenant, team, tier) in tenants {
        let mut spec = Version::good("hello").spec(tenant);
        spec["labels"] = json!({ "team": team, "tier": tier });
        let file = bench.file(&format!("{tenant}.json"), &spec.to_string());
        bench.json(&["provision", "-f", &file]);
    }
}

#[test]
fn tenants_are_found_by_label_and_health_and_sorted() {
    let bench = Bench::new();
    fleet(&bench, &[("acme", "blue", "free"), ("bravo", "red", "paid"), ("charlie", "blue", "paid")]);
    let names = |args: &[&str]| bench.run(&[&["list", "-o", "name"], args].concat()).out;
    assert_eq!(names(&[]), "acme\nbravo\ncharlie\n");
    assert_eq!(names(&["-l", "team=blue"]), "acme\ncharlie\n");
    assert_eq!(names(&["-l", "team=blue,tier!=free"]), "charlie\n");
    assert_eq!(names(&["--selector", "tier,!nothing", "--health", "healthy"]), "acme\nbravo\ncharlie\n");
    bench.json(&["restart", "acme"]);
    assert_eq!(names(&["--sort", "settled"]), "bravo\ncharlie\nacme\n");
    refused(&bench.run(&["list", "-l", "team=green"]), 4, "no tenant has the labels team=green");
    refused(&bench.run(&["list", "--health", "unhealthy"]), 4, "no tenant was last seen unhealthy");
    refused(&bench.run(&["list", "-l", "=blue"]), 2, "selects no labels; write it like team=blue");
    refused(&bench.run(&["list", "--health", "sick"]), 2, "there are healthy, unhealthy, unknown");
    refused(&bench.run(&["describe", "acme", "-o", "wide"]), 2, "are for `landlord-compute list`");
}

#[test]
fn a_list_is_wide_or_yaml_where_that_is_asked_for() {
    let bench = Bench::new();
    fleet(&bench, &[("acme", "blue", "")]);
    let wide = bench.run(&["list", "-o", "wide"]).out;
    assert!(wide.contains("LABELS") && wide.contains("team=blue,tier"), "{wide}");
    assert!(wide.contains("http://127.0.0.1:"), "it says where it answers: {wide}");
    let yaml = bench.run(&["list", "-o", "yaml"]).out;
    let read: Value = serde_saphyr::from_str(&yaml).expect("YAML");
    let listed = &read["tenants"][0];
    assert_eq!((&listed["tenant_id"], &listed["labels"]["team"]), (&json!("acme"), &json!("blue")));
    let events = bench.run(&["events", "-o", "yaml"]).out;
    assert!(events.starts_with("---\n") && events.contains("cursor: 1\n"), "a document each: {events}");
    let error = bench.run(&["describe", "nobody", "-o", "yaml"]);
    let read: Value = serde_saphyr::from_str(&error.err).expect("YAML");
    assert_eq!((error.code, &read["error"]["code"]), (4, &json!("not_found")));
    let error = bench.run(&["lst", "-o", "yaml"]);
    assert!(error.code == 2 && error.err.starts_with("error:\n  code: invalid\n"), "{}", error.err);
}

#[test]
fn a_list_is_followed_line_by_line() {
    let bench = Bench::new();
    fleet(&bench, &[("acme", "blue", "free"), ("bravo", "red", "free")]);
    let mut watch = bench.command(&["list", "-w", "-l", "team=blue", "-o", "json"]).spawn().expect("it runs");
    let out = BufReader::new(watch.stdout.take().expect("it writes"));
    let mut lines = out
        .lines()
        .map(|line| -> Value { serde_json::from_str(&line.expect("a line")).expect("a document") });
    let first = lines.next().expect("what there is");
    assert_eq!((&first["tenant"]["tenant_id"], &first["tenant"]["spec"]), (&json!("acme"), &json!(1)));
    bench.json(&["destroy", "bravo"]);
    bench.json(&["pause", "acme"]);
    let paused = lines.find(|line| line["tenant"]["paused"].is_string()).expect("the pause");
    assert_eq!(paused["tenant"]["tenant_id"], "acme", "nothing is said of others");
    bench.json(&["destroy", "acme"]);
    let gone = lines.find(|line| line["gone"].is_string()).expect("the end");
    assert_eq!(gone, json!({ "gone": "acme" }));
    kill_process(Pid::from_child(&watch), Signal::INT).expect("sent");
    assert!(watch.wait().expect("it ends").success());
}
