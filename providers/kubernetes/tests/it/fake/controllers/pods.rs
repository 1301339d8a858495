//! The scheduler, and the life of a pod on its node.

use serde_json::{Value, json};

use crate::fake::behaviour::Behaviour;
use crate::fake::kinds::{Key, Kind};
use crate::fake::life::{Container, Life, Placed, Role, State};
use crate::fake::settings::Claims;
use crate::fake::world::{World, is_deleting, is_ready};

impl World {
    pub(super) fn look_at_pod(&mut self, key: &Key, pod: &Value) {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut life = self.lives.remove(&uid).unwrap_or_else(|| self.new_life(pod));
        if life.over.is_none() {
            self.place(key, pod, &mut life);
            if let Placed::Node { .. } = life.placed {
                self.live(key, pod, &mut life);
            }
        }
        if is_deleting(pod) {
            let gone = self.now + self.stopping(pod, &life);
            let gone = life.gone.map_or(gone, |planned| planned.min(gone));
            life.gone = Some(gone);
            let held = pod["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
            if gone <= self.now {
                if !held {
                    return self.vanish(key);
                }
                // It waits for somebody else.
                life.gone = None;
                life.over = Some(String::new());
            }
        }
        let mut new = pod.clone();
        if let Placed::Node { .. } = life.placed {
            new["spec"]["nodeName"] = json!("node-1");
        }
        new["status"] = self.pod_status(pod, &life);
        life.ready = if is_ready(&new) { life.ready.or(Some(self.now)) } else { None };
        if let Some(due) = life.due() {
            self.queue.add(key.clone(), due);
        }
        self.lives.insert(uid, life);
        if new != *pod {
            self.commit(key, new);
        }
    }

    fn new_life(&mut self, pod: &Value) -> Life {
        let mut containers = Vec::new();
        for one in pod["spec"]["initContainers"].as_array().into_iter().flatten() {
            let role = if one["restartPolicy"] == "Always" { Role::Sidecar } else { Role::Before };
            containers.push(Container::new(one["name"].as_str().unwrap_or_default(), role));
        }
        for one in pod["spec"]["containers"].as_array().into_iter().flatten() {
            containers.push(Container::new(one["name"].as_str().unwrap_or_default(), Role::Main));
        }
        let due = self.now + self.settings.pace.scheduling;
        let address = self.give();
        let placed = Placed::New { due };
        Life { placed, containers, gone: None, ready: None, over: None, sick: false, address }
    }

    fn stopping(&self, pod: &Value, life: &Life) -> std::time::Duration {
        let grace = self.seconds(&pod["metadata"]["deletionGracePeriodSeconds"]);
        let stubborn = life
            .containers
            .iter()
            .any(|container| container.runs() && self.behaviour(pod, &container.name) == Behaviour::Stubborn);
        if stubborn { grace } else { self.settings.pace.stopping.min(grace) }
    }

    /// A container in its pod's specification.
    pub(super) fn container<'a>(pod: &'a Value, name: &str) -> &'a Value {
        let lists = ["containers", "initContainers"].into_iter();
        let mut all = lists.flat_map(|list| pod["spec"][list].as_array()).flatten();
        all.find(|container| container["name"] == name).unwrap_or(&Value::Null)
    }

    pub(super) fn behaviour(&self, pod: &Value, container: &str) -> Behaviour {
        let image = Self::container(pod, container)["image"].as_str().unwrap_or_default();
        self.images.get(image).copied().unwrap_or_else(|| Behaviour::of(image))
    }

    /// The scheduler.
    fn place(&mut self, key: &Key, pod: &Value, life: &mut Life) {
        match life.placed {
            Placed::New { due } | Placed::Nowhere { due, .. } if due <= self.now => {}
            Placed::New { .. } | Placed::Nowhere { .. } | Placed::Node { .. } => return,
        }
        match self.unschedulable(key, pod, life) {
            Some(why) => {
                self.warn(key, pod, "default-scheduler", ("FailedScheduling", &why));
                life.placed = Placed::Nowhere { why, due: self.now + self.settings.pace.backoff * 2 };
            }
            None => {
                let message = format!("Successfully assigned {}/{} to node-1", key.namespace, key.name);
                self.say(key, pod, "default-scheduler", ("Normal", "Scheduled", &message));
                life.placed = Placed::Node { since: self.now };
            }
        }
    }

    fn unschedulable(&mut self, key: &Key, pod: &Value, life: &Life) -> Option<String> {
        let refuses = |one: &Container| self.behaviour(pod, &one.name) == Behaviour::Unschedulable;
        if life.containers.iter().any(refuses) {
            return Some("0/1 nodes are available: 1 Insufficient cpu.".to_owned());
        }
        let node = self.find(Kind::Node, "", "node-1");
        let labels = node.map_or(Value::Null, |node| node["metadata"]["labels"].clone());
        let wanted = &pod["spec"]["nodeSelector"];
        if wanted.is_object() && !crate::fake::selector::matches(wanted, &labels) {
            return Some("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity.".to_owned());
        }
        for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
            let Some(name) = volume["persistentVolumeClaim"]["claimName"].as_str() else { continue };
            let claim = Key::new(Kind::PersistentVolumeClaim, &key.namespace, name);
            let Some(found) = self.get(&claim) else {
                return Some(format!("persistentvolumeclaim \"{name}\" not found"));
            };
            if found["status"]["phase"] == "Bound" {
                continue;
            }
            match self.settings.claims {
                Claims::Immediate | Claims::Never => {
                    let why = "0/1 nodes are available: 1 pod has unbound immediate PersistentVolumeClaims.";
                    return Some(why.to_owned());
                }
                Claims::FirstConsumer => {
                    self.alter(&claim, |claim| {
                        let node = json!("node-1");
                        claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] = node;
                    });
                    return Some("0/1 nodes are available: waiting for volumes to be bound.".to_owned());
                }
            }
        }
        None
    }

    /// The node.
    fn live(&mut self, key: &Key, pod: &Value, life: &mut Life) {
        let mut turn = true;
        for at in 0..life.containers.len() {
            let container = &mut life.containers[at];
            if turn && container.state == State::Idle && !is_deleting(pod) {
                container.state = State::Creating;
                container.due = Some(self.now + self.settings.pace.pulling);
            }
            while life.containers[at].due.is_some_and(|due| due <= self.now) {
                life.containers[at].due = None;
                self.step(key, pod, life, at);
            }
            turn &= life.containers[at].lets_go();
        }
    }
}
