//! What requests are answered from: an engine, or a store that is only looked at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use landlord_api::{Attendance, Attended, Cursor, Finding};
use landlord_compute::machines::tenant::{Attention, RepairPolicy};
use landlord_compute::provider::{Provider, RegistryError};
use landlord_compute::store::{Position, Reads, StoreError};
use landlord_compute::{Engine, ProviderName};

use crate::access::Rate;
use crate::doctor::Examine;
use crate::fleet::Fleet;
use crate::metrics::{Lags, Metrics, Swept};
use crate::refused::Refused;
use crate::sessions::Sessions;
use crate::subscriptions::{self, Acks};
use crate::tokens::Tokens;
use crate::webhooks::{self, Webhooks};

/// What requests are answered from. Clones are the same.
#[derive(Clone)]
pub struct Served(Arc<Parts>);

/// Says who looks after the tenants.
type Attend = Arc<dyn Fn() -> BoxFuture<'static, Attended> + Send + Sync>;

/// Says what is known without asking anybody.
fn always(state: Attendance) -> Attend {
    Arc::new(move || Box::pin(async move { Attended { owner: None, state, looked_at: None } }))
}

#[derive(Clone)]
struct Parts {
    reads: Arc<dyn Reads>,
    /// What the store is called.
    store: Arc<str>,
    providers: Vec<Arc<dyn Provider>>,
    engine: Option<Arc<Engine>>,
    tokens: Tokens,
    attended: Attend,
    sessions: Sessions,
    fleet: Fleet,
    acks: Acks,
    webhooks: Webhooks,
    metrics: Option<Metrics>,
    swept: Swept,
    examine: Option<Examine>,
}

impl Served {
    /// All requests, by this engine.
    pub fn engine(engine: Arc<Engine>) -> Self {
        Self(Arc::new(Parts {
            reads: engine.reads(),
            store: engine.store_name(),
            providers: engine.providers(),
            engine: Some(engine),
            tokens: Tokens::default(),
            attended: always(Attendance::Runs),
            sessions: Sessions::default(),
            fleet: Fleet::default(),
            acks: Acks::default(),
            webhooks: Webhooks::default(),
            metrics: None,
            swept: Swept::default(),
            examine: None,
        }))
    }

    /// Requests that change nothing, from a store that another engine may have. `store` is what it is called.
    pub fn store(reads: impl Reads, store: Arc<str>, providers: Vec<Arc<dyn Provider>>) -> Self {
        Self(Arc::new(Parts {
            reads: Arc::new(reads),
            store,
            providers,
            engine: None,
            tokens: Tokens::default(),
            attended: always(Attendance::Unknown),
            sessions: Sessions::default(),
            fleet: Fleet::default(),
            acks: Acks::default(),
            webhooks: Webhooks::default(),
            metrics: None,
            swept: Swept::default(),
            examine: None,
        }))
    }

    /// With answers that say by `attended` who looks after the tenants. Requests wait for it.
    #[must_use]
    pub fn attended(
        self,
        attended: impl Fn() -> BoxFuture<'static, Attended> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Parts { attended: Arc::new(attended), ..Parts::clone(&self.0) }))
    }

    /// With `/metrics`, which is answered with this text of this media type. It comes from memory, at once.
    #[must_use]
    pub fn metrics(self, media: &'static str, text: impl Fn() -> String + Send + Sync + 'static) -> Self {
        let metrics = Some(Metrics { media, text: Arc::new(text) });
        Self(Arc::new(Parts { metrics, ..Parts::clone(&self.0) }))
    }

    /// With a diagnosis that begins with what this finds: of the machine, the store, and what else the program knows of itself.
    #[must_use]
    pub fn examined(
        self,
        examine: impl Fn() -> BoxFuture<'static, Vec<Finding>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Parts { examine: Some(Arc::new(examine)), ..Parts::clone(&self.0) }))
    }

