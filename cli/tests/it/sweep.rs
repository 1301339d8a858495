//! `sweep` on real processes: what an older copy of the store, and an abandoned destroy, left.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Bench, Ran, Version};

/// A store as it is now, to be put back later.
fn copy(bench: &Bench) {
    fs::copy(bench.path("landlord.db"), bench.path("older.db")).expect("copied");
}

/// The store as it was: who was provisioned since is not in it, and runs.
fn restore(bench: &Bench) {
    for beside in ["landlord.db-wal", "landlord.db-shm"] {
        let _ = fs::remove_file(bench.path(beside));
    }
    fs::copy(bench.path("older.db"), bench.path("landlord.db")).expect("restored");
}

/// The process that something holds, as `web 1-1: pid 4711` names it.
fn pid(resources: &Value) -> Pid {
    let found = resources.as_object().and_then(|resources| {
        let text = resources.values().next()?.as_str()?;
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        digits.parse().ok().and_then(Pid::from_raw)
    });
    found.unwrap_or_else(|| panic!("no process in {resources}"))
}

/// Whether a process runs; one that has ended may still be listed, until somebody asks how it ended.
fn lives(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// A sweep that finds something: its document, whatever it ends with.
fn swept(bench: &Bench, args: &[&str]) -> (i32, Value) {
    let Ran { code, out, err } = bench.run(&[&["sweep", "-o", "json"], args].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}")))
}

#[test]
fn what_a_restored_store_does_not_know_is_found_and_removed() {
    let bench = Bench::new();
    let keeps = bench.spec("keeps", &Version::good("hello"));
    bench.json(&["provision", "-f", &keeps]);
    let clean = bench.json(&["sweep"]);
    assert_eq!((&clean["listed"], &clean["orphans"], &clean["missing"]), (&json!(1), &json!([]), &json!([])));
    copy(&bench);
    let lost = bench.spec("lost", &Version::good("hello"));
    let provisioned = bench.json(&["provision", "-f", &lost]);
    let process = pid(&provisioned["tenant"]["resources"]);
    restore(&bench);
    assert_eq!(bench.run(&["describe", "lost"]).code, 4, "the store knows nothing of it");

    let (code, found) = swept(&bench, &[]);
    assert_eq!((code, &found["orphans"][0]["tenant_id"]), (8, &json!("lost")));
    assert_eq!(found["orphans"][0]["why"], json!({ "kind": "no_tenant" }));
    assert_eq!(found["orphans"][0]["fate"], json!({ "as": "left" }));
    assert!(lives(process), "looking removes nothing");
    let for_people = bench.run(&["sweep", "--provider", "process"]);
    assert_eq!(for_people.code, 8);
    assert!(for_people.out.contains("1 orphans, 0 missing"), "{}", for_people.out);
    let next = "next: `landlord-compute sweep --provider process --delete` removes the orphans";
    assert!(for_people.err.contains(next), "{}", for_people.err);

    let elsewhere = bench.path("landlord.db").display().to_string();
    let for_people = bench.run(&["sweep", "--store", &elsewhere]);
    let next = format!("`landlord-compute --store {elsewhere} sweep --delete`");
    assert!(for_people.err.contains(&next), "a command that is told works: {}", for_people.err);

    let (code, removed) = swept(&bench, &["--delete"]);
    assert_eq!((code, &removed["orphans"][0]["fate"]), (0, &json!({ "as": "removed" })));
    assert!(!lives(process));
    assert_eq!(bench.json(&["status", "keeps"])["health"], "healthy", "and nobody else was touched");
    assert_eq!(bench.json(&["sweep"])["orphans"], json!([]));
}

#[test]
fn what_runs_no_more_is_missing() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    // A store that says that a tenant runs, which was destroyed since.
    bench.json(&["provision", "-f", &spec]);
    copy(&bench);
    bench.json(&["destroy", "acme"]);
    restore(&bench);
    let (code, found) = swept(&bench, &["--delete"]);
    assert_eq!((code, &found["missing"][0]["tenant_id"]), (8, &json!("acme")));
    let for_people = bench.run(&["sweep"]);
    assert!(for_people.err.contains("`landlord-compute run` repairs what is missing"), "{}", for_people.err);
    assert_eq!(bench.state("acme").as_deref(), Some("running"), "a sweep repairs nothing");
}

