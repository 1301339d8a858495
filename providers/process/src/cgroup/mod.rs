//! Groups of processes (cgroups): what belongs to a tenant is found and killed as a whole, and kept to its limits.
//!
//! `<where groups may be made>/landlord/<engine>.engine/<provider>+<tenant>.tenant/` holds the leaf `keeper` and a
//! leaf `<launch>.launch` for each launch. With cgroup v1 such directories are in each hierarchy that is used: those of
//! memory, cpu and pids, for the limits, where the keeper needs no leaf, and the unified one (v2) where it is mounted,
//! for finding and killing.
//!
//! A process that may write to the groups can leave its own: as root, or as the user that a subtree is delegated
//! to. So a group holds a program that is careless, and one that is hostile only if it runs as another user.
//!
//! Everything here blocks for the time of a few system calls, except where a method says so.

mod find;
mod limits;
mod mounts;
mod name;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use landlord_state_machines::id::{ProviderName, TenantId};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

pub(crate) use find::NoGroups;
pub(crate) use limits::{Limit, Limits, NotEnforced};
pub(crate) use mounts::unescaped;

/// The leaf that a tenant's keeper is in.
const KEEPER: &str = "keeper";

/// Which interface a hierarchy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Version {
    V1,
    V2,
}

/// A directory of one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Dir {
    version: Version,
    path: PathBuf,
}

impl Dir {
    fn join(&self, name: &str) -> Self {
        Self { version: self.version, path: self.path.join(name) }
    }
}

/// Where a limit is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Controller {
    /// In this directory.
    At(Dir),
    /// Nowhere, and why.
    Missing(String),
}

impl Controller {
    fn join(&self, name: &str) -> Self {
        match self {
            Self::At(dir) => Self::At(dir.join(name)),
            Self::Missing(why) => Self::Missing(why.clone()),
        }
    }
}

/// One group: its directory in each hierarchy, which are the same one with cgroup v2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    /// By which its processes are found and killed.
    home: Dir,
    memory: Controller,
    cpu: Controller,
    pids: Controller,
}

impl Group {
    fn join(&self, name: &str) -> Self {
        Self {
            home: self.home.join(name),
            memory: self.memory.join(name),
            cpu: self.cpu.join(name),
            pids: self.pids.join(name),
        }
    }

    fn controller(&self, limit: Limit) -> &Controller {
        match limit {
            Limit::Memory => &self.memory,
            Limit::Cpu => &self.cpu,
            Limit::Pids => &self.pids,
        }
    }

    /// Each directory once.
    fn dirs(&self) -> Vec<&Dir> {
        let mut dirs = vec![&self.home];
        for limit in Limit::ALL {
            if let Controller::At(dir) = self.controller(limit)
                && !dirs.contains(&dir)
            {
                dirs.push(dir);
            }
        }
        dirs
    }

    fn make(&self) -> io::Result<()> {
        self.dirs().into_iter().try_for_each(|dir| tree::make(&dir.path))
    }

    /// Lets the groups in this one have limits, which cgroup v2 wants to be told.
    fn pass_on(&self) -> io::Result<()> {
        for limit in Limit::ALL {
            if let Controller::At(Dir { version: Version::V2, path }) = self.controller(limit) {
                limits::enable(path, limit)?;
            }
        }
        Ok(())
    }

    fn join_calling(&self) -> io::Result<()> {
        self.dirs().into_iter().try_for_each(|dir| tree::join(&dir.path))
    }

    fn remove(&self) -> io::Result<()> {
        self.dirs().into_iter().try_for_each(|dir| tree::remove(&dir.path))
    }
}

/// Where an engine makes its groups. A keeper gets it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Groups(Group);

impl Groups {
    /// Looks for a place where this engine may make groups, and makes its own there.
    ///
    /// For root that is at the top of all groups; for an ordinary user, and in a container, in the calling process's
    /// own group, if that is delegated. With cgroup v2 a group that holds processes of its own cannot pass limits on: so
    /// in a delegated group they are moved into its leaf `engine`. In the group of a service they are not, since
    /// systemd could not start the service again while a tenant runs; there limits are not enforced, unless
    /// `DelegateSubgroup=engine` had systemd (254) start the engine in the leaf.
    ///
    /// # Errors
    /// [`NoGroups`] says why there is no such place.
    pub(crate) fn find(engine: &str) -> Result<Self, NoGroups> {
        find::find(engine).map(Self)
    }

    /// The group of a tenant, which need not exist.
    pub(crate) fn tenant(&self, provider: &ProviderName, tenant: &TenantId) -> TenantGroup {
        TenantGroup(self.0.join(&name::tenant(provider.as_str(), tenant.as_str())))
    }

    /// Which limits no group of this engine keeps, and why.
    pub(crate) fn not_enforced(&self) -> Vec<NotEnforced> {
        let missing = |limit| match self.0.controller(limit) {
            Controller::At(_) => None,
            Controller::Missing(reason) => Some(NotEnforced { limit, reason: reason.clone() }),
        };
        Limit::ALL.into_iter().filter_map(missing).collect()
    }

    /// Removes the engine's group. One that is gone already is no error.
    ///
    /// # Errors
    /// `ResourceBusy` while a process is left in it.
    #[cfg(test)]
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.0.remove()
    }
}

/// For a person: the directory that the engine's groups are in.
impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.home.path.display().fmt(f)
    }
}

/// The group of one tenant: its keeper and its launches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TenantGroup(Group);

impl TenantGroup {
    /// Makes the group; one that exists stays as it is.
    pub(crate) fn make(&self) -> io::Result<()> {
        self.0.make()?;
        self.0.pass_on()
    }

