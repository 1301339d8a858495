//! What a provider says of a spec: by its fields, and by a look at it. And what an update to it would change.

use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::id::TenantId;
use landlord_state_machines::spec::{Invalid, Problem, Spec};

use super::{Context, Plan, PlannedChange, Provider};

/// Every problem that a provider has with a spec: the fields that it refuses ([`Provider::support`]), and what
/// [`Provider::validate`] finds. The engine asks this before an operation's first call.
///
/// # Errors
/// `InvalidSpec` with all of them; what else `validate` fails with.
pub async fn check(provider: &dyn Provider, cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
    let refused = spec.asked_of(&|field| provider.support(field)).refused;
    let found = match provider.validate(cx, spec).await {
        Ok(()) => Vec::new(),
        Err(error) if error.kind == ErrorKind::InvalidSpec && !refused.is_empty() => {
            Invalid::from(&error).problems().to_vec()
        }
        Err(error) if refused.is_empty() => return Err(error),
        // It could not be asked, and the spec is wrong whatever it would have said.
        Err(_) => Vec::new(),
    };
    let refused_too = |problem: &Problem| refused.iter().any(|refused| refused.path == problem.path);
    let more: Vec<Problem> = found.into_iter().filter(|problem| !refused_too(problem)).collect();
    Ok(Invalid::unless_empty(refused.into_iter().chain(more).collect())?)
}

/// What an update to `spec` would do: what the provider says ([`Provider::plan`]), and the protection, of which no platform
/// knows. `cx` says what runs.
///
/// # Errors
/// The provider's.
pub async fn plan(
    provider: &dyn Provider,
    cx: &Context,
    tenant_id: &TenantId,
    spec: &Spec,
) -> Result<Plan, ProviderError> {
    let mut plan = provider.plan(cx, tenant_id, spec).await?;
    let applied = cx.applied.as_ref();
    plan.changes.extend(applied.and_then(|applied| PlannedChange::of_protection(applied, spec)));
    Ok(plan)
}
