//! Keepers with real processes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use landlord_state_machines::error::ProviderError;
use landlord_state_machines::planner::process::{
    Check, Exit, ExitCause, Port, Probed, Process, ProcessCall, ProcessLife, ProcessReply, Protocol, Signal,
    Stop,
};
use landlord_state_machines::spec::{HealthCheckConfig, ResourceRequirements};

use super::client::{self, AskError};
use super::protocol::{Answer, Refusal, Request, SOCKET, VERSION};
use crate::procfs;
use crate::tags::Owner;
use crate::testing::{Bench, PATIENCE, until};

/// A launch with this check.
async fn checked(bench: &Bench, check: &str) -> Process {
    checked_within(bench, PATIENCE, check).await
}

/// A launch with this check, and how long a try of it may take.
async fn checked_within(bench: &Bench, timeout: Duration, check: &str) -> Process {
    let mut start = bench.command(&["sleep", "600"]);
    start.manifest.readiness.timeout_seconds = timeout.as_secs().try_into().unwrap();
    start.manifest.readiness.check = Check::Exec;
    start.container.env = [("COLOUR".to_owned(), "blue".to_owned())].into();
    start.working_dir = "/usr".to_owned();
    let command = ["/bin/sh", "-c", check].map(str::to_owned).into();
    start.container.health_check = Some(HealthCheckConfig { command, ..HealthCheckConfig::default() });
    bench.start(start).await
}

fn failed(probed: Probed) -> String {
    match probed {
        Probed::Failed { why, .. } => why,
        other @ (Probed::Passed { .. } | Probed::Gone(_)) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_exec_check_runs_where_its_launch_runs_also_under_a_later_keeper() {
    let bench = Bench::new();
    let leader = checked(&bench, "test \"$COLOUR\" = blue && test \"$(pwd)\" = /usr").await;
    assert_eq!(bench.probe(leader, Check::Exec).await, Probed::Passed { times: 1 });
    assert_eq!(bench.probe(leader, Check::Exec).await, Probed::Passed { times: 2 });
    bench.kill_keeper();
    assert_eq!(bench.probe(leader, Check::Exec).await, Probed::Passed { times: 1 });
}

#[tokio::test]
async fn an_exec_check_that_fails_says_how() {
    let bench = Bench::new();
    let leader = checked(&bench, "exit 4").await;
    assert_eq!(failed(bench.probe(leader, Check::Exec).await), "exec check: exit status: 4");
}

#[tokio::test]
async fn an_exec_check_is_killed_with_its_group_when_its_time_is_over() {
    let bench = Bench::new();
    let leader = checked_within(&bench, Duration::from_secs(1), "sleep 500 & sleep 501").await;
    assert_eq!(failed(bench.probe(leader, Check::Exec).await), "exec check: not done within 1s");
    bench.until_alive("the end of the check", 1).await;
}

#[tokio::test]
async fn a_launch_that_ended_is_gone() {
    let bench = Bench::new();
    let leader = bench.start(bench.script("exit 5")).await;
    bench.until_alive("the end", 0).await;
    let gone = Probed::Gone(Exit::of(ExitCause::Code(5)));
    assert_eq!(bench.probe(leader, Check::Alive).await, gone);
}

#[tokio::test]
async fn nothing_escapes_by_going_into_the_background() {
    let bench = Bench::new();
    let script = "(setsid env -i sleep 600 &) ; env -i setsid sh -c 'sleep 610 & exit' & exec sleep 620";
    let leader = bench.start(bench.script(script)).await;
    let name = || std::fs::read_to_string(format!("/proc/{}/comm", leader.pid)).unwrap();
    until("the program", || name() == "sleep\n");
    bench.signal(Stop::Term).await;
    assert_eq!(bench.until_left(&["sleep", "sleep"]).await.cause, ExitCause::Signal(15));
    bench.signal(Stop::Kill).await;
    bench.until_alive("the end of all", 0).await;
    assert!(!procfs::is_alive(procfs::Identity::new(leader.pid, leader.start_time).unwrap()));
}

#[tokio::test]
async fn a_program_that_goes_into_the_background_is_named() {
    let bench = Bench::new();
    bench.start(bench.script("setsid env -i sleep 600 & exit 0")).await;
    assert_eq!(
        bench.until_left(&["sleep"]).await.to_string(),
        "exited with code 0 and left sleep in the background; run it in the foreground"
    );
}

#[tokio::test]
async fn the_first_process_alone_is_asked_to_end() {
    let bench = Bench::new();
    let script = "sh -c 'trap \"echo worker asked\" TERM; while :; do sleep 0.05; done' & \
                  trap 'echo first asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    bench.start(bench.script(script)).await;
    until("the start", || bench.printed().contains("ready"));
    bench.signal(Stop::Term).await;
    until("the first", || bench.printed().contains("first asked"));
    bench.signal(Stop::Kill).await;
    bench.until_alive("the end", 0).await;
    assert!(!bench.printed().contains("worker asked"), "{}", bench.printed());
}

#[tokio::test]
async fn a_launch_outlives_its_keeper_and_prints_on_under_the_next() {
    let bench = Bench::new();
    let script = "n=0; while :; do echo line $n; n=$((n+1)); sleep 0.01; done";
    let leader = bench.start(bench.script(script)).await;
    until("a line", || bench.printed().contains("line 3\n"));
    bench.kill_keeper();
    assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
    bench.make(ProcessCall::Keep).await.unwrap();
    until("more lines", || bench.printed().contains("line 60\n"));
    let printed = bench.printed();
    let lines: Vec<&str> = printed.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("stdout F line {number}"), "a line is missing");
    }
    bench.signal(Stop::Kill).await;
    bench.until_alive("the end", 0).await;
}

