//! One tenant's actor: takes a message, and answers it once what follows from it is durable.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{CallId, OperationId, Revision, TenantId};
use landlord_state_machines::tenant::{Input, Outcome, Record, StartCall};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::timeout;
use tracing::Span;

use super::begun::Begun;
use super::mailbox::{Delivery, Mailbox, Retired};
use super::own::{Own, is_final};
use super::step::{Advanced, Setback, noted};
use super::{Answer, CommandMessage, Message, Refusal};
use crate::engine::calls::{Dropped, Over};
use crate::engine::closing::Closed;
use crate::engine::config::STORE_PAUSE;
use crate::engine::core::TenantCore;
use crate::engine::watched::Placed;
use crate::provider::CheckpointError;
use crate::store::{Events, Position, Requested, Scope, StoreError};

/// The first and the longest pause before something that must not be lost is committed again.
const RECOMMIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

/// An actor. It is the actor of one tenant after the other.
pub(super) struct TenantActor {
    /// The engine's name. A copy of the actor's own: a shared reference count would be contended by all cores.
    pub(super) engine: Arc<str>,
    pub(super) mailbox: Arc<Mailbox>,
}

/// What an actor knows of its tenant. Nothing is in here that the store does not have.
pub(crate) struct TenantState {
    pub(super) core: Arc<TenantCore>,
    /// The engine's name: its actor's copy.
    pub(super) engine: Arc<str>,
    /// None until it is loaded, and after a commit whose outcome is unknown.
    pub(super) record: Option<Record>,
    /// Calls that were dropped: the next one starts when they are gone.
    pub(super) leaving: Dropped,
    /// Whether an [`Message::Activate`] is on its way.
    activation_due: bool,
    /// What was known before a commit whose outcome is unknown.
    pub(super) lost: Option<Record>,
    /// The operations on their way that this actor has seen begin, or has looked up.
    pub(super) begun: Vec<Begun>,
    /// A call that the last commit wants made.
    pub(super) starting: Option<StartCall>,
    /// An id for an operation that no command asks for; most inputs begin none.
    pub(super) spare: Option<OperationId>,
    /// What this actor knows of its own doings, where other engines may have the tenant.
    pub(super) own: Own,
    /// For who watches.
    pub(super) placed: Placed,
}

impl Actor for TenantActor {
    type Msg = Delivery;
    /// None while it is nobody's.
    type State = Option<TenantState>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Delivery>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok(None)
    }

    async fn handle(
        &self,
        myself: ActorRef<Delivery>,
        Delivery { activated, message }: Delivery,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(core) = activated {
            *state = Some(TenantState::new(core, Arc::clone(&self.engine)));
        }
        let Some(tenant) = state else { return Ok(()) };
        let asked_to_end = matches!(message, Message::Passivate);
        // In a box: the actor library moves this future more than once, and it is large.
        Box::pin(tenant.receive(message)).await;
        self.mailbox.handled();
        if tenant.may_end(asked_to_end) {
            match tenant.core.directory.retire(tenant.id(), &self.mailbox) {
                Retired::Stays => {}
                Retired::Spare => *state = None,
                Retired::Ends => {
                    *state = None;
                    myself.stop(None);
                }
            }
        }
        Ok(())
    }
}

impl TenantState {
    fn new(core: Arc<TenantCore>, engine: Arc<str>) -> Self {
        Self {
            core,
            engine,
            record: None,
            lost: None,
            leaving: Dropped::default(),
            activation_due: false,
            begun: Vec::new(),
            starting: None,
            spare: None,
            own: Own::default(),
            placed: Placed::default(),
        }
    }

    pub(super) fn id(&self) -> &TenantId {
        &self.core.tenant
    }

    /// Handles a message, and makes the call that follows from it. One that is over at once needs no message to say so.
    async fn receive(&mut self, message: Message) {
        self.handle(message).await;
        while let Some(start) = self.starting.take() {
            if let Some(Over { call, outcome, in_flight }) = self.make(start).await {
                self.persist_or_end(Input::Outcome { call, outcome }).await;
                drop(in_flight);
            }
        }
    }

