//! What all calls share: where files are, which ports are given, how keepers are started and reached.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::id::{Incarnation, TenantId};
use landlord_state_machines::planner::process::{Exit, LaunchId, Routing, Stop};
use tokio::sync::{Notify, Semaphore};

use super::cgroup::{Groups, NoGroups};
use super::files::{self, LaunchFiles, StateDir};
use super::find::{self, Kept, Processes, Seen, Whose};
use super::keeper::client::{self, AskError, Changes};
use super::keeper::protocol::{self, Answer, Life, Refusal, Request, Ward};
use super::keeper::{self, KeeperProgram};
use super::logs::{self, LogLimits};
use super::ports::Ports;
use super::procfs::{self, Identity};
use super::stops::Stops;
use super::tags::{Key, Owner, Tags};
use super::turns::{Turn, Turns};
use super::volumes::{Tag, VolumesDir};
use super::{blocking, problem};

/// The host ports of each launch.
type Claims = BTreeMap<(TenantId, LaunchId), Vec<u16>>;

/// Of how many tenants that have ended the rest is removed at the same time. That is work for the kernel, and more threads
/// than this only wait for each other.
const REMOVALS: usize = 16;

/// How long a tenant waits for its turn to be removed.
const TURN_WITHIN: Duration = Duration::from_secs(1);

/// How long processes that are killed are waited for.
const KILL_WITHIN: Duration = Duration::from_secs(2);

/// Where a provider keeps what, and with what.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) state_dir: PathBuf,
    pub(super) logs_dir: PathBuf,
    pub(super) log_limits: LogLimits,
    pub(super) retain_logs: bool,
    pub(super) ports: RangeInclusive<u16>,
    pub(super) keeper: KeeperProgram,
}

/// A keeper that lives.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    /// The life that it was started for.
    pub(super) incarnation: Incarnation,
    /// What it listens on.
    pub(super) routing: Routing,
    /// How many connections it has had to cut.
    pub(super) cut: u64,
    /// The host ports that it should listen on and another has, each with its holder.
    pub(super) taken: BTreeMap<u16, String>,
}

/// This machine, as one provider uses it.
#[derive(Debug)]
pub(super) struct Machine {
    /// Where the files of launches are.
    pub(super) state: StateDir,
    /// The host ports that tenants get.
    pub(super) ports: Ports,
    /// Told to end by this engine: what follows is no crash.
    stopping: Mutex<HashSet<Key>>,
    /// The ports of launches; read from their records when they are first needed.
    claims: Mutex<Option<Claims>>,
    /// Where groups of processes may be made; found when the first one is needed.
    groups: OnceLock<Result<Groups, NoGroups>>,
    logs_dir: PathBuf,
    log_limits: LogLimits,
    retain_logs: bool,
    keeper: KeeperProgram,
    /// Whether launches can have views of their own of the machine's files; tried when the first one is asked for.
    views: OnceLock<Result<(), String>>,
    /// Who may start a keeper.
    pub(super) turns: Turns,
    /// The number of the volumes that each tenant was given last.
    volumes: Mutex<BTreeMap<TenantId, Arc<Mutex<u64>>>>,
    /// Counts the looks at every process.
    looks: AtomicU64,
    /// The last of them that ended, and its number.
    last_look: tokio::sync::Mutex<Option<(u64, Arc<Processes>)>>,
    /// The tenants that are about to be told to end.
    pub(super) stops: Stops,
    /// The turns of [`REMOVALS`].
    removals: Semaphore,
    /// What is new of keepers; rings when there is another.
    news: (Mutex<News>, Notify),
}

/// What this engine has done with keepers, for whoever listens to them.
#[derive(Debug, Default)]
struct News {
    /// The tenants whose keepers were started.
    started: BTreeSet<TenantId>,
    /// The tenants of which nothing was left, and whose keepers were told to end.
    dismissed: BTreeSet<TenantId>,
}

impl Machine {
    /// The machine with nothing launched.
    pub(super) fn new(place: Place) -> Self {
        let Place { state_dir, logs_dir, log_limits, retain_logs, ports, keeper } = place;
        Self {
            state: StateDir::new(state_dir),
            ports: Ports::new(ports),
            stopping: Mutex::default(),
            claims: Mutex::default(),
            groups: OnceLock::new(),
            logs_dir,
            log_limits,
            retain_logs,
            keeper,
            views: OnceLock::new(),
            turns: Turns::default(),
            volumes: Mutex::default(),
            looks: AtomicU64::new(0),
            last_look: tokio::sync::Mutex::default(),
            stops: Stops::default(),
            removals: Semaphore::new(REMOVALS),
            news: Default::default(),
        }
    }