#[tokio::test]
async fn a_tenant_has_no_terminal_and_a_session_of_its_own() {
    let bench = Bench::new();
    // `$$` in a command stands for one `$`.
    let script = "read -r pid name state parent group session rest < /proc/self/stat; echo $session; echo $$$$; umask; sh -c 'echo > /dev/tty' 2>&1";
    bench.start(bench.script(script)).await;
    until("its lines", || bench.printed().lines().count() >= 4);
    let printed = bench.printed();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], lines[1], "it leads its session");
    assert_eq!(lines[2], "stdout F 0022");
    assert!(lines[3].contains("No such device or address"), "{printed}");
}

#[tokio::test]
async fn memory_that_is_used_up_is_reported_as_such() {
    if !crate::testing::is_root("a limit of memory by a group of processes") {
        return;
    }
    let bench = Bench::new();
    let mut start = bench.command(&["tail", "/dev/zero"]);
    start.resources = ResourceRequirements { cpu: 1000, memory: 50, ..ResourceRequirements::default() };
    bench.start(start).await;
    bench.until_alive("the end", 0).await;
    let killed = Exit::of(ExitCause::OutOfMemory);
    assert_eq!(bench.life().await, Some(ProcessLife::Files(killed)));
}

#[tokio::test]
async fn a_tenant_runs_as_the_user_of_its_configuration() {
    if !crate::testing::is_root("another user") {
        return;
    }
    let bench = Bench::new();
    let mut start =
        bench.script("id -u; id -G; echo to the log > /dev/stdout; grep NoNewPrivs /proc/self/status");
    start.user = Some("nobody".to_owned());
    bench.start(start).await;
    until("its lines", || bench.printed().lines().count() == 4);
    let printed = bench.printed();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines, ["stdout F 65534", "stdout F 65534", "stdout F to the log", "stdout F NoNewPrivs:\t1"]);
}

