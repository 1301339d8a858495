#![doc = include_str!("../README.md")]
//!
//! # What a process gets
//! - `PATH` and `HOME` of the engine (with a root directory: the usual path, and `/`); `PORT`, where its first port has to
//!   listen, and `PORT_<container_port>` for each; the spec's `env`; its secrets; the tags. Nothing else of the
//!   engine's environment. `$(NAME)` in `command` and `args` stands for a variable, as in Kubernetes.
//! - Descriptors 0, 1 and 2 and no other: `/dev/null` as its input, and pipes that its keeper reads as its output and
//!   errors. A session of its own without a terminal, the umask 022, and every signal as by default.
//! - The files and volumes of its spec, which only it sees. A volume belongs to the user that mounts it first.
//! - With `replicas`, a main container runs so many times, each with the limits of its spec, ports of its own and the
//!   volumes of all. Init containers and sidecars run once, for all replicas. Its address is one: the keeper gives each
//!   connection, and where the health check is HTTP each request, to the next replica. One that ends or is unhealthy gets
//!   none while another works, and is started again. A program that listens on its host port itself cannot have replicas.
//! - The user of its spec or `provider_config`, else the engine's; and no way to gain rights, unless the configuration says so.
//! - SIGTERM to its first process; after `stop_grace_seconds`, SIGKILL to all of them.
//!
//! # Guarantees
//! - Processes outlive the engine, and a later engine with the same id and state directory finds them again. What
//!   marks them is in their environment and in a record that the launcher writes before it becomes the program; so no
//!   crash of the engine leaves a process that nobody knows.
//! - A process that leaves its parent, its session and its environment stays below its keeper, and in the launch's
//!   group where groups can be made.
//! - A check counts only while a process of that launch listens on the port. All keepers of a machine check at the same
//!   tenths of a second, so that it wakes up seldom.
//! - What a tenant prints is in its log and nowhere else.
//! - A persistent volume that an update drops stays until that can no longer be undone. It goes before a later operation
//!   starts a launch, or with the tenant.
//! - A process is signalled only after it was opened and then seen to be the one meant, by pid, start time and
//!   mark. A pid that belongs to another process by now is never touched.
//! - Values of secrets reach the environment of the launch and the files that its spec names, and nothing else. Such files
//!   are in memory only.
//!
//! # Assumptions
//! - A state directory belongs to one engine, is on one machine at a time, and `/proc` shows the engine its own processes.
//! - Whoever stops the engine stops only the engine: with systemd, `KillMode=process`.
//! - The program begins with [`keeper::run_if_asked`], or names one that does.
//! - Tenants trust each other as processes of one user do; a root directory is no jail.
//!
//! # Caveats
//! - Where no groups of processes can be made, limits are a process's resource limits; [`Capabilities::not_enforced`] and
//!   the results of operations say what they cannot express. A process that left everything behind is then lost to a
//!   keeper that was started after the one that had started it.
//! - A free port is found by trying, so another program may take it before the tenant does; the tenant's process
//!   then ends, and is started again with another.
//! - Health checks go to 127.0.0.1.
//! - A launch with a view of its own of the machine's files does not see what is mounted on the machine later. One of an
//!   ordinary user sees the files of others as nobody's.
//! - A secret that an argument refers to shows in the machine's list of processes, as every argument does.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "the process provider reads /proc and holds processes by pidfd: build it for Linux, or leave the crate out"
);

mod api;
mod blocking;
mod cgroup;
mod config;
mod environment;
#[cfg(any(test, feature = "testing"))]
pub mod faults;
mod files;
mod find;
pub mod init;
pub mod keeper;
mod launch;
mod listeners;
mod logs;
mod machine;
mod mounts;
mod observe;
mod ports;
mod problem;
mod procfs;
mod program;
mod secrets;
mod signal;
mod site;
mod stops;
mod tags;
#[cfg(test)]
mod testing;
mod turns;
mod user;
mod validate;
mod volumes;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Once};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::id::{Incarnation, ProviderName, TenantId};
use landlord_state_machines::members::Site;
use landlord_state_machines::observation::Observation;
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::process::diagram;
use landlord_state_machines::planner::process::{
    Binding, Manifest, ProcessCall, ProcessConfig, ProcessPlanner, ProcessReply, Retention, ends_first,
    replaces_launches, support,
};
use landlord_state_machines::spec::{Field, FieldChange, Spec, Support, changes};
use landlord_state_machines::status::{ComputeStatus, ProvisionResult, UpdateResult};
use schemars::generate::SchemaSettings;
use serde_json::Value;