    /// Looks at the machine now.
    pub(super) async fn look(&self, whose: Whose) -> Result<BTreeMap<Key, Seen>, ProviderError> {
        self.look_with_keepers(whose).await.map(|(seen, _)| seen)
    }

    /// Looks at the machine now; also which tenants have a keeper that lives.
    pub(super) async fn look_with_keepers(
        &self,
        whose: Whose,
    ) -> Result<(BTreeMap<Key, Seen>, BTreeMap<TenantId, Keeper>), ProviderError> {
        let (state, what) = (self.state.clone(), "looking at the machine's processes");
        let failed = |error| problem::system(ErrorKind::ProvisionFailed, what, error);
        let recorded = match &whose {
            // A few small files: a turn of another thread would take longer.
            Whose::Tenant(..) => find::recorded(&state, &whose),
            Whose::Owner(_) => {
                let (read, all) = (state.clone(), whose.clone());
                blocking::read(what, move || find::recorded(&read, &all)).await?
            }
        };
        let mut seen = recorded.map_err(failed)?;
        let tenants = match &whose {
            Whose::Tenant(_, tenant) => vec![tenant.clone()],
            Whose::Owner(_) => {
                client::reap_all();
                self.state.tenants().map_err(failed)?
            }
        };
        let mut keepers = BTreeMap::new();
        for tenant in tenants {
            match client::ask(&self.state.tenant(&tenant), Request::Find).await {
                Ok(Answer::Found { ward, launches, routing, cut, taken }) if whose.has(&ward) => {
                    for kept in launches {
                        take_in(&mut seen, &ward, kept);
                    }
                    let incarnation = ward.incarnation;
                    keepers.insert(ward.tenant, Keeper { incarnation, routing, cut, taken });
                }
                Err(AskError::Absent | AskError::Unanswered) => client::reap(&self.state.tenant(&tenant)),
                Ok(
                    Answer::Found { .. }
                    | Answer::Launched(_)
                    | Answer::Routed { .. }
                    | Answer::Stopped { .. }
                    | Answer::Done
                    | Answer::Checked(_)
                    | Answer::Robbed(_)
                    | Answer::Changed
                    | Answer::Refused(_),
                ) => {}
                Err(error @ (AskError::Refused(_) | AskError::System(_))) => {
                    return Err(not_kept(&error));
                }
            }
        }
        let all_kept = seen.values().all(|seen| match seen.kept {
            Kept::Whole(_) => true,
            // It has ended before this boot, or never begun.
            Kept::Unknown | Kept::InPart => false,
        });
        let listing = match whose {
            Whose::Owner(_) => true,
            Whose::Tenant(..) => false,
        };
        let known_tenant = !seen.is_empty() || !keepers.is_empty();
        if listing || !all_kept || !known_tenant {
            let processes = self.processes().await?;
            let adding = move || {
                find::add(&state, &whose, &processes, &mut seen);
                seen
            };
            seen = blocking::read(what, adding).await?;
        }
        Ok((seen, keepers))
    }

    /// Every process of the machine. Those who ask at the same time share a look that begins after they asked.
    async fn processes(&self) -> Result<Arc<Processes>, ProviderError> {
        let asked = self.looks.load(Ordering::SeqCst);
        let mut last = self.last_look.lock().await;
        if let Some((begun, processes)) = &*last
            && *begun > asked
        {
            return Ok(Arc::clone(processes));
        }
        let begun = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
        let what = "looking at the machine's processes";
        let read = blocking::read(what, find::all_processes).await?;
        let processes = Arc::new(read.map_err(|error| failed(what, error))?);
        *last = Some((begun, Arc::clone(&processes)));
        Ok(processes)
    }