#[tokio::test]
async fn who_ends_a_launch_is_told_what_is_left_of_it() {
    let bench = Bench::new();
    let leader = bench.start(bench.script("trap '' TERM; sleep 600 & echo ready; wait; wait")).await;
    until("its line", || bench.printed().contains("ready"));
    assert_eq!(bench.signal(Stop::Term).await, Some(ProcessLife::Leader(leader)));
    let killed = Exit::of(ExitCause::Signal(9));
    // Where there is no group, the others are killed after the first one, and may take a moment more.
    let deadline = Instant::now() + PATIENCE;
    let mut told = bench.signal(Stop::Kill).await;
    while matches!(told, Some(ProcessLife::Orphans(_))) && Instant::now() < deadline {
        told = bench.signal(Stop::Kill).await;
    }
    assert_eq!(told, Some(ProcessLife::Files(killed)));

    let bench = Bench::new();
    let is_there = "while [ $(cat /proc/$!/comm) != sleep ]; do :; done";
    bench.start(bench.script(&format!("setsid sleep 600 & {is_there}; echo ready; exec sleep 610"))).await;
    until("its line", || bench.printed().contains("ready"));
    bench.until_alive("both", 2).await;
    let exit = Exit { cause: ExitCause::Signal(15), left: vec!["sleep".to_owned()] };
    assert_eq!(bench.signal(Stop::Term).await, Some(ProcessLife::Orphans(exit)));
}

#[tokio::test]
async fn a_grace_of_nothing_is_not_waited_for() {
    let bench = Bench::new();
    let mut start = bench.script("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    start.manifest.stop_grace_seconds = 0;
    let leader = bench.start(start).await;
    until("its line", || bench.printed().contains("ready"));
    let begun = Instant::now();
    assert_eq!(bench.signal(Stop::Term).await, Some(ProcessLife::Leader(leader)));
    assert!(begun.elapsed() < super::serve::MOMENT, "{:?}", begun.elapsed());
}

/// In between another process may have taken a port that was found free.
#[tokio::test]
async fn a_launch_whose_port_another_process_took_is_not_started_and_leaves_nothing() {
    let bench = Bench::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let host_port = taken.local_addr().unwrap().port();
    let mut start = bench.command(&["sleep", "600"]);
    start.manifest.ports = vec![Port {
        container_port: 80,
        host_port,
        private_port: Some(host_port.wrapping_add(1)),
        protocol: Protocol::Tcp,
        name: None,
    }];
    bench.make(ProcessCall::Keep).await.unwrap();
    let launch = start.launch;
    let reply = bench.make(ProcessCall::Start(Box::new(start))).await.unwrap();
    let ProcessReply::Robbed { launch: robbed, thief } = reply else { panic!("{reply:?}") };
    assert_eq!((robbed, thief.port), (launch, host_port));
    assert!(thief.holder.contains(&std::process::id().to_string()), "{thief}");
    assert_eq!(bench.life().await, None);
}

/// A keeper that ends has connections that it never accepted.
#[tokio::test]
async fn a_keeper_that_ends_while_it_is_asked_is_absent() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..500 {
        let socket = UnixListener::bind(dir.path().join(SOCKET)).unwrap();
        let ends = std::thread::spawn(move || drop(socket));
        match client::ask(dir.path(), Request::Find).await {
            Err(AskError::Absent | AskError::Unanswered) => {}
            other => panic!("{other:?}"),
        }
        ends.join().unwrap();
        std::fs::remove_file(dir.path().join(SOCKET)).unwrap();
    }
}

