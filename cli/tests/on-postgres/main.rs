//! The program on a store in PostgreSQL: a server of its own for each test, which `./test.sh backends` installs.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

#[allow(dead_code, reason = "the suite on files uses all of it")]
#[path = "../it/bench.rs"]
mod bench;

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command};

use bench::{Bench, Ran, Version, exchange};
use landlord_testing::postgres::{Pooler, Server, free_port};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Each command runs an engine of its own, unless a test starts a server.
const SERVED: bool = false;

/// Commands on one database. What a tenant still runs is destroyed with it.
struct Commands {
    bench: Bench,
    store: String,
    data: &'static str,
}

impl Commands {
    fn on(store: String) -> Self {
        Self { bench: Bench::new(), store, data: "data" }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bench.command(args);
        command.env("LANDLORD_STORE", &self.store).env("LANDLORD_DATA", self.data).env_remove("PGPASSWORD");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().expect("it runs").into()
    }

    /// Runs a command that must be done, and reads its document.
    fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
        serde_json::from_str(&ran.out).expect("one document")
    }

    fn refused(&self, args: &[&str], code: i32, words: &str) {
        let ran = self.run(args);
        assert!(ran.code == code && ran.err.contains(words), "{args:?} ended with {}: {}", ran.code, ran.err);
    }

    /// Waits until an engine looks after the tenants.
    fn until_attended(&self) {
        self.bench.until("the server", || self.json(&["list"])["engine"]["state"] == "looks_after");
    }

    fn serve(&self) -> Child {
        let server = self.command(&["serve"]).spawn().expect("it runs");
        self.until_attended();
        server
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        let _gone = self.run(&["destroy", "acme"]);
    }
}

