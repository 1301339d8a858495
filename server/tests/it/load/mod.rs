//! Many clients and many readers of one server, which is killed in the middle: nothing but "too much" is refused, and
//! nothing that was answered is lost.
//!
//! Also how fast that is, beside a bare axum handler that makes the same commit. Nothing is asserted of time.

#![expect(clippy::print_stdout, reason = "it says how fast it was")]

mod bare;
mod child;
mod clients;
mod readers;
mod receivers;

use std::time::{Duration, Instant};

use landlord_client::Client;
use tempfile::TempDir;

use child::{Child, Role};
use clients::{Load, Measured};
use readers::Readers;
use receivers::Receivers;

/// How large it is: tenants, clients, streams of one tenant, streams of all, webhooks.
struct Size {
    tenants: usize,
    clients: usize,
    of_one: usize,
    of_all: usize,
    webhooks: usize,
}

impl Size {
    /// The whole is 10,000 tenants, 2,000 clients, 1,000 streams and 50 webhooks; `LANDLORD_LOAD` says how many hundredths of it (10).
    fn wanted() -> Self {
        let wanted = std::env::var("LANDLORD_LOAD").ok();
        let hundredths: usize = wanted.map_or(10, |wanted| wanted.parse().expect("a number"));
        let of = |whole: usize| (whole * hundredths / 100).max(1);
        Self { tenants: of(10_000), clients: of(2_000), of_one: of(990), of_all: of(10), webhooks: of(50) }
    }
}

/// The most memory that the server may have had.
const MEMORY: u64 = 1_000_000_000;

/// Not a test: a server that waits to be killed.
#[test]
fn serves_when_asked() {
    child::serve_if_asked();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: ./test.sh long"]
async fn nothing_is_lost_under_load_and_a_kill() {
    more_files();
    let size = Size::wanted();
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Child::start(&folder, Role::Engine).await;
    let clients = clients(&server, &size);
    let readers = Readers::begin(&server, &size).await;
    let receivers = Receivers::begin(&server, &folder, &size).await;
    let load = Load::new(clients, size.tenants);

    let provisioned = load.provision().await;
    say("provision, as fast as it goes", &provisioned);
    let updated = load.update_at(1, provisioned.per_second() / 2.0).await;
    say("update, at half of that rate", &updated);
    // Each client sends its next command again and again until it is answered.
    let killing = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.kill();
        server = Child::start(&folder, Role::Engine).await;
    };
    let (killed, ()) = tokio::join!(load.update_at(2, f64::INFINITY), killing);
    say("update, with a kill -9 in the middle", &killed);

    load.every_answer_is_known().await;
    let ends = load.revisions().await;
    readers.have_seen_all(&ends).await;
    println!("{} deliveries to webhooks came again", receivers.have_got_all(&ends).await);
    let peak = server.peak_memory();
    println!("the server had at most {} MB", peak / 1_000_000);
    assert!(peak < MEMORY, "{peak} bytes");

    let bare = beside_a_bare_handler(&size, provisioned.per_second() / 2.0).await;
    println!(
        "beside a bare handler: {:.2} of its maximum; p99 at half of ours {:.2} of its at that rate",
        provisioned.per_second() / bare.most.per_second(),
        updated.p99().as_secs_f64() / bare.half.p99().as_secs_f64(),
    );
}

/// What a bare handler does.
struct Bare {
    most: Measured,
    half: Measured,
}

async fn beside_a_bare_handler(size: &Size, rate: f64) -> Bare {
    let folder: TempDir = tempfile::tempdir().expect("a folder");
    let server = Child::start(&folder, Role::Bare).await;
    let load = Load::new(clients(&server, size), size.tenants);
    let most = load.provision().await;
    say("a bare handler, as fast as it goes", &most);
    let half = load.update_at(1, rate).await;
    say("a bare handler, at half of the engine's rate", &half);
    Bare { most, half }
}

fn clients(server: &Child, size: &Size) -> Vec<Client> {
    (0..size.clients).map(|_| Client::unix(server.socket())).collect()
}

fn say(what: &str, measured: &Measured) {
    println!(
        "{what}: {} commands in {:.1} s, {:.0} a second; p50 {:.1?}, p99 {:.1?}; {} were too much and came again",
        measured.answers.len(),
        measured.took.as_secs_f64(),
        measured.per_second(),
        measured.quantile(0.5),
        measured.p99(),
        measured.too_much,
    );
}

/// Thousands of connections need as many descriptors, on both sides.
fn more_files() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, wanted).expect("up to the hard limit");
    assert!(limit.maximum.is_none_or(|most| most > 8_000), "ulimit -Hn is too small: {limit:?}");
}

/// How long until something is so.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
