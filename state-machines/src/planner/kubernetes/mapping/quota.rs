//! What the pods of an own namespace have together at most, and what a container has that says nothing.

use serde_json::{Map, json};

use super::Mapping;
use super::quantities::{count, mebibytes, milli};
use super::resources::Share;
use crate::planner::kubernetes::{Count, ObjectKind, Sharing};

/// What others add to pods gets this, where it says nothing itself: millicores and MB.
const ADDED: (u64, u64) = (100, 128);

/// How many pods there may be at a time: those that are wanted; as many that are ending, which count until they have ended; and
/// one that is started before another is stopped. With less room a rollout would find the quota exhausted.
fn pods(replicas: u32) -> u64 {
    u64::from(replicas) * 2 + 1
}

/// The quota.
pub(super) fn quota(m: &mut Mapping<'_>, replicas: Count, pod: Share) {
    if !m.config.quota || m.place.sharing == Sharing::Shared {
        return;
    }
    let Count::Of(replicas) = replicas else {
        m.problems
            .not_enforced("replicas", "no quota is made: nobody knows how many pods an autoscaler wants");
        return;
    };
    let pods = pods(replicas);
    let times = |of: u64| of.saturating_mul(pods);
    let mut hard = Map::from_iter([
        ("pods".to_owned(), json!(count(pods))),
        ("requests.cpu".to_owned(), json!(milli(times(pod.cpu_request)))),
        ("requests.memory".to_owned(), json!(mebibytes(times(pod.memory_request)))),
        ("limits.memory".to_owned(), json!(mebibytes(times(pod.memory)))),
    ]);
    if m.config.cpu_limits {
        hard.insert("limits.cpu".to_owned(), json!(milli(times(pod.cpu))));
    }
    if let Some(storage) = pod.storage {
        for which in ["requests.ephemeral-storage", "limits.ephemeral-storage"] {
            hard.insert(which.to_owned(), json!(mebibytes(times(storage))));
        }
    }
    m.push(ObjectKind::ResourceQuota, &m.names.plain(), json!({ "spec": { "hard": hard } }));
}

/// The sizes of containers that others add: the quota refuses a pod with one that has none.
pub(super) fn limit_range(m: &mut Mapping<'_>, pod: Share) {
    if !m.config.limit_range || m.place.sharing == Sharing::Shared {
        return;
    }
    let (cpu, memory) = (milli(ADDED.0), mebibytes(ADDED.1));
    // The quota has storage where the pods have.
    let storage = pod.storage.map(|_| &memory);
    let limit = json!({
        "type": "Container",
        "default": { "cpu": m.config.cpu_limits.then_some(&cpu), "memory": memory, "ephemeral-storage": storage },
        "defaultRequest": { "cpu": cpu, "memory": memory, "ephemeral-storage": storage },
    });
    m.push(ObjectKind::LimitRange, &m.names.plain(), json!({ "spec": { "limits": [limit] } }));
}
