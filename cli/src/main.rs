#![doc = include_str!("../README.md")]

mod again;
mod apply;
mod args;
mod attended;
mod built_with;
mod configuration;
mod demo;
mod describe;
mod doctor;
mod engines;
mod events;
mod exit;
mod explained;
mod failure;
mod get;
mod here;
mod hints;
mod kept;
mod list;
mod logs;
mod machine;
mod migrate;
mod observed;
mod operate;
mod page;
mod patience;
mod place;
mod plan;
mod providers;
mod reader;
mod remote;
mod report;
mod rollback;
mod screen;
mod serve;
mod signals;
mod spec_file;
mod status;
mod store_at;
mod sweep;
mod tokens;
mod validate;
mod values;
mod watch;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches};
use landlord_client::{CommandOptions, LogsQuery};
use tokio::runtime::Builder;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use args::{Cli, Command, Format};
use built_with::BUILT_WITH;
use configuration::LogFormat;
use exit::Exit;
use failure::Failure;
use hints::Hints;
use kept::Kept;
use observed::Observed;
use operate::Ask;
use patience::{Patience, Until};
use place::{Missing, Place};
use screen::Screen;

/// What is logged when RUST_LOG does not say it: defects, and trouble with the store. What happens to tenants is shown
/// anyway, so the providers say nothing.
///
/// `traced`: the spans of what is traced are known to the log, so that its lines say of which trace they are.
fn quiet(traced: bool) -> EnvFilter {
    const LOG: [&str; 6] = [
        "error",
        "landlord_compute::engine::commit=warn",
        "landlord_compute::engine::telemetry=off",
        "landlord_compute::provider=off",
        "landlord_store_postgres=warn",
        "landlord_store_sqlite=warn",
    ];
    let providers = BUILT_WITH.iter().map(|built| format!("landlord_provider_{}=off", built.kind));
    let spans = traced.then(|| "landlord_compute::trace=info".to_owned());
    let directives: Vec<String> = LOG.into_iter().map(str::to_owned).chain(providers).chain(spans).collect();
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
        Err(refused) => match for_programs(std::env::args_os()) {
            Some(format) if refused.use_stderr() => {
                let failure = Failure::Usage(refused.to_string().trim_end().to_owned());
                Screen::new(format, Hints::default()).fail(&failure);
                return failure.exit().code().into();
            }
            Some(_) | None => refused.exit(),
        },
    };
    let screen = Screen::new(cli.output, hints);
    let serves = matches!(cli.command, Command::Serve { check: false, .. });
    if serves {
        match built_with::run_if_process_1() {
            Ok(None) => {}
            Ok(Some(code)) => return code,
            Err(failure) => return ended(&screen, Err(failure)),
        }
    }
    let observed = match serves.then(|| Observed::by(cli.config.as_deref())).transpose() {
        Ok(observed) => observed,
        Err(failure) => return ended(&screen, Err(failure)),
    };
    log_to(&screen, cli.log_format, observed.as_ref());
    let outcome = to_its_end(command(&screen, cli, observed));
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

/// The format for programs that a command line asks for which is not understood.
fn for_programs(words: impl Iterator<Item = OsString>) -> Option<Format> {
    let words: Vec<OsString> = words.collect();
    let asks = |name: &str| {
        let apart = |flag: &OsString, value: &OsString| (flag == "-o" || flag == "--output") && value == name;
        let whole = ["-o", "-o=", "--output="].map(|flag| OsString::from(format!("{flag}{name}")));
        words.iter().any(|word| whole.contains(word))
            || words.windows(2).any(|pair| matches!(pair, [flag, value] if apart(flag, value)))
    };
    [("json", Format::Json), ("yaml", Format::Yaml)]
        .into_iter()
        .find_map(|(name, format)| asks(name).then_some(format))
}

