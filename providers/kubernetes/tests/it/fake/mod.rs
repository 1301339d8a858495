//! A fake of a Kubernetes cluster: its API server over real HTTP, and the controllers behind it.
//!
//! The cluster is a state machine: requests and the time come in. Its API is at a port of this machine until the last
//! [`Fake`] of it is dropped. What a pod does is said by its containers' images ([`Behaviour`]); a test reaches in by
//! hand (`hands.rs`), and makes requests go wrong ([`Trap`]).

mod admission;
mod answer;
mod asked;
mod behaviour;
mod controllers;
mod defaults;
mod defaults_pod;
mod deletes;
mod discovery;
mod fieldset;
mod hands;
mod http;
mod kinds;
mod life;
mod lists;
mod logs;
mod managed;
mod merge;
mod mishap;
mod pace;
mod patch;
mod quantity;
mod queue;
mod reads;
mod request;
mod rights;
mod schema;
mod security;
mod selector;
mod settings;
mod status;
mod store;
mod streams;
mod too_new;
mod validate;
mod watch;
mod world;
mod writes;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch as signal};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(crate) use behaviour::Behaviour;
pub(crate) use kinds::Kind;
pub(crate) use mishap::{Mishap, Trap};
pub(crate) use pace::Pace;
pub(crate) use request::Verb;
pub(crate) use rights::{Grant, User};
pub(crate) use settings::{Balancers, Claims, Settings};
pub(crate) use status::{Refusal, RefusalBody};

use world::World;

/// A cluster.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    shared: Arc<Shared>,
    address: SocketAddr,
    // Its tasks end with it.
    _tasks: Arc<JoinSet<()>>,
}

/// The cluster, for those who use it and those who move it.
#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// Counts what happened that a watch may have to tell.
    changed: signal::Sender<u64>,
    /// There is something for the controllers.
    wake: Notify,
}

impl Shared {
    /// Does something with the cluster, and tells those who wait for a change.
    fn act<T>(&self, what: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.now = Instant::now();
        let (before, planned) = (world.signature(), world.queue.next());
        let done = what(&mut world);
        let (changed, next) = (world.signature() != before, world.queue.next());
        drop(world);
        if changed {
            self.changed.send_modify(|count| *count += 1);
        }
        if next != planned {
            self.wake.notify_one();
        }
        done
    }
}

impl Fake {
    /// A cluster with nothing in it, at a port of this machine. It has to be called within a runtime.
    pub(crate) fn start(settings: Settings) -> Self {
        let (changed, _) = signal::channel(0);
        let world = Mutex::new(World::new(settings));
        let shared = Arc::new(Shared { world, changed, wake: Notify::new() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(http::serve(Arc::clone(&shared), listener));
        tasks.spawn(move_on(Arc::clone(&shared)));
        Self { shared, address, _tasks: Arc::new(tasks) }
    }

    /// Where its API is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// The controllers.
async fn move_on(shared: Arc<Shared>) {
    loop {
        let (more, next) = shared.act(|world| (world.run(), world.queue.next()));
        if more {
            tokio::task::yield_now().await;
            continue;
        }
        let woken = shared.wake.notified();
        match next {
            Some(next) => {
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = woken => {}
                }
            }
            None => woken.await,
        }
    }
}
