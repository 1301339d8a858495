//! One tenant's actor: takes a message, asks the machine, commits what it decides, and runs the effects.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{CallId, OperationId, ProviderName, Revision, TenantId};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::tenant::{
    Decision, Direction, Effect, Input, LifecycleEvent, OpenedOperation, OperationKind, Outcome, Record,
    Rejection, Settled, Stamp, StartCall, State, Transition, step,
};
use landlord_state_machines::trace::TraceContext;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{Instrument, Span};

use super::mailbox::{Delivery, Mailbox, Retired};
use super::own::{Own, is_final};
use super::{Answer, CommandMessage, Message, Refusal};
use crate::engine::calls::{Dropped, Over, Particulars};
use crate::engine::closing::Closed;
use crate::engine::commit::{CommitFailure, CommitLater};
use crate::engine::config::STORE_PAUSE;
use crate::engine::core::TenantCore;
use crate::engine::telemetry::{self, Traced};
use crate::engine::watched::{self, Placed};
use crate::provider::{CheckpointError, Initiator};
use crate::store::{Events, NotedRequest, OperationRecord, Position, Requested, Scope, StoreError, Write};
use crate::telemetry::Place;

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
    core: Arc<TenantCore>,
    /// The engine's name: its actor's copy.
    engine: Arc<str>,
    /// None until it is loaded, and after a commit whose outcome is unknown.
    record: Option<Record>,
    /// Calls that were dropped: the next one starts when they are gone.
    leaving: Dropped,
    /// Whether an [`Message::Activate`] is on its way.
    activation_due: bool,
    /// What was known before a commit whose outcome is unknown.
    lost: Option<Record>,
    /// The operations on their way that this actor has seen begin, or has looked up.
    begun: Vec<Begun>,
    /// A call that the last commit wants made.
    starting: Option<StartCall>,
    /// An id for an operation that no command asks for; most inputs begin none.
    spare: Option<OperationId>,
    /// What this actor knows of its own doings, where other engines may have the tenant.
    own: Own,
    /// For who watches.
    placed: Placed,
}

/// An operation on its way.
struct Begun {
    operation: OperationId,
    /// What it does, and when it was accepted; none where the store could not say it.
    accepted: Option<(OperationKind, Timestamp)>,
    traced: Traced,
    /// Who asked for it. Where this is lost, the caller finds the settlement in the store.
    caller: Option<oneshot::Sender<Settled>>,
}

/// What came of an input.
enum Advanced {
    /// The tenant changed; a request with a name is kept with that.
    Applied(Answer),
    /// What was asked for is on its way, or so: nothing changed.
    Unchanged(Answer),
    Rejected(Rejection),
    /// Another request has the command's name, which is, or is part of, this operation.
    NameTaken(Option<OperationId>),
}

/// What the machine decided.
enum Decided {
    Over(Advanced),
    /// It is not known yet whether this is durable.
    Committing(Box<Follows>, CommitLater),
}

/// What follows a transition once it is durable.
struct Follows {
    record: Record,
    event: Arc<LifecycleEvent>,
    opened: Option<OpenedOperation>,
    effects: Vec<Effect>,
    before: Option<Record>,
    /// The trace of an operation that nobody asked for.
    trace: Option<TraceContext>,
    span: Span,
    commit: Span,
}

/// Why an input brought nothing.
enum Setback {
    /// The tenant changed under us: it is loaded again, and the input tried at once.
    Stale,
    /// The store can never keep what was decided.
    Refused(String),
    /// The store cannot be used now. What it holds is unknown.
    Store(Arc<StoreError>),
    Closed(Closed),
}

impl From<CommitFailure> for Setback {
    fn from(failure: CommitFailure) -> Self {
        match failure {
            CommitFailure::Stale { .. } => Self::Stale,
            CommitFailure::Refused(message) => Self::Refused(message),
            CommitFailure::Unavailable(error) => Self::Store(error),
            CommitFailure::Closed(why) => Self::Closed(why),
        }
    }
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

    fn id(&self) -> &TenantId {
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
            self.record = None;
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
        self.record = None;
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
        self.record = None;
        self.activate().await;
    }

