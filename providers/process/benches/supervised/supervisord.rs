//! supervisord with the same programs: as long as one of them takes to count as started, a second, and no checks.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::{Asked, Took, server};

/// The first port of its programs, below those that the provider gives away.
const PORTS: usize = 12_000;

/// Says when all run; then has all stopped, and says when they are.
const CLIENT: &str = r#"
import sys, time
from supervisor.xmlrpc import SupervisorTransport
from xmlrpc.client import ServerProxy

def reach():
    return ServerProxy("http://127.0.0.1", SupervisorTransport(serverurl="unix://" + sys.argv[1])).supervisor

while True:
    try:
        states = [process["statename"] for process in reach().getAllProcessInfo()]
        if len(states) == int(sys.argv[2]) and all(state == "RUNNING" for state in states):
            break
    except Exception:
        pass
    time.sleep(0.05)
print("running", flush=True)
sys.stdin.readline()
reach().stopAllProcesses()
print("stopped", flush=True)
"#;

pub(crate) fn measure(asked: &Asked) -> Took {
    let dir = tempfile::tempdir().expect("a directory");
    let configuration = dir.path().join("supervisord.conf");
    std::fs::write(&configuration, text(asked.tenants, dir.path())).expect("written");
    let begun = Instant::now();
    let mut supervisord = Command::new(&asked.supervisord)
        .args(["--nodaemon", "--configuration"])
        .arg(&configuration)
        .stdout(Stdio::null())
        .spawn()
        .expect("supervisord starts: name it with --supervisord");
    let mut client = client(asked, &dir.path().join("socket"));
    let mut said = BufReader::new(client.stdout.take().expect("piped")).lines();
    let mut await_word = |word: &str| {
        let line = said.next().expect("a line").expect("text");
        assert_eq!(line, word);
    };
    await_word("running");
    let start = begun.elapsed();

    let begun = Instant::now();
    client.stdin.take().expect("piped").write_all(b"\n").expect("it listens");
    await_word("stopped");
    let stop = begun.elapsed();
    client.wait().expect("it ends");
    kill_process(Pid::from_child(&supervisord), Signal::TERM).expect("it lives");
    supervisord.wait().expect("it ends");
    Took { start, ended: stop, stop }
}

/// Speaks to supervisord in its own words, with the Python that it runs in.
fn client(asked: &Asked, socket: &Path) -> Child {
    let beside = Path::new(&asked.supervisord).with_file_name("python");
    let python = if beside.exists() { beside.as_path() } else { Path::new("python3") };
    let mut client = Command::new(python);
    client.args(["-c", CLIENT]).arg(socket).arg(asked.tenants.to_string());
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts")
}

fn text(tenants: usize, dir: &Path) -> String {
    let (program, word) = server::command();
    let (program, dir) = (program.display(), dir.display());
    let mut text = format!(
        "[supervisord]\nlogfile={dir}/log\npidfile={dir}/pid\nminfds=8192\nminprocs=2000\n\
         [unix_http_server]\nfile={dir}/socket\n\
         [rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
    );
    for n in 0..tenants {
        let port = PORTS + n;
        let _infallible = write!(
            text,
            "[program:tenant-{n}]\ncommand={program} {word} {port}\nstartsecs=1\n\
             stdout_logfile={dir}/{n}.log\nredirect_stderr=true\n"
        );
    }
    text
}
