//! The way from one engine to the primary, whichever server that is: it can be cut, and it can hold a statement on its way.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::database::DATABASE;
use super::wire::{Answers, Known, Requests, Statement, end_of};

/// How a way is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing that the engine asks comes through.
    Asked,
    /// Nothing that the server answers comes through.
    Answered,
    /// Nothing comes through.
    Both,
    /// Connections end, and none is made.
    Refused,
}

impl Cut {
    fn stops_requests(self) -> bool {
        match self {
            Self::Asked | Self::Both | Self::Refused => true,
            Self::Answered => false,
        }
    }

    fn stops_answers(self) -> bool {
        match self {
            Self::Answered | Self::Both | Self::Refused => true,
            Self::Asked => false,
        }
    }
}

/// How it is with a way.
#[derive(Clone, Copy, Default)]
struct State {
    cut: Option<Cut>,
    /// How often all its connections were ended.
    resets: u64,
}

/// The next statement of a kind goes to whoever waits for it.
struct Trap {
    what: Statement,
    caught: oneshot::Sender<Held>,
}

/// It lets no new connection in once it is dropped; what is on its way still arrives.
pub(crate) struct Way {
    port: u16,
    state: watch::Sender<State>,
    trap: Arc<Mutex<Option<Trap>>>,
    accepts: JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

impl Way {
    pub(crate) async fn to(primary: Arc<AtomicU16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (state, watched) = watch::channel(State::default());
        let trap = Arc::default();
        let traps = Arc::clone(&trap);
        let accepts = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if watched.borrow().cut == Some(Cut::Refused) {
                    // Whether it is told so matters little.
                    let _ = client.set_zero_linger();
                    continue;
                }
                let (watched, traps) = (watched.clone(), Arc::clone(&traps));
                let primary = primary.load(Ordering::Acquire);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", primary)).await {
                        pass(client, server, watched, traps).await;
                    }
                });
            }
        });
        Self { port, state, trap, accepts }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{DATABASE}?sslmode=disable", self.port)
    }

    pub(crate) fn cut(&self, cut: Cut) {
        self.state.send_modify(|state| {
            state.cut = Some(cut);
            state.resets += u64::from(cut == Cut::Refused);
        });
    }

    /// The way is open again, if it was cut. Connections go on with what did not come through, or have ended.
    pub(crate) fn heal(&self, goes_on: bool) {
        self.state.send_if_modified(|state| {
            let was_cut = state.cut.take().is_some();
            state.resets += u64::from(was_cut && !goes_on);
            was_cut
        });
    }

    /// Holds the next statement of this kind; it comes here.
    pub(crate) fn hold_next(&self, what: Statement) -> oneshot::Receiver<Held> {
        let (caught, comes) = oneshot::channel();
        *self.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some(Trap { what, caught });
        comes
    }
}

/// A statement on its way.
pub(crate) struct Held {
    steps: mpsc::Sender<Step>,
    answer: oneshot::Receiver<usize>,
}

enum Step {
    /// It arrives but for its last message, and so is carried out and not committed.
    AllButItsEnd,
    End,
}

impl Held {
    /// It is carried out, and not committed.
    pub(crate) async fn arrive_but_for_its_end(&self) {
        // Where the server has ended, nothing arrives.
        let _ = self.steps.send(Step::AllButItsEnd).await;
    }

    /// It arrives; how many rows it answered with. None where the server has ended.
    pub(crate) async fn arrive(self) -> Option<usize> {
        let _ = self.steps.send(Step::End).await;
        self.answer.await.ok()
    }
}

/// Who is told of each answer.
type Expected = Mutex<VecDeque<Option<oneshot::Sender<usize>>>>;

/// One connection, until the server has ended it or it is reset.
async fn pass(
    client: TcpStream,
    server: TcpStream,
    mut state: watch::Receiver<State>,
    trap: Arc<Mutex<Option<Trap>>>,
) {
    let resets = state.borrow().resets;
    for connection in [&client, &server] {
        // It only is slower otherwise.
        let _ = connection.set_nodelay(true);
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let expected: Expected = Mutex::default();
    let (requests, queue) = mpsc::channel(4096);
    // It is read on while the way is cut: what was sent before an engine died arrives after it all the same.
    let reads = async move {
        let mut source = Requests::of(from_client);
        while let Ok(request) = source.next().await {
            if requests.send(request).await.is_err() {
                return;
            }
        }
    };
    let (watched, mut changes) = (state.clone(), state.clone());
    let asks = async {
        // The server's end of it says the rest.
        let ((), _ended) = tokio::join!(reads, ask(queue, to_server, watched, &trap, &expected));
        std::future::pending::<()>().await;
    };
    let reset = async {
        // Nobody changes it any more once the engine is gone.
        if changes.wait_for(|state| state.resets != resets).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = asks => {}
        () = answer(Answers::of(from_server), to_client, &mut state, &expected) => {}
        () = reset => {}
    }
}

async fn ask(
    mut queue: mpsc::Receiver<Vec<u8>>,
    mut server: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    trap: &Mutex<Option<Trap>>,
    expected: &Expected,
) -> io::Result<()> {
    let expect = |who| expected.lock().unwrap_or_else(PoisonError::into_inner).push_back(who);
    let mut known = Known::new();
    while let Some(request) = queue.recv().await {
        let what = known.look(&request);
        let caught = {
            let mut trap = trap.lock().unwrap_or_else(PoisonError::into_inner);
            trap.take_if(|trap| Some(trap.what) == what)
        };
        let Some(Trap { caught, .. }) = caught else {
            // Nobody changes it any more once the engine is gone.
            let _ = state.wait_for(|state| !state.cut.is_some_and(Cut::stops_requests)).await;
            expect(None);
            server.write_all(&request).await?;
            continue;
        };
        let ((steps, mut told), (answered, answer)) = (mpsc::channel(1), oneshot::channel());
        expect(Some(answered));
        let mut sent = 0;
        if caught.send(Held { steps, answer }).is_ok() {
            while let Some(Step::AllButItsEnd) = told.recv().await {
                server.write_all(request.get(sent..end_of(&request)).unwrap_or_default()).await?;
                sent = end_of(&request);
            }
        }
        server.write_all(request.get(sent..).unwrap_or_default()).await?;
    }
    server.shutdown().await
}

async fn answer(
    mut answers: Answers,
    mut client: OwnedWriteHalf,
    state: &mut watch::Receiver<State>,
    expected: &Expected,
) {
    let mut listens = true;
    while let Ok(part) = answers.next().await {
        if let Some(rows) = part.ends {
            let who = expected.lock().unwrap_or_else(PoisonError::into_inner).pop_front().flatten();
            // Whoever asked may have given up.
            let _ = who.map(|who| who.send(rows));
        }
        if listens {
            let _ = state.wait_for(|state| !state.cut.is_some_and(Cut::stops_answers)).await;
            listens = client.write_all(&part.bytes).await.is_ok();
        }
    }
}
