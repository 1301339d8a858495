//! The operations of a tenant that are on their way: who waits for each, and the trace that it is part of.

use jiff::Timestamp;
use landlord_state_machines::id::{OperationId, ProviderName};
use landlord_state_machines::tenant::{LifecycleEvent, OpenedOperation, OperationKind, Settled};
use landlord_state_machines::trace::TraceContext;
use tokio::sync::oneshot;
use tracing::Span;

use super::CommandMessage;
use super::tenant::TenantState;
use crate::engine::telemetry::{self, Traced};
use crate::store::OperationRecord;
use crate::telemetry::Place;

/// An operation on its way.
pub(super) struct Begun {
    pub(super) operation: OperationId,
    /// What it does, and when it was accepted; none where the store could not say it.
    pub(super) accepted: Option<(OperationKind, Timestamp)>,
    pub(super) traced: Traced,
    /// Who asked for it. Where this is lost, the caller finds the settlement in the store.
    pub(super) caller: Option<oneshot::Sender<Settled>>,
}

impl TenantState {
    /// Tells callers of this actor what they wait for. Others are told by whoever publishes.
    pub(super) fn settle(&mut self, event: &LifecycleEvent, provider: Option<Place>) {
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

    /// What an operation is that another actor has seen begin, also before a restart, and the trace that it is part of. It
    /// costs a read of the store; when that fails, the operation goes on without a trace.
    pub(super) async fn look_up(&mut self, operation: OperationId) -> Traced {
        let found = self.core.store.operation(operation).await.ok().flatten();
        self.remember(operation, found)
    }

    /// What the store says of an operation on its way.
    pub(super) fn remember(&mut self, operation: OperationId, found: Option<OperationRecord>) -> Traced {
        let accepted = found.as_ref().map(|operation| (operation.kind, operation.accepted_at));
        let trace = found.and_then(|operation| operation.trace);
        let has_spans = self.core.watched.traces(operation, trace.as_ref());
        let traced = Traced { trace, has_spans };
        self.begun.push(Begun { operation, accepted, traced: traced.clone(), caller: None });
        traced
    }

    /// The span of a transition, and the trace of an operation that begins with it and that nobody asked for.
    pub(super) fn spans(
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
