//! Several engines that share a database on PostgreSQL. All of them are in this process, on one runtime.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use landlord_compute::TenantHandle;
use landlord_compute::machines::members::{SHARDS, ShardSet};
use landlord_compute::store::Epoch;
use landlord_store_postgres::{PostgresOptions, PostgresStore};

use super::fleet::{Call, Fleet};
use super::landlord::{self, Tenants};
use super::toy::Command;

/// How often it is looked which engine has which shards.
const LOOKS: Duration = Duration::from_millis(250);
/// How many looks in a row have to show the same: while shards move, some do so every second.
const SAME: usize = 12;

/// Who has which shards.
type Division = BTreeMap<Epoch, ShardSet>;

/// Engines of which any takes any command.
#[derive(Clone)]
pub(crate) struct Engines(Arc<[Tenants]>);

impl Engines {
    /// Starts so many, each with a store of its own, at the same time: they see each other before one takes all shards.
    pub(crate) async fn start(number: usize, options: &PostgresOptions, call: &Call) -> Self {
        let start = |_| Tenants::of(landlord::builder(PostgresStore::new(options.clone()), call.clone()));
        Self(join_all((0..number).map(start)).await.into())
    }

    /// One of them.
    pub(crate) fn first(&self) -> &Tenants {
        self.0.first().expect("there is one")
    }

    /// Returns when every shard has an owner and so many engines, some of which may be in other processes, have as many each, and
    /// no shard moves any more. Says who has which.
    pub(crate) async fn divided(&self, number: usize) -> Division {
        let (mut seen, mut looks) = (Division::new(), 0);
        while looks < SAME {
            tokio::time::sleep(LOOKS).await;
            let view = self.first().0.sharing().await.expect("it can be read").expect("it is shared");
            let now: Division =
                view.engines.into_iter().map(|(engine, member)| (engine, member.shards)).collect();
            looks = if is_even(&now, number) && now == seen { looks + 1 } else { 0 };
            seen = now;
        }
        seen
    }
}

/// Whether so many engines have all shards, and none far more or far fewer than another one: what the engines themselves leave so.
fn is_even(division: &Division, number: usize) -> bool {
    let share = usize::from(SHARDS) / number;
    let all: usize = division.values().map(ShardSet::len).sum();
    let is_fair = |shards: &ShardSet| shards.len().abs_diff(share) <= share / 4;
    division.len() == number && all == usize::from(SHARDS) && division.values().all(is_fair)
}

/// Each client asks the same engine all the time, as one that keeps its connection; there are as many clients of each.
impl Fleet for Engines {
    type Tenant = TenantHandle;
    type Kept = ();

    fn keep(_: TenantHandle) {}

    async fn create(&self, number: usize) -> TenantHandle {
        self.0[number % self.0.len()].create(number).await
    }

    async fn begin(&self, tenant: &TenantHandle, command: Command) -> impl Future<Output = ()> + Send {
        // A handle knows its engine.
        self.first().begin(tenant, command).await
    }
}
