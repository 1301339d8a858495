//! A disk for a child process that is full or fails, and what is on it when the power goes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory that stands for a disk. A process started with [`Disk::command`] has its faults (`disk.c`).
pub(super) struct Disk {
    place: tempfile::TempDir,
}

/// Names the disk for the child.
pub(super) const DISK: &str = "TEST_DISK";

impl Disk {
    pub(super) fn new() -> Self {
        let disk = Self { place: tempfile::tempdir().expect("a directory") };
        fs::create_dir(disk.files()).expect("creates");
        disk
    }

    /// Where its files are.
    pub(super) fn files(&self) -> PathBuf {
        self.place.path().canonicalize().expect("it exists").join("disk")
    }

    /// A test of this program, to be run as a process that has this disk.
    pub(super) fn command(&self, test: &str) -> Command {
        let mut command = this_test(test);
        command.env(DISK, self.files()).env("LD_PRELOAD", self.library());
        command
    }

    fn library(&self) -> PathBuf {
        let library = self.place.path().join("disk.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/disk.c");
        let arguments = ["-Wall", "-Werror", "-shared", "-fPIC", "-O1", source, "-ldl", "-o"];
        let compiled = Command::new(compiler).args(arguments).arg(&library).output().expect("a C compiler");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        library
    }

    /// The power goes: of what was written, only that stays which an fsync made durable afterwards.
    pub(super) fn lose_power(&self) {
        let trace = fs::read_to_string(beside(&self.files(), ".trace")).expect("something was written");
        let mut files: HashMap<&str, Vec<bool>> = HashMap::new();
        let mut unkept: HashMap<&str, Vec<bool>> = HashMap::new();
        // The last line may be half of one: what it says was not done for anybody yet.
        for line in trace[..trace.rfind('\n').expect("a line") + 1].lines() {
            let mut words = line.split(' ');
            let (Some(what), Some(name)) = (words.next(), words.next()) else { panic!("what is {line:?}?") };
            let mut number = || words.next().and_then(|word| word.parse::<usize>().ok()).expect("a number");
            // True where a byte is not on the disk yet.
            let written = files.entry(name).or_default();
            let lost = unkept.entry(name).or_default();
            match what {
                "w" => {
                    let (from, length) = (number(), number());
                    for bytes in [&mut *written, &mut *lost] {
                        bytes.resize(bytes.len().max(from + length), false);
                    }
                    written[from..from + length].fill(true);
                    lost[from..from + length].fill(false);
                }
                "s" => written.fill(false),
                // The kernel takes what it could not write for clean: no later fsync writes it.
                "f" => {
                    for (written, lost) in written.iter_mut().zip(lost) {
                        *lost |= std::mem::take(written);
                    }
                }
                "t" => {
                    let length = number();
                    written.resize(length, false);
                    lost.resize(length, false);
                }
                "u" => {
                    written.clear();
                    lost.clear();
                }
                other => panic!("what is {other:?}?"),
            }
        }
        for (name, written) in files {
            let path = self.files().join(name);
            let Ok(mut bytes) = fs::read(&path) else { continue };
            for (at, (written, lost)) in written.iter().zip(&unkept[name]).enumerate() {
                if let Some(byte) = bytes.get_mut(at).filter(|_| *written || *lost) {
                    *byte = 0;
                }
            }
            fs::write(&path, bytes).expect("writes");
        }
    }
}

/// A fault of the disk that this process has, until it is dropped. The process was started with [`Disk::command`].
pub(super) struct Fault(PathBuf);

impl Fault {
    /// No file grows any more.
    pub(super) fn full(disk: &Path) -> Self {
        Self::begin(beside(disk, ".full"))
    }

    /// Every fsync fails, and what it should have kept never gets to the disk.
    pub(super) fn failing(disk: &Path) -> Self {
        Self::begin(beside(disk, ".failing"))
    }

    fn begin(sign: PathBuf) -> Self {
        fs::write(&sign, "").expect("creates");
        Self(sign)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A test of this program, alone, as a process.
pub(super) fn this_test(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]);
    command
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
