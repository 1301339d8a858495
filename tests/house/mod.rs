//! The house: which crate may know which. The arrows run one way, and what an embedder of the engine builds is small.

mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What the engine is built from, beside what its features bring: no SDK, no database, no command line.
const ENGINE: [&str; 17] = [
    "async-trait",
    "crossbeam-utils",
    "fastrand",
    "foldhash",
    "futures-util",
    "hashbrown",
    "jiff",
    "landlord-state-machines",
    "ractor",
    "rustix",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "tokio",
    "tokio-util",
    "tracing",
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The dependencies of each package of the workspace. Those for tests have a kind, and are not among them.
fn dependencies(metadata: &Value) -> BTreeMap<&str, BTreeSet<(&str, bool)>> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().expect("dependencies").iter();
            let built_from = all.filter(|dependency| dependency["kind"].is_null());
            let named = built_from.map(|dependency| {
                (
                    dependency["name"].as_str().expect("a name"),
                    dependency["optional"].as_bool().expect("a flag"),
                )
            });
            (package["name"].as_str().expect("a name"), named.collect())
        })
        .collect()
}

#[test]
fn the_engine_is_built_from_little() {
    let metadata = metadata();
    let all = dependencies(&metadata);
    let always = all["landlord-compute"].iter().filter(|(_, optional)| !optional);
    assert_eq!(always.map(|(name, _)| *name).collect::<BTreeSet<_>>(), ENGINE.into());
}

#[test]
fn imports_run_one_way() {
    let metadata = metadata();
    for (package, needs) in dependencies(&metadata) {
        for (needed, optional) in needs {
            if !needed.starts_with("landlord-") {
                continue;
            }
            let allowed = match (package, needed) {
                ("landlord-compute" | "landlord-testing" | "landlord-lives", "landlord-state-machines") => {
                    true
                }
                ("landlord-testing", "landlord-compute") => true,
                ("landlord-cli", needed) => {
                    needed != "landlord-testing" && needed != "landlord-state-machines"
                }
                ("landlord-api" | "landlord-client", "landlord-state-machines") => true,
                ("landlord-client" | "landlord-server", "landlord-api") => true,
                ("landlord-server" | "landlord-telemetry", "landlord-compute") => true,
                (package, "landlord-store-rows") => package.starts_with("landlord-store-"),
                (package, "landlord-compute" | "landlord-state-machines") => {
                    package.starts_with("landlord-provider-") || package.starts_with("landlord-store-")
                }
                // The model of a provider's platform, for the tests of a program that hosts it.
                (package, "landlord-testing") => package.starts_with("landlord-provider-") && optional,
                (_, _) => false,
            };
            assert!(allowed, "{package} imports {needed}");
        }
    }
}
