//! A task and a channel a tenant, by hand: what one gives up durability, supervision and events for.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::Size;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Phase {
    Pending,
    Provisioning,
    Running,
    Updating,
    Destroying,
    Gone,
}

#[derive(Clone, Copy)]
pub(crate) enum Command {
    Provision,
    Update,
    Destroy,
}

/// What begins with a command; none where it is not allowed.
pub(crate) fn begin(phase: Phase, command: Command) -> Option<Phase> {
    match (phase, command) {
        (Phase::Pending, Command::Provision) => Some(Phase::Provisioning),
        (Phase::Running, Command::Update) => Some(Phase::Updating),
        (Phase::Running | Phase::Pending, Command::Destroy) => Some(Phase::Destroying),
        (_, Command::Provision | Command::Update | Command::Destroy) => None,
    }
}

/// What comes of a call that worked.
pub(crate) fn end(phase: Phase) -> Phase {
    match phase {
        Phase::Provisioning | Phase::Updating => Phase::Running,
        Phase::Destroying => Phase::Gone,
        Phase::Pending | Phase::Running | Phase::Gone => phase,
    }
}

/// The provider call, as a boxed future like that of any provider behind a trait object.
pub(crate) async fn call() {
    let call: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async {});
    call.await;
}

enum Message {
    Command(Command, oneshot::Sender<()>),
    Ended(u64),
}

async fn tenant(me: mpsc::Sender<Message>, mut inbox: mpsc::Receiver<Message>) {
    let mut phase = Phase::Pending;
    let mut calls = 0;
    let mut waiting = None;
    let mut running: Option<AbortOnDropHandle<()>> = None;
    while let Some(message) = inbox.recv().await {
        match message {
            Message::Command(command, reply) => {
                let Some(next) = begin(phase, command) else { continue };
                phase = next;
                calls += 1;
                waiting = Some(reply);
                let (me, id) = (me.clone(), calls);
                running = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                    call().await;
                    let _ = me.send(Message::Ended(id)).await;
                })));
            }
            Message::Ended(id) if id == calls => {
                if let Some(task) = running.take() {
                    task.detach();
                }
                phase = end(phase);
                if let Some(reply) = waiting.take() {
                    let _ = reply.send(());
                }
                if phase == Phase::Gone {
                    return;
                }
            }
            Message::Ended(_) => {}
        }
    }
}

pub(crate) fn lifecycle(size: Size) -> Duration {
    super::runtime().block_on(async move {
        let began = Instant::now();
        let clients = (0..size.clients).map(|client| {
            tokio::spawn(async move {
                for _ in (client..size.tenants).step_by(size.clients) {
                    let (sender, inbox) = mpsc::channel(16);
                    tokio::spawn(tenant(sender.clone(), inbox));
                    for command in [Command::Provision, Command::Update, Command::Destroy] {
                        let (reply, done) = oneshot::channel();
                        sender.send(Message::Command(command, reply)).await.expect("it lives");
                        done.await.expect("it answers");
                    }
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("no panic");
        }
        began.elapsed()
    })
}
