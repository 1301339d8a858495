//! The specs of a tenant: printed, applied again, and gone back to.

use serde_json::{Value, json};

use super::bad_input::refused;
use super::lifecycle::get;
use super::{Bench, Version};

/// What the tenant that a command is about answers.
fn heard(done: &Value) -> String {
    get(done["tenant"]["endpoints"][0]["port"].as_u64().expect("a port"), "/")
}

#[test]
fn the_spec_that_runs_is_printed_and_applies_again() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    spec["containers"][0]["env"] = json!({
        "YES": "yes", "NULL": "null", "HEX": "0x10", "LINES": "a\nb\n", "SPACE": " x ", "DAY": "2026-01-01", "HASH": "a #b",
        "NUMBER": "1e3", "COLON": "a: b", "EMPTY": "", "DASHES": "---",
    });
    spec["secrets"] = json!([{ "name": "home", "source": "environment", "key": "PATH", "env_var": "WHERE" }]);
    let file = bench.file("acme.json", &spec.to_string());
    bench.json(&["provision", "-f", &file]);
    let printed = bench.run(&["get", "acme"]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    assert!(printed.out.starts_with("# Spec v1 of tenant acme, which runs."), "{}", printed.out);
    assert!(printed.out.contains("key: PATH\n"), "a secret is what it refers to: {}", printed.out);
    assert_eq!(bench.run(&["get", "spec", "acme"]).out, printed.out);
    let again = bench.file("again.yaml", &printed.out);
    assert_eq!(bench.json(&["apply", "-f", &again])["unchanged"], 1, "{}", printed.out);
    let document = bench.json(&["get", "acme"]);
    assert_eq!(document["containers"][0]["env"], spec["containers"][0]["env"]);

    refused(&bench.run(&["get", "acme", "--at", "v7"]), 4, "tenant acme has no spec v7");
    refused(&bench.run(&["get", "nobody"]), 4, "there is no tenant nobody");
    refused(&bench.run(&["get", "specs", "acme"]), 2, "`landlord-compute get spec TENANT`");
    refused(&bench.run(&["get", "acme", "--at", "last"]), 2, "it reads like v3");
}

#[test]
fn a_tenant_goes_back_to_what_it_ran() {
    let bench = Bench::new();
    let one = bench.spec("acme", &Version::good("one"));
    bench.json(&["provision", "-f", &one]);
    refused(&bench.run(&["rollback", "acme"]), 4, "no other spec of tenant acme ran before");
    let two = bench.spec("acme", &Version::good("two"));
    bench.json(&["update", "-f", &two]);
    let broken = bench.spec("acme", &Version { broken: true, ..Version::good("never") });
    assert_eq!(bench.run(&["update", "-f", &broken, "--deadline", "2s"]).code, 1);
    let back = bench.json(&["rollback", "acme", "--reason", "two was a mistake"]);
    assert_eq!(back["settled"], json!({ "as": "done" }));
    assert!(heard(&back).contains("one"), "what never ran is skipped: {back}");
    assert!(heard(&bench.json(&["rollback", "acme"])).contains("two"), "and back again");
    let told = bench.run(&["rollback", "acme", "--to", "v1"]);
    assert_eq!((told.code, told.err.lines().next()), (0, Some("acme: back to spec v1")), "{}", told.err);
    refused(&bench.run(&["rollback", "acme", "--to", "v40"]), 4, "tenant acme has no spec v40");
    refused(&bench.run(&["rollback", "nobody"]), 4, "there is no tenant nobody");
    bench.json(&["destroy", "acme"]);
    refused(&bench.run(&["rollback", "acme"]), 4, "tenant acme is gone");
}

#[test]
fn what_is_not_waited_for_goes_on() {
    let bench = Bench::new();
    let slow = bench.spec("acme", &Version { slow: 1_500, ..Version::good("late") });
    let ran = bench.run(&["provision", "-f", &slow, "--timeout", "200ms"]);
    assert_eq!((ran.code, ran.out.as_str()), (11, ""), "{}", ran.err);
    assert!(ran.err.contains("error: operation 1-1 was not over in time\n"), "{}", ran.err);
    let next = if super::SERVED {
        "`landlord-compute wait 1-1` waits for it"
    } else {
        "no engine goes on with it now"
    };
    assert!(ran.err.contains(next), "{}", ran.err);
    assert_eq!(bench.json(&["wait", "1-1"])["settled"]["as"], "done");
    let begun = bench.json(&["restart", "acme", "--no-wait"]);
    assert_eq!(begun["tenant_id"], "acme");
    let operation = begun["operation"].as_str().expect("an id");
    assert_eq!(bench.json(&["wait", operation])["settled"]["as"], "done");
    let both = bench.run(&["restart", "acme", "--no-wait", "--timeout", "1s"]);
    refused(&both, 2, "cannot be used with");
}
