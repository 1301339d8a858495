//! A cluster of Kubernetes on this machine.
//!
//! A test takes [`Cluster::shared`]: one cluster with a node serves all tests of the binary. What keeps tests apart is the name
//! of an engine each, which is a label of all that it makes, and the names of its tenants.
//!
//! `start.sh` beside this file starts what `install.sh` has installed. When that is not possible the test fails, with the
//! last lines of what the scripts said.

mod admin;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

pub(crate) use admin::Admin;

/// What a cluster has besides an API server and controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A node, on which pods are containers. It has one image, [`BUSYBOX`].
    Pods,
    /// No node: objects only.
    Objects,
}

/// The image that is on the node.
pub(crate) const BUSYBOX: &str = "example.test/busybox:1";

/// A running cluster. It ends when this is dropped and when the test process does, however that ends.
#[derive(Debug)]
pub(crate) struct Cluster {
    script: Child,
    /// The script goes on until this is closed.
    stdin: Option<ChildStdin>,
    /// An administrator's.
    pub(crate) kubeconfig: PathBuf,
}

impl Cluster {
    /// The one with a node that all tests share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::try_start(Kind::Pods));
        shared.as_ref().unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// One of the test's own, for what others should not notice.
    pub(crate) fn start(kind: Kind) -> Self {
        Self::try_start(kind).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Kills the API server, which is started again at once, unless it has just been killed.
    pub(crate) fn kill_api_server(&self) {
        let directory = self.kubeconfig.parent().expect("a file is in a directory");
        for pid in process_ids("kube-apiserver", directory) {
            // It may have been ending already.
            let _gone = Command::new("kill").args(["-KILL", &pid]).status();
        }
    }

    fn try_start(kind: Kind) -> Result<Self, String> {
        let name = match kind {
            Kind::Pods => "pods",
            Kind::Objects => "objects",
        };
        let log =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{name}-{}.log", std::process::id()));
        let failed = |what: &str| format!("no cluster: {what}\n{}", last_lines(&log));
        let mut command =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends/cluster/start.sh"));
        let stderr = File::create(&log).map_err(|error| failed(&error.to_string()))?;
        command.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        // Ctrl-C is for the tests; the cluster then ends as it always does, when they have.
        command.process_group(0);
        let mut script = command.spawn().map_err(|error| failed(&error.to_string()))?;

        let mut kubeconfig = None;
        let stdout = BufReader::new(script.stdout.take().expect("stdout is a pipe"));
        for line in stdout.lines().map_while(Result::ok) {
            match line.split_once('=') {
                Some(("kubeconfig", path)) => kubeconfig = Some(PathBuf::from(path)),
                _ if line == "ready" => break,
                _ => return Err(failed(&format!("start.sh says {line}"))),
            }
        }
        let Some(kubeconfig) = kubeconfig else {
            let status = script.wait().map_err(|error| failed(&error.to_string()))?;
            return Err(failed(&format!(
                "start.sh ended with {status}; all it said is in {}",
                log.display()
            )));
        };
        let stdin = script.stdin.take();
        Ok(Self { script, stdin, kubeconfig })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It may have been killed, and then there is nothing to wait for.
        let _ended = self.script.wait();
    }
}

/// The processes of this program that were started in this directory.
fn process_ids(program: &str, directory: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc is there").flatten();
    let is_it = |process: &Path| {
        let runs = fs::read_link(process.join("exe")).ok()?;
        let started_in = fs::read_link(process.join("cwd")).ok()?;
        (runs.ends_with(program) && started_in == directory).then_some(())
    };
    let found = processes.filter(|entry| is_it(&entry.path()).is_some());
    found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
