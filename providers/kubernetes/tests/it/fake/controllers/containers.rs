//! What happens to a container, one thing after the other.

use serde_json::Value;

use crate::fake::behaviour::Behaviour;
use crate::fake::kinds::Key;
use crate::fake::life::{Container, Ended, Life, Role, State};
use crate::fake::logs::printed;
use crate::fake::world::World;

const KUBELET: &str = "kubelet";

/// Which container of which pod.
struct Of<'a> {
    key: &'a Key,
    pod: &'a Value,
    uid: &'a str,
    spec: &'a Value,
    image: &'a str,
    behaviour: Behaviour,
    sick: bool,
}

impl World {
    /// The next thing that happens to a container.
    pub(super) fn step(&mut self, key: &Key, pod: &Value, life: &mut Life, at: usize) {
        let sick = life.sick;
        let container = &mut life.containers[at];
        let spec = Self::container(pod, &container.name);
        let of = Of {
            key,
            pod,
            uid: pod["metadata"]["uid"].as_str().unwrap_or_default(),
            spec,
            image: spec["image"].as_str().unwrap_or_default(),
            behaviour: self.behaviour(pod, &container.name),
            sick,
        };
        match container.state.clone() {
            State::Idle => {}
            State::Creating => self.start(&of, container),
            State::Running { since } => self.go_on(&of, container, since),
            State::Ended(ended) => {
                container.last = Some(ended);
                container.restarts += 1;
                self.start(&of, container);
            }
            State::Waiting { reason, .. } => match reason.as_str() {
                "ErrImagePull" => {
                    let message = format!("Back-off pulling image \"{}\"", of.image);
                    self.warn(key, pod, KUBELET, ("BackOff", &message));
                    container.wait("ImagePullBackOff", message);
                    container.due = Some(self.now + container.back_off(self.settings.pace.backoff));
                }
                "CrashLoopBackOff" => {
                    container.restarts += 1;
                    self.start(&of, container);
                }
                "ImagePullBackOff" | "CreateContainerConfigError" | "InvalidImageName" => {
                    self.start(&of, container);
                }
                _ => self.loop_back(&of, container),
            },
        }
    }

    /// It failed again, and waits before it is started again.
    fn loop_back(&mut self, of: &Of<'_>, container: &mut Container) {
        let wait = container.back_off(self.settings.pace.backoff);
        let said = 10_u32 * 2_u32.pow((container.failures - 1).min(5));
        let message = format!(
            "back-off {said}s restarting failed container={} pod={}_{}({})",
            container.name, of.key.name, of.key.namespace, of.uid
        );
        self.warn(of.key, of.pod, KUBELET, ("BackOff", "Back-off restarting failed container"));
        container.wait("CrashLoopBackOff", message);
        container.due = Some(self.now + wait);
    }

