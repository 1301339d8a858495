//! The containers of a pod.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::files::Files;
use super::ports::Port;
use super::problems::Problems;
use super::resources::Share;
use super::secrets::Secrets;
use super::volumes::Volumes;
use super::{Mapping, checks, texts};
use crate::planner::kubernetes::config::PodSecurity;
use crate::spec::{ContainerSpec, PullPolicy, Role, oci_image_problem, path};

/// What containers are made of beside their spec.
pub(super) struct Parts<'a> {
    pub(super) ports: &'a [Port<'a>],
    pub(super) shares: &'a [Share],
    pub(super) secrets: &'a Secrets<'a>,
    pub(super) volumes: &'a Volumes,
    pub(super) files: &'a Files,
}

/// Who a container runs as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

/// The container at this place of the spec.
pub(super) fn container(m: &mut Mapping<'_>, parts: &Parts<'_>, n: usize) -> Value {
    let from = &m.spec.containers[n];
    let at = path::index("containers", n);
    if let Some(problem) = oci_image_problem(&from.image) {
        m.problems.add(path::field(&at, "image"), problem);
    }
    let mut mounts = parts.volumes.mounts(from);
    mounts.extend(parts.files.mounts.get(n).into_iter().flatten().cloned());
    places(&mut m.problems, &at, from);
    let user = user(&mut m.problems, &at, from, m.config.pod_security);
    let secrets = parts.secrets.variables(&from.name);
    let share = parts.shares.get(n).copied().unwrap_or_default();
    let goes_on = from.role == Role::Sidecar && m.cluster.has_sidecars();
    let mut made = json!({
        "name": from.name,
        "image": from.image,
        "imagePullPolicy": from.image_pull.as_ref().and_then(|pull| pull.policy).map(policy),
        "command": texts::all_written(&from.command),
        "args": texts::all_written(&from.args),
        "workingDir": from.working_dir,
        "env": texts::environment(&mut m.problems, &at, m.spec, from, &secrets),
        "ports": parts.ports.iter().filter(|port| port.container.name == from.name).map(port).collect::<Vec<_>>(),
        "resources": share.written(m.config.cpu_limits),
        "restartPolicy": goes_on.then_some("Always"),
        "volumeMounts": mounts,
        "securityContext": security(from, user, m.config.pod_security),
    });
    if let Some(made) = made.as_object_mut() {
        made.extend(checks::probes(&mut m.problems, &at, from, m.config.deadline_seconds));
    }
    made
}

fn port(port: &Port<'_>) -> Value {
    json!({
        "name": port.target(),
        "containerPort": port.container_port,
        "protocol": port.protocol.name(),
    })
}

fn policy(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::Always => "Always",
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Never => "Never",
    }
}

/// What a container may do.
fn security(from: &ContainerSpec, user: User, level: PodSecurity) -> Option<Map<String, Value>> {
    let mut context = Map::new();
    let mut set = |key: &str, value: Value| context.insert(key.to_owned(), value);
    if let Some(user) = user.user {
        set("runAsUser", json!(user));
    }
    if let Some(group) = user.group {
        set("runAsGroup", json!(group));
    }
    if from.read_only_root {
        set("readOnlyRootFilesystem", json!(true));
    }
    match level {
        PodSecurity::Restricted => {
            set("allowPrivilegeEscalation", json!(false));
            set("capabilities", json!({ "drop": ["ALL"] }));
        }
        PodSecurity::Baseline | PodSecurity::Privileged => {}
    }
    (!context.is_empty()).then_some(context)
}

/// Kubernetes takes numbers: it does not look into an image for a name.
fn user(problems: &mut Problems, at: &str, from: &ContainerSpec, level: PodSecurity) -> User {
    let Some(given) = &from.user else { return User::default() };
    let at = path::field(at, "user");
    let number = |text: &str| text.parse().ok().filter(|number: &u32| *number <= i32::MAX.unsigned_abs());
    let (user, group) = match given.split_once(':') {
        Some((user, group)) => (number(user), Some(number(group))),
        None => (number(given), None),
    };
    if user.is_none() || group == Some(None) {
        problems.add(
            &at,
            format!(
                "{} has a name; Kubernetes takes numbers: write it like 1000 or 1000:1000",
                path::quoted(given)
            ),
        );
    }
    if user == Some(0) && level == PodSecurity::Restricted {
        problems.add(&at, "provider_config.pod_security is restricted, which root is not; give another user");
    }
    User { user, group: group.flatten() }
}

/// Nothing can be where something else is.
fn places(problems: &mut Problems, at: &str, from: &ContainerSpec) {
    let mounts = from.mounts.iter().enumerate().map(|(n, mount)| ("mounts", n, mount.path.as_str()));
    let files = from.files.iter().enumerate().map(|(n, file)| ("files", n, file.path.as_str()));
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (list, n, place) in mounts.chain(files) {
        let at = path::field(&path::index(&path::field(at, list), n), "path");
        if place.contains(':') {
            problems.add(&at, "holds a ':', which Kubernetes does not take here; choose another path");
        }
        if place.trim_matches('/').is_empty() {
            problems.add(&at, "is the root of the image, which would be hidden; choose a path below it");
        }
        if let Some(other) = taken.insert(place.trim_end_matches('/'), list)
            && other != list
        {
            problems.add(&at, format!("one of its {other} is there; choose another path"));
        }
    }
}

/// The group that all containers are in beside their own, so that none needs root for a volume or for a secret's file.
pub(super) fn shared_group(containers: &[ContainerSpec]) -> u32 {
    const ANY: u32 = 2000;
    let given = containers.iter().filter_map(|one| {
        let (user, group) = one.user.as_ref()?.split_once(':').unwrap_or((one.user.as_ref()?, ""));
        group.parse().or_else(|_| user.parse()).ok()
    });
    given.into_iter().find(|group| *group > 0 && *group <= i32::MAX.unsigned_abs()).unwrap_or(ANY)
}
