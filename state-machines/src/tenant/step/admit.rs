//! What all living tenants answer alike, except those that are being destroyed.

use jiff::Timestamp;

use super::super::input::{Request, Stamp};
use super::super::{Decision, EventKind, Rejection, Tenant};
use super::draft::Draft;
use crate::spec::Spec;

/// A request that the tenant's configuration decides. Where it brings a spec, that is for the tenant's own provider, and
/// the tenant is not paused.
pub(super) enum Admitted {
    Provision {
        spec: Spec,
        deadline: Option<Timestamp>,
    },
    Update {
        spec: Spec,
        deadline: Option<Timestamp>,
    },
    Restart {
        deadline: Option<Timestamp>,
    },
    Destroy,
    Cancel,
    Retry,
    /// The tenant is paused since then.
    Resume {
        since: Timestamp,
    },
}

/// Answers a request; where configurations differ, by `decide`.
pub(super) fn admit(
    tenant: &Tenant,
    stamp: Stamp,
    request: Request,
    decide: impl FnOnce(Admitted) -> Decision,
) -> Decision {
    let admitted = match request {
        Request::Provision { provider, .. } | Request::Update { provider, .. }
            if provider != tenant.provider =>
        {
            return Decision::Reject(Rejection::ProviderMismatch { provider: tenant.provider.clone() });
        }
        Request::Provision { .. } | Request::Update { .. } | Request::Restart { .. }
            if tenant.paused.is_some() =>
        {
            return Decision::Reject(Rejection::Paused);
        }
        Request::Provision { spec, deadline, .. } => Admitted::Provision { spec, deadline },
        Request::Update { spec, deadline, .. } => Admitted::Update { spec, deadline },
        Request::Restart { deadline } => Admitted::Restart { deadline },
        Request::Destroy if tenant.is_protected() => return Decision::Reject(Rejection::Protected),
        Request::Destroy => Admitted::Destroy,
        Request::Cancel => Admitted::Cancel,
        Request::Retry => Admitted::Retry,
        Request::Pause => return pause(tenant, stamp),
        Request::Resume => match tenant.paused {
            Some(since) => Admitted::Resume { since },
            None => return Decision::Ignore,
        },
        Request::Reclaim { .. } => return Decision::Reject(Rejection::Lives),
        Request::Release { .. } => return Decision::Reject(Rejection::MayUseIt),
        Request::Abandon { .. } => return Decision::Reject(Rejection::DestroyFirst),
    };
    decide(admitted)
}

fn pause(tenant: &Tenant, stamp: Stamp) -> Decision {
    match tenant.paused {
        Some(_) => Decision::Ignore,
        None => {
            let mut draft = Draft::of(tenant, stamp);
            draft.tenant.paused = Some(stamp.now);
            draft.apply(tenant.operation(), EventKind::Paused)
        }
    }
}
