//! The demo does all that it says.

use serde_json::Value;

use super::Bench;

#[test]
fn the_demo_does_all_that_it_says() {
    let bench = Bench::new();
    let document: Value = bench.json(&["demo"]);
    assert_eq!(document["ok"], true, "{document}");
    let scenes = document["scenes"].as_array().expect("a list");
    assert_eq!(scenes.len(), 8);
    assert!(scenes.iter().all(|scene| scene["ok"] == true), "{document}");
    assert!(document["seconds"].as_f64().is_some_and(|seconds| seconds < 60.0), "{document}");
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing() {
    let bench = Bench::new();
    let tmp = bench.path("tmp");
    std::fs::create_dir(&tmp).expect("made");
    let child = bench.command(&["demo"]).env("TMPDIR", &tmp).spawn().expect("it runs");
    let folders = || std::fs::read_dir(&tmp).expect("there").count();
    bench.until("the demo", || folders() == 1 && tenants_below(&tmp) > 0);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .expect("sent");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(folders(), 0, "its folder is removed");
    bench.until("the end of its tenants", || tenants_below(&tmp) == 0);
}

/// How many processes write their output below a folder.
fn tenants_below(folder: &std::path::Path) -> usize {
    let processes = std::fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    processes
        .filter(|process| {
            let output = std::fs::read_link(process.path().join("fd/1"));
            output.is_ok_and(|output| output.starts_with(folder))
        })
        .count()
}