    /// Makes sure that the tenant whose turn it is has a keeper.
    pub(super) async fn keep(
        &self,
        turn: &Turn<'_>,
        owner: &Owner,
        incarnation: Incarnation,
    ) -> Result<(), ProviderError> {
        let tenant = turn.tenant();
        let dir = self.state.tenant(tenant);
        let (engine, provider) = (owner.engine.clone(), owner.provider.clone());
        match client::ask(&dir, Request::Find).await {
            Ok(Answer::Found { ward, .. }) if ward.engine != engine || ward.provider != provider => {
                return Err(ProviderError::new(
                    ErrorKind::ProvisionFailed,
                    Remedy::Permanent,
                    ErrorCode::Conflict,
                    format!(
                        "{} is kept by another engine's keeper; give each engine a state directory of its own",
                        dir.display()
                    ),
                ));
            }
            Ok(_) => {
                self.news().dismissed.remove(tenant);
                return Ok(());
            }
            Err(AskError::Absent | AskError::Unanswered) => {}
            Err(error @ (AskError::Refused(_) | AskError::System(_))) => return Err(not_kept(&error)),
        }
        let absolute =
            |path: PathBuf| std::path::absolute(path).map_err(|error| failed("finding a directory", error));
        let setup = protocol::Setup {
            ward: Ward { engine, provider, tenant: tenant.clone(), incarnation },
            dir: absolute(dir)?,
            logs: absolute(logs::of_tenant(&self.logs_dir, tenant))?,
            log_limits: self.log_limits,
            group: self.groups(owner).as_ref().ok().map(|groups| groups.tenant(&owner.provider, tenant)),
        };
        let (program, name) = (self.keeper.clone(), tenant.to_string());
        let started =
            blocking::read("the start of a keeper", move || keeper::start(&program, &setup, &name)).await?;
        started.map_err(|error| {
            let message = format!("the keeper of tenant {tenant} was not started: {error}");
            ProviderError::new(
                ErrorKind::ProvisionFailed,
                Remedy::Retry,
                ErrorCode::ProviderUnavailable,
                message,
            )
            .with_source(error)
        })?;
        {
            let mut news = self.news();
            news.dismissed.remove(tenant);
            news.started.insert(tenant.clone());
        }
        self.news.1.notify_one();
        Ok(())
    }

    /// Ends a tenant's keeper, which keeps nothing any more but these launches, of which no process is left.
    pub(super) async fn end_keeper(
        &self,
        tenant: &TenantId,
        launches: impl Iterator<Item = LaunchId>,
    ) -> Result<(), AskError> {
        {
            // Nobody listens to one whose start was not told yet.
            let mut news = self.news();
            if !news.started.remove(tenant) {
                news.dismissed.insert(tenant.clone());
            }
        }
        let dir = self.state.tenant(tenant);
        match client::end(&dir, Request::Dismiss).await {
            // A keeper of an older build.
            Err(AskError::Refused(Refusal::Version(_) | Refusal::Request(_))) => {
                for launch in launches {
                    client::ask(&dir, Request::Forget { launch }).await?;
                }
                client::end(&dir, Request::End).await
            }
            ended => ended,
        }
    }

    /// Removes what a tenant without a keeper has beside its logs, with the files of these launches. What a keeper that is
    /// just ending still holds is waited for.
    pub(super) async fn remove_tenant(
        &self,
        owner: &Owner,
        tenant: &TenantId,
        launches: Vec<LaunchFiles>,
    ) -> Result<(), ProviderError> {
        let dir = self.state.tenant(tenant);
        let group = self.groups(owner).as_ref().ok().map(|groups| groups.tenant(&owner.provider, tenant));
        let removing = move || {
            keeper::await_end(&dir)?;
            if let Some(group) = &group {
                // A group with a process in it stays.
                if group.remove_without_launches().is_err() {
                    // Whatever may be left of its processes.
                    group.kill_all(KILL_WITHIN)?;
                    group.remove()?;
                }
            }
            launches.iter().try_for_each(LaunchFiles::remove)?;
            keeper::remove_files(&dir)
        };
        // Who waits for long goes on without a turn: one tenant must not keep another.
        let _turn = tokio::time::timeout(TURN_WITHIN, self.removals.acquire()).await;
        let what = "removing what the keeper had";
        blocking::read(what, removing).await?.map_err(|error| failed(what, error))
    }

    /// Where what a tenant's containers have printed is.
    ///
    /// # Errors
    /// `TenantNotFound` when there is nothing.
    pub(super) fn logs_of(&self, tenant: &TenantId) -> Result<PathBuf, ProviderError> {
        let dir = logs::of_tenant(&self.logs_dir, tenant);
        match dir.is_dir() || self.state.tenant(tenant).is_dir() {
            true => Ok(dir),
            false => Err(ProviderError::tenant_not_found(tenant)),
        }
    }

