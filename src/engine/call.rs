//! One call of a provider: its turn, the call itself, and what came of it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::spec::Spec;
use landlord_state_machines::status::{ProvisionStatus, UpdateStatus};
use landlord_state_machines::tenant::{Method, Outcome, Retained, StartCall};
use tokio::sync::SemaphorePermit;

use super::ground::Ground;
use crate::provider::registry::Registered;
use crate::provider::{self, Context};
use crate::telemetry::CallEnd;

/// What came of a call, whatever it did.
pub(super) async fn outcome(ground: &Ground, start: &StartCall, cx: &Context) -> Outcome {
    let outcome = AssertUnwindSafe(turn(ground, start, cx)).catch_unwind().await;
    outcome.unwrap_or_else(|_panic| {
        let message = "the call panicked while it was dropped; what it did is looked up";
        Outcome::Lost(Arc::new(failure(start.method, Remedy::Retry, ErrorCode::UnknownError, message)))
    })
}

/// Waits for the provider's turn, makes the call, and says what came of it.
async fn turn(ground: &Ground, start: &StartCall, cx: &Context) -> Outcome {
    let registered = match ground.registry.get(start.provider.as_str()) {
        Ok(registered) => registered,
        Err(error) => {
            let message = "its provider is not registered";
            let failure = failure(start.method, Remedy::NeedsPerson, ErrorCode::ProviderUnavailable, message);
            return Outcome::Held(Arc::new(failure.with_source(error)));
        }
    };
    let permit = match registered.permits.try_acquire() {
        Ok(permit) => Some(permit),
        // In a box, like what else is rare here, so that the future of a call stays small.
        Err(_none_free) => Box::pin(permit(registered, cx)).await,
    };
    let Some(_permit) = permit else {
        return Outcome::Lost(Arc::new(failure(
            start.method,
            Remedy::Retry,
            ErrorCode::UnknownError,
            "stopped before it began",
        )));
    };
    let mut watched = ground.watched.call(registered.place, start.method);
    let mut answer = pin!(AssertUnwindSafe(in_one_term(registered, cx, start)).catch_unwind());
    // A timer is only worth its while when there is something to wait for.
    let answer = match poll_fn(|task| Poll::Ready(answer.as_mut().poll(task))).await {
        Poll::Ready(answer) => Ok(answer),
        Poll::Pending => {
            watched.waits();
            Box::pin(tokio::time::timeout(registered.call_timeout, answer)).await
        }
    };
    watched.ended(match &answer {
        Ok(Ok(Ok(_))) => CallEnd::Succeeded,
        Ok(Ok(Err(_))) => CallEnd::Failed,
        Ok(Err(_)) => CallEnd::Panicked,
        Err(_) => CallEnd::TimedOut,
    });
    match answer {
        Ok(Ok(Ok(Done { changes, message, retained }))) => {
            Outcome::Succeeded { changes, message, retained: Retained::of(start.provider.clone(), retained) }
        }
        Ok(Ok(Err(error))) => Outcome::Failed(Arc::new(error)),
        Ok(Err(_panic)) => {
            tracing::error!("the provider panicked");
            Outcome::Failed(Arc::new(failure(
                start.method,
                Remedy::Permanent,
                ErrorCode::UnknownError,
                "the provider panicked; this is a defect of the provider",
            )))
        }
        Err(_elapsed) => {
            tracing::warn!(timeout = ?registered.call_timeout, "the provider did not answer; its call was dropped");
            Outcome::TimedOut(Arc::new(failure(
                start.method,
                Remedy::Retry,
                ErrorCode::ProviderTimeout,
                "the provider did not answer in the time that its calls have",
            )))
        }
    }
}

/// The provider's permit, unless the call is to stop before there is one.
async fn permit<'a>(registered: &'a Registered, cx: &Context) -> Option<SemaphorePermit<'a>> {
    tokio::select! {
        biased;
        () = cx.cancel.cancelled() => None,
        permit = registered.permits.acquire() => permit.ok(),
    }
}

/// What a call that succeeded has to say.
#[derive(Default)]
struct Done {
    changes: Vec<String>,
    message: Option<String>,
    /// What a destroy left on purpose.
    retained: BTreeMap<String, String>,
}