/// What a tenant answers over HTTP.
fn hear(port: u64) -> String {
    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens");
    exchange(stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

fn whole_life(server: &Server, store: String) {
    let program = Commands::on(store);
    program.refused(&["list"], 5, "landlord-compute migrate");
    program.refused(&["serve"], 5, "landlord-compute migrate");
    let planned = program.json(&["migrate", "--plan"]);
    assert!(planned["made"] == false && planned["steps"][0]["version"] == 1, "{planned}");
    program.json(&["migrate"]);
    assert_eq!(program.json(&["migrate"])["steps"], Value::Array(Vec::new()));

    let mut serves = program.serve();
    let spec = program.bench.spec("acme", &Version::good("hello"));
    assert_eq!(program.json(&["provision", "-f", &spec])["settled"]["as"], "done");
    let described = program.json(&["describe", "acme"]);
    assert_eq!(described["tenant"]["state"], "running", "{described}");
    let port = described["tenant"]["endpoints"][0]["port"].as_u64().expect("it answers");
    assert!(hear(port).contains("hello"));
    assert!(program.run(&["events", "acme"]).out.contains("succeeded"));
    let row = server.psql("life", "SELECT state, health FROM landlord.tenants WHERE id = 'acme'");
    assert_eq!(row.expect("reads"), "running|healthy");

    serves.kill().expect("killed");
    serves.wait().expect("it ends");
    assert!(hear(port).contains("hello"), "the tenant runs on");
    program.bench.until("its silence", || program.json(&["list"])["engine"]["state"] == "none");
    assert_eq!(program.json(&["list"])["tenants"][0]["health"], "healthy", "as it was seen");

    let mut serves = program.serve();
    assert_eq!(program.json(&["status", "acme"])["health"], "healthy");
    assert!(hear(port).contains("hello"), "it is the same process");
    assert_eq!(program.json(&["destroy", "acme"])["settled"]["as"], "done");
    assert_eq!(program.json(&["list"])["tenants"], Value::Array(Vec::new()));
    kill_process(Pid::from_child(&serves), Signal::TERM).expect("it runs");
    assert!(serves.wait().expect("it ends").success());
    assert_eq!(program.json(&["list"])["engine"]["state"], "none", "at once: it has given the store up");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_tenants_whole_life_with_a_server_that_is_killed() {
    let server = Server::start("").await.expect("starts");
    server.psql("postgres", "CREATE DATABASE life").expect("made");
    whole_life(&server, server.url("life"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn the_same_through_a_pooler() {
    let server = Server::start("").await.expect("starts");
    server.psql("postgres", "CREATE DATABASE life").expect("made");
    let pooler = Pooler::before(&server).await.expect("starts");
    whole_life(&server, pooler.url("life"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_command_without_a_server_does_it_itself_and_not_beside_one_with_processes() {
    let server = Server::start("").await.expect("starts");
    let program = Commands::on(server.url("postgres"));
    program.json(&["migrate"]);
    let spec = program.bench.spec("acme", &Version::good("hello"));
    assert_eq!(program.json(&["provision", "-f", &spec])["settled"]["as"], "done");
    let doctor = program.json(&["doctor"]).to_string();
    assert!(doctor.contains("no engine has it") && doctor.contains("no synchronous standby"), "{doctor}");

    let mut serves = program.serve();
    let elsewhere = Commands { bench: Bench::new(), store: server.url("postgres"), data: "elsewhere" };
    assert_eq!(elsewhere.json(&["list"])["tenants"][0]["tenant_id"], "acme");
    let engine = elsewhere.json(&["list"])["engine"].to_string();
    assert!(engine.contains("(landlord-compute serve) on host"), "{engine}");
    // Processes are reached from their machine alone, so that their engine shares the store with nobody.
    elsewhere.refused(&["--wait", "0s", "pause", "acme"], 5, "(landlord-compute serve) on host");
    let engines = program.json(&["engines"]);
    assert!(engines["shared"] == true && engines["engines"][0]["standing"] == "alone", "{engines}");
    serves.kill().expect("killed");
    serves.wait().expect("it ends");
    // Nor are they started a second time where they are not found, once it has ended.
    let here = elsewhere.bench.path("elsewhere").display().to_string();
    for told in ["landlord-compute serve --lost", &here, &program.bench.path("data").display().to_string()] {
        elsewhere.refused(&["restart", "acme"], 5, told);
    }
    // The directory of the one is not the other's.
    server.psql("postgres", "CREATE DATABASE other").expect("made");
    let other = Commands::on(server.url("other"));
    let data = program.bench.path("data").display().to_string();
    other.refused(&["--data", &data, "list"], 2, "belongs to the store");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn each_way_not_to_get_in_says_what_to_do_and_shows_no_password() {
    let server = Server::start("").await.expect("starts");
    server.psql("postgres", "CREATE ROLE guest LOGIN PASSWORD 'hunter2'").expect("made");
    server.psql("postgres", "CREATE DATABASE own OWNER guest").expect("made");
    let rules = server.data().join("pg_hba.conf");
    let trusts = fs::read_to_string(&rules).expect("there");
    fs::write(&rules, format!("host all guest 127.0.0.1/32 scram-sha-256\n{trusts}")).expect("written");
    server.psql("postgres", "SELECT pg_reload_conf()").expect("reloads");
    let port = server.port();

    let program = Commands::on(format!("postgres://guest@127.0.0.1:{port}/own"));
    program.bench.until("the rules", || program.run(&["migrate"]).err.contains("a password that is missing"));
    let mut asks = program.command(&["migrate", "-o", "json"]);
    assert!(asks.env("PGPASSWORD", "hunter2").output().expect("it runs").status.success());
    let configuration = program.bench.file("c.toml", "[postgres]\npassword_file = \"db.password\"\n");
    program.refused(&["--config", &configuration, "list"], 2, "db.password");
    program.bench.file("db.password", "hunter2\n");
    assert_eq!(program.json(&["--config", &configuration, "list"])["engine"]["state"], "none");

    let closed = free_port().expect("a port");
    for (store, words) in [
        (format!("postgres://guest:hunter3@127.0.0.1:{port}/own"), "the password is wrong"),
        (format!("postgres://guest:hunter2@127.0.0.1:{port}/nowhere"), "create it first"),
        (format!("postgres://guest:hunter2@127.0.0.1:{closed}/own"), "whether the server runs"),
    ] {
        for command in [&["list"][..], &["serve"], &["doctor"], &["migrate"]] {
            let ran = program.run(&[command, &["--store", &store]].concat());
            let told = format!("{}{}", ran.out, ran.err).replace('\n', " ");
            let told: Vec<&str> = told.split_whitespace().collect();
            assert!(ran.code != 0 && told.join(" ").contains(words), "{command:?}: {told:?}");
            assert!(!told.join(" ").contains("hunter"), "{command:?}: {told:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn the_demo_with_several_engines_does_all_that_it_says() {
    let server = Server::start("").await.expect("starts");
    let program = Commands::on(server.url("postgres"));
    let file = program.run(&["--store", "landlord.db", "demo", "--engines", "3"]);
    assert!(file.code == 2 && file.err.contains("engines share a store on PostgreSQL"), "{}", file.err);
    let played = program.json(&["demo", "--engines", "3"]);
    let scenes = played["scenes"].as_array().expect("a list");
    assert!(played["ok"] == true && scenes.len() == 5, "{played}");
    // What it leaves is empty; where somebody has tenants it kills nobody.
    assert_eq!(program.json(&["list"])["tenants"], Value::Array(Vec::new()));
    let spec = program.bench.spec("acme", &Version::good("hello"));
    assert_eq!(program.json(&["provision", "-f", &spec])["settled"]["as"], "done");
    program.refused(&["demo", "--engines", "3"], 2, "give it a database of its own");
}
