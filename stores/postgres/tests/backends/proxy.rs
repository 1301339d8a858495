//! A proxy before a server, which loses an answer, or brings a statement late.

use std::sync::{Arc, Mutex};

use landlord_testing::postgres::{Does, Statements};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What is in the statement that makes a batch, and in no other.
const COMMIT: &str = "happened AS";
/// What ends a request.
const SYNC: &[u8] = &[b'S', 0, 0, 0, 4];
/// What ends an answer: the transaction is over.
const READY: &[u8] = &[b'Z', 0, 0, 0, 5];

/// What becomes of the next commit.
pub(crate) enum Fate {
    /// It is made, and its answer is lost.
    Unanswered,
    /// The connection is lost before it arrives. It arrives all the same, once that is asked for.
    Late(mpsc::Sender<Held>),
}

/// A commit on its way.
pub(crate) struct Held {
    server: TcpStream,
    request: Vec<u8>,
}

impl Held {
    /// It arrives; the bytes of the answer.
    pub(crate) async fn arrive(mut self) -> Vec<u8> {
        self.server.write_all(&self.request).await.expect("the server takes it");
        let mut answer = Vec::new();
        while !contains(&answer, READY) {
            let mut some = [0; 4096];
            let read = self.server.read(&mut some).await.expect("the server answers");
            assert_ne!(read, 0, "the server hung up");
            answer.extend_from_slice(&some[..read]);
        }
        answer
    }
}

/// It ends when it is dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    next: Arc<Mutex<Option<Fate>>>,
    serves: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let next = Arc::new(Mutex::new(None));
        let fates = Arc::clone(&next);
        let serves = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fates = Arc::clone(&fates);
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", server)).await.expect("the server listens");
                    // That a connection ends is no fault here.
                    let _over = pass(client, server, &fates).await;
                });
            }
        });
        Self { port, next, serves }
    }

    /// Says what becomes of the next commit.
    pub(crate) fn next(&self, fate: Fate) {
        *self.next.lock().expect("no panic") = Some(fate);
    }

    /// The next commit is held; it comes here.
    pub(crate) fn hold_next(&self) -> mpsc::Receiver<Held> {
        let (held, comes) = mpsc::channel(1);
        self.next(Fate::Late(held));
        comes
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    fates: &Mutex<Option<Fate>>,
) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    // What came of a request so far.
    let mut request = Vec::new();
    let mut commits = Statements::with(COMMIT);
    let mut is_lost = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let read = read?;
                if read == 0 {
                    return server.shutdown().await;
                }
                request.extend_from_slice(&asked[..read]);
                // What begins a connection ends with nothing that is known here, and is passed on as it comes.
                if matches!(request.first(), Some(b'P' | b'B' | b'C')) && !request.ends_with(SYNC) {
                    continue;
                }
                if commits.look(&request) == Some(Does::CarryOut) {
                    let fate = fates.lock().expect("no panic").take();
                    match fate {
                        None => {}
                        Some(Fate::Unanswered) => is_lost = true,
                        Some(Fate::Late(held)) => {
                            drop(client);
                            let _gone = held.send(Held { server, request }).await;
                            return Ok(());
                        }
                    }
                }
                server.write_all(&request).await?;
                request.clear();
            }
            read = server.read(&mut answered) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                if is_lost {
                    // Only what ends the answer tells that the commit is over.
                    if contains(&answered[..read], READY) {
                        return Ok(());
                    }
                    continue;
                }
                client.write_all(&answered[..read]).await?;
            }
        }
    }
}
