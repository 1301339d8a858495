//! Two programs on one store, Ctrl-C, and SIGKILL.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Bench, Ran, Version};

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("sent");
}

/// A provision that takes its time, once it is on its way.
fn provisioning(bench: &Bench) -> Child {
    let spec = bench.spec("acme", &Version { slow: 2_000, ..Version::good("hello") });
    let child = bench.command(&["provision", "-f", &spec]).spawn().expect("it runs");
    bench.until("the provision", || bench.state("acme").as_deref() == Some("provisioning"));
    child
}

#[test]
fn ctrl_c_stops_the_waiting_and_the_operation_goes_on_later() {
    let bench = Bench::new();
    let child = provisioning(&bench);
    send(&child, Signal::INT);
    let ran: Ran = child.wait_with_output().expect("it ends").into();
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.err.contains("next: `landlord-compute wait 1-1`"), "{}", ran.err);
    assert_eq!(bench.state("acme").as_deref(), Some("provisioning"));
    assert_eq!(bench.json(&["wait", "1-1"])["settled"]["as"], "done");
    assert_eq!(bench.state("acme").as_deref(), Some("running"));
}

/// I2: what was acknowledged survives `kill -9`.
#[test]
fn i2_a_killed_program_loses_nothing() {
    let bench = Bench::new();
    let child = provisioning(&bench);
    send(&child, Signal::KILL);
    child.wait_with_output().expect("it ends");
    assert_eq!(bench.json(&["wait", "1-1"])["settled"]["as"], "done");
    assert_eq!(bench.json(&["status", "acme"])["health"], "healthy");
}

#[test]
fn what_was_interrupted_can_be_cancelled() {
    let bench = Bench::new();
    let child = provisioning(&bench);
    send(&child, Signal::INT);
    child.wait_with_output().expect("it ends");
    let cancelled = bench.json(&["cancel", "acme"]);
    assert_eq!(
        (&cancelled["settled"]["as"], &cancelled["tenant"]["state"]),
        (&"cancelled".into(), &"pending".into())
    );
}

#[test]
fn what_waits_is_tried_again_now() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    let ready = bench.path("ready");
    let program = env!("CARGO_BIN_EXE_landlord-compute");
    let script = format!("test -e '{}' && exec '{program}' demo-tenant --greeting hello", ready.display());
    spec["containers"][0]["command"] = json!(["sh", "-c", script]);
    std::fs::write(bench.path("acme.json"), spec.to_string()).expect("written");
    let child = bench.command(&["provision", "-f", "acme.json"]).spawn().expect("it runs");
    // Before the last try it waits for four seconds at least, in which it can be met.
    let waits = || {
        let described: Value =
            serde_json::from_str(&bench.run(&["describe", "acme", "-o", "json"]).out).ok()?;
        let operation = &described["tenant"]["operation"];
        (operation["run"] == "waiting" && operation["attempt"].as_u64()? >= 5).then_some(())
    };
    bench.until("the wait for the last try", || waits().is_some());
    send(&child, Signal::INT);
    child.wait_with_output().expect("it ends");
    assert!(bench.run(&["list"]).out.contains("tries again in"));
    // By then it may be late for a time to come.
    let status = bench.run(&["status", "acme"]).out;
    assert!(status.contains("  exited with code 1") && status.contains(", tries again "), "{status}");
    let described = bench.run(&["describe", "acme"]).out;
    assert!(
        described.contains("\noperation  1-1, try ") && described.contains(", tries again "),
        "{described}"
    );
    std::fs::write(&ready, "").expect("written");
    assert_eq!(bench.json(&["retry", "acme"])["settled"]["as"], "done");
}

#[test]
fn a_destroy_that_does_not_end_is_abandoned() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    let deaf = "trap '' TERM; while :; do sleep 1; done";
    spec["containers"][0]["command"] = json!(["sh", "-c", deaf]);
    spec["containers"][0]["health_check"] = Value::Null;
    spec["provider_config"]["stop_grace_seconds"] = json!(600);
    std::fs::write(bench.path("acme.json"), spec.to_string()).expect("written");
    let provisioned = bench.json(&["provision", "-f", "acme.json"]);
    let destroy = bench.command(&["destroy", "acme"]).spawn().expect("it runs");
    bench.until("the destroy", || bench.state("acme").as_deref() == Some("destroying"));
    send(&destroy, Signal::INT);
    assert_eq!(destroy.wait_with_output().expect("it ends").status.code(), Some(130));
    let abandoned = bench.json(&["abandon", "acme", "--reason", "it never ends"]);
    assert_eq!(abandoned["settled"]["as"], "abandoned");
    assert!(abandoned["settled"]["left"].to_string().contains("pid"), "what is left is named: {abandoned}");
    let again = bench.run(&["destroy", "acme"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.out.contains("was left:\n    ") && again.out.contains("pid"), "{}", again.out);
    kill_process(pid(&provisioned), Signal::KILL).expect("killed");
}

