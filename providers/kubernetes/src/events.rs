//! The platform's words about objects. What a tenant may have written among them is left where it is.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use landlord_state_machines::planner::kubernetes::{Place, Words};
use serde::Deserialize;
use serde_json::Value;

use super::error::Failure;
use super::reads::At;
use super::request::{Ask, Part, Resource, What};
use super::words;

/// How many objects are asked about at a time.
const AT_A_TIME: usize = 8;

/// The reasons whose message is the platform's own. That of any other one may repeat what a probe, a hook or a program printed.
const PLATFORMS: [&str; 52] = [
    // The scheduler and the autoscaler of nodes.
    "FailedScheduling",
    "NotTriggerScaleUp",
    "Preempted",
    "Scheduled",
    "TaintManagerEviction",
    "TriggeredScaleUp",
    "WaitForPodScheduled",
    // The kubelet: images, volumes, sandboxes, resources.
    "AlreadyMountedVolume",
    "BackOff",
    "Created",
    "ErrImageNeverPull",
    "Evicted",
    "ExceededGracePeriod",
    "Failed",
    "FailedAttachVolume",
    "FailedCreatePodContainer",
    "FailedCreatePodSandBox",
    "FailedKillPod",
    "FailedMapVolume",
    "FailedMount",
    "FailedPodSandBoxStatus",
    "FailedSync",
    "FailedToRetrieveImagePullSecret",
    "FailedValidation",
    "HostPortConflict",
    "InspectFailed",
    "InsufficientFreeCPU",
    "InsufficientFreeMemory",
    "Killing",
    "NetworkNotReady",
    "NodeAffinity",
    "NodeNotReady",
    "OutOfcpu",
    "OutOfmemory",
    "OutOfpods",
    "Pulled",
    "Pulling",
    "SandboxChanged",
    "Started",
    "SuccessfulAttachVolume",
    // The controllers.
    "FailedBinding",
    "FailedCreate",
    "FailedDelete",
    "ProvisioningFailed",
    "ReplicaSetCreateError",
    "ScalingReplicaSet",
    "SelectorOverlap",
    "SuccessfulCreate",
    "SuccessfulDelete",
    "SyncLoadBalancerFailed",
    "UpdateFailed",
    "WaitForFirstConsumer",
];

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "involvedObject")]
    object: RawObject,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default, rename = "lastTimestamp")]
    last: Option<Timestamp>,
    #[serde(default, rename = "eventTime")]
    time: Option<Timestamp>,
    #[serde(default)]
    series: Option<RawSeries>,
    #[serde(default, rename = "firstTimestamp")]
    first: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawObject {
    kind: String,
    name: String,
    uid: String,
}

#[derive(Deserialize)]
struct RawSeries {
    #[serde(default, rename = "lastObservedTime")]
    last: Option<Timestamp>,
}

impl At<'_> {
    /// The events of objects, the newest last.
    pub(super) async fn explain(
        &self,
        place: &Place,
        uids: &BTreeSet<String>,
    ) -> Result<Vec<Words>, Failure> {
        let asked = stream::iter(uids.iter().cloned()).map(async |uid| {
            let what = What::List {
                labels: String::new(),
                fields: format!("involvedObject.uid={uid}"),
                part: Part::Whole,
                after: None,
            };
            self.list(&Ask::new(Resource::all("v1", "events", Some(&place.namespace)), what)).await
        });
        let events: Vec<Vec<Value>> = asked.buffered(AT_A_TIME).try_collect().await?;
        let mut words: Vec<Words> = events.iter().flatten().filter_map(read).collect();
        // A server that does not know the selector answers with all events.
        words.retain(|words| uids.contains(&words.uid));
        words.sort_by_key(|words| words.last);
        Ok(words)
    }
}

/// Takes an event in.
fn read(event: &Value) -> Option<Words> {
    let Raw { object, reason, message, last, time, series, first } = Raw::deserialize(event).ok()?;
    let is_platforms = PLATFORMS.contains(&reason.as_str());
    Some(Words {
        uid: object.uid,
        object: format!("{}/{}", object.kind, object.name),
        message: if is_platforms { words::shortened(message.trim()) } else { String::new() },
        reason,
        last: series.and_then(|series| series.last).or(last).or(time).or(first),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PLATFORMS, read};

    fn event(reason: &str) -> serde_json::Value {
        json!({
            "involvedObject": { "kind": "Pod", "name": "acme-5f7", "uid": "u1" },
            "reason": reason,
            "message": "said: TOPSECRET",
            "lastTimestamp": null,
            "eventTime": "2026-01-02T03:04:05.123456Z",
        })
    }

    #[test]
    fn what_a_tenant_may_have_written_stays_where_it_is() {
        for reason in
            ["Unhealthy", "FailedPostStartHook", "FailedPreStopHook", "ProbeWarning", "Anything", ""]
        {
            let words = read(&event(reason)).unwrap();
            assert_eq!((words.reason.as_str(), words.message.as_str()), (reason, ""));
        }
    }

    #[test]
    fn the_platforms_own_words_are_kept() {
        let words = read(&event("FailedMount")).unwrap();
        assert_eq!(words.message, "said: TOPSECRET");
        assert_eq!((words.uid.as_str(), words.object.as_str()), ("u1", "Pod/acme-5f7"));
        assert_eq!(words.last.unwrap().to_string(), "2026-01-02T03:04:05.123456Z");
    }

    #[test]
    fn every_reason_is_there_once() {
        let mut reasons = PLATFORMS.to_vec();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), PLATFORMS.len());
    }
}