    async fn handle(&mut self, message: Message) {
        let since = self.core.ownership.since(self.id());
        if self.own.taken_up != since {
            // The tenant has become another engine's, or this one's: what is on its way was not taken up when it was loaded.
            self.forget();
        }
        match message {
            Message::Command(message) => self.command(message).await,
            Message::CallEnded { call, outcome } => self.call_ended(call, outcome).await,
            Message::Progressed { call, ledger, step, reply } => {
                let result = match self.persist(Input::Progressed { call, ledger, step }).await {
                    Ok(Advanced::Applied(_)) => Ok(()),
                    Ok(Advanced::Unchanged(_) | Advanced::Rejected(_) | Advanced::NameTaken(_)) => {
                        Err(CheckpointError::Replaced)
                    }
                    Err(_closed) => Err(CheckpointError::Fenced),
                };
                // A call that was dropped meanwhile does not listen any more.
                let _ = reply.send(result);
            }
            Message::Wake => self.persist_or_end(Input::TimerFired).await,
            Message::Observed(observation) => self.persist_or_end(Input::Observed(observation)).await,
            Message::Activate => {
                self.activation_due = false;
                if self.core.ownership.shared().is_some() {
                    // Another engine may have committed what this one was not told.
                    self.forget();
                }
                self.activate().await;
            }
            Message::Inherited => self.inherited().await,
            Message::Changed { position, revision } => self.changed(position, revision).await,
            Message::HandOver(done) => {
                self.own.handing_over.push(done);
                // Otherwise it is told when the call has ended.
                if !self.core.calls.stop_any(self.id()) {
                    self.hand_over_tenant().await;
                }
            }
            Message::Passivate => {}
        }
    }

    /// A call that was asked to stop because the tenant is another engine's by now says nothing about the tenant, unless it did
    /// what it was to do, or never can.
    async fn call_ended(&mut self, call: CallId, outcome: Outcome) {
        let input = match self.own.handing_over.is_empty() || is_final(&outcome) {
            true => Input::Outcome { call, outcome },
            false => Input::HandedOver { call },
        };
        self.persist_or_end(input).await;
        self.core.calls.release(self.id(), call);
        if !self.own.handing_over.is_empty() {
            self.hand_over_tenant().await;
        }
    }

    /// No call of the tenant is alive here. One that was committed and not begun goes to the next engine.
    async fn hand_over_tenant(&mut self) {
        let loaded = self.ready().await.is_ok();
        if loaded && let Some(call) = self.record.as_ref().and_then(Record::call) {
            self.persist_or_end(Input::HandedOver { call }).await;
        }
        self.forget();
        for done in self.own.handing_over.drain(..) {
            // Whoever waited has given up.
            let _ = done.send(());
        }
    }

    /// Loading takes up what is on its way.
    async fn activate(&mut self) {
        if let Err(Setback::Stale | Setback::Store(_)) = self.ready().await {
            self.activate_later();
        }
    }

    /// The engine that had the tenant has begun nothing of what was committed since.
    async fn inherited(&mut self) {
        if let Some(since) = self.core.ownership.since(self.id()) {
            let scope = Scope::Tenant(self.id().clone());
            if let Ok(Events::Page(page)) = self.core.store.events(since, &scope, 1).await
                && let Some((position, event)) = page.first()
            {
                self.own.sure(since, *position, event.revision);
            }
        }
        self.activate().await;
    }

    /// Takes up what another engine has committed.
    async fn changed(&mut self, position: Position, revision: Revision) {
        let Some(since) = self.core.ownership.since(self.id()) else { return };
        self.own.sure(since, position, revision);
        if self.record.as_ref().is_some_and(|record| record.revision() >= revision) {
            return;
        }
        self.forget();
        self.activate().await;
    }

    /// What is known of the tenant may not be so any more. Callers whose operation another engine may have ended look for its end.
    fn forget(&mut self) {
        self.record = None;
        self.begun.clear();
    }

    /// The actor of an idle tenant ends when it is asked to, or when there are too many. The actor of a tenant that is
    /// gone ends at once.
    fn may_end(&self, asked: bool) -> bool {
        if !self.leaving.is_gone() || !self.own.handing_over.is_empty() {
            return false;
        }
        match &self.record {
            None => asked && !self.activation_due,
            Some(Record::Absent(_) | Record::Gone(_)) => true,
            Some(Record::Live(tenant)) => {
                // The call of another engine's tenant is not made here.
                let is_idle = tenant.call().is_none() || self.own.taken_up.is_none();
                is_idle && (asked || self.core.directory.live() > self.core.limits.live_tenants)
            }
        }
    }

    async fn command(&mut self, mut message: Box<CommandMessage>) {
        // Whoever asked has stopped waiting before anything was done.
        if message.reply.is_closed() {
            return;
        }
        message.admission = Span::none();
        let answer = self.decide_command(&mut message).await;
        let _ = message.reply.send(answer);
    }

