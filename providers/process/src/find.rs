//! Finds the processes of launches, by their tags and by the records of their launching.
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

use landlord_state_machines::id::TenantId;
use rustix::process::Pid;

use super::files::{First, LaunchFiles, StateDir};
use super::procfs::{self, Identity, Stat};
use super::tags::{Key, LEADER, Owner, Tags, Variables};

/// Which launches are looked for.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    /// Those of every engine on this machine: their ports are taken too.
    Everybody,
    /// Those of a provider of an engine.
    Owner(Owner),
    /// Those of one tenant there.
    Tenant(Owner, TenantId),
}

impl Whose {
    fn includes(&self, key: &Key) -> bool {
        match self {
            Self::Everybody => true,
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
}

impl Seen {
    fn of(tags: Tags) -> Self {
        Self { tags, leader: None, members: Vec::new(), record: None }
    }

    /// Every process of it that lives.
    pub(super) fn processes(&self) -> impl Iterator<Item = Identity> {
        self.leader.into_iter().chain(self.members.iter().copied())
    }
}

/// Looks at the machine now. Reads a file or two of every process, so it belongs on a blocking thread.
pub(super) fn look(state: &StateDir, whose: &Whose) -> io::Result<BTreeMap<Key, Seen>> {
    let boot = procfs::boot_id()?;
    let records = match whose {
        Whose::Everybody | Whose::Owner(_) => state.records(&boot)?,
        Whose::Tenant(_, tenant) => state.records_of(tenant, &boot)?,
    };
    let mut launches: BTreeMap<Key, Seen> = BTreeMap::new();
    for record in records.into_iter().filter(|record| whose.includes(&record.tags.key)) {
        let key = record.tags.key.clone();
        launches.insert(key, Seen { record: Some(record.first), ..Seen::of(record.tags) });
    }

    let mut untagged: Vec<Stat> = Vec::new();
    for pid in procfs::all()? {
        let Some(stat) = procfs::stat(pid)?.filter(|stat| stat.alive) else { continue };
        let Some(environ) = procfs::environ(pid)? else { continue };
        match role(pid, &stat, &environ) {
            Some((tags, role)) if whose.includes(&tags.key) => {
                let seen = launches.entry(tags.key.clone()).or_insert_with(|| Seen::of(tags));
                match role {
                    Role::Leader => seen.leader = Some(stat.identity),
                    Role::Member => seen.members.push(stat.identity),
                }
            }
            Some(_) => {}
            None => untagged.push(stat),
        }
    }
    for seen in launches.values_mut() {
        claim(seen, &untagged, &state.launch_of(&seen.tags));
    }
    Ok(launches)
}

/// What a tagged process is within its launch.
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

/// Whether a process has one of the launch's logs as its output. When the first process is gone its pid may lead
/// another group by now, and this tells whose it is.
fn has_log(pid: Pid, files: &LaunchFiles) -> bool {
    let leads_to = |descriptor: u8, log: &Path| {
        std::fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).is_ok_and(|target| {
            // The state directory may have been given as a relative path or through a link.
            log.canonicalize().is_ok_and(|log| log == target)
        })
    };
    leads_to(1, &files.out()) || leads_to(2, &files.err())
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::planner::process::{Exit, ExitCause, ProcessLife, Stop};

    use super::*;
    use crate::testing::{Bench, until};

    const UNSEEN: Exit = Exit { cause: ExitCause::Unseen, last_line: None };

    fn kill(process: landlord_state_machines::planner::process::Process) {
        let identity = Identity::new(process.pid, process.start_time).unwrap();
        assert!(procfs::hold(identity).unwrap().unwrap().signal(rustix::process::Signal::KILL).unwrap());
        until("the end", || !procfs::is_alive(identity));
    }

    #[tokio::test]
    async fn a_later_engine_finds_what_an_earlier_one_started() {
        let mut bench = Bench::new();
        let leader = bench.start(bench.command(&["sleep", "60"])).await;
        bench.restart();
        assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
        // Without the records, by the tags alone.
        std::fs::remove_dir_all(bench.dir.path().join("state")).unwrap();
        assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
        bench.signal(Stop::Kill).await;
        until("the end", || bench.alive() == 0);
        assert_eq!(bench.life().await, None);
    }

    #[tokio::test]
    async fn another_engine_does_not_see_them() {
        let mut bench = Bench::new();
        bench.start(bench.command(&["sleep", "60"])).await;
        let engine = std::mem::replace(&mut bench.subject.engine, "another".into());
        assert_eq!(bench.life().await, None);
        bench.subject.engine = engine;
        assert_eq!(bench.alive(), 1);
    }

    #[tokio::test]
    async fn a_program_that_overwrites_its_environment_is_found_with_its_children() {
        let mut bench = Bench::new();
        let leader = bench.start(bench.script("env -i sleep 60 & exec env -i sleep 61")).await;
        let lost = || {
            let environs = bench.seen().into_iter().flat_map(|seen| seen.processes().collect::<Vec<_>>());
            environs.filter(|it| procfs::environ(it.pid).unwrap().is_some_and(|it| it.is_empty())).count()
                == 2
        };
        until("programs without tags", lost);
        bench.restart();
        assert_eq!(bench.life().await, Some(ProcessLife::Leader(leader)));
        kill(leader);
        // The child is in the former group of the first process, and has its log open.
        until("the orphan", || bench.seen().unwrap().leader.is_none());
        assert_eq!(bench.life().await, Some(ProcessLife::Orphans(UNSEEN)));
        bench.signal(Stop::Kill).await;
        until("the end", || bench.alive() == 0);
    }

    #[tokio::test]
    async fn children_whose_first_process_died_are_orphans() {
        let bench = Bench::new();
        let leader = bench.start(bench.script("setsid sleep 60 & echo ready; exec sleep 61")).await;
        until("both", || bench.alive() == 2 && bench.printed() == "ready\n");
        kill(leader);
        let exit = Exit { cause: ExitCause::Signal(9), last_line: None };
        assert_eq!(bench.life().await, Some(ProcessLife::Orphans(exit)));
    }
}
