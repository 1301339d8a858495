//! A server that is reached from another machine, and its configuration.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Bench, Ran, Version};

/// A server with a configuration that listens on a port.
struct Server<'b> {
    bench: &'b Bench,
    process: Child,
    notes: BufReader<ChildStderr>,
    url: String,
}

impl<'b> Server<'b> {
    fn new(bench: &'b Bench, more: &str) -> Self {
        let listen = "[listen]\naddress = \"127.0.0.1:0\"\nplain = true\n";
        bench.file("landlord.toml", &format!("store = \"landlord.db\"\n{listen}{more}"));
        let mut serve = bench.command(&["--config", "landlord.toml", "serve"]);
        let mut process = serve.stdout(Stdio::null()).spawn().expect("it runs");
        let notes = BufReader::new(process.stderr.take().expect("its notes"));
        let mut server = Self { bench, process, notes, url: String::new() };
        let note = server.says("listening on ");
        let address = note.split([' ', ',']).nth(2).expect("an address");
        server.url = format!("http://{address}");
        server.says("running on ");
        server
    }

    /// The next note that has this in it.
    fn says(&mut self, what: &str) -> String {
        loop {
            let mut note = String::new();
            let read = self.notes.read_line(&mut note).expect("text");
            assert!(read > 0, "it ended before it said {what:?}");
            if note.contains(what) {
                return note;
            }
        }
    }

    /// What proves a new token.
    fn token(&self, name: &str, role: &str, tenants: &str) -> String {
        let ran = self.bench.run(&["token", "create", name, "--role", role, "--tenants", tenants]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("shown this once"), "{}", ran.err);
        ran.out.trim().to_owned()
    }

