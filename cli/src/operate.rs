//! Commands that change a tenant: send, show how it goes, say how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use landlord_api::OperationDocument;
use landlord_client::{Client, Command, CommandOptions, Events, EventsQuery, Message};
use landlord_compute::machines::id::{OperationId, ProviderName, TenantId};
use landlord_compute::machines::tenant::Settled;
use landlord_compute::{Engine, ObservePolicy};
use serde_json::json;

use super::again::Again;
use super::failure::Failure;
use super::patience::{GRACE, Patience, Until};
use super::place::{Missing, Place, Started};
use super::report::{Waited, Wanted, report};
use super::screen::Screen;
use super::signals::Signals;
use super::spec_file::Document;
use super::validate;

/// What is asked for, in one operation.
#[derive(Debug)]
pub(crate) enum Ask {
    Provision(Document),
    Update(Document),
    Restart,
    Destroy,
    Release(Option<ProviderName>),
    Cancel,
    Retry,
    Abandon,
}

impl Ask {
    fn command(&self) -> Command {
        match self {
            Self::Provision(spec) => Command::Provision(spec.spec()),
            Self::Update(spec) => Command::Update(spec.spec()),
            Self::Restart => Command::Restart,
            Self::Destroy => Command::Destroy,
            Self::Release(provider) => Command::Release(provider.clone()),
            Self::Cancel => Command::Cancel,
            Self::Retry => Command::Retry,
            Self::Abandon => Command::Abandon,
        }
    }

    /// The spec that goes with it.
    fn spec(&self) -> Option<&Document> {
        match self {
            Self::Provision(spec) | Self::Update(spec) => Some(spec),
            Self::Restart | Self::Destroy | Self::Release(_) | Self::Cancel | Self::Retry | Self::Abandon => {
                None
            }
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
            | Self::Abandon => Missing::Refuse,
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
            Self::Abandon => Wanted::Abandoned,
        }
    }
}

/// Makes the tenant of a spec run it: by a provision or an update.
pub(crate) async fn apply(
    screen: &Screen,
    place: &Place,
    spec: Document,
    ask: fn(Document) -> Ask,
    with: impl Into<(CommandOptions, Patience)>,
) -> Result<(), Failure> {
    // Nothing is begun for a spec that is refused: no store is made, and none is waited for.
    let tenant = validate::tenant(place, &spec).await?;
    operate(screen, place, tenant, ask(spec), with).await
}

/// Sends a command and waits for the end of its operation.
pub(crate) async fn operate(
    screen: &Screen,
    place: &Place,
    tenant: TenantId,
    ask: Ask,
    with: impl Into<(CommandOptions, Patience)>,
) -> Result<(), Failure> {
    let (options, patience) = with.into();
    let (begun, until) = (Instant::now(), patience.starts());
    let mut with = With::engine(screen, place, ask.missing()).await?;
    let events = with.client.events(Some(&tenant), &EventsQuery::default()).await;
    let sent = match events {
        Ok(events) => with.send(&tenant, &ask, &options).await.map(|id| (events, id)),
        Err(error) => Err(error.into()),
    };
    let outcome = match sent {
        Ok((_, Some(id))) if !patience.waits() => {
            let attended = with.is_others();
            with.end_with(Duration::ZERO).await?;
            return not_waited_for(screen, &tenant, id, attended);
        }
        Ok((events, Some(id))) => with.watch(&tenant, events, id, until).await.map(|_| Some(id)),
        Ok((_, None)) => Ok(None),
        Err(failure) => Err(failure),
    };
    let id = with.end(outcome).await?;
    report(screen, place, &tenant, id, ask.wanted(), Waited::Since(begun)).await
}

/// Says what was begun, and what becomes of it.
fn not_waited_for(
    screen: &Screen,
    tenant: &TenantId,
    id: OperationId,
    attended: bool,
) -> Result<(), Failure> {
    let document = json!({ "tenant_id": tenant, "operation": id });
    screen.show(&document, || match attended {
        true => format!("{tenant}: operation {id} is on its way; `landlord-compute wait {id}` waits for it"),
        false => format!(
            "{tenant}: operation {id} is recorded, and no engine goes on with it now;\n  `landlord-compute wait {id}` does, and `landlord-compute run` for all"
        ),
    })
}

/// Waits for an operation that was begun before: with an engine that goes on with it, or beside the one that has
/// the store.
pub(crate) async fn wait(
    screen: &Screen,
    place: &Place,
    id: OperationId,
    until: Until,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let look = place.look().await?;
    let found = look.operation(id).await?;
    let tenant = found.tenant_id;
    if found.settled.is_some() {
        return report(screen, place, &tenant, Some(id), Wanted::Done, Waited::Not).await;
    }
    let mut with = match With::engine(screen, &place.without_waiting(), Missing::Refuse).await {
        Err(Failure::InUse { .. }) => With::beside(screen, look)?,
        with => with?,
    };
    let outcome = match with.client.events(Some(&tenant), &EventsQuery::default()).await {
        Ok(events) => with.watch(&tenant, events, id, until).await.map(drop),
        Err(error) => Err(error.into()),
    };
    with.end(outcome).await?;
    report(screen, place, &tenant, Some(id), Wanted::Done, Waited::Since(begun)).await
}

