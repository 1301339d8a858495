//! A folder with a store of its own, the program to run there, and what its tenants run.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a store of its own, and a server where the suite has one. What its tenants still run is destroyed with
/// it.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    server: Option<Child>,
}

/// What a command did.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Bench {
    pub(super) fn new() -> Self {
        let mut bench = Self { folder: tempfile::tempdir().expect("a folder"), server: None };
        if super::SERVED {
            let log = std::fs::File::create(bench.path("served.log")).expect("a file");
            let mut serve = bench.command(&["serve"]);
            let errors = log.try_clone().expect("another");
            bench.server = Some(serve.stdout(log).stderr(errors).spawn().expect("it runs"));
            bench.until("its socket", || bench.path("landlord.db.sock").exists());
        }
        bench
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        self.other(env!("CARGO_BIN_EXE_landlord-compute"), args)
    }

    /// Another program, as the own one is run.
    pub(super) fn other(&self, program: &str, args: &[&str]) -> Command {
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

    pub(super) fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().expect("it runs").into()
    }

    /// Runs a command that must be done, and reads its document.
    pub(super) fn json(&self, args: &[&str]) -> Value {
        self.json_ending(0, args)
    }

    /// Runs a command that ends with this code and is no failure, and reads its document.
    pub(super) fn json_ending(&self, code: i32, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{args:?}: {}", ran.out);
        serde_json::from_str(&ran.out).expect("one document")
    }

    /// A file of this name that says this; its path.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// Writes the spec of a tenant, and says where.
    pub(super) fn spec(&self, tenant: &str, version: &Version<'_>) -> String {
        let name = format!("{tenant}.json");
        std::fs::write(self.path(&name), version.spec(tenant).to_string()).expect("written");
        name
    }

    /// Waits until something is so.
    pub(super) fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not happen");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(super) fn state(&self, tenant: &str) -> Option<String> {
        let described = self.run(&["describe", tenant, "-o", "json"]);
        let document: Value = serde_json::from_str(&described.out).ok()?;
        Some(document["tenant"]["state"].as_str()?.to_owned())
    }

    /// No tenant is there, and without a server not even a store.
    pub(super) fn nothing_is_recorded(&self) {
        if super::SERVED {
            assert_eq!(self.run(&["events"]).out, "", "nothing was recorded");
        } else {
            assert!(!self.path("landlord.db").exists(), "nothing was recorded");
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let listed = self.run(&["list", "-o", "json"]);
        let document: Value = serde_json::from_str(&listed.out).unwrap_or_default();
        for tenant in document["tenants"].as_array().into_iter().flatten() {
            let _ = self.run(&["destroy", tenant["tenant_id"].as_str().unwrap_or_default()]);
        }
        if let Some(mut server) = self.server.take() {
            let _ = kill_process(Pid::from_child(&server), Signal::TERM);
            let ended = server.wait();
            if !std::thread::panicking() {
                assert!(ended.is_ok_and(|ended| ended.success()), "the server ends in order");
            }
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
pub(super) struct Version<'a> {
    pub(super) greeting: &'a str,
    /// Milliseconds until it listens.
    pub(super) slow: u32,
    pub(super) broken: bool,
}

impl<'a> Version<'a> {
    pub(super) fn good(greeting: &'a str) -> Self {
        Self { greeting, slow: 0, broken: false }
    }

    pub(super) fn spec(&self, tenant: &str) -> Value {
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

/// One exchange of HTTP.
pub(crate) fn exchange(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
