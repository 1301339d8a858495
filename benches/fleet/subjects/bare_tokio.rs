//! A task and a channel a tenant, by hand: what one gives up durability, supervision and events for.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::events::Publisher;
use super::fleet::{Call, Fleet};
use super::landlord::tenant_name;
use super::toy::{Command, Phase, Wanted, begin, end, waits, wanted};

enum Message {
    Command(Command, Wanted, oneshot::Sender<()>),
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

/// The way to a tenant's task.
pub(crate) struct Tenant {
    name: String,
    task: Task,
}

/// Ends with the tenant, and the tenant with it.
pub(crate) struct Task(mpsc::Sender<Message>);

impl Fleet for Tasks {
    type Tenant = Tenant;
    type Kept = Task;

    fn keep(tenant: Tenant) -> Task {
        tenant.task
    }

    async fn create(&self, number: usize) -> Tenant {
        let (sender, inbox) = mpsc::channel(16);
        let life = Life {
            number,
            shared: Arc::clone(&self.0),
            me: sender.clone(),
            phase: Phase::Pending,
            wanted: None,
            calls: 0,
            waiting: None,
            queued: None,
            running: None,
        };
        tokio::spawn(life.live(inbox));
        Tenant { name: tenant_name(number), task: Task(sender) }
    }

    async fn begin(&self, tenant: &Tenant, command: Command) -> impl Future<Output = ()> + Send {
        let (reply, done) = oneshot::channel();
        let message = Message::Command(command, wanted(&tenant.name, command), reply);
        tenant.task.0.send(message).await.expect("it lives");
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
    wanted: Wanted,
    calls: u64,
    waiting: Option<oneshot::Sender<()>>,
    /// An update that begins when the call is over, and who waits for it. The latest one wins.
    queued: Option<(Wanted, oneshot::Sender<()>)>,
    running: Option<AbortOnDropHandle<()>>,
}

impl Life {
    async fn live(mut self, mut inbox: mpsc::Receiver<Message>) {
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Command(command, wanted, reply) => match begin(self.phase, command) {
                    Some(next) => self.start(next, wanted, reply),
                    None if waits(self.phase, command) => {
                        answer(self.queued.replace((wanted, reply)).map(|(_, reply)| reply));
                    }
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
                    if let Some((wanted, reply)) = self.queued.take() {
                        self.start(Phase::Updating, wanted, reply);
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

    fn start(&mut self, next: Phase, wanted: Wanted, reply: oneshot::Sender<()>) {
        self.turn(next);
        self.wanted = wanted;
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
