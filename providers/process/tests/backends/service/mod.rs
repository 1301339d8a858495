//! The whole program as a service of systemd: the units in `ops/`, as root and as an ordinary user, and a reboot.
//!
//! One machine is booted twice. `first-boot.sh` and `second-boot.sh` ask, and print what they do; the tests read what
//! came of it.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::cargo;
use crate::uml::{Answers, Machine};

const COMMON: &str = include_str!("common.sh");
const FIRST_BOOT: &str = include_str!("first-boot.sh");
const SECOND_BOOT: &str = include_str!("second-boot.sh");

fn answers() -> &'static Answers {
    static ANSWERS: OnceLock<Answers> = OnceLock::new();
    ANSWERS.get_or_init(|| {
        let machine = Machine::new();
        let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops");
        let files = [
            (cargo::built(&["build", "--package", "landlord-cli"]), "landlord-compute"),
            (ops.join("landlord-compute.service"), "landlord-compute.service"),
            (ops.join("user/landlord-compute.service"), "user.service"),
        ];
        for (file, name) in files {
            fs::copy(file, machine.host().join(name)).expect("the machine gets the file");
        }
        for boot in [FIRST_BOOT, SECOND_BOOT] {
            let ran = machine.boot(&format!("#!/bin/bash\n{COMMON}\n{boot}"));
            assert_eq!(ran.status, "0", "{}", ran.output);
        }
        machine.answers()
    })
}

/// What was asked, of the unit of root and of an ordinary user.
fn is_so(question: &str) {
    for owner in ["root", "ordinary"] {
        is_so_for(owner, question);
    }
}

fn is_so_for(owner: &str, question: &str) {
    let (status, output) = answers().get(&format!("{owner}-{question}")).expect("it was asked");
    assert_eq!(status, "0", "{owner}: {output}");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn tenants_outlive_a_stop_a_restart_and_a_kill_of_the_unit() {
    is_so("provisioned");
    is_so("of-the-unit");
    is_so("outlives");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn a_hangup_leaves_the_unit_running() {
    is_so("hangup");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn all_that_a_unit_makes_is_its_own() {
    is_so("private");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn tenants_of_the_machines_unit_are_limited() {
    is_so_for("root", "limited");
}

#[test]
#[ignore = "boots User Mode Linux: ./test.sh backends"]
fn all_tenants_are_back_after_a_reboot() {
    is_so("back");
}
