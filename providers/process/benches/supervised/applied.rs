//! The same tenants from the command line: `serve` in one process, and `apply` of a directory of specs in another.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Asked, ours};

/// How long `apply` takes until all are healthy.
pub(crate) fn measure(asked: &Asked, program: &Path) -> Duration {
    let dir = tempfile::tempdir().expect("a directory");
    let [specs, store, socket] = ["specs", "store.db", "store.db.sock"].map(|name| dir.path().join(name));
    std::fs::create_dir(&specs).expect("a new one");
    for n in 0..asked.tenants {
        let name = format!("tenant-{n}");
        std::fs::write(specs.join(format!("{name}.json")), ours::spec(&name).to_string()).expect("written");
    }
    let command = |words: &[&str]| {
        let mut command = Command::new(program);
        command.arg("--store").arg(&store).args(words).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut serving = command(&["serve"]).spawn().expect("it starts");
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let begun = Instant::now();
    let applied = command(&["apply", "--file"]).arg(&specs).status().expect("it starts");
    let took = begun.elapsed();
    assert!(applied.success(), "apply: {applied}");
    let kept = specs.join("tenant-0.json");
    let pruned = command(&["apply", "--prune", "--all-tenants", "--yes", "--file"]).arg(&kept).status();
    assert!(pruned.expect("it starts").success(), "all others are destroyed");
    assert!(command(&["destroy", "tenant-0"]).status().expect("it starts").success(), "and this one");
    end(&mut serving);
    took
}

fn end(child: &mut Child) {
    kill_process(Pid::from_child(child), Signal::TERM).expect("it lives");
    child.wait().expect("it ends");
}
