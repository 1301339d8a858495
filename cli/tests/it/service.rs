//! `run` as a service: without a terminal, as process 1, and with files that are its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Bench, Ran, Version};

const PROGRAM: &str = env!("CARGO_BIN_EXE_landlord-compute");

/// The process of the engine that has the store, as soon as it looks after the tenants.
fn engine(bench: &Bench) -> Pid {
    bench.until("the first look", || bench.json(&["list"])["engine"]["state"] == "looks_after");
    let lock = fs::read_to_string(bench.path("landlord.db.lock")).expect("there");
    let process = lock.split(' ').nth(1).and_then(|pid| pid.parse().ok());
    process.and_then(Pid::from_raw).expect("a process")
}

/// Ends the first process of the tenant, and waits until that is repaired for the nth time.
fn crash(bench: &Bench, nth: u32) {
    let described = bench.json(&["describe", "acme"]);
    let resources = described["tenant"]["resources"].as_object().expect("resources");
    let pid = resources.values().find_map(|text| text.as_str()?.strip_prefix("pid ")?.parse().ok());
    kill_process(pid.and_then(Pid::from_raw).expect("a process"), Signal::KILL).expect("killed");
    bench.until("the repair", || {
        let status = bench.run(&["status", "acme", "-o", "json"]).out;
        let status: Value = serde_json::from_str(&status).unwrap_or_default();
        status["containers"][0]["restart_count"] == nth && status["tenant"]["state"] == "running"
    });
}

#[test]
fn a_hangup_does_not_end_it() {
    let bench = Bench::new();
    let mut run = bench.command(&["run"]).spawn().expect("it runs");
    let mut notes = BufReader::new(run.stderr.take().expect("its notes")).lines().map_while(Result::ok);
    assert!(notes.any(|note| note.starts_with("running on ")), "it did not start");
    kill_process(Pid::from_child(&run), Signal::HUP).expect("sent");
    assert!(notes.any(|note| note.contains("no configuration file to read again")), "it ended");
    kill_process(Pid::from_child(&run), Signal::TERM).expect("sent");
    assert_eq!(run.wait().expect("it ends").code(), Some(0));
}

#[test]
fn it_goes_on_when_its_terminal_is_closed() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let inside = format!("exec {PROGRAM} run");
    let mut terminal = bench.other("script", &["--quiet", "--command", &inside, "/dev/null"]);
    let mut terminal = terminal.stdout(Stdio::null()).spawn().expect("there is a terminal");
    let engine = engine(&bench);
    terminal.kill().expect("closed");
    terminal.wait().expect("it ends");
    // Nobody reads what it says of the first one.
    crash(&bench, 1);
    crash(&bench, 2);
    kill_process(engine, Signal::TERM).expect("sent");
    bench.until("its end", || bench.json(&["list"])["engine"]["state"] == "none");
}

#[test]
fn its_files_are_only_its_own() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    let inside = format!("umask 000; exec {PROGRAM} provision -f {spec}");
    let ran: Ran = bench.other("sh", &["-c", &inside]).output().expect("it runs").into();
    assert_eq!(ran.code, 0, "{}", ran.err);
    fs::remove_file(bench.path(&spec)).expect("the test's own");
    let mut seen = 0;
    assert_own(bench.folder.path(), &mut seen);
    assert!(seen > 5, "there are a store, a lock, logs and records: {seen}");
}

/// Everything in a directory is for its owner alone.
fn assert_own(directory: &Path, seen: &mut u32) {
    for entry in fs::read_dir(directory).expect("there").map(|entry| entry.expect("there")) {
        let found = entry.metadata().expect("there");
        let mode = found.permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", entry.path().display());
        *seen += 1;
        if found.is_dir() {
            assert_own(&entry.path(), seen);
        }
    }
}

/// How many processes the tenant leaves behind.
const ORPHANS: usize = 20;

/// A process of the machine, as `/proc` has it.
struct Process {
    pid: Pid,
    name: String,
    state: char,
    parent: i32,
}

/// All processes.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("there");
    let stats = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    let read = |stat: String| {
        let (head, tail) = stat.rsplit_once(") ")?;
        let (pid, name) = head.split_once(" (")?;
        let mut tail = tail.split(' ');
        Some(Process {
            pid: Pid::from_raw(pid.parse().ok()?)?,
            name: name.to_owned(),
            state: tail.next()?.chars().next()?,
            parent: tail.next()?.parse().ok()?,
        })
    };
    stats.filter_map(read).collect()
}

fn children(of: Pid) -> Vec<Process> {
    processes().into_iter().filter(|process| process.parent == of.as_raw_nonzero().get()).collect()
}

/// Its arguments, of which the first is its name.
fn arguments(pid: Pid) -> Vec<String> {
    let line = fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    line.split('\0').map(str::to_owned).collect()
}

#[test]
fn as_process_1_it_leaves_no_zombie_and_ends_when_it_is_told() {
    if !rustix::process::geteuid().is_root() {
        eprintln!(
            "NOT TESTED: `run` as process 1: only root makes namespaces everywhere; run the tests as root"
        );
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the CI runs as root");
        return;
    }
    let bench = Bench::new();
    let mut spec = Version::good("hello").spec("acme");
    let leaves = format!("for i in $(seq {ORPHANS}); do (sleep 1000 &); done");
    spec["containers"][0]["command"] =
        json!(["sh", "-c", format!("{leaves}; exec {PROGRAM} demo-tenant --greeting hello")]);
    fs::write(bench.path("acme.json"), spec.to_string()).expect("written");
    let inside = format!("{PROGRAM} provision -f acme.json; exec {PROGRAM} run");
    let unshare = ["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-ec", &inside];
    let container = bench.other("unshare", &unshare).spawn().expect("it runs");
    let inside = || children(Pid::from_child(&container)).first().map(|first| first.pid);
    bench.until("process 1", || inside().is_some());
    let first = inside().expect("process 1");
    bench.until("the first look", || {
        let listed = bench.run(&["list", "-o", "json"]).out;
        let listed: Value = serde_json::from_str(&listed).unwrap_or_default();
        listed["engine"]["state"] == "looks_after"
    });

    let keeper =
        children(first).into_iter().find(|child| arguments(child.pid).contains(&"keeper".to_owned()));
    kill_process(keeper.expect("a keeper").pid, Signal::KILL).expect("killed");
    let orphans = || children(first).into_iter().filter(|child| child.name == "sleep");
    bench.until("the orphans", || orphans().count() == ORPHANS);
    for orphan in orphans() {
        kill_process(orphan.pid, Signal::KILL).expect("killed");
    }
    bench.until("their end", || orphans().count() == 0);
    bench.until("the end of all zombies", || children(first).iter().all(|child| child.state != 'Z'));
    assert_eq!(bench.json(&["list"])["engine"]["state"], "looks_after");

    kill_process(first, Signal::TERM).expect("sent");
    let ran: Ran = container.wait_with_output().expect("it ends").into();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("ending; a second Ctrl-C ends at once"), "{}", ran.err);
}
