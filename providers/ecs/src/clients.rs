//! The SDK's clients, one for each account, region and endpoint that tenants name.
//!
//! What is behind a client (credentials, sessions of roles, connections) belongs to the SDK: it keeps sessions in
//! memory and renews them before they expire. Nothing is resolved before the first call needs it.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::config::{SharedCredentialsProvider, SharedHttpClient};
use landlord_compute::provider::{self, Lease};
use landlord_state_machines::id::ProviderName;
use landlord_state_machines::planner::ecs::{AssumeRole, Place};
use tokio::sync::OnceCell;

use super::batch::Batches;
use super::budget::{Budget, Rations, Throttles};
use super::https::{self, Leased};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one request that only looks may take.
const READ: Duration = Duration::from_secs(15);
/// How long one request that changes something may take.
const WRITE: Duration = Duration::from_secs(30);
/// How many accounts, and how many regions, are kept open. The one that was used longest ago goes first.
const KEPT: usize = 256;
/// What a role's session is named where the configuration does not name it.
const SESSION: &str = "landlord";

/// One account's ECS in one region.
pub(super) struct Account {
    /// For requests that only look.
    pub(super) reads: Client,
    /// For requests that change something.
    pub(super) writes: Client,
    /// For what containers wrote.
    pub(super) logs: aws_sdk_cloudwatchlogs::Client,
    /// Its region, where one is known.
    pub(super) region: Option<String>,
    /// What may be asked of it; other identities of the same account share it.
    pub(super) budget: Arc<Budget>,
    /// The describes that wait to be asked together.
    pub(super) batches: Batches,
}

/// The SDK's own `Debug` of a client has the external id of its role.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Whose quotas requests count against.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Quotas {
    /// The account of a role; none: that of the engine's own identity.
    account: Option<String>,
    region: Option<String>,
    endpoint_url: Option<String>,
}

/// In whose name, and where.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    region: Option<String>,
    endpoint_url: Option<String>,
    assume_role: Option<AssumeRole>,
}

/// The clients that are open.
pub(super) struct Clients {
    /// None: the default chain's.
    credentials: Option<SharedCredentialsProvider>,
    http: SharedHttpClient,
    leased: Leased,
    accounts: Kept<Key, Arc<Account>>,
    /// The default chain's answer in a region.
    bases: Kept<Option<String>, SdkConfig>,
    budgets: Kept<Quotas, Arc<Budget>>,
    quota_factor: u32,
    throttles: Arc<Throttles>,
    /// What all engines that share a store draw from, and what this provider is called there.
    shared: OnceLock<(Arc<dyn provider::Quotas>, ProviderName)>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("quota_factor", &self.quota_factor).finish_non_exhaustive()
    }
}

impl Clients {
    /// Starts without open clients. `credentials` are the engine's; without them, the default chain's. `http` makes the
    /// requests; without it, HTTP/1 and 2 over rustls, through the proxy that the environment names, while the lease holds.
    pub(super) fn new(
        credentials: Option<SharedCredentialsProvider>,
        http: Option<SharedHttpClient>,
        quota_factor: u32,
    ) -> Self {
        let leased = Leased::default();
        let http = http.unwrap_or_else(|| https::client(Arc::clone(&leased)));
        let (accounts, bases, budgets) = (Kept::new(), Kept::new(), Kept::new());
        Self {
            credentials,
            http,
            leased,
            accounts,
            bases,
            budgets,
            quota_factor,
            throttles: Arc::default(),
            shared: OnceLock::new(),
        }
    }

    /// From now on nothing is sent once the lease has ended, unless another HTTP client was given.
    pub(super) fn leased(&self, lease: Lease) {
        // An engine tells it once.
        let _ = self.leased.set(lease);
    }

    /// The client for a place.
    pub(super) async fn of(&self, place: &Place) -> Arc<Account> {
        let Place { region, endpoint_url, assume_role, cluster: _ } = place.clone();
        let key = Key { region, endpoint_url, assume_role };
        let cell = self.accounts.cell(&key);
        let account = Arc::clone(cell.get_or_init(|| self.open(key.clone())).await);
        // Not kept: the region may be known next time.
        if account.region.is_none() {
            self.bases.forget(&key.region);
            self.accounts.forget(&key);
        }
        account
    }

    /// What may be asked of AWS.
    pub(super) fn budgets(&self) -> Vec<provider::Budget> {
        Budget::told(&self.budgets.values(), &self.throttles)
    }

    /// From now on all quotas are those of all engines together.
    pub(super) fn ration(&self, quotas: Arc<dyn provider::Quotas>, name: ProviderName) {
        // The engine tells it once.
        let _ = self.shared.set((quotas, name));
    }