    /// Moves the calling process, with all its threads, to where the tenant's keeper belongs: its leaf, or with cgroup v1,
    /// where a group with others in it may hold processes, the tenant's group itself.
    ///
    /// # Errors
    /// `NotFound` when the tenant's group was not made.
    pub(crate) fn join_keeper(&self) -> io::Result<()> {
        self.0.dirs().into_iter().try_for_each(|dir| match dir.version {
            Version::V1 => tree::join(&dir.path),
            Version::V2 => {
                let leaf = dir.path.join(KEEPER);
                tree::make(&leaf)?;
                tree::join(&leaf)
            }
        })
    }

    /// The group of a launch, which need not exist.
    pub(crate) fn launch(&self, id: &str) -> LaunchGroup {
        LaunchGroup(self.0.join(&name::launch(id)))
    }

    /// The launches whose groups exist, each with its id.
    pub(crate) fn launches(&self) -> io::Result<Vec<(String, LaunchGroup)>> {
        let ids = tree::children(self.home())?.into_iter().filter_map(|child| name::launch_id(&child));
        Ok(ids.map(|id| (id.clone(), self.launch(&id))).collect())
    }

    /// All processes of the tenant, its keeper's included.
    #[cfg(test)]
    pub(crate) fn processes(&self) -> io::Result<Vec<Pid>> {
        tree::processes(self.home())
    }

    /// Kills the processes of all launches, for at most `within`, and returns those that are left. Processes where the
    /// keeper is live on: the keeper, and children of it that have not joined their launch.
    pub(crate) fn kill_launches(&self, within: Duration) -> io::Result<Vec<Pid>> {
        let deadline = Instant::now() + within;
        let mut left = Vec::new();
        for (_, launch) in self.launches()? {
            left.extend(launch.kill_until(deadline)?);
        }
        Ok(left)
    }

    /// Kills all processes of the tenant, its keeper's included, for at most `within`, and returns those that are left.
    /// Not for the keeper itself: it would not live to see the answer.
    pub(crate) fn kill_all(&self, within: Duration) -> io::Result<Vec<Pid>> {
        let deadline = Instant::now() + within;
        self.kill_launches(within)?;
        tree::kill(&self.0.home, deadline)
    }

    /// Removes the group with all that are in it. One that is gone already is no error.
    ///
    /// # Errors
    /// `ResourceBusy` while a process is left in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.0.remove()
    }

    /// Removes the group of a tenant whose launches and keeper have ended. One that is gone already is no error.
    ///
    /// # Errors
    /// `ResourceBusy` while a process, or the group of a launch, is left in it.
    pub(crate) fn remove_without_launches(&self) -> io::Result<()> {
        for dir in self.0.dirs() {
            // Keepers of older builds have one in every hierarchy.
            tree::remove_leaf(&dir.path.join(KEEPER))?;
            tree::remove_leaf(&dir.path)?;
        }
        Ok(())
    }

    /// The directory by which processes are found.
    fn home(&self) -> &Path {
        &self.0.home.path
    }
}

/// The group of one launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct LaunchGroup(Group);

impl LaunchGroup {
    /// Makes the group, and sets its limits; returns those that are not enforced, with the reasons.
    ///
    /// # Errors
    /// The group cannot be made. `NotFound`: the tenant's was not.
    pub(crate) fn make(&self, limits: &Limits) -> io::Result<Vec<NotEnforced>> {
        self.0.make()?;
        Ok(limits::set(&self.0, limits))
    }

    /// Moves the calling process, with all its threads, into the group. What it starts from then on is there, too.
    pub(crate) fn join(&self) -> io::Result<()> {
        self.0.join_calling()
    }

    /// Where a process writes its pid to move into the group: into each of these files. For a shell; in Rust there is
    /// [`LaunchGroup::join`].
    #[cfg(test)]
    pub(crate) fn procs_files(&self) -> Vec<PathBuf> {
        self.0.dirs().into_iter().map(|dir| dir.path.join(tree::PROCS)).collect()
    }

    /// Whether the group exists.
    pub(crate) fn exists(&self) -> bool {
        self.0.home.path.is_dir()
    }

    /// Its processes, also in groups that they made themselves. Empty when the group does not exist.
    pub(crate) fn processes(&self) -> io::Result<Vec<Pid>> {
        tree::processes(&self.0.home.path)
    }

    /// Kills its processes, and what they start meanwhile, for at most `within`, and returns those that are left. With no
    /// time it signals once. Blocks until they are gone. The group is not for processes any more: with cgroup v1
    /// none that is in it can start another.
    pub(crate) fn kill(&self, within: Duration) -> io::Result<Vec<Pid>> {
        self.kill_until(Instant::now() + within)
    }

    fn kill_until(&self, deadline: Instant) -> io::Result<Vec<Pid>> {
        // cgroup v1 has no way to kill all at once; without new ones the loop comes to an end.
        if let Controller::At(Dir { version: Version::V1, path }) = &self.0.pids {
            tree::unless_gone(tree::write(&path.join(limits::PIDS_MAX), "0"))?;
        }
        tree::kill(&self.0.home, deadline)
    }

    /// Not 0 once the kernel has killed processes because the group's memory was used up. It is no exact count of them:
    /// with cgroup v2 the first counts twice. 0 where memory has no group, or the group does not exist.
    pub(crate) fn oom_kills(&self) -> io::Result<u64> {
        match &self.0.memory {
            Controller::At(dir) => limits::oom_kills(dir),
            Controller::Missing(_) => Ok(0),
        }
    }

    /// Removes the group with all that are in it. One that is gone already is no error.
    ///
    /// # Errors
    /// `ResourceBusy` while a process is left in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.0.remove()
    }
}