/// I2: a sweep that is killed in the middle of a removal loses nothing; the removal goes on.
#[test]
fn i2_a_killed_sweep_goes_on() {
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    let deaf = "trap '' TERM; while :; do sleep 1; done";
    spec["containers"][0]["command"] = json!(["sh", "-c", deaf]);
    spec["containers"][0]["health_check"] = Value::Null;
    spec["provider_config"]["stop_grace_seconds"] = json!(5);
    fs::write(bench.path("acme.json"), spec.to_string()).expect("written");
    let keeps = bench.spec("keeps", &Version::good("hello"));
    bench.json(&["provision", "-f", &keeps]);
    copy(&bench);
    let provisioned = bench.json(&["provision", "-f", "acme.json"]);
    let process = pid(&provisioned["tenant"]["resources"]);
    restore(&bench);

    let sweep = bench.command(&["sweep", "--delete"]).spawn().expect("it runs");
    bench.until("the removal", || bench.state("acme").as_deref() == Some("destroying"));
    kill_process(Pid::from_child(&sweep), Signal::KILL).expect("killed");
    sweep.wait_with_output().expect("it ends");
    let described = bench.json(&["describe", "acme"]);
    let operation = described["tenant"]["operation"]["id"].as_str().expect("on its way").to_owned();
    assert_eq!(bench.json(&["wait", &operation])["settled"]["as"], "done");
    assert!(!lives(process));
    assert_eq!(bench.json(&["sweep"])["orphans"], json!([]));
    assert_eq!(bench.json(&["status", "keeps"])["health"], "healthy");
}

#[test]
fn what_another_engine_owns_is_not_touched() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    let provisioned = bench.json(&["provision", "-f", &spec]);
    let process = pid(&provisioned["tenant"]["resources"]);
    let ours = bench.spec("ours", &Version::good("hello"));
    // Another store on the same machine, with the same directory of processes.
    std::os::unix::fs::symlink(bench.path("landlord.db.d"), bench.path("other.db.d")).expect("linked");
    bench.json(&["provision", "-f", &ours, "--store", "other.db"]);
    let swept = bench.json(&["sweep", "--delete", "--store", "other.db"]);
    assert_eq!((&swept["listed"], &swept["orphans"]), (&json!(1), &json!([])));
    assert!(lives(process), "it is not ours");
    bench.json(&["destroy", "ours", "--store", "other.db"]);
}

#[test]
fn a_sweep_that_cannot_be_made_says_why() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["sweep"]).code, 5, "there is no store");
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    for args in [&["sweep", "--provider", "ecs"][..], &["sweep", "--provider", "ecs", "--delete"]] {
        let unknown = bench.run(args);
        assert_eq!(unknown.code, 2, "{}", unknown.err);
        assert!(
            unknown.err.contains("no provider is named \"ecs\"; registered are: process"),
            "{}",
            unknown.err
        );
    }
}

#[test]
fn a_sweep_goes_through_a_running_engine() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let run = bench.command(&["run"]).spawn().expect("it runs");
    let owner = format!("process {} ", run.id());
    let lock = || fs::read_to_string(bench.path("landlord.db.lock")).expect("there");
    bench.until("the engine", || lock().starts_with(&owner));
    assert_eq!(bench.json(&["sweep"])["listed"], 1);
    bench.until("its socket", || bench.path("landlord.db.sock").exists());
    assert_eq!(bench.json(&["sweep", "--delete"])["listed"], 1, "it removes, too");
    kill_process(Pid::from_child(&run), Signal::TERM).expect("asked to end");
    assert!(run.wait_with_output().expect("it ends").status.success());
}

/// A platform that does not answer hides nothing of the others.
#[cfg(feature = "ecs")]
#[test]
fn every_provider_that_can_list_is_asked() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    copy(&bench);
    let lost = bench.spec("lost", &Version::good("hello"));
    let process = pid(&bench.json(&["provision", "-f", &lost])["tenant"]["resources"]);
    restore(&bench);
    // Nobody listens there.
    let config = "region: eu-west-1\ncluster: main\nsubnets: [subnet-1]\nendpoint_url: http://127.0.0.1:9\n";
    let config = bench.file("ecs.yaml", config);
    let sweep = |args: &[&str]| -> Ran {
        let mut command = bench.command(&[&["sweep", "--ecs-config", &config], args].concat());
        command.env("AWS_ACCESS_KEY_ID", "none").env("AWS_SECRET_ACCESS_KEY", "none");
        command.output().expect("it runs").into()
    };
    let found = sweep(&[]);
    assert_eq!(found.code, 8, "{}{}", found.out, found.err);
    assert!(found.out.contains("process: holds something of 2 tenants' lives; 1 orphans"), "{}", found.out);
    assert!(found.out.contains("provider ecs did not say what it holds"), "{}", found.out);
    let removed = sweep(&["--delete", "-o", "json"]);
    assert_eq!(removed.code, 7, "the other one did not answer: {}", removed.err);
    let document: Value = serde_json::from_str(&removed.out).expect("one document");
    assert_eq!(document["providers"][0]["orphans"][0]["fate"], json!({ "as": "removed" }));
    assert_eq!(document["unanswered"][0]["provider"], "ecs");
    assert!(!lives(process));
}
