//! An actor a tenant, activated on demand under 64 supervisors, by hand.

use std::sync::Arc;

use ractor::concurrency::{JoinHandle, oneshot};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio_util::task::AbortOnDropHandle;

use super::bare_tokio::boxed;
use super::events::{Event, Publisher};
use super::fleet::{Call, Fleet};
use super::landlord::tenant_name;
use super::toy::{Command, Phase, Wanted, begin, end, waits, wanted};

/// As many as the engine has.
const SUPERVISORS: usize = 64;

pub(crate) enum Message {
    Command(Command, Wanted, RpcReplyPort<()>),
    Ended(u64),
}

/// The supervisors of tenants that make this call.
pub(crate) struct Actors {
    shared: Arc<Shared>,
    supervisors: Vec<ActorCell>,
}

pub(crate) struct Shared {
    call: Call,
    publisher: Publisher,
}

impl Actors {
    pub(crate) async fn start(call: Call, publisher: Publisher) -> Self {
        let mut supervisors = Vec::with_capacity(SUPERVISORS);
        for _ in 0..SUPERVISORS {
            supervisors.push(Actor::spawn(None, Supervisor, ()).await.expect("it starts").0.get_cell());
        }
        Self { shared: Arc::new(Shared { call, publisher }), supervisors }
    }
}

/// The way to a tenant's actor.
pub(crate) struct Reference {
    name: String,
    actor: ActorRef<Message>,
}

impl Fleet for Actors {
    type Tenant = Reference;
    type Kept = ActorRef<Message>;

    fn keep(tenant: Reference) -> ActorRef<Message> {
        tenant.actor
    }

    async fn create(&self, number: usize) -> Self::Tenant {
        let supervisor = self.supervisors[number % SUPERVISORS].clone();
        let tenant = (number, Arc::clone(&self.shared));
        let (actor, _) = Actor::spawn_linked(None, Tenant, tenant, supervisor).await.expect("it starts");
        Reference { name: tenant_name(number), actor }
    }

    async fn begin(&self, tenant: &Self::Tenant, command: Command) -> impl Future<Output = ()> + Send {
        let (reply, done) = oneshot();
        let message = Message::Command(command, wanted(&tenant.name, command), reply.into());
        tenant.actor.cast(message).expect("it lives");
        async { done.await.expect("it answers") }
    }
}

struct Tenant;

struct State {
    number: usize,
    shared: Arc<Shared>,
    phase: Phase,
    wanted: Wanted,
    calls: u64,
    waiting: Option<RpcReplyPort<()>>,
    /// An update that begins when the call is over, and who waits for it. The latest one wins.
    queued: Option<(Wanted, RpcReplyPort<()>)>,
    running: Option<AbortOnDropHandle<()>>,
}

impl State {
    fn turn(&mut self, next: Phase) {
        self.shared.publisher.publish(self.number, self.phase, next);
        self.phase = next;
    }

    fn start(&mut self, me: ActorRef<Message>, next: Phase, wanted: Wanted, reply: RpcReplyPort<()>) {
        self.turn(next);
        self.wanted = wanted;
        self.calls += 1;
        self.waiting = Some(reply);
        let (id, call) = (self.calls, boxed(self.shared.call.clone(), self.number));
        self.running = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            call.await;
            let _ = me.cast(Message::Ended(id));
        })));
    }
}

impl Actor for Tenant {
    type Msg = Message;
    type State = State;
    type Arguments = (usize, Arc<Shared>);

    async fn pre_start(
        &self,
        _: ActorRef<Message>,
        (number, shared): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let (phase, calls) = (Phase::Pending, 0);
        Ok(State { number, shared, phase, wanted: None, calls, waiting: None, queued: None, running: None })
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Command(command, wanted, reply) => match begin(state.phase, command) {
                Some(next) => state.start(me, next, wanted, reply),
                None if waits(state.phase, command) => {
                    answer(state.queued.replace((wanted, reply)).map(|(_, reply)| reply));
                }
                None => {}
            },
            Message::Ended(id) if id == state.calls => {
                if let Some(task) = state.running.take() {
                    task.detach();
                }
                state.turn(end(state.phase));
                answer(state.waiting.take());
                if state.phase == Phase::Gone {
                    me.stop(None);
                } else if let Some((wanted, reply)) = state.queued.take() {
                    state.start(me, Phase::Updating, wanted, reply);
                }
            }
            Message::Ended(_) => {}
        }
        Ok(())
    }
}

fn answer(waiting: Option<RpcReplyPort<()>>) {
    if let Some(reply) = waiting {
        let _ = reply.send(());
    }
}

struct Supervisor;

impl Actor for Supervisor {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// Actors that are told of each transition, and end after so many; with their ends.
pub(crate) async fn readers(
    count: usize,
    events: usize,
) -> (Arc<[ActorRef<Arc<Event>>]>, Vec<JoinHandle<()>>) {
    let (mut readers, mut ends) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for _ in 0..count {
        let (reader, end) = Actor::spawn(None, Reader, events).await.expect("it starts");
        readers.push(reader);
        ends.push(end);
    }
    (readers.into(), ends)
}

struct Reader;

impl Actor for Reader {
    type Msg = Arc<Event>;
    /// How many are to come.
    type State = usize;
    type Arguments = usize;

    async fn pre_start(&self, _: ActorRef<Arc<Event>>, events: usize) -> Result<usize, ActorProcessingErr> {
        Ok(events)
    }

    async fn handle(
        &self,
        me: ActorRef<Arc<Event>>,
        event: Arc<Event>,
        to_come: &mut usize,
    ) -> Result<(), ActorProcessingErr> {
        event.read();
        *to_come -= 1;
        if *to_come == 0 {
            me.stop(None);
        }
        Ok(())
    }
}
