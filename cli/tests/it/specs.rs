//! A spec among the examples, as a person would use it.

use super::Bench;

#[test]
fn the_example_for_processes_is_valid_on_a_machine() {
    let bench = Bench::new();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/specs/process-compose.yaml");
    let said = bench.run(&["validate", "-f", file]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let unknown = bench
        .file("unknown.yaml", &std::fs::read_to_string(file).expect("there").replace("$(ABC)", "$(NOSUCH)"));
    let said = bench.run(&["validate", "-f", &unknown]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(
        said.err.contains("containers[1].env.PRINTED: $(NOSUCH): the container has no such variable"),
        "{}",
        said.err
    );
}
