//! What waits says what for and since when, to whoever looks.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::{Bench, Version};

#[test]
fn who_waits_for_a_tenant_and_who_looks_at_it_see_what_it_waits_for() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version { slow: 60_000, ..Version::good("late") });
    let said = fs::File::create(bench.path("said")).expect("a file");
    let mut provision = bench.command(&["provision", "-f", &spec]).stderr(said).spawn().expect("it runs");

    bench.until("a wait", || bench.run(&["list"]).out.contains("on its way, waits"));
    let described = bench.run(&["describe", "acme"]).out;
    assert!(
        described.contains("waits      until a process becomes ready: web: nothing listens on port "),
        "{described}"
    );
    assert!(described.contains("           since "), "{described}");
    let document = bench.json(&["describe", "acme"]);
    let waits = &document["tenant"]["operation"]["waits"];
    let what = waits["what"].as_str().unwrap_or_default();
    assert!(what.starts_with("a process becomes ready: web: nothing listens on port "), "{document}");
    assert!(waits["since"].is_string(), "{document}");

    let line = " s so far) until a process becomes ready: web: nothing listens on port ";
    let lines = || fs::read_to_string(bench.path("said")).expect("a text").matches(line).count();
    bench.until("the second line", || lines() >= 2);
    kill_process(Pid::from_child(&provision), Signal::INT).expect("sent");
    provision.wait().expect("it ends");
    let said = fs::read_to_string(bench.path("said")).expect("a text");
    let mut waits: Vec<&str> = said.lines().filter(|line| line.contains("waits (")).collect();
    let all = waits.len();
    waits.dedup();
    assert!(all == waits.len() && all < 8, "less and less often, and nothing twice: {said}");
}
