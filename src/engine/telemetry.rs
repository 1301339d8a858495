//! Spans: each command, its admission, each transition, commit and provider call is one, with its tenant, provider,
//! operation and attempt. Roots on purpose: an actor outlives whoever spoke to it, so the caller's trace travels with the
//! operation instead. What is made for an operation whose spans nobody wants is [`Span::none`].

use landlord_state_machines::id::{OperationId, ProviderName, TenantId};
use landlord_state_machines::tenant::{
    EventKind, LifecycleEvent, OperationKind, Outcome, Request, StartCall,
};
use landlord_state_machines::trace::TraceContext;
use tracing::Span;
use tracing::field::Empty;

use crate::store::Position;
use crate::telemetry::TRACE_TARGET;

/// What is kept of an operation's trace, and whether the operation has spans. That is decided once.
#[derive(Clone)]
pub(crate) struct Traced {
    pub(crate) trace: Option<TraceContext>,
    pub(crate) has_spans: bool,
}

/// The span of a command, until it is answered.
pub(crate) fn command_span(
    tenant: &TenantId,
    request: &Request,
    operation: OperationId,
    trace: Option<&TraceContext>,
) -> Span {
    let parent = Parent::of(trace);
    let span = tracing::info_span!(
        target: TRACE_TARGET,
        parent: None,
        "command",
        command = request.name(),
        tenant_id = %tenant,
        provider = request.provider().map(tracing::field::display),
        %operation,
        traceparent = Empty,
        trace_id = parent.trace_id(trace).map(tracing::field::display),
    );
    continue_trace(&span, trace, parent);
    span
}

/// The same for what the engine asks of itself.
pub(crate) fn own_command_span(event: &LifecycleEvent, kind: OperationKind, provider: &ProviderName) -> Span {
    let span = tracing::info_span!(
        target: TRACE_TARGET,
        parent: None,
        "command",
        command = kind.name(),
        tenant_id = %event.tenant_id,
        %provider,
        operation = event.operation.map(tracing::field::display),
        traceparent = Empty,
        trace_id = Empty,
    );
    continue_trace(&span, None, Parent::none());
    span
}

/// The span of a command that was taken on and waits for its tenant's actor.
pub(crate) fn admission_span(command: &Span) -> Span {
    if command.is_disabled() {
        Span::none()
    } else {
        tracing::info_span!(target: TRACE_TARGET, parent: command, "admission")
    }
}

/// The span of one use of a provider.
pub(crate) fn call_span(tenant: &TenantId, start: &StartCall, trace: Option<&TraceContext>) -> Span {
    let method = start.method.name();
    let parent = Parent::of(trace);
    let span = tracing::info_span!(
        target: TRACE_TARGET,
        parent: None,
        "call",
        method,
        tenant_id = %tenant,
        provider = %start.provider,
        operation = %start.operation,
        call = %start.call,
        attempt = i64::from(start.attempt),
        traceparent = Empty,
        trace_id = parent.trace_id(trace).map(tracing::field::display),
        outcome = Empty,
        code = Empty,
        otel.status_code = Empty,
    );
    continue_trace(&span, trace, parent);
    span
}

