//! What a launch finds that others do not: its files and its volumes, and the directory where that is kept.

use std::path::{Path, PathBuf};

use landlord_state_machines::planner::process::Start;
use landlord_state_machines::spec::{ContainerSpec, FileSpec};
use secrecy::ExposeSecret;

use super::files::LaunchFiles;
use super::keeper::namespace::{Mounts, OwnFile, Volume};
use super::secrets::{self, SecretError};
use super::volumes::VolumesDir;

/// The permissions of a file without any.
const MODE: u32 = 0o444;

/// The permissions of a file without any that a secret is in.
const SECRET_MODE: u32 = 0o400;

/// Whether a container needs a view of its own, and which field says so.
pub(super) fn needed_for(container: &ContainerSpec) -> Option<&'static str> {
    let asked = [
        ("files", !container.files.is_empty()),
        ("mounts", !container.mounts.is_empty()),
        ("read_only_root", container.read_only_root),
    ];
    asked.into_iter().find(|(_, asked)| *asked).map(|(field, _)| field)
}

/// Whether something of the container's own is at this path or around it, so that the machine does not show it.
pub(super) fn covers(container: &ContainerSpec, path: &Path) -> bool {
    let files = container.files.iter().map(|file| &file.path);
    container.mounts.iter().map(|mount| &mount.path).chain(files).any(|own| path.starts_with(own))
}

/// Whether a volume of the container's own is around this path.
pub(super) fn covers_from_outside(container: &ContainerSpec, path: &Path) -> bool {
    container.mounts.iter().any(|mount| path != Path::new(&mount.path) && path.starts_with(&mount.path))
}

/// Puts together what a launch finds; `None` where that is what the machine has. Reads secrets, so it belongs on a blocking
/// thread.
pub(super) fn of(
    start: &Start,
    files: &LaunchFiles,
    volumes: &VolumesDir,
) -> Result<Option<Mounts>, SecretError> {
    let container = &start.container;
    if needed_for(container).is_none() {
        return Ok(None);
    }
    let dir = |name: &str| -> PathBuf {
        match start.volumes.iter().any(|volume| volume.name == name && volume.persistent) {
            true => volumes.data(name),
            false => files.own_volume(name),
        }
    };
    let mounts = container.mounts.iter().map(|mount| Volume {
        dir: dir(&mount.volume),
        path: PathBuf::from(&mount.path),
        read_only: mount.read_only,
    });
    let own = container.files.iter().map(|file| own_file(file, start)).collect::<Result<_, _>>()?;
    Ok(Some(Mounts {
        stage: files.stage(),
        volumes: mounts.collect(),
        files: own,
        read_only_root: container.read_only_root,
    }))
}

fn own_file(file: &FileSpec, start: &Start) -> Result<OwnFile, SecretError> {
    let secret = start.secrets.iter().find(|secret| file.secret.as_ref() == Some(&secret.name));
    let (content, usual) = match secret {
        Some(secret) => (secrets::resolve(secret)?.expose_secret().to_owned(), SECRET_MODE),
        None => (file.content.clone().unwrap_or_default(), MODE),
    };
    let given = file.permissions();
    Ok(OwnFile { path: PathBuf::from(&file.path), content, mode: given.unwrap_or(usual) })
}
