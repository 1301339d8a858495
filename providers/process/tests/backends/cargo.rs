//! Programs for the machines.

use std::path::PathBuf;
use std::process::Command;

/// The one program that this command of Cargo builds, where it is not built yet.
pub(crate) fn built(command: &[&str]) -> PathBuf {
    let cargo = std::env::var_os("CARGO").expect("Cargo runs this test");
    let build = Command::new(cargo).args(command).arg("--message-format=json").output();
    let build = build.expect("Cargo runs");
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let messages = String::from_utf8_lossy(&build.stdout).into_owned();
    let program = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    program.unwrap_or_else(|| panic!("Cargo names no program: {messages}"))
}
