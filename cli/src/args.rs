//! What can be written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use landlord_compute::Options;
use landlord_compute::machines::id::{OperationId, ProviderName, Revision, TenantId};
use landlord_compute::machines::tenant::StateName;

use super::built_with::{self, Configs, GLOBAL};
use super::exit::Exit;
use super::spec_file;

/// Runs tenants as processes of this machine, and remembers them in a SQLite file.
///
/// A command that changes a tenant runs an engine for as long as it takes; tenants go on running afterwards. `run`
/// keeps an engine running, which also repairs what breaks. One engine at a time has a store; looking is always
/// possible.
#[derive(Debug, Parser)]
#[command(version, after_help = Exit::help(), max_term_width = 100, propagate_version = false)]
pub(crate) struct Cli {
    /// The store. Logs of tenants are beside it, in FILE.d.
    #[arg(long, global = true, env = "LANDLORD_STORE", hide_env_values = true, help_heading = GLOBAL, default_value = "landlord.db", value_name = "FILE")]
    pub(crate) store: PathBuf,
    /// Tables for people, or JSON for programs: one document on stdout, and errors on stderr. What has no end, `events` and `logs`
    /// and `run`, is JSON Lines: one document a line.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, help_heading = GLOBAL, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// How long a command waits for the store while another engine has it, such as 90s or 5m; 0s: not at all.
    #[arg(long, global = true, value_parser = moment, help_heading = GLOBAL, default_value = "5s", value_name = "TIME")]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) configs: Configs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what the engine does, on real processes, in less than a minute.
    Demo,
    /// Make a tenant run a spec.
    #[command(after_help = spec_file::example())]
    Provision {
        #[command(flatten)]
        file: SpecFile,
        #[command(flatten)]
        options: Asking,
    },
    /// Make a tenant that runs something run another spec.
    Update {
        #[command(flatten)]
        file: SpecFile,
        #[command(flatten)]
        options: Asking,
    },
    /// Start anew what a tenant runs, with the values that its secrets have now.
    Restart {
        tenant: TenantId,
        #[command(flatten)]
        options: Asking,
    },
    /// Remove everything of a tenant.
    Destroy {
        tenant: TenantId,
        #[command(flatten)]
        options: Why,
    },
    /// Stop what is on its way for a tenant, and undo it.
    Cancel {
        tenant: TenantId,
        #[command(flatten)]
        options: Why,
    },
    /// Try again now what waits to be tried again.
    Retry {
        tenant: TenantId,
        #[command(flatten)]
        options: Why,
    },
    /// Begin nothing for a tenant until it is resumed: no retry, no repair.
    Pause {
        tenant: TenantId,
        #[command(flatten)]
        options: Why,
    },
    /// Go on after a pause.
    Resume {
        tenant: TenantId,
        #[command(flatten)]
        options: Why,
    },
    /// Remove what a tenant that is gone has retained.
    Release {
        tenant: TenantId,
        /// Where; without it, where its last life retained something.
        #[arg(long, value_parser = ProviderName::new)]
        provider: Option<ProviderName>,
        #[command(flatten)]
        options: Why,
    },
    /// Give up a destroy or a release that never ends, and leave what is left.
    Abandon {
        tenant: TenantId,
        /// Why, for the audit.
        #[arg(long)]
        reason: String,
    },
    /// Wait until an operation has settled, and go on with it where no engine runs.
    Wait {
        /// Its id, such as 3-17.
        operation: OperationId,
    },
    /// Keep an engine running that repairs what breaks, until Ctrl-C.
    Run,
    /// Ask the platform how a tenant is now.
    Status { tenant: TenantId },
    /// List the tenants.
    List {
        /// Only those in this state: pending, provisioning, running, updating, destroying.
        #[arg(long, value_parser = state_name)]
        state: Option<StateName>,
        /// Only those of this provider.
        #[arg(long, value_parser = ProviderName::new)]
        provider: Option<ProviderName>,
    },
    /// Show all that is known of a tenant.
    Describe { tenant: TenantId },
    /// Show what a tenant's containers print.
    Logs {
        tenant: TenantId,
        /// Go on with what they print next.
        #[arg(short, long)]
        follow: bool,
        /// Only what was printed since then: a time, such as 2026-01-31T12:00:00Z, or how long ago, such as 10m.
        #[arg(long, value_parser = since, value_name = "TIME")]
        since: Option<Timestamp>,
        /// Only what this container printed.
        #[arg(long, value_name = "NAME")]
        container: Option<String>,
    },
    /// Show what happened, to one tenant or to all.
    ///
    /// With `-o json` the output is JSON Lines, a document for each event: {"cursor": …, "event": …}, or {"gap": …} where
    /// events are no longer kept. Times are UTC there, and this machine's time in the table.
    Events {
        tenant: Option<TenantId>,
        /// Go on with what happens, until Ctrl-C.
        #[arg(long)]
        follow: bool,
        /// Begin after this cursor, as an earlier `events` showed it.
        #[arg(long, value_name = "CURSOR", default_value_t = 0)]
        after: u64,
        /// Begin with the last N.
        #[arg(long, value_name = "N")]
        last: Option<usize>,
    },
    /// Find what no tenant owns on the platform, and who holds nothing there.
    ///
    /// What the store's engine owns is found by its tags; what others own is never touched. A tenant with an operation
    /// on its way is not judged. Without --delete nothing is changed, and an engine may have the store.
    Sweep {
        /// Only what this provider holds; without it, what every provider holds that can list it.
        #[arg(long, value_parser = ProviderName::new)]
        provider: Option<ProviderName>,
        /// Remove what no tenant owns. What is missing is what `run` repairs.
        #[arg(long)]
        delete: bool,
    },
    /// Check a spec, without changing anything.
    Validate {
        #[command(flatten)]
        file: SpecFile,
    },
    /// Print the JSON Schema of a spec, for editors.
    Schema,
    /// Show what an update would change, without changing anything.
    Plan {
        #[command(flatten)]
        file: SpecFile,
    },
    /// List the providers; with a name, what its `provider_config` may hold.
    Providers {
        #[arg(value_parser = ProviderName::new)]
        name: Option<ProviderName>,
    },
    /// Print the diagram of a machine, for a Mermaid viewer; without a name, the names.
    Machine {
        #[arg(value_parser = PossibleValuesParser::new(built_with::machines()))]
        name: Option<String>,
    },
    /// What the demo's tenants run.
    #[command(hide = true)]
    DemoTenant(DemoTenant),
}