/// Makes the call while the engine's lease holds. What fails around the end of the lease says nothing about the tenant: the same try
/// begins again once the lease is renewed. Where it is not, another engine goes on, and this one ends.
async fn in_one_term(
    registered: &Registered,
    cx: &Context,
    start: &StartCall,
) -> Result<Done, ProviderError> {
    loop {
        let term = cx.term();
        match make_call(registered, cx, start).await {
            Err(error) if !cx.is_over() && (term.is_none() || cx.term() != term) => {
                tracing::warn!(%error, "the lease ended during a call; it is made again once the lease is renewed");
                // In a box, so that the future of a call stays small.
                if !Box::pin(renewed(cx)).await {
                    return Err(error);
                }
            }
            answer => return answer,
        }
    }
}

/// Whether the lease holds again before the call is to stop.
async fn renewed(cx: &Context) -> bool {
    tokio::select! {
        biased;
        () = cx.cancel.cancelled() => false,
        () = cx.held() => true,
    }
}

/// The call itself: what it did, or why it failed.
async fn make_call(registered: &Registered, cx: &Context, start: &StartCall) -> Result<Done, ProviderError> {
    let provider = &registered.provider;
    let tenant = &cx.subject.tenant;
    match (start.method, &start.spec) {
        (Method::Provision, Some(spec)) => {
            validate(registered, cx, spec).await?;
            let result = provider.provision(cx, spec).await?;
            match result.status {
                ProvisionStatus::Success => Ok(Done { message: result.message, ..Done::default() }),
                ProvisionStatus::InProgress => {
                    Err(unfinished(Method::Provision, Remedy::Retry, result.message))
                }
                ProvisionStatus::Failed => {
                    Err(unfinished(Method::Provision, Remedy::Permanent, result.message))
                }
            }
        }
        (Method::Update, Some(spec)) => {
            validate(registered, cx, spec).await?;
            let result = provider.update(cx, tenant, spec).await?;
            match result.status {
                UpdateStatus::Success | UpdateStatus::NoChanges => {
                    Ok(Done { changes: result.changes, message: result.message, ..Done::default() })
                }
                UpdateStatus::InProgress => Err(unfinished(Method::Update, Remedy::Retry, result.message)),
                UpdateStatus::Failed => Err(unfinished(Method::Update, Remedy::Permanent, result.message)),
            }
        }
        (Method::Destroy, _) => {
            let destroyed = provider.destroy(cx, tenant).await?;
            Ok(Done { retained: destroyed.retained, ..Done::default() })
        }
        (Method::Release, _) => {
            let released = provider.release(cx, tenant).await?;
            let removed = released.removed.iter().map(|(name, id)| format!("removed {name}: {id}"));
            Ok(Done { changes: removed.collect(), ..Done::default() })
        }
        (method @ (Method::Provision | Method::Update), None) => Err(failure(
            method,
            Remedy::Permanent,
            ErrorCode::UnknownError,
            "the call has no spec; this is a defect of the engine",
        )),
    }
}

/// An operation's first call asks the provider whether it can run the spec; what runs already needs no asking.
async fn validate(registered: &Registered, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
    let first = cx.work.is_some_and(|work| work.attempt == 1);
    if first && cx.applied.as_ref() != Some(spec) {
        provider::check(registered.provider.as_ref(), cx, spec).await?;
    }
    Ok(())
}

fn unfinished(method: Method, remedy: Remedy, message: Option<String>) -> ProviderError {
    let message = message.unwrap_or_else(|| "the provider did not say why".to_owned());
    failure(method, remedy, ErrorCode::UnknownError, message)
}

fn failure(method: Method, remedy: Remedy, code: ErrorCode, message: impl Into<String>) -> ProviderError {
    let kind = match method {
        Method::Provision => ErrorKind::ProvisionFailed,
        Method::Update => ErrorKind::UpdateFailed,
        Method::Destroy | Method::Release => ErrorKind::DestroyFailed,
    };
    ProviderError::new(kind, remedy, code, message)
}
