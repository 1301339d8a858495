//! What a request asks for, as a hash: by it the same request twice is told from two requests under one name.

use landlord_state_machines::tenant::Request;
use sha2::{Digest, Sha256};

use super::handle::Options;
use crate::store::Fingerprint;

/// The hash of what is asked for under the caller's own name for it; none without a name. It is the same after a restart,
/// and in later builds. What is only said of it, such as a reason, is no part of it.
pub(crate) fn of(request: &Request, options: &Options) -> Option<Fingerprint> {
    options.request_id.as_ref()?;
    let mut hash = Sha256::new();
    // Whether a tenant has to be provisioned or updated depends on how it is then; what is asked for is the same.
    hash.update(match request {
        Request::Provision { .. } | Request::Update { .. } => "spec",
        Request::Restart { .. }
        | Request::Destroy
        | Request::Cancel
        | Request::Retry
        | Request::Pause
        | Request::Resume
        | Request::Reclaim { .. }
        | Request::Release { .. }
        | Request::Abandon { .. } => request.name(),
    });
    if let Request::Provision { spec, .. } | Request::Update { spec, .. } = request {
        // A checked spec is always JSON.
        hash.update(serde_json::to_vec(spec).unwrap_or_default());
    }
    if let Request::Reclaim { incarnation, .. } = request {
        hash.update(incarnation.0.to_be_bytes());
    }
    hash.update(request.provider().map(|provider| provider.as_str()).unwrap_or_default());
    hash.update([0]);
    if let Some(deadline) = options.deadline {
        hash.update(deadline.as_millis().to_be_bytes());
    }
    let hash: [u8; 32] = hash.finalize().into();
    let (first, _) = hash.split_at(16);
    Some(Fingerprint(first.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))))
}