#[test]
fn a_plan_says_what_would_change_also_where_only_the_platform_did() {
    let bench = Bench::new();
    let file =
        |name: &str, greeting: &str| bench.file(name, &Version::good(greeting).spec("acme").to_string());
    let (one, two) = (file("one.json", "one"), file("two.json", "two"));
    let provisioned = bench.json(&["provision", "-f", &one]);
    let other = bench.spec("other", &Version::good("hello"));
    let made = bench.run(&["plan", "-f", &other]);
    assert_eq!((made.code, made.out.as_str()), (9, "other: it is not there; a provision would make it\n"));
    let same = bench.run(&["plan", "-f", &one]);
    assert_eq!((same.code, same.err.as_str()), (0, ""), "{}", same.out);
    let other = bench.run(&["plan", "-f", &two]);
    assert_eq!((other.code, other.err.as_str()), (9, ""), "{}", other.out);
    assert_eq!(bench.json(&["restart", "acme"])["settled"]["as"], "done");
    assert_eq!(bench.run(&["plan", "-f", &one]).code, 0, "another rollout of it is no change");
    let now = bench.json(&["describe", "acme"]);
    assert_ne!(pid(&now), pid(&provisioned));
    kill_process(pid(&now), Signal::KILL).expect("killed");
    let plan = bench.json_ending(9, &["plan", "-f", &one]);
    assert_eq!(plan["changes"], json!([]));
    assert_eq!(plan["corrections"].as_array().map(Vec::len), Some(1), "{plan}");
    assert_eq!(bench.json(&["update", "-f", &one])["settled"]["as"], "done");
    assert_eq!(bench.run(&["plan", "-f", &one]).code, 0);
    assert_eq!(bench.run(&["destroy", "acme"]).code, 0);
}

/// The process of a tenant with one.
fn pid(provisioned: &Value) -> Pid {
    let pid = provisioned["tenant"]["resources"].as_object().and_then(|resources| {
        let text = resources.values().next()?.as_str()?;
        text.rsplit(' ').next()?.parse().ok().and_then(Pid::from_raw)
    });
    pid.expect("a process")
}

#[test]
fn a_running_engine_repairs_and_does_what_others_ask() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let run = bench.command(&["run"]).spawn().expect("it runs");
    let followed = std::fs::File::create(bench.path("followed")).expect("a file");
    let mut follow = bench.command(&["events", "--follow", "-o", "json"]);
    let mut follow = follow.stdout(followed).spawn().expect("it runs");
    let owner = format!("process {} ", run.id());
    let lock = || std::fs::read_to_string(bench.path("landlord.db.lock")).expect("there");
    bench.until("the engine", || lock().starts_with(&owner));
    let refused = bench.run(&["run", "--wait", "0s"]);
    assert_eq!(refused.code, 5, "one engine has the store");
    let who = format!("is in use by {owner}(landlord-compute serve) on host ");
    assert!(refused.err.contains(&who), "{}", refused.err);
    bench.until("its socket", || bench.path("landlord.db.sock").exists());
    assert_eq!(bench.json(&["restart", "acme"])["settled"]["as"], "done", "commands go through it");
    let provisioned = bench.json(&["restart", "acme"]);
    let operation = provisioned["operation"].as_str().expect("an id");
    assert_eq!(bench.json(&["wait", operation])["settled"]["as"], "done");
    assert_eq!(bench.json(&["status", "acme"])["health"], "healthy", "looking is possible beside it");

    kill_process(pid(&provisioned), Signal::KILL).expect("killed");
    let repaired = || {
        let events = bench.run(&["events", "acme", "-o", "json"]).out;
        events.split_once("\"repair\"").is_some_and(|(_, later)| later.contains("\"succeeded\""))
    };
    bench.until("the repair", repaired);
    send(&run, Signal::TERM);
    let ran: Ran = run.wait_with_output().expect("it ends").into();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("repair to spec v1 began"), "{}", ran.out);
    let followed = || std::fs::read_to_string(bench.path("followed")).expect("there");
    bench.until("the follower's sight of the repair", || followed().contains("\"repair\""));
    send(&follow, Signal::INT);
    assert!(follow.wait().expect("it ends").success());
}

#[test]
fn two_commands_at_once_wait_for_each_other_for_a_moment() {
    let bench = Bench::new();
    let first = provisioning(&bench);
    let other = bench.spec("other", &Version::good("hello"));
    let second = bench.run(&["provision", "-f", &other, "--wait", "30s"]);
    assert_eq!(second.code, 0, "{}", second.err);
    let waits = format!("waits for the store, which process {} (landlord-compute provision) ", first.id());
    assert!(second.err.starts_with(&waits), "{}", second.err);
    assert!(first.wait_with_output().expect("it ends").status.success());
    assert_eq!(bench.state("acme").as_deref(), Some("running"));
}
