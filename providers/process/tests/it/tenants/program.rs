//! The programs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::setsid;
use serde_json::{Value, json};

/// Says what a process that was started by [`Program`] does.
const DOES: &str = "TENANTS_TEST_DOES";
/// What its answers say.
pub(crate) const VERSION: &str = "VERSION";
/// Where it listens instead of at `PORT`.
const BINDS: &str = "BINDS";
/// After so many milliseconds it begins to listen.
const SLOW: &str = "SLOW";
/// So many milliseconds it takes for each answer.
const THINKS: &str = "THINKS";
/// After so many milliseconds it answers 503, for ever.
const HANGS: &str = "HANGS";
/// Where there is one, its answers say its pid too.
const SAYS_PID: &str = "SAYS_PID";
/// A line of each request's head, without which it answers 401.
const NEEDS: &str = "NEEDS";
/// After so many milliseconds it ends, and has left its socket to a process in the background.
const LEAVES: &str = "LEAVES";
/// Says to that process what it is.
const LEFT: &str = "LEFT";
/// A file: while it names the pid of a process, that one answers 503.
const AILS: &str = "AILS";

/// Not a test: a tenant's program.
#[test]
fn acts_when_asked() {
    let Ok(does) = std::env::var(DOES) else { return };
    let begun = Instant::now();
    std::thread::sleep(milliseconds(SLOW).unwrap_or_default());
    let variable = |name: &str| std::env::var(name).ok();
    let port: u16 = variable(BINDS).or(variable("PORT")).unwrap().parse().unwrap();
    let mut version = variable(VERSION).unwrap();
    if variable(SAYS_PID).is_some() {
        version = format!("{version} {}", std::process::id());
    }
    match does.as_str() {
        "http" => {
            let hangs = milliseconds(HANGS).map(|after| begun + after);
            each_client(port, |stream| http(stream, &version, hangs));
        }
        "lines" => each_client(port, |stream| lines(stream, &version)),
        "datagrams" => datagrams(&UdpSocket::bind(("127.0.0.1", port)).unwrap(), &version),
        other => panic!("no such program: {other}"),
    }
}

fn milliseconds(name: &str) -> Option<Duration> {
    Some(Duration::from_millis(std::env::var(name).ok()?.parse().unwrap()))
}

/// Where it listens: what a first process has left to it, or what it may leave to another and end.
fn listener(port: u16) -> TcpListener {
    if std::env::var(LEFT).is_ok() {
        setsid().unwrap();
        return TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    if let Some(after) = milliseconds(LEAVES) {
        let mut second = Command::new(std::env::current_exe().unwrap());
        second.args(std::env::args_os().skip(1)).env(LEFT, "yes");
        second.stdin(OwnedFd::from(listener)).spawn().unwrap();
        std::thread::sleep(after);
        std::process::exit(0);
    }
    listener
}

fn each_client(port: u16, serve: impl Fn(TcpStream) -> std::io::Result<()> + Sync) {
    let listener = listener(port);
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            // What becomes of a client is its own affair.
            scope.spawn(|| stream.and_then(&serve));
        }
    });
}

/// HTTP/1.1 with as many requests on a connection as the client likes.
fn http(mut stream: TcpStream, version: &str, hangs: Option<Instant>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut asked = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        asked.extend_from_slice(&piece[..read]);
        while let Some(end) = asked.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&asked[..end]).to_lowercase();
            let lacks = std::env::var(NEEDS).is_ok_and(|needed| !head.lines().any(|line| line == needed));
            asked.drain(..end + 4);
            std::thread::sleep(milliseconds(THINKS).unwrap_or_default());
            let named = std::env::var(AILS).ok().and_then(|file| std::fs::read_to_string(file).ok());
            let ails = named.is_some_and(|named| named == std::process::id().to_string());
            let status = match (lacks, ails || hangs.is_some_and(|at| Instant::now() >= at)) {
                (true, true | false) => "401 Unauthorized",
                (false, true) => "503 Service Unavailable",
                (false, false) => "200 OK",
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{version}", version.len());
            stream.write_all(head.as_bytes())?;
        }
    }
}

/// Says its version, then what it is told, until the client has had enough.
fn lines(mut stream: TcpStream, version: &str) -> std::io::Result<()> {
    stream.write_all(format!("{version}\n").as_bytes())?;
    let mut told = [0; 1024];
    loop {
        match stream.read(&mut told)? {
            0 => return Ok(()),
            read => stream.write_all(&told[..read])?,
        }
    }
}

