//! A tenant has an address that its clients can rely on: through updates, crashes and engines.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use landlord_compute::machines::error::ErrorCode;
use landlord_compute::machines::status::{ComputeState, Health, UpdateStatus};
use landlord_compute::provider::{Context, PlannedEffect, Provider};
use rustix::process::{Pid, Signal, kill_process};

use crate::tenants::client::{self, Connections, Load};
use crate::tenants::program::Program;
use crate::tenants::{Site, free_port, until};

/// Updates to a program, which has to work.
async fn update(site: &Site, cx: &mut Context, program: &Program) {
    let spec = site.spec(cx.subject.tenant.as_str(), program);
    let tenant = cx.subject.tenant.clone();
    let updated = site.provider.update(cx, &tenant, &spec).await.unwrap();
    assert_eq!(updated.status, UpdateStatus::Success);
    cx.applied = Some(spec);
}

/// What an update to a program would do to what runs, each effect once.
async fn planned(site: &Site, cx: &Context, program: &Program) -> Vec<PlannedEffect> {
    let spec = site.spec(cx.subject.tenant.as_str(), program);
    let changes = site.provider.plan(cx, &cx.subject.tenant, &spec).await.unwrap();
    let mut effects: Vec<PlannedEffect> = changes.changes.into_iter().map(|change| change.effect).collect();
    effects.dedup();
    effects
}

