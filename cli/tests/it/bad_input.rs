//! Whatever is wrong with what it is given, the program says so, ends with its code, and loses nothing.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Bench, Ran, Version};

/// A refused command says why on stderr and nothing on stdout.
pub(super) fn refused(ran: &Ran, code: i32, words: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{}", ran.err);
    assert!(ran.err.starts_with("error: "), "{}", ran.err);
    assert!(ran.err.contains(words), "{words:?} is not in {}", ran.err);
}

#[test]
fn specs_that_are_none() {
    let bench = Bench::new();
    let long = "a".repeat(2 * 1024 * 1024);
    let cases: [(&str, &[u8], &str); 7] = [
        ("malformed.yaml", b"a: [1\nb: }", "this YAML cannot be read"),
        ("malformed.json", b"{\"tenant_id\": ", "this JSON cannot be read"),
        ("empty.yaml", b"", "must be an object"),
        ("binary.yaml", b"\xff\xfe", "not UTF-8"),
        ("long.yaml", long.as_bytes(), "longer than the 1048576 bytes"),
        ("unknown.yaml", b"tenant: acme", "tenant: unknown field"),
        ("absurd.json", b"{\"resources\": {\"cpu\": 1e99}}", "resources.cpu"),
    ];
    for (name, text, words) in cases {
        fs::write(bench.path(name), text).expect("written");
        for command in ["validate", "provision", "update"] {
            refused(&bench.run(&[command, "-f", name]), 2, words);
        }
    }
    refused(&bench.run(&["validate", "-f", "missing.yaml"]), 2, "No such file");
    std::fs::create_dir(bench.path("empty")).expect("a directory");
    refused(&bench.run(&["validate", "-f", "empty"]), 2, "has no file named .yaml");
    bench.nothing_is_recorded();
}

#[test]
fn a_spec_comes_from_stdin_too() {
    let bench = Bench::new();
    let mut child = bench.command(&["validate", "-f", "-"]).stdin(Stdio::piped()).spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("it reads");
    stdin.write_all(Version::good("hello").spec("acme").to_string().as_bytes()).expect("written");
    drop(stdin);
    let ran: Ran = child.wait_with_output().expect("it ends").into();
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn all_problems_are_said_at_once_and_listed_for_programs() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    spec["resources"]["cpu"] = Value::from(1);
    spec["containers"][0]["ports"][0]["container_port"] = Value::from(99_999_999_999_i64);
    fs::write(bench.path("bad.json"), spec.to_string()).expect("written");
    let ran = bench.run(&["provision", "-f", "bad.json", "-o", "json"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let error: Value = serde_json::from_str(&ran.err).expect("one document");
    assert_eq!((&error["error"]["code"], &error["error"]["exit"]), (&"invalid".into(), &2.into()));
    let paths: Vec<&str> = error["error"]["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|problem| problem["path"].as_str())
        .collect();
    assert!(paths.contains(&"resources.cpu") && paths.len() >= 2, "{paths:?}");
}

/// `validate`, `provision` and the provider give one verdict, in one round.
#[test]
fn every_kind_of_problem_is_said_in_one_round_and_nothing_is_created() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    // What cannot be read, what breaks a rule of every provider, and what this provider cannot run.
    spec["labels"] = serde_json::json!({ "team": 7 });
    spec["colour"] = Value::from("blue");
    spec["resources"]["cpu"] = Value::from(1);
    spec["containers"][0]["ports"][0]["container_port"] = Value::from(u64::MAX);
    spec["containers"][0]["command"] = serde_json::json!(["no-such-program", "--password", "hunter2"]);
    spec["provider_config"]["grace"] = Value::from(1);
    fs::write(bench.path("bad.json"), spec.to_string()).expect("written");
    let mut said = Vec::new();
    for command in ["validate", "provision", "update"] {
        let ran = bench.run(&[command, "-f", "bad.json", "-o", "json"]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        let error: Value = serde_json::from_str(&ran.err).expect("one document");
        said.push(error["error"]["problems"].clone());
    }
    assert!(said[0] == said[1] && said[1] == said[2], "{said:?}");
    let problems: Vec<(&str, &str)> = said[0]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|problem| Some((problem["path"].as_str()?, problem["message"].as_str()?)))
        .collect();
    let mut paths: Vec<&str> = problems.iter().map(|(path, _)| *path).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "colour",
            "containers[0].command",
            "containers[0].ports[0].container_port",
            "labels.team",
            "provider_config.grace",
            "resources.cpu",
        ],
        "each once: {problems:?}"
    );
    let text = said[0].to_string();
    assert!(text.contains("out of range; give a whole number") && !text.contains("fraction"), "{text}");
    assert!(text.contains("the program \\\"no-such-program\\\" cannot be run"), "{text}");
    assert!(!text.contains("hunter2"), "an argument may be a secret: {text}");
    bench.nothing_is_recorded();

    // What only the provider refuses creates nothing either.
    let mut spec = Version::good("hello").spec("acme");
    spec["containers"][0]["command"] = serde_json::json!(["no-such-program"]);
    fs::write(bench.path("bad.json"), spec.to_string()).expect("written");
    refused(&bench.run(&["provision", "-f", "bad.json"]), 2, "the program \"no-such-program\" cannot be run");
    bench.nothing_is_recorded();
    let mut spec = Version::good("hello").spec("acme");
    spec["provider_type"] = Value::from("nope");
    fs::write(bench.path("bad.json"), spec.to_string()).expect("written");
    for command in ["validate", "provision"] {
        refused(&bench.run(&[command, "-f", "bad.json"]), 2, "provider_type: no provider is named \"nope\"");
    }
}

