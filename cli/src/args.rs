//! What can be written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::Timestamp;
use landlord_client::CommandOptions;
use landlord_compute::machines::id::{OperationId, ProviderName, Revision, SpecVersion, TenantId};

use super::apply::Applying;
use super::built_with::{self, Configs, GLOBAL};
use super::configuration::{self, LogFormat};
use super::exit::Exit;
use super::kept::Told;
use super::list::Listing;
use super::patience::Patience;
use super::remote::Remote;
use super::spec_file;
use super::store_at::StoreAt;
use super::tokens::Token;
use super::values::{self, duration, moment, request_id, since};

/// Runs tenants as processes of this machine, and remembers them in a SQLite file, or in PostgreSQL.
///
/// `serve` keeps an engine running, which also repairs what breaks; every other command goes through it. Where none runs,
/// a command that changes a tenant runs an engine for as long as it takes; tenants go on running afterwards. One engine
/// at a time has a store; looking is always possible.
#[derive(Debug, Parser)]
#[command(name = "landlord-compute", version = env!("LANDLORD_VERSION"), after_help = Exit::help(), max_term_width = 100, propagate_version = false)]
pub(crate) struct Cli {
    /// The store; landlord.db, where neither this nor the configuration names one. Logs of tenants are beside it, in FILE.d. Or a
    /// database of PostgreSQL, which `migrate` makes ready: postgres://user@host/database. Its password is better in PGPASSWORD, or
    /// in a file that the configuration names.
    #[arg(long, global = true, env = "LANDLORD_STORE", hide_env_values = true, help_heading = GLOBAL, value_name = "FILE|URL", value_parser = OsStringValueParser::new().map(StoreAt::from))]
    pub(crate) store: Option<StoreAt>,
    /// Where the socket of the server and the logs of tenants are, if the store is a database; /var/lib/landlord for root,
    /// ~/.local/state/landlord for others. Each database needs its own.
    #[arg(long, global = true, env = "LANDLORD_DATA", hide_env_values = true, help_heading = GLOBAL, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The configuration of the engine and its providers, as TOML. What it may hold: `serve --help`.
    #[arg(long, global = true, env = "LANDLORD_CONFIG", hide_env_values = true, help_heading = GLOBAL, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: Remote,
    /// Tables for people, or JSON or YAML for programs: one document on stdout, and errors on stderr. What has no end, `events`,
    /// `logs`, `list --watch` and `serve`, is a document after the other: JSON Lines, or YAML's documents. `wide` and `name` are for
    /// `list`: more columns, or only the names.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, help_heading = GLOBAL, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// How long a command waits for the store while another engine has it, such as 90s or 5m; 0s: not at all.
    #[arg(long, global = true, value_parser = moment, help_heading = GLOBAL, default_value = "5s", value_name = "TIME")]
    pub(crate) wait: Duration,
    /// The log on stderr: lines for people, or a JSON document a line. What is logged: RUST_LOG.
    #[arg(long, global = true, value_enum, env = "LANDLORD_LOG_FORMAT", hide_env_values = true, help_heading = GLOBAL, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    #[command(flatten)]
    pub(crate) configs: Configs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// What it says of the store.
    pub(crate) fn told(&self) -> Told<'_> {
        Told { store: self.store.as_ref(), data: self.data.as_deref() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Wide,
    Name,
    Json,
    Yaml,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what the engine does, on real processes, in less than a minute.
    ///
    /// With --engines: several engines share a database of PostgreSQL, which --store names and which has to be empty. One is killed and
    /// one is stopped; the others go on. The platform is made up then. That takes about a minute and a half.
    Demo {
        /// So many engines, on one database of PostgreSQL.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(3..=9))]
        engines: Option<u8>,
    },
    /// Make tenants run the specs in files, whether they are there or not.
    ///
    /// All files are read and checked before anything is sent. What runs already as it should is left as it is.
    Apply(Applying),
    /// Make a tenant run a spec.
    #[command(after_help = spec_file::example())]
    Provision {
        #[command(flatten)]
        files: SpecFiles,
        #[command(flatten)]
        options: Asking,
    },
    /// Make a tenant that runs something run another spec.
    Update {
        #[command(flatten)]
        files: SpecFiles,
        #[command(flatten)]
        options: Asking,
    },
    /// Make a tenant run again what it ran before.
    Rollback {
        tenant: TenantId,
        /// To this one of its specs; without it, to the one that ran before the one that runs.
        #[arg(long, value_parser = values::spec_version, value_name = "vN")]
        to: Option<SpecVersion>,
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
        options: Parting,
    },
    /// Stop what is on its way for a tenant, and undo it.
    Cancel {
        tenant: TenantId,
        #[command(flatten)]
        options: Parting,
    },
    /// Try again now what waits to be tried again.
    Retry {
        tenant: TenantId,
        #[command(flatten)]
        options: Parting,
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
        options: Parting,
    },
    /// Give up a destroy or a release that never ends, and leave what is left.
    Abandon {
        tenant: TenantId,
        /// Why, for the audit.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Wait until an operation has settled, and go on with it where no engine runs.
    Wait {
        /// Its id, such as 3-17.
        operation: OperationId,
        /// Wait no longer than this, such as 90s or 5m. It goes on.
        #[arg(long, value_parser = duration, value_name = "TIME")]
        timeout: Option<Duration>,
    },
    /// Keep an engine running that repairs what breaks and answers whoever asks, until Ctrl-C.
    ///
    /// It listens on a unix socket beside the store, FILE.sock (of a database in the directory of --data), for this user and root. While it runs, every other command
    /// goes through it.
    #[command(visible_alias = "run", after_help = configuration::example())]
    Serve {
        /// Only say what is wrong with the configuration, all of it.
        #[arg(long)]
        check: bool,
        /// The site of this id is lost for good, with everything that ran and was kept there: tenants that were there are started
        /// here. An engine that finds them elsewhere says the id.
        #[arg(long, value_name = "ID")]
        lost: Option<String>,
    },
    /// Show the page of the server that runs in a browser, until Ctrl-C.
    ///
    /// It takes connections on 127.0.0.1 and hands them to the server's socket: for this user and root alone, and without a token,
    /// as over the socket.
    Page {
        /// The port; 0 for any that is free.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Make, list and revoke tokens, for those who ask from other machines.
    #[command(subcommand)]
    Token(Token),
    /// Ask the platform how a tenant is now.
    Status { tenant: TenantId },
    /// List the tenants.
    List(Listing),
    /// Print the spec that a tenant runs, as `apply` takes it again.
    ///
    /// It holds what the spec's author wrote, also in environments and command lines. Of secrets it has where they come from;
    /// their values are nowhere.
    Get {
        /// The tenant; `spec TENANT` is the same.
        #[arg(num_args = 1..=2, required = true, value_names = ["TENANT"])]
        what: Vec<String>,
        /// This one of its specs, and not the one that runs.
        #[arg(long, value_parser = values::spec_version, value_name = "vN")]
        at: Option<SpecVersion>,
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
        /// Only what each container printed before it was last started again, where its provider tells that apart.
        #[arg(short, long, conflicts_with = "follow")]
        previous: bool,
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
        #[arg(long, value_name = "CURSOR", conflicts_with = "last")]
        after: Option<u64>,
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
    /// Say how the store, the providers, the clock, the disk and the limits are, and what to do about what is wrong.
    ///
    /// A server that runs looks at itself: its store (whether it opens and is whole, who has it), the room on its disks, its
    /// clock, its limits (open files, processes, memory, groups of processes), where it listens and how long its certificate is
    /// valid, the receiver of its traces, and each provider: whether its platform answers and gives the rights for a plain
    /// tenant, each that is missing by its name, and what quotas leave. Where no server runs, this looks at the same from here, with the
    /// configuration of --config. Nothing is changed, and no secret is shown. A warning is no failure; where something
    /// failed, the exit code is 13.
    Doctor,
    /// List the engines that share the store, and how many of its 1,024 shards each has.
    ///
    /// Any engine takes any command; the one that has a tenant's shard makes its calls. The one that answers is marked.
    Engines,
    /// Check a spec, without changing anything.
    Validate {
        #[command(flatten)]
        files: SpecFiles,
    },
    /// Print the JSON Schema of a spec, for editors.
    Schema,
    /// Show what an update would change, without changing anything.
    Plan {
        #[command(flatten)]
        files: SpecFiles,
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
    /// Make the tables of a store on PostgreSQL, or bring older ones up to date.
    ///
    /// Nothing else does, so that whoever runs the database chooses when. The store is a URL:
    /// --store postgres://user@host/database. Run it once for all engines.
    Migrate {
        /// Only say what would be done, with the SQL.
        #[arg(long)]
        plan: bool,
    },
    /// Print what makes a shell complete the words of this command.
    Completions { shell: Shell },
    /// What the demo's tenants run.
    #[command(hide = true)]
    DemoTenant(DemoTenant),
    /// One of the demo's engines.
    #[command(hide = true)]
    DemoEngine {
        /// The port of the platform that is made up.
        #[arg(long)]
        cloud: u16,
    },
}

impl Command {
    /// What it is called where another program is told who has the store.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Demo { .. } => "demo",
            Self::Apply(_) => "apply",
            Self::Provision { .. } => "provision",
            Self::Update { .. } => "update",
            Self::Rollback { .. } => "rollback",
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
            Self::Serve { .. } => "serve",
            Self::Page { .. } => "page",
            Self::Token(_) => "token",
            Self::Status { .. } => "status",
            Self::List(_) => "list",
            Self::Get { .. } => "get",
            Self::Describe { .. } => "describe",
            Self::Events { .. } => "events",
            Self::Sweep { .. } => "sweep",
            Self::Doctor => "doctor",
            Self::Engines => "engines",
            Self::Validate { .. } => "validate",
            Self::Schema => "schema",
            Self::Plan { .. } => "plan",
            Self::Providers { .. } => "providers",
            Self::Machine { .. } => "machine",
            Self::Migrate { .. } => "migrate",
            Self::Completions { .. } => "completions",
            Self::DemoTenant(_) => "demo-tenant",
            Self::DemoEngine { .. } => "demo-engine",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SpecFiles {
    /// The spec: .json or YAML; `-` reads it from stdin. Or several: more files, files with several documents of YAML, and
    /// directories, of which the files count that are named .yaml, .yml or .json.
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) file: Vec<PathBuf>,
}

/// What goes with a provision, an update or a restart.
#[derive(Debug, Args)]
pub(crate) struct Asking {
    /// Undo it unless it is done within this time, such as 90s or 5m.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    deadline: Option<Duration>,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    patience: Patience,
}

/// What goes with every other command that is waited for.
#[derive(Debug, Args)]
pub(crate) struct Parting {
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    patience: Patience,
}

/// What goes with every command.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Your name for the request: the same request twice is the same operation.
    #[arg(long, value_parser = request_id, value_name = "ID")]
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

impl From<Asking> for (CommandOptions, Patience) {
    fn from(Asking { deadline, why, patience }: Asking) -> Self {
        let mut options = CommandOptions::from(why);
        options.deadline = deadline;
        (options, patience)
    }
}

impl From<Parting> for (CommandOptions, Patience) {
    fn from(Parting { why, patience }: Parting) -> Self {
        (why.into(), patience)
    }
}

impl From<Why> for CommandOptions {
    fn from(Why { request_id, reason, expect_revision }: Why) -> Self {
        let mut options = Self::default();
        options.request_id = request_id;
        options.reason = reason;
        options.expected_revision = expect_revision.map(Revision);
        options
    }
}
