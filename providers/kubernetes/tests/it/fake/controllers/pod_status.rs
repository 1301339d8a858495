//! A pod's status.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fake::life::{Container, Ended, Life, Placed, Role, State};
use crate::fake::world::{World, condition};

impl World {
    pub(super) fn pod_status(&self, pod: &Value, life: &Life) -> Value {
        let mains = || life.containers.iter().filter(|one| one.role == Role::Main);
        let unready = |of: Role| {
            let all = life.containers.iter().filter(|one| one.role == of && (life.sick || !one.ready));
            all.map(|one| one.name.as_str()).collect::<Vec<_>>().join(" ")
        };
        let over = life.over.is_some();
        let initialized = life.containers.iter().all(Container::lets_go);
        let begun = |one: &Container| match one.state {
            State::Idle | State::Creating => false,
            State::Waiting { .. } => one.last.is_some(),
            State::Running { .. } | State::Ended(_) => true,
        };
        let phase = match &life.over {
            Some(_) => "Failed",
            None if initialized && mains().all(begun) => "Running",
            None => "Pending",
        };
        let mut status = json!({ "phase": phase, "qosClass": "Burstable" });
        if let Some(reason) = life.over.as_ref().filter(|reason| !reason.is_empty()) {
            status["reason"] = json!(reason);
            status["message"] = json!("The node was low on resource: memory.");
        }
        let mut conditions = Vec::new();
        let mut say = |named: &str, holds: bool, reason: &str, message: &str| {
            let is = if holds { "True" } else { "False" };
            let before = condition(pod, named).filter(|before| before["status"] == is);
            let since = match before {
                Some(before) => before["lastTransitionTime"].clone(),
                None => json!(self.stamp_now()),
            };
            let mut one =
                json!({ "type": named, "status": is, "lastProbeTime": null, "lastTransitionTime": since });
            if !holds {
                one["reason"] = json!(reason);
                one["message"] = json!(message);
            }
            conditions.push(one);
        };
        let since = match &life.placed {
            Placed::New { .. } => return status,
            Placed::Nowhere { why, .. } => {
                say("PodScheduled", false, "Unschedulable", why);
                status["conditions"] = json!(conditions);
                return status;
            }
            Placed::Node { since } => *since,
        };
        let waits = format!("containers with incomplete status: [{}]", unready(Role::Before));
        say("Initialized", initialized, "ContainersNotInitialized", &waits);
        let waits = format!("containers with unready status: [{}]", unready(Role::Main));
        let ready = initialized && !over && !life.sick && mains().all(|one| one.ready);
        say("Ready", ready, "ContainersNotReady", &waits);
        say("ContainersReady", ready, "ContainersNotReady", &waits);
        say("PodScheduled", true, "", "");
        status["conditions"] = json!(conditions);
        status["hostIP"] = json!("10.9.0.1");
        status["startTime"] = json!(self.stamp(since));
        if life.containers.iter().any(begun) {
            let ip = format!("10.244.{}.{}", life.address / 250, life.address % 250 + 1);
            status["podIPs"] = json!([{ "ip": ip }]);
            status["podIP"] = json!(ip);
        }
        let show = |one: &Container| self.container_status(pod, life, one, initialized);
        let (main, before): (Vec<&Container>, Vec<&Container>) =
            life.containers.iter().partition(|one| one.role == Role::Main);
        status["containerStatuses"] = main.into_iter().map(show).collect();
        if !before.is_empty() {
            status["initContainerStatuses"] = before.into_iter().map(show).collect();
        }
        status
    }

    fn container_status(&self, pod: &Value, life: &Life, one: &Container, initialized: bool) -> Value {
        let began = |since: &Instant| self.stamp(*since);
        let state = match &one.state {
            State::Idle if !initialized => json!({ "waiting": { "reason": "PodInitializing" } }),
            State::Idle | State::Creating => json!({ "waiting": { "reason": "ContainerCreating" } }),
            State::Waiting { reason, message } if message.is_empty() => {
                json!({ "waiting": { "reason": reason } })
            }
            State::Waiting { reason, message } => {
                json!({ "waiting": { "reason": reason, "message": message } })
            }
            State::Running { since } => json!({ "running": { "startedAt": began(since) } }),
            State::Ended(ended) => self.terminated(ended),
        };
        let last = one.last.as_ref().map_or_else(|| json!({}), |ended| self.terminated(ended));
        let image = &Self::container(pod, &one.name)["image"];
        json!({
            "name": one.name, "image": image, "imageID": "", "ready": one.ready && !life.sick,
            "restartCount": one.restarts, "started": one.runs(), "state": state, "lastState": last,
        })
    }

    fn terminated(&self, ended: &Ended) -> Value {
        let mut shown = json!({
            "exitCode": ended.code, "reason": ended.reason, "startedAt": self.stamp(ended.began),
            "finishedAt": self.stamp(ended.at), "containerID": "containerd://1",
        });
        if !ended.message.is_empty() {
            shown["message"] = json!(ended.message);
        }
        json!({ "terminated": shown })
    }
}
