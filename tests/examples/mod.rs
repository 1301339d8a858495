//! The examples do what they say.

use std::path::PathBuf;
use std::process::Command;

/// Its tests run here: `cargo test` builds an example, or tests it, but not both.
#[path = "../../examples/custom_provider.rs"]
#[allow(dead_code, reason = "its `main` is run as a program")]
mod custom_provider;

/// Examples are built next to the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a test has a path");
    let folder = this.parent().and_then(|deps| deps.parent()).expect("tests are two folders deep");
    folder.join("examples").join(name)
}

fn run(name: &str) -> String {
    let output = Command::new(example(name)).output().expect("`cargo test` builds the examples");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn embed_runs_a_tenant_from_nothing_to_gone() {
    insta::assert_snapshot!(run("embed"), @"
    operation 1-1 is durable
    it settled: done
    the platform says: Running
    destroyed: done
    event: pending → provisioning
    event: provisioning → running
    event: running → destroying
    event: destroying → gone
    ");
}

#[test]
fn a_provider_of_ones_own_is_driven_by_the_engine() {
    insta::assert_snapshot!(run("custom_provider"), @r#"
    provisioned: done
    its page: {"tenant_id":"acme","provider_type":"pages","containers":[{"name":"page","image":"none"}],"resources":{"cpu":128,"memory":128},"networking":{"public_ip":false}}
    destroyed: done
    its page is there: false
    "#);
}