async fn command(screen: &Screen, cli: Cli, observed: Option<Observed>) -> Result<Exit, Failure> {
    if matches!(cli.output, Format::Wide | Format::Name) && !matches!(cli.command, Command::List(_)) {
        return Err(Failure::Usage("-o wide and -o name are for `landlord-compute list`".to_owned()));
    }
    let remote = cli.remote.client()?;
    let own_engine = matches!(cli.command, Command::Serve { .. } | Command::Demo { .. });
    if remote.is_some() && own_engine {
        let message = format!("`{}` runs an engine here; leave out --server", cli.command.name());
        return Err(Failure::Usage(message));
    }
    if remote.is_some() && matches!(cli.command, Command::Page { .. }) {
        let message = "`page` shows the server of this machine; the page of another one is at its address, in a browser";
        return Err(Failure::Usage(message.to_owned()));
    }
    let file = cli.config.as_deref();
    if let Command::Serve { check: true, .. } = cli.command {
        return serve::check(screen, file, cli.told()).map(|()| Exit::Done);
    }
    if let Command::Doctor = cli.command {
        let done = doctor::doctor(screen, file, cli.told(), &cli.configs, remote).await;
        return done.map(|()| Exit::Done);
    }
    let configuration = Arc::new(configuration::of(file)?);
    let store = cli.store.as_ref().or(configuration.store.as_ref());
    if let Command::Migrate { plan } = cli.command {
        return migrate::migrate(screen, store, &configuration, plan).await.map(|()| Exit::Done);
    }
    if let Command::Demo { engines: Some(engines) } = cli.command {
        return demo::several(screen, store, &configuration, engines.into()).await.map(|()| Exit::Done);
    }
    if let Command::DemoEngine { cloud } = cli.command {
        return demo::engine(screen, store, &configuration, cloud).await.map(|()| Exit::Done);
    }
    let kept = Kept::of(cli.told(), &configuration)?;
    let place = Place::new(kept, &cli.configs, configuration)?.for_command(cli.command.name(), cli.wait);
    let place = &place.of_server(remote);
    if cli.configs.is_given() && !own_engine && place.server().await.is_some() {
        screen.note("note: the server that has the store runs; its own configuration of providers applies, not this one");
    }
    let operate =
        |tenant, ask, with: (CommandOptions, Patience)| operate::operate(screen, place, tenant, ask, with);
    let done = match cli.command {
        Command::Demo { engines: _ } => demo::demo(screen).await,
        Command::Apply(asked) => apply::apply(screen, place, asked).await,
        Command::Provision { files, options } => match spec_file::documents(&files.file).one_or_more()? {
            Ok(spec) => operate::apply(screen, place, spec, Ask::Provision, options).await,
            Err(specs) => {
                let command = landlord_client::Command::Provision;
                apply::each(screen, place, specs, command, Missing::Create, options).await
            }
        },
        Command::Update { files, options } => match spec_file::documents(&files.file).one_or_more()? {
            Ok(spec) => operate::apply(screen, place, spec, Ask::Update, options).await,
            Err(specs) => {
                let command = landlord_client::Command::Update;
                apply::each(screen, place, specs, command, Missing::Refuse, options).await
            }
        },
        Command::Rollback { tenant, to, options } => {
            rollback::rollback(screen, place, tenant, to, options).await
        }
        Command::Restart { tenant, options } => operate(tenant, Ask::Restart, options.into()).await,
        Command::Destroy { tenant, options } => operate(tenant, Ask::Destroy, options.into()).await,
        Command::Release { tenant, provider, options } => {
            operate(tenant, Ask::Release(provider), options.into()).await
        }
        Command::Cancel { tenant, options } => operate(tenant, Ask::Cancel, options.into()).await,
        Command::Retry { tenant, options } => operate(tenant, Ask::Retry, options.into()).await,
        Command::Abandon { tenant, reason, patience } => {
            let mut options = CommandOptions::default();
            options.reason = Some(reason);
            operate(tenant, Ask::Abandon, (options, patience)).await
        }
        Command::Pause { tenant, options } => operate::pause(screen, place, tenant, options.into()).await,
        Command::Resume { tenant, options } => operate::resume(screen, place, tenant, options.into()).await,
        Command::Wait { operation, timeout } => {
            operate::wait(screen, place, operation, Until::within(timeout)).await
        }
        Command::Serve { check: _, lost } => {
            let observed = match observed {
                Some(observed) => observed,
                None => Observed::by(file)?,
            };
            serve::serve(screen, place, file, lost, observed).await
        }
        Command::Page { port } => page::page(screen, place, port).await,
        Command::Token(what) => tokens::token(screen, place, what).await,
        Command::Status { tenant } => status::status(screen, place, &tenant).await,
        Command::List(asked) if asked.watch => watch::watch(screen, place, &asked).await,
        Command::List(asked) => list::list(screen, place, &asked).await,
        Command::Get { what, at } => get::get(screen, place, &what, at).await,
        Command::Describe { tenant } => describe::describe(screen, place, &tenant).await,
        Command::Logs { tenant, follow, since, container, previous } => {
            let mut query = LogsQuery::default();
            query.previous = previous;
            (query.since, query.container, query.follow) = (since, container, follow);
            logs::logs(screen, place, &tenant, query).await
        }
        Command::Events { tenant, follow, after, last } => {
            let from = match (after, last) {
                (_, Some(count)) => events::From::Last(count),
                (Some(position), None) => events::From::After(position),
                (None, None) => events::From::Start,
            };
            events::events(screen, place, tenant.as_ref(), from, follow).await
        }
        Command::Sweep { provider, delete } => sweep::sweep(screen, place, provider, delete).await,
        Command::Plan { files } => {
            return plan::plan(screen, place, spec_file::documents(&files.file)).await;
        }
        Command::Validate { files } => {
            validate::validate(screen, place, spec_file::documents(&files.file)).await
        }
        Command::Engines => engines::engines(screen, place).await,
        // It was done above: it also looks at a configuration that is not sound.
        Command::Doctor => Ok(()),
        Command::Schema => {
            let schema = landlord_compute::machines::spec::schema();
            screen.show(&schema, || format!("{schema:#}"))
        }
        Command::Providers { name } => providers::providers(screen, place, name.as_ref()).await,
        Command::Machine { name } => machine::machine(screen, name.as_deref()),
        // It was done above: it needs no providers.
        Command::Migrate { plan: _ } => Ok(()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "landlord-compute", &mut script);
            screen.print(&String::from_utf8_lossy(&script))
        }
        // It was done above: it needs no providers.
        Command::DemoEngine { cloud: _ } => Ok(()),
        Command::DemoTenant(tenant) => demo::tenant(tenant).await,
    };
    done.map(|()| Exit::Done)
}

/// The engine's log goes to stderr, and the spans of what is traced to where the configuration says.
fn log_to(screen: &Screen, format: Option<LogFormat>, observed: Option<&Observed>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| quiet(observed.is_some()));
    // A target that prints secrets is logged only when RUST_LOG names it.
    let filter = match filter.max_level_hint() {
        Some(level) if level <= LevelFilter::INFO => filter,
        Some(_) | None => BUILT_WITH
            .iter()
            .flat_map(|built| built.secret_targets)
            .flat_map(|target| format!("{target}=warn").parse())
            .fold(filter, EnvFilter::add_directive),
    };
    let traces = observed.and_then(|observed| observed.telemetry.layer());
    let lines = tracing_subscriber::fmt::layer().with_writer(screen.clone());
    let lines = match format.or(observed.map(|observed| observed.log)).unwrap_or_default() {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(traces).with(lines).init();
}
