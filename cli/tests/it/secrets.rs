//! I9: a secret reaches the tenant's process and nothing else, whatever goes wrong and whoever listens.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Bench, Version};

/// Found nowhere by chance, and neither in a name nor in a hash.
const SENTINEL: &str = "Xq7-sentinel-Zw9";

/// Every file of a folder whose bytes hold the sentinel; what a tenant wrote itself is its own.
fn holders(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let is_output = path.extension().is_some_and(|extension| extension == "log");
        if path.is_dir() {
            holders(&path, found);
        } else if path.is_file() && !is_output && fs::read(&path).is_ok_and(|bytes| holds(&bytes)) {
            found.push(path.display().to_string());
        }
    }
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(SENTINEL.len()).any(|window| window == SENTINEL.as_bytes())
}

/// A tenant that ends at once unless it got both secrets, and then does what `then` says.
fn spec(file: &Path, then: &str) -> Value {
    let mut spec = Version::good("hello").spec("acme");
    let got = format!("[ ${{#DB}} = {0} ] && [ ${{#API}} = {0} ] || exit 9; {then}", SENTINEL.len());
    spec["containers"][0]["command"] = json!(["sh", "-c", got]);
    spec["containers"][0]["health_check"] = Value::Null;
    spec["secrets"] = json!([
        { "name": "db", "source": "file", "key": file, "env_var": "DB" },
        { "name": "api", "source": "environment", "key": "OPERATORS_API_KEY", "env_var": "API" },
    ]);
    spec
}

#[test]
fn i9_a_secret_reaches_its_process_and_nothing_else() {
    let (bench, vault) = (Bench::new(), tempfile::tempdir().expect("a folder"));
    let file = vault.path().join("db");
    fs::write(&file, SENTINEL).expect("written");
    let good = spec(&file, "exec sleep 600");
    // It says its secret and ends. What a tenant writes is in its log and nowhere else.
    let bad = spec(&file, "echo \"wrong password $DB\" >&2; exit 3");
    fs::write(bench.path("good.json"), good.to_string()).expect("written");
    fs::write(bench.path("bad.json"), bad.to_string()).expect("written");

    let mut said = Vec::new();
    let mut run = |args: &[&str]| {
        let mut command = bench.command(args);
        command.env("OPERATORS_API_KEY", SENTINEL).env("RUST_LOG", "trace");
        let output = command.output().expect("it runs");
        said.extend([output.stdout.clone(), output.stderr.clone()]);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, text) = run(&["provision", "-f", "good.json"]);
    assert_eq!(code, Some(0), "the process got both: {text}");
    let (code, failed) = run(&["update", "-f", "bad.json", "--deadline", "3s"]);
    assert_eq!(code, Some(1), "{failed}");
    assert!(failed.contains("exited with code 3") && !failed.contains("wrong password"), "{failed}");
    for args in [
        &["describe", "acme"][..],
        &["describe", "acme", "-o", "json"],
        &["events", "acme", "-o", "json"],
        &["events"],
        &["status", "acme", "-o", "json"],
        &["list", "-o", "json"],
        &["get", "acme"],
        &["apply", "-f", "good.json"],
        &["sweep", "-o", "json"],
        &["validate", "-f", "bad.json"],
    ] {
        run(args);
    }
    for said in &said {
        assert!(!holds(said), "{}", String::from_utf8_lossy(said));
    }
    let mut found = Vec::new();
    holders(bench.folder.path(), &mut found);
    assert_eq!(found, Vec::<String>::new(), "the store and the records of launches hold it not");
    let logs = bench.path("landlord.db.d/logs/acme");
    let logs = fs::read_dir(logs).expect("there").map(|entry| entry.expect("readable").path());
    // A pipe among them would be read for ever.
    let mut logs = logs.filter(|path| path.is_file()).map(fs::read);
    assert!(logs.any(|log| log.is_ok_and(|bytes| holds(&bytes))), "the search would have found it");
}

#[test]
fn a_restart_reads_secrets_anew() {
    let (bench, vault) = (Bench::new(), tempfile::tempdir().expect("a folder"));
    let (file, seen) = (vault.path().join("db"), vault.path().join("seen"));
    fs::write(&file, "first").expect("written");
    let mut spec = Version::good("hello").spec("acme");
    spec["containers"][0]["command"] = json!(["sh", "-c", "printf '%s' \"$DB\" >\"$SEEN\"; exec sleep 600"]);
    spec["containers"][0]["env"] = json!({ "SEEN": seen });
    spec["containers"][0]["health_check"] = Value::Null;
    spec["secrets"] = json!([{ "name": "db", "source": "file", "key": file, "env_var": "DB" }]);
    fs::write(bench.path("acme.json"), spec.to_string()).expect("written");
    let got = || fs::read_to_string(&seen).expect("its program has begun");

    let provisioned = bench.json(&["provision", "-f", "acme.json"]);
    assert_eq!(got(), "first");
    fs::write(&file, "second").expect("written");
    assert_eq!(bench.json(&["update", "-f", "acme.json"])["settled"]["as"], "done");
    assert_eq!(got(), "first", "an update to the same spec starts nothing anew");
    let restarted = bench.json(&["restart", "acme", "--reason", "the password was rotated"]);
    assert_eq!((&restarted["kind"], &restarted["settled"]["as"]), (&json!("restart"), &json!("done")));
    assert_eq!(got(), "second");
    assert_eq!(restarted["tenant"]["spec"], provisioned["tenant"]["spec"]);
    assert_ne!(restarted["tenant"]["resources"], provisioned["tenant"]["resources"]);

    fs::write(&file, "third").expect("written");
    let text = bench.run(&["restart", "acme"]);
    assert_eq!((text.code, got()), (0, "third".to_owned()), "{}{}", text.out, text.err);
    assert!(text.err.contains("restart of spec v1 began") || text.out.contains("restart of spec v1 began"));
    assert_eq!(bench.run(&["restart", "nobody"]).code, 3);
}
