//! How 1813ea4 launched a process, word for word. Frozen: it is what runs on machines, whatever launches are today.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landlord_testing::recorded::until;
use serde::{Deserialize, Serialize};

/// What the launching shell ran, with the record, the limits (empty for none) and the command as its arguments.
const SCRIPT: &str = r#"set -e
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
IFS= read -r stat < "/proc/$$/stat"
printf 'LANDLORD_STAT=%s\n' "$stat" >> "$1"
[ -z "$2" ] || ulimit -d "$2"
[ -z "$3" ] || ulimit -f "$3"
shift 3
export LANDLORD_PID=$$
exec "$@"
"#;

/// A launch that runs, as it was recorded.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Launch {
    pub(super) tenant: String,
    pub(super) container: String,
    pub(super) launch: String,
    /// The lines of its record that the engine wrote. The shell adds its own line of `/proc/<pid>/stat`.
    pub(super) record: Vec<String>,
    /// Its environment, without what the shell adds.
    pub(super) environ: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) directory: PathBuf,
    /// Its limits as the shell is given them: units of 1024 bytes of data, of 512 bytes of each file.
    pub(super) limits: [String; 2],
}

impl Launch {
    /// Names it among all launches of a store.
    pub(super) fn name(&self) -> String {
        format!("{}/{}.{}", self.tenant, self.container, self.launch)
    }

    /// The path of one of its files.
    pub(super) fn file(&self, state: &Path, extension: &str) -> PathBuf {
        state.join(&self.tenant).join(format!("{}.{}.{extension}", self.container, self.launch))
    }

    /// Starts it. Returns once it runs its program.
    pub(super) fn start(&self, state: &Path) -> Child {
        let directory = state.join(&self.tenant);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).expect("a directory");
        let path = self.file(state, "record");
        let mut record =
            OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path).expect("a new file");
        for line in &self.record {
            writeln!(record, "{line}").expect("written");
        }
        let log = |kind: &str| -> File {
            let path = self.file(state, kind);
            OpenOptions::new().create(true).append(true).mode(0o600).open(path).expect("a file")
        };
        let pairs = self.environ.iter().map(|line| line.split_once('=').expect("a variable"));
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "landlord"])
            .arg(path.canonicalize().expect("a path"))
            .args(&self.limits)
            .args(&self.command)
            .env_clear()
            .envs(pairs)
            .current_dir(&self.directory)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log("out"))
            .stderr(log("err"))
            .spawn()
            .expect("a shell");
        let words = || std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
        until("the shell's becoming the program", || {
            assert!(process(child.id()).is_some(), "{} ended at once", self.name());
            let words = words();
            !words.is_empty() && !words.split(|byte| *byte == 0).any(|word| word == SCRIPT.as_bytes())
        });
        child
    }
}

/// A process as the kernel names it: its pid and when it started.
pub(super) type Process = (u32, u64);

/// The process of a pid, and whether it is one: a zombie only waits to be read.
pub(super) fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    (fields.first() != Some(&"Z")).then_some((pid, fields.get(19)?.parse().ok()?))
}

/// Everything that lives with an engine's tags: the first process of each launch by the launch's name, and how many
/// others there are. Found without the provider.
pub(super) fn living(engine: &str) -> (BTreeMap<String, Process>, usize) {
    let (mut leaders, mut others) = (BTreeMap::new(), 0);
    for entry in std::fs::read_dir("/proc").expect("Linux").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that ends meanwhile has neither.
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let environ = String::from_utf8_lossy(&environ);
        let variables: BTreeMap<&str, &str> =
            environ.split('\0').filter_map(|pair| pair.split_once('=')).collect();
        let get = |name: &str| variables.get(name).copied().unwrap_or_default();
        let Some(process) = process(pid).filter(|_| get("LANDLORD_ENGINE_ID") == engine) else { continue };
        if get("LANDLORD_PID") == pid.to_string() {
            let [tenant, container, launch] =
                ["LANDLORD_TENANT_ID", "LANDLORD_CONTAINER", "LANDLORD_LAUNCH"].map(get);
            leaders.insert(format!("{tenant}/{container}.{launch}"), process);
        } else {
            others += 1;
        }
    }
    (leaders, others)
}

/// Kills a process; of a negative number, a group.
pub(super) fn kill(pid: String) {
    Command::new("kill").args(["-9", "--", &pid]).status().expect("it runs");
}

/// Ends whatever is left of an engine's fleet when a test ends, however it ends.
pub(super) struct Cleanup(pub(super) String);

impl Drop for Cleanup {
    fn drop(&mut self) {
        // Again for what was started by one that was being killed. What is left then is seen by the next look.
        for _ in 0..100 {
            let (leaders, others) = living(&self.0);
            if leaders.is_empty() && others == 0 {
                return;
            }
            leaders.values().for_each(|(pid, _)| kill(format!("-{pid}")));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
