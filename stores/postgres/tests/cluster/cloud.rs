//! A cloud that engines ask over HTTP, in the process that judges them: it writes down who asked for what, and when, on one clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::now;

/// A request, as the cloud saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Of which engine.
    pub(crate) epoch: u64,
    pub(crate) tenant: String,
    /// Whether it changes something.
    pub(crate) writes: bool,
    /// When all of it had come: before that nothing is done about it.
    pub(crate) began: Duration,
    /// When its answer was sent.
    pub(crate) ended: Option<Duration>,
}

/// What the cloud has and has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// What runs for each tenant.
    runs: HashMap<String, String>,
    /// In the order in which they had come.
    pub(crate) asked: Vec<Asked>,
    /// Requests whose end never came.
    pub(crate) torn: usize,
    /// What is done as soon as an engine is in the middle of a request.
    catch: Option<(u64, Box<dyn FnOnce() + Send>)>,
}

#[derive(Clone)]
pub(crate) struct Cloud {
    seen: Arc<Mutex<Seen>>,
    pub(crate) port: u16,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cloud = Self { seen: Arc::default(), port };
        let serves = cloud.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let cloud = serves.clone();
                tokio::spawn(async move {
                    // Who is killed hears no answer.
                    let _ = cloud.serve(connection).await;
                });
            }
        });
        cloud
    }

    pub(crate) fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something as soon as this engine is in the middle of a request.
    pub(crate) fn catch(&self, epoch: u64, then: impl FnOnce() + Send + 'static) {
        self.seen().catch = Some((epoch, Box::new(then)));
    }

    /// An engine is in the middle of a request.
    fn begins(&self, epoch: u64) {
        let caught = self.seen().catch.take_if(|(whose, _)| *whose == epoch);
        if let Some((_, then)) = caught {
            then();
        }
    }

    /// Requests of one connection, one after the other: `METHOD /tenant/epoch` with a body.
    async fn serve(&self, connection: TcpStream) -> std::io::Result<()> {
        let mut connection = BufReader::new(connection);
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let mut parts = line.split_whitespace();
            let method = parts.next().unwrap_or_default().to_owned();
            let mut path = parts.next().unwrap_or_default().split('/').skip(1).map(str::to_owned);
            let (tenant, epoch) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
            let (epoch, writes) = (epoch.parse().expect("an epoch"), method != "GET");
            self.begins(epoch);
            let Ok(body) = rest(&mut connection).await else {
                self.seen().torn += 1;
                return Ok(());
            };
            let number = {
                let mut seen = self.seen();
                let (tenant, began) = (tenant.clone(), now());
                seen.asked.push(Asked { epoch, tenant, writes, began, ended: None });
                seen.asked.len() - 1
            };
            // A change takes its time, and happens whoever waits for it.
            if writes {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..40))).await;
            }
            let answer = {
                let mut seen = self.seen();
                match &*method {
                    "PUT" => drop(seen.runs.insert(tenant.clone(), body)),
                    "DELETE" => drop(seen.runs.remove(&tenant)),
                    _ => {}
                }
                let answer = seen.runs.get(&tenant).cloned().unwrap_or_default();
                if let Some(asked) = seen.asked.get_mut(number) {
                    asked.ended = Some(now());
                }
                answer
            };
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
            connection.get_mut().write_all(answer.as_bytes()).await?;
        }
    }
}

/// The headers and the body of a request.
async fn rest(connection: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut length = 0;
    loop {
        let mut header = String::new();
        if connection.read_line(&mut header).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match header.trim_end().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().expect("a length"),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    String::from_utf8(body).map_err(std::io::Error::other)
}