impl Command {
    /// What it is called where another program is told who has the store.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Provision { .. } => "provision",
            Self::Update { .. } => "update",
            Self::Restart { .. } => "restart",
            Self::Logs { .. } => "logs",
            Self::Destroy { .. } => "destroy",
            Self::Release { .. } => "release",
            Self::Cancel { .. } => "cancel",
            Self::Retry { .. } => "retry",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Abandon { .. } => "abandon",
            Self::Wait { .. } => "wait",
            Self::Run => "run",
            Self::Status { .. } => "status",
            Self::List { .. } => "list",
            Self::Describe { .. } => "describe",
            Self::Events { .. } => "events",
            Self::Sweep { .. } => "sweep",
            Self::Validate { .. } => "validate",
            Self::Schema => "schema",
            Self::Plan { .. } => "plan",
            Self::Providers { .. } => "providers",
            Self::Machine { .. } => "machine",
            Self::DemoTenant(_) => "demo-tenant",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SpecFile {
    /// The spec: .json or YAML; `-` reads it from stdin.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// What goes with a provision, an update or a restart.
#[derive(Debug, Args)]
pub(crate) struct Asking {
    /// Undo it unless it is done within this time, such as 90s or 5m.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    deadline: Option<Duration>,
    #[command(flatten)]
    why: Why,
}

/// What goes with every command.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Your name for the request: the same request twice is the same operation.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Why, for the audit.
    #[arg(long)]
    reason: Option<String>,
    /// Refuse it unless the tenant is at this revision.
    #[arg(long, value_name = "REVISION")]
    expect_revision: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoTenant {
    /// What it answers.
    #[arg(long)]
    pub(crate) greeting: String,
    /// How long it takes until it listens, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub(crate) slow: u64,
    /// It ends before it listens.
    #[arg(long)]
    pub(crate) broken: bool,
}

impl From<Asking> for Options {
    fn from(Asking { deadline, why }: Asking) -> Self {
        let mut options = Self::from(why);
        options.deadline = deadline;
        options
    }
}

impl From<Why> for Options {
    fn from(Why { request_id, reason, expect_revision }: Why) -> Self {
        let mut options = Self::default();
        options.request_id = request_id;
        options.reason = reason;
        options.expected_revision = expect_revision.map(Revision);
        options
    }
}

/// A time that may be 0.
fn moment(text: &str) -> Result<Duration, String> {
    match text.parse::<SignedDuration>() {
        Ok(none) if none.is_zero() => Ok(Duration::ZERO),
        Ok(_) | Err(_) => duration(text),
    }
}

/// A time, or how long ago it was.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let problem = || {
        format!("{text:?} is not a time; write it like 2026-01-31T12:00:00Z, or like 10m for ten minutes ago")
    };
    let ago = duration(text).map_err(|_| problem())?;
    Timestamp::now().checked_sub(ago).map_err(|_| problem())
}

fn duration(text: &str) -> Result<Duration, String> {
    let problem = || format!("{text:?} is not a time; write it like 90s, 5m or 1h30m");
    let duration: SignedDuration = text.parse().map_err(|_| problem())?;
    match Duration::try_from(duration) {
        Ok(duration) if duration > Duration::ZERO => Ok(duration),
        Ok(_) | Err(_) => Err(problem()),
    }
}

fn state_name(text: &str) -> Result<StateName, String> {
    let all = [
        StateName::Pending,
        StateName::Provisioning,
        StateName::Running,
        StateName::Updating,
        StateName::Destroying,
    ];
    all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        format!("there is no state {text:?}; there are {}", all.map(StateName::as_str).join(", "))
    })
}