use find::Whose;
use keeper::KeeperProgram;
use landlord_compute::clock::Clock;
use landlord_compute::provider::converge::{Api, Converge};
use landlord_compute::provider::{
    Capabilities, Context, Destroyed, LogLine, LogQuery, LogRun, OwnedTenant, Plan, PlannedEffect, Provider,
    ProviderKind, Released, Setup, SetupError,
};
use landlord_compute::telemetry;
use machine::{Machine, Place};
use tags::Owner;

pub use logs::LogLimits;

/// How many tenants are worked on at the same time. Most of a call is waiting for a process.
const CALLS: usize = 512;

/// Where logs are, in a state directory.
const LOGS: &str = "logs";

/// The name of this kind of provider, and the default name of a provider.
const KIND: &str = "process";

/// How the engine's operator sets this provider up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProcessOptions {
    /// The provider's name, which specs give as their `provider_type`. It is in the tags of everything that the
    /// provider starts: under another name it finds none of it. Default: `process`.
    pub name: ProviderName,
    /// Where logs and the records of launches are kept. One engine's alone; made when it is first needed.
    pub state_dir: PathBuf,
    /// The host ports for container ports without a `host_port`. By default 20000 to 29999, below the ports that
    /// Linux gives to outgoing connections.
    pub ports: RangeInclusive<u16>,
    /// Where what the tenants print is kept. Default: `logs` in `state_dir`.
    pub logs_dir: PathBuf,
    /// How much of it is kept, for each container.
    pub log_limits: LogLimits,
    /// Whether the logs of a tenant stay when it is destroyed. Default: no.
    pub retain_logs: bool,
    /// Which program becomes a keeper. Default: this one.
    pub keeper: KeeperProgram,
}

impl ProcessOptions {
    /// The defaults, with files under `state_dir`.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        // A constant that is a valid name.
        #[expect(clippy::expect_used)]
        let name = ProviderName::new(KIND).expect("`process` is lowercase letters");
        let state_dir = state_dir.into();
        Self {
            name,
            logs_dir: state_dir.join(LOGS),
            state_dir,
            ports: 20_000..=29_999,
            log_limits: LogLimits::default(),
            retain_logs: false,
            keeper: KeeperProgram::default(),
        }
    }

    /// Under this name.
    #[must_use]
    pub fn name(mut self, name: ProviderName) -> Self {
        self.name = name;
        self
    }

    /// With these host ports for container ports without a `host_port`.
    #[must_use]
    pub fn ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// With logs in another directory, such as one on a disk of its own.
    #[must_use]
    pub fn logs_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.logs_dir = dir.into();
        self
    }

    /// With these limits for the log of each container.
    #[must_use]
    pub fn log_limits(mut self, limits: LogLimits) -> Self {
        self.log_limits = limits;
        self
    }

    /// With logs that stay when their tenant is destroyed.
    #[must_use]
    pub fn retain_logs(mut self) -> Self {
        self.retain_logs = true;
        self
    }

    /// With another program as keeper.
    #[must_use]
    pub fn keeper(mut self, program: KeeperProgram) -> Self {
        self.keeper = program;
        self
    }
}

/// The kind of provider that runs tenants as processes of this machine.
#[derive(Clone, Copy, Debug)]
pub struct ProcessKind;

impl ProviderKind for ProcessKind {
    const KIND: &'static str = KIND;
    const PLATFORM: &'static str = "this machine";
    const NEEDS_CONFIG: bool = false;

    fn diagram() -> &'static str {
        diagram()
    }

    fn start(setup: Setup) -> Result<Arc<dyn Provider>, SetupError> {
        let options = ProcessOptions::new(setup.state_dir).name(setup.name);
        let options = config::apply(setup.config, options).map_err(SetupError::new)?;
        Ok(Arc::new(ProcessProvider::new(options)))
    }
}

/// Runs tenants as processes of this machine.
#[derive(Debug)]
pub struct ProcessProvider {
    name: ProviderName,
    methods: Converge<Arc<Machine>>,
    /// Said once: it is true of every tenant.
    limits_said: Once,
}

impl ProcessProvider {
    /// A provider over this machine. Nothing is touched before the first call.
    pub fn new(options: ProcessOptions) -> Self {
        let ProcessOptions { name, state_dir, ports, logs_dir, log_limits, retain_logs, keeper } = options;
        let place = Place { state_dir, logs_dir, log_limits, retain_logs, ports, keeper };
        let machine = Arc::new(Machine::new(place));
        Self { methods: Converge::new(name.clone(), machine, changes), name, limits_said: Once::new() }
    }

    fn machine(&self) -> &Arc<Machine> {
        self.methods.api()
    }