async fn provision(site: &Site, cx: &mut Context, program: &Program) -> u16 {
    let spec = site.spec(cx.subject.tenant.as_str(), program);
    let provisioned = site.provider.provision(cx, &spec).await.unwrap();
    cx.applied = Some(spec);
    provisioned.endpoints.first().map_or(0, |endpoint| endpoint.port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_and_a_rollback_fail_no_request() {
    let mut site = Site::new("updates");
    let mut cx = site.context("acme");
    let port = provision(&site, &mut cx, &Program::web(0)).await;
    let load = Load::begin(port, 2);
    for version in 1..=10 {
        update(&site, &mut cx, &Program::web(version)).await;
    }
    // The next engine finds the address where it was, and knows nothing else.
    site.restart();
    let applied = cx.applied.take();
    cx = site.context("acme");
    cx.applied = applied;
    for version in 11..=20 {
        update(&site, &mut cx, &Program::web(version)).await;
    }
    let bad = site.spec("acme", &Program::script("exit 3"));
    let failed = site.provider.update(&cx, &cx.subject.tenant, &bad).await.unwrap_err();
    assert!(failed.message.contains("exited with code 3"), "{failed}");
    assert!(!failed.message.contains("not undone"), "{failed}");
    assert_eq!(client::get(port).unwrap(), "20", "the same address, and what ran before");

    let asked = load.end();
    assert_eq!(client::failed(&asked), Vec::<&String>::new(), "of {} requests", asked.len());
    for version in 0..=20 {
        assert!(asked.contains(&Ok(version.to_string())), "nobody met {version}");
    }
    let status = site.provider.get_status(&cx, &cx.subject.tenant).await.unwrap();
    assert_eq!(status.metadata.get("connections_cut"), None, "nothing had to be cut: {status:?}");
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_waits_for_requests_that_came_since_it_last_looked() {
    let site = Site::new("pauses");
    let mut cx = site.context("acme");
    let thinking = |version: u32| Program::web(version).thinking(20);
    let port = provision(&site, &mut cx, &thinking(0)).await;
    // At most moments nobody is connected.
    let load = Load::of(port, &[Connections::New], Duration::from_millis(30));
    for version in 1..=10 {
        update(&site, &mut cx, &thinking(version)).await;
    }
    let asked = load.end();
    assert_eq!(client::failed(&asked), Vec::<&String>::new(), "of {} requests", asked.len());
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_come_while_a_crash_is_repaired_wait_for_it() {
    let site = Site::new("repair");
    let mut cx = site.context("acme");
    let port = provision(&site, &mut cx, &Program::web(1)).await;
    let [(old, _)] = site.processes()[..] else { panic!("{:?}", site.processes()) };
    let private: u16 = site.variable("PORT").unwrap().parse().unwrap();
    kill_process(old, Signal::KILL).unwrap();
    // Until its last thread has ended, the kernel takes connections for it, which then break.
    until("the crash", || TcpStream::connect(("127.0.0.1", private)).is_err()).await;
    let clients: Vec<_> = (0..8).map(|_| std::thread::spawn(move || client::get(port))).collect();
    let spec = site.spec("acme", &Program::web(1));
    let repaired = site.provider.provision(&cx, &spec).await.unwrap();
    assert_eq!(repaired.endpoints[0].port, port);
    for client in clients {
        assert_eq!(client.join().unwrap().unwrap(), "1");
    }
    let status = site.provider.get_status(&cx, &cx.subject.tenant).await.unwrap();
    assert_eq!((status.health, status.containers[0].restart_count), (Health::Healthy, 1));
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_open_at_the_end_of_the_grace_are_cut_and_counted() {
    let site = Site::new("cut");
    let mut cx = site.context("acme");
    let port = provision(&site, &mut cx, &Program::lines(1)).await;
    let mut long = TcpStream::connect(("127.0.0.1", port)).unwrap();
    long.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let mut said = [0; 2];
    long.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"1\n");

    let (spec, tenant) = (site.spec("acme", &Program::lines(2)), cx.subject.tenant.clone());
    let updating = site.provider.update(&cx, &tenant, &spec);
    let talking = async {
        // New clients are served by the new program while the old one still serves its own.
        until("the new program", || {
            let mut short = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let mut said = [0; 2];
            short.read_exact(&mut said).is_ok() && &said == b"2\n"
        })
        .await;
        long.write_all(b"?\n").unwrap();
        long.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"?\n", "it has its grace");
    };
    let (updated, ()) = tokio::join!(updating, talking);
    assert_eq!(updated.unwrap().status, UpdateStatus::Success);
    assert!(long.read(&mut said).map_or(true, |read| read == 0), "it is cut");
    let status = site.provider.get_status(&cx, &tenant).await.unwrap();
    assert_eq!(status.metadata["connections_cut"], "1", "{status:?}");
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fixed_port_that_another_has_is_refused_by_name_before_anything_starts() {
    let site = Site::new("held");
    let refused = async |tenant: &str, program: &Program| {
        let cx = site.context(tenant);
        let error = site.provider.provision(&cx, &site.spec(tenant, program)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Conflict, "{error}");
        error.message
    };

    // A foreign process: this one.
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = foreign.local_addr().unwrap().port();
    let ran = site.path("ran");
    let leaves_a_trace =
        Program::web(1).having("command", serde_json::json!(["/bin/sh", "-c", "touch $RAN; exec sleep 60"]));
    let traced = leaves_a_trace.having("args", serde_json::json!([])).with("RAN", ran.display()).at(port);
    let message = refused("first", &traced).await;
    let this = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert!(message.contains(&format!("port {port}")), "{message}");
    assert!(message.contains(this.trim()) && message.contains(&std::process::id().to_string()), "{message}");
    assert!(!ran.exists() && site.processes().is_empty(), "nothing was started");

    // Another tenant, which does not listen yet.
    let port = free_port();
    let (slow, first) = (site.spec("first", &Program::web(1).at(port).slow(1500)), site.context("first"));
    let (first, message) = tokio::join!(site.provider.provision(&first, &slow), async {
        until("the first one", || !site.processes().is_empty()).await;
        refused("second", &Program::web(2).at(port)).await
    });
    assert!(message.contains(&format!("port {port}")) && message.contains("tenant first"), "{message}");
    assert_eq!(first.unwrap().endpoints[0].port, port);
    assert_eq!(client::get(port).unwrap(), "1");
    // And when it does.
    let message = refused("second", &Program::web(2).at(port)).await;
    assert!(message.contains("tenant first"), "{message}");
    assert!(site.processes().iter().all(|(_, version)| version == "1"), "{:?}", site.processes());
    let second = site.context("second");
    site.provider.destroy(&second, &second.subject.tenant).await.unwrap();
    site.destroy("first").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_whose_port_was_taken_before_it_listened_is_started_anew_with_another() {
    let site = Site::new("robbed-early");
    let (go, works) = (site.path("go"), site.path("works"));
    // Only its end tells: its check is of no port.
    let check = serde_json::json!({ "type": "exec", "command": ["/bin/sh", "-c", "test -e $WORKS"],
        "interval_seconds": 5, "timeout_seconds": 5, "healthy_threshold": 1, "unhealthy_threshold": 5 });
    let web = Program::web(1).waiting_for(&go).with("WORKS", works.display()).having("health_check", check);
    let (mut cx, spec) = (site.context("acme"), site.spec("acme", &web));
    let (provisioned, thief) = tokio::join!(site.provider.provision(&cx, &spec), async {
        let thief = steal(&site, &[]).await;
        std::fs::write(&go, "").unwrap();
        until("another start", || port_of(&site).is_some_and(|port| port != number(&thief))).await;
        std::fs::write(&works, "").unwrap();
        thief
    });
    let port = provisioned.unwrap().endpoints[0].port;
    until("an answer", || client::get(port).is_ok_and(|version| version == "1")).await;
    cx.applied = Some(spec);
    let status = site.provider.get_status(&cx, &cx.subject.tenant).await.unwrap();
    assert_eq!((status.health, status.containers[0].restart_count), (Health::Healthy, 0), "{status:?}");
    drop(thief);
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_whose_port_another_answers_is_not_healthy_and_after_several_its_holder_is_named() {
    let site = Site::new("stolen");
    let idle = Program::web(1).having("command", serde_json::json!(["/bin/sleep", "60"]));
    let (cx, spec) = (site.context("acme"), site.spec("acme", &idle));
    let mut thieves = Vec::new();
    let stealing = async {
        loop {
            let thief = steal(&site, &thieves).await;
            let answering = thief.try_clone().unwrap();
            std::thread::spawn(move || {
                for mut client in answering.incoming().flatten() {
                    // Whoever asks may have gone.
                    let _gone = client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                }
            });
            thieves.push(thief);
        }
    };
    let error = tokio::select! {
        provisioned = site.provider.provision(&cx, &spec) => provisioned.unwrap_err(),
        () = stealing => unreachable!("it does not end"),
    };
    assert_eq!((error.code, thieves.len()), (ErrorCode::Conflict, 4), "{error}");
    let holder = format!("port {}, where it was to listen, is held by", number(&thieves[3]));
    let pid = format!("(pid {})", std::process::id());
    assert!(error.message.contains(&holder) && error.message.contains(&pid), "{error}");
    site.destroy("acme").await;
}

/// Listens at the port of the site's launch before that does, once it has one that is not stolen yet.
async fn steal(site: &Site, stolen: &[TcpListener]) -> TcpListener {
    let mut port = 0;
    until("a port to steal", || {
        port = port_of(site).unwrap_or(0);
        port != 0 && stolen.iter().all(|thief| number(thief) != port)
    })
    .await;
    TcpListener::bind(("127.0.0.1", port)).unwrap()
}

fn port_of(site: &Site) -> Option<u16> {
    site.variable("PORT").map(|port| port.parse().unwrap())
}

fn number(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_binds_its_fixed_port_itself_is_left_alone_and_updated_stop_first() {
    let site = Site::new("direct");
    let mut cx = site.context("acme");
    let port = free_port();
    let direct = |version| Program::web(version).at(port).binding(port);
    assert_eq!(provision(&site, &mut cx, &direct(1)).await, port);
    let [(old, _)] = site.processes()[..] else { panic!("{:?}", site.processes()) };
    assert_eq!(client::get(port).unwrap(), "1");
    assert_eq!(planned(&site, &cx, &direct(2)).await, [PlannedEffect::StopFirst]);
    // Nothing is in the way of a program that answers at another port.
    assert_eq!(planned(&site, &cx, &Program::web(2).at(free_port())).await, [PlannedEffect::Replace]);
    // Two of them at a time cannot be: the second would find its port taken, and end.
    update(&site, &mut cx, &direct(2)).await;
    assert!(!crate::runs(old));
    assert_eq!(client::get(port).unwrap(), "2");
    // An update that fails brings the old one back.
    let (bad, tenant) = (site.spec("acme", &Program::script("exit 3")), cx.subject.tenant.clone());
    site.provider.update(&cx, &tenant, &bad).await.unwrap_err();
    assert_eq!(client::get(port).unwrap(), "2");
    // From then on the keeper listens there; and back again.
    update(&site, &mut cx, &Program::web(3).at(port)).await;
    assert_eq!(client::get(port).unwrap(), "3");
    assert_eq!(planned(&site, &cx, &direct(4)).await, [PlannedEffect::Replace]);
    update(&site, &mut cx, &Program::web(4).at(port)).await;
    assert_eq!(client::get(port).unwrap(), "4");
    site.destroy("acme").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_go_to_the_program_that_runs() {
    let site = Site::new("datagrams");
    let mut cx = site.context("acme");
    let port = free_port();
    provision(&site, &mut cx, &Program::datagrams(1).at(port)).await;
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(("127.0.0.1", port)).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let ask = || {
        let mut answer = [0; 64];
        // One that comes while nobody listens is lost.
        client.send(b"hello").and_then(|_| client.recv(&mut answer)).map(|read| answer[..read].to_vec())
    };
    until("an echo", || ask().is_ok_and(|answer| answer == b"1 hello")).await;
    update(&site, &mut cx, &Program::datagrams(2).at(port)).await;
    until("the new one's", || ask().is_ok_and(|answer| answer == b"2 hello")).await;
    let status = site.provider.get_status(&cx, &cx.subject.tenant).await.unwrap();
    assert_eq!(status.state, ComputeState::Running);
    site.destroy("acme").await;
}

/// Kills the keeper of the site's tenant and waits for its end.
pub(crate) async fn kill_keeper(site: &Site) {
    let [keeper] = site.keepers()[..] else { panic!("one keeper") };
    kill_process(keeper, Signal::KILL).unwrap();
    // Its first thread may be gone before the last one closes its sockets.
    let is_gone = || rustix::process::test_kill_process(keeper).is_err() || is_zombie(keeper);
    until("the end of the keeper", is_gone).await;
}

/// Whether all that a process had is given back: none of its threads is left but the first, of which only the exit is.
fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let has_ended =
        stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('Z')));
    has_ended && std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.count() == 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_keeper_died_is_updated_at_its_fixed_port() {
    let site = Site::new("widowed");
    let mut cx = site.context("acme");
    let port = free_port();
    provision(&site, &mut cx, &Program::web(1).at(port)).await;
    // What the next keeper has taken over is no stranger's.
    kill_keeper(&site).await;
    update(&site, &mut cx, &Program::web(2).at(port)).await;
    assert_eq!(client::get(port).unwrap(), "2");

    site.destroy("acme").await;

    // Nor is a program that listens there itself.
    let mut cx = site.context("direct");
    let direct = |version| Program::web(version).at(port).binding(port);
    provision(&site, &mut cx, &direct(3)).await;
    kill_keeper(&site).await;
    update(&site, &mut cx, &direct(4)).await;
    assert_eq!(client::get(port).unwrap(), "4");
    site.destroy("direct").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_a_stranger_took_while_there_was_no_keeper_comes_back() {
    let site = Site::new("robbed");
    let mut cx = site.context("acme");
    let port = provision(&site, &mut cx, &Program::web(1)).await;
    kill_keeper(&site).await;
    // A process that is gone has its sockets for a moment more.
    let mut stranger = None;
    until("the end of its listener", || {
        stranger = TcpListener::bind(("127.0.0.1", port)).ok();
        stranger.is_some()
    })
    .await;
    // A look starts the next keeper.
    site.provider.get_status(&cx, &cx.subject.tenant).await.unwrap();
    assert_eq!(site.keepers().len(), 1);
    let says = async || {
        let status = site.provider.get_status(&cx, &cx.subject.tenant).await.unwrap();
        status.containers[0].message.clone().unwrap_or_default()
    };
    let robbed = says().await;
    assert!(robbed.contains(&format!("host port {port} is held by")), "{robbed}");
    assert!(robbed.contains(&format!("(pid {})", std::process::id())), "{robbed}");
    drop(stranger);
    until("an answer", || client::get(port).is_ok_and(|version| version == "1")).await;
    assert_eq!(says().await, "");
    site.destroy("acme").await;
}