    /// Removes what a tenant's containers have printed, unless it is to stay.
    pub(super) async fn remove_logs(&self, tenant: &TenantId) -> Result<(), ProviderError> {
        let what = "removing the logs of a tenant";
        let (dir, logs) = (self.state.tenant(tenant), logs::of_tenant(&self.logs_dir, tenant));
        let retain = self.retain_logs;
        let removing = move || {
            if !retain {
                match std::fs::remove_dir_all(logs) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
            // A tenant of a build without keepers has its logs there.
            files::remove_old_logs(&dir)?;
            files::remove_if_empty(&dir)
        };
        blocking::read(what, removing).await?.map_err(|error| failed(what, error))
    }

    /// Whether launches can have views of their own of the machine's files; if not, why. Blocks for some milliseconds once.
    pub(super) fn has_views(&self) -> &Result<(), String> {
        self.views.get_or_init(|| keeper::has_views(&self.keeper))
    }

    /// The persistent volumes of a tenant.
    pub(super) fn volumes(&self, tenant: &TenantId) -> VolumesDir {
        VolumesDir::of(&self.state.tenant(tenant))
    }

    /// The number of the volumes that a tenant was given last. Whoever gives it others holds it meanwhile.
    pub(super) fn volumes_given(&self, tenant: &TenantId) -> Arc<Mutex<u64>> {
        let mut given = self.volumes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(given.entry(tenant.clone()).or_default())
    }

    /// Every tenant that has a directory.
    pub(super) fn tenants(&self) -> Result<Vec<TenantId>, ProviderError> {
        self.state.tenants().map_err(|error| failed("reading the tenants' directories", error))
    }

    /// Removes the volumes that outlived their tenant.
    pub(super) async fn release(&self, owner: &Owner, tenant: &TenantId) -> Result<(), ProviderError> {
        let what = "removing retained volumes";
        let (given, dir, owner) = (self.volumes_given(tenant), self.volumes(tenant), owner.clone());
        let tenants_own = self.state.tenant(tenant);
        let releasing = move || {
            let _alone = given.lock().unwrap_or_else(PoisonError::into_inner);
            dir.release(&owner)?;
            files::remove_if_empty(&tenants_own)
        };
        blocking::read(what, releasing).await?.map_err(|error| failed(what, error))
    }

    /// Whether this engine has given a tenant volumes.
    pub(super) fn was_given_volumes(&self, tenant: &TenantId) -> bool {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner).contains_key(tenant)
    }

    /// The volumes of a tenant, by name.
    pub(super) fn volumes_of(
        &self,
        owner: &Owner,
        tenant: &TenantId,
    ) -> Result<BTreeMap<String, Tag>, ProviderError> {
        self.volumes(tenant).held(owner).map_err(|error| failed("reading a tenant's volumes", error))
    }

    /// Where this engine may make groups of processes.
    pub(super) fn groups(&self, owner: &Owner) -> &Result<Groups, NoGroups> {
        self.groups.get_or_init(|| Groups::find(&owner.engine))
    }

    /// Sends a tenant's keeper a signal for a launch, and returns what it answers: what lives of the launch a moment later.
    pub(super) async fn stop_and_see(
        &self,
        tenant: &TenantId,
        launch: LaunchId,
        stop: Stop,
    ) -> Result<Answer, AskError> {
        let sent = client::send(&self.state.tenant(tenant), Request::StopAndSee { launch, stop }).await;
        self.stops.is_out(tenant);
        sent?.answer().await
    }

    /// Asks a tenant's keeper.
    pub(super) async fn ask(&self, tenant: &TenantId, request: Request) -> Result<Answer, AskError> {
        client::ask(&self.state.tenant(tenant), request).await
    }

    /// Begins to listen to a tenant's keeper.
    pub(super) async fn changes(&self, tenant: &TenantId) -> Result<Changes, AskError> {
        Changes::of(&self.state.tenant(tenant)).await
    }

    /// Returns with the tenants whose keepers were started, once there is one.
    pub(super) async fn started(&self) -> BTreeSet<TenantId> {
        loop {
            let rings = self.news.1.notified();
            let started = std::mem::take(&mut self.news().started);
            if !started.is_empty() {
                return started;
            }
            rings.await;
        }
    }

    /// Whether the tenant's keeper was told to end, after all else of the tenant; told once.
    pub(super) fn was_dismissed(&self, tenant: &TenantId) -> bool {
        self.news().dismissed.remove(tenant)
    }

