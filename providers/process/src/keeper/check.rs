//! Health checks: one try of one check, without waiting for it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use http::StatusCode;
use landlord_state_machines::planner::process::{Check, ExitCause, Readiness};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, Signal, kill_process_group};

use super::launcher::NOT_EXECUTED;
use super::protocol::{Program, Refusal};
use super::spawn::{self, Launcher};
use crate::cgroup::LaunchGroup;
use crate::procfs::Identity;

/// The longest beginning of an answer that is read to find its status.
const STATUS_LINE: usize = 1024;

/// What one try showed: it passed, or why it did not.
pub(super) type Verdict = Result<(), String>;

/// A try that goes on.
#[derive(Debug)]
pub(super) struct Try {
    deadline: Instant,
    name: String,
    within: Duration,
    how: How,
}

#[derive(Debug)]
enum How {
    /// Waits for a connection.
    Tcp(TcpStream),
    /// Waits for an answer.
    Http(Http),
    /// Waits for a program to end.
    Runs(Box<Launcher>),
}

/// A request and its answer.
#[derive(Debug)]
struct Http {
    stream: TcpStream,
    /// What has not been sent yet.
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// What a check is made with.
pub(super) struct With<'a> {
    pub(super) registry: &'a Registry,
    /// For the connection that it makes.
    pub(super) token: Token,
    /// Where the launch listens, for a check of a port.
    pub(super) port: Option<u16>,
    /// The command of an exec check.
    pub(super) program: Option<&'a Program>,
    /// What an http check sends.
    pub(super) headers: &'a BTreeMap<String, String>,
    /// The launch's group.
    pub(super) group: Option<&'a LaunchGroup>,
    /// The launch's first process.
    pub(super) leader: Option<Identity>,
}

/// A check that has just begun.
pub(super) enum Begun {
    /// It goes on.
    Goes(Try),
    /// It is over.
    Over(Verdict),
}

