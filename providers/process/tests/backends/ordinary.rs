//! The tests of tenants that run, as a user who may do nothing special.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cargo;

/// What everybody may use. The kit and the kills are the same for both users but for how long they take.
const MODULES: [&str; 5] = ["addresses::", "health::", "order::", "programs::", "replicas::"];

/// Nobody's.
const USER: u32 = 65_534;

#[test]
#[ignore = "takes a minute: ./test.sh backends"]
fn tenants_of_an_ordinary_user_are_kept_like_those_of_root() {
    let package = env!("CARGO_PKG_NAME");
    let tests = cargo::built(&["test", "--package", package, "--all-features", "--test", "it", "--no-run"]);
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).expect("it is ours");
    let program = dir.path().join("it");
    std::fs::copy(tests, &program).expect("the user gets the tests");
    let mut command = Command::new(program);
    // What needs root says so, and passes: root has tried it.
    command.args(MODULES).env_remove("CI").env("TMPDIR", dir.path()).env("HOME", dir.path());
    let ran = command.current_dir(dir.path()).uid(USER).gid(USER).output().expect("the tests run");
    let output = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{output}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(MODULES.iter().all(|module| output.contains(&format!("test {module}"))), "{output}");
}