    async fn decide_command(&mut self, message: &mut CommandMessage) -> Result<Answer, Refusal> {
        self.own.is_fresh = false;
        loop {
            match self.try_command(message).await {
                Ok(Advanced::Applied(answer) | Advanced::Unchanged(answer)) => return Ok(answer),
                Ok(Advanced::Rejected(rejection)) => return Err(Refusal::Rejected(rejection)),
                Ok(Advanced::NameTaken(by)) => return Err(Refusal::NameTaken(by)),
                Err(Setback::Stale) => {}
                Err(Setback::Refused(message)) => {
                    return Err(Refusal::Store(Arc::new(StoreError::Unavailable { message, source: None })));
                }
                Err(Setback::Store(error)) => {
                    // It may be durable all the same, and then its call has to be made.
                    self.activate_later();
                    return Err(Refusal::Store(error));
                }
                Err(Setback::Closed(why)) => return Err(Refusal::Closed(why)),
            }
        }
    }

    async fn try_command(&mut self, message: &mut CommandMessage) -> Result<Advanced, Setback> {
        self.ready().await?;
        if (message.again || message.request_id.is_some())
            && let Some(known) = Box::pin(self.known(message)).await?
        {
            // An older build kept no hash.
            return Ok(match (known.asked(), message.asked) {
                (Some(kept), Some(asked)) if kept != asked => Advanced::NameTaken(known.operation()),
                (Some(_), Some(_)) | (None, _) | (_, None) => Advanced::Unchanged(self.answered(&known)),
            });
        }
        let advanced = self.advance(Input::Command(message.command.clone()), Some(message)).await?;
        // Other engines may have committed what is not known here. A commit would find out.
        if matches!(advanced, Advanced::Unchanged(_) | Advanced::Rejected(_))
            && self.core.ownership.shared().is_some()
            && !self.own.is_fresh
        {
            self.record = None;
            return Err(Setback::Stale);
        }
        if let Advanced::Unchanged(answer) = &advanced
            && let Some(request) = noted(message, self.id(), *answer)
        {
            Box::pin(self.core.committer.note(&request)).await?;
        }
        Ok(advanced)
    }

    /// What this very request was answered before.
    fn answered(&self, known: &Requested) -> Answer {
        let revision = match known {
            Requested::Noted(noted) => noted.revision,
            Requested::Began(_) => self.revision(),
        };
        Answer { operation: known.operation(), revision }
    }

    /// The tenant's revision, which is loaded.
    fn revision(&self) -> Revision {
        self.record.as_ref().map(Record::revision).unwrap_or_default()
    }

    /// What this very command led to already: by its request id, or, when its answer was lost with an actor or a commit,
    /// by the id of the operation that it was to begin.
    async fn known(&self, message: &CommandMessage) -> Result<Option<Requested>, Setback> {
        let store = &self.core.store;
        let found = match &message.request_id {
            Some(request) => store.request(self.id(), request).await,
            None => store.operation(message.operation).await.map(|found| found.map(Requested::Began)),
        };
        found.map_err(|error| Setback::Store(Arc::new(error)))
    }

    async fn persist_or_end(&mut self, input: Input) {
        // When the engine has ended, the next one takes up what the store says.
        let _ = self.persist(input).await;
    }

    /// Takes up what is on its way a little later, once.
    fn activate_later(&mut self) {
        if std::mem::replace(&mut self.activation_due, true) {
            return;
        }
        let core = Arc::downgrade(&self.core);
        tokio::spawn(async move {
            tokio::time::sleep(STORE_PAUSE).await;
            if let Some(core) = core.upgrade() {
                core.tell(Message::Activate);
            }
        });
    }

    /// Commits what must not be lost: tries until it is committed, or the engine has ended.
    async fn persist(&mut self, mut input: Input) -> Result<Advanced, Closed> {
        let mut pause = RECOMMIT.0;
        loop {
            let result = match self.ready().await {
                Ok(()) => self.advance(input.clone(), None).await,
                Err(setback) => Err(setback),
            };
            match result {
                Ok(advanced) => return Ok(advanced),
                Err(Setback::Stale) => {}
                Err(Setback::Refused(message)) => {
                    tracing::error!(tenant_id = %self.id(), message, "the store refuses what a provider said");
                    match refused(input) {
                        Some(instead) => input = instead,
                        None => {
                            let revision = self.revision();
                            return Ok(Advanced::Unchanged(Answer { operation: None, revision }));
                        }
                    }
                }
                Err(Setback::Closed(why)) => return Err(why),
                Err(Setback::Store(error)) => {
                    if let Some(why) = self.core.closing.why() {
                        return Err(why);
                    }
                    tracing::warn!(tenant_id = %self.id(), %error, ?pause, "the store cannot be used; trying again");
                    let _over = Box::pin(timeout(pause, self.core.committer.outage_over())).await;
                    pause = (pause * 2).min(RECOMMIT.1);
                }
            }
        }
    }

