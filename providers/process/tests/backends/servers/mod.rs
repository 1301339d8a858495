//! Servers that people run, as tenants: nginx and redis of Debian, which `install.sh` beside this file installs, and
//! Node where it is.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use landlord_compute::clock::SystemClock;
use landlord_compute::machines::error::ProviderError;
use landlord_compute::machines::id::{Incarnation, ProviderName, TenantId};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{Spec, TenantComputeSpec};
use landlord_compute::machines::status::{ComputeStatus, Health, UpdateStatus};
use landlord_compute::provider::{Context, Provider};
use landlord_provider_process::keeper::KeeperProgram;
use landlord_provider_process::{ProcessOptions, ProcessProvider};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Not a test: the keeper of a tenant, and what becomes its program.
#[test]
fn keeps_when_asked() {
    landlord_provider_process::keeper::run_if_asked();
}

/// A tenant with one server.
struct Site {
    dir: TempDir,
    /// The name of the server's processes.
    server: &'static str,
    /// Those that had nothing to do with this test.
    others: BTreeSet<u32>,
    provider: ProcessProvider,
    cx: Context,
}

impl Site {
    fn new(server: &'static str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends/servers/install.sh");
        let install = Command::new(script).output().expect("install.sh runs");
        assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
        let dir = tempfile::tempdir().expect("a directory");
        let this = std::env::current_exe().expect("this program");
        let keeps = ["--exact", "servers::keeps_when_asked", "--nocapture", "--test-threads", "2"];
        let options = ProcessOptions::new(dir.path().join("state")).keeper(KeeperProgram::other(this, keeps));
        let subject = Subject {
            engine: format!("{server}-{}", std::process::id()).into(),
            provider: ProviderName::new("process").expect("a name"),
            tenant: TenantId::new("acme").expect("an id"),
            incarnation: Incarnation(1),
        };
        let cx = Context::alone(subject, Arc::new(SystemClock));
        Self { dir, server, others: named(server), provider: ProcessProvider::new(options), cx }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// A tenant that runs this command with a port, at this host port if there is one, and this check.
    fn spec(&self, command: &[&str], version: u32, host_port: Option<u16>, check: &str) -> Spec {
        let mut port = json!({ "container_port": 80, "protocol": "tcp" });
        if let Some(host_port) = host_port {
            port["host_port"] = json!(host_port);
        }
        let path = (check == "http").then_some("/");
        let spec = json!({
            "tenant_id": "acme",
            "provider_type": "process",
            "containers": [{
                "name": "main",
                "image": "host",
                "command": command,
                "env": { "VERSION": version.to_string() },
                "ports": [port],
                "health_check": { "type": check, "http_path": path, "port": 80, "interval_seconds": 5,
                    "timeout_seconds": 2, "healthy_threshold": 1, "unhealthy_threshold": 1 },
            }],
            "resources": { "cpu": 1000, "memory": 512 },
            "networking": { "public_ip": false },
            "provider_config": { "stop_grace_seconds": 2 },
        });
        let spec = TenantComputeSpec::from_json(&without_null(spec).to_string()).expect("a spec");
        spec.check().expect("a good spec")
    }

    async fn provision(&mut self, spec: &Spec) -> Result<u16, ProviderError> {
        let provisioned = self.provider.provision(&self.cx, spec).await?;
        self.cx.applied = Some(spec.clone());
        Ok(provisioned.endpoints[0].port)
    }

    async fn update(&mut self, spec: &Spec) {
        let updated = self.provider.update(&self.cx, &self.cx.subject.tenant, spec).await.expect("an update");
        assert_eq!(updated.status, UpdateStatus::Success);
        self.cx.applied = Some(spec.clone());
    }

    async fn status(&self) -> ComputeStatus {
        self.provider.get_status(&self.cx, &self.cx.subject.tenant).await.expect("a status")
    }

    /// The server's processes.
    fn processes(&self) -> BTreeSet<u32> {
        named(self.server).difference(&self.others).copied().collect()
    }

    /// It is refused, and nothing of it is left.
    async fn is_refused(&mut self, spec: &Spec) {
        let refused = self.provision(spec).await.expect_err("it goes into the background").to_string();
        let why = format!("left {} in the background; run it in the foreground", self.server);
        assert!(refused.contains(&why), "{refused}");
        assert_eq!(self.processes(), BTreeSet::new());
        assert_eq!(self.provider.list_tenants(&self.cx.subject.engine).await.expect("a list"), []);
    }

    async fn destroy(&self, port: u16) {
        self.provider.destroy(&self.cx, &self.cx.subject.tenant).await.expect("an end");
        assert_eq!(self.processes(), BTreeSet::new());
        TcpStream::connect(("127.0.0.1", port)).expect_err("nobody serves");
        assert_eq!(self.provider.list_tenants(&self.cx.subject.engine).await.expect("a list"), []);
    }
}

impl Drop for Site {
    /// A test that failed leaves nothing either.
    fn drop(&mut self) {
        let keeps_here = |pid: &u32| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environ).contains(&self.dir.path().display().to_string())
        };
        for pid in all().filter(keeps_here).chain(self.processes()) {
            let pid = Pid::from_raw(pid.cast_signed()).expect("a process");
            // It may have ended already.
            let _ended = kill_process(pid, Signal::KILL);
        }
    }
}

