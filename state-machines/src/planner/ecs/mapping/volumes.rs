//! Volumes, and where containers find them.

use std::collections::BTreeMap;

use super::problems::{Problems, config_at};
use crate::planner::ecs::{EcsConfig, Efs, EfsPart, EfsVolume, LaunchType, Mount, Volume};
use crate::spec::{ContainerSpec, Spec, VolumeSpec, path};

/// The tenant's volumes. What is persistent is where the configuration says.
pub(super) fn volumes(
    problems: &mut Problems,
    spec: &Spec,
    config: &EcsConfig,
    on: LaunchType,
) -> Vec<Volume> {
    let list = config_at("efs_volumes");
    if on == LaunchType::External && !config.efs_volumes.is_empty() {
        problems.add(&list, "tasks on EXTERNAL cannot mount EFS; leave it out");
    }
    let mut kept = BTreeMap::new();
    for (n, given) in config.efs_volumes.iter().enumerate() {
        let at = path::index(&list, n);
        if let Some(problem) = name_problem(&given.name, &spec.volumes) {
            problems.add(path::field(&at, "name"), problem);
        }
        let efs = efs(problems, &at, given);
        if kept.insert(&given.name, efs).is_some() {
            problems.add(path::field(&at, "name"), "given twice; remove one of them");
        }
    }
    let volume = |(n, volume): (usize, &VolumeSpec)| {
        if volume.persistent {
            keeping(problems, &path::index("volumes", n), volume, kept.contains_key(&volume.name));
        }
        Volume { name: volume.name.clone(), kept: kept.remove(&volume.name).flatten() }
    };
    spec.volumes.iter().enumerate().map(volume).collect()
}

fn name_problem(name: &str, volumes: &[VolumeSpec]) -> Option<String> {
    let named = path::quoted(name);
    match volumes.iter().find(|volume| volume.name == name) {
        None => Some(format!("{named} is no volume of the spec; remove it, or add it there")),
        Some(volume) if !volume.persistent => {
            Some(format!("volume {named} is not persistent; remove it, or set persistent to true"))
        }
        Some(_) => None,
    }
}

/// What is wrong with a persistent volume.
fn keeping(problems: &mut Problems, at: &str, volume: &VolumeSpec, is_kept: bool) {
    if !volume.retain {
        problems.add(
            path::field(at, "retain"),
            "what is on EFS is never removed, so it outlives the tenant; set retain to true",
        );
    }
    if !is_kept {
        problems.add(
            path::field(at, "persistent"),
            format!(
                "nothing keeps it; give provider_config.efs_volumes an entry with the name {}, or set persistent to false",
                volume.name
            ),
        );
    }
}

fn efs(problems: &mut Problems, at: &str, given: &EfsVolume) -> Option<Efs> {
    if !is_id(&given.file_system_id, "fs-") {
        problems.add(
            path::field(at, "file_system_id"),
            "not a file system's id; write one like fs-0123456789abcdef0",
        );
    }
    let part = part(problems, at, given)?;
    Some(Efs { file_system_id: given.file_system_id.clone(), part })
}

fn part(problems: &mut Problems, at: &str, given: &EfsVolume) -> Option<EfsPart> {
    match (&given.root_directory, &given.access_point_id) {
        (Some(directory), None) => {
            if !directory.starts_with('/') || directory.contains(char::is_control) || directory.len() > 4096 {
                problems.add(path::field(at, "root_directory"), "not an absolute path in the file system");
            }
            Some(EfsPart::Directory(directory.clone()))
        }
        (None, Some(id)) => {
            if !is_id(id, "fsap-") {
                problems.add(
                    path::field(at, "access_point_id"),
                    "not an access point's id; write one like fsap-0123456789abcdef0",
                );
            }
            Some(EfsPart::AccessPoint(id.clone()))
        }
        (Some(_), Some(_)) => {
            problems.add(at, "an access point has its own directory; give root_directory or access_point_id");
            None
        }
        (None, None) => {
            problems.add(
                at,
                "which part of the file system it is, is missing; give root_directory or access_point_id",
            );
            None
        }
    }
}

fn is_id(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind).is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Where a container finds the volumes.
pub(super) fn mounts(container: &ContainerSpec) -> Vec<Mount> {
    let mount = |mount: &crate::spec::MountSpec| Mount {
        volume: mount.volume.clone(),
        path: mount.path.clone(),
        read_only: mount.read_only,
    };
    container.mounts.iter().map(mount).collect()
}
