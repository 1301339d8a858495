//! Spans: each command, transition, commit and provider call is one, with its tenant, provider, operation and
//! attempt. Roots on purpose: an actor outlives whoever spoke to it, so the caller's trace travels with the
//! operation instead.

use landlord_state_machines::id::{OperationId, ProviderName, TenantId};
use landlord_state_machines::tenant::{EventKind, LifecycleEvent, Request, StartCall};
use landlord_state_machines::trace::TraceContext;
use tracing::Span;

/// The span of a command being decided and made durable.
pub(crate) fn command_span(
    tenant: &TenantId,
    request: &Request,
    operation: OperationId,
    trace: Option<&TraceContext>,
) -> Span {
    let span = tracing::info_span!(
        parent: None,
        "command",
        command = request.name(),
        tenant_id = %tenant,
        provider = request.provider().map(tracing::field::display),
        %operation,
        traceparent = tracing::field::Empty,
    );
    continue_trace(&span, trace);
    span
}

/// The span of one use of a provider.
pub(crate) fn call_span(tenant: &TenantId, start: &StartCall, trace: Option<&TraceContext>) -> Span {
    let method = start.method.name();
    let span = tracing::info_span!(
        parent: None,
        "call",
        method,
        tenant_id = %tenant,
        provider = %start.provider,
        operation = %start.operation,
        call = %start.call,
        attempt = start.attempt,
        traceparent = tracing::field::Empty,
    );
    continue_trace(&span, trace);
    span
}

/// The span of a transition becoming durable. It is part of the command that asked for it, where one did.
pub(crate) fn transition_span(
    command: Option<&Span>,
    event: &LifecycleEvent,
    provider: &ProviderName,
) -> Span {
    let to = event.to.map_or("gone", landlord_state_machines::tenant::StateName::as_str);
    tracing::info_span!(
        parent: command.and_then(Span::id),
        "transition",
        tenant_id = %event.tenant_id,
        %provider,
        operation = event.operation.map(tracing::field::display),
        attempt = event.attempt,
        from = event.from.as_str(),
        to,
        revision = event.revision.0,
    )
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
        | EventKind::Paused
        | EventKind::Resumed
        | EventKind::QueueCancelled
        | EventKind::Abandoned { .. } => {
            tracing::debug!(%tenant_id, operation, attempt, from, to, revision, "transition");
        }
    }
}

/// Makes the span part of the caller's trace.
#[cfg(feature = "opentelemetry")]
fn continue_trace(span: &Span, trace: Option<&TraceContext>) {
    use opentelemetry::propagation::TextMapPropagator;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    let Some(trace) = trace else { return };
    let mut headers =
        std::collections::HashMap::from([("traceparent".to_owned(), trace.traceparent.clone())]);
    headers.extend(trace.tracestate.clone().map(|state| ("tracestate".to_owned(), state)));
    let parent = opentelemetry_sdk::propagation::TraceContextPropagator::new().extract(&headers);
    // It fails when no OpenTelemetry layer is installed, and then there is no trace to continue.
    let _ = span.set_parent(parent);
}

/// Without OpenTelemetry the caller's trace is a field of the span.
#[cfg(not(feature = "opentelemetry"))]
fn continue_trace(span: &Span, trace: Option<&TraceContext>) {
    if let Some(trace) = trace {
        span.record("traceparent", trace.traceparent.as_str());
    }
}

/// The trace that the caller is in now, for [`crate::Options::trace`].
#[cfg(feature = "opentelemetry")]
pub(crate) fn current_trace() -> Option<TraceContext> {
    use opentelemetry::propagation::TextMapPropagator;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    let mut headers = std::collections::HashMap::new();
    opentelemetry_sdk::propagation::TraceContextPropagator::new()
        .inject_context(&Span::current().context(), &mut headers);
    let traceparent = headers.remove("traceparent")?;
    Some(TraceContext {
        traceparent,
        tracestate: headers.remove("tracestate").filter(|state| !state.is_empty()),
    })
}

/// The trace that the caller is in now: not known without OpenTelemetry.
#[cfg(not(feature = "opentelemetry"))]
pub(crate) fn current_trace() -> Option<TraceContext> {
    None
}
