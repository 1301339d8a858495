//! An actor a tenant, activated on demand under 64 supervisors, by hand.

use ractor::concurrency::oneshot;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio_util::task::AbortOnDropHandle;

use super::bare_tokio::boxed;
use super::fleet::{Call, Fleet};
use super::toy::{Command, Phase, begin, end};

/// As many as the engine has.
const SUPERVISORS: usize = 64;

pub(crate) enum Message {
    Command(Command, RpcReplyPort<()>),
    Ended(u64),
}

/// The supervisors of tenants that make this call.
pub(crate) struct Actors {
    call: Call,
    supervisors: Vec<ActorCell>,
}

impl Actors {
    pub(crate) async fn start(call: Call) -> Self {
        let mut supervisors = Vec::with_capacity(SUPERVISORS);
        for _ in 0..SUPERVISORS {
            supervisors.push(Actor::spawn(None, Supervisor, ()).await.expect("it starts").0.get_cell());
        }
        Self { call, supervisors }
    }
}

impl Fleet for Actors {
    type Tenant = ActorRef<Message>;
    type Kept = ActorRef<Message>;

    fn keep(tenant: ActorRef<Message>) -> ActorRef<Message> {
        tenant
    }

    async fn create(&self, number: usize) -> Self::Tenant {
        let supervisor = self.supervisors[number % SUPERVISORS].clone();
        let started = Actor::spawn_linked(None, Tenant, self.call.clone(), supervisor).await;
        started.expect("it starts").0
    }

    async fn begin(&self, tenant: &Self::Tenant, command: Command) -> impl Future<Output = ()> + Send {
        let (reply, done) = oneshot();
        tenant.cast(Message::Command(command, reply.into())).expect("it lives");
        async { done.await.expect("it answers") }
    }
}

struct Tenant;

struct State {
    call: Call,
    phase: Phase,
    calls: u64,
    waiting: Option<RpcReplyPort<()>>,
    running: Option<AbortOnDropHandle<()>>,
}

impl Actor for Tenant {
    type Msg = Message;
    type State = State;
    type Arguments = Call;

    async fn pre_start(&self, _: ActorRef<Message>, call: Call) -> Result<State, ActorProcessingErr> {
        Ok(State { call, phase: Phase::Pending, calls: 0, waiting: None, running: None })
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Command(command, reply) => {
                let Some(next) = begin(state.phase, command) else { return Ok(()) };
                state.phase = next;
                state.calls += 1;
                state.waiting = Some(reply);
                let (id, call) = (state.calls, boxed(state.call.clone()));
                state.running = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                    call.await;
                    let _ = me.cast(Message::Ended(id));
                })));
            }
            Message::Ended(id) if id == state.calls => {
                if let Some(task) = state.running.take() {
                    task.detach();
                }
                state.phase = end(state.phase);
                if let Some(reply) = state.waiting.take() {
                    let _ = reply.send(());
                }
                if state.phase == Phase::Gone {
                    me.stop(None);
                }
            }
            Message::Ended(_) => {}
        }
        Ok(())
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
