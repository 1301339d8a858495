//! Finds the processes of launches without a keeper, by their tags and by the records of their launching.
//!
//! A process is ours when its environment carries our tags, or when a record names its pid, its start time and
//! this boot of the machine; the second also finds programs that overwrite their environment to show a title.
//! Between fork and exec a child still shows the engine's own environment; if the engine is killed in that moment,
//! the child becomes ours an instant later, which the planner's settle time waits for.
//! A process without tags belongs to a launch when it is in the group of the launch's first process while that
//! lives, or in its former group with the launch's log open.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use landlord_compute::provider::Source;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::process::{Binding, Exit, ExitCause, Thief};
use landlord_state_machines::spec;
use rustix::process::Pid;

use super::files::{First, LaunchFiles, StateDir};
use super::keeper::protocol::{Streak, Ward};
use super::procfs::{self, Identity, Stat};
use super::tags::{Key, LEADER, Owner, Tags, Variables};

/// Which launches are looked for.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    /// Those of a provider of an engine.
    Owner(Owner),
    /// Those of one tenant there.
    Tenant(Owner, TenantId),
}

impl Whose {
    /// Whether a keeper is of those.
    pub(super) fn has(&self, ward: &Ward) -> bool {
        match self {
            Self::Owner(owner) => ward.engine == owner.engine && ward.provider == owner.provider,
            Self::Tenant(owner, tenant) => {
                ward.engine == owner.engine && ward.provider == owner.provider && ward.tenant == *tenant
            }
        }
    }

    pub(super) fn includes(&self, key: &Key) -> bool {
        match self {
            Self::Owner(owner) => key.owner == *owner,
            Self::Tenant(owner, tenant) => key.owner == *owner && key.tenant == *tenant,
        }
    }
}

/// A launch and what is left of it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// What it was launched as.
    pub(super) tags: Tags,
    /// Its first process, while it lives.
    pub(super) leader: Option<Identity>,
    /// Its other processes that live.
    pub(super) members: Vec<Identity>,
    /// What its record says; `None` when it has none.
    pub(super) record: Option<First>,
    /// How its first process ended, where somebody saw it.
    pub(super) exit: Option<Exit>,
    /// What its keeper sees of it.
    pub(super) kept: Kept,
    /// What its checks show.
    pub(super) streak: Option<Streak>,
    /// Whether its keeper ever saw it ready.
    pub(super) was_ready: bool,
    /// Who listens on its host ports.
    pub(super) binding: Binding,
    /// How many connections are forwarded to it.
    pub(super) connections: u32,
    /// Who has a private port of it, where it was never ready and its keeper says so.
    pub(super) thief: Option<Thief>,
}

/// What a keeper sees of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nothing: it has no keeper, or that does not know it.
    Unknown,
    /// Its first process. It may have others, which are found by their tags.
    InPart,
    /// All its processes; so many live beside the first.
    Whole(usize),
}

impl Seen {
    pub(super) fn of(tags: Tags) -> Self {
        Self {
            tags,
            leader: None,
            members: Vec::new(),
            record: None,
            exit: None,
            kept: Kept::Unknown,
            streak: None,
            was_ready: false,
            binding: Binding::Unknown,
            connections: 0,
            thief: None,
        }
    }

    /// Whether a process of it lives.
    pub(super) fn lives(&self) -> bool {
        let beside = match self.kept {
            Kept::Whole(others) => others > 0,
            Kept::Unknown | Kept::InPart => !self.members.is_empty(),
        };
        self.leader.is_some() || beside
    }

    /// Whether it was to end by itself, and has done so without a failure.
    pub(super) fn has_completed(&self) -> bool {
        let well = self.exit.as_ref().is_some_and(|exit| exit.cause == ExitCause::Code(0));
        self.tags.manifest.role == spec::Role::Init && well && !self.lives()
    }

    /// Every process of it that lives.
    pub(super) fn processes(&self) -> impl Iterator<Item = Identity> {
        self.leader.into_iter().chain(self.members.iter().copied())
    }
}

/// What the records tell, without a look at any process.
pub(super) fn recorded(state: &StateDir, whose: &Whose) -> io::Result<BTreeMap<Key, Seen>> {
    let boot = procfs::boot_id()?;
    let records = match whose {
        Whose::Owner(_) => state.records(&boot)?,
        Whose::Tenant(_, tenant) => state.records_of(tenant, &boot)?,
    };
    let ours = records.into_iter().filter(|record| whose.includes(&record.tags.key));
    let seen = ours.map(|record| {
        let exit = record.exit.map(Exit::of);
        (record.tags.key.clone(), Seen { record: Some(record.first), exit, ..Seen::of(record.tags) })
    });
    Ok(seen.collect())
}

/// Every process of the machine, as one look showed it.
#[derive(Debug)]
pub(super) struct Processes {
    tagged: Vec<(Tags, Role, Identity)>,
    untagged: Vec<Stat>,
}

/// Reads a file or two of every process of the machine, so it belongs on a blocking thread.
pub(super) fn all_processes() -> io::Result<Processes> {
    let mut processes = Processes { tagged: Vec::new(), untagged: Vec::new() };
    for pid in procfs::all()? {
        let Some(stat) = procfs::stat(pid)?.filter(|stat| stat.alive) else { continue };
        let Some(environ) = procfs::environ(pid)? else { continue };
        match role(pid, &stat, &environ) {
            Some((tags, role)) => processes.tagged.push((tags, role, stat.identity)),
            None => processes.untagged.push(stat),
        }
    }
    Ok(processes)
}

