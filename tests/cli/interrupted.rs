//! Two programs on one store, Ctrl-C, and SIGKILL.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

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
fn a_running_engine_repairs_and_has_the_store_for_itself() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    let provisioned = bench.json(&["provision", "-f", &spec]);
    let run = bench.command(&["run"]).spawn().expect("it runs");
    let follow = bench.command(&["events", "--follow", "-o", "json"]).spawn().expect("it runs");
    let owner = format!("process {} ", run.id());
    let lock = || std::fs::read_to_string(bench.path("landlord.db.lock")).expect("there");
    bench.until("the engine", || lock().starts_with(&owner));
    let refused = bench.run(&["destroy", "acme"]);
    assert_eq!(refused.code, 5);
    assert!(refused.err.contains(&format!("is in use by {owner}")), "{}", refused.err);
    let operation = provisioned["operation"].as_str().expect("an id");
    assert_eq!(bench.json(&["wait", operation])["settled"]["as"], "done");
    assert_eq!(bench.json(&["status", "acme"])["health"], "healthy", "looking is possible beside it");

    let pid = provisioned["tenant"]["resources"].as_object().and_then(|resources| {
        let text = resources.values().next()?.as_str()?;
        text.rsplit(' ').next()?.parse().ok().and_then(Pid::from_raw)
    });
    kill_process(pid.expect("a process"), Signal::KILL).expect("killed");
    let repaired = || {
        let events = bench.run(&["events", "acme", "-o", "json"]).out;
        events.split_once("\"repair\"").is_some_and(|(_, later)| later.contains("\"succeeded\""))
    };
    bench.until("the repair", repaired);
    send(&run, Signal::TERM);
    let ran: Ran = run.wait_with_output().expect("it ends").into();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("repair to spec v1 began"), "{}", ran.out);
    send(&follow, Signal::INT);
    let followed: Ran = follow.wait_with_output().expect("it ends").into();
    assert_eq!(followed.code, 0, "{}", followed.err);
    assert!(followed.out.contains("\"repair\""), "{}", followed.out);
}
