//! The command line: one file for each job, nothing that the library does not do.

mod args;
mod demo;
mod events;
mod exit;
mod look;
mod machine;
mod operate;
mod place;
mod report;
mod screen;
mod signals;
mod spec_file;
mod validate;
mod view;
mod words;

use std::process::ExitCode;

use clap::Parser;
use landlord_compute::store::{Scope, TenantFilter};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
use exit::Failure;
use operate::Ask;
use place::Place;
use screen::Screen;

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = Screen::new(cli.output);
    log_to(&screen);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::System { doing: "start a runtime", source })
        .and_then(|runtime| runtime.block_on(command(&screen, cli)));
    screen.end_progress();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(failure) => {
            screen.fail(&failure);
            failure.exit().code().into()
        }
    }
}

async fn command(screen: &Screen, cli: Cli) -> Result<(), Failure> {
    let place = &Place::new(&cli.store);
    let operate = |tenant, ask, options| operate::operate(screen, place, tenant, ask, options);
    match cli.command {
        Command::Demo => demo::demo(screen).await,
        Command::Provision { file, options } => {
            let spec = spec_file::read(&file.file)?;
            operate(spec.tenant().clone(), Ask::Provision(spec), options.into()).await
        }
        Command::Update { file, options } => {
            let spec = spec_file::read(&file.file)?;
            operate(spec.tenant().clone(), Ask::Update(spec), options.into()).await
        }
        Command::Destroy { tenant, options } => operate(tenant, Ask::Destroy, options.into()).await,
        Command::Cancel { tenant, options } => operate(tenant, Ask::Cancel, options.into()).await,
        Command::Retry { tenant, options } => operate(tenant, Ask::Retry, options.into()).await,
        Command::Abandon { tenant, reason } => {
            operate(tenant, Ask::Abandon(reason), landlord_compute::Options::default()).await
        }
        Command::Pause { tenant, options } => operate::pause(screen, place, tenant, options.into()).await,
        Command::Resume { tenant, options } => operate::resume(screen, place, tenant, options.into()).await,
        Command::Wait { operation } => operate::wait(screen, place, operation).await,
        Command::Run => events::run(screen, place).await,
        Command::Status { tenant } => look::status(screen, place, &tenant).await,
        Command::List { state, provider } => {
            look::list(screen, place, &TenantFilter { state, provider }).await
        }
        Command::Describe { tenant } => look::describe(screen, place, &tenant).await,
        Command::Events { tenant, follow, after, last } => {
            let scope = tenant.map_or(Scope::All, Scope::Tenant);
            events::events(screen, place, scope, after, last, follow).await
        }
        Command::Validate { file } => validate::validate(screen, place, &file.file).await,
        Command::Machine { name } => machine::machine(screen, name.as_deref()),
        Command::DemoTenant(tenant) => demo::tenant(tenant).await,
    }
}

/// The engine's log: errors only, unless RUST_LOG says otherwise; events tell the rest.
fn log_to(screen: &Screen) {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::ERROR.into()).from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(screen.clone()).init();
}
