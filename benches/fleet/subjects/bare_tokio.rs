//! A task and a channel a tenant, by hand: what one gives up durability, supervision and events for.

use std::pin::Pin;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::fleet::{Call, Fleet};
use super::toy::{Command, Phase, begin, end};

enum Message {
    Command(Command, oneshot::Sender<()>),
    Ended(u64),
}

/// Tenants that make this call.
pub(crate) struct Tasks(pub(crate) Call);

/// The way to a tenant's task, which ends with the tenant.
pub(crate) struct Tenant(mpsc::Sender<Message>);

impl Fleet for Tasks {
    type Tenant = Tenant;
    type Kept = Tenant;

    fn keep(tenant: Tenant) -> Tenant {
        tenant
    }

    async fn create(&self, _: usize) -> Tenant {
        let (sender, inbox) = mpsc::channel(16);
        tokio::spawn(tenant(self.0.clone(), sender.clone(), inbox));
        Tenant(sender)
    }

    async fn begin(&self, tenant: &Tenant, command: Command) -> impl Future<Output = ()> + Send {
        let (reply, done) = oneshot::channel();
        tenant.0.send(Message::Command(command, reply)).await.expect("it lives");
        async { done.await.expect("it answers") }
    }
}

/// As a boxed future, like the call of any provider behind a trait object.
pub(crate) fn boxed(call: Call) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(call.make())
}

async fn tenant(call: Call, me: mpsc::Sender<Message>, mut inbox: mpsc::Receiver<Message>) {
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
                let (me, id, call) = (me.clone(), calls, boxed(call.clone()));
                running = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                    call.await;
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
