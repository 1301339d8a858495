//! The engine as its embedder has it: what it can be asked, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use landlord_state_machines::id::{OperationId, ProviderName, TenantId};
use landlord_state_machines::members::View;
use landlord_state_machines::tenant::{Policy, Tenant};

use super::closing::Closed;
use super::core::Core;
use super::documents::Documents;
use super::error::{CommandError, WaitError};
use super::events::{self, Delivery};
use super::handle::{Options, TenantHandle};
use super::loops::member;
use super::operation::OperationHandle;
use crate::provider::Provider;
use crate::store::{Epoch, Page, Position, Reads, Scope, Store, StoreError, TenantFilter};
use crate::sweep::{Orphan, Sweep, SweepError, sweep};
use crate::telemetry::{ProviderVitals, SharingVitals, Vitals};

/// How long an engine that ends waits for calls that it dropped.
const DROPPED_GONE: Duration = Duration::from_secs(5);

/// A running engine. Dropping it ends it at once: what is on its way is taken up by the next one. Handles and streams
/// that are still held keep the store open then; [`Engine::shutdown`] gives it up.
pub struct Engine {
    core: Arc<Core>,
}

impl Engine {
    pub(crate) fn of(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// A handle for a tenant, whether it exists or not. Cheap.
    pub fn tenant(&self, id: TenantId) -> TenantHandle {
        TenantHandle::new(&self.core, id)
    }

    /// A handle for an operation that was begun before, also before a restart.
    ///
    /// # Errors
    /// [`WaitError::Unknown`] when the store has no such operation; [`WaitError::Store`].
    pub async fn operation(&self, id: OperationId) -> Result<OperationHandle, WaitError> {
        OperationHandle::find(&self.core, id).await
    }

    /// The living tenants, ordered by id, `limit` of them after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn tenants(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Page<Arc<Tenant>>, StoreError> {
        self.core.store.list(filter, after, limit).await
    }

    /// Every event of `scope` after `since`, in order, and then whatever follows, until the engine ends.
    /// [`Position`] 0 is before the first event; [`Engine::head`] is after the last one. Nothing is lost: a slow
    /// subscriber reads from the store, and learns of a [`Delivery::Gap`] where the store no longer has events.
    pub fn subscribe(
        &self,
        since: Position,
        scope: Scope,
    ) -> impl Stream<Item = Result<Delivery, StoreError>> + Send + use<> {
        events::subscribe(
            Arc::clone(&self.core.log),
            Arc::<dyn Store>::clone(&self.core.store),
            Arc::clone(&self.core.closing),
            since,
            scope,
        )
    }

    /// Compares what a provider holds, by its tags, with the records. Changes nothing.
    ///
    /// # Errors
    /// [`SweepError`]; a provider that cannot list is one.
    pub async fn sweep(&self, provider: &ProviderName) -> Result<Sweep, SweepError> {
        let registered = self.core.registry.get(provider.as_str())?;
        sweep(self.core.store.as_ref(), registered.provider.as_ref(), &self.core.opened.engine).await
    }

    /// Removes what a sweep found to belong to nobody. It is an operation of the tenant whose tags it carries, so a
    /// tenant that was provisioned meanwhile refuses it, and one that is asked for later waits for it: what no tenant
    /// owns is destroyed; what is left of another life of a tenant that runs goes with an update to what runs.
    ///
    /// # Errors
    /// [`CommandError`]: the tenant's record is no longer what the sweep saw, or it lives at another provider.
    pub async fn reclaim(&self, orphan: &Orphan, options: Options) -> Result<OperationHandle, CommandError> {
        self.tenant(orphan.tenant_id.clone()).reclaim(orphan, options).await
    }

    /// How patient it is, and whether it repairs what breaks.
    pub fn policy(&self) -> &Policy {
        &self.core.policy
    }

    /// The store, to look at.
    pub fn reads(&self) -> Arc<dyn Reads> {
        Arc::<dyn Store>::clone(&self.core.store)
    }

