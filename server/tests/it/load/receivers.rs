//! Receivers of webhooks, some of which never answer.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::routing::post;
use landlord_api::{EventFilter, SecretSource, WebhookRequest};
use landlord_client::Client;
use landlord_compute::machines::id::TenantId;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::child::Child;
use super::clients::tenant;
use super::{Size, until};

/// One of so many never answers.
const HANGS: usize = 5;

/// The revisions of a tenant that its receiver got, without a hole, and how often one came again.
#[derive(Default)]
struct Got {
    last: u64,
    again: usize,
}

pub(super) struct Receivers {
    got: Vec<Option<Arc<Mutex<Got>>>>,
}

impl Receivers {
    /// Each is sent the events of one tenant, from the first on.
    pub(super) async fn begin(server: &Child, folder: &TempDir, size: &Size) -> Self {
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "a secret of some length").expect("written");
        let client = Client::unix(server.socket());
        let mut got = Vec::new();
        for number in 0..size.webhooks {
            let hangs = number % HANGS == 0;
            let (url, seen) = if hangs { (hangs_up_on_nobody().await, None) } else { receiver().await };
            let filter = EventFilter { tenant: Some(tenant(number)), ..EventFilter::default() };
            let secret = SecretSource::File(secret.display().to_string());
            let request = WebhookRequest { url, filter, secret, previous_secret: None, after: None };
            client.put_webhook(&format!("w-{number}"), &request).await.expect("made");
            got.push(seen);
        }
        Self { got }
    }

    /// Every receiver that answers was sent each event of its tenant, in order; how many came again.
    pub(super) async fn have_got_all(&self, ends: &[(TenantId, u64)]) -> usize {
        let mut again = 0;
        for (seen, (_, end)) in self.got.iter().zip(ends) {
            let Some(seen) = seen else { continue };
            again += until("the last delivery", async || {
                let seen = seen.lock().expect("no panic");
                (seen.last == *end).then_some(seen.again)
            })
            .await;
        }
        again
    }
}

async fn receiver() -> (String, Option<Arc<Mutex<Got>>>) {
    let seen = Arc::new(Mutex::new(Got::default()));
    let router = Router::new().route("/", post(take)).with_state(Arc::clone(&seen));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, Some(seen))
}

async fn take(State(seen): State<Arc<Mutex<Got>>>, Json(event): Json<Value>) -> StatusCode {
    let revision = event["data"]["revision"].as_u64().expect("an event");
    let mut seen = seen.lock().expect("no panic");
    match revision {
        next if next == seen.last + 1 => seen.last = next,
        earlier if earlier <= seen.last => seen.again += 1,
        // It is not taken, so that the end is never reached.
        _hole => return StatusCode::CONFLICT,
    }
    StatusCode::NO_CONTENT
}

/// Takes connections, and answers nothing.
async fn hangs_up_on_nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = listener.accept().await {
            held.push(connection);
        }
    });
    url
}
