//! Records what a build leaves of a fleet of processes.

use std::collections::BTreeMap;
use std::path::Path;

use landlord_testing::recorded::{Build, RECORDED};

use super::launch::{Cleanup, Launch, kill, living};

/// Not a test: makes a fleet with the build of `TAKEOVER_BUILD`, and writes down what it leaves when it is killed.
#[test]
fn records_when_asked() {
    let Some(mut build) = Build::asked_for() else { return };
    let server = build.directory().join("server");
    std::os::unix::fs::symlink(build.program().canonicalize().expect("a program"), &server).expect("linked");
    let server = server.display().to_string();
    build.set("TAKEOVER_SERVER", &server);
    build.set("TAKEOVER_SLOW", "0");
    build.always("--store=landlord.db");
    let specs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/takeover/specs");
    let file = |name: &str| format!("{specs}/{name}.yaml");
    let make =
        |build: &Build, verb: &str, name: &str, good: bool| build.run(&[verb, "-f", &file(name)], good);

    for name in ["web", "pair", "updated-1", "moving-1", "queued-1", "repaired", "undone-1"] {
        make(&build, "provision", name, true);
    }
    let engine = build.store().column("SELECT engine FROM meta").remove(0);
    let _cleanup = Cleanup(engine.clone());
    make(&build, "update", "updated-2", true);
    // These are looked at; those that follow are not.
    build.killed(&["run"], "all are healthy", || {
        build.store().number("SELECT count(*) FROM tenants WHERE health = 'healthy'") == 7
    });
    make(&build, "update", "undone-2", false);
    make(&build, "provision", "failed", false);
    make(&build, "provision", "gone", true);
    build.run(&["destroy", "gone"], true);
    make(&build, "provision", "leaving", true);
    make(&build, "provision", "paused", true);
    build.run(&["pause", "paused"], true);

    // From here on what is started does not get ready, so that operations are on their way when their engine is killed. An
    // engine that finds one takes it up, and each time counts as a try, of which there are five.
    build.set("TAKEOVER_SLOW", "100000000");
    let lives = |launch: &str| {
        format!("call IS NOT NULL AND ledger_json ->> '$.facts.launches.{launch}.run.live' > ''")
    };
    build.killed(&["update", "-f", &file("queued-2")], "the update is on its way", || {
        build.is("queued", &lives("1-2"))
    });
    build.killed(&["update", "-f", &file("queued-3")], "the next update waits for it", || {
        build.is("queued", "next_operation IS NOT NULL")
    });
    build.killed(&["pause", "queued"], "it waits for more", || build.is("queued", "paused_at IS NOT NULL"));
    let (pid, _) = living(&engine).0["repaired/web.1-1"];
    kill(pid.to_string());
    build.killed(&["run"], "the repair is on its way", || build.is("repaired", &lives("1-2")));
    build.killed(&["provision", "-f", &file("flight")], "the provision is on its way", || {
        build.is("flight", &lives("1-1"))
    });
    build.killed(&["update", "-f", &file("moving-2")], "the update is on its way", || {
        build.is("moving", &lives("1-2"))
    });
    build.killed(&["destroy", "leaving"], "the destroy is on its way, and all others are", || {
        build.is("leaving", "ledger_json ->> '$.facts.launches.1-1.run.stopping.sent' > ''")
            && build.store().number("SELECT count(*) FROM tenants WHERE call IS NOT NULL") == 4
    });
    write(&build, &engine, &server);
}

/// Writes the recording, with names in place of what differs from one run to another.
fn write(build: &Build, engine: &str, server: &str) {
    let state = build.directory().join("landlord.db.d");
    let (leaders, _) = living(engine);
    let mut launches: Vec<Launch> =
        leaders.iter().map(|(name, (pid, _))| launch(name, *pid, &state)).collect();
    let mut store = build.store().dump();

    let mut ports = BTreeMap::new();
    for launch in &launches {
        for (name, port) in launch.environ.iter().filter_map(|line| line.split_once('=')) {
            if let Some(container_port) = name.strip_prefix("PORT_") {
                ports.insert(port.to_owned(), format!("@PORT {} {container_port}@", launch.name()));
            }
        }
    }
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
    let known = |text: &str| {
        let mut text =
            text.replace(server, "@SERVER@").replace(engine, "@ENGINE@").replace(boot.trim(), "@BOOT@");
        for (port, name) in &ports {
            for (before, after) in [(":", ","), (":", "\""), (":", "}"), ("=", "")] {
                text = text.replace(&format!("{before}{port}{after}"), &format!("{before}{name}{after}"));
            }
        }
        text
    };
    for (name, (pid, started)) in &leaders {
        let process = format!("{{\"pid\":{pid},\"start_time\":{started}}}");
        store = store.replace(&process, &format!("{{\"pid\":@PID {name}@,\"start_time\":@STARTED {name}@}}"));
        for after in ["\"", ","] {
            store = store.replace(&format!("pid {pid}{after}"), &format!("pid @PID {name}@{after}"));
        }
    }
    for launch in &mut launches {
        for lines in [&mut launch.record, &mut launch.environ, &mut launch.command] {
            lines.iter_mut().for_each(|line| *line = known(line));
        }
    }
    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/takeover/recorded");
    let json = serde_json::to_string_pretty(&launches).expect("JSON");
    std::fs::write(to.join("launches.json"), format!("{json}\n")).expect("written");
    std::fs::write(
        to.join("store.sql"),
        format!("-- What {RECORDED} left of a fleet of processes.\n{}", known(&store)),
    )
    .expect("written");
}

/// A launch as its process and its record show it.
fn launch(name: &str, pid: u32, state: &Path) -> Launch {
    let (tenant, rest) = name.split_once('/').expect("a name");
    let (container, launch) = rest.rsplit_once('.').expect("a name");
    let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).expect("it lives");
    let words = |file: &str| -> Vec<String> {
        let text = String::from_utf8(read(file)).expect("text");
        text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
    };
    let limits = String::from_utf8(read("limits")).expect("text");
    let limit = |name: &str, unit: u64| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("a limit");
        let soft = line.split_ascii_whitespace().next().expect("a value");
        soft.parse::<u64>().map(|bytes| (bytes / unit).to_string()).unwrap_or_default()
    };
    let mut recorded = Launch {
        tenant: tenant.to_owned(),
        container: container.to_owned(),
        launch: launch.to_owned(),
        record: Vec::new(),
        environ: words("environ"),
        command: words("cmdline"),
        directory: std::fs::read_link(format!("/proc/{pid}/cwd")).expect("it lives"),
        limits: [limit("Max data size", 1024), limit("Max file size", 512)],
    };
    let record = std::fs::read_to_string(recorded.file(state, "record")).expect("a record");
    recorded.record =
        record.lines().filter(|line| !line.starts_with("LANDLORD_STAT=")).map(str::to_owned).collect();
    recorded.environ.retain(|line| !line.starts_with("LANDLORD_PID="));
    recorded
}
