//! Many specs at a time: all are checked before anything is sent, and the end says what became of each.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::bad_input::refused;
use super::{Bench, Version};

/// A file of YAML, whose documents are also JSON.
fn stream(bench: &Bench, name: &str, specs: &[Value]) -> String {
    let documents: Vec<String> = specs.iter().map(|spec| format!("--- # one\n{spec:#}\n")).collect();
    bench.file(name, &format!("# All of them.\n{}", documents.concat()))
}

fn spec(tenant: &str, greeting: &str) -> Value {
    let mut spec = Version::good(greeting).spec(tenant);
    spec["labels"] = json!({ "app": "shop" });
    spec
}

/// How often each word is in a summary.
fn counts(summary: &Value) -> [u64; 5] {
    ["created", "updated", "unchanged", "pruned", "failed"]
        .map(|word| summary[word].as_u64().expect("a count"))
}

#[test]
fn a_directory_is_applied_and_applied_again() {
    let bench = Bench::new();
    fs::create_dir(bench.path("specs")).expect("a directory");
    stream(&bench, "specs/two.yaml", &[spec("acme", "hello"), spec("bravo", "hello")]);
    bench.file("specs/third.json", &spec("charlie", "hello").to_string());
    bench.file("specs/README.md", "no spec");
    bench.file("specs/.hidden.yaml", "no spec");
    let first = bench.json(&["apply", "-f", "specs", "--parallel", "2"]);
    assert_eq!(counts(&first), [3, 0, 0, 0, 0], "{first}");
    assert_eq!(first["tenants"][0]["tenant_id"], "acme");
    let again = bench.run(&["apply", "-f", "specs"]);
    assert_eq!((again.code, again.err.as_str()), (0, ""), "nothing is worth a line");
    assert!(again.out.ends_with(": 3 unchanged\n"), "{}", again.out);

    bench.file("specs/third.json", &spec("charlie", "good evening").to_string());
    let told = bench.run(&["apply", "-f", "specs/two.yaml", "specs/third.json"]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.err.starts_with("charlie: updated in "), "{}", told.err);
    assert!(told.out.ends_with(": 1 updated, 2 unchanged\n"), "{}", told.out);
    assert_eq!(bench.run(&["plan", "-f", "specs"]).code, 0, "nothing is left to do");
    assert_eq!(bench.json(&["validate", "-f", "specs"])["verdicts"].as_array().map(Vec::len), Some(3));
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_nothing_is_sent() {
    let bench = Bench::new();
    let mut bad = spec("bravo", "hello");
    bad["resources"]["cpu"] = json!(1);
    stream(&bench, "many.yaml", &[spec("acme", "hello"), bad, spec("acme", "other")]);
    bench.file("none.yaml", "a: [1\n");
    for command in ["apply", "provision", "update", "validate", "plan"] {
        let ran = bench.run(&[command, "-f", "many.yaml", "none.yaml", "missing.yaml"]);
        refused(&ran, 2, "4 of 5 specs and files are not valid");
        for words in [
            "many.yaml, document 3 (from line ",
            "many.yaml, document 2 (from line ",
            "resources.cpu",
            "none.yaml",
            "missing.yaml: No such file",
        ] {
            assert!(ran.err.contains(words), "{command}: {words:?} is not in {}", ran.err);
        }
    }
    let ran = bench.run(&["apply", "-f", "many.yaml", "-o", "json"]);
    let error: Value = serde_json::from_str(&ran.err).expect("one document");
    assert_eq!((ran.code, error["error"]["errors"].as_array().map(Vec::len)), (2, Some(2)), "{error}");
    assert_eq!(error["error"]["errors"][1]["problems"][0]["path"], "resources.cpu");
    fs::create_dir(bench.path("empty")).expect("a directory");
    refused(&bench.run(&["apply", "-f", "empty"]), 2, "has no file named .yaml, .yml or .json");
    bench.nothing_is_recorded();
}

#[test]
fn what_is_in_no_file_is_pruned_where_that_is_confirmed() {
    let bench = Bench::new();
    let mut protected = spec("delta", "hello");
    protected["deletion_protection"] = json!(true);
    let mut other = spec("echo", "hello");
    other["labels"]["app"] = json!("blog");
    let all = [spec("acme", "hello"), spec("bravo", "hello"), protected, other];
    let all = stream(&bench, "all.yaml", &all);
    assert_eq!(counts(&bench.json(&["apply", "-f", &all])), [4, 0, 0, 0, 0]);
    let kept = stream(&bench, "kept.yaml", &[spec("acme", "hello")]);

    refused(&bench.run(&["apply", "-f", &kept, "--prune"]), 2, "--all-tenants");
    let prune = ["apply", "-f", &kept, "--prune", "-l", "app=shop"];
    refused(&bench.run(&prune), 2, "--prune would destroy 2 tenants, which are in no file: bravo, delta");
    let pruned = bench.run(&[&prune[..], &["--yes", "-o", "json"]].concat());
    assert_eq!(pruned.code, 10, "{}", pruned.err);
    let summary: Value = serde_json::from_str(&pruned.out).expect("one document");
    assert_eq!(counts(&summary), [0, 0, 1, 1, 1], "{summary}");
    assert_eq!(summary["tenants"][2]["error"]["code"], "protected");
    assert_eq!(bench.run(&["list", "-o", "name"]).out, "acme\ndelta\necho\n");
    let lifted = stream(&bench, "lifted.yaml", &[spec("delta", "hello")]);
    let lifted = bench.json(&["apply", "-f", &lifted]);
    assert_eq!(counts(&lifted), [0, 1, 0, 0, 0], "an update without a call is one");
    let rest = bench.json(&["apply", "-f", &kept, "--prune", "--all-tenants", "--yes"]);
    assert_eq!(counts(&rest), [0, 0, 1, 2, 0]);
}

#[test]
fn one_that_fails_harms_no_other() {
    let bench = Bench::new();
    let broken = Version { broken: true, ..Version::good("never") }.spec("bravo");
    let file = stream(&bench, "all.yaml", &[spec("acme", "hello"), broken, spec("charlie", "hello")]);
    let ran = bench.run(&["apply", "-f", &file, "--deadline", "3s"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.ends_with(": 2 created, 1 failed\n"), "{}", ran.out);
    assert!(ran.err.contains("error: 1 of 3 tenants are not as asked: bravo\n"), "{}", ran.err);
    assert!(ran.err.contains("`landlord-compute describe bravo` shows how it is now"), "{}", ran.err);
}

#[test]
fn what_is_on_its_way_goes_on_after_ctrl_c() {
    let bench = Bench::new();
    let slow = Version { slow: 3_000, ..Version::good("late") };
    let file = stream(&bench, "all.yaml", &["acme", "bravo", "charlie"].map(|tenant| slow.spec(tenant)));
    let apply = bench.command(&["apply", "-f", &file, "--parallel", "2"]).spawn().expect("it runs");
    bench.until("two of them", || bench.state("bravo").as_deref() == Some("provisioning"));
    kill_process(Pid::from_child(&apply), Signal::INT).expect("sent");
    let ran: super::Ran = apply.wait_with_output().expect("it ends").into();
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.out.ends_with(": 2 begun, 1 not sent\n"), "{}", ran.out);
    assert!(
        ran.err.contains("2 operations are recorded, and are not over; for 1 tenant nothing was sent"),
        "{}",
        ran.err
    );
    let timed = bench.run(&["apply", "-f", &file, "--timeout", "10ms"]);
    assert_eq!(timed.code, 11, "{}", timed.err);
    let rest = bench.json(&["apply", "-f", &file]);
    assert_eq!((counts(&rest)[0] + counts(&rest)[2], counts(&rest)[4]), (3, 0), "{rest}");
}

#[test]
fn several_are_begun_without_waiting() {
    let bench = Bench::new();
    let slow = Version { slow: 60_000, ..Version::good("late") };
    let file = stream(&bench, "all.yaml", &["acme", "bravo"].map(|tenant| slow.spec(tenant)));
    let begun = bench.json(&["apply", "-f", &file, "--no-wait"]);
    assert_eq!((&begun["begun"], &begun["tenants"][0]["as"]), (&json!(2), &json!("begun")));
    let operation = begun["tenants"][0]["operation"].as_str().expect("an id");
    let wait = bench.run(&["wait", operation, "--timeout", "100ms"]);
    assert_eq!((wait.code, wait.out.as_str()), (11, ""), "{}", wait.err);
    assert!(
        wait.err.contains(&format!("error: operation {operation} was not over in time\n")),
        "{}",
        wait.err
    );
}
