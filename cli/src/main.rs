#![doc = include_str!("../README.md")]

mod again;
mod args;
mod attended;
mod built_with;
mod demo;
mod describe;
mod events;
mod exit;
mod hints;
mod list;
mod logs;
mod machine;
mod operate;
mod patience;
mod place;
mod plan;
mod providers;
mod report;
mod screen;
mod signals;
mod spec_file;
mod status;
mod sweep;
mod validate;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use landlord_compute::provider::LogQuery;
use landlord_compute::store::{Scope, TenantFilter};
use tokio::runtime::Builder;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use args::{Cli, Command, Format};
use built_with::BUILT_WITH;
use exit::{Exit, Failure};
use hints::Hints;
use operate::Ask;
use place::Place;
use screen::Screen;

/// What is logged when RUST_LOG does not say it: defects, and trouble with the store. What happens to tenants is shown
/// anyway, so the providers say nothing.
fn quiet() -> EnvFilter {
    const LOG: [&str; 5] = [
        "error",
        "landlord_compute::engine::commit=warn",
        "landlord_compute::engine::telemetry=off",
        "landlord_compute::provider=off",
        "landlord_store_sqlite=warn",
    ];
    let providers = BUILT_WITH.iter().map(|built| format!("landlord_provider_{}=off", built.kind));
    let directives: Vec<String> = LOG.into_iter().map(str::to_owned).chain(providers).collect();
    EnvFilter::new(directives.join(","))
}

fn main() -> ExitCode {
    built_with::run_if_asked();
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((cli, Hints::of(&matches)))
    });
    let (cli, hints) = match parsed {
        Ok(parsed) => parsed,
        Err(refused) if refused.use_stderr() && wants_json(std::env::args_os()) => {
            let failure = Failure::Usage(refused.to_string().trim_end().to_owned());
            Screen::new(Format::Json, Hints::default()).fail(&failure);
            return failure.exit().code().into();
        }
        Err(refused) => refused.exit(),
    };
    let screen = Screen::new(cli.output, hints);
    if matches!(cli.command, Command::Run) {
        match built_with::run_if_process_1() {
            Ok(None) => {}
            Ok(Some(code)) => return code,
            Err(failure) => return ended(&screen, Err(failure)),
        }
    }
    log_to(&screen);
    let outcome = to_its_end(command(&screen, cli));
    screen.end_progress();
    ended(&screen, outcome.map(|exit| exit.code().into()))
}

/// Runs to its end on a runtime of its own.
fn to_its_end<T>(what: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|source| Failure::System { doing: "start a runtime", source })?.block_on(what)
}

/// What the program ends with; a failure is said.
fn ended(screen: &Screen, outcome: Result<ExitCode, Failure>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(failure) => {
            screen.fail(&failure);
            failure.exit().code().into()
        }
    }
}

/// Whether JSON is asked for on a command line that is not understood.
fn wants_json(words: impl Iterator<Item = OsString>) -> bool {
    let words: Vec<OsString> = words.collect();
    let asks = |flag: &OsString, value: &OsString| (flag == "-o" || flag == "--output") && value == "json";
    words.iter().any(|word| word == "-ojson" || word == "-o=json" || word == "--output=json")
        || words.windows(2).any(|pair| matches!(pair, [flag, value] if asks(flag, value)))
}

async fn command(screen: &Screen, cli: Cli) -> Result<Exit, Failure> {
    let place = &Place::new(&cli.store, &cli.configs)?.for_command(cli.command.name(), cli.wait);
    let operate = |tenant, ask, options| operate::operate(screen, place, tenant, ask, options);
    let done = match cli.command {
        Command::Demo => demo::demo(screen).await,
        Command::Provision { file, options } => {
            let spec = validate::checked(place, &file.file).await?;
            operate(spec.tenant().clone(), Ask::Provision(spec), options.into()).await
        }
        Command::Update { file, options } => {
            let spec = validate::checked(place, &file.file).await?;
            operate(spec.tenant().clone(), Ask::Update(spec), options.into()).await
        }
        Command::Restart { tenant, options } => operate(tenant, Ask::Restart, options.into()).await,
        Command::Destroy { tenant, options } => operate(tenant, Ask::Destroy, options.into()).await,
        Command::Release { tenant, provider, options } => {
            operate(tenant, Ask::Release(provider), options.into()).await
        }
        Command::Cancel { tenant, options } => operate(tenant, Ask::Cancel, options.into()).await,
        Command::Retry { tenant, options } => operate(tenant, Ask::Retry, options.into()).await,
        Command::Abandon { tenant, reason } => {
            operate(tenant, Ask::Abandon(reason), landlord_compute::Options::default()).await
        }
        Command::Pause { tenant, options } => operate::pause(screen, place, tenant, options.into()).await,
        Command::Resume { tenant, options } => operate::resume(screen, place, tenant, options.into()).await,
        Command::Wait { operation } => operate::wait(screen, place, operation).await,
        Command::Run => events::run(screen, place).await,
        Command::Status { tenant } => status::status(screen, place, &tenant).await,
        Command::List { state, provider } => {
            list::list(screen, place, &TenantFilter { state, provider }).await
        }
        Command::Describe { tenant } => describe::describe(screen, place, &tenant).await,
        Command::Logs { tenant, follow, since, container } => {
            let mut query = LogQuery::default();
            (query.since, query.container, query.follow) = (since, container, follow);
            logs::logs(screen, place, &tenant, query).await
        }
        Command::Events { tenant, follow, after, last } => {
            let scope = tenant.map_or(Scope::All, Scope::Tenant);
            events::events(screen, place, scope, after, last, follow).await
        }
        Command::Sweep { provider, delete } => sweep::sweep(screen, place, provider, delete).await,
        Command::Plan { file } => return plan::plan(screen, place, &file.file).await,
        Command::Validate { file } => validate::validate(screen, place, &file.file).await,
        Command::Schema => {
            let schema = landlord_compute::machines::spec::schema();
            screen.show(&schema, || format!("{schema:#}"))
        }
        Command::Providers { name } => providers::providers(screen, place, name.as_ref()),
        Command::Machine { name } => machine::machine(screen, name.as_deref()),
        Command::DemoTenant(tenant) => demo::tenant(tenant).await,
    };
    done.map(|()| Exit::Done)
}

/// The engine's log goes to stderr.
fn log_to(screen: &Screen) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| quiet());
    // A target that prints secrets is logged only when RUST_LOG names it.
    let filter = match filter.max_level_hint() {
        Some(level) if level <= LevelFilter::INFO => filter,
        Some(_) | None => BUILT_WITH
            .iter()
            .flat_map(|built| built.secret_targets)
            .flat_map(|target| format!("{target}=warn").parse())
            .fold(filter, EnvFilter::add_directive),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(screen.clone()).init();
}
