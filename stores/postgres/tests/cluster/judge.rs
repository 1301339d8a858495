//! What must be so of a trial, whatever happened in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio_postgres::Client;

use super::cloud::Asked;

/// What the engines said.
#[derive(Default)]
pub(crate) struct Said {
    /// Every operation that a caller was told of, and its tenant.
    pub(crate) accepted: HashMap<String, String>,
    /// Those whose end a caller was told of.
    pub(crate) settled: HashSet<String>,
    /// How many commands failed for the store, and what the last one said.
    pub(crate) failed: (usize, String),
    /// What subscribers heard: by position the tenant and its revision.
    pub(crate) events: BTreeMap<u64, (String, u64)>,
    /// Where two of them heard different things.
    pub(crate) differ: Vec<String>,
}

impl Said {
    pub(crate) fn event(&mut self, position: u64, tenant: &str, revision: u64) {
        let heard = (tenant.to_owned(), revision);
        let first = self.events.entry(position).or_insert_with(|| heard.clone());
        if *first != heard {
            self.differ.push(format!("at {position} {first:?} and {heard:?}"));
        }
    }
}

/// Everything that is wrong, a sentence each.
pub(crate) async fn judge(said: &Said, asked: &[Asked], client: &Client) -> Vec<String> {
    let mut wrong = requests(asked);
    wrong.extend(said.differ.iter().map(|differ| format!("subscribers heard different things {differ}")));
    wrong.extend(log(said, client).await);
    wrong.extend(operations(said, client).await);
    wrong
}

/// Once another engine has asked for a tenant, the one before it never does again; and writes of two never overlap. Engines come and go
/// too fast here for shards to move back.
fn requests(asked: &[Asked]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_tenant: BTreeMap<&str, Vec<&Asked>> = BTreeMap::new();
    for asked in asked {
        by_tenant.entry(&asked.tenant).or_default().push(asked);
    }
    for (tenant, requests) in by_tenant {
        let mut before: BTreeMap<u64, Duration> = BTreeMap::new();
        for pair in requests.windows(2) {
            let [one, next] = pair else { continue };
            if one.epoch != next.epoch {
                before.insert(one.epoch, one.began);
                if let Some(own) = before.get(&next.epoch) {
                    let (late, at) = (next.epoch, next.began);
                    wrong.push(format!(
                        "{tenant}: engine {late} asked at {own:?}, then another one, then it again at {at:?}"
                    ));
                }
            }
        }
        let writes: Vec<&&Asked> = requests.iter().filter(|asked| asked.writes).collect();
        for pair in writes.windows(2) {
            let [before, after] = pair else { continue };
            let overlap = before.ended.is_none_or(|ended| ended > after.began);
            if before.epoch != after.epoch && overlap {
                wrong.push(format!("{tenant}: writes overlap: {before:?} {after:?}"));
            }
        }
    }
    wrong
}

/// Positions and revisions have no holes, and subscribers heard what is there.
async fn log(said: &Said, client: &Client) -> Vec<String> {
    let rows =
        client.query("SELECT position, tenant, revision FROM landlord.events ORDER BY position", &[]).await;
    let mut wrong = Vec::new();
    let mut revisions: HashMap<String, i64> = HashMap::new();
    for (number, row) in rows.expect("reads").iter().enumerate() {
        let (position, tenant, revision): (i64, String, i64) = (row.get(0), row.get(1), row.get(2));
        if position != number as i64 + 1 {
            wrong.push(format!("position {position} comes where {} should", number + 1));
        }
        let last = revisions.entry(tenant.clone()).or_default();
        if revision != *last + 1 {
            wrong.push(format!("{tenant} goes from revision {last} to {revision}"));
        }
        *last = revision;
        match said.events.get(&(position as u64)) {
            Some((heard, at)) if (heard, *at) == (&tenant, revision as u64) => {}
            heard => wrong.push(format!("at {position} is {tenant} {revision}, and was heard {heard:?}")),
        }
        if wrong.len() > 20 {
            break;
        }
    }
    wrong
}

/// Every operation that was accepted is there, and each ended once.
async fn operations(said: &Said, client: &Client) -> Vec<String> {
    let mut wrong = Vec::new();
    let rows = client.query("SELECT id, tenant, settled_at IS NOT NULL FROM landlord.operations", &[]).await;
    let known: HashMap<String, (String, bool)> =
        rows.expect("reads").iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    let rows = client.query("SELECT settles FROM landlord.events WHERE settles IS NOT NULL", &[]).await;
    let mut ends: HashMap<String, usize> = HashMap::new();
    for row in rows.expect("reads") {
        for operation in row.get::<_, &str>(0).split(',') {
            *ends.entry(operation.to_owned()).or_default() += 1;
        }
    }
    for (operation, tenant) in &said.accepted {
        match known.get(operation) {
            Some((whose, true)) if whose == tenant => {}
            found => wrong.push(format!("{tenant}'s operation {operation} was accepted, and is {found:?}")),
        }
    }
    for (operation, (tenant, is_settled)) in &known {
        let count = ends.get(operation).copied().unwrap_or_default();
        if !is_settled || count != 1 {
            wrong.push(format!("{tenant}'s operation {operation} ended {count} times"));
        }
    }
    for operation in &said.settled {
        if !ends.contains_key(operation) {
            wrong.push(format!("a caller was told of the end of {operation}, which has none"));
        }
    }
    wrong
}
