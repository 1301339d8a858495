//! The command line as a program: what it prints, what it ends with, and what it does to real processes.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod bad_input;
mod demo;
mod interrupted;
mod lifecycle;
mod secrets;
mod service;
mod specs;
mod sweep;
mod truth;
mod waiting;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a store of its own. What its tenants still run is destroyed with it.
struct Bench {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        self.other(env!("CARGO_BIN_EXE_landlord-compute"), args)
    }

    /// Another program, as the own one is run.
    fn other(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_remove("LANDLORD_STORE")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().expect("it runs").into()
    }

    /// Runs a command that must be done, and reads its document.
    fn json(&self, args: &[&str]) -> Value {
        self.json_ending(0, args)
    }

    /// Runs a command that ends with this code and is no failure, and reads its document.
    fn json_ending(&self, code: i32, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{args:?}: {}", ran.out);
        serde_json::from_str(&ran.out).expect("one document")
    }

    /// A file of this name that says this; its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// Writes the spec of a tenant, and says where.
    fn spec(&self, tenant: &str, version: &Version<'_>) -> String {
        let name = format!("{tenant}.json");
        std::fs::write(self.path(&name), version.spec(tenant).to_string()).expect("written");
        name
    }

    /// Waits until something is so.
    fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not happen");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn state(&self, tenant: &str) -> Option<String> {
        let described = self.run(&["describe", tenant, "-o", "json"]);
        let document: Value = serde_json::from_str(&described.out).ok()?;
        Some(document["tenant"]["state"].as_str()?.to_owned())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let listed = self.run(&["list", "-o", "json"]);
        let document: Value = serde_json::from_str(&listed.out).unwrap_or_default();
        for tenant in document["tenants"].as_array().into_iter().flatten() {
            let _ = self.run(&["destroy", tenant["tenant_id"].as_str().unwrap_or_default()]);
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A version of a tenant's software: this program's own small web server.
#[derive(Clone, Copy)]
struct Version<'a> {
    greeting: &'a str,
    /// Milliseconds until it listens.
    slow: u32,
    broken: bool,
}

impl<'a> Version<'a> {
    fn good(greeting: &'a str) -> Self {
        Self { greeting, slow: 0, broken: false }
    }

    fn spec(&self, tenant: &str) -> Value {
        let slow = self.slow.to_string();
        let mut command = vec![env!("CARGO_BIN_EXE_landlord-compute"), "demo-tenant", "--greeting"];
        command.extend([self.greeting, "--slow", &slow]);
        if self.broken {
            command.push("--broken");
        }
        json!({
            "tenant_id": tenant,
            "provider_type": "process",
            "containers": [{
                "name": "web",
                "image": "host",
                "command": command,
                "ports": [{ "container_port": 80, "name": "http" }],
                "health_check": {
                    "type": "http", "http_path": "/", "port": 80, "interval_seconds": 5, "timeout_seconds": 2,
                    "healthy_threshold": 1, "unhealthy_threshold": 3,
                },
            }],
            "resources": { "cpu": 128, "memory": 512 },
            "networking": { "public_ip": false },
            "provider_config": { "stop_grace_seconds": 1 },
        })
    }
}