/// Says what came of a call. The error's words are in the event; here is only its code.
pub(crate) fn call_ended(span: &Span, outcome: &Outcome) {
    if span.is_disabled() {
        return;
    }
    let (name, error) = match outcome {
        Outcome::Succeeded { .. } => ("succeeded", None),
        Outcome::Failed(error) => ("failed", Some(error)),
        Outcome::TimedOut(error) => ("timed_out", Some(error)),
        Outcome::Lost(error) => ("lost", Some(error)),
        Outcome::Held(error) => ("held", Some(error)),
    };
    span.record("outcome", name);
    if let Some(error) = error {
        span.record("code", tracing::field::display(&error.code));
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of a transition becoming durable. It is part of the command that asked for it, where one did, else of its
/// operation's trace; `trace` is that of either.
pub(crate) fn transition_span(
    command: Option<&Span>,
    trace: Option<&TraceContext>,
    event: &LifecycleEvent,
    provider: &ProviderName,
) -> Span {
    let to = event.to.map_or("gone", landlord_state_machines::tenant::StateName::as_str);
    let own = trace.filter(|_| command.is_none());
    let parent = Parent::of(own);
    let trace_id = match command {
        Some(_) => trace.and_then(trace_id),
        None => parent.trace_id(own),
    };
    let span = tracing::info_span!(
        target: TRACE_TARGET,
        parent: command.and_then(Span::id),
        "transition",
        tenant_id = %event.tenant_id,
        %provider,
        operation = event.operation.map(tracing::field::display),
        attempt = event.attempt.map(i64::from),
        from = event.from.as_str(),
        to,
        kind = event.what.name(),
        revision = number(event.revision.0),
        traceparent = Empty,
        trace_id = trace_id.map(tracing::field::display),
    );
    if command.is_none() || trace_id.is_none() {
        continue_trace(&span, own, parent);
    }
    span
}

/// The span of the store making a transition durable, with others or alone.
pub(crate) fn commit_span(transition: &Span) -> Span {
    if transition.is_disabled() {
        Span::none()
    } else {
        tracing::info_span!(target: TRACE_TARGET, parent: transition, "commit")
    }
}

/// The event of a transition is published, at this position.
pub(crate) fn published(transition: &Span, position: Position) {
    if !transition.is_disabled() {
        tracing::info_span!(target: TRACE_TARGET, parent: transition, "publish", position = number(position.0));
    }
}

/// Says what happened, at the level that it has (CONTRACT.md, "Logging").
pub(crate) fn transition(event: &LifecycleEvent) {
    let operation = event.operation.map(tracing::field::display);
    let to = event.to.map_or("gone", landlord_state_machines::tenant::StateName::as_str);
    let (tenant_id, from, revision, attempt) =
        (&event.tenant_id, event.from.as_str(), event.revision.0, event.attempt);
    match &event.what {
        EventKind::WillRetry { error, at } => {
            tracing::warn!(%tenant_id, operation, attempt, from, to, revision, %error, retry_at = %at, "retry later");
        }
        EventKind::Undoing { error: Some(error) }
        | EventKind::RepairFailed { error: Some(error), .. }
        | EventKind::NotUndone { error, .. } => {
            tracing::error!(%tenant_id, operation, attempt, from, to, revision, %error, "failed");
        }
        EventKind::Succeeded { .. } | EventKind::Undone => {
            tracing::info!(%tenant_id, operation, attempt, from, to, revision, "succeeded");
        }
        EventKind::Began { .. }
        | EventKind::AlreadyRunning
        | EventKind::Queued { .. }
        | EventKind::Progressed { .. }
        | EventKind::Waits { .. }
        | EventKind::FoundNothing
        | EventKind::Retried
        | EventKind::Stopping { .. }
        | EventKind::Undoing { error: None }
        | EventKind::RepairFailed { error: None, .. }
        | EventKind::HealthChanged { .. }
        | EventKind::Recovered
        | EventKind::HandedOver
        | EventKind::Paused
        | EventKind::Resumed
        | EventKind::QueueCancelled
        | EventKind::Abandoned { .. } => {
            tracing::debug!(%tenant_id, operation, attempt, from, to, revision, "transition");
        }
    }
}

/// As a number of OpenTelemetry, which has signed ones alone: others would become texts.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The id of a caller's trace, as its text says it.
fn trace_id(trace: &TraceContext) -> Option<&str> {
    trace.traceparent.split('-').nth(1)
}

/// The caller's span that a span goes on from; none where there is none, or no layer of OpenTelemetry could know it.
#[cfg(feature = "opentelemetry")]
struct Parent(Option<opentelemetry::Context>);

#[cfg(feature = "opentelemetry")]
impl Parent {
    fn none() -> Self {
        Self(None)
    }

    fn of(trace: Option<&TraceContext>) -> Self {
        use opentelemetry::propagation::TextMapPropagator;
        use opentelemetry::trace::TraceContextExt;
        use tracing::level_filters::LevelFilter;

        let trace = trace.filter(|_| LevelFilter::current() >= LevelFilter::INFO);
        let parent = trace.map(|trace| {
            opentelemetry_sdk::propagation::TraceContextPropagator::new().extract(&Carried(trace))
        });
        Self(parent.filter(|parent| parent.span().span_context().is_valid()))
    }

    /// The id of its trace, which `trace` says. It is given to a span at its beginning, because to add it later costs more than
    /// to begin one.
    fn trace_id<'t>(&self, trace: Option<&'t TraceContext>) -> Option<&'t str> {
        self.0.as_ref().and(trace).and_then(trace_id)
    }
}

