//! An actor a tenant, activated on demand under 64 supervisors, by hand.

use std::time::{Duration, Instant};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio_util::task::AbortOnDropHandle;

use super::Size;
use super::bare_tokio::{Command, Phase, begin, call, end};

enum Message {
    Command(Command, RpcReplyPort<()>),
    Ended(u64),
}

struct Tenant;

struct State {
    phase: Phase,
    calls: u64,
    waiting: Option<RpcReplyPort<()>>,
    running: Option<AbortOnDropHandle<()>>,
}

impl Actor for Tenant {
    type Msg = Message;
    type State = State;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<State, ActorProcessingErr> {
        Ok(State { phase: Phase::Pending, calls: 0, waiting: None, running: None })
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
                let id = state.calls;
                state.running = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                    call().await;
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

pub(crate) fn lifecycle(size: Size) -> Duration {
    super::runtime().block_on(async move {
        let mut supervisors: Vec<ActorCell> = Vec::new();
        for _ in 0..64 {
            supervisors.push(Actor::spawn(None, Supervisor, ()).await.expect("it starts").0.get_cell());
        }
        let began = Instant::now();
        let clients = (0..size.clients).map(|client| {
            let supervisors = supervisors.clone();
            tokio::spawn(async move {
                for n in (client..size.tenants).step_by(size.clients) {
                    let supervisor = supervisors[n % supervisors.len()].clone();
                    let (tenant, _) =
                        Actor::spawn_linked(None, Tenant, (), supervisor).await.expect("it starts");
                    for command in [Command::Provision, Command::Update, Command::Destroy] {
                        ractor::call!(tenant, |reply| Message::Command(command, reply)).expect("it answers");
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