    /// The volumes of a tenant that does not live, and where they are.
    fn retained(&self, cx: &Context) -> Result<BTreeMap<String, String>, ProviderError> {
        let tenant = &cx.subject.tenant;
        let held = self.machine().volumes_of(&self.owner(&cx.subject.engine), tenant)?;
        let dir = self.machine().volumes(tenant);
        let place = |name: String| (format!("volume {name}"), dir.place(&name).display().to_string());
        Ok(held.into_keys().map(place).collect())
    }

    fn owner(&self, engine: &str) -> Owner {
        Owner { engine: engine.to_owned(), provider: self.name.clone() }
    }

    /// What a person should know of how a spec runs, now that it does.
    async fn message(&self, cx: &Context, spec: &Spec) -> Result<Option<String>, ProviderError> {
        let owner = self.owner(&cx.subject.engine);
        let limits = validate::not_enforced(spec, self.machine().groups(&owner));
        let direct = self.direct(cx).await?.into_iter().map(|manifest| {
            format!(
                "container {} listens on its host port itself: an update ends it before the new one starts",
                manifest.container
            )
        });
        let all: Vec<String> = direct.chain(limits).collect();
        Ok((!all.is_empty()).then(|| all.join("; ")))
    }

    /// The tenant's launches that listen on their host ports themselves.
    async fn direct(&self, cx: &Context) -> Result<Vec<Manifest>, ProviderError> {
        let whose = Whose::Tenant(self.owner(&cx.subject.engine), cx.subject.tenant.clone());
        let seen = self.machine().look(whose).await?.into_values();
        let direct = seen.filter(|seen| seen.binding == Binding::Direct && seen.lives());
        Ok(direct.map(|seen| seen.tags.manifest).collect())
    }

    fn say_limits(&self, cx: &Context) {
        self.limits_said.call_once(|| {
            let tenant_id = &cx.subject.tenant;
            let missing = validate::not_enforced_here(self.machine().groups(&self.owner(&cx.subject.engine)));
            tracing::warn!(%tenant_id, "limits that processes do not keep: {}", missing.join("; "));
        });
    }
}

impl Api for Machine {
    type Planner = ProcessPlanner;

    async fn call(&self, cx: &Context, call: &ProcessCall) -> Result<ProcessReply, CallError> {
        let span = telemetry::request_span(api::name(call), &"machine");
        let reply = self.make(&cx.subject, call).await;
        if reply.is_err() {
            telemetry::request_failed(&span);
        }
        reply
    }
}

#[async_trait]
impl Provider for ProcessProvider {
    fn name(&self) -> ProviderName {
        self.name.clone()
    }