    /// A command of the holder of a token, in another folder.
    fn ask(&self, token: &str, args: &[&str]) -> Ran {
        let elsewhere = tempfile::tempdir().expect("a folder");
        let mut command = self.bench.command(&[&["--server", &self.url], args].concat());
        command.current_dir(elsewhere.path()).env("LANDLORD_TOKEN", token);
        let ran = command.output().expect("it runs").into();
        let left = std::fs::read_dir(elsewhere.path()).expect("there").count();
        assert_eq!(left, 0, "nothing is made where a server is asked");
        ran
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.bench.run(&["destroy", "acme-1"]);
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}

#[test]
fn the_holder_of_a_token_runs_its_tenants_from_elsewhere() {
    let bench = Bench::new();
    let server = Server::new(&bench, "");
    let operator = server.token("ci", "operator", "acme-*");
    let spec = bench.file("acme-1.json", &Version::good("hello").spec("acme-1").to_string());
    let done = server.ask(&operator, &["provision", "-f", &spec]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("acme-1: provision done"), "{}", done.out);
    let listed = server.ask(&operator, &["list", "-o", "json"]);
    let listed: Value = serde_json::from_str(&listed.out).expect("a document");
    assert_eq!(listed["tenants"][0]["tenant_id"], "acme-1");
    let logs = server.ask(&operator, &["logs", "acme-1"]);
    assert_eq!(logs.code, 0, "{}", logs.err);
    let other = bench.file("bravo.json", &Version::good("hello").spec("bravo").to_string());
    for (args, code, says) in [
        (vec!["provision", "-f", &other], 12, "token ci is not for tenant bravo"),
        (vec!["describe", "bravo"], 12, "token ci is not for tenant bravo"),
        (vec!["token", "list"], 12, "over its socket"),
        (vec!["sweep", "--provider", "process"], 12, "not for all tenants"),
        (vec!["describe", "acme-9"], 4, "no tenant acme-9"),
        (vec!["serve"], 2, "leave out --server"),
    ] {
        let ran = server.ask(&operator, &args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{args:?}: {}", ran.err);
    }
    // Where the tenant that is asked for is not there, what can be done is said for the same server.
    let hinted = server.ask(&operator, &["describe", "acme-9"]);
    let list = format!("`landlord-compute --server {} list`", server.url);
    assert!(hinted.err.contains(&list), "{}", hinted.err);
    let viewer = server.token("look", "viewer", "*");
    assert_eq!(server.ask(&viewer, &["describe", "acme-1"]).code, 0);
    let refused = server.ask(&viewer, &["restart", "acme-1"]);
    assert!(refused.code == 12 && refused.err.contains("needs an operator's"), "{}", refused.err);
    assert_eq!(bench.json(&["token", "list"])["tokens"].as_array().expect("a list").len(), 2);
    assert_eq!(bench.run(&["token", "revoke", "ci"]).code, 0);
    assert_eq!(bench.run(&["token", "revoke", "ci"]).code, 4);
    let refused = server.ask(&operator, &["list"]);
    assert!(refused.code == 12 && refused.err.contains("token create"), "{}", refused.err);
}

#[test]
fn a_token_of_a_store_without_a_server_is_valid_later() {
    let bench = Bench::new();
    let ran = bench.run(&["token", "create", "ci", "--role", "viewer", "--tenants", "acme-*,bravo"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let server = Server::new(&bench, "");
    assert_eq!(server.ask(ran.out.trim(), &["list"]).code, 0);
    let again = bench.run(&["token", "create", "ci", "--role", "viewer", "--tenants", "*"]);
    assert!(again.code == 3 && again.err.contains("revoke it first"), "{}", again.err);
    for tenants in ["ac*me", "Acme", ""] {
        let ran = bench.run(&["token", "create", "more", "--role", "viewer", "--tenants", tenants]);
        assert_eq!(ran.code, 2, "{}", ran.err);
    }
}

#[test]
fn a_server_that_cannot_be_asked_is_said() {
    let bench = Bench::new();
    for (url, code, says) in [
        ("http://127.0.0.1:1", 5, "Connection refused"),
        ("http://compute.example.com", 2, "in the clear"),
        ("compute.example.com", 2, "write it like https://"),
    ] {
        let mut command = bench.command(&["--server", url, "list"]);
        let ran: Ran = command.env("LANDLORD_TOKEN", "llt_x").output().expect("it runs").into();
        assert!(ran.code == code && ran.err.contains(says), "{url}: {} {}", ran.code, ran.err);
    }
    let ran = bench.run(&["--server", "https://localhost:1", "list"]);
    assert!(ran.code == 2 && ran.err.contains("--token-file"), "{}", ran.err);
    let ran = bench.run(&["--server", "https://localhost:1", "--token-file", "nowhere", "list"]);
    assert!(ran.code == 2 && ran.err.contains("cannot read nowhere"), "{} {}", ran.code, ran.err);
}

#[test]
fn everything_that_is_wrong_with_a_configuration_is_said_at_once() {
    let bench = Bench::new();
    bench.file(
        "wrong.toml",
        "stor = 'x'\nshutdown = 'soon'\n[retry]\nattempts = 0\n[repair]\nfirst = '1h'\n[look]\nper_second = 'many'\n\
         [listen]\naddress = '0.0.0.0:8443'\n[webhooks]\nca = '/nowhere/ca.pem'\n[providers.nope]\n[providers.process]\nnonsense = 3\n",
    );
    let ran = bench.run(&["--config", "wrong.toml", "serve", "--check"]);
    assert_eq!(ran.code, 2);
    let said: Vec<&str> = ran.err.lines().map(str::trim).collect();
    for line in [
        "error: wrong.toml: 9 problems",
        "look.per_second: it is not of type \"integer\"",
        "retry.attempts: it is less than the minimum of 1",
        "shutdown: is not a span of time; write it like 90s, 5m or 1h 30m",
        "stor: there is no such key",
        "listen: `certificate` and `key` are missing; on a loopback address `plain = true` does without",
        "webhooks.ca: cannot read /nowhere/ca.pem as PEM: I/O error: No such file or directory (os error 2)",
        "repair: `first` is longer than `cap`",
        "providers.nope: there is no kind \"nope\" in this build; there are process, ecs, kubernetes",
    ] {
        assert!(said.contains(&line), "{line}\n{}", ran.err);
    }
    assert!(ran.err.contains("providers.process: unknown field `nonsense`"), "{}", ran.err);
    assert_eq!(bench.run(&["--config", "wrong.toml", "serve"]).code, 2);
    std::fs::create_dir(bench.path("etc")).expect("a folder");
    bench.file("etc/beside.toml", "[webhooks]\nca = 'ca.pem'\n");
    let ran = bench.run(&["--config", "etc/beside.toml", "serve", "--check"]);
    assert!(ran.code == 2 && ran.err.contains("cannot read etc/ca.pem"), "{}", ran.err);
    bench.file("right.toml", "[retry]\nattempts = 7\n");
    assert_eq!(bench.run(&["--config", "right.toml", "serve", "--check"]).code, 0);
    let mut over = bench.command(&["--config", "right.toml", "serve", "--check"]);
    let ran: Ran = over.env("LANDLORD_SET_RETRY__ATTEMPTS", "none").output().expect("it runs").into();
    assert!(ran.code == 2 && ran.err.contains("retry.attempts: it is not of type"), "{}", ran.err);
    let ran = bench.run(&["--config", "nowhere.toml", "list"]);
    assert!(ran.code == 2 && ran.err.contains("cannot be read"), "{}", ran.err);
}

#[test]
fn a_hangup_takes_up_what_can_be_and_says_what_cannot() {
    let bench = Bench::new();
    let mut server = Server::new(&bench, "[requests]\nper_second = 1\nburst = 1\n");
    let viewer = server.token("ci", "viewer", "*");
    let refused = (0..100).map(|_| server.ask(&viewer, &["list"])).find(|ran| ran.code != 0);
    let refused = refused.expect("one that comes too soon");
    assert!(refused.code == 6 && refused.err.contains("may send more in 1 s"), "{}", refused.err);
    let hangup =
        |server: &Server<'_>| kill_process(Pid::from_child(&server.process), Signal::HUP).expect("sent");
    let listen = "store = \"landlord.db\"\n[listen]\naddress = \"127.0.0.1:0\"\nplain = true\n";
    bench.file("landlord.toml", &format!("{listen}[retry]\nattempts = 0\n"));
    hangup(&server);
    assert!(server.says("SIGHUP").contains("nothing was taken up"));
    bench.file("landlord.toml", &format!("{listen}[retry]\nattempts = 9\n"));
    hangup(&server);
    assert!(server.says("SIGHUP").contains("the rates of requests are the new ones"));
    assert!(server.says("SIGHUP").contains("the next start takes up what has changed of retry"));
    for _ in 0..5 {
        assert_eq!(server.ask(&viewer, &["list"]).code, 0);
    }
}
