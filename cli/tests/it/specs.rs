//! A spec among the examples, as a person would use it.

use serde_json::json;

use super::Bench;
use super::lifecycle::get;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/specs/process-compose.yaml");

#[test]
fn the_example_for_processes_is_valid_on_a_machine() {
    let bench = Bench::new();
    let said = bench.run(&["validate", "-f", EXAMPLE]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let unknown = bench.file(
        "unknown.yaml",
        &std::fs::read_to_string(EXAMPLE).expect("there").replace("$(ABC)", "$(NOSUCH)"),
    );
    let said = bench.run(&["validate", "-f", &unknown]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(
        said.err.contains("containers[1].env.PRINTED: $(NOSUCH): the container has no such variable"),
        "{}",
        said.err
    );
}

#[test]
#[ignore = "needs python3, which the example's server is: ./test.sh backends"]
fn the_example_for_processes_lives_from_provision_to_destroy() {
    let bench = Bench::new();
    let provisioned = bench.json(&["provision", "-f", EXAMPLE]);
    assert_eq!(provisioned["settled"], json!({ "as": "done" }));
    let port = provisioned["tenant"]["endpoints"][0]["port"].as_u64().expect("a port");
    let listing = get(port, "/");
    let share = "href=\"share/\"";
    assert!(listing.contains("Directory listing for /") && !listing.contains(share), "{listing}");
    let listed = bench.run(&["logs", "pc", "--container", "process0"]);
    assert!(listed.out.contains("total "), "what ran to its end before the others: {listed:?}");
    let status = bench.json(&["status", "pc"]);
    let states = |field: &str| -> Vec<serde_json::Value> {
        status["containers"].as_array().into_iter().flatten().map(|one| one[field].clone()).collect()
    };
    assert_eq!(states("name"), ["process0", "process4", "server"]);
    assert_eq!(states("state"), ["stopped", "running", "running"]);

    let text = std::fs::read_to_string(EXAMPLE).expect("there");
    let moved = bench.file("moved.yaml", &text.replace("working_dir: /usr/share", "working_dir: /usr"));
    assert_eq!(bench.json(&["update", "-f", &moved])["settled"], json!({ "as": "done" }));
    let listing = get(port, "/");
    assert!(listing.contains(share), "the address stays, and another directory is served: {listing}");

    assert_eq!(bench.json(&["destroy", "pc"])["settled"], json!({ "as": "done" }));
    let swept = bench.run(&["sweep"]);
    assert_eq!(swept.code, 0, "nothing of it is left: {}{}", swept.out, swept.err);
    assert!(std::net::TcpStream::connect(("127.0.0.1", u16::try_from(port).expect("a port"))).is_err());
}
