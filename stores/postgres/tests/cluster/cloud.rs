//! A cloud that engines ask over HTTP, in the process that judges them: it writes down who asked for what, and when, on one clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request, as the cloud saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Of which engine.
    pub(crate) epoch: u64,
    pub(crate) tenant: String,
    /// Whether it changes something.
    pub(crate) writes: bool,
    /// When its first byte was read, and when its answer was sent, since the cloud began.
    pub(crate) began: Duration,
    pub(crate) ended: Option<Duration>,
}

/// What the cloud has and has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// What runs for each tenant.
    pub(crate) runs: HashMap<String, String>,
    pub(crate) asked: Vec<Asked>,
}

#[derive(Clone)]
pub(crate) struct Cloud {
    pub(crate) seen: Arc<Mutex<Seen>>,
    begun: Instant,
    pub(crate) port: u16,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cloud = Self { seen: Arc::default(), begun: Instant::now(), port };
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

    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests of one connection, one after the other: `METHOD /tenant/epoch` with a body.
    async fn serve(&self, connection: TcpStream) -> std::io::Result<()> {
        let mut connection = BufReader::new(connection);
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let began = self.now();
            let mut parts = line.split_whitespace();
            let method = parts.next().unwrap_or_default().to_owned();
            let mut path = parts.next().unwrap_or_default().split('/').skip(1).map(str::to_owned);
            let (tenant, epoch) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
            let writes = method != "GET";
            let number = {
                let mut seen = self.seen();
                let epoch = epoch.parse().expect("an epoch");
                seen.asked.push(Asked { epoch, tenant: tenant.clone(), writes, began, ended: None });
                seen.asked.len() - 1
            };
            let mut length = 0;
            loop {
                let mut header = String::new();
                connection.read_line(&mut header).await?;
                match header.trim_end().split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().expect("a length"),
                    Some(_) => {}
                    None => break,
                }
            }
            let mut body = vec![0; length];
            connection.read_exact(&mut body).await?;
            let body = String::from_utf8(body).expect("text");
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
                let ended = self.now();
                if let Some(asked) = seen.asked.get_mut(number) {
                    asked.ended = Some(ended);
                }
                answer
            };
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
            connection.get_mut().write_all(answer.as_bytes()).await?;
        }
    }
}