/// A tenant whose program is gone since is asked for as it runs: that is no change, and nothing is checked.
#[test]
fn what_runs_already_needs_no_check() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    let program = bench.path("program");
    fs::copy(env!("CARGO_BIN_EXE_landlord-compute"), &program).expect("copied");
    spec["containers"][0]["command"][0] = Value::from(program.display().to_string());
    fs::write(bench.path("acme.json"), spec.to_string()).expect("written");
    bench.json(&["provision", "-f", "acme.json"]);
    fs::remove_file(&program).expect("removed");
    assert_eq!(bench.run(&["validate", "-f", "acme.json"]).code, 2);
    assert_eq!(bench.json(&["provision", "-f", "acme.json"])["settled"]["as"], "done");
}

#[test]
fn command_lines_that_are_none() {
    let bench = Bench::new();
    let named = bench.run(&["destroy", "acme", "--request-id", "größe"]);
    assert_eq!(named.code, 2, "{}", named.err);
    assert!(named.err.contains("use 1 to 1024 characters of ASCII"), "{}", named.err);
    let near = bench.run(&["lst"]);
    refused(&near, 2, "a similar subcommand exists: 'list'");
    refused(&bench.run(&["destroy", "Acme"]), 2, "is not a valid name");
    refused(&bench.run(&["wait", "soon"]), 2, "it reads like 3-17");
    refused(&bench.run(&["provision", "-f", "x", "--deadline", "soon"]), 2, "write it like 90s");
    let ran = bench.run(&["lst", "-o", "json"]);
    let error: Value = serde_json::from_str(&ran.err).expect("one document");
    assert_eq!((ran.code, &error["error"]["exit"]), (2, &2.into()));
}

#[test]
fn what_the_tenants_state_does_not_allow() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let other = bench.spec("acme", &Version::good("good evening"));
    refused(&bench.run(&["provision", "-f", &other]), 3, "use update to change it");
    refused(&bench.run(&["update", "-f", &other, "--expect-revision", "1"]), 3, "look at it again");
    refused(&bench.run(&["cancel", "acme"]), 3, "nothing is on its way");
    refused(&bench.run(&["retry", "acme"]), 3, "nothing waits");
    refused(&bench.run(&["abandon", "acme", "--reason", "tired"]), 3, "destroy the tenant first");
    let stranger = bench.spec("other", &Version::good("hello"));
    refused(&bench.run(&["update", "-f", &stranger]), 3, "provision it first");
    refused(&bench.run(&["describe", "other"]), 4, "there is no tenant other");
    refused(&bench.run(&["status", "other"]), 4, "there is no tenant other");
    refused(&bench.run(&["wait", "99-1"]), 4, "there is no operation 99-1");
}

