//! Readers of events, who connect again where they were cut off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use landlord_client::{Begin, Client, EventsQuery, Message};
use landlord_compute::machines::id::TenantId;
use tokio::task::JoinSet;

use super::child::Child;
use super::clients::tenant;
use super::{Size, until};

/// The last revision of each tenant that a reader has seen, without a hole before it.
type Seen = Arc<Mutex<HashMap<TenantId, u64>>>;

pub(super) struct Readers {
    of_one: Vec<Seen>,
    of_all: Vec<Seen>,
    _reading: JoinSet<()>,
}

impl Readers {
    pub(super) async fn begin(server: &Child, size: &Size) -> Self {
        let mut reading = JoinSet::new();
        let mut begin = |of: Option<TenantId>| {
            let (seen, client) = (Seen::default(), Client::unix(server.socket()));
            reading.spawn(read(client, of, Arc::clone(&seen)));
            seen
        };
        let of_one = (0..size.of_one).map(|_| begin(Some(tenant(0)))).collect();
        let of_all = (0..size.of_all).map(|_| begin(None)).collect();
        Self { of_one, of_all, _reading: reading }
    }

    /// Every reader has seen each of its tenants up to its last revision.
    pub(super) async fn have_seen_all(&self, ends: &[(TenantId, u64)]) {
        let all = |seen: &Seen, ends: &[(TenantId, u64)]| {
            let seen = seen.lock().expect("no panic");
            ends.iter().all(|(tenant, revision)| seen.get(tenant) == Some(revision)).then_some(())
        };
        for seen in &self.of_one {
            until("the end of a tenant's stream", async || all(seen, &ends[..1])).await;
        }
        for seen in &self.of_all {
            until("the end of everybody's stream", async || all(seen, ends)).await;
        }
    }
}

/// Reads from the first event on, again after where it was whenever it is cut off.
async fn read(client: Client, of: Option<TenantId>, seen: Seen) {
    let mut query = EventsQuery { begin: Begin::Start, follow: true };
    // Of a tenant that never was the first events cannot be asked for; before it is made nothing is missed.
    if of.is_some() {
        query.begin = Begin::Now;
    }
    loop {
        if let Ok(mut events) = client.events(of.as_ref(), &query).await {
            query.begin = Begin::After(events.begins().clone());
            while let Some(Ok(message)) = events.next().await {
                query.begin = Begin::After(message.cursor().clone());
                let Message::Event(event) = message else { panic!("nothing was dropped from the store") };
                let mut seen = seen.lock().expect("no panic");
                let last = seen.entry(event.data.tenant_id.clone()).or_default();
                assert_eq!(event.data.revision.0, *last + 1, "{}", event.data.tenant_id);
                *last += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
