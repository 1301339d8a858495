//! I8: ten thousand callers press again and again on a store that hangs.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{CommandError, Engine, Limits, OperationHandle, Options};

use landlord_testing::faults::Commits;

use super::faulty::Faulty;
use super::{engine, scripted, spec, tenant};

const CALLERS: usize = 10_000;
const TENANTS: usize = 2_000;
/// How many commands may be unanswered.
const COMMANDS: usize = 500;
const ROUNDS: usize = 40;
/// How much memory may grow from the first round to the last. One that kept 100 bytes of each of the 380,000 commands
/// that are refused would take 38 MB.
const GROWTH: usize = 8 << 20;
/// What a process that hangs with everything that it took on may have.
const RESIDENT: usize = 200 << 20;

const CHILD: &str = "LANDLORD_TEST_PRESSURE";

/// I8: in a process of its own, since its memory is measured; once where commits hang, and once where nothing can be read
/// either.
#[test]
fn i8_memory_is_bounded_while_ten_thousand_callers_press_on_a_store_that_hangs() {
    for what in ["commits", "everything"] {
        let test = "engine::pressure::child_that_is_pressed";
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        let output = child.args(["--exact", test, "--nocapture"]).env(CHILD, what).output().expect("starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("all were answered"), "it did not run: {said}");
        said.lines().filter(|line| line.contains("all were answered")).for_each(|line| println!("{line}"));
    }
}

/// Not a test of its own: the process that is measured.
#[tokio::test(start_paused = true)]
async fn child_that_is_pressed() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let store = Faulty::new(Commits::Awaited);
    let limits = Limits::default().commands(COMMANDS);
    let engine = Arc::new(engine(store.clone(), &scripted()).limits(limits).start().await.expect("starts"));
    store.hang(what == "everything");

    let waiting = Arc::new(AtomicUsize::new(0));
    let mut callers = Vec::new();
    let mut refused = 0;
    let (mut first, mut last) = (0, 0);
    for round in 0..ROUNDS {
        for caller in 0..CALLERS {
            // Those that wait for an answer do not ask again.
            if round > 0 && caller < COMMANDS {
                continue;
            }
            match press(&engine, caller, &waiting) {
                Some(waits) => callers.push(waits),
                None => refused += 1,
            }
        }
        // Paused time goes on when everything hangs that can.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(callers.len(), COMMANDS, "no more are taken on than may be");
        last = resident();
        if round == 0 {
            first = last;
        }
    }
    assert_eq!(refused, ROUNDS * (CALLERS - COMMANDS), "the others are told at once");
    assert_eq!(waiting.load(SeqCst), COMMANDS, "nobody was answered while the store hung");
    assert!(last - first < GROWTH, "{first} bytes after the first round, {last} after the last");
    assert!(last < RESIDENT, "{last} bytes");

    store.go_on();
    for caller in callers {
        let operation = caller.await.expect("no panic").expect("it is accepted, late");
        assert_eq!(operation.await.expect("settles"), Settled::Done);
    }
    assert_eq!(waiting.load(SeqCst), 0);
    // And whoever was refused is taken on now.
    let mut again: FuturesUnordered<_> = (0..CALLERS).map(|caller| until_done(&engine, caller)).collect();
    while again.next().await.is_some() {}
    println!(
        "{refused} commands were refused and {COMMANDS} waited ({what} hung): from {} to {} MiB; all were answered",
        first >> 20,
        last >> 20
    );
}

type Waits = tokio::task::JoinHandle<Result<OperationHandle, CommandError>>;

/// A caller asks. None when it is told at once that it is too much.
fn press(engine: &Arc<Engine>, caller: usize, waiting: &Arc<AtomicUsize>) -> Option<Waits> {
    let (engine, waiting) = (Arc::clone(engine), Arc::clone(waiting));
    let mut asked = Box::pin(async move { provision(&engine, caller).await });
    // One look at the future: whatever is not ready then is not answered at once.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match asked.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Err(CommandError::Overloaded(_))) => None,
        std::task::Poll::Ready(other) => panic!("the store hangs, and yet: {other:?}"),
        std::task::Poll::Pending => {
            waiting.fetch_add(1, SeqCst);
            Some(tokio::spawn(async move {
                let answer = asked.await;
                waiting.fetch_sub(1, SeqCst);
                answer
            }))
        }
    }
}

async fn provision(engine: &Engine, caller: usize) -> Result<OperationHandle, CommandError> {
    let id = format!("t{}", caller % TENANTS);
    engine.tenant(tenant(&id)).provision(spec(&id, "v1"), Options::default()).await
}

async fn until_done(engine: &Engine, caller: usize) {
    loop {
        match provision(engine, caller).await {
            Ok(operation) => {
                assert_eq!(operation.await.expect("settles"), Settled::Done);
                return;
            }
            Err(CommandError::Overloaded(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(other) => panic!("caller {caller}: {other}"),
        }
    }
}

/// The memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("reads");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says");
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1024
}