    fn start(&mut self, of: &Of<'_>, container: &mut Container) {
        let pace = self.settings.pace;
        let fails = |world: &mut Self, reason: &str, message: &str| {
            world.warn(of.key, of.pod, KUBELET, (reason, message));
        };
        if let Some(why) = self.unmounted(&of.key.namespace, of.pod) {
            fails(self, "FailedMount", &why);
            container.state = State::Creating;
            container.due = Some(self.now + pace.retry);
            return;
        }
        match of.behaviour {
            Behaviour::InvalidImage => {
                let message = format!(
                    "Failed to apply default image tag \"{0}\": couldn't parse image reference \"{0}\": invalid \
                     reference format",
                    of.image
                );
                fails(self, "InspectFailed", &message);
                fails(self, "Failed", "Error: InvalidImageName");
                container.wait("InvalidImageName", message);
                container.due = Some(self.now + pace.backoff * 16);
                return;
            }
            Behaviour::BadImage => {
                let message = format!(
                    "rpc error: code = NotFound desc = failed to pull and unpack image \"{0}\": failed to \
                     resolve reference \"{0}\": {0}: not found",
                    of.image
                );
                fails(self, "Failed", &format!("Failed to pull image \"{}\": {message}", of.image));
                fails(self, "Failed", "Error: ErrImagePull");
                container.wait("ErrImagePull", message);
                container.due = Some(self.now + pace.retry);
                return;
            }
            Behaviour::Good
            | Behaviour::Crash
            | Behaviour::Oom
            | Behaviour::ConfigError
            | Behaviour::CannotRun
            | Behaviour::HookFails
            | Behaviour::NeverReady
            | Behaviour::Slow
            | Behaviour::Stubborn
            | Behaviour::Unschedulable => {}
        }
        let environment = match self.environment(&of.key.namespace, of.spec) {
            Ok(_) if of.behaviour == Behaviour::ConfigError => {
                Err("container has runAsNonRoot and image will run as root".to_owned())
            }
            resolved => resolved,
        };
        let environment = match environment {
            Ok(environment) => environment,
            Err(why) => {
                fails(self, "Failed", &format!("Error: {why}"));
                container.wait("CreateContainerConfigError", why);
                container.due = Some(self.now + pace.retry);
                return;
            }
        };
        let printed = printed(&environment);
        match of.behaviour {
            Behaviour::CannotRun => {
                let message = format!(
                    "failed to create containerd task: OCI runtime create failed: exec: {}: executable file not \
                     found in $PATH: unknown",
                    of.spec["command"][0]
                );
                fails(self, "Failed", &format!("Error: {message}"));
                let (at, reason) = (self.now, "StartError".to_owned());
                container.last = Some(Ended { code: 128, reason, message: message.clone(), began: at, at });
                container.wait("RunContainerError", message);
                container.due = Some(self.now + pace.retry);
            }
            Behaviour::HookFails => {
                let words = format!("command 'sh -c env' exited with 1: {printed}");
                fails(self, "FailedPostStartHook", &format!("Exec lifecycle hook failed - error: {words}"));
                container.wait(&format!("PostStartHookError: {words}"), String::new());
                let (at, reason) = (self.now, "Error".to_owned());
                container.last = Some(Ended { code: 137, reason, message: String::new(), began: at, at });
                container.due = Some(self.now + pace.retry);
            }
            Behaviour::Good
            | Behaviour::BadImage
            | Behaviour::InvalidImage
            | Behaviour::Crash
            | Behaviour::Oom
            | Behaviour::ConfigError
            | Behaviour::NeverReady
            | Behaviour::Slow
            | Behaviour::Stubborn
            | Behaviour::Unschedulable => self.started(of, container, &printed),
        }
    }

    fn started(&mut self, of: &Of<'_>, container: &mut Container, printed: &str) {
        let pace = self.settings.pace;
        let message = format!("Started container {}", container.name);
        self.say(of.key, of.pod, KUBELET, ("Normal", "Started", &message));
        self.logs.begin(of.uid, &container.name);
        let time = self.time(self.now);
        self.logs.write(of.uid, &container.name, time, &format!("{} starts", of.image));
        if !printed.is_empty() {
            self.logs.write(of.uid, &container.name, time, printed);
        }
        container.state = State::Running { since: self.now };
        container.ready = false;
        let checked = of.spec["readinessProbe"].is_object();
        let after = match (of.behaviour, container.role) {
            (Behaviour::Crash | Behaviour::Oom, _) | (_, Role::Before) => Some(pace.crash),
            (Behaviour::Slow, _) => Some(pace.slow),
            (Behaviour::NeverReady, _) => Some(pace.ready),
            (_, Role::Main | Role::Sidecar) if checked || of.sick => Some(pace.ready),
            (_, Role::Main | Role::Sidecar) => None,
        };
        container.ready = after.is_none();
        container.due = after.map(|after| self.now + after);
    }

    /// What a container that runs does next.
    fn go_on(&mut self, of: &Of<'_>, container: &mut Container, since: tokio::time::Instant) {
        let ended = match (of.behaviour, container.role) {
            (Behaviour::Crash, _) => Some((1, "Error")),
            (Behaviour::Oom, _) => Some((137, "OOMKilled")),
            (_, Role::Before) => Some((0, "Completed")),
            (_, Role::Main | Role::Sidecar) => None,
        };
        let Some((code, reason)) = ended else {
            if of.behaviour == Behaviour::NeverReady || of.sick {
                container.ready = false;
                let said = self.environment(&of.key.namespace, of.spec).unwrap_or_default();
                let message = format!("Readiness probe failed: not well: {}", printed(&said));
                self.warn(of.key, of.pod, KUBELET, ("Unhealthy", &message));
            } else {
                container.ready = true;
            }
            return;
        };
        container.ready = container.role == Role::Before && code == 0;
        let copied = code != 0 && of.spec["terminationMessagePolicy"] == "FallbackToLogsOnError";
        let message = if copied { self.logs.last(of.uid, &container.name) } else { String::new() };
        let ended = Ended { code, reason: reason.to_owned(), message, began: since, at: self.now };
        if code == 0 {
            container.state = State::Ended(ended);
        } else if container.restarts == 0 {
            container.state = State::Ended(ended);
            container.due = Some(self.now + self.settings.pace.retry);
        } else {
            container.last = Some(ended);
            self.loop_back(of, container);
        }
    }
}
