//! Emulators of ECS, each behind microburst, a proxy that fails calls on demand.
//!
//! A test takes [`Emulator::shared`]: one process of a kind serves all tests of the binary. What keeps tests apart is
//! a cluster each, with a name that no other test has, in the names of its tenants too: faults are for the calls that
//! mention it ([`Emulator::rules`]).
//!
//! `start.sh` beside this file starts what `install.sh` has installed. When that is not possible the test fails, with the
//! last lines of what the emulator said.

mod faults;
mod http;
mod moto;
mod rollouts;
mod self_test;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use faults::{Fault, Rule, Rules, When};
use moto::Scheduler;

/// What plays ECS. What each does unlike the real one is known to its maintainers, not to these tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// MiniStack alone: a task is RUNNING at once, and nothing runs.
    MiniStack,
    /// MiniStack with a Docker engine of its own, as root: tasks are containers. The engine has one image,
    /// `busybox:test`, and reaches no registry.
    MiniStackWithEngine,
    /// moto, which knows no tasks of services, behind a [`Scheduler`] that does.
    Moto,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::MiniStack => "ministack",
            Self::MiniStackWithEngine => "ministack-engine",
            Self::Moto => "moto",
        }
    }
}

/// A running emulator. It ends when this is dropped and when the test process does, however that ends.
#[derive(Debug)]
pub(crate) struct Emulator {
    script: Child,
    /// The script goes on until this is closed.
    stdin: Option<ChildStdin>,
    microburst: String,
    direct: String,
    /// Without any proxy.
    emulator: String,
}

impl Emulator {
    /// The one that all tests share.
    pub(crate) fn shared(kind: Kind) -> &'static Self {
        static SHARED: [OnceLock<Result<Emulator, String>>; 3] = [const { OnceLock::new() }; 3];
        let shared = SHARED[kind as usize].get_or_init(|| Self::try_start(kind));
        shared.as_ref().unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// One of the test's own, for what others should not notice.
    pub(crate) fn start(kind: Kind) -> Self {
        Self::try_start(kind).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Where the provider under test finds ECS and STS: through microburst.
    pub(crate) fn url(&self) -> &str {
        &self.microburst
    }

    /// The same without faults: for what a test arranges or looks up.
    pub(crate) fn direct_url(&self) -> &str {
        &self.direct
    }

    /// Makes the calls that mention `scope` anywhere in their parameters go wrong, until the answer is dropped.
    pub(crate) fn rules(&self, scope: &str, rules: &[Rule]) -> Rules<'_> {
        Rules::set(&self.microburst, scope, rules)
    }

    /// Forgets everything: clusters, services and tasks. Only of an emulator that is not shared.
    pub(crate) fn reset(&mut self) {
        for path in ["/_ministack/reset", "/moto-api/reset"] {
            let reset = http::send(&self.emulator, "POST", path, &[], b"");
            if reset.as_ref().is_ok_and(|answer| answer.status == 200) {
                return;
            }
        }
        panic!("{} cannot be reset", self.emulator);
    }

    /// A subnet and a security group of us-east-1 that exist: moto looks them up, MiniStack does not.
    pub(crate) fn network(&self) -> Network {
        let found = |action: &str, element: &str| {
            let form = format!("Action={action}&Version=2016-11-15");
            let headers = [
                ("content-type", "application/x-www-form-urlencoded"),
                ("authorization", &credential("ec2")),
            ];
            let answer = http::send(&self.emulator, "POST", "/", &headers, form.as_bytes());
            let body =
                answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned()).expect("EC2 answers");
            let value = body.split_once(&format!("<{element}>")).and_then(|(_, rest)| rest.split_once('<'));
            value
                .map(|(value, _)| value.to_owned())
                .unwrap_or_else(|| panic!("{action} has no {element}: {body}"))
        };
        Network {
            subnet: found("DescribeSubnets", "subnetId"),
            security_group: found("DescribeSecurityGroups", "groupId"),
        }
    }

    fn try_start(kind: Kind) -> Result<Self, String> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("ecs-emulators");
        let log = new_log(&root, kind).map_err(|error| format!("no log in {}: {error}", root.display()))?;
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends/emulators");
        let failed = |what: &str| format!("no {}: {what}\n{}", kind.name(), last_lines(&log));

        let scheduler = match kind {
            Kind::MiniStack | Kind::MiniStackWithEngine => None,
            Kind::Moto => Some(Scheduler::start().map_err(|error| failed(&error.to_string()))?),
        };
        let mut command = Command::new(scripts.join("start.sh"));
        command.arg(&root).arg(kind.name()).args(scheduler.as_ref().map(Scheduler::url));
        let stderr = File::create(&log).map_err(|error| failed(&error.to_string()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        // Ctrl-C is for the tests; the emulator then ends as it always does, when they have.
        command.process_group(0);
        let mut script = command.spawn().map_err(|error| failed(&error.to_string()))?;

        let mut urls = [None, None];
        let stdout = BufReader::new(script.stdout.take().expect("stdout is a pipe"));
        for line in stdout.lines().map_while(Result::ok) {
            match line.split_once('=') {
                Some(("emulator", url)) => urls[0] = Some(url.to_owned()),
                Some(("microburst", url)) => urls[1] = Some(url.to_owned()),
                _ if line == "ready" => break,
                _ => return Err(failed(&format!("start.sh says {line}"))),
            }
        }
        let [Some(emulator), Some(microburst)] = urls else {
            let status = script.wait().map_err(|error| failed(&error.to_string()))?;
            return Err(failed(&format!(
                "start.sh ended with {status}; all it said is in {}",
                log.display()
            )));
        };
        let direct = match &scheduler {
            None => emulator.clone(),
            Some(scheduler) => {
                scheduler.serve(emulator.clone());
                scheduler.url().to_owned()
            }
        };
        let stdin = script.stdin.take();
        Ok(Self { script, stdin, microburst, direct, emulator })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It may have been killed, and then there is nothing to wait for.
        let _ended = self.script.wait();
    }
}

/// Where a task with a network of its own (awsvpc) can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) subnet: String,
    pub(crate) security_group: String,
}

/// An Authorization header that names region and service; no emulator checks the signature.
fn credential(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=none"
    )
}

/// The log of an emulator that is about to start, named by this process. Those of processes that are gone are removed.
fn new_log(root: &Path, kind: Kind) -> std::io::Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(root)?;
    for entry in fs::read_dir(root)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_suffix(".log").and_then(|name| name.split('.').nth(1));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another copy of the tests may be quicker.
            let _gone = fs::remove_file(entry.path());
        }
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Ok(root.join(format!("{}.{}.{number}.log", kind.name(), std::process::id())))
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
