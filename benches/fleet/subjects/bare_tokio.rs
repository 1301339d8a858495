//! A task and a channel a tenant, by hand: what one gives up durability, supervision and events for.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::events::Publisher;
use super::fleet::{Call, Fleet};
use super::toy::{Command, Phase, begin, end, waits};

enum Message {
    Command(Command, oneshot::Sender<()>),
    Ended(u64),
}

/// Tenants that make this call.
pub(crate) struct Tasks(Arc<Shared>);

struct Shared {
    call: Call,
    publisher: Publisher,
}

impl Tasks {
    pub(crate) fn new(call: Call, publisher: Publisher) -> Self {
        Self(Arc::new(Shared { call, publisher }))
    }
}

/// The way to a tenant's task, which ends with the tenant.
pub(crate) struct Tenant(mpsc::Sender<Message>);

impl Fleet for Tasks {
    type Tenant = Tenant;
    type Kept = Tenant;

    fn keep(tenant: Tenant) -> Tenant {
        tenant
    }

    async fn create(&self, number: usize) -> Tenant {
        let (sender, inbox) = mpsc::channel(16);
        let life = Life {
            number,
            shared: Arc::clone(&self.0),
            me: sender.clone(),
            phase: Phase::Pending,
            calls: 0,
            waiting: None,
            queued: None,
            running: None,
        };
        tokio::spawn(life.live(inbox));
        Tenant(sender)
    }

    async fn begin(&self, tenant: &Tenant, command: Command) -> impl Future<Output = ()> + Send {
        let (reply, done) = oneshot::channel();
        tenant.0.send(Message::Command(command, reply)).await.expect("it lives");
        async { done.await.expect("it answers") }
    }
}

/// As a boxed future, like the call of any provider behind a trait object.
pub(crate) fn boxed(call: Call, tenant: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(call.make(tenant))
}

struct Life {
    number: usize,
    shared: Arc<Shared>,
    me: mpsc::Sender<Message>,
    phase: Phase,
    calls: u64,
    waiting: Option<oneshot::Sender<()>>,
    /// Who waits for an update that begins when the call is over. The latest one wins.
    queued: Option<oneshot::Sender<()>>,
    running: Option<AbortOnDropHandle<()>>,
}

impl Life {
    async fn live(mut self, mut inbox: mpsc::Receiver<Message>) {
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Command(command, reply) => match begin(self.phase, command) {
                    Some(next) => self.start(next, reply),
                    None if waits(self.phase, command) => answer(self.queued.replace(reply)),
                    None => {}
                },
                Message::Ended(id) if id == self.calls => {
                    if let Some(task) = self.running.take() {
                        task.detach();
                    }
                    self.turn(end(self.phase));
                    answer(self.waiting.take());
                    if self.phase == Phase::Gone {
                        return;
                    }
                    if let Some(reply) = self.queued.take() {
                        self.start(Phase::Updating, reply);
                    }
                }
                Message::Ended(_) => {}
            }
        }
    }

    fn turn(&mut self, next: Phase) {
        self.shared.publisher.publish(self.number, self.phase, next);
        self.phase = next;
    }

    fn start(&mut self, next: Phase, reply: oneshot::Sender<()>) {
        self.turn(next);
        self.calls += 1;
        self.waiting = Some(reply);
        let (me, id, call) = (self.me.clone(), self.calls, boxed(self.shared.call.clone(), self.number));
        self.running = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            call.await;
            let _ = me.send(Message::Ended(id)).await;
        })));
    }
}

fn answer(waiting: Option<oneshot::Sender<()>>) {
    if let Some(reply) = waiting {
        let _ = reply.send(());
    }
}
