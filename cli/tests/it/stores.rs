//! Whatever is wrong with a store, the program says so, ends with its code, and loses nothing.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::bad_input::refused;
use super::{Bench, Ran, Version};

#[test]
fn stores_that_are_none() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    fs::create_dir(bench.path("folder.db")).expect("made");
    fs::write(bench.path("noise.db"), vec![7_u8; 5000]).expect("written");
    fs::write(bench.path("cut.db"), b"SQLite").expect("written");
    let cases = [
        ("folder.db", "is a directory"),
        ("noise.db", "is not a SQLite database"),
        ("cut.db", "was cut off"),
        ("cut.db/x.db", "a part of the path is a file"),
    ];
    for (store, words) in cases {
        refused(&bench.run(&["list", "--store", store]), 5, words);
        refused(&bench.run(&["provision", "-f", &spec, "--store", store]), 5, words);
    }
    assert_eq!(fs::read(bench.path("noise.db")).expect("still there"), vec![7_u8; 5000]);
    for command in ["destroy", "status", "describe", "pause", "cancel", "retry"] {
        refused(&bench.run(&[command, "acme"]), 5, "there is no store");
    }
    refused(&bench.run(&["provision", "-f", &spec, "--store", "no/x.db"]), 5, "create its directory first");
    assert!(!bench.path("landlord.db").exists(), "a store that was mistyped is not made");
}

#[test]
fn a_store_that_cannot_be_written_is_read_all_the_same() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let store = bench.path("landlord.db");
    let writable = fs::metadata(&store).expect("there").permissions();
    let mut read_only = writable.clone();
    read_only.set_readonly(true);
    fs::set_permissions(&store, read_only).expect("changed");
    // The superuser may write it nevertheless.
    let may_write = fs::OpenOptions::new().append(true).open(&store).is_ok();
    let update = bench.run(&["destroy", "acme"]);
    let listed = bench.run(&["list"]);
    fs::set_permissions(&store, writable).expect("changed back");
    assert_eq!(listed.code, 0, "{}", listed.err);
    if !may_write {
        refused(&update, 5, "give this process the right to read and write it");
        assert_eq!(bench.state("acme").as_deref(), Some("running"), "nothing is lost");
    }
}

/// A limit on the size of files stands for a disk that is full.
#[test]
fn a_full_disk_loses_nothing() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let program = env!("CARGO_BIN_EXE_landlord-compute");
    let script = format!("trap '' XFSZ; ulimit -f 1; exec '{program}' destroy acme");
    let full = Command::new("sh").args(["-c", &script]).current_dir(bench.folder.path()).output();
    let full = Ran::from(full.expect("it runs"));
    assert_eq!(full.code, 5, "{}", full.err);
    assert!(!full.err.contains("taken over"), "{}", full.err);
    assert_eq!(bench.state("acme").as_deref(), Some("running"));
    assert_eq!(bench.json(&["status", "acme"])["health"], "healthy");
    assert_eq!(bench.json(&["destroy", "acme"])["settled"]["as"], "done");
}

/// A command of somebody who may read the folder, and write nothing there.
fn reading(bench: &Bench, args: &[&str]) -> Ran {
    let folder = bench.folder.path();
    let mut command = bench.command(args);
    let is_root = rustix::process::geteuid().is_root();
    let mode = |mode| fs::set_permissions(folder, fs::Permissions::from_mode(mode)).expect("changed");
    if is_root {
        command.uid(65_534).gid(65_534);
        mode(0o755);
    } else {
        mode(0o555);
    }
    let ran = command.output().expect("it runs");
    mode(0o755);
    ran.into()
}

#[test]
fn who_may_only_read_a_store_looks_at_it() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let mode = |mode| {
        for name in ["landlord.db", "landlord.db-wal", "landlord.db-shm", "landlord.db.lock"] {
            let _ = fs::set_permissions(bench.path(name), fs::Permissions::from_mode(mode));
        }
    };
    let looks = || {
        mode(0o444);
        for args in [&["list"][..], &["describe", "acme"], &["events", "acme"]] {
            let ran = reading(&bench, args);
            assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
            assert!(ran.out.contains("provision") || ran.out.contains("running"), "{}", ran.out);
        }
        let refused = reading(&bench, &["destroy", "acme"]);
        assert_eq!(refused.code, 5, "{}", refused.err);
        mode(0o644);
    };
    // On a medium that was written in order there is no file beside it, and none can be made.
    for beside in ["landlord.db-wal", "landlord.db-shm"] {
        let _ = fs::remove_file(bench.path(beside));
    }
    looks();
    assert!(!bench.path("landlord.db-wal").exists(), "looking leaves nothing");

    // Beside an engine, and after one that was killed.
    let mut run = bench.command(&["run"]).spawn().expect("it runs");
    bench.until("the engine", || bench.json(&["list"])["engine"]["state"] == "looks_after");
    looks();
    run.kill().expect("killed");
    run.wait().expect("it ends");
    assert!(bench.path("landlord.db-wal").exists());
    looks();
}

#[test]
fn a_store_of_a_newer_program_says_so() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    bench.json(&["destroy", "acme"]);
    // The version, as SQLite keeps it: `PRAGMA user_version` at byte 60 of the file.
    let store = fs::OpenOptions::new().write(true).open(bench.path("landlord.db")).expect("there");
    store.write_all_at(&999_u32.to_be_bytes(), 60).expect("written");
    for command in [&["list"][..], &["provision", "-f", &spec], &["run"]] {
        refused(&bench.run(command), 5, "is of a newer program: it has version 999");
    }
}

/// What is wrong with a store in a database, where no server is needed to see it.
#[test]
fn databases_that_are_none() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    let store = "postgres://me:hunter2@127.0.0.1:1/tenants";
    for (store, code, words) in [
        (store, 5, "look whether the server runs"),
        ("postgres://me:hunter2@127.0.0.1:port/tenants", 2, "its URL cannot be understood"),
        ("postgres://me:hun@ter2@127.0.0.1/tenants", 2, "%40"),
    ] {
        for command in [&["list"][..], &["provision", "-f", &spec], &["serve"], &["migrate"]] {
            let ran = bench.run(&[command, &["--data", "data", "--store", store]].concat());
            assert!(!ran.err.contains("ter2"), "{}", ran.err);
            refused(&ran, code, words);
        }
    }
    refused(&bench.run(&["migrate"]), 2, "--store postgres://user@host/database");
    refused(&bench.run(&["list", "--data", "data"]), 2, "--data");
    let doctor = bench.run(&["doctor", "--data", "data", "--store", store]);
    assert!(
        doctor.code == 13 && doctor.out.contains("failed") && !doctor.out.contains("hunter2"),
        "{doctor:?}"
    );

    let spoken = format!("store = \"{store}\"\ndata = \"data\"\n[postgres]\npassword_file = \"none\"\n");
    let configuration = bench.file("c.toml", &spoken);
    refused(&bench.run(&["--config", &configuration, "list"]), 5, "look whether the server runs");
    let spoken = format!("store = \"{}\"\n[postgres]\nstandby = \"perhaps\"\n", store.replace(":1/", ":x/"));
    let configuration = bench.file("c.toml", &spoken);
    let checked = bench.run(&["--config", &configuration, "serve", "--check"]);
    assert!(checked.err.contains("postgres.standby") && checked.err.contains("store: "), "{}", checked.err);
    assert!(!checked.err.contains("hunter2"), "{}", checked.err);
}
