//! What a new keeper finds of the launches that somebody before it has started: an earlier keeper, or a build without
//! keepers.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use landlord_state_machines::planner::process::{ExitCause, LaunchId};

use super::health::Health;
use super::kept::{First, Launch};
use super::protocol::{Program, Setup};
use crate::cgroup::Limits;
use crate::files::{self, LaunchFiles};
use crate::procfs::{self, Identity};
use crate::tags::{CHECK, HEADERS, LEADER, Variables};
use crate::user;

/// A launch that was found.
pub(super) struct Found {
    pub(super) id: LaunchId,
    pub(super) launch: Launch,
    pub(super) files: LaunchFiles,
}

/// Every launch of the tenant that has a record of this boot of the machine.
pub(super) fn find(setup: &Setup) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for record in files::records_in(&setup.dir, &procfs::boot_id()?)? {
        let (id, manifest) = (record.tags.key.launch, record.tags.manifest);
        let files::First::Process(leader) = record.first else { continue };
        let files = LaunchFiles::of(setup.dir.clone(), &manifest.container, id);
        let group = setup.group.as_ref().map(|group| group.launch(&id.to_string()));
        let group = group.filter(|group| group.exists());
        let first = match procfs::hold(leader)? {
            Some(held) => First::Found(leader, held),
            None => First::Ended {
                cause: record.exit.unwrap_or(ExitCause::Unseen),
                started: leader.started,
                ours: false,
            },
        };
        let (health, check) = (Health::unchecked(&manifest.readiness), check_of(leader));
        let headers = headers_of(leader).unwrap_or_default();
        let launch = Launch { manifest, group, first, health, check, headers, socket: None, thief: None };
        found.push(Found { id, launch, files });
    }
    Ok(found)
}

/// The headers of a launch's http check, as its process shows them.
fn headers_of(leader: Identity) -> Option<BTreeMap<String, String>> {
    let environ = procfs::environ(leader.pid).ok()??;
    let headers = serde_json::from_str(Variables::of_environ(&environ).get(HEADERS)?).ok()?;
    // They were read by pid: only this proves that they are the launch's.
    procfs::hold(leader).ok()??;
    Some(headers)
}

/// The exec check of a launch, as its process shows it.
fn check_of(leader: Identity) -> Option<Program> {
    let environ = procfs::environ(leader.pid).ok()??;
    let variables = Variables::of_environ(&environ);
    let words: Vec<String> = serde_json::from_str(variables.get(CHECK)?).ok()?;
    let link = |name: &str| std::fs::read_link(format!("/proc/{}/{name}", leader.pid())).ok();
    let (working_dir, root) = (link("cwd")?, link("root")?);
    let inside = |path: PathBuf| {
        path.strip_prefix(&root).map(|inside| Path::new("/").join(inside)).unwrap_or(path.clone())
    };
    let user = user::of_process(leader.pid);
    // Both were read by pid: only this proves that they are the launch's.
    procfs::hold(leader).ok()??;
    let environment = variables.iter().filter(|(name, _)| *name != LEADER);
    Some(Program {
        words,
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        working_dir: inside(working_dir),
        root: Some(root.clone()).filter(|root| root != Path::new("/")),
        user,
        mounts: None,
        no_new_privileges: true,
        limits: Limits::default(),
        file_size: None,
        data_size: None,
    })
}