/// Absent rather than null.
fn without_null(mut spec: Value) -> Value {
    let check = spec["containers"][0]["health_check"].as_object_mut().expect("an object");
    check.retain(|_, value| !value.is_null());
    spec
}

/// Every process.
fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("Linux").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The processes of this name that live.
fn named(name: &str) -> BTreeSet<u32> {
    let is_it = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains(&format!("({name})")) && !stat.contains(") Z ")
    };
    all().filter(is_it).collect()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A connection that is closed by its own end.
fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody serves");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

/// What is answered, as much as comes at once.
fn say(stream: &mut TcpStream, words: &str) -> String {
    stream.write_all(words.as_bytes()).expect("it listens");
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

fn get(port: u16) -> String {
    say(&mut connect(port), "GET / HTTP/1.0\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debian's nginx and redis: ./test.sh backends"]
async fn nginx_is_refused_in_the_background_and_binds_its_port_in_the_foreground() {
    let mut site = Site::new("nginx");
    let (port, configuration) = (free_port(), site.path("nginx.conf"));
    let text = format!(
        "pid {}; error_log stderr; worker_processes 2; events {{}}\n\
         http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 hello; }} }} }}\n",
        site.path("pid"),
    );
    std::fs::write(&configuration, text).expect("written");
    let nginx = ["/usr/sbin/nginx", "-c", configuration.as_str()];
    site.is_refused(&site.spec(&nginx, 1, Some(port), "http")).await;

    let foreground = [&nginx[..], &["-g", "daemon off;"]].concat();
    let spec = |site: &Site, version| site.spec(&foreground, version, Some(port), "http");
    let first = spec(&site, 1);
    assert_eq!(site.provision(&first).await.expect("it runs"), port);
    assert!(get(port).ends_with("hello"));
    let before = site.processes();
    assert_eq!(before.len(), 3, "a master and two workers: {before:?}");
    // While both ran, the second would find its port taken, and end.
    let second = spec(&site, 2);
    site.update(&second).await;
    let after = site.processes();
    assert!(after.len() == 3 && before.is_disjoint(&after), "{before:?} {after:?}");
    assert!(get(port).ends_with("hello"));
    assert_eq!(site.status().await.health, Health::Healthy);
    site.destroy(port).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debian's nginx and redis: ./test.sh backends"]
async fn redis_is_refused_in_the_background_and_keeps_its_clients_for_the_grace() {
    let mut site = Site::new("redis-server");
    let dir = site.dir.path().display().to_string();
    let redis = |port| ["/usr/bin/redis-server", "--save", "", "--dir", dir.as_str(), "--port", port];
    let fixed = free_port();
    let there = fixed.to_string();
    let background = [&redis(&there)[..], &["--daemonize", "yes"]].concat();
    site.is_refused(&site.spec(&background, 1, Some(fixed), "tcp")).await;

    let spec = |site: &Site, version| site.spec(&redis("$(PORT)"), version, None, "tcp");
    let first = spec(&site, 1);
    let port = site.provision(&first).await.expect("it runs");
    let mut old = connect(port);
    assert_eq!(say(&mut old, "SET who first\r\n"), "+OK\r\n");
    let second = spec(&site, 2);
    let talking = std::thread::spawn(move || {
        // The new one has nothing of the old one's.
        while say(&mut connect(port), "GET who\r\n") != "$-1\r\n" {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(say(&mut old, "GET who\r\n"), "$5\r\nfirst\r\n", "its clients have their grace");
        old
    });
    site.update(&second).await;
    let mut old = talking.join().expect("the clients were served");
    assert!(old.read(&mut [0; 1]).map_or(true, |read| read == 0), "then they are cut");
    assert_eq!(site.status().await.metadata["connections_cut"], "1");
    assert_eq!(site.processes().len(), 1);
    site.destroy(port).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debian's nginx and redis: ./test.sh backends"]
async fn node_answers_through_an_update() {
    if Command::new("node").arg("--version").output().is_err() {
        println!("not tried: node is not installed");
        return;
    }
    let mut site = Site::new("node");
    let server = "require('http').createServer((_, a) => a.end('version ' + process.env.VERSION)).listen(process.env.PORT)";
    let spec = |site: &Site, version| site.spec(&["node", "-e", server], version, None, "http");
    let (first, second) = (spec(&site, 1), spec(&site, 2));
    let port = site.provision(&first).await.expect("it runs");
    assert!(get(port).ends_with("version 1"));
    site.update(&second).await;
    assert!(get(port).ends_with("version 2"));
    site.destroy(port).await;
}