#[test]
fn a_protected_tenant_says_how_that_is_lifted() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    spec["deletion_protection"] = json!(true);
    let protects = bench.file("protects.json", &spec.to_string());
    bench.json(&["provision", "-f", &protects]);
    assert_eq!(bench.json(&["list"])["tenants"][0]["protected"], json!(true));
    assert_eq!(bench.json(&["describe", "acme"])["tenant"]["protected"], json!(true));
    let described = bench.run(&["describe", "acme"]).out;
    assert!(described.contains("a destroy is refused; an update to a spec with"), "{described}");
    refused(&bench.run(&["destroy", "acme"]), 10, "deletion_protection: false");
    let error: Value =
        serde_json::from_str(&bench.run(&["destroy", "acme", "-o", "json"]).err).expect("a document");
    assert_eq!((&error["error"]["code"], &error["error"]["exit"]), (&json!("protected"), &json!(10)));

    let lifts = bench.spec("acme", &Version::good("hello"));
    bench.json(&["update", "-f", &lifts]);
    assert_eq!(bench.json(&["list"])["tenants"][0].get("protected"), None);
    assert_eq!(bench.json(&["destroy", "acme"])["settled"]["as"], "done");
}

#[test]
fn what_was_retained_is_released_only_of_a_tenant_that_is_gone() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    refused(&bench.run(&["release", "acme"]), 3, "destroy it before you release that");
    refused(&bench.run(&["release", "amce"]), 4, "there is no tenant amce");
    bench.json(&["destroy", "acme"]);
    refused(&bench.run(&["describe", "acme"]), 4, "tenant acme is gone: it was destroyed\n  since: 20");
    let gone = bench.run(&["describe", "acme", "-o", "json"]).err;
    let gone: Value = serde_json::from_str(&gone).expect("a document");
    assert_eq!(gone["error"]["explanation"]["why"], "It is gone: it was destroyed.");
    let released = bench.run(&["release", "acme"]);
    assert_eq!(released.code, 0, "{}", released.err);
    assert!(released.out.contains("nothing to do, it is gone already"), "{}", released.out);
    refused(&bench.run(&["release", "acme", "--provider", "nowhere"]), 2, "nowhere");
    let released = bench.json(&["release", "acme", "--provider", "process"]);
    assert_eq!((&released["kind"], &released["settled"]["as"]), (&json!("release"), &json!("done")));
}

#[test]
fn a_name_that_was_mistyped_is_no_success() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    for command in [
        &["destroy", "acne"][..],
        &["cancel", "acne"],
        &["retry", "acne"],
        &["abandon", "acne", "--reason", "tired"],
        &["events", "acne"],
        &["events", "acne", "--follow"],
    ] {
        refused(&bench.run(command), 4, "there is no tenant acne in this store");
    }
    refused(&bench.run(&["list", "--provider", "nope"]), 2, "no provider is named \"nope\"");
    refused(&bench.run(&["list", "--state", "pending"]), 4, "no tenant is pending");
    let both = bench.run(&["list", "--state", "pending", "--provider", "process"]);
    refused(&both, 4, "no tenant is pending and is run by provider process");
    let document = bench.run(&["list", "--state", "pending", "-o", "json"]);
    let listed: Value = serde_json::from_str(&document.out).expect("one document");
    assert_eq!((document.code, &listed["tenants"]), (4, &serde_json::json!([])), "{}", document.err);

    // What is gone was known once, and is as it was asked for.
    bench.json(&["destroy", "acme"]);
    let again = bench.run(&["destroy", "acme"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(again.out, "acme: nothing to do, it is gone already\n  nothing of it is left\n");
    assert!(bench.run(&["events", "acme"]).out.contains("destroy began"));
    let nobody = bench.run(&["list"]);
    assert_eq!(nobody.code, 0, "an empty store is nobody's typo: {}", nobody.err);
}