/// Adds the processes of the launches that are looked for.
pub(super) fn add(
    state: &StateDir,
    whose: &Whose,
    processes: &Processes,
    launches: &mut BTreeMap<Key, Seen>,
) {
    for (tags, role, identity) in processes.tagged.iter().filter(|(tags, ..)| whose.includes(&tags.key)) {
        let seen = launches.entry(tags.key.clone()).or_insert_with(|| Seen::of(tags.clone()));
        match role {
            Role::Leader => seen.leader = Some(*identity),
            Role::Member if seen.leader == Some(*identity) => {}
            Role::Member => seen.members.push(*identity),
        }
    }
    for seen in launches.values_mut() {
        claim(seen, &processes.untagged, &state.launch_of(&seen.tags));
    }
}

/// What a tagged process is within its launch.
#[derive(Clone, Copy, Debug)]
enum Role {
    /// The one that was launched.
    Leader,
    /// A child of it, or of its children.
    Member,
}

fn role(pid: Pid, stat: &Stat, environ: &[u8]) -> Option<(Tags, Role)> {
    let variables = Variables::of_environ(environ);
    let tags = Tags::read(&variables)?;
    let leads = match variables.get(LEADER) {
        Some(leader) => leader.parse() == Ok(pid.as_raw_nonzero().get()),
        // The launching shell, just before it becomes the program.
        None => stat.group == pid.as_raw_nonzero().get(),
    };
    Some((tags, if leads { Role::Leader } else { Role::Member }))
}

/// Adds the processes of a launch that do not show its tags.
fn claim(seen: &mut Seen, untagged: &[Stat], files: &LaunchFiles) {
    let recorded = match seen.record {
        Some(First::Process(identity)) => Some(identity),
        Some(First::NotWritten | First::EarlierBoot) | None => None,
    };
    if seen.leader.is_none() {
        seen.leader = recorded.filter(|first| untagged.iter().any(|stat| stat.identity == *first));
    }
    let Some(first) = seen.leader.or(recorded) else { return };
    let group = untagged
        .iter()
        .filter(|stat| stat.group == first.pid.as_raw_nonzero().get() && stat.identity != first);
    let ours = group.filter(|stat| seen.leader.is_some() || has_log(stat.identity.pid, files));
    seen.members.extend(ours.map(|stat| stat.identity));
}

/// Whether a process has one of the launch's pipes or logs as its output. When the first process is gone its pid may lead
/// another group by now, and this tells whose it is.
fn has_log(pid: Pid, files: &LaunchFiles) -> bool {
    let leads_to = |descriptor: u8, log: &Path| {
        std::fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).is_ok_and(|target| {
            // The state directory may have been given as a relative path or through a link.
            log.canonicalize().is_ok_and(|log| log == target)
        })
    };
    let [out, err] = files.old_logs();
    let pipes = [files.pipe(Source::Stdout), files.pipe(Source::Stderr)];
    leads_to(1, &out) || leads_to(2, &err) || leads_to(1, &pipes[0]) || leads_to(2, &pipes[1])
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::planner::process::{ExitCause, ProcessLife, Stop};

    use super::*;
    use crate::testing::{Bench, until};

    fn kill(process: landlord_state_machines::planner::process::Process) {
        let identity = Identity::new(process.pid, process.start_time).unwrap();
        assert!(procfs::hold(identity).unwrap().unwrap().signal(rustix::process::Signal::KILL).unwrap());
        until("the end", || !procfs::is_alive(identity));
    }

    #[tokio::test]
    async fn a_later_engine_finds_what_an_earlier_one_started() {
        let mut bench = Bench::new();
        let leader = bench.start(bench.command(&["sleep", "600"])).await;
        bench.restart();
        assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
        // Without the records, by the tags alone.
        std::fs::remove_dir_all(bench.dir.path().join("state")).unwrap();
        assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
        bench.signal(Stop::Kill).await;
        bench.until_alive("the end", 0).await;
        assert_eq!(bench.life().await, None);
    }

    #[tokio::test]
    async fn another_engine_does_not_see_them() {
        let mut bench = Bench::new();
        bench.start(bench.command(&["sleep", "600"])).await;
        let engine = std::mem::replace(&mut bench.subject.engine, "another".into());
        assert_eq!(bench.life().await, None);
        bench.subject.engine = engine;
        assert_eq!(bench.alive().await, 1);
    }

    #[tokio::test]
    async fn a_program_that_overwrites_its_environment_is_found_with_its_children() {
        let mut bench = Bench::new();
        let leader = bench.start(bench.script("env -i sleep 600 & exec env -i sleep 610")).await;
        let name = || std::fs::read_to_string(format!("/proc/{}/comm", leader.pid)).unwrap();
        until("the program", || name() == "sleep\n");
        bench.restart();
        assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
        bench.until_alive("both", 2).await;
        kill(leader);
        assert_eq!(bench.until_left(&["sleep"]).await.cause, ExitCause::Signal(9));
        bench.signal(Stop::Kill).await;
        bench.until_alive("the end", 0).await;
    }

    #[tokio::test]
    async fn children_whose_first_process_died_are_orphans() {
        let bench = Bench::new();
        let leader = bench.start(bench.script("setsid sleep 600 & echo ready; exec sleep 610")).await;
        bench.until_alive("both", 2).await;
        until("its line", || bench.printed() == "stdout F ready\n");
        kill(leader);
        assert_eq!(bench.until_left(&["sleep"]).await.cause, ExitCause::Signal(9));
    }
}
