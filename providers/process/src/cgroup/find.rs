//! Where an engine may make groups: found by what the kernel says, then by trying.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::getxattr;
use rustix::io::Errno;
use rustix::process::geteuid;

use super::mounts::{self, Mounted};
use super::{Controller, Dir, Group, Limit, Version, limits, name, tree};

/// The group with all that is ours.
const OURS: &str = "landlord";

/// The leaf of a delegated group for the engine, and for the processes that were right in that group.
/// `DelegateSubgroup=engine` has systemd (254) make it.
const ENGINE: &str = "engine";

/// How often the processes of a group are moved out of it: while they start others, once is not enough.
const MOVES: usize = 10;

/// Why no groups can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoGroups {
    /// There are none to be seen.
    #[error("no cgroups are mounted; mount cgroup2 at /sys/fs/cgroup")]
    NotMounted,
    /// As in a container that is not privileged.
    #[error(
        "cgroups are mounted read-only at {}; in a container, mount them writable, in a cgroup namespace of its own",
        .mount.display()
    )]
    ReadOnly {
        /// Where.
        mount: PathBuf,
    },
    /// The user may not make a group.
    #[error(
        "the group {} is not delegated to the engine's user; run the engine as a systemd unit with \
         Delegate=yes and DelegateSubgroup=engine, or with `systemd-run --user --scope -p Delegate=yes`",
        .group.display()
    )]
    NotDelegated {
        /// The group that the engine is in.
        group: PathBuf,
    },
    /// Anything else.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        error: Errno,
    },
}

impl NoGroups {
    fn system(what: String, error: &io::Error) -> Self {
        Self::System { what, error: Errno::from_io_error(error).unwrap_or(Errno::IO) }
    }
}

/// Finds a place for the engine's groups, and makes the engine's own in it.
pub(super) fn find(engine: &str) -> Result<Group, NoGroups> {
    let mounted = mounts::mounted()
        .map_err(|error| NoGroups::system("reading where cgroups are mounted".to_owned(), &error))?;
    let place = |mounted| Place::make(mounted, engine);

    let unified = mounted.iter().find(|mounted| mounted.version == Version::V2).map(place);
    let with = |limit: Limit| {
        let name = limit.controller();
        mounted.iter().find(|mounted| mounted.controllers.iter().any(|one| one == name)).map(place)
    };
    let [memory, cpu, pids] = Limit::ALL.map(|limit| (limit, with(limit).or_else(|| unified.clone())));

    // Where there is no cgroup v2, any hierarchy finds the processes.
    let homes = [unified, pids.1.clone(), memory.1.clone(), cpu.1.clone()];
    let mut refused = NoGroups::NotMounted;
    let mut home = None;
    for place in homes.into_iter().flatten().rev() {
        match place {
            Ok(place) => home = Some(place.dir()),
            Err(why) => refused = why,
        }
    }
    let home = home.ok_or(refused)?;
    let [memory, cpu, pids] = [memory, cpu, pids].map(|(limit, place)| match place {
        Some(Ok(place)) => place.controller(limit),
        Some(Err(why)) => Controller::Missing(why.to_string()),
        None => Controller::Missing(format!("no cgroups with the controller {limit} are mounted")),
    });
    Ok(Group { home, memory, cpu, pids })
}

/// The processes right in the group that ours is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inhabitants {
    /// They do not matter: cgroup v1, and the root of the machine.
    Stay,
    /// They are moved into the leaf [`ENGINE`].
    Move,
    /// systemd puts the engine there whenever it starts it, which fails while the group passes controllers on.
    Return,
}

/// Where the engine's group is in one hierarchy.
#[derive(Clone, Debug)]
struct Place {
    version: Version,
    /// The group that ours is in, which others may use, too.
    parent: PathBuf,
    /// What becomes of the parent's own processes: only a group without any can pass controllers on.
    inhabitants: Inhabitants,
    /// Ours, for all engines.
    ours: PathBuf,
    /// The engine's.
    engine: PathBuf,
}

