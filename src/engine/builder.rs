//! How an engine is put together and started.

use std::collections::BTreeMap;
use std::sync::Arc;

use landlord_state_machines::tenant::Policy;

use super::actor::{Directory, ExitReports, restart};
use super::api::Engine;
use super::calls::Calls;
use super::config::{Limits, ObservePolicy};
use super::core::Core;
use super::error::StartError;
use super::ground::{Ground, Parts};
use super::loops::{count, member, observe, passivate, recover, tail, wake};
use super::quotas::Stored;
use super::sites;
use super::watched::Watched;
use crate::clock::{Clock, SystemClock};
use crate::provider::Provider;
use crate::provider::registry::Registry;
use crate::store::Store;
use crate::telemetry::Watcher;

/// Puts an engine together.
pub struct EngineBuilder {
    store: Arc<dyn Store>,
    providers: Vec<Arc<dyn Provider>>,
    policy: Policy,
    limits: Limits,
    observe: ObservePolicy,
    clock: Arc<dyn Clock>,
    watched: Watched,
    lost: Option<String>,
}

impl EngineBuilder {
    /// Registers a provider under its name. An `Arc` of a provider is one too.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// How patient the machine is.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How much the engine takes on at a time.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How running tenants are looked after.
    #[must_use]
    pub fn observe(mut self, observe: ObservePolicy) -> Self {
        self.observe = observe;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Who is told what the engine does. The store's tenants are counted for it before the engine starts.
    #[must_use]
    pub fn watched_by(mut self, watcher: Arc<dyn Watcher>) -> Self {
        self.watched = Watched::by(watcher);
        self
    }

    /// The site with this id is lost for good, with everything that ran and was kept there: tenants that were there are started here.
    /// [`StartError::Elsewhere`] says when that is needed, and the id.
    #[must_use]
    pub fn lost(mut self, site: impl Into<String>) -> Self {
        self.lost = Some(site.into());
        self
    }

    /// Opens the store and starts the engine. It takes commands at once; operations that an earlier engine left
    /// are taken up meanwhile. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing was started then.
    pub async fn start(self) -> Result<Engine, StartError> {
        let mut registry = Registry::default();
        for provider in self.providers {
            registry.register(provider)?;
        }
        let opened = self.store.open().await?;
        if let Some(members) = &opened.members {
            let alone = registry.iter().any(|registered| !registered.capabilities.reachable_from_anywhere);
            let begins = async {
                member::begin(&**members, opened.epoch, alone).await?;
                sites::settle(&*self.store, opened.epoch, &registry, self.lost.as_deref()).await
            };
            if let Err(error) = begins.await {
                // What cannot be given up in order is ended by others.
                let _ = self.store.close().await;
                return Err(error);
            }
        }
        let watched = match &opened.members {
            // Counted while it runs, by one of the engines.
            Some(_) => {
                self.watched.starts(&registry.names(), &BTreeMap::new());
                self.watched.counts_anew()
            }
            None => {
                if self.watched.is_watched() {
                    let survey = self.store.survey(Box::new(|_| true), 0).await?;
                    self.watched.starts(&registry.names(), &survey.counts);
                }
                self.watched
            }
        };
        let (directory, exits) =
            Directory::start().await.map_err(|error| StartError::Supervisors(error.to_string()))?;
        let observe = self.observe;
        let parts = Parts {
            store: self.store,
            registry,
            policy: self.policy,
            limits: self.limits,
            clock: self.clock,
            watched,
        };
        let ground = Ground::new(parts, opened);
        let core = Arc::new(Core { ground, directory, calls: Calls::new() });
        run(&core, exits, observe);
        Ok(Engine::of(core))
    }
}

impl Engine {
    /// Begins to put an engine together that keeps everything in `store`.
    pub fn builder(store: impl Store) -> EngineBuilder {
        EngineBuilder {
            store: Arc::new(store),
            providers: Vec::new(),
            policy: Policy::default(),
            limits: Limits::default(),
            observe: ObservePolicy::default(),
            clock: Arc::new(SystemClock),
            watched: Watched::default(),
            lost: None,
        }
    }
}

/// Starts what an engine does by itself.
fn run(engine: &Arc<Core>, exits: ExitReports, observe: ObservePolicy) {
    let core = || Arc::downgrade(engine);
    tokio::spawn(restart(core(), exits));
    tokio::spawn(wake::run(core()));
    tokio::spawn(passivate::passivate(core()));
    match engine.ownership.shared() {
        None => {
            tokio::spawn(recover::recover(core()));
        }
        Some(shared) => {
            for registered in engine.registry.iter() {
                registered.provider.leased(shared.lease.clone());
                registered.provider.rationed(Arc::new(Stored(Arc::clone(&shared.members))));
            }
            tokio::spawn(member::renew(core()));
            tokio::spawn(member::look(core()));
            tokio::spawn(tail::read(core()));
            if engine.watched.is_watched() {
                tokio::spawn(count::count(core()));
            }
        }
    }
    tokio::spawn(passivate::end_when_closed(core(), Arc::clone(&engine.closing)));
    match observe {
        ObservePolicy::Off => {}
        ObservePolicy::On { every, per_second } => {
            tokio::spawn(observe::patrol(core(), every, per_second));
            for registered in engine.registry.iter() {
                tokio::spawn(observe::listen(core(), Arc::clone(registered)));
            }
        }
    }
}