    /// Loads the tenant if need be.
    async fn ready(&mut self) -> Result<(), Setback> {
        match self.record {
            Some(_) => Ok(()),
            // In a box: it is rare, and would make every future that waits for it larger.
            None => Box::pin(self.load()).await,
        }
    }

    /// Loads the tenant, and takes up what is on its way: a call that nobody has any more, an outcome that was not
    /// committed, a wake-up that is due.
    async fn load(&mut self) -> Result<(), Setback> {
        let unreadable = |error| Setback::Store(Arc::new(error));
        self.core.committer.catch_up().await.map_err(unreadable)?;
        let store = &self.core.store;
        let (record, begun) = match self.core.ownership.shared() {
            // Mostly it was another engine that was told to begin something.
            Some(_) => store.load_with_operation(self.id()).await.map_err(unreadable)?,
            None => (store.load(self.id()).await.map_err(unreadable)?, None),
        };
        let call = record.call();
        let due = record.wake_at().is_some_and(|at| at <= self.core.now());
        if let Some(lost) = self.lost.take() {
            self.core.watched.loaded(&self.core.registry, Some(&lost), &record);
        }
        let operation = record.operation();
        let wakes = record.wake_at();
        let asks = match &record {
            Record::Live(tenant) => tenant.asks(),
            Record::Absent(_) | Record::Gone(_) => None,
        };
        self.record = Some(record);
        self.own.is_fresh = true;
        self.own.taken_up = self.core.ownership.since(self.id());
        let Some(since) = self.own.taken_up else { return Ok(()) };
        if let Some(operation) = operation
            && !self.begun.iter().any(|begun| begun.operation == operation)
        {
            match begun {
                Some(_) => self.remember(operation, begun),
                None => self.look_up(operation).await,
            };
        }
        if self.core.ownership.shared().is_some() {
            self.follow_others(call, asks.is_some(), wakes);
        }
        self.core.calls.release_all_but(self.id(), call);
        if let Some(call) = call {
            if !self.core.calls.knows(self.id(), call) {
                match asks.filter(|_| self.own.is_to_be_made(since, call)) {
                    Some(start) => self.starting = Some(start),
                    None => {
                        self.advance(Input::Recovered, None).await?;
                    }
                }
            } else if let Some(outcome) = self.core.calls.outcome(self.id(), call) {
                self.advance(Input::Outcome { call, outcome }, None).await?;
                self.core.calls.release(self.id(), call);
            }
        }
        if due {
            self.advance(Input::TimerFired, None).await?;
        }
        Ok(())
    }

    /// What another engine's commit wanted done: the call that it ended is dropped, the one that it asked to stop is asked.
    fn follow_others(&mut self, call: Option<CallId>, goes_on: bool, wakes: Option<Timestamp>) {
        let dropped = self.core.calls.drop_all_but(self.id(), call);
        self.leaving = std::mem::take(&mut self.leaving).and(dropped);
        if let Some(call) = call.filter(|_| !goes_on) {
            self.core.calls.stop(self.id(), call);
        }
        if let Some(at) = wakes {
            self.core.wakeups.expect(at);
        }
    }
}

/// What takes the place of an input that the store can never keep: the call that it came from has failed. A wake-up,
/// a look or a ledger is dropped instead; the call whose ledger it was makes no further one.
fn refused(input: Input) -> Option<Input> {
    let message = "the store refuses what the call brought; this is a defect of the provider";
    let error = || {
        let (kind, code) = (ErrorKind::ProvisionFailed, ErrorCode::UnknownError);
        Arc::new(ProviderError::new(kind, Remedy::Permanent, code, message))
    };
    match input {
        Input::Outcome { outcome: Outcome::Failed(earlier), .. } if earlier.message == message => None,
        Input::Outcome { call, .. } => Some(Input::Outcome { call, outcome: Outcome::Failed(error()) }),
        Input::Command(_)
        | Input::Progressed { .. }
        | Input::TimerFired
        | Input::Observed(_)
        | Input::HandedOver { .. }
        | Input::Recovered => None,
    }
}
