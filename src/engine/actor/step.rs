//! One step of a tenant: asks the machine, commits what it decides, and runs the effects.

use std::sync::Arc;

use landlord_state_machines::id::{OperationId, TenantId};
use landlord_state_machines::tenant::{
    Decision, Effect, Input, LifecycleEvent, OpenedOperation, Record, Rejection, Stamp, Transition, step,
};
use landlord_state_machines::trace::TraceContext;
use tracing::{Instrument, Span};

use super::begun::Begun;
use super::tenant::TenantState;
use super::{Answer, CommandMessage};
use crate::engine::closing::Closed;
use crate::engine::commit::{CommitFailure, CommitLater};
use crate::engine::telemetry::{self, Traced};
use crate::engine::watched;
use crate::store::{NotedRequest, OperationRecord, Position, StoreError, Write};

/// What came of an input.
pub(super) enum Advanced {
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
pub(super) enum Setback {
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

impl TenantState {
    /// One step of the machine. When its commit fails the record is forgotten: what the store has is unknown.
    pub(super) async fn advance(
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
    fn decide(&mut self, input: Input, mut by: Option<&mut CommandMessage>) -> Result<Decided, Setback> {
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
        if let (Some(opened), Some(message)) = (opened, by.as_deref_mut())
            && self.core.ownership.since(self.id()).is_none()
            && let Some(caller) = message.settled.take()
        {
            // Another engine will settle it, perhaps before this one is told of the commit.
            self.core.waiters.add(opened.operation, caller);
        }
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
                if let (Some(opened), Some(message)) = (opened, by)
                    && message.settled.is_none()
                {
                    message.settled = self.core.waiters.take_back(opened.operation);
                }
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
            // The engine that has the tenant reads it. Who waits for the end is told by who reads the log.
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
pub(super) fn noted(message: &CommandMessage, tenant: &TenantId, answer: Answer) -> Option<NotedRequest> {
    let (request_id, asked) = (message.request_id.clone()?, message.asked?);
    let Answer { operation, revision } = answer;
    Some(NotedRequest { tenant: tenant.clone(), request_id, asked, operation, revision })
}