    /// Whether all of a tenant was told to end, as far as this engine knows: what its keeper tells is no news.
    pub(super) fn is_ending(&self, owner: &Owner, tenant: &TenantId) -> bool {
        if self.news().dismissed.contains(tenant) {
            return true;
        }
        let launches: Vec<LaunchId> = {
            let claims = self.claims();
            let first = (tenant.clone(), LaunchId { incarnation: Incarnation(0), generation: 0 });
            let from = claims.iter().flat_map(|claims| claims.range(first.clone()..));
            from.take_while(|((of, _), _)| of == tenant).map(|((_, launch), _)| *launch).collect()
        };
        let key = |launch| Key { owner: owner.clone(), tenant: tenant.clone(), launch };
        let stopping = self.stopping();
        !launches.is_empty() && launches.into_iter().all(|launch| stopping.contains(&key(launch)))
    }

    /// Notes that the launch is told to end.
    pub(super) fn stop(&self, key: Key) {
        self.stopping().insert(key);
    }

    /// Whether the launch was told to end.
    pub(super) fn is_stopping(&self, key: &Key) -> bool {
        self.stopping().contains(key)
    }

    /// Forgets a launch of which nothing is left.
    pub(super) fn forget(&self, key: &Key) {
        self.stopping().remove(key);
        if let Some(claims) = self.claims().as_mut() {
            claims.remove(&(key.tenant.clone(), key.launch));
        }
    }

    /// The ports of every launch, whether it listens yet or not.
    pub(super) fn claimed(&self) -> io::Result<BTreeSet<u16>> {
        let mut claims = self.claims();
        let claims = match claims.as_mut() {
            Some(claims) => claims,
            None => {
                let records = self.state.records(&procfs::boot_id()?)?.into_iter();
                let ports = records.map(|record| {
                    let key = record.tags.key;
                    ((key.tenant, key.launch), ports_of(&record.tags.manifest))
                });
                claims.insert(ports.collect())
            }
        };
        Ok(claims.values().flatten().copied().collect())
    }

    /// The tenant, other than this one, that has a host port.
    pub(super) fn claimed_by(&self, port: u16, but: &TenantId) -> Option<TenantId> {
        let claims = self.claims();
        let mut claims = claims.iter().flatten();
        claims
            .find(|((tenant, _), ports)| tenant != but && ports.contains(&port))
            .map(|((of, _), _)| of.clone())
    }

    /// Notes the ports of a launch that is about to start.
    pub(super) fn claim(&self, tenant: &TenantId, launch: LaunchId, ports: Vec<u16>) {
        if let Some(claims) = self.claims().as_mut() {
            claims.insert((tenant.clone(), launch), ports);
        }
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, Option<Claims>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host ports of a launch.
pub(super) fn ports_of(manifest: &landlord_state_machines::planner::process::Manifest) -> Vec<u16> {
    manifest.ports.iter().flat_map(|port| [Some(port.host_port), port.private_port]).flatten().collect()
}

/// Adds what a keeper says of a launch, whether that has a record or not.
fn take_in(seen: &mut BTreeMap<Key, Seen>, ward: &Ward, kept: protocol::Kept) {
    let owner = Owner { engine: ward.engine.clone(), provider: ward.provider.clone() };
    let key = Key { owner, tenant: ward.tenant.clone(), launch: kept.launch };
    let tags = Tags { key: key.clone(), manifest: kept.manifest };
    let seen = seen.entry(key).or_insert_with(|| Seen::of(tags));
    let others = match kept.life {
        Life::Leader { leader, others } => {
            seen.leader = Identity::new(leader.pid, leader.start_time);
            others
        }
        Life::Ended { cause, left } => {
            seen.leader = None;
            let others = left.len();
            seen.exit = Some(Exit { cause, left });
            others
        }
    };
    seen.streak = Some(kept.streak);
    seen.was_ready = kept.was_ready;
    (seen.binding, seen.connections, seen.thief) = (kept.binding, kept.connections, kept.thief);
    seen.kept = if kept.whole { Kept::Whole(others) } else { Kept::InPart };
}

/// What kind of error it is for the caller, the driver says.
pub(super) fn failed(what: &str, error: io::Error) -> ProviderError {
    problem::system(ErrorKind::ProvisionFailed, what, error)
}

/// A keeper did not do what it was asked.
pub(super) fn not_kept(error: &AskError) -> ProviderError {
    ProviderError::new(
        ErrorKind::ProvisionFailed,
        Remedy::Retry,
        ErrorCode::ProviderUnavailable,
        error.to_string(),
    )
}