impl Try {
    /// Begins a try.
    pub(super) fn begin(readiness: &Readiness, with: &With<'_>) -> Begun {
        let within = Duration::from_secs(readiness.timeout_seconds.into());
        let deadline = Instant::now() + within;
        let goes = |name, how| Begun::Goes(Self { deadline, name, within, how });
        match (&readiness.check, with.port, with.program) {
            (Check::Alive, _, _) => Begun::Over(Ok(())),
            (Check::Tcp { .. }, Some(port), _) => {
                let name = format!("tcp check of port {port}");
                match connect(port, with) {
                    Ok(stream) => goes(name, How::Tcp(stream)),
                    Err(error) => Begun::Over(Err(format!("{name}: {error}"))),
                }
            }
            (Check::Http { has_headers: true, .. }, Some(_), _) if with.headers.is_empty() => {
                Begun::Over(Err(not_there("http check", "no headers")))
            }
            (Check::Http { path, .. }, Some(port), _) => {
                let name = format!("http check of {path} on port {port}");
                match connect(port, with) {
                    Ok(stream) => {
                        let request = get(path, port, with.headers).into_bytes();
                        goes(name, How::Http(Http { stream, request, answer: Vec::new() }))
                    }
                    Err(error) => Begun::Over(Err(format!("{name}: no connection: {error}"))),
                }
            }
            (Check::Tcp { port } | Check::Http { port, .. }, None, _) => {
                Begun::Over(Err(format!("port {port} is not one of the container's tcp ports")))
            }
            (Check::Exec, _, Some(program)) => match spawn::check(program.clone(), with.group, with.leader) {
                Ok(launcher) => goes("exec check".to_owned(), How::Runs(Box::new(launcher))),
                Err(error) => Begun::Over(Err(format!("exec check: {error}"))),
            },
            (Check::Exec, _, None) => Begun::Over(Err(not_there("exec check", "no check"))),
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The process of an exec check.
    pub(super) fn pid(&self) -> Option<Pid> {
        match &self.how {
            How::Runs(launcher) => Some(launcher.leader.pid),
            How::Tcp(_) | How::Http(_) => None,
        }
    }

    /// Its time is over.
    pub(super) fn late(&self) -> Verdict {
        let (name, within) = (&self.name, self.within);
        Err(match &self.how {
            How::Tcp(_) => format!("{name}: no connection within {within:?}"),
            How::Http(_) => format!("{name}: no answer within {within:?}"),
            How::Runs(_) => format!("{name}: not done within {within:?}"),
        })
    }

    /// Its connection has news.
    pub(super) fn goes_on(&mut self) -> Option<Verdict> {
        let name = &self.name;
        match &mut self.how {
            How::Tcp(stream) => match is_connected(stream) {
                Ok(true) => Some(Ok(())),
                Ok(false) => None,
                Err(error) => Some(Err(format!("{name}: {error}"))),
            },
            How::Http(http) => http.goes_on().map(|answered| match answered {
                Ok(status) if status.is_success() || status.is_redirection() => Ok(()),
                Ok(status) => Err(format!("{name}: answered {status}")),
                Err(error) => Err(format!("{name}: {error}")),
            }),
            How::Runs(_) => None,
        }
    }

    /// Its program has ended.
    pub(super) fn ended(&mut self, cause: ExitCause) -> Verdict {
        let How::Runs(launcher) = &mut self.how else { return Ok(()) };
        match cause {
            ExitCause::Code(0) => Ok(()),
            ExitCause::Code(code) if code == i32::from(NOT_EXECUTED) => {
                let (lines, _) = launcher.socket.lines();
                let refusal = lines.first().and_then(|line| serde_json::from_slice::<Refusal>(line).ok());
                Err(match refusal {
                    Some(refusal) => format!("exec check: {refusal}"),
                    None => format!("exec check: exit status: {code}"),
                })
            }
            ExitCause::Code(code) => Err(format!("exec check: exit status: {code}")),
            ExitCause::Signal(signal) => Err(format!("exec check: ended by signal {signal}")),
            ExitCause::OutOfMemory => Err("exec check: killed: out of memory".to_owned()),
            ExitCause::Unseen => Err("exec check: its end was not seen".to_owned()),
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            // It leads a group of its own. It fails only when nobody of the group is left.
            let _nobody_left = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Why a request brought no answer.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no HTTP answer: {0}")]
    Answer(io::Error),
    #[error("no HTTP answer: it began with something else")]
    NotHttp,
}

impl Http {
    fn goes_on(&mut self) -> Option<Result<StatusCode, HttpError>> {
        match is_connected(&self.stream) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(HttpError::Connect(error))),
        }
        while !self.request.is_empty() {
            match self.stream.write(&self.request) {
                Ok(sent) => drop(self.request.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => return Some(Err(HttpError::Answer(error))),
            }
        }
        let mut piece = [0; STATUS_LINE];
        while self.answer.len() < STATUS_LINE {
            match self.stream.read(&mut piece) {
                Ok(0) => return Some(status(&self.answer).unwrap_or(Err(HttpError::NotHttp))),
                Ok(read) => self.answer.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return status(&self.answer),
                Err(error) => return Some(Err(HttpError::Answer(error))),
            }
            if let Some(status) = status(&self.answer) {
                return Some(status);
            }
        }
        Some(Err(HttpError::NotHttp))
    }
}

/// What a check needs is not where the launch had it when it started.
fn not_there(check: &str, nothing: &str) -> String {
    format!(
        "{check}: the launch's environment holds {nothing}; its program may have overwritten it: restart the tenant"
    )
}

/// The request of an http check. The spec's headers take the place of those that it has else.
fn get(path: &str, port: u16, headers: &BTreeMap<String, String>) -> String {
    let address = format!("127.0.0.1:{port}");
    let else_sent = [
        ("host", address.as_str()),
        ("user-agent", "landlord-health-check"),
        ("accept", "*/*"),
        ("connection", "close"),
    ];
    let is_given = |name: &str| headers.keys().any(|given| given.eq_ignore_ascii_case(name));
    let else_sent = else_sent.into_iter().filter(|(name, _)| !is_given(name));
    let given = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let lines: String = else_sent.chain(given).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\n{lines}\r\n")
}

/// The status of an answer, once its first line is there.
fn status(answer: &[u8]) -> Option<Result<StatusCode, HttpError>> {
    let end = answer.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(&answer[..end]).unwrap_or_default();
    let mut words = line.split(' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|status| status.parse().ok());
    Some(status.filter(|_| version.starts_with("HTTP/1.")).ok_or(HttpError::NotHttp))
}

fn connect(port: u16, with: &With<'_>) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    with.registry.register(&mut stream, with.token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::{Events, Poll};

    use super::*;

    /// Makes one try to its end.
    fn verdict(check: Check, port: u16, within: Duration) -> Verdict {
        verdict_with(&BTreeMap::new(), check, port, within)
    }

    fn verdict_with(
        headers: &BTreeMap<String, String>,
        check: Check,
        port: u16,
        within: Duration,
    ) -> Verdict {
        let mut poll = Poll::new().unwrap();
        let readiness = Readiness {
            check,
            interval_seconds: 1,
            timeout_seconds: 5,
            start_period_seconds: 0,
            deadline_seconds: None,
            healthy_threshold: 1,
            unhealthy_threshold: 1,
        };
        let with = With {
            registry: poll.registry(),
            token: Token(1),
            port: Some(port),
            program: None,
            headers,
            group: None,
            leader: None,
        };
        let mut trying = match Try::begin(&readiness, &with) {
            Begun::Over(verdict) => return verdict,
            Begun::Goes(trying) => trying,
        };
        let deadline = Instant::now() + within;
        loop {
            let mut events = Events::with_capacity(8);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return trying.late();
            }
            poll.poll(&mut events, Some(left)).unwrap();
            if let Some(verdict) = trying.goes_on() {
                return verdict;
            }
        }
    }

    fn http(path: &str, port: u16) -> Verdict {
        let check = Check::Http { port: 80, path: path.to_owned(), has_headers: false };
        verdict(check, port, Duration::from_secs(5))
    }

    /// Serves one connection with fixed words.
    fn answering(words: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /health HTTP/1.1\r\n"));
            // In pieces, as a network may bring it.
            for piece in words.as_bytes().chunks(7) {
                stream.write_all(piece).unwrap();
                stream.flush().unwrap();
            }
        });
        port
    }

    /// What a check of `/health` with these headers sends.
    fn sent(headers: &BTreeMap<String, String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 64];
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..read]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            String::from_utf8(request).unwrap().replace(&port.to_string(), "PORT")
        });
        let check = Check::Http { port: 80, path: "/health".to_owned(), has_headers: !headers.is_empty() };
        assert_eq!(verdict_with(headers, check, port, Duration::from_secs(5)), Ok(()));
        server.join().unwrap()
    }

    #[test]
    fn http_sends_the_headers_that_it_is_given() {
        assert_eq!(
            sent(&BTreeMap::new()),
            "GET /health HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\nuser-agent: landlord-health-check\r\naccept: */*\r\n\
             connection: close\r\n\r\n"
        );
        let given = [("Host", "acme.example"), ("X-Probe", "a b")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            sent(&given.into()),
            "GET /health HTTP/1.1\r\nuser-agent: landlord-health-check\r\naccept: */*\r\nconnection: close\r\n\
             Host: acme.example\r\nX-Probe: a b\r\n\r\n"
        );
        let check = Check::Http { port: 80, path: "/".to_owned(), has_headers: true };
        let lost = verdict(check, 1, Duration::from_secs(5)).unwrap_err();
        assert!(lost.contains("holds no headers"), "{lost}");
    }

    #[test]
    fn http_passes_on_2xx_and_3xx_only() {
        assert_eq!(http("/health", answering("HTTP/1.1 204 No Content\r\n\r\n")), Ok(()));
        assert_eq!(http("/health", answering("HTTP/1.0 302 Found\r\nlocation: /\r\n\r\n")), Ok(()));
        let busy = answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
        let why = format!("http check of /health on port {busy}: answered 503 Service Unavailable");
        assert_eq!(http("/health", busy), Err(why));
    }

    #[test]
    fn http_fails_on_silence_and_on_other_words() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let check = Check::Http { port: 80, path: "/".to_owned(), has_headers: false };
        let silent = verdict(check, port, Duration::from_millis(50)).unwrap_err();
        assert!(silent.contains("no answer within"), "{silent}");
        for words in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 2"] {
            let why = http("/health", answering(words)).unwrap_err();
            assert!(why.contains("no HTTP answer"), "{words}: {why}");
        }
        drop(listener);
        let refused = http("/health", port).unwrap_err();
        assert!(refused.contains("no connection") && refused.contains("refused"), "{refused}");
    }

    #[test]
    fn tcp_passes_when_somebody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let tcp = || verdict(Check::Tcp { port: 80 }, port, Duration::from_secs(5));
        assert_eq!(tcp(), Ok(()));
        drop(listener);
        assert!(tcp().unwrap_err().contains("refused"));
    }
}
