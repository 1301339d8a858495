//! Commands that change a tenant: send, show how it goes, say how it ended.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use landlord_compute::machines::id::{OperationId, ProviderName, TenantId};
use landlord_compute::machines::spec::Spec;
use landlord_compute::machines::tenant::{Record, Settled};
use landlord_compute::store::{Position, Reads, Scope};
use landlord_compute::{
    CommandError, Delivery, Engine, ObservePolicy, OperationHandle, Options, TenantHandle,
};
use serde_json::json;

use super::again::Again;
use super::events::Reader;
use super::exit::Failure;
use super::patience::{GRACE, LOOK};
use super::place::{Missing, Place};
use super::report::{Waited, Wanted, report};
use super::screen::Screen;
use super::signals::Signals;

/// What is asked for, in one operation.
#[derive(Debug)]
pub(crate) enum Ask {
    Provision(Spec),
    Update(Spec),
    Restart,
    Destroy,
    Release(Option<ProviderName>),
    Cancel,
    Retry,
    Abandon(String),
}

impl Ask {
    async fn send(self, tenant: &TenantHandle, options: Options) -> Result<OperationHandle, CommandError> {
        match self {
            Self::Provision(spec) => tenant.provision(spec, options).await,
            Self::Update(spec) => tenant.update(spec, options).await,
            Self::Restart => tenant.restart(options).await,
            Self::Destroy => tenant.destroy(options).await,
            Self::Release(provider) => tenant.release(provider, options).await,
            Self::Cancel => tenant.cancel(options).await,
            Self::Retry => tenant.retry(options).await,
            Self::Abandon(reason) => tenant.abandon(options.reason(reason)).await,
        }
    }

    fn missing(&self) -> Missing {
        match self {
            Self::Provision(_) => Missing::Create,
            Self::Update(_)
            | Self::Restart
            | Self::Destroy
            | Self::Release(_)
            | Self::Cancel
            | Self::Retry
            | Self::Abandon(_) => Missing::Refuse,
        }
    }

    fn needs_a_known_tenant(&self) -> bool {
        match self {
            Self::Destroy | Self::Release(_) | Self::Cancel | Self::Retry | Self::Abandon(_) => true,
            // The engine refuses an update of a tenant that it does not know, and says what to do.
            Self::Provision(_) | Self::Update(_) | Self::Restart => false,
        }
    }

    fn wanted(&self) -> Wanted {
        match self {
            Self::Provision(_)
            | Self::Update(_)
            | Self::Restart
            | Self::Destroy
            | Self::Release(_)
            | Self::Retry => Wanted::Done,
            Self::Cancel => Wanted::Cancelled,
            Self::Abandon(_) => Wanted::Abandoned,
        }
    }
}

/// Sends a command and waits for the end of its operation.
pub(crate) async fn operate(
    screen: &Screen,
    place: &Place,
    tenant: TenantId,
    ask: Ask,
    options: Options,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let (wanted, missing) = (ask.wanted(), ask.missing());
    let mut with = With::engine(screen, place, missing).await?;
    let outcome = with.operate(&tenant, ask, options).await;
    let id = with.end(outcome).await?;
    report(screen, place, &tenant, id, wanted, Waited::Since(begun)).await
}

/// Waits for an operation that was begun before: with an engine that goes on with it, or beside the one that has
/// the store.
pub(crate) async fn wait(screen: &Screen, place: &Place, id: OperationId) -> Result<(), Failure> {
    let begun = Instant::now();
    let look = place.look()?;
    let record = look.operation(id).await?.ok_or(Failure::NoOperation(id))?;
    let tenant = record.tenant;
    let waited = match record.settled {
        Some(_) => Waited::Not,
        None => Waited::Since(begun),
    };
    if record.settled.is_none() {
        match With::engine(screen, &place.without_waiting(), Missing::Refuse).await {
            Ok(mut with) => {
                let since = with.engine.head();
                let outcome = match with.engine.operation(id).await {
                    Ok(operation) => with.watch(&tenant, since, operation).await.map(drop),
                    Err(error) => Err(error.into()),
                };
                with.end(outcome).await?;
            }
            Err(Failure::InUse { .. }) => {
                watch_beside(screen, &look, &tenant, id).await?;
            }
            Err(other) => return Err(other),
        }
    }
    report(screen, place, &tenant, Some(id), Wanted::Done, waited).await
}