fn datagrams(socket: &UdpSocket, version: &str) {
    let mut told = [0; 1024];
    loop {
        let (read, from) = socket.recv_from(&mut told).unwrap();
        let answer = [version.as_bytes(), b" ", &told[..read]].concat();
        socket.send_to(&answer, from).unwrap();
    }
}

/// One of the programs, as a tenant's container.
#[derive(Clone)]
pub(crate) struct Program(Value);

impl Program {
    /// A web server with a check.
    pub(crate) fn web(version: impl ToString) -> Self {
        let mut web = Self::of("http", version, "tcp");
        web.0["health_check"] = json!({ "type": "http", "http_path": "/health", "port": 80, "interval_seconds": 5,
            "timeout_seconds": 2, "healthy_threshold": 1, "unhealthy_threshold": 1 });
        web
    }

    /// A server of another protocol, in which it speaks first.
    pub(crate) fn lines(version: impl ToString) -> Self {
        let mut lines = Self::of("lines", version, "tcp");
        lines.0["health_check"] = json!({ "type": "tcp", "port": 80, "interval_seconds": 5,
            "timeout_seconds": 2, "healthy_threshold": 1, "unhealthy_threshold": 1 });
        lines
    }

    /// A server of datagrams, without a check.
    pub(crate) fn datagrams(version: impl ToString) -> Self {
        Self::of("datagrams", version, "udp")
    }

    /// Anything else that a shell can do.
    pub(crate) fn script(script: &str) -> Self {
        Self(json!({ "name": "web", "image": "host", "command": ["/bin/sh", "-c", script], "env": {} }))
    }

    fn of(does: &str, version: impl ToString, protocol: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        Self(json!({
            "name": "web",
            "image": "host",
            "command": [program, "--exact", "tenants::program::acts_when_asked", "--nocapture"],
            "env": { DOES: does, VERSION: version.to_string() },
            "ports": [{ "container_port": 80, "protocol": protocol, "name": "main" }],
        }))
    }

    /// With this host port.
    pub(crate) fn at(mut self, port: u16) -> Self {
        self.0["ports"][0]["host_port"] = json!(port);
        self
    }

    /// Which listens on this port, whatever `PORT` says.
    pub(crate) fn binding(self, port: u16) -> Self {
        self.with(BINDS, port)
    }

    /// Which begins to listen after so many milliseconds.
    pub(crate) fn slow(self, milliseconds: u32) -> Self {
        self.with(SLOW, milliseconds)
    }

    /// Which takes so many milliseconds for each answer.
    pub(crate) fn thinking(self, milliseconds: u32) -> Self {
        self.with(THINKS, milliseconds)
    }

    /// In the background of a shell that ends after so many seconds.
    pub(crate) fn left_after(mut self, seconds: f32) -> Self {
        let shell = ["/bin/sh".into(), "-c".into(), format!(r#""$0" "$@" & sleep {seconds}"#).into()];
        if let Some(command) = self.0["command"].as_array_mut() {
            command.splice(..0, shell);
        }
        self
    }

    /// Which ends after so many milliseconds, and leaves its socket to a process in the background.
    pub(crate) fn leaving(self, milliseconds: u32) -> Self {
        self.with(LEAVES, milliseconds)
    }

    /// Which does nothing until this file is there.
    pub(crate) fn waiting_for(mut self, file: &std::path::Path) -> Self {
        let script = r#"until test -e "$GO"; do sleep 0.02; done; exec "$0" "$@""#;
        let shell = ["/bin/sh".into(), "-c".into(), script.into()];
        if let Some(command) = self.0["command"].as_array_mut() {
            command.splice(..0, shell);
        }
        self.with("GO", file.display())
    }

    /// Which answers only to a request with this line, in lower case.
    pub(crate) fn needing(self, line: &str) -> Self {
        self.with(NEEDS, line)
    }

    /// Which answers 503 after so many milliseconds.
    pub(crate) fn hanging(self, milliseconds: u32) -> Self {
        self.with(HANGS, milliseconds)
    }

    /// Whose answers say its pid too.
    pub(crate) fn saying_its_pid(self) -> Self {
        self.with(SAYS_PID, true)
    }

    /// Of which the process that this file names answers 503.
    pub(crate) fn ailing_by(self, file: &std::path::Path) -> Self {
        self.with(AILS, file.display())
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0["env"][name] = json!(value.to_string());
        self
    }

    /// With a field of the container.
    pub(crate) fn having(mut self, field: &str, value: Value) -> Self {
        self.0[field] = value;
        self
    }

    pub(crate) fn container(&self) -> Value {
        self.0.clone()
    }
}
