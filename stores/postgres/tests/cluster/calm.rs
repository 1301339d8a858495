//! Kills while nothing else is wrong, and how soon the tenants are somebody else's.

use std::collections::HashMap;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use super::database::look;
use super::figures::Calm;
use super::fleet::ENGINES;
use super::trial::Trial;
use super::{RESTING, now};

/// How long tenants may take until they rest.
const RESTS: Duration = Duration::from_secs(120);
/// After this nobody is waited for who was not called.
const CALLED: Duration = Duration::from_secs(30);
const LOOKS: Duration = Duration::from_millis(20);

fn resting() -> impl Iterator<Item = String> {
    (0..RESTING).map(|number| format!("r{number}"))
}

impl Trial {
    /// Makes the tenants that rest.
    pub(crate) async fn make_resting(&mut self) {
        self.all_well().await;
        for tenant in resting() {
            self.fleet.awake[fastrand::usize(0..ENGINES)].hear(&format!("{tenant} k0")).await;
        }
    }

    /// Waits until all engines are there and all shards are somebody's.
    async fn all_well(&mut self) {
        let lost = "SELECT FROM landlord.shards
            WHERE NOT EXISTS (SELECT FROM landlord.engines WHERE epoch = shards.owner AND state = 'open')";
        let begun = now();
        loop {
            assert!(now() - begun < RESTS, "the engines do not share the tenants");
            self.fleet.fill_up().await;
            let is_owned = look(&self.database.port, lost).await.is_some_and(|rows| rows.is_empty());
            if is_owned && self.fleet.well().len() == ENGINES {
                return;
            }
            sleep(LOOKS).await;
        }
    }

    /// The tenants that rest, by the epoch that has them.
    async fn owners(&self) -> HashMap<u64, Vec<String>> {
        let sql = "SELECT owner, id FROM landlord.tenants JOIN landlord.shards USING (shard)
            WHERE id LIKE 'r%' AND operation IS NULL AND state = 'running'";
        let mut owners: HashMap<u64, Vec<String>> = HashMap::new();
        for row in look(&self.database.port, sql).await.unwrap_or_default() {
            owners.entry(row.get::<_, i64>(0).unsigned_abs()).or_default().push(row.get(1));
        }
        owners
    }

    /// Kills an engine that has tenants, and commands them elsewhere at once.
    pub(crate) async fn kill_in_calm(&mut self, number: usize) {
        let begun = now();
        let (place, epoch, tenants) = loop {
            self.all_well().await;
            let mut owners = self.owners().await;
            let (well, rest) = (self.fleet.well(), owners.values().map(Vec::len).sum::<usize>());
            let found = well.into_iter().filter(|(_, epoch)| owners.contains_key(epoch)).collect::<Vec<_>>();
            if !found.is_empty() && (rest == RESTING || now() - begun > RESTS) {
                let (place, epoch) = found[fastrand::usize(0..found.len())];
                break (place, epoch, owners.remove(&epoch).unwrap_or_default());
            }
            sleep(LOOKS).await;
        };
        self.figures().touched.entry(epoch).or_insert_with(now);
        self.tell(format_args!("engine {epoch} is killed, which has {} tenants that rest", tenants.len()));
        let asked = self.cloud.seen().asked.len();
        let killed = now();
        let engine = self.fleet.awake.swap_remove(place);
        engine.process.signal(Signal::KILL);
        for (turn, tenant) in tenants.iter().enumerate() {
            let survivor = turn % self.fleet.awake.len();
            self.fleet.awake[survivor].hear(&format!("{tenant} k{number}")).await;
        }
        // Another one takes its place once all is measured.
        let mut after: HashMap<String, Duration> = HashMap::new();
        while after.len() < tenants.len() && now() - killed < CALLED {
            sleep(LOOKS).await;
            for asked in self.cloud.seen().asked.iter().skip(asked).filter(|asked| asked.epoch != epoch) {
                if tenants.contains(&asked.tenant) && asked.began > killed {
                    after.entry(asked.tenant.clone()).or_insert(asked.began - killed);
                }
            }
        }
        let (engine, over) = (engine.number, now());
        let mut figures = self.figures();
        figures.takeovers.extend(tenants.iter().map(|tenant| after.get(tenant).copied().unwrap_or(CALLED)));
        figures.calm.push(Calm { engine, killed, over });
    }
}
