//! I10: this crate decides, and knows neither a clock nor randomness, IO, logging or async.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What decisions may be made of: text, times that are given, hashes, and errors.
const DEPENDENCIES: [&str; 7] =
    ["jiff", "schemars", "serde", "serde-saphyr", "serde_json", "sha2", "thiserror"];

/// What planners need besides.
const OF_PLANNERS: [&str; 1] = ["http"];

/// What none of them may bring with it.
const IMPURE: [&str; 18] = [
    "async-std",
    "aws-config",
    "aws-sdk-ecs",
    "fastrand",
    "futures-util",
    "getrandom",
    "hyper",
    "kube",
    "libc",
    "log",
    "ractor",
    "rand",
    "reqwest",
    "rusqlite",
    "rustix",
    "tokio",
    "tracing",
    "uuid",
];

/// How a source would reach for what it may not know.
const REACHES: [&str; 17] = [
    "std::env",
    "std::fs",
    "stdin()",
    "stdout()",
    "stderr()",
    "ToSocketAddrs",
    "TcpStream",
    "std::process",
    "std::thread",
    "std::os",
    "async fn",
    ".await",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "println!",
];

#[test]
fn i10_it_depends_on_nothing_that_does_anything() {
    let tree = |more: &[&str]| -> BTreeSet<String> {
        let tree = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "--edges",
                "normal,no-proc-macro",
                "--prefix",
                "none",
                "--format",
                "{p}",
            ])
            .args(more)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let lines = String::from_utf8(tree.stdout).unwrap();
        lines.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).skip(1).collect()
    };
    let engine: BTreeSet<String> = DEPENDENCIES.map(str::to_owned).into();
    assert_eq!(tree(&["--depth", "1"]), engine);
    let with_planners: BTreeSet<String> = engine.into_iter().chain(OF_PLANNERS.map(str::to_owned)).collect();
    assert_eq!(tree(&["--depth", "1", "--all-features"]), with_planners);
    let impure: Vec<String> =
        tree(&["--all-features"]).into_iter().filter(|name| IMPURE.contains(&name.as_str())).collect();
    assert_eq!(impure, Vec::<String>::new());
}

#[test]
fn i10_its_source_reaches_for_nothing() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 30, "{files:?}");
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        // What only tests see is at the end of a file, or a file that is only for tests.
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for reach in REACHES {
            assert!(!source.contains(reach), "{} uses {reach}", file.display());
        }
    }
}

/// Every source file that is not only for tests.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if ["page.rs", "page", "tests.rs", "tests"].iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
