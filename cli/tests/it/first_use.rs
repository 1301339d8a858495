//! What somebody who has just installed it tries.

use std::path::Path;

use serde_json::Value;

use super::lifecycle::get;
use super::{Bench, Ran};

#[cfg(feature = "ecs")]
#[test]
fn ecs_is_there_where_it_is_configured() {
    use serde_json::json;

    let bench = Bench::new();
    let file = bench.file("ecs.yaml", "region: eu-west-1\ncluster_arn: main\nsubnets: [subnet-1]\n");
    let ecs = bench.json(&["providers", "ecs", "--ecs-config", &file]);
    assert_eq!(
        ecs["config_defaults"],
        json!({ "cluster": "main", "region": "eu-west-1", "subnets": ["subnet-1"] })
    );
    assert!(ecs["config_schema"]["properties"]["execution_role_arn"].is_object());
    let none = bench.run(&["providers", "ecs"]);
    assert_eq!(none.code, 2, "{}", none.err);
    let wrong = bench.file("wrong.yaml", "clutser: main\n");
    let refused = bench.run(&["list", "--ecs-config", &wrong]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("clutser"), "{}", refused.err);
}

/// The help of a build that has every provider.
#[cfg(all(feature = "ecs", feature = "kubernetes"))]
#[test]
fn help_is_as_it_was() {
    let bench = Bench::new();
    insta::assert_snapshot!("help", bench.run(&["--help"]).out);
    insta::assert_snapshot!("help of provision", bench.run(&["provision", "--help"]).out);
    insta::assert_snapshot!("help of doctor", bench.run(&["doctor", "--help"]).out);
    insta::assert_snapshot!("help of sweep", bench.run(&["sweep", "--help"]).out);
}

/// A shell takes the words that it is to complete.
#[test]
fn bash_takes_the_completions() {
    let bench = Bench::new();
    let script = bench.run(&["completions", "bash"]);
    assert!(script.out.contains("provision"), "{}", script.err);
    let file = bench.file("completions.bash", &script.out);
    let sourced: Ran = bench
        .other("bash", &["-c", "set -e; . \"$0\"; complete -p landlord-compute", &file])
        .output()
        .expect("bash runs")
        .into();
    assert_eq!(sourced.code, 0, "{}", sourced.err);
    assert!(sourced.out.contains(" landlord-compute\n"), "{}", sourced.out);
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(bench.run(&["completions", shell]).out.contains("provision"), "{shell}");
    }
}

#[test]
fn the_version_names_the_commit_where_there_is_one() {
    let bench = Bench::new();
    let said = bench.run(&["--version"]).out;
    let expected = format!("landlord-compute {}", env!("CARGO_PKG_VERSION"));
    assert!(said.starts_with(&expected), "{said}");
    let commit =
        said.trim_end().strip_prefix(&expected).and_then(|it| it.strip_prefix(" (")?.strip_suffix(')'));
    let from_git =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().is_some_and(|top| top.join(".git").exists());
    if from_git && std::env::var_os("LANDLORD_COMMIT").is_none() {
        let commit = commit.expect("a commit");
        assert!(commit.len() >= 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{said}");
    }
}

/// The first spec of the README runs as it is written, and serves nothing of the machine to nobody else.
#[test]
fn the_first_example_serves_a_page_of_its_own() {
    let bench = Bench::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the page");
    let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let file = bench.file("acme.yaml", example.expect("an example"));
    let here = Path::new(env!("CARGO_BIN_EXE_landlord-compute")).parent().expect("a folder").display();
    let path = format!("{here}:{}", std::env::var("PATH").expect("a path"));
    let mut provision = bench.command(&["provision", "-f", &file, "-o", "json"]);
    let ran: Ran = provision.env("PATH", path).output().expect("it runs").into();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let tenant = serde_json::from_str::<Value>(&ran.out).expect("one document")["tenant"].clone();
    let port = tenant["endpoints"][0]["port"].as_u64().expect("a port");
    assert!(get(port, "/").contains("hello"), "it serves its page");
    assert!(!get(port, "/etc/passwd").contains("root:"), "and nothing else");
    // The kernel's table has addresses as the machine reads them.
    let listens = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let port = format!(":{port:04X} ");
    let mine: Vec<&str> =
        listens.lines().filter(|line| line.contains(&port) && line.contains(" 0A ")).collect();
    let loopback = format!("{:08X}{port}", u32::from_ne_bytes([127, 0, 0, 1]));
    assert!(mine.len() == 1 && mine[0].contains(&loopback), "it listens to this machine alone: {mine:?}");
}
