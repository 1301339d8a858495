//! Machines with systemd, cgroup v2 alone and users of their own: Debian under User Mode Linux, which `install.sh`
//! beside this file installs.
//!
//! A machine runs one script for each time it is booted, as root, when systemd has started it. `/host` in it is a
//! directory of the test's. The user `ordinary`, 1000, has a systemd of its own from the start.

mod self_test;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// How long a boot may take with all that runs in it, in seconds.
const DEADLINE: &str = "300";

/// One machine. Its disk goes when this does.
pub(crate) struct Machine {
    installed: PathBuf,
    dir: TempDir,
}

/// What came of each of the questions that scripts asked: the exit status, and what was written.
pub(crate) type Answers = BTreeMap<String, (String, String)>;

/// What came of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    /// What it wrote to stdout and stderr.
    pub(crate) output: String,
    /// Its exit code, or the name of the signal that ended it.
    pub(crate) status: String,
}

impl Machine {
    /// One that was never booted.
    pub(crate) fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("uml");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends/uml/install.sh");
        let install = Command::new(script).arg(&root).output().expect("install.sh runs");
        assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
        let installed = PathBuf::from(String::from_utf8_lossy(&install.stdout).trim_end());
        let dir = TempDir::new_in(root).expect("a directory for a machine");
        fs::create_dir(dir.path().join("host")).expect("a directory that the machine sees");
        Self { installed, dir }
    }

    /// What is `/host` in the machine.
    pub(crate) fn host(&self) -> PathBuf {
        self.dir.path().join("host")
    }

    /// Boots, runs the script, which begins with `#!`, and powers off. What was written to the disk stays for the next
    /// time.
    pub(crate) fn boot(&self, script: &str) -> Ran {
        let host = self.host();
        for left in ["output", "status"] {
            let removed = fs::remove_file(host.join(left));
            assert!(removed.map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true));
        }
        fs::write(host.join("script"), script).expect("the script is written");
        fs::set_permissions(host.join("script"), fs::Permissions::from_mode(0o755)).expect("it may be run");

        let console = self.dir.path().join("console");
        let file = File::create(&console).expect("a file for the console");
        let disk = format!("ubda={},{}", self.path("disk"), self.installed.join("image").display());
        let ended = Command::new("timeout")
            .args(["--foreground", "--signal=KILL", DEADLINE, "linux.uml", "mem=512M", &disk])
            .args(["root=/dev/ubda", "rw", &format!("hostfs={}", self.path("host"))])
            .args(["con=null", "con0=null,fd:1", "ssl=null", &format!("uml_dir={}", self.path(""))])
            .env("LD_PRELOAD", self.installed.join("xstate.so"))
            .stdin(std::process::Stdio::null())
            .stderr(file.try_clone().expect("the console again"))
            .stdout(file)
            .status()
            .expect("timeout runs");

        let read = |file: PathBuf| String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
        let (output, status) = (read(host.join("output")), read(host.join("status")));
        if status.is_empty() {
            let console = read(console);
            let last = console.lines().rev().take(40).collect::<Vec<_>>();
            let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
            panic!("the machine ended ({ended}) before its script did\n{output}\n{last}");
        }
        Ran { output, status: status.trim_end().to_owned() }
    }

    /// What the scripts left in `/host`: of each `name.status` what is in it, and what is in `name.output`.
    pub(crate) fn answers(&self) -> Answers {
        let mut answers = Answers::new();
        for entry in fs::read_dir(self.host()).expect("the answers are there") {
            let path = entry.expect("an answer is there").path();
            if path.extension().is_some_and(|extension| extension == "status") {
                let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
                let status = fs::read_to_string(&path).expect("a status is there");
                let output = fs::read(path.with_extension("output")).expect("so is its output");
                let output = String::from_utf8_lossy(&output).into_owned();
                answers.insert(name, (status.trim_end().to_owned(), output));
            }
        }
        answers
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }
}
