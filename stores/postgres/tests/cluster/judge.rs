//! What must be so of a trial, whatever happened in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio_postgres::Client;

use super::cloud::Asked;
use super::history::{self, ABSENT, Changes, Did};
use super::quota;
use super::said::Said;

/// What happened to engines, by epoch.
pub(crate) struct Befell {
    /// The first time that something happened to one.
    pub(crate) touched: HashMap<u64, Duration>,
    /// Those that others ended.
    pub(crate) fenced: HashSet<u64>,
}

impl Befell {
    /// Whether an engine may have got a tenant back from another one by then: something had happened to that, and not to this.
    fn may_have_it_back(&self, engine: u64, from: u64, by: Duration) -> bool {
        let touched = |engine| self.touched.get(&engine).is_some_and(|at| *at < by);
        touched(from) && !(self.fenced.contains(&engine) && touched(engine))
    }
}

/// Everything that is wrong, a sentence each.
pub(crate) async fn judge(said: &Said, asked: &[Asked], befell: &Befell, client: &Client) -> Vec<String> {
    let mut wrong = requests(asked, befell);
    wrong.extend(within_the_quota(asked));
    wrong.extend(said.differ.iter().map(|differ| format!("subscribers heard different things {differ}")));
    let (holes, changes) = log(said, client).await;
    wrong.extend(holes);
    wrong.extend(operations(said, client).await);
    let history: Vec<Did> = said.history.iter().map(|(_, did)| did.clone()).collect();
    wrong.extend(history::judge(&history, &changes));
    wrong
}

/// Once another engine has asked for a tenant, the one before it never does again, unless it has the tenant anew; and writes of two
/// never overlap.
fn requests(asked: &[Asked], befell: &Befell) -> Vec<String> {
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
                if let Some(own) = before.get(&next.epoch)
                    && !befell.may_have_it_back(next.epoch, one.epoch, next.began)
                {
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

/// All engines together asked for no more than the cloud takes.
fn within_the_quota(asked: &[Asked]) -> Option<String> {
    let ((most, ended), allowed) = (quota::most_beyond(asked), quota::allowed());
    (most > allowed).then(|| {
        format!("by {ended:?} {most:.0} requests more began than the quota gave, and {allowed:.0} may")
    })
}

/// Positions and revisions have no holes, and subscribers heard what is there. And how the tenants changed.
async fn log(said: &Said, client: &Client) -> (Vec<String>, Changes) {
    let rows = client
        .query(
            // A destroy that first stops what is on its way is not named by the event with which it was accepted.
            "SELECT position, events.tenant, revision, to_state, operation,
                coalesce(what_json::jsonb ->> 'queued', destroys.id), settles
            FROM landlord.events LEFT JOIN landlord.operations AS destroys
                ON what_json::jsonb ->> 'kind' = 'stopping' AND destroys.tenant = events.tenant
                AND destroys.accepted_at = at AND destroys.kind = 'destroy'
            ORDER BY position",
            &[],
        )
        .await;
    let (mut wrong, mut changes) = (Vec::new(), Changes::default());
    let mut revisions: HashMap<String, u64> = HashMap::new();
    for (number, row) in rows.expect("reads").iter().enumerate() {
        let (position, tenant) = (row.get::<_, i64>(0).unsigned_abs(), row.get::<_, String>(1));
        let revision = row.get::<_, i64>(2).unsigned_abs();
        if position != number as u64 + 1 {
            wrong.push(format!("position {position} comes where {} should", number + 1));
        }
        changes.add(&tenant, revision, row.get::<_, Option<&str>>(3).unwrap_or(ABSENT));
        for named in [4, 5] {
            if let Some(operation) = row.get::<_, Option<&str>>(named) {
                changes.names(operation, revision);
            }
        }
        for operation in row.get::<_, Option<&str>>(6).into_iter().flat_map(|ended| ended.split(',')) {
            changes.ends(operation, revision);
        }
        let last = revisions.entry(tenant.clone()).or_default();
        if revision != *last + 1 {
            wrong.push(format!("{tenant} goes from revision {last} to {revision}"));
        }
        *last = revision;
        match said.events.get(&position) {
            Some((heard, at)) if (heard, *at) == (&tenant, revision) => {}
            heard => wrong.push(format!("at {position} is {tenant} {revision}, and was heard {heard:?}")),
        }
        if wrong.len() > 20 {
            break;
        }
    }
    (wrong, changes)
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