/// Without OpenTelemetry there is nothing to go on from.
#[cfg(not(feature = "opentelemetry"))]
struct Parent;

#[cfg(not(feature = "opentelemetry"))]
impl Parent {
    fn none() -> Self {
        Self
    }

    fn of(_trace: Option<&TraceContext>) -> Self {
        Self
    }

    fn trace_id<'t>(&self, _trace: Option<&'t TraceContext>) -> Option<&'t str> {
        None
    }
}

/// Makes the span part of the caller's trace, and says which that is where it was not said at the span's beginning.
#[cfg(feature = "opentelemetry")]
fn continue_trace(span: &Span, trace: Option<&TraceContext>, Parent(parent): Parent) {
    use opentelemetry::trace::TraceContextExt;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    if span.is_disabled() {
        return;
    }
    if let Some(parent) = parent {
        // It fails when no OpenTelemetry layer is installed, and then there is no trace to continue.
        if span.set_parent(parent).is_err()
            && let Some(trace) = trace
        {
            span.record("traceparent", trace.traceparent.as_str());
        }
        return;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    if context.is_valid() {
        span.record("trace_id", tracing::field::display(context.trace_id()));
    } else {
        say_trace(span, trace);
    }
}

/// A caller's trace, to be read by OpenTelemetry.
#[cfg(feature = "opentelemetry")]
struct Carried<'a>(&'a TraceContext);

#[cfg(feature = "opentelemetry")]
impl opentelemetry::propagation::Extractor for Carried<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(&self.0.traceparent),
            "tracestate" => self.0.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// A span's trace, as OpenTelemetry writes it.
#[cfg(feature = "opentelemetry")]
#[derive(Default)]
struct Carrying {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

#[cfg(feature = "opentelemetry")]
impl opentelemetry::propagation::Injector for Carrying {
    fn set(&mut self, key: &str, value: String) {
        match key {
            "traceparent" => self.traceparent = Some(value),
            "tracestate" => self.tracestate = Some(value).filter(|state| !state.is_empty()),
            _ => {}
        }
    }
}

/// Without OpenTelemetry the caller's trace is a field of the span.
#[cfg(not(feature = "opentelemetry"))]
fn continue_trace(span: &Span, trace: Option<&TraceContext>, _: Parent) {
    say_trace(span, trace);
}

/// The caller's trace as fields of the span, where no layer continues it.
fn say_trace(span: &Span, trace: Option<&TraceContext>) {
    if let Some(trace) = trace {
        span.record("traceparent", trace.traceparent.as_str());
        if let Some(id) = trace_id(trace) {
            span.record("trace_id", id);
        }
    }
}

/// The place of a span in its trace: the caller's for [`crate::Options::trace`], and a command's for what follows from it.
#[cfg(feature = "opentelemetry")]
pub(crate) fn trace_of(span: &Span) -> Option<TraceContext> {
    use opentelemetry::propagation::TextMapPropagator;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    if span.is_disabled() {
        return None;
    }
    let mut carrying = Carrying::default();
    opentelemetry_sdk::propagation::TraceContextPropagator::new()
        .inject_context(&span.context(), &mut carrying);
    let Carrying { traceparent, tracestate } = carrying;
    Some(TraceContext { traceparent: traceparent?, tracestate })
}

/// The place of a span in its trace: not known without OpenTelemetry.
#[cfg(not(feature = "opentelemetry"))]
pub(crate) fn trace_of(_span: &Span) -> Option<TraceContext> {
    None
}
