//! kubectl, as an operator's script runs it: an apply for each file, then the wait for its rollout.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::manifests::Manifest;

/// Finds kubectl, or installs it where that is allowed.
const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/rollouts/kubectl.sh");

/// Who works out what has to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apply {
    /// kubectl, as is its default.
    ClientSide,
    /// The API server.
    ServerSide,
}

/// A kubectl that knows the way to the cluster.
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    /// What it remembers of the cluster is there.
    home: PathBuf,
    apply: Apply,
    /// How often it failed.
    failed: AtomicUsize,
}

/// How often one command is run at most. On a busy machine a connection may come too late for it.
const TRIES: u32 = 10;

impl Kubectl {
    pub(crate) fn new(kubeconfig: &Path, home: &Path, apply: Apply) -> Self {
        let found = Command::new(INSTALL).stderr(Stdio::inherit()).output().expect("kubectl.sh starts");
        assert!(found.status.success(), "there is no kubectl");
        let program = String::from_utf8(found.stdout).expect("a path");
        let (kubeconfig, home) = (kubeconfig.to_owned(), home.to_owned());
        let kubectl =
            Self { program: program.trim().into(), kubeconfig, home, apply, failed: AtomicUsize::new(0) };
        // It asks what the API server has once, as on any machine where it has been used.
        kubectl.run(["get", "namespaces", "--output", "name"]);
        kubectl
    }

    /// What it is and does, for a person.
    pub(crate) fn name(&self) -> String {
        let version = Command::new(&self.program).args(["version", "--client", "--short"]).output();
        let version = String::from_utf8(version.expect("kubectl starts").stdout).expect("text");
        let version = version.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        match self.apply {
            Apply::ClientSide => format!("kubectl {version}: apply, rollout status"),
            Apply::ServerSide => format!("kubectl {version}: apply --server-side, rollout status"),
        }
    }

    /// Applies all of them and waits until they are rolled out, so many at a time.
    pub(crate) fn roll_out(&self, manifests: &[Manifest], concurrency: usize) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..concurrency {
                scope.spawn(|| {
                    while let Some(manifest) = manifests.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.roll_out_one(manifest);
                    }
                });
            }
        });
    }

    fn roll_out_one(&self, manifest: &Manifest) {
        let file = manifest.file.to_str().expect("a path in UTF-8");
        match self.apply {
            Apply::ClientSide => self.run(["apply", "--filename", file]),
            Apply::ServerSide => self.run(["apply", "--server-side", "--filename", file]),
        }
        self.run(["rollout", "status", &manifest.workload, "--namespace", &manifest.namespace]);
    }

    /// How many commands were run again.
    pub(crate) fn again(&self) -> usize {
        self.failed.load(Ordering::Relaxed)
    }

    fn run<const N: usize>(&self, words: [&str; N]) {
        for _ in 0..TRIES {
            let mut command = Command::new(&self.program);
            command.args(words).env("KUBECONFIG", &self.kubeconfig).env("HOME", &self.home);
            let output = command.stdin(Stdio::null()).output().expect("kubectl starts");
            if output.status.success() {
                return;
            }
            eprintln!("kubectl {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        panic!("kubectl failed {TRIES} times: {}", words.join(" "));
    }
}