/// Begins nothing for a tenant from now on.
pub(crate) async fn pause(
    screen: &Screen,
    place: &Place,
    tenant: TenantId,
    options: CommandOptions,
) -> Result<(), Failure> {
    tell(screen, place, &tenant, Command::Pause, options).await?;
    screen.show(&json!({ "tenant_id": tenant, "paused": true }), || {
        format!("{tenant}: paused; `landlord-compute resume {tenant}` lets it go on")
    })
}

/// Lets a tenant go on after a pause.
pub(crate) async fn resume(
    screen: &Screen,
    place: &Place,
    tenant: TenantId,
    options: CommandOptions,
) -> Result<(), Failure> {
    tell(screen, place, &tenant, Command::Resume, options).await?;
    screen.show(&json!({ "tenant_id": tenant, "paused": false }), || format!("{tenant}: resumed"))
}

/// Sends a command that begins no operation.
async fn tell(
    screen: &Screen,
    place: &Place,
    tenant: &TenantId,
    command: Command,
    options: CommandOptions,
) -> Result<(), Failure> {
    let with = With::engine(screen, place, Missing::Refuse).await?;
    let outcome = with.client.command(tenant, command, &options).await.map_err(Failure::from);
    with.end(outcome).await.map(drop)
}

/// Who answers one command.
pub(crate) struct With<'a> {
    screen: &'a Screen,
    pub(crate) client: Client,
    whose: Whose,
    pub(crate) signals: Signals,
}

/// Whose engine goes on with an operation.
enum Whose {
    /// This command's own. It does not look after running tenants: a repair that it began would be cut off at its end.
    Own(Arc<Engine>),
    /// A server's, or another program's.
    Others,
}

impl<'a> With<'a> {
    /// The server, or an engine for the time of one command.
    pub(crate) async fn engine(screen: &'a Screen, place: &Place, missing: Missing) -> Result<Self, Failure> {
        // While it waits for the store, Ctrl-C ends the program as usual: nothing is recorded yet.
        let (client, whose) = match place.start(screen, missing, ObservePolicy::Off).await? {
            Started::Server(client) => (client, Whose::Others),
            Started::Engine(engine, client) => (client, Whose::Own(engine)),
        };
        Ok(Self { screen, client, whose, signals: Signals::listen()? })
    }

    /// Only to look, while another program's engine works.
    fn beside(screen: &'a Screen, client: Client) -> Result<Self, Failure> {
        Ok(Self { screen, client, whose: Whose::Others, signals: Signals::listen()? })
    }

    /// Whether another program's engine goes on with what is begun.
    pub(crate) fn is_others(&self) -> bool {
        matches!(self.whose, Whose::Others)
    }

    /// Sends a command. Gives the id of its operation, or none where what was asked for was so already.
    async fn send(
        &mut self,
        tenant: &TenantId,
        ask: &Ask,
        options: &CommandOptions,
    ) -> Result<Option<OperationId>, Failure> {
        let accepted = self.client.command(tenant, ask.command(), options).await;
        let accepted = accepted.map_err(|error| match ask.spec() {
            Some(spec) => spec.refused(error),
            None => error.into(),
        })?;
        Ok(accepted.operation)
    }

    /// Shows what happens to the tenant until the operation has settled.
    pub(crate) async fn watch(
        &mut self,
        tenant: &TenantId,
        events: Events,
        id: OperationId,
        until: Until,
    ) -> Result<Settled, Failure> {
        let mut events = events.fuse();
        let mut again = Again::new(self.screen);
        let client = self.client.clone();
        let mut settled = Box::pin(async move { client.settled(id).await });
        loop {
            tokio::select! {
                biased;
                Some(message) = events.next() => match message? {
                    Message::Event(event) => again.tell(&event.data),
                    Message::Gap(_) => {}
                },
                () = again.due() => again.tell_again(self.client.tenant(tenant).await.ok().map(|it| it.tenant)),
                operation = &mut settled => {
                    let operation: OperationDocument = operation?;
                    return operation.settled.ok_or(Failure::Interrupted(id));
                }
                () = until.over() => {
                    return Err(Failure::NotOver { operation: id, attended: self.is_others() });
                }
                _ = self.signals.next() => return Err(match self.whose {
                    Whose::Own(_) => Failure::Interrupted(id),
                    Whose::Others => Failure::Left(id),
                }),
            }
        }
    }

    /// Ends an engine of one's own in order; after Ctrl-C, or when the time is over, at once.
    pub(crate) async fn end<T>(self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        let grace = match &outcome {
            Err(Failure::Interrupted(_) | Failure::NotOver { .. }) => Duration::ZERO,
            Ok(_) | Err(_) => GRACE,
        };
        let closed = self.end_with(grace).await;
        let value = outcome?;
        closed?;
        Ok(value)
    }

    /// Ends an engine of one's own, whose calls may go on for so long.
    pub(crate) async fn end_with(mut self, grace: Duration) -> Result<(), Failure> {
        let closed = match &self.whose {
            Whose::Others => Ok(()),
            Whose::Own(engine) => tokio::select! {
                closed = engine.shutdown(grace) => closed,
                _ = self.signals.next() => Ok(()),
            },
        };
        self.screen.end_progress();
        Ok(closed?)
    }
}