    /// The actor of an idle tenant ends when it is asked to, or when there are too many. The actor of a tenant that is
    /// gone ends at once.
    fn may_end(&self, asked: bool) -> bool {
        match &self.record {
            None => asked && !self.activation_due && self.own.handing_over.is_empty(),
            Some(Record::Absent(_) | Record::Gone(_)) => self.leaving.is_gone(),
            Some(Record::Live(tenant)) => {
                tenant.call().is_none()
                    && (asked || self.core.directory.live() > self.core.limits.live_tenants)
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
        let record = self.core.store.load(self.id()).await.map_err(unreadable)?;
        let call = record.call();
        let due = record.wake_at().is_some_and(|at| at <= self.core.now());
        if let Some(lost) = self.lost.take() {
            self.core.watched.loaded(&self.core.registry, Some(&lost), &record);
        }
        let operation = match &record {
            Record::Live(tenant) => tenant.operation(),
            Record::Absent(_) | Record::Gone(_) => None,
        };
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
            self.look_up(operation).await;
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

    /// One step of the machine. When its commit fails the record is forgotten: what the store has is unknown.
    async fn advance(
        &mut self,
        input: Input,
        mut by: Option<&mut CommandMessage>,
    ) -> Result<Advanced, Setback> {
        // An earlier step wants this call made: it begins before the next step.
        if let Some(start) = self.starting.take() {
            Box::pin(self.hand_over(start)).await;
        }
        match self.decide(input, by.as_deref_mut())? {
            Decided::Over(advanced) => Ok(advanced),
            Decided::Committing(follows, answer) => {
                let answer = answer.over().instrument(follows.commit.clone()).await;
                self.follow(*follows, answer, by)
            }
        }
    }

    /// Asks the machine, and begins to commit what it decides. Most often that is over at once.
    fn decide(&mut self, input: Input, by: Option<&mut CommandMessage>) -> Result<Decided, Setback> {
        let Some(record) = &self.record else { return Err(Setback::Stale) };
        let stamp = Stamp {
            now: self.core.now(),
            jitter: fastrand::u16(0..1000),
            operation: match &by {
                Some(message) => message.operation,
                None => *self.spare.get_or_insert_with(|| self.core.mint()),
            },
        };
        let transition = match step(&self.core.policy, record, stamp, input) {
            Decision::Apply(transition) => transition,
            Decision::Join(operation) => {
                let answer = Answer { operation: Some(operation), revision: record.revision() };
                return Ok(Decided::Over(Advanced::Unchanged(answer)));
            }
            Decision::Ignore => {
                let answer = Answer { operation: None, revision: record.revision() };
                return Ok(Decided::Over(Advanced::Unchanged(answer)));
            }
            Decision::Reject(rejection) => return Ok(Decided::Over(Advanced::Rejected(rejection))),
        };
        let Transition { record, event, opened, spec, effects } = transition;
        let before = self.record.take();
        let provider = watched::provider(before.as_ref(), &record);
        let (span, trace) = self.spans(by.as_deref(), opened, &event, provider);
        if opened.is_some() {
            self.spare = None;
        }
        span.in_scope(|| telemetry::transition(&event));
        let noted = match (opened, by.as_deref()) {
            (None, Some(message)) => {
                let answer = Answer { operation: event.operation, revision: event.revision };
                noted(message, &event.tenant_id, answer).map(Box::new)
            }
            // It has the name of the request itself.
            (Some(_), _) | (None, None) => None,
        };
        let write = Write {
            expected: before.as_ref().map(Record::revision).unwrap_or_default(),
            opened: opened
                .map(|opened| Arc::new(operation_record(opened, &event, by.as_deref(), trace.as_ref()))),
            record,
            event,
            spec: spec.map(|versioned| (versioned.version, versioned.spec)),
            noted,
        };
        let commit = telemetry::commit_span(&span);
        if let Some(answer) = commit.in_scope(|| self.core.committer.commit_now(&write)) {
            let Write { record, event, .. } = write;
            let follows = Follows { record, event, opened, effects, before, trace, span, commit };
            return self.follow(follows, answer, by).map(Decided::Over);
        }
        let (record, event) = (write.record.clone(), Arc::clone(&write.event));
        let answer = commit.in_scope(|| self.core.committer.commit_later(write));
        let follows = Follows { record, event, opened, effects, before, trace, span, commit };
        Ok(Decided::Committing(Box::new(follows), answer))
    }

    /// What follows when a commit is over.
    fn follow(
        &mut self,
        follows: Follows,
        answer: Result<Position, CommitFailure>,
        by: Option<&mut CommandMessage>,
    ) -> Result<Advanced, Setback> {
        let Follows { record, event, opened, effects, before, trace, span, commit } = follows;
        drop(commit);
        let position = match answer {
            Ok(position) => position,
            Err(failure) => {
                // Who waits for them finds in the store how they ended, if they did.
                self.begun.clear();
                self.lost = self.lost.take().or(before);
                return Err(failure.into());
            }
        };
        telemetry::published(&span, position);
        let provider = watched::provider(before.as_ref(), &record);
        let place = self.core.watched.place(&mut self.placed, &self.core.registry, provider);
        self.core.watched.transition(place, before.as_ref(), &record, &event);
        if let Some(opened) = opened {
            let first = by.as_deref().map_or(&span, |message| &message.span);
            // Where nobody watches, whoever subscribes to spans decides for each.
            let has_spans = !self.core.watched.is_watched() || !first.is_disabled();
            let (trace, caller) =
                by.map_or((trace, None), |message| (message.trace.take(), message.settled.take()));
            let accepted = Some((opened.kind, event.at));
            let traced = Traced { trace, has_spans };
            self.begun.push(Begun { operation: opened.operation, accepted, traced, caller });
        }
        self.settle(&event, place);
        match self.core.ownership.since(self.id()) {
            Some(since) => {
                self.own.sure(since, position, event.revision);
                self.record = Some(record);
                for effect in effects {
                    self.run(effect);
                }
            }
            // The engine that has the tenant reads it. Who waits for the end is told by whoever publishes.
            None => self.begun.clear(),
        }
        let operation = opened.map(|opened| opened.operation).or(event.operation);
        Ok(Advanced::Applied(Answer { operation, revision: event.revision }))
    }

    fn run(&mut self, effect: Effect) {
        match effect {
            Effect::StopCall(call) => self.core.calls.stop(self.id(), call),
            Effect::DropCall(call) => {
                let dropped = self.core.calls.drop_call(self.id(), call);
                self.leaving = std::mem::take(&mut self.leaving).and(dropped);
            }
            Effect::StartCall(start) => self.starting = Some(start),
        }
    }

    /// Tells callers of this actor what they wait for. Others are told by whoever publishes.
    fn settle(&mut self, event: &LifecycleEvent, provider: Option<Place>) {
        for settlement in &event.settled {
            let at = self.begun.iter().position(|begun| begun.operation == settlement.operation);
            let begun = at.map(|at| self.begun.swap_remove(at));
            let accepted = begun.as_ref().and_then(|begun| begun.accepted);
            self.core.watched.settled(provider, accepted, settlement, event.at);
            if let Some(caller) = begun.and_then(|begun| begun.caller) {
                // Whoever gave up does not listen.
                let _ = caller.send(settlement.settled.clone());
            }
        }
    }

    /// Makes a call. It is over already, or becomes a task that tells when it is.
    async fn make(&mut self, start: StartCall) -> Option<Over> {
        let particulars = self.particulars(&start).await?;
        let leaving = std::mem::take(&mut self.leaving);
        self.core.calls.make(&self.core, start, particulars, leaving)
    }

    /// Makes a call, in a task whatever comes of it.
    async fn hand_over(&mut self, start: StartCall) {
        if let Some(particulars) = self.particulars(&start).await {
            let leaving = std::mem::take(&mut self.leaving);
            self.core.calls.hand_over(&self.core, start, particulars, leaving);
        }
    }

    /// What a call needs; none when it must not begin.
    async fn particulars(&mut self, start: &StartCall) -> Option<Particulars> {
        let Some(Record::Live(tenant)) = &self.record else { return None };
        let (incarnation, ledger) = (tenant.incarnation, tenant.ledger.clone());
        let provider = tenant.provider.clone();
        let initiator = initiator(&tenant.state);
        let traced = match self.begun.iter().find(|begun| begun.operation == start.operation) {
            Some(begun) => begun.traced.clone(),
            None => Box::pin(self.look_up(start.operation)).await,
        };
        // A call that is not started now is taken up at the next start of the engine.
        if self.core.draining() || !self.core.ownership.has(self.id()) {
            return None;
        }
        self.own.made = Some(start.call);
        let engine = Arc::clone(&self.engine);
        let subject = Subject { engine, provider, tenant: self.id().clone(), incarnation };
        Some(Particulars { subject, ledger, traced, initiator })
    }

    /// What an operation is that another actor has seen begin, also before a restart, and the trace that it is part of. It
    /// costs a read of the store; when that fails, the operation goes on without a trace.
    async fn look_up(&mut self, operation: OperationId) -> Traced {
        let found = self.core.store.operation(operation).await.ok().flatten();
        let accepted = found.as_ref().map(|operation| (operation.kind, operation.accepted_at));
        let trace = found.and_then(|operation| operation.trace);
        let has_spans = self.core.watched.traces(operation, trace.as_ref());
        let traced = Traced { trace, has_spans };
        self.begun.push(Begun { operation, accepted, traced: traced.clone(), caller: None });
        traced
    }

    /// The span of a transition, and the trace of an operation that begins with it and that nobody asked for.
    fn spans(
        &self,
        by: Option<&CommandMessage>,
        opened: Option<OpenedOperation>,
        event: &LifecycleEvent,
        provider: Option<&ProviderName>,
    ) -> (Span, Option<TraceContext>) {
        let Some(provider) = provider else { return (Span::none(), None) };
        let watched = &self.core.watched;
        match (by, opened) {
            (Some(message), _) if !message.span.is_disabled() => {
                let trace = message.trace.as_ref();
                (telemetry::transition_span(Some(&message.span), trace, event, provider), None)
            }
            // It was asked about with the command.
            (Some(message), _) if watched.is_watched() && event.operation == Some(message.operation) => {
                (Span::none(), None)
            }
            (None, Some(opened)) if watched.traces(opened.operation, None) => {
                let command = telemetry::own_command_span(event, opened.kind, provider);
                let trace = telemetry::trace_of(&command);
                let span = telemetry::transition_span(Some(&command), trace.as_ref(), event, provider);
                (span, trace)
            }
            (Some(_), _) | (None, _) => {
                let Some(operation) = event.operation else {
                    // It is part of no operation, which somebody could have asked to be traced.
                    let span = match watched.is_watched() {
                        true => Span::none(),
                        false => telemetry::transition_span(None, None, event, provider),
                    };
                    return (span, None);
                };
                let begun = self.begun.iter().find(|begun| begun.operation == operation);
                let (trace, has_spans) = match begun {
                    Some(Begun { traced: Traced { trace, has_spans }, .. }) => (trace.as_ref(), *has_spans),
                    None => {
                        let trace = by.and_then(|message| message.trace.as_ref());
                        (trace, watched.traces(operation, trace))
                    }
                };
                match has_spans {
                    true => (telemetry::transition_span(None, trace, event, provider), None),
                    false => (Span::none(), None),
                }
            }
        }
    }
}

/// What the store keeps of an operation that begins.
fn operation_record(
    opened: OpenedOperation,
    event: &LifecycleEvent,
    by: Option<&CommandMessage>,
    own: Option<&TraceContext>,
) -> OperationRecord {
    OperationRecord {
        id: opened.operation,
        tenant: event.tenant_id.clone(),
        incarnation: event.incarnation,
        kind: opened.kind,
        target: opened.target,
        accepted_at: event.at,
        request_id: by.and_then(|message| message.request_id.clone()),
        asked: by.and_then(|message| message.asked),
        reason: by.and_then(|message| message.reason.clone()),
        trace: by.map_or(own, |message| message.trace.as_ref()).cloned(),
        settled: None,
    }
}

/// What the store keeps of a request with a name that began no operation.
fn noted(message: &CommandMessage, tenant: &TenantId, answer: Answer) -> Option<NotedRequest> {
    let (request_id, asked) = (message.request_id.clone()?, message.asked?);
    let Answer { operation, revision } = answer;
    Some(NotedRequest { tenant: tenant.clone(), request_id, asked, operation, revision })
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

/// Who initiated what a tenant is doing: the engine for a repair, a person for all else.
fn initiator(state: &State) -> Initiator {
    match state {
        State::Provisioning(change) | State::Updating { change, .. } => match change.direction {
            Direction::Repair => Initiator::Engine,
            Direction::Forward { .. } | Direction::Undo(_) => Initiator::Person,
        },
        State::Pending | State::Running { .. } | State::Destroying(_) => Initiator::Person,
    }
}
