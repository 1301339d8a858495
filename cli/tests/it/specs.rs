//! The specs among the examples are ones that their providers take.

use super::Bench;

/// What the examples on ECS leave to the operator.
const ECS: &str = "
region: eu-west-1
cluster: main
subnets: [subnet-0a1b2c3d]
execution_role_arn: arn:aws:iam::123456789012:role/execution
";

#[cfg(feature = "ecs")]
#[test]
fn every_example_is_valid_for_its_provider() {
    let bench = Bench::new();
    let ecs = bench.file("ecs.yaml", ECS);
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/specs");
    let mut tried = 0;
    for entry in std::fs::read_dir(directory).expect("the examples") {
        let file = entry.expect("an entry").path().display().to_string();
        let said = bench.run(&["validate", "-f", &file, "--ecs-config", &ecs]);
        assert_eq!(said.code, 0, "{file}: {}{}", said.out, said.err);
        tried += 1;
    }
    assert_eq!(tried, 6);
}