/// Begins nothing for a tenant from now on.
pub(crate) async fn pause(
    screen: &Screen,
    place: &Place,
    tenant: TenantId,
    options: Options,
) -> Result<(), Failure> {
    let with = With::engine(screen, place, Missing::Refuse).await?;
    let outcome = with.engine.tenant(tenant.clone()).pause(options).await.map_err(Failure::from);
    with.end(outcome).await?;
    screen.show(&json!({ "tenant_id": tenant, "paused": true }), || {
        format!("{tenant}: paused; `landlord-compute resume {tenant}` lets it go on")
    })
}

/// Lets a tenant go on after a pause.
pub(crate) async fn resume(
    screen: &Screen,
    place: &Place,
    tenant: TenantId,
    options: Options,
) -> Result<(), Failure> {
    let with = With::engine(screen, place, Missing::Refuse).await?;
    let outcome = with.engine.tenant(tenant.clone()).resume(options).await.map_err(Failure::from);
    with.end(outcome).await?;
    screen.show(&json!({ "tenant_id": tenant, "paused": false }), || format!("{tenant}: resumed"))
}

/// An engine for the time of one command.
pub(crate) struct With<'a> {
    screen: &'a Screen,
    pub(crate) engine: Engine,
    signals: Signals,
}

impl<'a> With<'a> {
    /// It does not look after running tenants: a repair that it began would be cut off at its end.
    pub(crate) async fn engine(screen: &'a Screen, place: &Place, missing: Missing) -> Result<Self, Failure> {
        // While it waits for the store, Ctrl-C ends the program as usual: nothing is recorded yet.
        let engine = place.start(screen, missing, ObservePolicy::Off).await?;
        let signals = Signals::listen()?;
        Ok(Self { screen, engine, signals })
    }

    /// Sends a command and watches its operation. Gives its id, or none where what was asked for was so already.
    async fn operate(
        &mut self,
        tenant: &TenantId,
        ask: Ask,
        options: Options,
    ) -> Result<Option<OperationId>, Failure> {
        let since = self.engine.head();
        let handle = self.engine.tenant(tenant.clone());
        // For the engine a tenant that it never knew is as gone as one that was destroyed. A person mistyped it.
        if ask.needs_a_known_tenant()
            && let Record::Absent(id) = handle.snapshot().await?
        {
            return Err(Failure::NoTenant(id));
        }
        let operation = ask.send(&handle, options).await?;
        let id = operation.id();
        self.watch(tenant, since, operation).await?;
        Ok(id)
    }

    /// Shows what happens to the tenant until the operation has settled.
    pub(crate) async fn watch(
        &mut self,
        tenant: &TenantId,
        since: Position,
        mut operation: OperationHandle,
    ) -> Result<Settled, Failure> {
        // What was so already is over.
        let Some(id) = operation.id() else { return Ok(operation.settled().await?) };
        let mut events = Box::pin(self.engine.subscribe(since, Scope::Tenant(tenant.clone())).fuse());
        let handle = self.engine.tenant(tenant.clone());
        let mut again = Again::new(self.screen);
        loop {
            tokio::select! {
                biased;
                Some(delivery) = events.next() => match delivery? {
                    Delivery::Event { event, .. } => again.tell(&event),
                    Delivery::Gap { .. } => {}
                },
                () = again.due() => again.tell_again(&handle.snapshot().await?),
                settled = operation.settled() => return Ok(settled?),
                _ = self.signals.next() => return Err(Failure::Interrupted(id)),
            }
        }
    }

    /// Ends the engine in order; after Ctrl-C at once.
    pub(crate) async fn end<T>(mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        let grace = match &outcome {
            Err(Failure::Interrupted(_)) => Duration::ZERO,
            Ok(_) | Err(_) => GRACE,
        };
        let closed = tokio::select! {
            closed = self.engine.shutdown(grace) => closed,
            _ = self.signals.next() => Ok(()),
        };
        self.screen.end_progress();
        let value = outcome?;
        closed?;
        Ok(value)
    }
}

/// Shows what another program's engine does for a tenant until an operation has settled.
async fn watch_beside(
    screen: &Screen,
    look: &impl Reads,
    tenant: &TenantId,
    id: OperationId,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut reader = Reader::new(look, Scope::Tenant(tenant.clone()), Position(0));
    // What happened before is history.
    while !reader.read().await?.is_empty() {}
    let mut again = Again::new(screen);
    loop {
        for delivery in reader.read().await? {
            match delivery {
                Delivery::Event { event, .. } => again.tell(&event),
                Delivery::Gap { .. } => {}
            }
        }
        if again.is_due() {
            again.tell_again(&look.load(tenant).await?);
        }
        let settled = look.operation(id).await?.and_then(|record| record.settled);
        if settled.is_some() {
            screen.end_progress();
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = signals.next() => return Err(Failure::Interrupted(id)),
        }
    }
}