    /// Where the tokens of these quotas are drawn from.
    fn rations(&self, of: &Quotas) -> Option<Rations> {
        let (quotas, name) = self.shared.get()?;
        let known = |it: &Option<String>| it.as_deref().unwrap_or("-").to_owned();
        // Whose identity this engine has is not known; a provider of the same name has the same one at each.
        let account = of.account.clone().unwrap_or_else(|| name.to_string());
        let name = format!("ecs {account} {} {}", known(&of.region), known(&of.endpoint_url));
        Some(Rations::new(Arc::clone(quotas), name))
    }

    async fn open(&self, key: Key) -> Arc<Account> {
        let cell = self.bases.cell(&key.region);
        let base = cell.get_or_init(|| self.base(key.region.clone())).await;
        let mut config = base.to_builder();
        config.set_endpoint_url(key.endpoint_url.or_else(|| base.endpoint_url().map(str::to_owned)));
        let config = config.build();
        let region = config.region().map(ToString::to_string);
        let quotas = Quotas {
            account: key.assume_role.as_ref().and_then(|role| account(&role.role_arn)).map(str::to_owned),
            region: region.clone(),
            endpoint_url: config.endpoint_url().map(str::to_owned),
        };
        let budget = self.budgets.cell(&quotas);
        let budget = budget
            .get_or_init(async || {
                Arc::new(Budget::new(self.quota_factor, Arc::clone(&self.throttles), self.rations(&quotas)))
            })
            .await;
        let config = match key.assume_role {
            None => config,
            Some(AssumeRole { role_arn, external_id, session_name }) => {
                let mut role = AssumeRoleProvider::builder(role_arn)
                    .session_name(session_name.unwrap_or_else(|| SESSION.to_owned()))
                    .configure(&config);
                if let Some(external_id) = external_id {
                    role = role.external_id(external_id);
                }
                let role = SharedCredentialsProvider::new(role.build().await);
                config.to_builder().credentials_provider(role).build()
            }
        };
        // A cache of its own: the SDK's shared one keeps few identities and drops the others.
        let config = config.to_builder().identity_cache(IdentityCache::lazy().build()).build();
        Arc::new(Account {
            reads: client(&config, READ),
            writes: client(&config, WRITE),
            logs: logs(&config),
            region,
            budget: Arc::clone(budget),
            batches: Batches::default(),
        })
    }

    /// What the environment, the profile or the machine say.
    async fn base(&self, region: Option<String>) -> SdkConfig {
        let mut chain = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(self.http.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(READ));
        if let Some(region) = region {
            chain = chain.region(Region::new(region));
        }
        if let Some(credentials) = self.credentials.clone() {
            chain = chain.credentials_provider(credentials);
        }
        chain.load().await
    }
}

/// The account that an ARN names: `arn:aws:iam::123456789012:role/name`.
fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

fn client(config: &SdkConfig, within: Duration) -> Client {
    let config = aws_sdk_ecs::config::Builder::from(config).timeout_config(timeouts(within));
    Client::from_conf(config.build())
}

fn logs(config: &SdkConfig) -> aws_sdk_cloudwatchlogs::Client {
    let config = aws_sdk_cloudwatchlogs::config::Builder::from(config).timeout_config(timeouts(READ));
    aws_sdk_cloudwatchlogs::Client::from_conf(config.build())
}

fn timeouts(within: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(within).build()
}

/// What was used lately, at most [`KEPT`] of it.
struct Kept<K, V>(Mutex<Used<K, V>>);

struct Used<K, V> {
    /// Counts uses.
    clock: u64,
    cells: HashMap<K, (u64, Arc<OnceCell<V>>)>,
}

impl<K: Clone + Eq + Hash, V> Kept<K, V> {
    fn new() -> Self {
        Self(Mutex::new(Used { clock: 0, cells: HashMap::new() }))
    }

    fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cells.remove(key);
    }

    /// What there is.
    fn values(&self) -> Vec<V>
    where
        V: Clone,
    {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.cells.values().filter_map(|(_, cell)| cell.get().cloned()).collect()
    }

    /// Where the value of a key is, or will be.
    fn cell(&self, key: &K) -> Arc<OnceCell<V>> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.clock += 1;
        let now = used.clock;
        if let Some((at, cell)) = used.cells.get_mut(key) {
            *at = now;
            return Arc::clone(cell);
        }
        if used.cells.len() >= KEPT {
            let oldest = used.cells.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            oldest.map(|oldest| used.cells.remove(&oldest));
        }
        let cell = Arc::new(OnceCell::new());
        used.cells.insert(key.clone(), (now, Arc::clone(&cell)));
        cell
    }
}