impl Place {
    fn make(mounted: &Mounted, engine: &str) -> Result<Self, NoGroups> {
        if mounted.read_only {
            return Err(NoGroups::ReadOnly { mount: mounted.top.clone() });
        }
        let (parent, inhabitants) = match mounted.version {
            Version::V1 if geteuid().is_root() => (mounted.top.clone(), Inhabitants::Stay),
            Version::V1 => (mounted.own.clone(), Inhabitants::Stay),
            Version::V2 => parent(mounted),
        };
        let ours = parent.join(OURS);
        let engine = ours.join(name::engine(engine));
        for group in [&ours, &engine] {
            tree::make(group).map_err(|error| {
                if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
                    NoGroups::ReadOnly { mount: mounted.top.clone() }
                } else if error.kind() == io::ErrorKind::PermissionDenied {
                    NoGroups::NotDelegated { group: parent.clone() }
                } else {
                    NoGroups::system(format!("making the group {}", group.display()), &error)
                }
            })?;
        }
        let place = Self { version: mounted.version, parent, inhabitants, ours, engine };
        if inhabitants == Inhabitants::Move {
            place.make_room();
        }
        Ok(place)
    }

    fn dir(&self) -> Dir {
        Dir { version: self.version, path: self.engine.clone() }
    }

    /// The limit, which the engine's group is told to pass on.
    fn controller(&self, limit: Limit) -> Controller {
        let enabled = match self.version {
            Version::V1 => Ok(()),
            Version::V2 if !offered(&self.parent).contains(limit.controller()) => {
                let parent = self.parent.display();
                Err(format!("the group {parent} was not given the controller {limit}"))
            }
            Version::V2 if self.inhabitants == Inhabitants::Return => {
                let unit = self.parent.display();
                Err(format!(
                    "{unit} could not be started again while tenants run under limits; give the unit \
                     DelegateSubgroup={ENGINE} (systemd 254 or newer), or run the engine as root"
                ))
            }
            Version::V2 => [&self.parent, &self.ours, &self.engine].into_iter().try_for_each(|group| {
                limits::enable(group, limit).map_err(|error| {
                    format!("the group {} cannot pass on the controller {limit}: {error}", group.display())
                })
            }),
        };
        match enabled {
            Ok(()) => Controller::At(self.dir()),
            Err(why) => Controller::Missing(why),
        }
    }

    /// Moves what is right in the parent into the leaf. Where this fails, so does passing controllers on, and then that
    /// is said.
    fn make_room(&self) {
        let passed_on = words(&self.parent.join("cgroup.subtree_control"));
        let offered = offered(&self.parent);
        let wanted =
            |limit: &Limit| offered.contains(limit.controller()) && !passed_on.contains(limit.controller());
        if !Limit::ALL.iter().any(wanted) {
            return;
        }
        let leaf = self.parent.join(ENGINE);
        let file = leaf.join(tree::PROCS);
        for _ in 0..MOVES {
            let inside = tree::own_processes(&self.parent).unwrap_or_default();
            if inside.is_empty() || tree::make(&leaf).is_err() {
                return;
            }
            for pid in inside {
                // It may have ended.
                let _moved = tree::write(&file, &pid.to_string());
            }
        }
    }
}

/// The group (cgroup v2) to make ours in.
fn parent(mounted: &Mounted) -> (PathBuf, Inhabitants) {
    let (top, own) = (&mounted.top, &mounted.own);
    let root_of_machine = geteuid().is_root() && is_root_of_machine(top);
    // Moved there by this engine, by one before it, or by systemd.
    let leaf_of = own.parent().filter(|_| own != top && own.file_name().is_some_and(|name| name == ENGINE));
    match leaf_of {
        Some(delegated) if !root_of_machine || is_delegated(delegated) => {
            (delegated.to_owned(), Inhabitants::Move)
        }
        // Not in the unit of the engine, so that it can be started again on every systemd.
        Some(_) | None if root_of_machine => (top.clone(), Inhabitants::Stay),
        Some(_) | None if own.extension().is_some_and(|extension| extension == "service") => {
            (own.clone(), Inhabitants::Return)
        }
        Some(_) | None => (own.clone(), Inhabitants::Move),
    }
}

/// Whether it is the root of all groups, not that of a namespace.
fn is_root_of_machine(group: &Path) -> bool {
    !group.join("cgroup.type").exists()
}

/// Whether systemd says that the group is its processes' to divide.
fn is_delegated(group: &Path) -> bool {
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0_u8; 2];
        getxattr(group, *name, &mut value).is_ok_and(|length| value[..length] == *b"1")
    })
}

/// The controllers that a group (cgroup v2) has.
fn offered(group: &Path) -> BTreeSet<String> {
    words(&group.join("cgroup.controllers"))
}

fn words(file: &Path) -> BTreeSet<String> {
    let text = tree::read(file).ok().flatten().unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}
