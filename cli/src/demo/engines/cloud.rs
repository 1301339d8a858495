//! A platform that is made up: it runs what it is told for each tenant, and writes down which engine asked for what, and when.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// How long it takes to change something, as on any platform.
const TAKES: Duration = Duration::from_millis(400);

/// The platform, on a port of this machine. Clones are of the same.
#[derive(Clone)]
pub(super) struct Cloud {
    pub(super) port: u16,
    seen: Arc<Mutex<Seen>>,
}

/// What it has and has seen.
#[derive(Default)]
struct Seen {
    /// What runs for each tenant.
    runs: BTreeMap<String, String>,
    asked: Vec<Asked>,
}

/// A request.
struct Asked {
    /// Of which engine.
    epoch: u64,
    tenant: String,
    changes: bool,
    begun: Instant,
    ended: Option<Instant>,
}

impl Cloud {
    /// Listens for as long as the program runs.
    pub(super) async fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let cloud = Self { port: listener.local_addr()?.port(), seen: Arc::default() };
        let serves = cloud.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                serves.clone().serve(connection);
            }
        });
        Ok(cloud)
    }

    fn serve(self, connection: TcpStream) {
        let service = service_fn(move |request| {
            let cloud = self.clone();
            // Whatever was begun is done, also where nobody waits for it any more.
            let answered = tokio::spawn(async move { cloud.answer(request).await });
            async move {
                let text = answered.await.unwrap_or_default();
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
            }
        });
        let http = hyper::server::conn::http1::Builder::new();
        // An engine that is killed hears no answer.
        tokio::spawn(http.serve_connection(TokioIo::new(connection), service));
    }

    /// `METHOD /TENANT/EPOCH`: what runs for the tenant then.
    async fn answer(&self, request: Request<Incoming>) -> String {
        let (head, body) = request.into_parts();
        let mut path = head.uri.path().trim_start_matches('/').split('/');
        let tenant = path.next().unwrap_or_default().to_owned();
        let epoch = path.next().and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
        let changes = head.method != Method::GET;
        let number = {
            let mut seen = self.seen();
            let (begun, ended) = (Instant::now(), None);
            seen.asked.push(Asked { epoch, tenant: tenant.clone(), changes, begun, ended });
            seen.asked.len() - 1
        };
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        if changes {
            tokio::time::sleep(TAKES).await;
        }
        let mut seen = self.seen();
        if head.method == Method::PUT {
            seen.runs.insert(tenant.clone(), String::from_utf8_lossy(&body).into_owned());
        } else if head.method == Method::DELETE {
            seen.runs.remove(&tenant);
        }
        if let Some(asked) = seen.asked.get_mut(number) {
            asked.ended = Some(Instant::now());
        }
        seen.runs.get(&tenant).cloned().unwrap_or_default()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tenants run this; of all that run.
    pub(super) fn run(&self, version: &str) -> (usize, usize) {
        let seen = self.seen();
        (seen.runs.values().filter(|runs| *runs == version).count(), seen.runs.len())
    }

    /// How many requests an engine has made.
    pub(super) fn requests_of(&self, epoch: u64) -> usize {
        self.seen().asked.iter().filter(|asked| asked.epoch == epoch).count()
    }

    /// How many changes of an engine are on their way.
    pub(super) fn changes_of(&self, epoch: u64) -> usize {
        let is_open = |asked: &&Asked| asked.epoch == epoch && asked.changes && asked.ended.is_none();
        self.seen().asked.iter().filter(is_open).count()
    }

    /// The tenants for which an engine asked for something although another one had asked since.
    pub(super) fn contested(&self) -> Vec<String> {
        let seen = self.seen();
        // For each tenant the engine that asked last, and those before it.
        let mut last: BTreeMap<&str, (u64, Vec<u64>)> = BTreeMap::new();
        let mut contested = Vec::new();
        let mut asked: Vec<&Asked> = seen.asked.iter().collect();
        asked.sort_by_key(|asked| asked.begun);
        for asked in asked {
            let (epoch, before) = last.entry(&asked.tenant).or_insert((asked.epoch, Vec::new()));
            if before.contains(&asked.epoch) {
                contested.push(asked.tenant.clone());
            } else if *epoch != asked.epoch {
                before.push(std::mem::replace(epoch, asked.epoch));
            }
        }
        contested
    }
}