    /// How far named readers of events are behind. It reads all of their documents, so ask now and then.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn lags(&self) -> Result<Lags, StoreError> {
        let head = self.reads().head().await?;
        let (subscription, webhook) =
            (subscriptions::slowest(self, head).await?, webhooks::slowest(self, head).await?);
        Ok(Lags { subscription, webhook, failing: self.webhooks().failing() })
    }

    /// How long ago the oldest operation on its way was accepted, at each provider that has one, but for tenants that are
    /// paused. It reads every tenant that has one, so ask now and then.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn oldest_operations(&self) -> Result<BTreeMap<ProviderName, Duration>, StoreError> {
        let mut oldest = BTreeMap::new();
        for (provider, id) in self.reads().oldest_operations().await? {
            // It may be forgotten since.
            let Some(operation) = self.reads().operation(id).await? else { continue };
            let age = Timestamp::now().duration_since(operation.accepted_at);
            // The clock may have been set back.
            oldest.insert(provider, Duration::try_from(age).unwrap_or_default());
        }
        Ok(oldest)
    }

    /// How many lives of tenants held something that belongs to nobody, when a sweep of the provider looked last. Only those
    /// providers that were swept since this server started.
    pub fn orphans(&self) -> BTreeMap<ProviderName, u64> {
        self.swept().last()
    }

    /// Reads the tokens again, for holders that may send requests at this rate from now on.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read; those from before are valid on.
    pub async fn reload_tokens(&self, rate: Rate) -> Result<(), StoreError> {
        self.tokens().load(self, rate).await
    }

    /// What `/metrics` is answered with, where there is anything.
    pub(crate) fn shown_metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_ref()
    }

    /// What finds out how the machine is, where anything does.
    pub(crate) fn examine(&self) -> Option<&Examine> {
        self.0.examine.as_ref()
    }

    pub(crate) fn reads(&self) -> &dyn Reads {
        &*self.0.reads
    }

    /// The engine, where one answers.
    pub(crate) fn any_engine(&self) -> Option<&Arc<Engine>> {
        self.0.engine.as_ref()
    }

    /// The engine, for a request that changes something.
    pub(crate) fn commands(&self) -> Result<&Arc<Engine>, Refused> {
        self.any_engine().ok_or_else(Refused::only_looks)
    }

    /// How deliveries to webhooks go.
    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.0.webhooks
    }

    /// The acknowledgements of subscriptions that are on their way.
    pub(crate) fn acks(&self) -> &Acks {
        &self.0.acks
    }

    /// The tokens that are valid, once they were read.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The sessions of browsers.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// What was counted of all tenants last.
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }

    /// What sweeps have found.
    pub(crate) fn swept(&self) -> &Swept {
        &self.0.swept
    }

    pub(crate) fn store_name(&self) -> &Arc<str> {
        &self.0.store
    }

    /// Who goes on with what is on its way.
    pub(crate) async fn attention(&self) -> Attention {
        let goes_on = self.attendance().await.goes_on();
        match (goes_on, self.any_engine().map(|engine| &engine.policy().repair)) {
            (false, _) => Attention::Nobody,
            (true, Some(RepairPolicy::Off)) => Attention::EngineWithoutRepairs,
            // Of an engine that is not here it is not known.
            (true, Some(RepairPolicy::On { .. }) | None) => Attention::Engine,
        }
    }

    pub(crate) async fn attendance(&self) -> Attended {
        (self.0.attended)().await
    }

    pub(crate) fn providers(&self) -> &[Arc<dyn Provider>] {
        &self.0.providers
    }

    pub(crate) fn provider(&self, name: &ProviderName) -> Result<&Arc<dyn Provider>, RegistryError> {
        self.providers().iter().find(|provider| provider.name() == *name).ok_or_else(|| {
            let registered = self.providers().iter().map(|provider| provider.name().to_string());
            let registered: Vec<String> = registered.collect();
            RegistryError::ProviderNotFound { name: name.to_string(), registered: registered.join(", ") }
        })
    }

    /// A cursor of this store.
    pub(crate) fn cursor(&self, position: Position) -> Cursor {
        Cursor { store: self.0.store.to_string(), position: position.0 }
    }
}