    fn kind(&self) -> Cow<'static, str> {
        KIND.into()
    }

    async fn provision(&self, cx: &Context, spec: &Spec) -> Result<ProvisionResult, ProviderError> {
        self.say_limits(cx);
        self.validate(cx, spec).await?;
        let mut result = self.methods.provision(cx, spec).await?;
        result.message = self.message(cx, spec).await?;
        Ok(result)
    }

    async fn update(
        &self,
        cx: &Context,
        _tenant_id: &TenantId,
        spec: &Spec,
    ) -> Result<UpdateResult, ProviderError> {
        self.say_limits(cx);
        self.validate(cx, spec).await?;
        let mut result = self.methods.update(cx, spec).await?;
        result.message = self.message(cx, spec).await?;
        Ok(result)
    }

    async fn destroy(&self, cx: &Context, _tenant_id: &TenantId) -> Result<Destroyed, ProviderError> {
        let (machine, tenant) = (self.machine(), &cx.subject.tenant);
        // Nobody starts a keeper for what is about to go.
        let _turn = machine.turns.take(tenant).await;
        let to_stop = machine.stops.begin(tenant);
        self.methods.destroy(cx).await?;
        drop(to_stop);
        machine.remove_logs(tenant).await?;
        Ok(Destroyed::default().retained(self.retained(cx)?))
    }

    async fn release(&self, cx: &Context, tenant_id: &TenantId) -> Result<Released, ProviderError> {
        let retained = self.retained(cx)?;
        self.machine().release(&self.owner(&cx.subject.engine), tenant_id).await?;
        Ok(Released::default().removed(retained))
    }

    async fn get_status(&self, cx: &Context, _tenant_id: &TenantId) -> Result<ComputeStatus, ProviderError> {
        self.methods.get_status(cx).await
    }

    async fn validate(&self, _cx: &Context, spec: &Spec) -> Result<(), ProviderError> {
        let (spec, machine) = (spec.clone(), Arc::clone(self.machine()));
        blocking::read("the check of a spec", move || {
            validate::check(&spec, &|| machine.has_views().clone())
        })
        .await??;
        Ok(())
    }

    fn config_schema(&self) -> Value {
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<ProcessConfig>().to_value()
    }

    fn config_defaults(&self) -> Value {
        // A struct of a number and a text, which JSON can always carry.
        serde_json::to_value(ProcessConfig::default()).unwrap_or_default()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
            .lists_tenants()
            .reachable_from_here_alone()
            .max_concurrent_calls(CALLS)
            .not_enforced(validate::NOT_ENFORCED)
    }

    async fn site(&self) -> Result<Option<Site>, ProviderError> {
        let dir = self.machine().state.path().to_owned();
        let what = format!("finding out which site {} is", dir.display());
        // If it is cut off, the directory has its name all the same.
        let site = blocking::read("finding out which site this is", move || site::of(&dir)).await?;
        site.map(Some).map_err(|error| problem::system(ErrorKind::StatusFailed, what, error))
    }

    fn support(&self, field: Field) -> Support {
        support(field)
    }

    fn remarks(&self, spec: &Spec) -> Vec<String> {
        validate::remarks(spec)
    }

    async fn plan(&self, cx: &Context, _tenant_id: &TenantId, spec: &Spec) -> Result<Plan, ProviderError> {
        let replaces = match &cx.applied {
            Some(applied) => replaces_launches(applied, spec)?,
            None => false,
        };
        // A launch is never changed: another takes its place.
        let mut effect = if replaces { PlannedEffect::Replace } else { PlannedEffect::InPlace };
        for launch in self.direct(cx).await? {
            if ends_first(spec, &launch)? {
                effect = PlannedEffect::StopFirst;
            }
        }
        // Of another number of replicas those that stay run on.
        let effect = |change: &FieldChange| match change.path == Field::Replicas.path() {
            true => PlannedEffect::InPlace,
            false => effect,
        };
        self.methods.plan(cx, spec, effect).await
    }

    async fn logs(
        &self,
        _cx: &Context,
        tenant_id: &TenantId,
        query: &LogQuery,
    ) -> Result<Option<BoxStream<'static, Result<LogLine, ProviderError>>>, ProviderError> {
        match query.run {
            LogRun::All => Ok(Some(logs::read(self.machine().logs_of(tenant_id)?, query.clone()))),
            // All runs of a container are in one log.
            LogRun::Previous => Ok(None),
        }
    }

    async fn list_tenants(&self, engine: &str) -> Result<Vec<OwnedTenant>, ProviderError> {
        let mut owned: BTreeMap<(TenantId, Incarnation), BTreeMap<String, String>> = BTreeMap::new();
        let all = Whose::Owner(self.owner(engine));
        let (launches, keepers) = self.machine().look_with_keepers(all).await?;
        for (key, seen) in launches {
            let resources = owned.entry((key.tenant, key.launch.incarnation)).or_default();
            let held = match (seen.leader, seen.lives()) {
                (Some(leader), _) => leader.to_string(),
                (None, true) => "processes that it left".to_owned(),
                (None, false) => "files".to_owned(),
            };
            resources.insert(format!("{} {}", seen.tags.manifest.container, key.launch), held);
        }
        for (tenant, keeper) in keepers {
            // A later life takes the keeper over.
            let lives = owned.keys().filter(|(of, _)| *of == tenant).map(|(_, life)| *life);
            let life = lives.max().unwrap_or(keeper.incarnation);
            owned.entry((tenant, life)).or_default().insert("keeper".to_owned(), "a process".to_owned());
        }
        let mut retained: BTreeMap<(TenantId, Incarnation), BTreeMap<String, String>> = BTreeMap::new();
        for tenant in self.machine().tenants()? {
            let dir = self.machine().volumes(&tenant);
            for (name, tag) in self.machine().volumes_of(&self.owner(engine), &tenant)? {
                let kept = match tag.retention {
                    Retention::WithTenant | Retention::Dropped | Retention::Left => &mut owned,
                    Retention::Retained => &mut retained,
                };
                let place = dir.place(&name).display().to_string();
                kept.entry((tenant.clone(), tag.incarnation))
                    .or_default()
                    .insert(format!("volume {name}"), place);
            }
        }
        // One may have both, or either.
        for life in retained.keys() {
            owned.entry(life.clone()).or_default();
        }
        let tenants = owned.into_iter().map(|(life, resources)| {
            let retained = retained.remove(&life).unwrap_or_default();
            let (tenant, incarnation) = life;
            OwnedTenant::new(tenant, incarnation, resources).retained(retained)
        });
        Ok(tenants.collect())
    }

    fn observe(&self, engine: &str, clock: Arc<dyn Clock>) -> Option<BoxStream<'static, Observation>> {
        Some(observe::observe(Arc::clone(self.machine()), clock, self.owner(engine)))
    }
}

#[cfg(any(test, feature = "testing"))]
impl landlord_testing::faults::Faulted for ProcessKind {
    type Model = faults::Processes;
}