    /// The store's small named documents, to write; [`Engine::reads`] has them to look at. Cheap.
    pub fn documents(&self) -> Documents {
        Documents::of(&self.core)
    }

    /// What the store is called for ever; part of the ownership tags of every resource.
    pub fn store_name(&self) -> Arc<str> {
        Arc::clone(&self.core.opened.engine)
    }

    /// Its epoch: which of the engines that opened the store it is.
    pub fn epoch(&self) -> Epoch {
        self.core.opened.epoch
    }

    /// The engines that share the store now, and which shards each has. None where this one has it alone.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn sharing(&self) -> Result<Option<View>, StoreError> {
        match self.core.ownership.shared() {
            None => Ok(None),
            Some(shared) => shared.members.view().await.map(Some),
        }
    }

    /// Whether several engines may share its store.
    pub fn is_shared(&self) -> bool {
        self.core.ownership.shared().is_some()
    }

    /// Whether this engine is to do what has to be done once for the whole store. One of several is at a time; for a moment
    /// none is, after that engine has ended.
    pub fn leads(&self) -> bool {
        self.core.ownership.leads()
    }

    /// The registered providers, by their names.
    pub fn providers(&self) -> Vec<Arc<dyn Provider>> {
        self.core.registry.iter().map(|registered| Arc::clone(&registered.provider)).collect()
    }

    /// Where the last published event stands.
    pub fn head(&self) -> Position {
        self.core.log.head()
    }

    /// What it holds now, from memory.
    pub fn vitals(&self) -> Vitals {
        let core = &self.core;
        let (subscribers, subscriber_lag) = core.log.readers();
        let providers = core.registry.iter().map(|registered| ProviderVitals {
            provider: registered.provider.name(),
            calls: registered.running(),
            budgets: registered.provider.budgets(),
        });
        Vitals {
            actors: core.directory.live(),
            commands: core.unanswered.now(),
            calls: core.calls.in_flight(),
            transitions: core.committer.waiting(),
            head: core.log.head(),
            subscribers,
            subscriber_lag,
            sharing: core.ownership.shared().map(|shared| SharingVitals {
                shards: shared.shards().len(),
                holds: shared.lease.holds(),
                behind: shared.behind(core.log.head()),
            }),
            providers: providers.collect(),
        }
    }

    /// Why it takes no more commands; none while it does.
    pub fn ended(&self) -> Option<Closed> {
        self.core.closing.why().or_else(|| self.core.draining().then_some(Closed::ShutDown))
    }

    /// Returns when the engine has ended, and why. An embedder that did not ask for the end stops its own work:
    /// somebody else has the store.
    pub async fn closed(&self) -> Closed {
        self.core.closing.closed().await
    }

    /// Takes no more commands, lets the calls in flight end and their outcomes be committed, and gives the store
    /// up. Where other engines share it, calls are asked to stop, and go on there. Calls that are not over after `within` are dropped; the next engine on this store takes them up. Whoever else
    /// holds the engine gets no more of it: a second call finds it shut down.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not be given up in order. What was acknowledged is durable all the same.
    pub async fn shutdown(&self, within: Duration) -> Result<(), StoreError> {
        self.core.drain();
        let drained = async {
            // Every command that was taken on is answered.
            self.core.unanswered.none().await;
            match self.core.ownership.shared() {
                None => self.core.calls.idle().await,
                Some(shared) => member::leave(&self.core, shared).await,
            }
        };
        if tokio::time::timeout(within, drained).await.is_err() {
            let calls = self.core.calls.in_flight();
            tracing::warn!(calls, "shut down with calls in flight; the next engine takes them up");
        }
        let dropped = self.core.end(Closed::ShutDown);
        // A call that blocks its thread cannot be dropped; the store is not kept for it.
        let _ = tokio::time::timeout(DROPPED_GONE, dropped.gone()).await;
        self.core.store.close().await
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.core.end(Closed::ShutDown);
    }
}