/// Answers one request each as a keeper of an older build, which does not know this one.
fn answer_as_an_older_keeper(socket: &UnixListener, answers: &[(&str, &str)]) {
    for (asked, answer) in answers {
        let (stream, _) = socket.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        assert!(line.contains(asked), "{line}");
        (&stream).write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn a_keeper_of_an_older_build_is_told_to_end_a_launch_in_its_own_words() {
    let bench = Bench::new();
    let dir = bench.dir.path().join("state/acme");
    std::fs::create_dir_all(&dir).unwrap();
    let socket = UnixListener::bind(dir.join(SOCKET)).unwrap();
    let keeper = std::thread::spawn(move || {
        let unknown = r#"{"refused":{"request":"unknown variant `stop_and_see`"}}"#;
        let answers = [
            (r#"{"version":2,"request":{"stop_and_see":"#, unknown),
            (r#"{"version":1,"request":{"stop":"#, r#""done""#),
            (r#"{"version":1,"request":"find"}"#, r#"{"refused":{"system":"not asked again"}}"#),
        ];
        answer_as_an_older_keeper(&socket, &answers);
    });
    let launch = "1-1".parse().unwrap();
    let order = ProcessCall::Signal(Signal { launch, leader: None, stop: Stop::Term, ails: None });
    let refused = bench.make(order).await.unwrap_err();
    assert!(refused.message.contains("not asked again"), "{refused}");
    keeper.join().unwrap();
}

#[tokio::test]
async fn a_request_of_a_newer_build_is_refused_with_the_version_that_is_spoken() {
    let bench = Bench::new();
    bench.make(ProcessCall::Keep).await.unwrap();
    let mut stream = UnixStream::connect(bench.dir.path().join("state/acme").join(SOCKET)).unwrap();
    stream.write_all(b"{\"version\":99,\"request\":{\"juggle\":1}}\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    let answer = serde_json::from_str(&line).unwrap();
    let Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal, Refusal::Version(VERSION));
}

#[tokio::test]
async fn a_keeper_of_an_older_build_is_dismissed_in_its_own_words() {
    let bench = Bench::new();
    let dir = bench.dir.path().join("state/acme");
    std::fs::create_dir_all(&dir).unwrap();
    let socket = UnixListener::bind(dir.join(SOCKET)).unwrap();
    let keeper = std::thread::spawn(move || {
        let answers = [
            (r#"{"version":5,"request":"dismiss"}"#, r#"{"refused":{"version":4}}"#),
            (r#"{"version":1,"request":{"forget":{"launch":"1-1"}}}"#, r#""done""#),
            (r#"{"version":1,"request":"end"}"#, r#""done""#),
        ];
        answer_as_an_older_keeper(&socket, &answers);
    });
    dismiss(&bench).await.unwrap();
    keeper.join().unwrap();
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_keeper_with_nothing_to_keep_is_dismissed_with_its_files() {
    let bench = Bench::new();
    bench.make(ProcessCall::Keep).await.unwrap();
    bench.make(ProcessCall::Keep).await.unwrap();
    let nothing = || ProcessCall::Dismiss { launches: BTreeMap::new() };
    bench.make(nothing()).await.unwrap();
    bench.make(nothing()).await.unwrap();
    assert!(!bench.dir.path().join("state/acme").exists());
}

/// Dismisses the keeper with launch 1-1.
async fn dismiss(bench: &Bench) -> Result<ProcessReply, ProviderError> {
    let launches = BTreeMap::from([("1-1".parse().unwrap(), "web".to_owned())]);
    bench.make(ProcessCall::Dismiss { launches }).await
}

#[tokio::test]
async fn a_keeper_is_dismissed_with_what_has_ended_and_not_with_what_runs() {
    let bench = Bench::new();
    let leader = bench.start(bench.script("sleep 600 & sleep 610")).await;
    bench.until_alive("all of it", 3).await;
    let refused = dismiss(&bench).await.unwrap_err();
    assert!(refused.message.contains("launch 1-1 still runs"), "{refused}");
    assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
    bench.signal(Stop::Term).await;
    bench.until_left(&["sleep", "sleep"]).await;
    dismiss(&bench).await.unwrap_err();
    bench.signal(Stop::Kill).await;
    bench.until_alive("nothing", 0).await;
    dismiss(&bench).await.unwrap();
    assert!(!bench.dir.path().join("state/acme").exists());
    if let Ok(groups) = bench.machine.groups(&Owner::of(&bench.subject)) {
        let group = groups.tenant(&bench.subject.provider, &bench.subject.tenant);
        assert!(group.launches().unwrap().is_empty() && group.processes().unwrap().is_empty());
    }
}
