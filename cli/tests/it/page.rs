//! `page`: the way from a browser to the server, for its user alone.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::{Bench, Ran, exchange};

/// A command that goes on; it ends with the test.
struct Going {
    child: Child,
    _notes: BufReader<ChildStderr>,
}

impl Going {
    /// Starts it, and waits until it says this. Gives the whole line.
    fn new(bench: &Bench, command: &str, says: &str) -> (Self, String) {
        let mut child = bench.command(&[command]).stdout(Stdio::null()).spawn().expect("it runs");
        let mut notes = BufReader::new(child.stderr.take().expect("its notes"));
        let line = notes.by_ref().lines().map_while(Result::ok).find(|note| note.contains(says));
        (Self { child, _notes: notes }, line.expect("it started"))
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

fn asked(address: &str, path: &str, host: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    exchange(TcpStream::connect(address).expect("connects"), &request)
}

#[test]
fn it_leads_to_the_server_and_nobody_else_there() {
    let bench = Bench::new();
    let none = bench.run(&["page"]);
    assert_ne!(none.code, 0);
    assert!(none.err.contains("landlord-compute serve"), "{}", none.err);
    let (_server, _) = Going::new(&bench, "serve", "running on ");
    let (_page, line) = Going::new(&bench, "page", "http://");
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let html = asked(address, "/", address);
    assert!(html.starts_with("HTTP/1.1 200") && html.contains("<title>landlord</title>"), "{html}");
    assert!(asked(address, "/v1/access", address).contains("\"role\":\"operator\""));
    assert!(asked(address, "/", "elsewhere.test").starts_with("HTTP/1.1 421"));
    // Another user of this machine, whom only root can be.
    if geteuid().is_root() {
        let (host, port) = address.split_once(':').expect("a port");
        let asks = format!(
            "exec 3<>/dev/tcp/{host}/{port}; printf 'GET / HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n' >&3; cat <&3"
        );
        let words = ["--reuid=65534", "--clear-groups", "bash", "-c", &asks];
        let stranger: Ran = bench.other("setpriv", &words).output().expect("setpriv runs").into();
        assert!(!stranger.out.contains("HTTP/1.1"), "{}", stranger.out);
    }
}
